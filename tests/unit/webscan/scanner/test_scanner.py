import base64
from collections.abc import Callable

import dns.message
import dpkt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hellos import client_hello, quic_start, records
from hyperward.webscan.address import from_request
from hyperward.webscan.address.model import Address
from hyperward.webscan.database.model import Entry, EntryKind, Match
from hyperward.webscan.protocols.detect import client_stream
from hyperward.webscan.protocols.model import ClientStream
from hyperward.webscan.scanner.commands import FlowState
from hyperward.webscan.scanner.kernel import Entry as Told
from hyperward.webscan.scanner.kernel import Known, StubKernel
from hyperward.webscan.scanner.rules import make_rules
from hyperward.webscan.scanner.scanner import Edges, Scanner
from hyperward.webscan.scanner.table import Limits
from hyperward.webscan.settings import PortScan, ScannerSettings, WebAction, WebScan
from web_frames import ACK, SYN, URG, Line, Server, chance_of
from web_world import Records, packet_of

LINE = Line()
EVIL = b"GET /bad?x=1 HTTP/1.1\r\nHost: evil.test\r\n\r\n"
GOOD = b"GET /fine HTTP/1.1\r\nHost: good.test\r\n\r\n"


class Databases:
    """Lists `evil.test`."""

    def may_list(self, _host: str) -> bool:
        return True

    def lookup(self, address: Address) -> tuple[Match, ...]:
        if address.host != "evil.test":
            return ()
        return (Match(Entry(EntryKind.HOST, "evil.test", "malicious", "list", "7"), "v1"),)


class NoMasks:
    def find(self, _address: Address) -> str | None:
        return None


def rules_of(*, closed: bool = False) -> ScannerSettings:
    scan = WebScan({"malicious": WebAction.BLOCK}, dns=True)
    ports = {number: PortScan(f"vm-{number}", "office", 0, closed_busy=closed) for number in (7, 8)}
    return ScannerSettings(3, "svm-1", scans=(scan,), ports=ports)


class World:
    """A scanner whose frames are kept."""

    def __init__(
        self,
        *,
        limits: Limits | None = None,
        closed: bool = False,
        streams: Callable[[int], ClientStream] = client_stream,
    ) -> None:
        self.kernel = StubKernel()
        self.records = Records()
        self.out: list[bytes] = []
        self.now = 100.0
        edges = Edges(self.kernel, self.write, self.records, streams, clock=lambda: self.now, started_ns=1000)
        self.scanner = Scanner(edges, limits)
        self.scanner.rules = make_rules(rules_of(closed=closed), Databases(), from_request, lambda _: NoMasks())

    def write(self, frame: bytes) -> bool:
        self.out.append(frame)
        return True

    def send(self, frame: bytes, *, ack: int | None = None, since: int = 2000, first: int | None = None) -> list[bytes]:
        packet = packet_of(frame)
        if ack is not None:
            self.kernel.flows[packet.key] = Known(since, ack, first)
        self.out = []
        self.scanner.frame(frame)
        return self.out


def to_vm(frames: list[bytes]) -> list[bytes]:
    return [frame for frame in frames if frame[14] & 0x20]


def test_a_clean_request_goes_on_as_it_came() -> None:
    world = World()
    frame = LINE.tcp(100, GOOD)
    assert world.send(frame, ack=100) == [frame]
    assert world.records.kept == []
    assert world.kernel.entries[packet_of(frame).key].state is FlowState.UNTIL


def test_a_listed_address_gets_the_page_and_a_record() -> None:
    world = World()
    out = world.send(Line(vlans=(5,)).tcp(100, EVIL), ack=100)
    page = b"".join(dpkt.ethernet.Ethernet(frame[:12] + frame[20:]).data.data.data for frame in to_vm(out))
    assert page.startswith(b"HTTP/1.1 403 Forbidden\r\n")
    (record,) = world.records.kept
    for text in ("evil.test/bad?x=1", "malicious", "vm-7", "office", "svm-1", record.event):
        assert text.encode() in page
    assert (record.done, record.asked, record.category, record.entry_id) == ("blocked", "block", "malicious", "7")
    assert (record.port, record.source, record.destination_port, record.vlan) == (7, "10.77.0.1", 80, (5,))
    assert EVIL in base64.b64decode(record.packet)
    (reset,) = [frame for frame in out if not frame[14] & 0x20]
    segment = dpkt.ethernet.Ethernet(reset[:12] + reset[20:]).data.data
    assert (segment.flags & 4, segment.seq) == (4, 100)


