"""The VM's kernel: Debian's cloud kernel, downloaded with apt-get and unpacked, never installed.

What is kept in the cache is only what a lab VM needs: the kernel image and the modules of its NIC in load order.
"""

import json
import os
import platform
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from hyperward.errors import SystemFault
from hyperward.lab.cache import locked
from hyperward.lab.modules import dependencies, find_modules, load_order, module_name, read_module

META_PACKAGE = "linux-image-cloud-amd64"
WANTED = ("virtio_pci", "virtio_net")
_IMAGE = re.compile(r"\b(linux-image-[0-9][A-Za-z0-9.+~-]*-cloud-amd64)\b")
_DOWNLOAD_SECONDS = 600
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Kernel:
    """A kernel ready to boot: `image`, and `modules` in the order in which they are loaded, uncompressed."""

    release: str
    image: Path
    modules: tuple[Path, ...]


def kernel_package(depends: str) -> str:
    """Return the package that the meta package depends on, from the text of `apt-cache show`.

    Raises:
        SystemFault: the text names none.
    """
    for line in depends.splitlines():
        if line.startswith("Depends:") and (found := _IMAGE.search(line)):
            return found.group(1)
    raise SystemFault(
        f"the package archive does not say which kernel {META_PACKAGE} is", hint="run apt-get update, then try again"
    )


def ensure_kernel(cache: Path, progress: Callable[[str], None]) -> Kernel:
    """Return the kernel in the cache, fetching it first when there is none.

    Raises:
        SystemFault: not an amd64 Debian, no archive, or the package is not as expected.
    """
    with locked(cache):
        kept = [kernel for folder in cache.glob("kernel-*") if (kernel := _load(folder)) is not None]
        if kept:
            return max(kept, key=lambda kernel: kernel.image.stat().st_mtime)
        return _fetch(cache, progress)


def _load(folder: Path) -> Kernel | None:
    try:
        manifest = json.loads((folder / "kernel.json").read_text(encoding="utf-8"))
        image = folder / "vmlinuz"
        modules = tuple(folder / str(name) for name in manifest["modules"])
        release = str(manifest["release"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return Kernel(release, image, modules) if all(path.is_file() for path in (image, *modules)) else None


def _fetch(cache: Path, progress: Callable[[str], None]) -> Kernel:
    if platform.machine() != "x86_64":
        raise SystemFault(f"the lab's virtual machine needs an x86_64 machine, this is {platform.machine()}")
    package = kernel_package(_call(["apt-cache", "show", "--no-all-versions", META_PACKAGE]))
    progress(f"downloading the VM's kernel, {package}")
    with tempfile.TemporaryDirectory(dir=cache, prefix=".fetch-") as name:
        work = Path(name)
        _call(["apt-get", "download", "-q", package], folder=work)
        archives = list(work.glob("*.deb"))
        if len(archives) != 1:
            raise SystemFault("apt-get downloaded no package", where=package, hint="run apt-get update, then try again")
        progress("unpacking the VM's kernel")
        _call(["dpkg", "-x", str(archives[0]), str(work / "root")])
        kernel = extract_kernel(work / "root", work / "kernel")
        target = cache / f"kernel-{kernel.release}"
        shutil.rmtree(target, ignore_errors=True)
        (work / "kernel").rename(target)
    _log.info("kernel_fetched", package=package, folder=str(target))
    loaded = _load(target)
    if loaded is None:
        raise SystemFault("the unpacked kernel vanished", where=str(target), hint="try again")
    return loaded


def extract_kernel(root: Path, target: Path) -> Kernel:
    """Take the image and the NIC's modules from an unpacked kernel package into the folder `target`.

    Raises:
        SystemFault: the package has no image or lacks a module.
    """
    images = sorted((root / "boot").glob("vmlinuz-*"))
    if len(images) != 1:
        raise SystemFault("the kernel package holds no kernel image", where=str(root / "boot"))
    release = images[0].name.removeprefix("vmlinuz-")
    # Debian 13 has /usr/lib/modules, before that /lib/modules.
    folders = [folder for base in ("lib", "usr/lib") if (folder := root / base / "modules" / release).is_dir()]
    if not folders:
        raise SystemFault("the kernel package holds no modules", where=release)
    files = find_modules(folders[0])
    built_in = _built_in(folders[0] / "modules.builtin")
    contents: dict[str, bytes] = {}

    def needs(name: str) -> Sequence[str]:
        if name not in files:
            raise SystemFault(f"the kernel package lacks the module {name}", where=release)
        contents[name] = read_module(files[name])
        return [needed for needed in dependencies(contents[name]) if needed not in built_in]

    order = load_order([name for name in WANTED if name not in built_in], needs)
    target.mkdir()
    shutil.copyfile(images[0], target / "vmlinuz")
    for name in order:
        (target / f"{name}.ko").write_bytes(contents[name])
    names = [f"{name}.ko" for name in order]
    (target / "kernel.json").write_text(json.dumps({"release": release, "modules": names}), encoding="utf-8")
    return Kernel(release, target / "vmlinuz", tuple(target / name for name in names))


def _built_in(listing: Path) -> frozenset[str]:
    if not listing.is_file():
        return frozenset()
    return frozenset(module_name(Path(line)) for line in listing.read_text(encoding="utf-8").split())


def _call(argv: Sequence[str], *, folder: Path | None = None) -> str:
    environment = {**os.environ, "LC_ALL": "C"}
    try:
        done = subprocess.run(
            argv, check=False, capture_output=True, text=True, timeout=_DOWNLOAD_SECONDS, cwd=folder, env=environment
        )
    except FileNotFoundError:
        raise SystemFault(f"the program {argv[0]} is missing", hint="the lab's VM needs a Debian machine") from None
    except subprocess.TimeoutExpired:
        raise SystemFault(f"no end after {_DOWNLOAD_SECONDS} s", where=" ".join(argv)) from None
    if done.returncode != 0:
        said = (done.stderr.strip().splitlines() or ["failed"])[-1]
        raise SystemFault(said, where=" ".join(argv), hint="run apt-get update, then try again")
    return done.stdout
