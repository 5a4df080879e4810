"""Puts fragments together, in bounded memory. Pure: time comes in, what to do comes out.

A datagram whose fragments overlap with other content is dropped whole (RFC 5722 asks it of IPv6; for IPv4 it closes the
same way to show one thing to us and another to the receiver). Equal duplicates are ignored.
"""

import struct
from collections import OrderedDict
from typing import Final

from hyperward.webscan.scanner.craft import checksum
from hyperward.webscan.scanner.frames import Fragment, Packet, parse_frame

MAX_DATAGRAMS: Final = 256
MAX_PER_PORT: Final = 64
MAX_FRAGMENTS: Final = 64
MAX_BYTES: Final = 4 << 20
SECONDS: Final = 5.0
"""Shorter than the 60 s of RFC 8200: what is that late between two ends of one host is lost."""
_MAX_DATAGRAM: Final = 65535
_VERSION_4: Final = 4
_LENGTH: Final = struct.Struct("!H")


class Pieces:
    """Fragments of one datagram."""

    __slots__ = ("bad", "frames", "head", "parts", "port", "since", "size", "total")

    def __init__(self, port: int, since: float) -> None:
        self.port = port
        self.since = since
        self.parts: dict[int, bytes] = {}
        self.frames: list[bytes] = []
        self.head: Fragment | None = None
        self.total = -1
        self.size = 0
        self.bad = False


class Reassembler:
    """Collects fragments until a datagram is complete."""

    def __init__(self) -> None:
        self._pending: OrderedDict[bytes, Pieces] = OrderedDict()
        self._ports: dict[int, int] = {}
        self.bytes = 0
        self.dropped = 0

    def __len__(self) -> int:
        """Return how many datagrams are incomplete."""
        return len(self._pending)

    def add(self, fragment: Fragment, now: float) -> Packet | tuple[bytes, ...] | None:
        """Take a fragment.

        Returns:
            The packet that it completes; the fragments of a datagram that is complete and neither TCP nor UDP.
        """
        self.expire(now)
        self._make_room(fragment.port, len(fragment.frame), is_new=fragment.datagram not in self._pending)
        pieces = self._pending.get(fragment.datagram)
        if pieces is None:
            pieces = self._pending[fragment.datagram] = Pieces(fragment.port, now)
            self._ports[fragment.port] = self._ports.get(fragment.port, 0) + 1
        if not _place(pieces, fragment):
            if not pieces.bad:
                self.dropped += 1
            self._empty(pieces)
            pieces.bad = True
            return None
        self.bytes += len(fragment.frame)
        pieces.size += len(fragment.frame)
        whole = _complete(pieces)
        if whole is not None or pieces.bad:
            self._forget(fragment.datagram)
        return whole

    def expire(self, now: float) -> None:
        """Forget what is too old: its receiver would wait for the rest in vain."""
        while self._pending:
            key, pieces = next(iter(self._pending.items()))
            if now - pieces.since < SECONDS:
                return
            self._forget(key)
            self.dropped += not pieces.bad

    def _make_room(self, port: int, size: int, *, is_new: bool) -> None:
        """Drop the oldest datagrams of the port that has the most: a part let go alone could be completed unseen."""
        while self._pending:
            crowded = is_new and self._ports.get(port, 0) >= MAX_PER_PORT
            full = is_new and len(self._pending) >= MAX_DATAGRAMS
            if not crowded and not full and self.bytes + size <= MAX_BYTES:
                break
            busiest = port if crowded else max(self._ports, key=self._ports.__getitem__)
            key = next(key for key, pieces in self._pending.items() if pieces.port == busiest)
            self.dropped += not self._forget(key).bad

    def _forget(self, key: bytes) -> Pieces:
        pieces = self._pending.pop(key)
        self.bytes -= pieces.size
        left = self._ports[pieces.port] - 1
        if left:
            self._ports[pieces.port] = left
        else:
            del self._ports[pieces.port]
        return pieces

    def _empty(self, pieces: Pieces) -> None:
        self.bytes -= pieces.size
        pieces.size = 0
        pieces.parts.clear()
        pieces.frames.clear()


def _place(pieces: Pieces, fragment: Fragment) -> bool:
    """Add the fragment; False where the datagram cannot be trusted any more."""
    begin, end = fragment.offset, fragment.offset + len(fragment.data)
    if pieces.bad or len(pieces.frames) >= MAX_FRAGMENTS or end > _MAX_DATAGRAM or begin == end:
        return False
    known = pieces.parts.get(begin)
    if known is not None and known == fragment.data and fragment.more == (end != pieces.total):
        return True
    if any(begin < offset + len(part) and offset < end for offset, part in pieces.parts.items()):
        return False
    if fragment.more:
        if len(fragment.data) % 8 or 0 <= pieces.total < end:
            return False
    elif pieces.total >= 0 or any(offset + len(part) > end for offset, part in pieces.parts.items()):
        return False
    else:
        pieces.total = end
    if begin == 0:
        pieces.head = fragment
    pieces.parts[begin] = fragment.data
    pieces.frames.append(fragment.frame)
    return True


def _complete(pieces: Pieces) -> Packet | tuple[bytes, ...] | None:
    if pieces.head is None or pieces.total < 0 or sum(map(len, pieces.parts.values())) != pieces.total:
        return None
    data = b"".join(pieces.parts[offset] for offset in sorted(pieces.parts))
    head, ip = pieces.head.head, pieces.head.ip
    is_ipv4 = head[ip] >> 4 == _VERSION_4
    # IPv4 counts its header, IPv6 what follows the fixed 40 bytes of it.
    at, length = (ip + 2, len(head) - ip + len(data)) if is_ipv4 else (ip + 4, len(head) - ip - 40 + len(data))
    if length > _MAX_DATAGRAM:
        pieces.bad = True
        return None
    head = head[:at] + _LENGTH.pack(length) + head[at + 2 :]
    if is_ipv4:
        head = head[: ip + 10] + b"\0\0" + head[ip + 12 :]
        head = head[: ip + 10] + _LENGTH.pack(checksum(head[ip:])) + head[ip + 12 :]
    whole = parse_frame(head + data, tuple(pieces.frames))
    if isinstance(whole, Fragment):
        pieces.bad = True
        return None
    return tuple(pieces.frames) if whole is None else whole
