import msgspec
import pytest

from hyperward.webscan.address.model import Address
from hyperward.webscan.protocols.model import Request, WebProtocol
from hyperward.webscan.scanner.commands import Found
from hyperward.webscan.scanner.recent import Recent
from hyperward.webscan.scanner.reporting import MAX_PACKET, record_of, repeated_as
from hyperward.webscan.scanner.verdict import Verdict
from hyperward.webscan.settings import WebAction
from web_frames import Line
from web_world import BLOCK, packet_of


def found(protocol: WebProtocol, verdict: Verdict = BLOCK, *, number: int = 0, port: int = 40000) -> Found:
    line = Line(local_port=port)
    udp = protocol in {WebProtocol.QUIC, WebProtocol.DNS}
    packet = packet_of(line.udp(b"x") if udp else line.tcp(1, b"x" * 5000))
    return Found(packet, Request(protocol, b"evil.test", query_id=number), verdict, "id", "blocked")


def test_a_request_over_tcp_is_one_of_its_own() -> None:
    assert repeated_as(found(WebProtocol.HTTP)) is None
    assert repeated_as(found(WebProtocol.TLS)) is None


def test_a_query_that_is_sent_again_is_the_same() -> None:
    assert repeated_as(found(WebProtocol.DNS, number=5)) == repeated_as(found(WebProtocol.DNS, number=5))
    assert repeated_as(found(WebProtocol.DNS, number=5)) != repeated_as(found(WebProtocol.DNS, number=6))
    assert repeated_as(found(WebProtocol.QUIC)) != repeated_as(found(WebProtocol.QUIC, port=40001))


def test_a_hidden_name_is_told_once_for_its_outer_name() -> None:
    hidden = Verdict(WebAction.REPORT, address=Address("outer.test", ""), hidden_name=True)
    first, second = found(WebProtocol.TLS, hidden), found(WebProtocol.TLS, hidden, port=40001)
    assert repeated_as(first) == repeated_as(second) is not None
    reset = msgspec.structs.replace(hidden, block=True)
    assert repeated_as(found(WebProtocol.TLS, reset)) is None


def test_a_record_is_whole_and_bounded() -> None:
    verdict = msgspec.structs.replace(BLOCK, address=Address("evil.test", "/" + "x" * 100_000))
    record = record_of(found(WebProtocol.TLS, verdict), 12.5)
    assert (record.time, record.event, record.transport, record.entry_kind) == (12.5, "id", "TCP", "host")
    assert (record.list_id, record.database, record.asked) == ("list", "v1", WebAction.BLOCK)
    assert len(record.address) == 8192
    assert len(record.packet) == MAX_PACKET * 4 // 3 + 4 - (MAX_PACKET * 4 // 3) % 4
    assert msgspec.json.decode(msgspec.json.encode(record), type=type(record)) == record


@pytest.mark.parametrize("most", [1, 3])
def test_recent_is_bounded_and_forgets(most: int) -> None:
    recent = Recent(most)
    assert not recent.is_repeated("a", 5, 0)
    assert recent.is_repeated("a", 5, 4.9)
    assert not recent.is_repeated("a", 5, 5.1)
    for number in range(most):
        assert not recent.is_repeated(number, 5, 6)
    assert not recent.is_repeated("a", 5, 6)
