"""QUIC version 1 and 2: the ClientHello in a client's Initials. Datagrams in, requests out.

Initials are protected with keys that follow from the connection id that the client chose (RFC 9001, 5.2; RFC 9369,
3.3), so that anybody on the path can read them. One pair of addresses and ports may carry several connections, one
after the other or at once, and a client opens anew after a Retry; so each is kept apart by the id that its keys are
from.
"""

from dataclasses import dataclass

from aioquic.quic.crypto import (
    INITIAL_CIPHER_SUITE,
    INITIAL_SALT_VERSION_1,
    INITIAL_SALT_VERSION_2,
    CryptoContext,
)
from aioquic.tls import cipher_suite_hash, hkdf_expand_label, hkdf_extract

from hyperward.webscan.protocols.client_hello import CLIENT_HELLO, HANDSHAKE_HEADER, MAX_HELLO, parse_client_hello
from hyperward.webscan.protocols.crypto_pieces import CryptoPieces
from hyperward.webscan.protocols.model import Request, WebProtocol
from hyperward.webscan.protocols.quic_packet import VERSION_2, InitialPacket, crypto_frames, initials

_MAX_CONNECTIONS = 4  # of one pair of addresses and ports, with the latest Initials
_MAX_DATAGRAMS = 16  # within which a hello has to be complete
_SHORTEST = 20  # bytes from the packet number to the end of the sample (RFC 9001, 5.4.2)
_HASH = cipher_suite_hash(INITIAL_CIPHER_SUITE)


@dataclass(frozen=True, slots=True)
class More:
    """A part of a ClientHello: hold this datagram, and let it go or drop it with the one that yields the request."""


@dataclass(frozen=True, slots=True)
class NotQuic:
    """No name can be read here.

    Args:
        why: one line for the debug log.
        hostile: drop this datagram. No client that follows the protocol sends it, and a server might read a name from
            it that is not seen here; a browser goes on over TCP. Nothing else follows from it, so that it cannot hide
            what comes after. False: the datagram may pass; it has no Initial, or only one without a part of a
            ClientHello, or one of a connection whose start was not seen.
    """

    why: str
    hostile: bool = False


class QuicStart:
    """The starts of connections on one pair of addresses and ports.

    Initials that come after the ClientHello (acknowledgements, repetitions) yield its request again, so that they meet
    the same verdict. When the server asks for another hello (HelloRetryRequest), that one's name counts from then on. A
    list of several names yields the first: every known QUIC server refuses more than one.
    """

    def __init__(self) -> None:
        self._connections: list[_Connection] = []

    def feed(self, datagram: bytes) -> Request | More | NotQuic:
        """Take a datagram of the client and return what it shows. Never raises."""
        connection: _Connection | None = None
        payloads: list[bytes] = []
        why = "no Initial of version 1 or 2"
        for packet in initials(datagram):
            found = self._open(packet)
            if isinstance(found, NotQuic):
                if found.hostile:
                    return found
                why = found.why
                continue
            if connection is not None and found[0] is not connection:
                return NotQuic("Initials of two connections in one datagram", hostile=True)
            connection = found[0]
            payloads.append(found[1])
        if connection is None:
            return NotQuic(why)
        return connection.take(payloads)

    def _open(self, packet: InitialPacket) -> "tuple[_Connection, bytes] | NotQuic":
        """Return the connection of a packet and the payload."""
        if packet.number_at + _SHORTEST > len(packet.data):
            return NotQuic("an Initial too short to be one")
        for connection in self._candidates(packet):
            payload = connection.open(packet)
            if payload is not None:
                self._connections = [*(one for one in self._connections if one is not connection), connection]
                del self._connections[:-_MAX_CONNECTIONS]
                return connection, payload
            if connection in self._connections and connection.dcid == packet.dcid:
                return NotQuic("an Initial that the keys of its connection do not open", hostile=True)
        return NotQuic("an Initial whose connection did not start here")

    def _candidates(self, packet: InitialPacket) -> "list[_Connection]":
        """Return the connections that a packet may be of, the likeliest first.

        A client uses the id that the server chose as soon as it knows it, and keeps the keys.
        """
        for connection in self._connections:
            if connection.dcid == packet.dcid:
                return [connection]
        return [*reversed(self._connections), _Connection(packet.dcid)]


class _Connection:
    """One connection: its keys and its CRYPTO stream."""

    def __init__(self, dcid: bytes) -> None:
        self.dcid = dcid
        self._keys: dict[int, CryptoContext] = {}
        self._next_number = 0
        self._pieces = CryptoPieces(MAX_HELLO)
        self._read = 0  # bytes of the CRYPTO stream that are read hellos
        self._waited = 0  # datagrams since then
        self._request: Request | None = None

    def open(self, packet: InitialPacket) -> bytes | None:
        """Return the payload of an Initial; None when it is not of this connection."""
        keys = self._keys.get(packet.version)
        if keys is None:
            keys = self._keys[packet.version] = _client_keys(self.dcid, packet.version)
        try:
            _, payload, number, _ = keys.decrypt_packet(packet.data, packet.number_at, self._next_number)
        except ValueError:  # aioquic's CryptoError
            return None
        self._next_number = max(self._next_number, number + 1)
        return payload

    def take(self, payloads: list[bytes]) -> Request | More | NotQuic:
        """Add the CRYPTO frames of the Initials of one datagram and return what is known then."""
        try:
            frames = [frame for payload in payloads for frame in crypto_frames(payload)]
            for offset, data in frames:
                self._pieces.add(offset, data)
            self._read_hello()
        except ValueError as error:
            return NotQuic(str(error), hostile=True)
        if frames and (self._pieces.waiting or self._read < len(self._pieces.start)):
            self._waited += 1
            if self._waited > _MAX_DATAGRAMS:
                return NotQuic(f"no ClientHello within {_MAX_DATAGRAMS} datagrams", hostile=True)
            return More()
        return self._request or NotQuic("an Initial without a part of a ClientHello")

    def _read_hello(self) -> None:
        """Read the next ClientHello when it is complete.

        Raises:
            ValueError: the client says something else, too much, or more before the server can have answered; of two
                hellos at once a server might follow the one and we the other.
        """
        start, at = self._pieces.start, self._read
        if len(start) < at + HANDSHAKE_HEADER:
            return
        if start[at] != CLIENT_HELLO:
            raise ValueError("a handshake message that is no ClientHello")
        end = at + HANDSHAKE_HEADER + int.from_bytes(start[at + 1 : at + HANDSHAKE_HEADER], "big")
        if end > MAX_HELLO:
            raise ValueError(f"ClientHellos of {end} bytes, more than {MAX_HELLO}")
        if len(start) < end:
            return
        if len(start) > end or self._pieces.waiting:
            raise ValueError("CRYPTO data after a ClientHello that the server has not answered")
        self._request = parse_client_hello(bytes(start[at:end])).requests(WebProtocol.QUIC)[0]
        self._read, self._waited = end, 0


def _client_keys(dcid: bytes, version: int) -> CryptoContext:
    salt = INITIAL_SALT_VERSION_2 if version == VERSION_2 else INITIAL_SALT_VERSION_1
    initial = hkdf_extract(_HASH, salt, dcid)
    secret = hkdf_expand_label(_HASH, initial, b"client in", b"", _HASH.digest_size)
    keys = CryptoContext()
    keys.setup(cipher_suite=INITIAL_CIPHER_SUITE, secret=secret, version=version)
    return keys
