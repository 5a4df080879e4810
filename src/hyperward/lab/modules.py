"""Kernel modules as files: what they depend on, in which order they are loaded, and their plain bytes."""

import lzma
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path

from hyperward.errors import SystemFault

_DEPENDS = re.compile(rb"\x00depends=([^\x00]{0,4096})\x00")
_SUFFIXES = (".ko", ".ko.xz", ".ko.zst")
MAX_MODULE = 32 * 1024 * 1024


def module_name(path: Path) -> str:
    """Return the name of a module file; the kernel takes - and _ as the same."""
    return path.name.partition(".ko")[0].replace("-", "_")


def find_modules(folder: Path) -> dict[str, Path]:
    """Return every module below a folder by name."""
    return {module_name(path): path for path in sorted(folder.rglob("*.ko*")) if path.name.endswith(_SUFFIXES)}


def dependencies(module: bytes) -> tuple[str, ...]:
    """Return the modules that a module needs, from `depends=` in its .modinfo section."""
    found = _DEPENDS.search(module)
    if found is None:
        return ()
    names = found.group(1).decode("ascii", errors="replace").split(",")
    return tuple(name.strip().replace("-", "_") for name in names if name.strip())


def load_order(wanted: Iterable[str], depends: Callable[[str], Iterable[str]]) -> list[str]:
    """Return the wanted modules and all they need, each after what it needs.

    Raises:
        SystemFault: modules need each other in a circle.
    """
    order: list[str] = []
    open_names: list[str] = []

    def visit(name: str) -> None:
        if name in order:
            return
        if name in open_names:
            raise SystemFault("modules need each other in a circle", where=" > ".join([*open_names, name]))
        open_names.append(name)
        for needed in depends(name):
            visit(needed)
        open_names.pop()
        order.append(name)

    for name in wanted:
        visit(name)
    return order


def read_module(path: Path) -> bytes:
    """Return the bytes of a module, decompressed: Debian 12 ships .ko, Debian 13 .ko.xz.

    Raises:
        SystemFault: it cannot be decompressed, or is larger than 32 MiB.
    """
    if path.suffix == ".zst":
        data = _unzstd(path)
    elif path.suffix == ".xz":
        try:
            with lzma.open(path) as file:
                data = file.read(MAX_MODULE + 1)
        except lzma.LZMAError as error:
            raise SystemFault(f"cannot decompress the module: {error}", where=str(path)) from error
    else:
        with path.open("rb") as file:
            data = file.read(MAX_MODULE + 1)
    if len(data) > MAX_MODULE:
        raise SystemFault("the module is larger than 32 MiB", where=str(path))
    return data


def _unzstd(path: Path) -> bytes:
    program = shutil.which("zstd")
    if program is None:
        raise SystemFault("the kernel's modules are compressed with zstd", where=str(path), hint="install zstd")
    done = subprocess.run([program, "-dcq", str(path)], check=False, capture_output=True, timeout=60)
    if done.returncode != 0:
        raise SystemFault("cannot decompress the module", where=str(path))
    return done.stdout
