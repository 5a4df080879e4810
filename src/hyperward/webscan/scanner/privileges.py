"""Gives up what a scanner does not need once its devices, maps and files are open.

It parses what guests send. What remains is CAP_BPF, for writing maps where the kernel refuses that to others, and the
files of its own user.
"""

import ctypes
import errno
import os
import struct
from pathlib import Path
from typing import Final

from hyperward.errors import SystemFault

CAP_BPF: Final = 39
_PR_CAPBSET_DROP: Final = 24
_PR_SET_NO_NEW_PRIVS: Final = 38
_PR_CAP_AMBIENT: Final = 47
_PR_CAP_AMBIENT_CLEAR_ALL: Final = 4
_CAPABILITY_VERSION_3: Final = 0x20080522
_HEADER: Final = struct.Struct("=Ii")
_DATA: Final = struct.Struct("=6I")


def drop_privileges(keep: frozenset[int] = frozenset({CAP_BPF})) -> None:
    """Keep only some capabilities, for this process and all that it could ever start.

    Args:
        keep: numbers of capabilities (capabilities(7)), as far as the process has them.

    Raises:
        SystemFault: the kernel refused.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    last = int(Path("/proc/sys/kernel/cap_last_cap").read_text())
    for number in range(last + 1):
        # Without CAP_SETPCAP the bounding set stays, and no_new_privs makes that harmless.
        if number not in keep and libc.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0) and ctypes.get_errno() != errno.EPERM:
            _refused("the capability bounding set")
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        _refused("no_new_privs")
    libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    header = ctypes.create_string_buffer(_HEADER.pack(_CAPABILITY_VERSION_3, 0), _HEADER.size)
    data = ctypes.create_string_buffer(_DATA.size)
    if libc.capget(header, data):
        _refused("capget")
    mask = sum(1 << number for number in keep)
    _, low, _, _, high, _ = _DATA.unpack(data.raw)
    low, high = low & mask & 0xFFFFFFFF, high & mask >> 32
    data.raw = _DATA.pack(low, low, 0, high, high, 0)
    if libc.capset(header, data):
        _refused("capset")


def _refused(what: str) -> None:
    raise SystemFault(f"{what} cannot be set: {os.strerror(ctypes.get_errno())}", where="privileges of the scanner")
