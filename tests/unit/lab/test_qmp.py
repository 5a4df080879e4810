import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hyperward.errors import SystemFault
from hyperward.lab.qmp import MAX_LINE, Qmp

GREETING = b'{"QMP": {"version": {}}}\n'


@contextmanager
def monitor(path: Path, answers: list[bytes], greeting: bytes = GREETING) -> Iterator[list[object]]:
    """A stub of QEMU: greets, then answers each command with the next of the answers."""
    commands: list[object] = []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection, connection.makefile("rb") as lines:
                connection.sendall(greeting)
                for answer in answers:
                    commands.append(json.loads(lines.readline() or b"null"))
                    connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield commands
        thread.join()


OK = b'{"return": {}}\n'


def test_a_command_gets_its_answer_and_events_are_skipped(tmp_path: Path) -> None:
    event = b'{"event": "STOP", "data": {}}\n'
    with monitor(tmp_path / "q", [OK, event + b'{"return": {"running": true}}\n']) as commands:
        with Qmp(tmp_path / "q") as qmp:
            assert qmp.execute("query-status", {"a": 1}) == {"running": True}
        assert commands == [{"execute": "qmp_capabilities"}, {"execute": "query-status", "arguments": {"a": 1}}]


def test_a_refusal_says_what_qemu_says(tmp_path: Path) -> None:
    refusal = b'{"error": {"class": "X", "desc": "no such device"}}\n'
    with (
        monitor(tmp_path / "q", [OK, refusal]),
        Qmp(tmp_path / "q") as qmp,
        pytest.raises(SystemFault, match="refused x: no such device"),
    ):
        qmp.execute("x")


@pytest.mark.parametrize(
    ("greeting", "message"),
    [
        (b'{"hello": 1}\n', "not a QEMU monitor"),
        (b"hello\n", "not JSON"),
        (b"[1]\n", "not a JSON object"),
        (b"", "ended the connection"),
        (b"x" * (MAX_LINE + 70000), "more than"),
    ],
)
def test_what_is_no_monitor_is_refused(tmp_path: Path, greeting: bytes, message: str) -> None:
    with monitor(tmp_path / "q", [], greeting), pytest.raises(SystemFault, match=message):
        Qmp(tmp_path / "q")


def test_nobody_there_and_nobody_answering(tmp_path: Path) -> None:
    with pytest.raises(SystemFault, match="does not answer"):
        Qmp(tmp_path / "none")
    with monitor(tmp_path / "q", [OK, b""]), Qmp(tmp_path / "q", timeout=0.2) as qmp, pytest.raises(SystemFault):
        qmp.execute("x")