def test_a_head_request_gets_no_body() -> None:
    out = World().send(LINE.tcp(100, EVIL.replace(b"GET", b"HEAD")), ack=100)
    assert b"".join(to_vm(out)).endswith(b"\r\n\r\n")


def test_a_copy_is_recorded_and_never_written_back() -> None:
    world = World()
    assert world.send(Line(copy=True).tcp(100, EVIL), ack=105) == []
    (record,) = world.records.kept
    assert (record.copy, record.done, record.reason, record.asked) == (True, "reported", "copy", "block")
    assert all(mark.state is FlowState.UNTIL for mark in world.kernel.written)


def test_a_connection_may_change_between_copies_and_originals() -> None:
    world = World()
    held, copied = LINE.tcp(100, EVIL[:9]), Line(copy=True)
    assert world.send(held, ack=100) == []
    assert world.send(copied.tcp(100, EVIL), ack=100) == [held]
    assert world.send(copied.tcp(100 + len(EVIL), EVIL), ack=200) == []
    assert {record.done for record in world.records.kept} == {"reported"}
    frame = LINE.tcp(300, GOOD)
    assert world.send(frame, ack=300) == [frame]
    assert to_vm(world.send(LINE.tcp(300 + len(GOOD), EVIL), ack=300 + len(GOOD)))


def test_a_port_without_settings_is_let_go() -> None:
    frame = Line(port=9).tcp(100, EVIL)
    assert World().send(frame, ack=100) == [frame]


def test_dns_over_udp_is_answered_once_recorded() -> None:
    world = World()
    frame = Line(remote_port=53).udp(dns.message.make_query("evil.test", "A").to_wire())
    for _ in range(2):
        (reply,) = world.send(frame)
        assert reply[14] & 0x20
    assert len(world.records.kept) == 1


def test_dns_over_tcp_is_answered() -> None:
    query = dns.message.make_query("evil.test", "A").to_wire()
    out = World().send(Line(remote_port=53).tcp(100, len(query).to_bytes(2, "big") + query), ack=100)
    segment = dpkt.ethernet.Ethernet(to_vm(out)[0][:12] + to_vm(out)[0][16:]).data.data
    assert dns.message.from_wire(segment.data[2:]).rcode() == 3


@pytest.mark.parametrize("cuts", [[64], [24, 48, 72]])
def test_fragments_of_a_connection_go_back_whole_to_be_steered(cuts: list[int]) -> None:
    world = World()
    segment = LINE.segment(100, GOOD * 2)
    for frame in LINE.fragments(segment, cuts):
        assert world.out == []
        world.scanner.frame(frame)
    (whole,) = world.out
    assert whole[14:16] == (3 << 13 | 7).to_bytes(2, "big")
    assert packet_of(whole).payload == GOOD * 2
    assert world.kernel.written == []


@pytest.mark.parametrize("cuts", [[24], [8, 24]])
def test_fragments_of_a_datagram_are_read_whole_and_go_on_as_they_came(cuts: list[int]) -> None:
    for name in ("good.test", "evil.test"):
        world, line = World(), Line(remote_port=53)
        frames = line.fragments(line.datagram(dns.message.make_query(name, "A").to_wire()), cuts, 17)
        for frame in frames:
            assert world.out == []
            world.scanner.frame(frame)
        assert world.out == frames if name == "good.test" else to_vm(world.out)


def test_fragments_of_quic_are_left_out() -> None:
    world, line = World(), Line(remote_port=443)
    for frame in line.fragments(line.datagram(quic_start(b"good.test")[0]), [600], 17):
        world.scanner.frame(frame)
    assert world.out == []
    assert world.scanner.counters["fragmented_quic"] == 1


def test_fragments_that_are_no_request_go_on() -> None:
    world, line = World(), Line("fd77::1", "fd77::9")
    frames = []
    for offset, more in ((0, 1), (16, 0)):
        head = bytes([58, 0]) + (offset | more).to_bytes(2, "big") + b"\0\0\0\7"
        frames.append(line.ether(line.ip(b"\x80" * 16, extensions=head, first=44)))
        world.scanner.frame(frames[-1])
    assert world.out == frames


