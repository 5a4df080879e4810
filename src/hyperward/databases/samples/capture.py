"""Samples as a capture file: handshake, data, close, over IPv4. Pure.

Checksums are left at zero; who reads the file must not ask for them. Connections are told apart by the client's port.
"""

import struct
from collections.abc import Iterable, Iterator
from ipaddress import ip_address
from typing import Final

from hyperward.databases.samples.cases import Sample

FIRST_PORT: Final = 20_000
"""Port of the first sample's client; the others follow."""
INSIDE: Final = "192.168.77.10"
OUTSIDE: Final = "198.51.100.20"
_BEGIN: Final = 1_700_000_000
_SEGMENT: Final = 1400
_FIN, _SYN, _PSH, _ACK = 1, 2, 8, 16
_MAC: Final = bytes(12)
_GLOBAL: Final = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 1 << 16, 1)
"""Header of a capture of Ethernet frames (pcap, version 2.4)."""


def capture(samples: Iterable[Sample]) -> bytes:
    """Return a capture file in which the samples follow each other, a millisecond from packet to packet."""
    parts = [_GLOBAL]
    number = 0
    for index, sample in enumerate(samples):
        for frame in _frames(sample, FIRST_PORT + index):
            seconds, millis = divmod(number, 1000)
            parts += [struct.pack("<IIII", _BEGIN + seconds, millis * 1000, len(frame), len(frame)), frame]
            number += 1
    return b"".join(parts)


def _frames(sample: Sample, client_port: int) -> Iterator[bytes]:
    client, server = (OUTSIDE, INSIDE) if sample.inbound else (INSIDE, OUTSIDE)
    there, back = (client, server, client_port, sample.port), (server, client, sample.port, client_port)
    sent, answered = 1000, 5000
    yield _frame(there, _SYN, sent, 0)
    yield _frame(back, _SYN | _ACK, answered, sent + 1)
    sent, answered = sent + 1, answered + 1
    yield _frame(there, _ACK, sent, answered)
    for part in _parts(sample.request):
        yield _frame(there, _ACK | _PSH, sent, answered, part)
        sent += len(part)
        yield _frame(back, _ACK, answered, sent)
    for part in _parts(sample.response):
        yield _frame(back, _ACK | _PSH, answered, sent, part)
        answered += len(part)
        yield _frame(there, _ACK, sent, answered)
    yield _frame(there, _ACK | _FIN, sent, answered)
    yield _frame(back, _ACK | _FIN, answered, sent + 1)
    yield _frame(there, _ACK, sent + 1, answered + 1)


def _parts(data: bytes) -> Iterator[bytes]:
    for start in range(0, len(data), _SEGMENT):
        yield data[start : start + _SEGMENT]


def _frame(path: tuple[str, str, int, int], flags: int, seq: int, ack: int, data: bytes = b"") -> bytes:
    source, target, source_port, target_port = path
    segment = struct.pack("!HHIIBBHHH", source_port, target_port, seq, ack, 5 << 4, flags, 64_000, 0, 0) + data
    addresses = ip_address(source).packed + ip_address(target).packed
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(segment), 0, 0x4000, 64, 6, 0) + addresses
    return _MAC + b"\x08\x00" + header + segment
