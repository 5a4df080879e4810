import base64
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperward.errors import InputError, SystemFault
from hyperward.lab.console import MAX_COMMAND, Console, ConsoleResult, encode_request, parse_answer


@given(st.text(max_size=200), st.floats(0.1, 3600))
def test_a_request_is_one_line_whatever_the_command(command: str, timeout: float) -> None:
    line = encode_request("ab12", command, timeout)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    request_id, seconds, *encoded = line.split()
    assert (request_id, int(seconds) >= timeout) == (b"ab12", True)
    assert base64.b64decode(b"".join(encoded)).decode() == command


def test_a_request_is_bounded() -> None:
    with pytest.raises(InputError, match="at most"):
        encode_request("a", "x" * (MAX_COMMAND + 1), 1)
    for timeout in (0, -1, 3601, float("nan")):
        with pytest.raises(InputError, match="timeout"):
            encode_request("a", "x", timeout)


@given(st.text(max_size=100), st.integers(0, 255), st.binary(max_size=50), st.binary(max_size=20))
def test_an_answer_is_what_stands_between_its_marks(output: str, status: int, before: bytes, after: bytes) -> None:
    received = before + b"\nBEGIN 77aa\n" + output.encode() + f"\nEND 77aa {status}\n".encode() + after
    assert parse_answer("77aa", received) == ConsoleResult(status, output)


def test_an_answer_that_is_not_whole_is_none_yet() -> None:
    whole = b"BEGIN 1\nhello\n\nEND 1 0\n"
    assert all(parse_answer("1", whole[:end]) is None for end in range(len(whole)))
    assert parse_answer("1", whole) == (0, "hello\n")
    assert parse_answer("2", whole) is None


def test_a_vm_that_is_gone_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(SystemFault, match="does not answer"):
        Console(tmp_path / "none").run("true")
