"""Fuzz target: the client's side of a TLS connection."""

from client_streams import play
from hellos import EARLY_DATA, client_hello, records
from hyperward.webscan.protocols.model import Step
from hyperward.webscan.protocols.tls import TlsStream

_LONGEST_RECORD = 5 + 0x4000 + 2048
_LONGEST_HELLO = 65536

TOKENS = (
    b"\x16\x03\x01\x00\x00",
    b"\x16\x03\x01\x40\x00",
    b"\x15\x03\x03\x00\x02",
    b"\x17\x03\x03\x00\x04",
    b"\xfe\x0d\x00\x00",
    client_hello("c.example"),
)
SEEDS = (
    records(client_hello("www.example.com", encrypted=True)) + bytes.fromhex("140303000101 1703030004 99999999"),
    records(client_hello("a.example", names=[b"b.example"]), [1, 2, 0, 5]) + bytes.fromhex("160303000410000000"),
    records(client_hello("a.example", extensions=[(EARLY_DATA, b"")]))
    + bytes.fromhex("1703030004 99999999")
    + records(client_hello("b.example"), [9]),
    bytes.fromhex("15030100020129 1603010000") + records(client_hello(None)),
)


def target(data: bytes) -> None:
    """Feed the bytes whole, cut at places that they choose, and with bodies left out; all must show the same."""
    width = 1 + sum(data[:3]) % 97
    cuts = range(width, len(data), width)
    if not play(_Watched, data) == play(_Watched, data, cuts) == play(_Watched, data, cuts, skip=True):
        raise AssertionError("another split shows something else")


class _Watched(TlsStream):
    """Holds no more than it may."""

    def feed(self, offset: int, data: bytes) -> list[Step]:
        steps = super().feed(offset, data)
        if len(self._held) > _LONGEST_RECORD or len(self._message) > _LONGEST_HELLO:
            raise AssertionError("the stream grows")
        return steps
