"""The TLS stream of a client: hellos over any segments and records, and when the rest needs no look."""

import ssl
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from sys import maxsize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certificates import write_certificate
from hellos import EARLY_DATA, client_hello, records, tls_start
from hyperward.webscan.protocols.model import Asked, Body, Finished, Request, Step, WebProtocol
from hyperward.webscan.protocols.tls import BLOCKED, AlertDescription, AlertLevel, TlsStream, alert, begins

HELLO = client_hello("a.example")
CHANGE_CIPHER_SPEC = bytes.fromhex("140303000101")
WARNING = bytes.fromhex("15030100020129")
ENCRYPTED = bytes.fromhex("1703030010") + b"\x99" * 16
KEY_EXCHANGE = bytes.fromhex("160303000410000000")


def played(data: bytes, cuts: list[int] | None = None) -> tuple[list[Step], TlsStream]:
    stream, steps = TlsStream(), []
    stops = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts or [])})
    for start, stop in pairwise(stops):
        steps += stream.feed(start, data[start:stop])
        assert len(stream._held) <= 0x4000 + 2048 + 5
        assert len(stream._message) <= 65536
    return steps, stream


def asked(name: str, end: int) -> Asked:
    return Asked(Request(WebProtocol.TLS, host=name.encode()), end)


def names(data: bytes) -> list[str]:
    return [step.request.host.decode() for step in played(data)[0] if isinstance(step, Asked)]


def test_one_record() -> None:
    data = tls_start("a.example")
    steps, stream = played(data)
    assert steps == [asked("a.example", len(data))]
    assert stream.decided == len(data)


def test_nothing_is_decided_before_the_hello_is_complete() -> None:
    data = tls_start("a.example")
    steps, stream = played(data[:-1])
    assert steps == []
    assert stream.decided == 0


def test_records_of_one_byte() -> None:
    data = records(HELLO, [1] * len(HELLO))
    assert played(data)[0] == [asked("a.example", len(data))]


@pytest.mark.parametrize("size", [1700, 2500, 20000, 60000])
def test_a_large_hello_in_segments(size: int) -> None:
    data = records(client_hello("a.example", post_quantum=True, size=size))
    assert played(data, list(range(0, len(data), 1400)))[0] == [asked("a.example", len(data))]


def test_a_hello_of_real_openssl() -> None:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname="www.example.com")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    assert names(outgoing.read()) == ["www.example.com"]


@pytest.mark.parametrize("after", [CHANGE_CIPHER_SPEC + ENCRYPTED, KEY_EXCHANGE, ENCRYPTED])
def test_the_first_record_that_is_no_hello_finishes(after: bytes) -> None:
    data = tls_start("a.example")
    steps, stream = played(data + after)
    assert steps[0] == asked("a.example", len(data))
    assert [type(step) for step in steps] == [Asked, Finished]
    assert stream.decided == maxsize
    assert stream.feed(5, b"anything") == []


def test_a_change_cipher_spec_after_the_hello_may_pass() -> None:
    data = tls_start("a.example") + CHANGE_CIPHER_SPEC
    assert played(data)[1].decided == len(data)


def test_a_second_hello_with_another_name_is_seen() -> None:
    second = records(client_hello("b.example"))
    data = tls_start("a.example") + CHANGE_CIPHER_SPEC + second
    steps, stream = played(data)
    assert steps[:2] == [asked("a.example", len(tls_start("a.example"))), asked("b.example", len(data))]
    assert stream.decided == maxsize


def test_a_second_hello_is_held_back_until_it_is_complete() -> None:
    first = tls_start("a.example")
    assert played(first + records(client_hello("b.example"))[:-1])[1].decided == len(first)


def test_a_second_hello_after_early_data_is_seen() -> None:
    first = records(client_hello("a.example", extensions=[(EARLY_DATA, b"")]))
    early = bytes.fromhex("17030303e8") + bytes(1000)
    data = first + CHANGE_CIPHER_SPEC + early + records(client_hello("b.example"))
    assert names(data) == ["a.example", "b.example"]


def test_early_data_need_not_be_fed() -> None:
    first = records(client_hello("a.example", extensions=[(EARLY_DATA, b"")]))
    stream = TlsStream()
    stream.feed(0, first)
    end = len(first) + 5 + 1000
    assert stream.feed(len(first), bytes.fromhex("17030303e8")) == [Body(end)]
    assert stream.decided == end
    rest = b"\0" * 300 + records(client_hello("b.example"))
    assert stream.feed(end - 300, rest)[0] == asked("b.example", end + len(rest) - 300)


def test_early_data_is_skipped_only_so_long() -> None:
    first = records(client_hello("a.example", extensions=[(EARLY_DATA, b"")]))
    steps, _ = played(first + (bytes.fromhex("1703034000") + bytes(0x4000)) * 10)
    assert [type(step) for step in steps] == [Asked, Body, Body, Body, Body, Finished]


def test_two_hellos_in_one_record() -> None:
    assert names(records(HELLO + client_hello("b.example"))) == ["a.example", "b.example"]


