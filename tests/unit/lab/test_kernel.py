import lzma
from pathlib import Path

import pytest

from hyperward.errors import SystemFault
from hyperward.lab import kernel as subject
from hyperward.lab.cache import cache_folder, locked
from hyperward.lab.kernel import ensure_kernel, extract_kernel, kernel_package

RELEASE = "6.12.9-cloud-amd64"


def _unpacked(root: Path, *, modules: str = "usr/lib/modules") -> Path:
    folder = root / modules / RELEASE / "kernel"
    folder.mkdir(parents=True)
    (root / "boot").mkdir()
    (root / "boot" / f"vmlinuz-{RELEASE}").write_bytes(b"image")
    (folder / "virtio_net.ko.xz").write_bytes(lzma.compress(b"\0depends=net_failover,virtio_ring\0"))
    (folder / "net_failover.ko.xz").write_bytes(lzma.compress(b"\0depends=failover\0"))
    (folder / "failover.ko.xz").write_bytes(lzma.compress(b"\0depends=\0"))
    listing = "kernel/drivers/virtio/virtio_pci.ko\nkernel/drivers/virtio/virtio_ring.ko\n"
    (root / modules / RELEASE / "modules.builtin").write_text(listing, encoding="utf-8")
    return root


def test_the_package_is_what_the_meta_package_depends_on() -> None:
    text = "Package: linux-image-cloud-amd64\nDepends: linux-image-6.12.95+deb12-cloud-amd64 (= 6.12.95-1~bpo12+1)\n"
    assert kernel_package(text) == "linux-image-6.12.95+deb12-cloud-amd64"
    with pytest.raises(SystemFault, match="apt-get update"):
        kernel_package("Package: linux-image-cloud-amd64\nDescription: linux-image-1-cloud-amd64\n")


@pytest.mark.parametrize("modules", ["lib/modules", "usr/lib/modules"])
def test_only_what_the_vm_needs_is_taken_in_load_order(tmp_path: Path, modules: str) -> None:
    kernel = extract_kernel(_unpacked(tmp_path / "root", modules=modules), tmp_path / "kernel")
    assert kernel.release == RELEASE
    assert kernel.image.read_bytes() == b"image"
    assert [path.name for path in kernel.modules] == ["failover.ko", "net_failover.ko", "virtio_net.ko"]
    assert kernel.modules[0].read_bytes() == b"\0depends=\0"


def test_a_package_that_lacks_something_is_refused(tmp_path: Path) -> None:
    root = _unpacked(tmp_path / "root")
    (root / "usr/lib/modules" / RELEASE / "kernel/failover.ko.xz").unlink()
    with pytest.raises(SystemFault, match="lacks the module failover"):
        extract_kernel(root, tmp_path / "kernel")
    (root / "boot" / f"vmlinuz-{RELEASE}").unlink()
    with pytest.raises(SystemFault, match="no kernel image"):
        extract_kernel(root, tmp_path / "kernel")


def test_a_kernel_in_the_cache_is_used_and_a_damaged_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = extract_kernel(_unpacked(tmp_path / "root"), tmp_path / "kernel-a")
    (tmp_path / "kernel-b").mkdir()
    (tmp_path / "kernel-b" / "kernel.json").write_text("{", encoding="utf-8")
    assert ensure_kernel(tmp_path, pytest.fail) == made

    def fetch(_cache: Path, _progress: object) -> None:
        raise SystemFault("fetched")

    monkeypatch.setattr(subject, "_fetch", fetch)
    made.modules[0].unlink()
    with pytest.raises(SystemFault, match="fetched"):
        ensure_kernel(tmp_path, pytest.fail)


def test_the_cache_folder_can_be_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYPERWARD_CACHE", str(tmp_path / "own"))
    assert cache_folder() == tmp_path / "own"
    with locked(tmp_path / "own"):
        pass
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("HYPERWARD_CACHE", str(tmp_path / "file" / "below"))
    with pytest.raises(SystemFault, match="no cache folder"):
        cache_folder()
