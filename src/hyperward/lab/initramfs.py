"""The VM's root file system: busybox, the NIC's modules, the scripts and the small site in `guest/`."""

import shutil
from importlib import resources
from pathlib import Path

from hyperward.errors import SystemFault
from hyperward.lab.cpio import Entry, archive, character_device, file, folder
from hyperward.lab.kernel import Kernel

_FOLDERS = ("bin", "dev", "etc", "modules", "proc", "run", "sys", "tmp", "var", "var/log", "www")
_SCRIPTS = {"init": "init.sh", "bin/hw-console": "console.sh", "bin/hw-ssh": "ssh.sh"}
_PAGES = {"www/index.html": "index.html", "www/about.html": "about.html"}


def find_busybox() -> Path:
    """Return the static busybox of this machine.

    Raises:
        SystemFault: there is none, or it needs shared libraries, which the VM does not have.
    """
    found = shutil.which("busybox")
    if found is None:
        raise SystemFault("the program busybox is missing", hint="install busybox-static")
    with Path(found).open("rb") as program:
        # The dynamic loader's name stands in the first page of a program that needs one.
        if b"/ld-linux" in program.read(4096):
            raise SystemFault("busybox needs shared libraries", where=found, hint="install busybox-static")
    return Path(found)


def initramfs_entries(busybox: bytes, modules: dict[str, bytes], extra: dict[str, bytes]) -> list[Entry]:
    """Return the members of the root file system; `modules` by file name in load order, `extra` by path."""
    entries = [folder(name) for name in _FOLDERS]
    entries.append(character_device("dev/console", 5, 1))
    entries.append(file("bin/busybox", busybox, executable=True))
    entries += [file(name, _guest(source), executable=True) for name, source in _SCRIPTS.items()]
    entries += [file(name, _guest(source)) for name, source in _PAGES.items()]
    entries += [file(f"modules/{name}", data) for name, data in modules.items()]
    entries.append(file("modules/order", "".join(f"{name}\n" for name in modules).encode()))
    entries += [file(name, data) for name, data in extra.items()]
    return entries


def build_initramfs(kernel: Kernel, extra: dict[str, bytes]) -> bytes:
    """Return the archive for a kernel, with further files by path.

    Raises:
        SystemFault: no static busybox on this machine.
    """
    busybox = find_busybox().read_bytes()
    modules = {path.name: path.read_bytes() for path in kernel.modules}
    return archive(initramfs_entries(busybox, modules, extra))


def _guest(name: str) -> bytes:
    return resources.files("hyperward.lab").joinpath("guest", name).read_bytes()
