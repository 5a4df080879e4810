"""Load the steering program, pin it, and adopt what an earlier daemon pinned.

Maps and programs are pinned below one folder on a BPF file system: `maps/NAME` and `programs-DIGEST/NAME`. A daemon
that starts again finds both and loads nothing. After an upgrade the digest differs: the changed program is loaded over
the same maps, so that ports, flows and counters stay. Only a changed layout starts with empty maps.
"""

import errno
import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import structlog

from hyperward.errors import SystemFault
from hyperward.steering.layout import LAYOUT_VERSION
from hyperward.steering.libbpf import BpfError, check, ffi, lib, sized, text
from hyperward.steering.maps import Maps, bind

PROGRAMS = (
    "from_vm",
    "to_vm",
    "to_engine",
    "from_engine_network",
    "from_engine_guest",
    "to_scanner",
    "from_scanner",
)
MAPS = (
    "settings",
    "ports",
    "vids",
    "port_counters",
    "heartbeats",
    "flows",
    "blocked",
    "exclusions4",
    "exclusions6",
    "exclusion_nodes",
    "exclusion_hits",
    "web_flows",
    "scanners",
    "scanner_devices",
    "port_devices",
    "web_tokens",
)
_VERIFIER_LOG_BYTES = 1 << 16

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Program:
    """The loaded steering program: file descriptors of its programs, its typed maps, and whether it was adopted."""

    fds: dict[str, int]
    maps: Maps
    adopted: bool
    map_fds: dict[str, int]

    def close(self) -> None:
        """Close the descriptors; what is pinned or attached stays in the kernel."""
        for fd in (*self.fds.values(), *self.map_fds.values()):
            os.close(fd)


def object_bytes() -> bytes:
    """Return the compiled program that ships with the package.

    Raises:
        SystemFault: the package was installed without building it.
    """
    file = resources.files("hyperward.steering") / "steering.bpf.o"
    try:
        return file.read_bytes()
    except FileNotFoundError:
        raise SystemFault(
            "the compiled steering program is missing",
            where="steering.bpf.o",
            hint="install the package with clang present",
        ) from None


