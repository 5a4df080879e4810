"""Suricata's unix socket protocol 0.2: one JSON object a line, first a handshake. Pure encoding and decoding."""

from typing import Any, Final

import msgspec

from hyperward.errors import EngineFault
from hyperward.fromjson import from_json

HANDSHAKE: Final = b'{"version":"0.2"}\n'
MAX_COMMAND: Final = 4095
"""The engine reads a command into a buffer of 4096 bytes (CLIENT_BUFFER_SIZE in unix-manager.c)."""
MAX_ANSWER: Final = 8 << 20
"""Bytes. Counters of many threads are the largest answer, well under one MiB."""


class EngineRefusal(EngineFault):
    """The engine understood the command and did not do it: nothing changed, and it goes on as before."""


class Answer(msgspec.Struct, frozen=True):
    """What the engine says to a command."""

    status: str = msgspec.field(name="return")
    message: Any = None


def encode(command: str, arguments: dict[str, int | str] | None = None) -> bytes:
    """Return the line for a command.

    Raises:
        EngineFault: the line is longer than the engine reads.
    """
    request: dict[str, Any] = {"command": command}
    if arguments:
        request["arguments"] = arguments
    line = msgspec.json.encode(request) + b"\n"
    if len(line) > MAX_COMMAND:
        raise EngineFault(f"command of {len(line)} bytes, the engine reads {MAX_COMMAND}", where=command)
    return line


def decode(line: bytes, *, command: str) -> Any:
    """Return the message of a successful answer.

    Raises:
        EngineRefusal: the engine refused, with its own words.
        EngineFault: what came is not an answer.
    """
    try:
        answer = from_json(line, Answer)
    except ValueError as exc:
        raise EngineFault(f"unintelligible answer of the engine: {exc}", where=command) from None
    if answer.status != "OK":
        said = answer.message if isinstance(answer.message, str) else msgspec.json.encode(answer.message).decode()
        raise EngineRefusal(f"the engine refused: {said[:500]}", where=command)
    return answer.message