def test_an_unknown_flow_begins_where_the_other_end_is() -> None:
    world = World()
    assert world.send(LINE.tcp(200, GOOD), ack=100) == []
    assert world.scanner.counters["beyond_next"] == 1
    again = LINE.tcp(50, GOOD[:50])
    assert world.send(again, ack=100) == [again]
    assert len(world.scanner.flows) == 0
    assert to_vm(world.send(LINE.tcp(100, EVIL), ack=100))


KEY = packet_of(LINE.tcp(100, b"x")).key


def test_after_a_restart_a_body_goes_on_and_the_next_request_is_seen() -> None:
    world = World()
    world.kernel.entries[KEY] = Told(FlowState.UNTIL, 100, 200, 1)
    assert to_vm(world.send(LINE.tcp(190, b"x" * 10 + EVIL), ack=150, since=1))


def test_after_a_restart_bytes_before_a_body_are_read_again() -> None:
    world = World()
    world.kernel.entries[KEY] = Told(FlowState.UNTIL, 100 + len(EVIL), 200 + len(EVIL), 1)
    assert to_vm(world.send(LINE.tcp(100, EVIL + b"x" * 150), ack=100, since=1))


def test_after_a_restart_a_blocked_connection_stays_blocked() -> None:
    world = World()
    world.kernel.entries[KEY] = Told(FlowState.BLOCKED, 100, 0, 2000)
    out = world.send(LINE.tcp(100, GOOD), ack=100)
    assert out == to_vm(out)
    assert world.send(LINE.tcp(100, b"", flags=4), ack=100) == []
    frame = LINE.tcp(100, GOOD)
    assert world.send(frame, ack=100, since=3000) == [frame]


@pytest.mark.parametrize("state", [FlowState.UNTIL, FlowState.DONE])
def test_a_body_of_a_flow_that_the_kernel_has_forgotten_goes_on(state: FlowState) -> None:
    world = World()
    world.kernel.entries[KEY] = Told(state, 100, 5000, 2000)
    frame = LINE.tcp(1500, b"x" * 1000)
    assert world.send(frame, ack=900, since=0) == [frame]
    assert world.kernel.entries[KEY] == Told(state, 100, 5000, 0)


BODY = b"POST / HTTP/1.1\r\nHost: good.test\r\nContent-Length: 9999\r\n\r\n"


def test_another_connection_of_the_same_ports_begins_anew() -> None:
    world = World()
    world.send(LINE.tcp(100, BODY), ack=100)
    assert to_vm(world.send(LINE.tcp(100 + len(BODY), EVIL), ack=100 + len(BODY), since=3000))
    assert world.kernel.entries[KEY].began_ns == 3000


def test_a_flow_that_the_kernel_lost_goes_on() -> None:
    world = World()
    world.send(LINE.tcp(100, GOOD[:10]), ack=100)
    del world.kernel.flows[KEY], world.kernel.entries[KEY]
    assert to_vm(world.send(LINE.tcp(110, b"x HTTP/1.1\r\nHost: evil.test\r\n\r\n")))


def test_a_decision_that_the_kernel_lost_is_told_again() -> None:
    world = World()
    world.send(LINE.tcp(100, BODY), ack=100)
    told = world.kernel.entries.pop(KEY)
    frame = LINE.tcp(1100, b"x" * 100)
    assert world.send(frame, ack=800) == [frame]
    assert world.kernel.entries[KEY] == told


def test_a_syn_in_the_middle_of_a_connection_changes_nothing() -> None:
    """What the server has got of a head and what follows are one request, whatever the VM sends in between."""
    world = World()
    begin = b"GET /bad HTTP/1.1\r\nHost: evil.test\r\nX: "
    for _ in range(2):
        world.send(LINE.tcp(100, begin), ack=100, first=100)
    at = 100 + len(begin)
    for frame in (LINE.tcp(at - 1, b"", flags=SYN), LINE.tcp(at - 1, GOOD, flags=SYN), LINE.tcp(7, BODY, flags=SYN)):
        assert world.send(frame, ack=at) in ([], [frame])
    assert to_vm(world.send(LINE.tcp(at, GOOD), ack=at))


