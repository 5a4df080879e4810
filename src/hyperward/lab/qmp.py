"""A small client of QEMU's monitor protocol, QMP: one command, one answer, bounded in size and time."""

import json
import socket
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from hyperward.errors import SystemFault
from hyperward.lab.deadline import Deadline

MAX_LINE = 256 * 1024


class Qmp:
    """A connection to a QEMU process. Use it as a context manager.

    Raises:
        SystemFault: nobody listens, or what answers does not speak QMP.
    """

    def __init__(self, path: Path, *, timeout: float = 10.0) -> None:
        self._path = path
        self._timeout = timeout
        self._buffer = bytearray()
        self._socket = socket.socket(socket.AF_UNIX)
        try:
            self._socket.settimeout(timeout)
            self._socket.connect(str(path))
            self._greet()
        except OSError as error:
            self._socket.close()
            raise SystemFault(f"QEMU's monitor does not answer: {error}", where=str(path)) from error
        except SystemFault:
            self._socket.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the connection."""
        self._socket.close()

    def execute(self, command: str, arguments: Mapping[str, Any] | None = None) -> Any:
        """Run a command and return what it returns; events that come in between are skipped.

        Raises:
            SystemFault: QEMU refused it, ended, or did not answer in time.
        """
        message: dict[str, Any] = {"execute": command}
        if arguments:
            message["arguments"] = dict(arguments)
        deadline = Deadline.after(self._timeout)
        try:
            self._socket.settimeout(self._timeout)
            self._socket.sendall(json.dumps(message).encode() + b"\n")
            while True:
                answer = self._receive(deadline)
                if "return" in answer:
                    return answer["return"]
                if "error" in answer:
                    error = answer["error"]
                    said = error.get("desc", error) if isinstance(error, dict) else error
                    raise SystemFault(f"QEMU refused {command}: {said}", where=str(self._path))
        except OSError as error:
            raise SystemFault(f"QEMU did not answer {command}: {error}", where=str(self._path)) from error

    def _greet(self) -> None:
        if "QMP" not in self._receive(Deadline.after(self._timeout)):
            raise SystemFault("this is not a QEMU monitor", where=str(self._path))
        self.execute("qmp_capabilities")

    def _receive(self, deadline: Deadline) -> dict[str, Any]:
        """Return the next message."""
        while b"\n" not in self._buffer:
            if len(self._buffer) > MAX_LINE:
                raise SystemFault(f"QEMU sent a line of more than {MAX_LINE} bytes", where=str(self._path))
            self._socket.settimeout(max(deadline.left(), 0.001))
            data = self._socket.recv(65536)
            if not data:
                raise SystemFault("QEMU ended the connection", where=str(self._path))
            self._buffer += data
        line, _, rest = bytes(self._buffer).partition(b"\n")
        self._buffer = bytearray(rest)
        try:
            message = json.loads(line)
        except ValueError as error:
            raise SystemFault("QEMU sent a line that is not JSON", where=str(self._path)) from error
        if not isinstance(message, dict):
            raise SystemFault("QEMU sent a line that is not a JSON object", where=str(self._path))
        return message
