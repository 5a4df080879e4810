from unittest.mock import patch

import dns.message
import dns.rcode

from hyperward.webscan.protocols.dns import answer
from hyperward.webscan.protocols.model import Request, WebProtocol
from hyperward.webscan.protocols.quic import More, NotQuic
from hyperward.webscan.scanner.commands import Command, Drop, FlowState, Forward, Found, Mark, ToVm
from hyperward.webscan.scanner.udpflow import MAX_HELD, QuicFlow, dns_packet, is_initial
from web_frames import Line
from web_world import Around, packet_of

LINE = Line(remote_port=443)
NAME = Request(WebProtocol.QUIC, b"good.test")
EVIL = Request(WebProtocol.QUIC, b"evil.test")


def run(*shown: Request | More | NotQuic, copy: bool = False) -> tuple[QuicFlow, list[list[Command]]]:
    flow, around = QuicFlow(b"key"), Around()
    line = Line(remote_port=443, copy=copy)
    with patch("hyperward.webscan.protocols.quic.QuicStart.feed", side_effect=shown):
        return flow, [flow.packet(packet_of(line.udp(b"%d" % n)), around) for n in range(len(shown))]


def kinds(commands: list[Command]) -> list[type]:
    return [type(command) for command in commands]


def test_datagrams_wait_for_the_name() -> None:
    flow, (first, second) = run(More(), NAME)
    assert first == []
    assert second == [Forward((LINE.udp(b"0"), LINE.udp(b"1")))]
    assert (flow.waiting, flow.size) == (False, 0)


def test_a_blocked_name_drops_what_waits_and_the_flow() -> None:
    flow, (_, commands) = run(More(), EVIL)
    assert kinds(commands) == [Mark, Found, Drop]
    assert commands[0] == Mark(b"key", FlowState.DROPPED, 0, seconds=30)
    assert flow.let_go() == ()


def test_only_so_many_wait() -> None:
    _, commands = run(*[More()] * (MAX_HELD + 1))
    assert commands[:-1] == [[]] * MAX_HELD
    assert isinstance(commands[-1][0], Forward)
    assert len(commands[-1][0].frames) == MAX_HELD + 1


def test_what_is_no_hello_passes_and_what_hides_one_does_not() -> None:
    _, (first, second) = run(NotQuic("later"), NotQuic("odd", hostile=True))
    assert kinds(first) == [Forward]
    assert second == [Drop("hostile_initial")]


def test_copies_are_only_reported() -> None:
    _, (first, second, third) = run(More(), EVIL, NotQuic("odd", hostile=True), copy=True)
    assert (first, third) == ([], [])
    assert kinds(second) == [Found]


def test_the_form_of_an_initial() -> None:
    assert is_initial(bytes.fromhex("c300000001") + bytes(30))
    assert is_initial(bytes.fromhex("d36b3343cf") + bytes(30))
    assert not is_initial(bytes.fromhex("4300000001") + bytes(30))
    assert not is_initial(bytes.fromhex("c3000000ff") + bytes(30))
    assert not is_initial(b"\xc3")


def query(*names: str) -> bytes:
    message = dns.message.make_query(names[0], "A")
    for name in names[1:]:
        message.question.append(dns.message.make_query(name, "A").question[0])
    return message.to_wire()


def test_a_clean_query_goes_on() -> None:
    frame = Line(remote_port=53).udp(query("good.test"))
    assert dns_packet(packet_of(frame), Around()) == [Forward((frame,))]


def test_a_blocked_query_is_answered() -> None:
    raw = query("evil.test")
    commands = dns_packet(packet_of(Line(remote_port=53).udp(raw)), Around(reply=answer(raw)))
    assert kinds(commands) == [Found, ToVm, Drop]
    assert isinstance(commands[1], ToVm)
    reply = dns.message.from_wire(commands[1].frames[0][16 + 2 + 28 :])
    assert reply.rcode() == dns.rcode.NXDOMAIN


def test_a_copy_of_a_query_is_only_reported() -> None:
    commands = dns_packet(packet_of(Line(remote_port=53, copy=True).udp(query("evil.test"))), Around())
    assert kinds(commands) == [Found]


def test_what_is_no_query_goes_on() -> None:
    assert kinds(dns_packet(packet_of(Line().udp(b"\0" * 5)), Around())) == [Forward]
