"""Requests of VMs through a web scanner on the real data path."""

import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from hyperward.lab.deadline import wait_until
from hyperward.steering.layout import PCP_COPY, PCP_CRAFTED, PCP_ORIGINAL, PCP_WHOLE, Mode, Web, WebFlow, WebState
from hyperward.steering.limits import WebLimits
from web_lab import FIRST_PORT_ID, SERVER4, SERVER6, Scanner, Seen, WebLab, web_lab
from web_server import connection, get, post, server

pytestmark = pytest.mark.root
KILOBYTE, MEGABYTE = 1000, 1_000_000


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[WebLab]:
    with web_lab(tmp_path, vms=2) as made:
        yield made


def body_passes(scanner: Scanner, seen: Seen) -> None:
    """Let the body of a request pass, up to its end."""
    seq, data = seen.tcp()
    head, _, _ = data.partition(b"\r\n\r\n")
    if not data.startswith((b"GET", b"POST")):
        return
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
    until = seq + len(head) + 4 + int(fields.get(b"content-length", b"0"))
    scanner.settle(seen, WebFlow((seq + len(data)) % 2**32, until % 2**32, WebState.UNTIL))


def all_pass(scanner: Scanner, seen: Seen) -> None:
    """Let everything behind the first packet pass."""
    seq, data = seen.tcp()
    scanner.settle(seen, WebFlow((seq + len(data)) % 2**32, 0, WebState.DONE))


@pytest.mark.parametrize("vlan", [0, 99])
@pytest.mark.parametrize("address", [SERVER4, SERVER6])
def test_requests_and_large_bodies_pass_a_scanner_whole(lab: WebLab, address: str, vlan: int) -> None:
    lab.protect()
    if vlan:
        lab.with_vlan(vlan)
    with server(lab, "::" if ":" in address else "0.0.0.0"), lab.scanner() as scanner:
        with connection(lab, address) as client:
            assert len(get(client, "/10")) == 10
            post(client, MEGABYTE)
            assert len(get(client, f"/{MEGABYTE}")) == MEGABYTE
        assert {(seen.priority, seen.port_id) for seen in scanner.seen} == {(PCP_ORIGINAL, FIRST_PORT_ID)}
        assert {int.from_bytes(seen.frame[12:16], "big") == 0x8100_0000 + vlan for seen in scanner.seen} == {vlan > 0}
    counted = lab.counted()
    assert counted["from_web_back"] == counted["from_web_handed"] == len(scanner.seen) > MEGABYTE // 1460
    assert counted.keys() == {"from_web_back", "from_web_handed"}


def test_downloads_never_touch_a_scanner(lab: WebLab) -> None:
    lab.protect()
    with server(lab), lab.scanner() as scanner, connection(lab, SERVER4) as client:
        for _ in range(10):
            assert len(get(client, f"/{100 * KILOBYTE}")) == 100 * KILOBYTE
        assert len(scanner.seen) == lab.counted()["from_web_handed"] == 10
        assert all(seen.tcp()[1].startswith(b"GET") for seen in scanner.seen)


def test_a_body_passes_and_the_next_request_is_seen(lab: WebLab) -> None:
    lab.protect()
    with server(lab) as served, lab.scanner(body_passes) as scanner, connection(lab, SERVER4) as client:
        for _ in range(3):
            post(client, 10 * MEGABYTE)
            get(client, "/7")
        heads = [seen.tcp()[1][:4] for seen in scanner.seen if seen.tcp()[1][:4] in {b"POST", b"GET "}]
        assert heads == [b"POST", b"GET "] * 3
        assert len(served.requests) == 6
        assert lab.counted()["from_web_handed"] < 600  # of more than 20,000 frames


def test_a_connection_that_is_done_stays_in_the_kernel(lab: WebLab) -> None:
    lab.protect()
    with server(lab), lab.scanner(all_pass) as scanner, connection(lab, SERVER4) as client:
        get(client, "/1")
        for _ in range(3):
            post(client, 5 * MEGABYTE)
        assert len(scanner.seen) == 1


def test_what_the_server_does_not_have_yet_is_looked_at_again(lab: WebLab) -> None:
    lab.protect()

    def lose_first(scanner: Scanner, seen: Seen) -> bool:
        all_pass(scanner, seen)
        return len(scanner.seen) > 1

    with server(lab), lab.scanner(lose_first) as scanner, connection(lab, SERVER4) as client:
        assert len(get(client, "/5")) == 5
        first, again = (seen.tcp() for seen in scanner.seen[:2])
        assert first == again
        assert len(get(client, "/6")) == 6
        assert len(scanner.seen) == 2


