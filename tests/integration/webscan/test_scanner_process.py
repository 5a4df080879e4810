"""A real scanner process on the real data path, with real clients in the VM's namespace."""

import signal
import socket
import struct
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import dns.message
import dns.query
import dns.rcode
import msgspec
import pytest

from certificates import write_certificate
from hyperward.lab.deadline import wait_until
from hyperward.steering.layout import Mode
from hyperward.steering.scanners import open_maps
from hyperward.webscan.database.model import Entry, EntryKind
from hyperward.webscan.scanner.records import WebRecord
from hyperward.webscan.scanner.status import ScannerStatus
from web_frames import SYN, Line
from web_lab import SERVER4, SERVER6, WebLab, web_lab
from web_process import ScannerProcess, scanner_process
from web_server import connection, get, post, server

pytestmark = pytest.mark.root
MEGABYTE = 1_000_000


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[WebLab]:
    with web_lab(tmp_path, vms=2) as made:
        yield made


@pytest.fixture
def scanner(lab: WebLab, tmp_path: Path) -> Iterator[ScannerProcess]:
    lab.protect()
    with scanner_process(lab, tmp_path) as made:
        yield made


def curl(lab: WebLab, *arguments: str) -> subprocess.CompletedProcess[str]:
    with lab.inside("vm0"):
        return subprocess.run(
            ["curl", "-sS", "--max-time", "10", *arguments], capture_output=True, text=True, check=False
        )


def records_of(scanner: ScannerProcess, count: int) -> list[WebRecord]:
    assert wait_until(lambda: len(scanner.records()) >= count, 5)
    return scanner.records()


@pytest.mark.parametrize("address", [SERVER4, f"[{SERVER6}]"])
@pytest.mark.parametrize("vlan", [0, 99])
def test_curl_gets_the_block_page_and_the_server_sees_nothing(
    lab: WebLab, scanner: ScannerProcess, address: str, vlan: int
) -> None:
    if vlan:
        lab.with_vlan(vlan)
    with server(lab, "::" if ":" in address else "0.0.0.0") as served:
        for host, path in (("evil.test", "/5"), ("popular.test", "/bad/5")):
            shown = curl(lab, "-i", f"http://{address}{path}", "-H", f"Host: {host}")
            assert shown.stdout.startswith("HTTP/1.1 403 Forbidden"), shown
            assert host in shown.stdout
            assert "vm0" in shown.stdout
            assert shown.returncode == 0
        assert curl(lab, f"http://{address}/5", "-H", "Host: popular.test").stdout == "xxxxx"
        assert served.requests == ["/5"]
    first, second = records_of(scanner, 2)
    assert (first.done, first.address, first.vlan) == ("blocked", "evil.test/5", (vlan,) if vlan else ())
    assert second.entry == "popular.test/bad/"


def test_the_connection_is_closed_on_both_sides(lab: WebLab, scanner: ScannerProcess) -> None:
    del scanner
    with lab.inside("net"):
        listener = socket.create_server((SERVER4, 80))
    with listener, connection(lab, SERVER4) as client:
        accepted, _ = listener.accept()
        accepted.settimeout(5)
        with accepted:
            client.request("GET", "/", headers={"Host": "evil.test"})
            answer = client.getresponse()
            assert answer.status == 403
            assert answer.getheader("connection") == "close"
            assert b"</html>" in answer.read()
            with pytest.raises(ConnectionResetError):
                accepted.recv(100)
            assert client.sock is None or client.sock.recv(1) == b""


def test_head_and_connect_are_refused(lab: WebLab, scanner: ScannerProcess) -> None:
    del scanner
    with server(lab) as served:
        shown = curl(lab, "-I", f"http://{SERVER4}/5", "-H", "Host: evil.test")
        assert shown.stdout.startswith("HTTP/1.1 403")
        shown = curl(lab, "-x", f"http://{SERVER4}:80", "-p", "https://evil.test/5")
        assert "403" in shown.stderr
        assert served.requests == []


def test_cleartext_http2_is_refused_with_a_page(lab: WebLab, scanner: ScannerProcess) -> None:
    del scanner
    with lab.inside("net"):
        listener = socket.create_server((SERVER4, 80))
    with listener:
        shown = curl(lab, "-i", "--http2-prior-knowledge", f"http://{SERVER4}/5", "-H", "Host: evil.test")
        assert shown.stdout.startswith("HTTP/2 403"), shown
        assert "evil.test" in shown.stdout
        accepted, _ = listener.accept()
        accepted.settimeout(5)
        with accepted, suppress(ConnectionResetError):
            # The preface may have arrived, which asks for nothing.
            assert not accepted.recv(1000)[100:]
            assert not accepted.recv(1000)