def mount_bpffs(folder: Path) -> None:
    """Make `folder` a BPF file system, unless it is one already.

    Raises:
        SystemFault: it cannot be mounted.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if is_bpffs(folder):
        return
    done = subprocess.run(
        ["mount", "-t", "bpf", "-o", "mode=0700", "hyperward", str(folder)], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise SystemFault(
            f"cannot mount a BPF file system: {done.stderr.strip()}",
            where=str(folder),
            hint="run as root on a kernel with CONFIG_BPF_SYSCALL",
        )


def unmount_bpffs(folder: Path) -> None:
    """Unmount the BPF file system at `folder`, as often as it is mounted there.

    Raises:
        SystemFault: it is in use.
    """
    while is_bpffs(folder):
        done = subprocess.run(["umount", str(folder)], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise SystemFault(f"cannot unmount: {done.stderr.strip()}", where=str(folder), hint="see what uses it")


def is_bpffs(folder: Path) -> bool:
    """Tell whether a BPF file system is mounted at `folder`."""
    wanted = str(folder.resolve())
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        if before.split()[4].encode().decode("unicode_escape") == wanted and after.split()[0] == "bpf":
            return True
    return False


def open_program(pins: Path, compiled: bytes) -> Program:
    """Adopt the program pinned below `pins`, or load `compiled` and pin it there.

    Raises:
        BpfError: the kernel refused it; the message ends with the verifier's last words.
    """
    map_pins = pins / "maps"
    digest = hashlib.sha256(compiled).hexdigest()[:16]
    program_pins = pins / f"programs-{digest}"
    map_fds = _compatible_maps(map_pins)
    if map_fds:
        program_fds = _pinned(program_pins, PROGRAMS)
        if program_fds:
            log.info("steering_adopted", pins=str(pins))
            return Program(program_fds, bind(map_fds), adopted=True, map_fds=map_fds)
    for folder in (map_pins, program_pins):
        folder.mkdir(parents=True, exist_ok=True)
    program_fds, loaded_maps = _load(compiled, map_fds)
    for fd in map_fds.values():
        os.close(fd)
    if not map_fds:
        _pin(map_pins, loaded_maps)
    _pin(program_pins, program_fds)
    for stale in pins.glob("programs-*"):
        if stale != program_pins:
            shutil.rmtree(stale)
    log.info("steering_loaded", pins=str(pins), maps_kept=bool(map_fds))
    return Program(program_fds, bind(loaded_maps), adopted=False, map_fds=loaded_maps)


def pinned_maps(pins: Path, names: tuple[str, ...]) -> dict[str, int]:
    """Return descriptors of maps pinned below `pins`, by name; nothing when one of them is missing."""
    return _pinned(pins / "maps", names)


def unpin(pins: Path) -> None:
    """Remove all pins; the kernel frees what no filter uses any more."""
    for folder in (pins / "maps", *pins.glob("programs-*")):
        if folder.is_dir():
            shutil.rmtree(folder)


def _compatible_maps(folder: Path) -> dict[str, int]:
    """Return the pinned maps, or nothing when they are missing or of another layout."""
    fds = _pinned(folder, MAPS)
    if fds:
        found = bind(fds).settings.get(0)
        # A zeroed version means that an earlier daemon died before it wrote its settings: same layout, fresh maps.
        if found is not None and found.layout_version in {0, LAYOUT_VERSION}:
            return fds
        for fd in fds.values():
            os.close(fd)
        log.warning("steering_layout_changed", found=found.layout_version if found else None, ours=LAYOUT_VERSION)
    if folder.is_dir():
        shutil.rmtree(folder)
    return {}


def _pinned(folder: Path, names: tuple[str, ...]) -> dict[str, int]:
    fds: dict[str, int] = {}
    for name in names:
        fd = lib().bpf_obj_get(str(folder / name).encode())
        if fd == -errno.ENOENT:
            for opened in fds.values():
                os.close(opened)
            return {}
        fds[name] = check(fd, f"opening pinned {name}")
    return fds


def _pin(folder: Path, fds: dict[str, int]) -> None:
    for name, fd in fds.items():
        path = folder / name
        path.unlink(missing_ok=True)
        check(lib().bpf_obj_pin(fd, str(path).encode()), f"pinning {path}")


def _load(compiled: bytes, map_fds: dict[str, int]) -> tuple[dict[str, int], dict[str, int]]:
    """Load into the kernel; return descriptors of the programs and of the maps, which outlive the libbpf object."""
    buffer = ffi.new("char[]", _VERIFIER_LOG_BYTES)
    options = sized("bpf_object_open_opts")
    name = ffi.new("char[]", b"hyperward")
    options.object_name = name
    options.kernel_log_buf = buffer
    options.kernel_log_size = _VERIFIER_LOG_BYTES
    library = lib()
    handle = library.bpf_object__open_mem(compiled, len(compiled), options)
    if handle == ffi.NULL:
        raise BpfError("opening the steering program", ffi.errno)
    try:
        for pointer in _walk(handle, library.bpf_object__next_map):
            fd = map_fds.get(text(library.bpf_map__name(pointer)))
            if fd is not None:
                check(library.bpf_map__reuse_fd(pointer, fd), "reusing pinned maps")
        result = library.bpf_object__load(handle)
        if result < 0:
            words = ffi.string(buffer).decode(errors="replace").strip().splitlines()
            hint = f"the verifier says: {words[-1]}" if words else ""
            raise BpfError("loading the steering program", -result, hint)
        programs = {
            text(library.bpf_program__name(pointer)): os.dup(library.bpf_program__fd(pointer))
            for pointer in _walk(handle, library.bpf_object__next_program)
        }
        maps = {
            text(library.bpf_map__name(pointer)): os.dup(library.bpf_map__fd(pointer))
            for pointer in _walk(handle, library.bpf_object__next_map)
        }
        return programs, maps
    finally:
        library.bpf_object__close(handle)


def _walk(handle: Any, following: Any) -> Iterator[Any]:
    pointer = following(handle, ffi.NULL)
    while pointer != ffi.NULL:
        yield pointer
        pointer = following(handle, pointer)