@pytest.mark.parametrize(
    "before", [b"\x16\x03\x01\0\0", WARNING, CHANGE_CIPHER_SPEC, (WARNING + b"\x16\x03\x01\0\0") * 9]
)
def test_records_that_say_nothing_do_not_hide_the_hello(before: bytes) -> None:
    assert names(before + tls_start("a.example")) == ["a.example"]
    assert names(records(HELLO[:9]) + before + records(HELLO[9:])) == ["a.example"]


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(bytes.fromhex("802e0100020015000000100100800300800700c0"), id="SSL 2.0 hello"),
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", id="HTTP"),
        pytest.param(bytes.fromhex("1603010004") + b"\x02\0\0\0", id="ServerHello"),
        pytest.param(bytes.fromhex("160301000101") + bytes.fromhex("1603010003ffffff"), id="16 MB"),
        pytest.param(bytes.fromhex("1603010004") + b"\x01\0\0\0", id="empty hello"),
        pytest.param(ENCRYPTED, id="encrypted"),
        pytest.param(bytes.fromhex("160301ffff01"), id="record too long"),
        pytest.param(bytes.fromhex("1607010004"), id="other major version"),
        pytest.param(WARNING * 10000, id="only alerts"),
        pytest.param(b"\x16\x03\x01\0\0" * 20000, id="only empty records"),
        pytest.param(records(client_hello("a", size=12000), [1] * 12000), id="72 KB of records of one byte"),
    ],
)
def test_what_is_no_hello_is_let_go(data: bytes) -> None:
    steps, stream = played(data)
    assert [type(step) for step in steps] == [Finished]
    assert stream.decided == maxsize


def test_records_without_end_after_the_hello_are_let_go() -> None:
    steps, _ = played(tls_start("a") + WARNING * 9)
    assert [type(step) for step in steps] == [Asked, Finished]


def test_missing_bytes_finish_the_stream() -> None:
    assert TlsStream().feed(5, b"\x16") == [Finished("bytes of the stream are missing")]


SAMPLES = [
    tls_start("a.example") + CHANGE_CIPHER_SPEC + ENCRYPTED,
    WARNING + records(HELLO, [1, 2, 0, 300]) + CHANGE_CIPHER_SPEC + records(client_hello("b.example"), [7]),
    records(client_hello("a.example", extensions=[(EARLY_DATA, b"")])) + ENCRYPTED * 2 + records(HELLO, [3]),
    records(client_hello("a.example", post_quantum=True), [500, 500]) + KEY_EXCHANGE,
    records(HELLO + client_hello("b.example"), [400]) + ENCRYPTED,
]


@given(st.sampled_from(SAMPLES), st.lists(st.integers(0, 5000)))
def test_any_split_shows_the_same(data: bytes, cuts: list[int]) -> None:
    assert played(data, cuts)[0] == played(data)[0] == played(data, list(range(len(data))))[0]


@given(st.binary(max_size=400), st.lists(st.integers(0, 400)), st.booleans())
def test_random_bytes_never_raise_and_any_split_shows_the_same(data: bytes, cuts: list[int], hello: bool) -> None:  # noqa: FBT001
    whole = (tls_start("a") if hello else b"") + data
    assert played(whole, cuts)[0] == played(whole)[0]


@given(st.sampled_from(SAMPLES), st.lists(st.tuples(st.integers(0, 900), st.integers(0, 255)), max_size=5))
def test_changed_bytes_never_raise(data: bytes, changes: list[tuple[int, int]]) -> None:
    changed = bytearray(data)
    for at, value in changes:
        changed[at % len(changed)] = value
    assert played(bytes(changed), list(range(0, len(data), 50)))[0] == played(bytes(changed))[0]


@pytest.mark.parametrize(
    ("start", "expected"),
    [(b"", None), (b"\x16", None), (b"\x16\x03", True), (b"\x15\x03\x01", True), (b"\x16\x02", False), (b"GET", False)],
)
def test_begins(start: bytes, expected: bool | None) -> None:  # noqa: FBT001
    assert begins(start) is expected


def test_the_alert_is_understood_by_a_real_client() -> None:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname="www.example.com")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    incoming.write(BLOCKED)
    with pytest.raises(ssl.SSLError, match=r"(?i)unrecognized.name"):
        client.do_handshake()
    assert alert(AlertLevel.FATAL, AlertDescription.ACCESS_DENIED) == bytes.fromhex("15030300020231")


def test_a_real_client_that_is_asked_for_another_hello(tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(write_certificate(tmp_path / "server.pem"))
    context.set_ecdh_curve("secp384r1")  # a group for which clients send no key share at first
    trusting = ssl.create_default_context(cafile=str(tmp_path / "server.pem"))
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = trusting.wrap_bio(to_client, to_server, server_hostname="server.example")
    server_in = ssl.MemoryBIO()
    server = context.wrap_bio(server_in, to_client, server_side=True)
    stream, steps, seen = TlsStream(), [], 0
    for _ in range(3):
        for side in (client, server):
            with suppress(ssl.SSLWantReadError):
                side.do_handshake()
            data = to_server.read()
            steps += stream.feed(seen, data)
            seen += len(data)
            server_in.write(data)
    assert server.version() == "TLSv1.3"
    hosts = [step.request.host for step in steps if isinstance(step, Asked)]
    assert hosts == [b"server.example", b"server.example"]
    assert stream.decided == maxsize


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(records(client_hello("a.example", post_quantum=True, encrypted=True)), id="post-quantum"),
        pytest.param(records(HELLO, [1] * len(HELLO)), id="records of one byte"),
        pytest.param(
            b"\x16\x03\x01\0\0" + records(HELLO[:9]) + b"\x16\x03\x01\0\0" + records(HELLO[9:]), id="empty records"
        ),
        pytest.param(records(HELLO).replace(b"\x16\x03\x01", b"\x16\x03\x09"), id="minor version 9"),
        pytest.param(records(client_hello("A.example.")), id="as written"),
        pytest.param(records(client_hello("a.example", size=16500)), id="two full records"),
    ],
)
def test_a_real_server_reads_the_same_name(data: bytes, tmp_path: Path) -> None:
    seen: list[str | None] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(write_certificate(tmp_path / "server.pem"))
    context.sni_callback = lambda _connection, name, _context: seen.append(name)
    incoming = ssl.MemoryBIO()
    incoming.write(data)
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(incoming, ssl.MemoryBIO(), server_side=True).do_handshake()
    assert seen == names(data)
