"""Whether a file is a capture that the engine can read to its end, found out before the engine is started.

Formats: pcap (draft-ietf-opsawg-pcap) in both byte orders, with micro- or nanoseconds, and pcapng
(draft-ietf-opsawg-pcapng).
"""

import os
import stat
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from hyperward.errors import InputError

MAX_CAPTURE_BYTES: Final = 4 << 30
MAX_FRAME: Final = 262_144
"""Largest packet that libpcap reads (MAXIMUM_SNAPLEN)."""
MAX_BLOCK: Final = 16 << 20
"""Largest block of a pcapng file that libpcap reads."""
LINK_TYPES: Final = {
    0: "BSD loopback",
    1: "Ethernet",
    9: "PPP",
    12: "raw IP",
    101: "raw IP",
    104: "Cisco HDLC",
    113: "Linux cooked",
    228: "raw IPv4",
    229: "raw IPv6",
}
"""Link types of files that Suricata 7.0 reads, by their number (LINKTYPE_ registry of tcpdump.org)."""
_REFUSED: Final = {105: "Wi-Fi", 127: "Wi-Fi with radiotap", 276: "Linux cooked, version 2", 249: "USB", 189: "USB"}
_MAGICS: Final = {
    b"\xd4\xc3\xb2\xa1": "<",
    b"\xa1\xb2\xc3\xd4": ">",
    b"\x4d\x3c\xb2\xa1": "<",
    b"\xa1\xb2\x3c\x4d": ">",
}
_SECTION: Final = b"\x0a\x0d\x0d\x0a"
_INTERFACE, _SIMPLE, _PACKET = 1, 3, 6
_BLOCK_HEAD, _INTERFACE_BLOCK, _SIMPLE_BLOCK, _PACKET_BLOCK = 12, 20, 16, 32
"""Shortest blocks of a kind: all that is not content."""
_COMPRESSED: Final = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\xfd7zXZ", b"BZh", b"PK\x03\x04")


@dataclass(frozen=True, slots=True)
class Capture:
    """A capture that can be read.

    Args:
        packets: how many it has.
        cut: packets of which it does not hold all bytes.
        size: of the file in bytes.
        link_type: `LINKTYPE_` number.
    """

    packets: int
    cut: int
    size: int
    link_type: int


def check_capture(path: Path, *, max_bytes: int = MAX_CAPTURE_BYTES) -> Capture:
    """Return what is in a capture file.

    Raises:
        InputError: it cannot be read, is no capture, too large, damaged, cut off, of a link type that the engine
            cannot read, or empty.
    """
    try:
        # A named pipe would make us wait for its other end.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise InputError("not a regular file", where=str(path), hint="name a capture file")
            if status.st_size > max_bytes:
                hint = "split it, for example with editcap -c"
                raise InputError(f"{status.st_size} bytes, at most {max_bytes} are read", where=str(path), hint=hint)
            capture = _Reader(file, path, status.st_size).read()
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", where=str(path), hint="check the path") from None
    if not capture.packets:
        raise InputError("the capture has no packets", where=str(path))
    return capture


class _Reader:
    def __init__(self, file: BinaryIO, path: Path, size: int) -> None:
        self._file = file
        self._path = path
        self._size = size
        self._at = 0
        self._packets = 0
        self._cut = 0
        self._link_type = -1
        self._snaplen = 0

    def read(self) -> Capture:
        magic = self._file.read(4)
        self._file.seek(0)
        if magic in _MAGICS:
            self._read_pcap(_MAGICS[magic])
        elif magic == _SECTION:
            self._read_pcapng()
        elif not self._size:
            raise InputError("the file is empty", where=str(self._path))
        else:
            packed = magic.startswith(tuple(prefix[:4] for prefix in _COMPRESSED))
            hint = "decompress it first" if packed else "give a pcap or pcapng file"
            raise InputError("not a capture file", where=str(self._path), hint=hint)
        return Capture(self._packets, self._cut, self._size, self._link_type)

    def _read_pcap(self, order: str) -> None:
        header = struct.Struct(f"{order}16xII").unpack(self._take(24))
        # The upper bits say whether frames end in a checksum; the lower half is the type.
        self._see_link_type(header[1] & 0xFFFF)
        record = struct.Struct(f"{order}8xII")
        while self._at < self._size:
            kept, length = record.unpack(self._take(16))
            self._see_packet(kept, length)
            self._skip(kept)

    def _read_pcapng(self) -> None:
        order = "<"
        while self._at < self._size:
            start = self._at
            head = self._take(12)
            if head[:4] == _SECTION:
                order = "<" if head[8:12] == b"\x4d\x3c\x2b\x1a" else ">"
            kind, length = struct.unpack(f"{order}II", head[:8])
            if length < _BLOCK_HEAD or length % 4 or length > MAX_BLOCK:
                raise self._damaged(start)
            self._see_block(order, kind, length, head[8:12])
            self._skip(start + length - self._at)

    def _see_block(self, order: str, kind: int, length: int, first: bytes) -> None:
        if kind == _INTERFACE and length >= _INTERFACE_BLOCK:
            self._see_link_type(struct.unpack(f"{order}H", first[:2])[0])
            self._snaplen = struct.unpack(f"{order}I", self._take(4))[0]
        elif kind == _PACKET and length >= _PACKET_BLOCK:
            kept, whole = struct.unpack(f"{order}8xII", self._take(16))
            if kept > length - _PACKET_BLOCK:
                raise self._damaged(self._at)
            self._see_packet(kept, whole)
        elif kind == _SIMPLE and length >= _SIMPLE_BLOCK:
            whole = struct.unpack(f"{order}I", first)[0]
            self._see_packet(min(whole, self._snaplen or whole), whole)

    def _see_link_type(self, number: int) -> None:
        if number not in LINK_TYPES:
            name = f" ({_REFUSED[number]})" if number in _REFUSED else ""
            hint = "capture on an Ethernet interface"
            raise InputError(f"link type {number}{name} cannot be read by the engine", where=str(self._path), hint=hint)
        if self._link_type not in {-1, number}:
            hint = "split it by interface"
            raise InputError("the capture mixes interfaces of two link types", where=str(self._path), hint=hint)
        self._link_type = number

    def _see_packet(self, kept: int, length: int) -> None:
        if kept > MAX_FRAME or self._link_type < 0:
            raise self._damaged(self._at)
        self._packets += 1
        self._cut += kept < length

    def _take(self, count: int) -> bytes:
        data = self._file.read(count)
        self._at += len(data)
        if len(data) < count:
            raise self._cut_off()
        return data

    def _skip(self, count: int) -> None:
        if self._at + count > self._size:
            raise self._cut_off()
        self._file.seek(count, os.SEEK_CUR)
        self._at += count

    def _cut_off(self) -> InputError:
        hint = "capture again, or repair it, for example with pcapfix"
        what = f"the capture is cut off at byte {self._size}, in or after packet {self._packets}"
        return InputError(what, where=str(self._path), hint=hint)

    def _damaged(self, at: int) -> InputError:
        hint = "capture again, or repair it, for example with pcapfix"
        return InputError(
            f"the capture is damaged at byte {at}, packet {self._packets + 1}", where=str(self._path), hint=hint
        )
