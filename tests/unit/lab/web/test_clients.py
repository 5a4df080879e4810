"""What the programs' ends mean."""

import pytest

from hyperward.lab.plan import plan_lab
from hyperward.lab.records import Record
from hyperward.lab.web.answer import Answer, End
from hyperward.lab.web.asking import arrived
from hyperward.lab.web.attempts import Attempt, Way, attempts
from hyperward.lab.web.curl import curl_answer, curl_command
from hyperward.lab.web.guest import wget_answer, wget_command

EVERY = attempts(plan_lab(vms=1, qemu=True), ("vm1", "vmq"))


def _of(way: Way, family: int = 4) -> Attempt:
    return next(one for one in EVERY if one.site.way is way and one.family == family)


def test_curl_is_told_where_the_name_is() -> None:
    command = curl_command(_of(Way.HTTP, 6), 3)
    assert "malware.hyperward.test:80:[fd77::9]" in command
    assert command[-1] == "http://malware.hyperward.test/site/update.exe"


@pytest.mark.parametrize(
    ("status", "said", "expected"),
    [
        (0, "hw-status:403\n", Answer(End.ANSWERED, 403, "page")),
        (28, "curl: (28) Operation timed out", Answer(End.SILENT, detail="curl: (28) Operation timed out")),
        (35, "curl: (35) alert access denied", Answer(End.CUT, detail="curl: (35) alert access denied")),
        (56, "curl: (56) Recv failure: reset", Answer(End.CUT, detail="curl: (56) Recv failure: reset")),
        (7, "", Answer(End.FAILED, detail="curl ended with 7")),
        (35, "curl: (35) no cipher", Answer(End.FAILED, detail="curl: (35) no cipher")),
    ],
)
def test_ends_of_curl(status: int, said: str, expected: Answer) -> None:
    assert curl_answer(status, said, "page") == expected


def test_wget_finds_the_name_in_the_hosts_file() -> None:
    command = wget_command(_of(Way.TLS, 6), 2.5)
    assert command.startswith("echo 'fd77::9 login.phishing.hyperward.test' >/etc/hosts\ntimeout 3 wget ")
    assert "https://login.phishing.hyperward.test/ " in command


@pytest.mark.parametrize(
    ("output", "end", "status"),
    [
        ("<title>A page</title>\n\nhw-status:0\n", End.ANSWERED, 200),
        ("wget: server returned error: HTTP/1.1 403 Forbidden\n\nhw-status:1\n", End.ANSWERED, 403),
        ("wget: TLS error from peer (alert code 49): access denied\n\nhw-status:1\n", End.CUT, 0),
        ("wget: error getting response: Connection reset by peer\n\nhw-status:1\n", End.CUT, 0),
        ("\nhw-status:143\n", End.SILENT, 0),
        ("wget: bad address\n\nhw-status:1\n", End.FAILED, 0),
        ("Segmentation fault", End.FAILED, 0),
    ],
)
def test_ends_of_wget(output: str, end: End, status: int) -> None:
    answer = wget_answer(output)
    assert (answer.end, answer.status) == (end, status)


def test_what_a_server_recorded_is_told_from_what_others_asked_for() -> None:
    peer = "10.77.0.11"
    http, tls, quic = _of(Way.HTTP), _of(Way.TLS), _of(Way.QUIC)
    head = {"method": "GET", "target": http.site.path, "headers": {"Host": http.site.host}}
    assert arrived(http, [Record(0, "http", "request", peer, head)])
    assert not arrived(http, [Record(0, "http", "request", "10.77.0.12", head)])
    assert not arrived(http, [Record(0, "http", "request", peer, {**head, "headers": {"Host": "other.example"}})])
    assert not arrived(http, [Record(0, "http", "connection", peer)])
    assert arrived(tls, [Record(0, "https", "hello", peer, {"name": tls.site.host})])
    assert not arrived(tls, [Record(0, "https", "connection", peer)])
    assert arrived(quic, [Record(0, "h3", "connection", peer)])