def test_data_with_a_syn_speaks_for_the_connection_that_is_accepted_only() -> None:
    frame = LINE.tcp(99, BODY, flags=SYN, ack=0)
    world = World()
    assert world.send(frame, since=0) == [frame]
    assert world.send(frame, since=0) == [frame]
    assert world.kernel.entries == {}
    following = LINE.tcp(100 + len(BODY), b"x" * 100)
    assert world.send(following, ack=100, first=100) == [following]
    assert world.kernel.entries[KEY].state is FlowState.UNTIL
    for first in (None, 5100):
        world = World()
        world.send(frame, since=0)
        assert to_vm(world.send(LINE.tcp(5100, EVIL), ack=5100, first=first))


def test_urgent_data_is_made_plain_wherever_it_comes() -> None:
    world = World()
    for seq, data in ((100, b""), (100, BODY), (100 + len(BODY), b"x"), (100 + len(BODY), b"")):
        (frame,) = world.send(LINE.tcp(seq, data, flags=ACK | URG), ack=seq)
        assert frame[18 + 20 + 13] == ACK


def test_keep_alive_probes_go_on() -> None:
    for known in (True, False):
        world = World()
        if known:
            world.send(LINE.tcp(100, GOOD), ack=100)
        at = 100 + len(GOOD)
        for data in (b"", b"\0", b"\0", b"\0"):
            frame = LINE.tcp(at - 1, data)
            assert world.send(frame, ack=at) == [frame]
        frame = LINE.tcp(at, GOOD)
        assert world.send(frame, ack=at) == [frame]
        assert to_vm(world.send(LINE.tcp(at + len(GOOD), EVIL), ack=at + len(GOOD)))


def test_a_window_probe_of_one_byte_stalls_nothing() -> None:
    world = World()
    for _ in range(3):
        out = world.send(LINE.tcp(100, GOOD[:1]), ack=100)
    assert len(out) == 1
    out = world.send(LINE.tcp(100, GOOD), ack=100)
    assert packet_of(out[-1]).payload == GOOD


def test_lengths_that_some_receivers_read_otherwise() -> None:
    query = dns.message.make_query("evil.test", "A").to_wire()
    line = Line("fd77::1", "fd77::9", remote_port=53)
    datagram = bytearray(line.udp(query))
    datagram[18 + 40 + 4 : 18 + 40 + 6] = b"\0\0"  # as long as the packet (RFC 2675)
    assert to_vm(World().send(bytes(datagram)))
    hop_by_hop = bytes([6, 0, 1, 4, 0, 0, 0, 0])
    segment = bytearray(
        line.ether(line.ip(Line("fd77::1", "fd77::9").segment(100, EVIL), extensions=hop_by_hop, first=0))
    )
    segment[18 + 4 : 18 + 6] = b"\0\0"
    assert to_vm(World().send(bytes(segment), ack=100))


def test_a_fault_lets_the_packet_go_and_is_counted() -> None:
    def broken(_port: int) -> ClientStream:
        raise RuntimeError("a fault of ours")

    world = World(streams=broken)
    frame = LINE.tcp(100, GOOD)
    assert world.send(frame, ack=100) == [frame]
    assert world.scanner.counters["exceptions"] == 1
    assert world.send(Line(copy=True).tcp(100, GOOD), ack=100) == []
    closed = World(streams=broken, closed=True)
    assert closed.send(frame, ack=100) == []


@pytest.mark.parametrize("closed", [False, True])
def test_too_many_half_heads_let_the_oldest_go_by_the_failure_action(*, closed: bool) -> None:
    world = World(limits=Limits(flows=50, port_flows=50), closed=closed)
    frames = [Line(local_port=1000 + n).tcp(100, b"GET /half HTT") for n in range(60)]
    out = [frame for one in frames for frame in world.send(one, ack=100)]
    assert out == ([] if closed else frames[:10])
    assert len(world.scanner.flows) == 50
    assert world.scanner.counters["closed"] == (10 if closed else 0)


def test_initials_that_never_show_a_name_go_on_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    from hyperward.webscan.protocols.quic import More, QuicStart

    monkeypatch.setattr(QuicStart, "feed", lambda *_: More())
    world = World()
    frame = Line(remote_port=443).udp(bytes.fromhex("c300000001") + bytes(60))
    assert world.send(frame) == []
    world.scanner.tick()
    assert world.out == []
    world.now += 0.3
    world.scanner.tick()
    assert world.out == [frame]


