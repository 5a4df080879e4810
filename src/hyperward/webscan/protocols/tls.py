"""TLS over TCP: the ClientHello, over any segments and records, and the alert that refuses it. Bytes in, requests out.

After a HelloRetryRequest a client says its ClientHello again. RFC 8446, 4.1.2, forbids another name there, but servers
read the second one; so a stream is not let go with the first hello but with the first record that shows that no other
hello follows (the client's key exchange or its first encrypted record). That costs one more packet of a connection.
"""

from enum import IntEnum
from sys import maxsize

from hyperward.webscan.protocols.client_hello import (
    CLIENT_HELLO,
    HANDSHAKE_HEADER,
    MAX_HELLO,
    ClientHello,
    parse_client_hello,
)
from hyperward.webscan.protocols.model import Asked, Body, Finished, Step, WebProtocol

__all__ = [
    "BLOCKED",
    "AlertDescription",
    "AlertLevel",
    "ClientHello",
    "TlsStream",
    "alert",
    "begins",
    "parse_client_hello",
]

_CHANGE_CIPHER_SPEC, _ALERT, _HANDSHAKE, _APPLICATION_DATA = 20, 21, 22, 23  # ContentType (RFC 8446, 5.1)
_MAJOR = 3  # of every version from SSL 3.0 to TLS 1.3
_RECORD_HEADER = 5
_MAX_RECORD = 0x4000 + 2048  # TLSCiphertext (RFC 5246, 6.2.3)
_MAX_EARLY = 65536  # bytes of early data after which no second hello is awaited; servers take 16 KB as a rule
_MAX_BETWEEN = 8  # records of other kinds between two hellos
_HELLOS = 2  # HelloRetryRequest at most once (RFC 8446, 4.1.4)


class AlertLevel(IntEnum):
    """RFC 8446, section 6."""

    WARNING = 1
    FATAL = 2


class AlertDescription(IntEnum):
    """The two alerts with which a server can say that it will not serve this client (RFC 8446, section 6.2)."""

    ACCESS_DENIED = 49
    UNRECOGNIZED_NAME = 112


def alert(level: int, description: int) -> bytes:
    """Return an alert record as a server may send it before its ServerHello."""
    return bytes((_ALERT, 3, 3, 0, 2, level, description))


BLOCKED = alert(AlertLevel.FATAL, AlertDescription.UNRECOGNIZED_NAME)
"""What answers a ClientHello that is blocked.

unrecognized_name is the answer to the name in the hello (RFC 6066, 3), and clients say so. access_denied is about the
client's certificate: Chromium shows it as a bad client certificate and forgets the one that the user chose.
"""


def begins(start: bytes) -> bool | None:
    """Tell whether a client's stream begins as TLS records do; None when these are too few bytes to tell."""
    if not start:
        return None
    if start[0] not in (_CHANGE_CIPHER_SPEC, _ALERT, _HANDSHAKE):
        return False
    return None if len(start) == 1 else start[1] == _MAJOR


class TlsStream:
    """The client's side of one TLS connection; see `ClientStream`.

    Records before the hello that say nothing (alerts, change_cipher_spec, empty ones) are looked past: OpenSSL takes
    the empty ones, other servers may take the rest. A hello in SSL 2.0 form carries no name and ends the stream, as
    does everything else that is not TLS, and a hello over 64 KB with its records.
    """

    def __init__(self) -> None:
        self._decided = 0
        self._parsed = 0  # offset of the first byte that is not in a record that was taken
        self._held = bytearray()  # bytes from there on
        self._message = bytearray()  # of the handshake, from records that were taken
        self._hellos = 0
        self._between = 0
        self._early = 0

    @property
    def decided(self) -> int:
        """See `ClientStream`."""
        return self._decided

    def feed(self, offset: int, data: bytes) -> list[Step]:
        """See `ClientStream`."""
        if self._decided == maxsize:
            return []
        known = self._parsed + len(self._held) - offset
        if known < 0:
            return [self._finish("bytes of the stream are missing")]
        self._held += data[known:] if known else data
        steps: list[Step] = []
        at = 0
        while taken := self._record(at, steps):
            at += taken
        del self._held[:at]
        return steps

    def _record(self, at: int, steps: list[Step]) -> int:
        """Take the record that begins at `at` of what is held.

        Returns:
            Its length; 0 when more bytes are needed or the stream is finished.
        """
        held = self._held
        payload = at + _RECORD_HEADER
        if len(held) < payload:
            return 0
        kind = held[at]
        end = payload + (held[at + 3] << 8 | held[at + 4])
        objection = self._objection(at, payload, end)
        if objection:
            steps.append(self._finish(objection))
            return 0
        early = kind == _APPLICATION_DATA
        if len(held) < end and not early:
            return 0
        self._parsed += end - at
        if early:
            self._early -= end - at
            self._decided = self._parsed
            steps.append(Body(self._parsed))
        elif kind == _HANDSHAKE and end > payload:
            self._message += held[payload:end]
            self._messages(steps)
        elif self._hellos:
            self._pass_by(steps)
        return end - at

    def _objection(self, at: int, payload: int, end: int) -> str:
        """Return why the record that begins at `at` ends the search for a hello; empty when it does not."""
        held, kind = self._held, self._held[at]
        if (
            not _CHANGE_CIPHER_SPEC <= kind <= _APPLICATION_DATA
            or held[at + 1] != _MAJOR
            or end - payload > _MAX_RECORD
        ):
            return "no TLS record"
        if kind == _APPLICATION_DATA:
            return "" if self._early > 0 and not self._message else "encrypted from here on"
        if self._parsed + end - at - self._decided > MAX_HELLO:
            return f"no ClientHello within {MAX_HELLO} bytes"
        if kind == _HANDSHAKE and not self._message and payload < min(end, len(held)) and held[payload] != CLIENT_HELLO:
            return "a handshake message that is no ClientHello"
        return ""

    def _pass_by(self, steps: list[Step]) -> None:
        self._between += 1
        if self._between > _MAX_BETWEEN:
            steps.append(self._finish(f"more than {_MAX_BETWEEN} records without a handshake message"))
        elif not self._message:
            self._decided = self._parsed

    def _messages(self, steps: list[Step]) -> None:
        """Read the handshake messages that are complete."""
        message = self._message
        while len(message) >= HANDSHAKE_HEADER:
            if message[0] != CLIENT_HELLO:
                steps.append(self._finish("a handshake message that is no ClientHello"))
                return
            end = HANDSHAKE_HEADER + int.from_bytes(message[1:4], "big")
            if end > MAX_HELLO:
                steps.append(self._finish(f"a ClientHello of {end} bytes, more than {MAX_HELLO}"))
                return
            if len(message) < end:
                return
            try:
                hello = parse_client_hello(bytes(message[:end]))
            except ValueError as error:
                steps.append(self._finish(str(error)))
                return
            del message[:end]
            steps.extend(Asked(request, self._parsed) for request in hello.requests(WebProtocol.TLS))
            self._decided = self._parsed
            self._hellos += 1
            self._early = _MAX_EARLY if hello.early_data else 0
            if self._hellos == _HELLOS:
                steps.append(self._finish("both ClientHellos are read"))
                return

    def _finish(self, why: str) -> Finished:
        self._decided = maxsize
        self._held.clear()
        self._message.clear()
        return Finished(why)