def test_keep_alive_and_bodies_pass_until_a_listed_request(lab: WebLab, scanner: ScannerProcess) -> None:
    del scanner
    with server(lab) as served, connection(lab, SERVER4) as client:
        for _ in range(3):
            assert len(get(client, "/100000")) == 100_000
            post(client, 5 * MEGABYTE)
        client.request("GET", "/1", headers={"Host": "evil.test"})
        assert client.getresponse().status == 403
        assert len(served.requests) == 6
    assert lab.counted()["from_web_handed"] < 400  # of more than 10,000 frames


@pytest.mark.parametrize("size", [3_000, 30_000, 60_000])
def test_long_heads_pass_and_listed_ones_do_not(lab: WebLab, scanner: ScannerProcess, size: int) -> None:
    del scanner
    cookie = "".join(f"X-{n}: {'c' * 990}\r\n" for n in range(size // 1000))
    with lab.inside("net"):
        listener = socket.create_server((SERVER4, 80))
    with listener:
        for host in ("good.test", "evil.test"):
            head = f"GET / HTTP/1.1\r\n{cookie}Host: {host}\r\n\r\n".encode()
            with lab.inside("vm0"):
                client = socket.create_connection((SERVER4, 80), timeout=10)
            accepted, _ = listener.accept()
            accepted.settimeout(10)
            with client, accepted:
                client.sendall(head)
                got = bytearray()
                try:
                    while len(got) < len(head):
                        got += accepted.recv(1 << 16)
                except ConnectionResetError:
                    assert host == "evil.test"
                assert (bytes(got) == head) == (host == "good.test")
                if host == "evil.test":
                    assert client.recv(100).startswith(b"HTTP/1.1 403")
                    assert size > 12_000 or not got


def test_tls_is_alerted_by_its_name(lab: WebLab, scanner: ScannerProcess, tmp_path: Path) -> None:
    certificate = write_certificate(tmp_path / "server.pem")
    with lab.inside("net"):
        process = subprocess.Popen(
            ["openssl", "s_server", "-accept", f"{SERVER4}:8443", "-cert", certificate, "-www", "-quiet"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
        )
    try:

        def connect(name: str) -> str:
            with lab.inside("vm0"):
                return subprocess.run(
                    ["openssl", "s_client", "-connect", f"{SERVER4}:8443", "-servername", name],
                    input="",
                    capture_output=True,
                    text=True,
                    check=False,
                    timeout=20,
                ).stderr

        assert wait_until(lambda: "onnection refused" not in connect("good.test"), 10)
        assert "access denied" not in connect("good.test")
        assert "access denied" in connect("www.evil.test")
    finally:
        process.kill()
        process.wait()
    (record,) = records_of(scanner, 1)
    assert (record.protocol, record.address, record.destination_port) == ("tls", "www.evil.test", 8443)


def test_dns_is_answered(lab: WebLab, scanner: ScannerProcess) -> None:
    query = dns.message.make_query("evil.test", "A")
    with lab.inside("vm0"):
        answer = dns.query.udp(query, SERVER4, timeout=5)
    assert answer.rcode() == dns.rcode.NXDOMAIN
    with lab.inside("net"):
        listener = socket.create_server((SERVER4, 53))
    with listener, lab.inside("vm0"):
        answer = dns.query.tcp(query, SERVER4, timeout=5)
    assert answer.rcode() == dns.rcode.NXDOMAIN
    assert [record.transport for record in records_of(scanner, 2)] == ["UDP", "TCP"]


def test_what_is_only_reported_passes(lab: WebLab, scanner: ScannerProcess) -> None:
    with server(lab) as served:
        assert curl(lab, f"http://{SERVER4}/5", "-H", "Host: ads.test").stdout == "xxxxx"
        assert served.requests == ["/5"]
    (record,) = records_of(scanner, 1)
    assert (record.done, record.asked, record.category) == ("reported", "report", "advertising")


def test_monitoring_only_records(lab: WebLab, scanner: ScannerProcess) -> None:
    lab.protect(mode=Mode.MONITORING)
    with server(lab) as served:
        assert curl(lab, f"http://{SERVER4}/5", "-H", "Host: evil.test").stdout == "xxxxx"
        assert served.requests == ["/5"]
    (record,) = records_of(scanner, 1)
    assert (record.copy, record.done, record.reason) == (True, "reported", "copy")
    assert "from_web_back" not in lab.counted()


def test_other_settings_and_databases_are_followed_and_bad_ones_refused(lab: WebLab, scanner: ScannerProcess) -> None:
    with server(lab):
        assert curl(lab, f"http://{SERVER4}/5", "-H", "Host: next.test").stdout == "xxxxx"
        database = scanner.database("v2", [Entry(EntryKind.HOST, "next.test", "malicious", "list")])
        scanner.follow(msgspec.structs.replace(scanner.settings, databases=(database,)))
        assert "next.test" in curl(lab, f"http://{SERVER4}/5", "-H", "Host: next.test").stdout
        assert curl(lab, f"http://{SERVER4}/5", "-H", "Host: evil.test").stdout == "xxxxx"
        (scanner.folder / "web" / "settings.json").write_bytes(b'{"version": 99}')
        assert wait_until(lambda: (scanner.status() or ScannerStatus(0, 0)).error != "", 5)
        status = scanner.status()
        assert status is not None
        assert "svm" in status.error
        assert status.databases == {database: "v2"}
        assert "next.test" in curl(lab, f"http://{SERVER4}/5", "-H", "Host: next.test").stdout


def test_connections_survive_the_scanner(lab: WebLab, scanner: ScannerProcess) -> None:
    with server(lab) as served, connection(lab, SERVER4) as client:
        assert get(client, "/3") == b"xxx"
        scanner.stop(signal.SIGKILL)
        assert get(client, "/4") == b"xxxx"
        scanner.start()
        assert get(client, "/5") == b"xxxxx"
        client.request("GET", "/6", headers={"Host": "evil.test"})
        assert client.getresponse().status == 403
        assert served.requests == ["/3", "/4", "/5"]


def test_it_ends_cleanly_and_keeps_few_privileges(lab: WebLab, scanner: ScannerProcess) -> None:
    del lab
    assert scanner.process is not None
    status = Path(f"/proc/{scanner.process.pid}/status").read_text()
    fields = dict(line.split(":\t", 1) for line in status.splitlines())
    assert int(fields["CapEff"], 16) & ~(1 << 39) == 0
    assert fields["NoNewPrivs"] == "1"
    assert scanner.stop() == 0


def asked(lab: WebLab, data: bytes, *, answered: bool = True) -> bytes:
    """Send over a connection that always has the same ports, reset it, and return what came back first, if anything."""
    with lab.inside("vm0"), socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.settimeout(10)
        client.bind(("", 44444))
        client.connect((SERVER4, 80))
        client.sendall(data)
        return client.recv(4096) if answered else b""


def test_connections_with_the_same_ports_are_told_apart(lab: WebLab, scanner: ScannerProcess) -> None:
    good, evil = b"GET /5 HTTP/1.1\r\nHost: good.test\r\n\r\n", b"GET /5 HTTP/1.1\r\nHost: evil.test\r\n\r\n"
    body = b"POST / HTTP/1.1\r\nHost: good.test\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 1000
    lab.protect(closed_down=True, closed_busy=True)
    with server(lab) as served:
        for _ in range(15):
            assert asked(lab, good).startswith(b"HTTP/1.1 200")
            assert asked(lab, evil).startswith(b"HTTP/1.1 403")
            asked(lab, body, answered=False)
            assert asked(lab, evil).startswith(b"HTTP/1.1 403")
        assert served.requests == ["/5"] * 15
    assert len(records_of(scanner, 30)) == 30


def half_head(number: int) -> list[bytes]:
    """Return a SYN and half a head of a connection to nobody."""
    line = Line("10.66.0.1", "10.66.0.200", 1024 + number % 60_000, 80 + number // 60_000)
    frames = [line.tcp(99, b"", flags=SYN, ack=0), line.tcp(100, b"GET /half HTTP/1.1\r\nHost: evil")]
    return [frame[:12] + frame[16:] for frame in frames]


@pytest.mark.timeout(300)
def test_half_open_heads_are_bounded(lab: WebLab, scanner: ScannerProcess) -> None:
    """One VM opens 100,000 heads by raw frames; another one's requests are answered meanwhile."""
    lab.protect(vm=1)
    assert scanner.process is not None
    memory = Path(f"/proc/{scanner.process.pid}/status")

    def resident() -> int:
        fields = dict(line.split(":\t", 1) for line in memory.read_text().splitlines())
        return int(fields["VmRSS"].split()[0])

    before = resident()
    with ExitStack() as stack:
        stack.enter_context(server(lab))
        maps = open_maps(lab._pins)
        stack.callback(maps.close)
        slot = maps.slots.slot(0)
        with lab.inside("vm0"):
            sender = stack.enter_context(socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0))
            sender.bind(("eth0", 0))
        for number in range(100_000):
            for frame in half_head(number):
                sender.send(frame)
            if number % 100 == 0:
                assert wait_until(lambda: slot.handed - slot.taken < 100, 10)
            if number % 10_000 == 5_000:
                with connection(lab, SERVER4, vm=1) as client:
                    assert get(client, "/5") == b"xxxxx"
    assert resident() - before < 100_000, f"{resident() - before} KiB"
    assert lab.counted()["from_web_handed"] > 99_000
    assert scanner.stop() == 0
    status = scanner.status()
    assert status is not None
    assert status.counters["flows_evicted"] > 80_000
