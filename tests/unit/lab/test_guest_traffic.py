import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperward.errors import InputError
from hyperward.lab.guest_traffic import (
    banner_command,
    banner_outcome,
    nslookup_command,
    nslookup_outcome,
    wget_command,
    wget_outcome,
)
from hyperward.lab.messages import HttpRequest, SshBanner
from hyperward.lab.outcome import Outcome, Result


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60))
def test_a_header_reaches_wget_as_it_is(value: str) -> None:
    command = wget_command(HttpRequest("/a/../b", (("User-Agent", value), ("X-A", value))), "fd77::9", 2.5)
    line = next(line for line in command.splitlines() if line.startswith("timeout"))
    words = shlex.split(line.removesuffix("4<&-"))
    assert words[words.index("-U") + 1] == value
    assert words[words.index("--header") + 1] == f"X-A: {value}"
    assert words[-1] == "http://[fd77::9]/a/../b"
    assert words[:2] == ["timeout", "3"]


def test_headers_that_wget_writes_itself_are_refused() -> None:
    with pytest.raises(InputError, match="Host"):
        wget_command(HttpRequest(headers=(("Host", "x"),)), "10.0.0.1", 1)


@pytest.mark.parametrize(
    ("output", "outcome"),
    [
        ("hw-status:0 96\n", Outcome(Result.COMPLETED, 96, "HTTP 200")),
        ("hw-status:0 0 abcd\n", Outcome(Result.COMPLETED, 0, "HTTP 200", "abcd")),
        (
            "wget: server returned error: HTTP/1.1 404 Not Found\nhw-status:1 0\n",
            Outcome(Result.COMPLETED, 0, "HTTP 404"),
        ),
        ("Terminated\nhw-status:143 0\n", Outcome(Result.TIMED_OUT, 0, "Terminated")),
        (
            "wget: error getting response: Connection reset by peer\nhw-status:1 0\n",
            Outcome(Result.RESET, 0, "wget: error getting response: Connection reset by peer"),
        ),
        ("wget: error getting response\nhw-status:1 0\n", Outcome(Result.CLOSED, 0, "wget: error getting response")),
        (
            "wget: can't connect to remote host (10.77.0.9): Connection refused\nhw-status:1 0\n",
            Outcome(Result.REFUSED, 0, "wget: can't connect to remote host (10.77.0.9): Connection refused"),
        ),
        ("wget: bad address\nhw-status:1 0\n", Outcome(Result.FAILED, 0, "wget: bad address")),
        ("sh: syntax error\n", Outcome(Result.FAILED, detail="sh: syntax error")),
    ],
)
def test_what_wget_says_is_understood(output: str, outcome: Outcome) -> None:
    assert wget_outcome(output) == outcome


SERVER = b"SSH-2.0-server\r\n"


def _answer(before: int, status: int, after: int, answer: bytes, said: str = "") -> str:
    return f"hw-resets:{before}\n{said}hw-status:{status}\nhw-resets:{after}\n{answer.hex()}"


@pytest.mark.parametrize(
    ("output", "result"),
    [
        (_answer(1, 0, 1, SERVER + b"\0\0\0\x0c"), Result.COMPLETED),
        (_answer(1, 0, 2, SERVER), Result.RESET),
        (_answer(1, 0, 1, SERVER), Result.CLOSED),
        (_answer(1, 143, 1, SERVER), Result.TIMED_OUT),
        (_answer(1, 1, 1, b"", "nc: can't connect to remote host (fd77::9): Connection refused\n"), Result.REFUSED),
        ("sh: not found", Result.FAILED),
    ],
)
def test_what_nc_gives_is_understood(output: str, result: Result) -> None:
    assert banner_outcome(output).result is result


def test_a_banner_is_one_word_for_the_shell() -> None:
    command = banner_command(SshBanner("SSH-2.0-a'b $(c)"), "fd77::9", 4)
    assert shlex.quote("SSH-2.0-a'b $(c)") in command
    assert "nc fd77::9 22" in command


@pytest.mark.parametrize(
    ("output", "outcome"),
    [
        (
            "Server:\t10.77.0.9\nAddress: 10.77.0.9:53\n\nName: vm1.hyperward.test\nAddress: 10.77.0.11\nhw-status:0\n",
            Outcome(Result.COMPLETED, detail="10.77.0.11"),
        ),
        ("** server can't find x: NXDOMAIN\n\nhw-status:1\n", Outcome(Result.COMPLETED, detail="NXDOMAIN")),
        ("Terminated\nhw-status:143\n", Outcome(Result.TIMED_OUT, detail="Terminated")),
        (";; connection timed out; no servers could be reached\nhw-status:1\n", None),
        ("hw-status:1\n", Outcome(Result.FAILED)),
    ],
)
def test_what_nslookup_says_is_understood(output: str, outcome: Outcome | None) -> None:
    found = nslookup_outcome(output)
    assert found == outcome if outcome else found.result is Result.TIMED_OUT
    assert "-type=aaaa" in nslookup_command("x.test", "AAAA", "fd77::9", 1)
