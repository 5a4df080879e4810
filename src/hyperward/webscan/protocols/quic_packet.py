"""The QUIC packets of a datagram and the frames of an Initial (RFC 9000, RFC 9369). Pure: bytes in, values out."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

VERSION_1 = 0x00000001
VERSION_2 = 0x6B3343CF

_LONG = 0x80
_MAX_ID = 20  # bytes of a connection id (RFC 9000, 17.2)
_INITIAL = {VERSION_1: 0, VERSION_2: 1}  # long packet type (RFC 9000, 17.2; RFC 9369, 3.2)
_RETRY = {VERSION_1: 3, VERSION_2: 0}
_PADDING = re.compile(rb"\0*")
_PING, _ACK, _ACK_ECN, _CRYPTO, _CLOSE = 0x01, 0x02, 0x03, 0x06, 0x1C


@dataclass(frozen=True, slots=True)
class InitialPacket:
    """An Initial, still protected.

    Args:
        version: VERSION_1 or VERSION_2.
        dcid: destination connection id.
        number_at: offset of the packet number in `data`.
        data: the whole packet.
    """

    version: int
    dcid: bytes
    number_at: int
    data: bytes


def initials(datagram: bytes) -> Iterator[InitialPacket]:
    """Yield the Initials among the packets of a datagram, up to the first that is cut or of another version.

    The fixed bit is not looked at: servers may ignore it (RFC 9287).
    """
    at = 0
    while at + 7 <= len(datagram) and datagram[at] & _LONG:
        version = int.from_bytes(datagram[at + 1 : at + 5], "big")
        if version not in _INITIAL:
            return
        kind = datagram[at] >> 4 & 3
        id_end = at + 6 + datagram[at + 5]
        if (
            datagram[at + 5] > _MAX_ID
            or id_end >= len(datagram)
            or datagram[id_end] > _MAX_ID
            or kind == _RETRY[version]
        ):
            return
        dcid = datagram[at + 6 : id_end]
        try:
            here = id_end + 1 + datagram[id_end]
            if kind == _INITIAL[version]:
                token, here = varint(datagram, here)
                here += token
            size, here = varint(datagram, here)
        except ValueError:
            return
        if here + size > len(datagram):
            return
        if kind == _INITIAL[version]:
            yield InitialPacket(version, dcid, here - at, datagram[at : here + size])
        at = here + size


def crypto_frames(payload: bytes) -> list[tuple[int, bytes]]:
    """Return offset and data of the CRYPTO frames of an Initial.

    Raises:
        ValueError: a frame is cut, or of a type that an Initial may not carry (RFC 9000, 12.4).
    """
    found: list[tuple[int, bytes]] = []
    at = 0
    while at < len(payload):
        kind = payload[at]
        at += 1
        if kind == 0:
            padding = _PADDING.match(payload, at)
            at = padding.end() if padding else at
        elif kind == _CRYPTO:
            offset, at = varint(payload, at)
            size, at = varint(payload, at)
            if at + size > len(payload):
                raise ValueError("a CRYPTO frame is cut")
            found.append((offset, payload[at : at + size]))
            at += size
        elif kind in (_ACK, _ACK_ECN):
            at = _after_ack(payload, at, ecn=kind == _ACK_ECN)
        elif kind == _CLOSE:
            _, at = varint(payload, at)
            _, at = varint(payload, at)
            reason, at = varint(payload, at)
            at += reason
        elif kind != _PING:
            raise ValueError(f"a frame of type {kind:#x} in an Initial")
    return found


def varint(data: bytes, at: int) -> tuple[int, int]:
    """Return a variable-length integer and the offset after it (RFC 9000, 16).

    Raises:
        ValueError: it is cut.
    """
    if at >= len(data):
        raise ValueError("a number is missing")
    end = at + (1 << (data[at] >> 6))
    if end > len(data):
        raise ValueError("a number is cut")
    return int.from_bytes(data[at:end], "big") & (1 << (8 * (end - at) - 2)) - 1, end


def _after_ack(payload: bytes, at: int, *, ecn: bool) -> int:
    _, at = varint(payload, at)  # largest acknowledged
    _, at = varint(payload, at)  # delay
    ranges, at = varint(payload, at)
    for _ in range(1 + 2 * ranges + 3 * ecn):  # first range, gaps and ranges, ECN counts; ends at the payload's end
        _, at = varint(payload, at)
    return at
