"""ClientHello messages, TLS records and QUIC Initial datagrams of our own making, for tests of what reads them.

The bytes are valid as far as a server reads them before it answers; keys and randoms are fixed, so that a failing test
fails again.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from aioquic.quic.crypto import CryptoPair

ECH, ESNI, EARLY_DATA = 0xFE0D, 0xFFCE, 42
QUIC_V1, QUIC_V2 = 0x00000001, 0x6B3343CF
_X25519, _MLKEM = 0x001D, 0x11EC


def client_hello(
    name: str | bytes | None,
    *,
    encrypted: bool = False,
    post_quantum: bool = False,
    size: int = 0,
    names: Sequence[bytes] = (),
    extensions: Sequence[tuple[int, bytes]] = (),
    alpn: Sequence[bytes] = (b"h2", b"http/1.1"),
) -> bytes:
    """Return a TLS 1.3 ClientHello handshake message (type, length, body), without records.

    Args:
        name: server name; None for no such extension.
        encrypted: with an Encrypted Client Hello extension, of the form that is real and GREASE alike.
        post_quantum: with a key share of X25519MLKEM768 (1,216 bytes).
        size: pad the message to this many bytes (RFC 7685); 0 for none.
        names: further names in the same server name list (RFC 6066 forbids them).
        extensions: appended as they are.
        alpn: protocols offered; none for no such extension.
    """
    parts: list[tuple[int, bytes]] = []
    if name is not None:
        first = name.encode() if isinstance(name, str) else name
        entries = b"".join(b"\x00" + _sized(2, entry) for entry in (first, *names))
        parts.append((0, _sized(2, entries)))
    shares = _group(_X25519, 32)
    groups = _X25519.to_bytes(2, "big")
    if post_quantum:
        shares = _group(_MLKEM, 1216) + shares
        groups = _MLKEM.to_bytes(2, "big") + groups
    parts += [(10, _sized(2, groups)), (13, _sized(2, bytes.fromhex("04030804"))), (43, bytes.fromhex("020304"))]
    parts += [(51, _sized(2, shares)), (45, bytes.fromhex("0101"))]
    if alpn:
        parts.append((16, _sized(2, b"".join(_sized(1, protocol) for protocol in alpn))))
    if encrypted:
        parts.append((ECH, bytes.fromhex("00 0001 0001 2a") + _sized(2, b"\x17" * 32) + _sized(2, b"\x5a" * 208)))
    parts += extensions
    message = _hello(parts)
    if size:
        missing = size - len(message) - 4
        if missing < 0:
            raise ValueError(f"the hello has {len(message)} bytes without padding, so it cannot have {size}")
        message = _hello([*parts, (21, bytes(missing))])
    return message


def records(message: bytes, sizes: Iterable[int] = (), *, kind: int = 22) -> bytes:
    """Return the message in TLS records of these payload sizes; the rest in records as long as they may be."""
    out, at = b"", 0
    for size in sizes:
        if at < len(message):
            out += _record(kind, message[at : at + size])
            at += size
    while at < len(message):
        out += _record(kind, message[at : at + 0x4000])
        at += 0x4000
    return out


def tls_start(name: str | bytes | None) -> bytes:
    """Return what a client sends first: one record with a ClientHello."""
    return records(client_hello(name))


@dataclass
class QuicClient:
    """The Initials of one client: keys from `dcid`, packet numbers counted."""

    version: int = QUIC_V1
    dcid: bytes = bytes.fromhex("8394c8f03e515708")
    scid: bytes = b""
    token: bytes = b""
    keys_from: bytes = b""
    """Connection id the keys are from when `dcid` is one that the server chose later; empty: `dcid`."""
    number: int = 0
    _crypto: CryptoPair = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._crypto = CryptoPair()
        self._crypto.setup_initial(self.keys_from or self.dcid, is_client=True, version=self.version)

    def packet(self, frames: bytes, *, pad: int = 0) -> bytes:
        """Return one Initial; its payload is padded so that the packet has `pad` bytes."""
        kind = 0 if self.version == QUIC_V1 else 1
        head = bytes([0xC3 | kind << 4]) + self.version.to_bytes(4, "big") + _sized(1, self.dcid) + _sized(1, self.scid)
        head += _varint(len(self.token)) + self.token
        frames += bytes(max(4 - len(frames), pad - len(head) - 2 - 4 - 16 - len(frames), 0))
        head += (0x4000 | 4 + len(frames) + 16).to_bytes(2, "big") + self.number.to_bytes(4, "big")
        sealed = self._crypto.encrypt_packet(head, frames, self.number)
        self.number += 1
        return sealed

    def datagrams(self, message: bytes, cuts: Sequence[int] = (), *, per_datagram: int = 1100) -> list[bytes]:
        """Return datagrams of 1,200 bytes that carry the message in order.

        Args:
            message: a handshake message.
            cuts: offsets where a CRYPTO frame ends and the next begins.
            per_datagram: bytes of the message at most in each.
        """
        stops = sorted({0, *cuts, *range(0, len(message), per_datagram), len(message)})
        loads: dict[int, bytes] = {}
        for start, stop in pairwise(stops):
            which = start // per_datagram
            loads[which] = loads.get(which, b"") + crypto_frame(start, message[start:stop])
        return [self.packet(load, pad=1200) for load in loads.values()]


def crypto_frame(offset: int, data: bytes) -> bytes:
    """Return a QUIC CRYPTO frame (RFC 9000, 19.6)."""
    return b"\x06" + _varint(offset) + _varint(len(data)) + data


def quic_start(name: str | bytes | None, version: int = QUIC_V1) -> list[bytes]:
    """Return the datagrams with which a client opens a QUIC connection."""
    return QuicClient(version).datagrams(client_hello(name, alpn=(b"h3",), extensions=[(57, b"\x04\x04\x80\x10\0\0")]))


def _hello(parts: Sequence[tuple[int, bytes]]) -> bytes:
    body = b"\x03\x03" + bytes(range(32)) + _sized(1, b"\x33" * 32) + _sized(2, bytes.fromhex("130113021303c02bc02f"))
    body += b"\x01\x00" + _sized(2, b"".join(kind.to_bytes(2, "big") + _sized(2, data) for kind, data in parts))
    return b"\x01" + _sized(3, body)


def _group(group: int, size: int) -> bytes:
    return group.to_bytes(2, "big") + _sized(2, b"\x44" * size)


def _record(kind: int, payload: bytes) -> bytes:
    return bytes([kind, 3, 1]) + _sized(2, payload)


def _sized(width: int, data: bytes) -> bytes:
    return len(data).to_bytes(width, "big") + data


def _varint(value: int) -> bytes:
    if value < 0x40:
        return value.to_bytes(1, "big")
    if value < 0x4000:
        return (value | 0x4000).to_bytes(2, "big")
    return (value | 0x80000000).to_bytes(4, "big")
