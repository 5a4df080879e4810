"""The daemon's control socket: one JSON request line, one JSON answer line, local and for root only.

Requests are `{"command": NAME, ...}` with text arguments; the answer is `{"ok": VALUE}` or `{"error": TEXT}`.
"""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import structlog

from hyperward.errors import HyperwardError, SystemFault
from hyperward.fromjson import from_json

_MAX_REQUEST = 64 * 1024
_MAX_ANSWER = 64 * 1024 * 1024
_REQUEST_SECONDS = 5.0

Handler = Callable[[Mapping[str, str]], Awaitable[Any]]
"""Gets the request's arguments."""

log = structlog.get_logger(__name__)


class ControlServer:
    """Answers requests with the handlers it was given."""

    def __init__(self, path: Path, handlers: Mapping[str, Handler]) -> None:
        self._path = path
        self._handlers = handlers
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen; a socket file that an earlier daemon left is replaced."""
        self._path.unlink(missing_ok=True)
        before = os.umask(0o177)
        try:
            self._server = await asyncio.start_unix_server(self._serve, str(self._path), limit=_MAX_REQUEST)
        finally:
            os.umask(before)

    async def stop(self) -> None:
        """Stop listening and remove the socket file."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
        self._path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            line = await asyncio.wait_for(reader.readline(), _REQUEST_SECONDS)
            writer.write(msgspec.json.encode(await self._answer(line)) + b"\n")
            await asyncio.wait_for(writer.drain(), _REQUEST_SECONDS)
        except (TimeoutError, ValueError, ConnectionError) as error:
            log.warning("control_request_refused", reason=str(error) or type(error).__name__)
        finally:
            writer.close()

    async def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            request = from_json(line, dict[str, str])
        except ValueError as error:
            return {"error": f"not a request: {error}"}
        handler = self._handlers.get(request.get("command", ""))
        if handler is None:
            return {"error": f"unknown command; there are {', '.join(sorted(self._handlers))}"}
        try:
            return {"ok": await handler(request)}
        except HyperwardError as error:
            return {"error": error.line()}


def is_listening(path: Path) -> bool:
    """Tell whether a daemon listens at `path`."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as channel:
            channel.settimeout(_REQUEST_SECONDS)
            channel.connect(str(path))
    except OSError as error:
        return isinstance(error, PermissionError)
    return True


def ask(path: Path, command: str, *, patience: float = _REQUEST_SECONDS, **arguments: str) -> Any:
    """Send one request to the daemon that listens at `path` and return its answer.

    Args:
        path: the socket.
        command: what is asked.
        patience: how long each part of the answer may take, in seconds.
        arguments: what the command needs.

    Raises:
        SystemFault: no daemon answers, or it reports an error.
    """
    raw = bytearray()
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as channel:
            channel.settimeout(patience)
            channel.connect(str(path))
            channel.sendall(msgspec.json.encode({"command": command} | arguments) + b"\n")
            while not raw.endswith(b"\n") and len(raw) < _MAX_ANSWER:
                part = channel.recv(1 << 16)
                if not part:
                    break
                raw += part
    except PermissionError:
        raise SystemFault("not allowed to ask the daemon", where=str(path), hint="run it as root") from None
    except OSError as error:
        raise SystemFault(
            f"no SVM daemon answers: {error.strerror or 'it took too long'}",
            where=str(path),
            hint="start hyperward svm run",
        ) from None
    try:
        answer = from_json(bytes(raw), dict[str, Any])
    except ValueError:
        raise SystemFault("the daemon's answer is cut off", where=str(path), hint="look at its log") from None
    if "error" in answer:
        raise SystemFault(str(answer["error"]), where=str(path))
    return answer.get("ok")
