import lzma
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperward.errors import SystemFault
from hyperward.lab.modules import dependencies, find_modules, load_order, module_name, read_module


def test_dependencies_are_read_from_modinfo() -> None:
    assert dependencies(b"\x7fELF..\x00license=GPL\x00depends=virtio_ring,virtio-pci\x00name=x\x00") == (
        "virtio_ring",
        "virtio_pci",
    )
    assert dependencies(b"\x00depends=\x00") == ()
    assert dependencies(b"") == ()


@given(st.binary())
def test_any_bytes_can_be_asked_for_dependencies(data: bytes) -> None:
    assert isinstance(dependencies(data), tuple)


@given(st.lists(st.lists(st.integers(0, 9), max_size=4), min_size=10, max_size=10))
def test_everything_comes_after_what_it_needs(graph: list[list[int]]) -> None:
    # Edges go to lower numbers only, so there is no circle.
    needs = {str(number): [str(low) for low in edges if low < number] for number, edges in enumerate(graph)}
    order = load_order(["9", "5"], lambda name: needs[name])
    assert len(order) == len(set(order))
    for position, name in enumerate(order):
        assert set(needs[name]) <= set(order[:position])


def test_a_circle_is_refused() -> None:
    with pytest.raises(SystemFault, match="circle"):
        load_order(["a"], lambda name: {"a": ["b"], "b": ["a"]}[name])


def test_modules_are_found_and_decompressed(tmp_path: Path) -> None:
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "plain-one.ko").write_bytes(b"plain")
    (tmp_path / "net" / "packed.ko.xz").write_bytes(lzma.compress(b"packed"))
    (tmp_path / "net" / "no.ko.txt").write_bytes(b"")
    found = find_modules(tmp_path)
    assert set(found) == {"plain_one", "packed"}
    assert read_module(found["plain_one"]) == b"plain"
    assert read_module(found["packed"]) == b"packed"
    assert module_name(Path("a/virtio-net.ko.zst")) == "virtio_net"


@pytest.mark.skipif(shutil.which("zstd") is None, reason="no zstd here")
def test_zstd_modules_are_decompressed(tmp_path: Path) -> None:
    plain = tmp_path / "x.ko"
    plain.write_bytes(b"content")
    subprocess.run(["zstd", "-q", str(plain)], check=True)
    assert read_module(tmp_path / "x.ko.zst") == b"content"
    (tmp_path / "bad.ko.zst").write_bytes(b"no zstd")
    with pytest.raises(SystemFault, match="cannot decompress"):
        read_module(tmp_path / "bad.ko.zst")


def test_a_damaged_module_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bad.ko.xz").write_bytes(b"no xz")
    with pytest.raises(SystemFault, match="cannot decompress"):
        read_module(tmp_path / "bad.ko.xz")