def test_what_a_scanner_put_together_is_steered_to_the_one_that_follows(lab: WebLab) -> None:
    lab.protect()
    whole: set[bytes] = set()

    def first_back_as_whole(scanner: Scanner, seen: Seen) -> bool:
        if seen.frame in whole:
            return True
        whole.add(seen.frame)
        scanner.write(seen.frame, seen.port_id, PCP_WHOLE)
        return False

    with server(lab) as served, lab.scanner(first_back_as_whole) as scanner, connection(lab, SERVER4) as client:
        for size in (5, 50 * KILOBYTE):
            assert len(get(client, f"/{size}")) == size
        assert served.requests == ["/5", f"/{50 * KILOBYTE}"]
        assert len(scanner.seen) == 2 * len(whole)
        assert {seen.priority for seen in scanner.seen} == {PCP_ORIGINAL}


def reset(seen: Seen) -> bytes:
    """Return the segment that ends the VM's connection."""
    head, seq, data = seen.frame, *seen.tcp()
    segment = (
        head[36:38] + head[34:36] + head[42:46] + struct.pack("!IBBHHH", (seq + len(data)) % 2**32, 0x50, 0x14, 0, 0, 0)
    )
    addresses = head[30:34] + head[26:30]
    total = ~_sum(addresses + struct.pack("!HH", 6, 20) + segment) & 0xFFFF
    segment = segment[:16] + struct.pack("!H", total) + segment[18:]
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 40, 0, 0, 64, 6, 0) + addresses
    ip = ip[:10] + struct.pack("!H", ~_sum(ip) & 0xFFFF) + ip[12:]
    return head[6:12] + head[:6] + b"\x08\x00" + ip + segment


def _sum(data: bytes) -> int:
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def test_a_blocked_request_never_arrives_and_the_scanner_answers(lab: WebLab) -> None:
    lab.protect()

    def block(scanner: Scanner, seen: Seen) -> bool:
        scanner.settle(seen, WebFlow(0, 0, WebState.BLOCKED))
        scanner.write(reset(seen), seen.port_id, PCP_CRAFTED)
        return False

    with lab.inside("net"):
        listener = socket.create_server((SERVER4, 80))
    with listener, lab.scanner(block), connection(lab, SERVER4) as client:
        accepted, _ = listener.accept()
        with accepted:
            client.request("GET", "/5")
            with pytest.raises(ConnectionResetError):
                client.getresponse()
            accepted.settimeout(0)
            with pytest.raises(BlockingIOError):
                accepted.recv(1)
            accepted.send(b"a server that speaks first")
            assert wait_until(lambda: lab.counted().get("to_web_refused", 0) > 0, 5)
    assert lab.counted()["to_web_crafted"] >= 1


@pytest.mark.parametrize("closed", [False, True])
def test_a_scanner_that_falls_silent_is_noticed(lab: WebLab, *, closed: bool) -> None:
    lab.protect(closed_down=closed)
    with server(lab) as served, lab.scanner() as scanner:
        with connection(lab, SERVER4) as client:
            assert len(get(client, "/5")) == 5
        scanner.reads = scanner.beats = False
        with connection(lab, SERVER4, timeout=1.5 if closed else 20) as client:
            if closed:
                with pytest.raises(TimeoutError):
                    get(client, "/6")
            else:
                assert len(get(client, "/6")) == 6
        assert lab.counted()["from_web_closed_down" if closed else "from_web_open_down"] > 0
        assert served.requests == ["/5"] if closed else ["/5", "/6"]
        scanner.reads = scanner.beats = True
        with connection(lab, SERVER4) as client:
            assert len(get(client, "/7")) == 7


def test_a_scanner_that_ends_and_comes_again(lab: WebLab) -> None:
    lab.protect()
    with server(lab), connection(lab, SERVER4) as client:
        with lab.scanner():
            assert len(get(client, "/5")) == 5
        assert len(get(client, "/6")) == 6
        assert lab.counted()["from_web_open_down"] == 1
        with lab.scanner() as scanner:
            assert len(get(client, "/7")) == 7
            assert len(scanner.seen) == 1