def test_idle_flows_are_forgotten() -> None:
    world = World()
    world.send(LINE.tcp(100, GOOD), ack=100)
    world.now += 70
    world.scanner.tick()
    assert len(world.scanner.flows) == 0
    assert to_vm(world.send(LINE.tcp(100 + len(GOOD), EVIL), ack=100 + len(GOOD)))


def test_a_record_that_is_lost_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    monkeypatch.setattr(world.records, "write", lambda _: False)
    world.send(LINE.tcp(100, EVIL), ack=100)
    assert world.scanner.counters["records_lost"] == 1


@given(st.lists(st.binary(max_size=120), max_size=20))
def test_no_bytes_end_the_scan(frames: list[bytes]) -> None:
    world = World()
    for frame in frames:
        world.scanner.frame(LINE.tcp(1, b"")[:18] + frame)
        world.scanner.frame(frame)
    assert world.scanner.counters["exceptions"] == 0


def head(host: bytes, size: int) -> bytes:
    return b"GET / HTTP/1.1\r\nHost: %s\r\nCookie: %s\r\n\r\n" % (host, b"c" * size)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 1 << 30), st.integers(0, 60_000), st.booleans())
def test_real_heads_over_a_hostile_wire(seed: int, size: int, evil: bool) -> None:  # noqa: FBT001 - hypothesis
    chance = chance_of(seed)
    data = head(b"good.test", 10) + head(b"evil.test" if evil else b"good.test", size) + head(b"good.test", 2000)
    world, server = World(), Server(100)
    blocked = False
    for _ in range(3000):
        at = (server.next - 100) if chance.random() < 0.8 else chance.randint(0, len(data))
        for _ in range(chance.randint(1, 11)):
            piece = data[at : at + chance.randint(1, 1400)]
            if not piece:
                break
            out = world.send(LINE.tcp(100 + at, piece), ack=server.next)
            blocked = blocked or bool(to_vm(out))
            for frame in out:
                if not frame[14] & 0x20:
                    server.take(frame)
            at += len(piece)
        if blocked or len(server.data) == len(data):
            break
    assert blocked == evil
    if evil:
        assert len(server.data) < len(head(b"good.test", 10)) + len(head(b"evil.test", size))
    else:
        assert bytes(server.data) == data
    assert world.scanner.counters["exceptions"] == 0


def test_tls_is_alerted() -> None:
    import ssl

    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname="evil.test")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    out = World().send(Line(remote_port=8443).tcp(100, outgoing.read()), ack=100)
    segment = dpkt.ethernet.Ethernet(to_vm(out)[0][:12] + to_vm(out)[0][16:]).data.data
    incoming.write(segment.data)
    with pytest.raises(ssl.SSLError, match=r"(?i)access.denied"):
        client.do_handshake()
    assert segment.flags & 1


def test_a_request_in_a_syn_is_looked_at() -> None:
    world = World()
    out = world.send(LINE.tcp(99, EVIL, flags=SYN, ack=0))
    assert out == to_vm(out)
    frame = LINE.tcp(99, GOOD, flags=SYN | ACK)
    assert World().send(frame) == [frame]


@pytest.mark.parametrize(("name", "dropped"), [(b"good.test", False), (b"evil.test", True)])
def test_quic_by_its_name(name: bytes, *, dropped: bool) -> None:
    world = World()
    line = Line(remote_port=443)
    frames = [line.udp(datagram) for datagram in quic_start(name)]
    sent = [out for frame in frames for out in world.send(frame)]
    assert sent == ([] if dropped else frames)
    marks = [mark.state for mark in world.kernel.written]
    assert marks == ([FlowState.DROPPED] if dropped else [])
    assert [record.protocol for record in world.records.kept] == (["quic"] if dropped else [])


def test_a_hidden_name_passes_with_one_event() -> None:
    hello = records(client_hello(b"cloudflare-ech.com", encrypted=True))
    world = World()
    for port in (1000, 1001):
        frame = Line(local_port=port, remote_port=443).tcp(100, hello)
        assert world.send(frame, ack=100) == [frame]
    (record,) = world.records.kept
    assert (record.hidden_name, record.done, record.address) == (True, "reported", "cloudflare-ech.com")
