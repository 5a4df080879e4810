"""The VM's keyboard and screen: one shell command at a time over its second serial port, with output and exit status.

Every command has an id of its own and its answer stands between BEGIN and END with that id, so that what a killed
command still prints is never taken for the next one's output. Each command is a connection of its own: several
processes may use the console, one after the other.
"""

import base64
import math
import re
import secrets
import socket
from pathlib import Path
from typing import NamedTuple

from hyperward.errors import InputError, SystemFault
from hyperward.lab.deadline import Deadline

MAX_COMMAND = 32 * 1024
MAX_OUTPUT = 4 * 1024 * 1024
_SLACK = 15.0
"""Seconds beyond the command's own time for the serial port and a busy machine."""


class ConsoleResult(NamedTuple):
    """What a command gave: its exit status (137 when it was killed at its timeout) and its output, stderr included."""

    status: int
    output: str


def encode_request(request_id: str, command: str, timeout: float) -> bytes:
    """Return the line that asks the VM to run a command.

    Raises:
        InputError: the command is longer than 32 KiB, or the timeout is not positive.
    """
    data = command.encode()
    if len(data) > MAX_COMMAND:
        raise InputError(f"a console command has at most {MAX_COMMAND} bytes, this one {len(data)}")
    if not 0 < timeout <= 3600:  # noqa: PLR2004 - an hour is more than any command of the lab takes
        raise InputError("a console command's timeout is between 0 and 3600 s", where=str(timeout))
    return f"{request_id} {math.ceil(timeout)} {base64.b64encode(data).decode()}\n".encode()


def parse_answer(request_id: str, received: bytes) -> ConsoleResult | None:
    """Return the answer to a request once all of it has been received, else None."""
    begin = received.find(f"BEGIN {request_id}\n".encode())
    if begin < 0:
        return None
    body = received[begin:].partition(b"\n")[2]
    end = re.search(rb"\nEND " + request_id.encode() + rb" (\d{1,3})\n", body)
    if end is None:
        return None
    return ConsoleResult(int(end.group(1)), body[: end.start()].decode(errors="replace"))


class Console:
    """The console of a running VM, by the path of its serial port's unix socket."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def run(self, command: str, *, timeout: float = 30.0) -> ConsoleResult:
        """Run a shell command in the VM; after `timeout` seconds it is killed there.

        Raises:
            InputError: the command is too long.
            SystemFault: the VM is gone or does not answer, or prints more than 4 MiB.
        """
        request_id = secrets.token_hex(8)
        request = encode_request(request_id, command, timeout)
        deadline = Deadline.after(timeout + _SLACK)
        received = bytearray()
        with socket.socket(socket.AF_UNIX) as connection:
            try:
                connection.settimeout(deadline.left())
                connection.connect(str(self._path))
                connection.sendall(request)
                while (result := parse_answer(request_id, bytes(received))) is None:
                    connection.settimeout(max(deadline.left(), 0.001))
                    data = connection.recv(65536)
                    if not data:
                        raise SystemFault("the VM ended", where=str(self._path))
                    received += data
                    if len(received) > MAX_OUTPUT:
                        raise SystemFault(f"the command printed more than {MAX_OUTPUT} bytes", where=command[:80])
            except OSError as error:
                raise SystemFault(f"the VM's console does not answer: {error}", where=str(self._path)) from error
        return result