def datagrams(lab: WebLab, count: int, vm: int = 0) -> None:
    with lab.inside(f"vm{vm}"):
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with sender:
        for _ in range(count):
            sender.sendto(b"a query, says its port", (SERVER4, 53))


def test_a_full_queue_is_busy_and_empties_again(lab: WebLab) -> None:
    lab.devices(1, WebLimits(queue=40, burst=1000))
    lab.protect()
    with server(lab), lab.scanner() as scanner, connection(lab, SERVER4) as client:
        scanner.reads = False
        assert wait_until(lambda: scanner.slot.taken == scanner.slot.handed, 5)
        datagrams(lab, 60)
        assert lab.counted()["from_web_open_busy"] == 60 - 41
        assert len(get(client, "/5")) == 5
        scanner.reads = True
        assert wait_until(lambda: scanner.slot.taken == scanner.slot.handed, 5)
        assert len(scanner.seen) == 41
        assert len(get(client, "/6")) == 6
        assert len(scanner.seen) == 42


def test_a_vm_that_floods_harms_only_itself(lab: WebLab) -> None:
    for vm in range(2):
        lab.protect(vm=vm)
    with server(lab), lab.scanner() as scanner, connection(lab, SERVER4, vm=1) as client:
        scanner.reads = False
        datagrams(lab, 5000)
        flood = lab.counted(0)
        assert flood["from_web_handed"] + flood["from_web_limited"] == 5000
        assert flood["from_web_limited"] > 1000
        client.request("GET", "/5")
        assert wait_until(lambda: lab.counted(1).get("from_web_handed", 0) > 0, 5)
        scanner.reads = True
        assert len(client.getresponse().read()) == 5
        assert lab.counted(1).keys() == {"from_web_handed", "from_web_back"}


@pytest.mark.parametrize("reads", [True, False])
def test_in_monitoring_a_scanner_sees_copies_that_end_there(lab: WebLab, *, reads: bool) -> None:
    lab.protect(mode=Mode.MONITORING, closed_down=True, closed_busy=True)
    with server(lab) as served, lab.scanner() as scanner, connection(lab, SERVER4) as client:
        scanner.reads = reads
        for _ in range(20):
            get(client, "/5")
        post(client, 100 * KILOBYTE)
        assert len(served.requests) == 21
        counted = lab.counted()
        assert counted.keys() == {"from_web_copied"}
        scanner.reads = True
        assert wait_until(lambda: len(scanner.seen) == counted["from_web_copied"], 5)
        assert {seen.priority for seen in scanner.seen} == {PCP_COPY}
        sent = {seen.tcp() for seen in scanner.seen}
        assert sum(len(data) for _, data in sent) > 100 * KILOBYTE
    assert "from_web_back" not in lab.counted()


def test_with_ips_a_packet_meets_the_scanner_and_then_the_engine(lab: WebLab) -> None:
    lab.with_engine()
    lab.protect(vid=14)
    with server(lab), lab.scanner() as scanner, connection(lab, SERVER4) as client:
        post(client, 100 * KILOBYTE)
        get(client, f"/{100 * KILOBYTE}")
        assert scanner.seen
    both = lab.ports.counters(FIRST_PORT_ID)
    assert both.from_vm["web_back"] == both.from_vm["web_handed"] > 60
    assert both.from_vm["from_engine"] >= both.from_vm["to_engine"] > both.from_vm["web_back"]
    assert both.to_vm["from_engine"] > 60
    assert both.from_vm["open_down"] == both.from_vm["open_busy"] == 0


def test_flows_spread_over_scanners_and_keep_to_theirs(lab: WebLab) -> None:
    lab.devices(2)
    lab.protect()
    with server(lab), lab.scanner() as first, lab.scanner(index=1) as second:
        for _ in range(20):
            with connection(lab, SERVER4) as client:
                get(client, "/5")
                get(client, "/6")
        ports = [{seen.frame[34:36] for seen in scanner.seen} for scanner in (first, second)]
        assert not ports[0] & ports[1]
        assert ports[0]
        assert ports[1]


def test_only_what_the_port_chose_is_scanned(lab: WebLab) -> None:
    lab.protect(web=Web.TCP)
    with server(lab), lab.scanner() as scanner:
        datagrams(lab, 10)
        with connection(lab, SERVER4) as client:
            get(client, "/5")
        assert [seen.frame[23] for seen in scanner.seen] == [6]
