"""The samples as values, from the package's own file."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import msgspec
import yaml

_FILE: Final = Path(__file__).resolve().parent / "samples.yaml"
_ANSWER: Final = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\nok\n"


class _Http(msgspec.Struct, forbid_unknown_fields=True):
    path: str
    method: str = ""
    headers: dict[str, str] = {}
    body: str = ""


class _Case(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    attack: bool = False
    direction: str = "in"
    port: int = 80
    http: _Http | None = None
    tcp: str = ""


@dataclass(frozen=True, slots=True)
class Sample:
    """One connection.

    Args:
        name: for people.
        attack: a version should catch it; the others must never be acted upon.
        inbound: the client is outside.
        port: of the server.
        request: what the client sends.
        response: what the server answers; may be empty.
    """

    name: str
    attack: bool
    inbound: bool
    port: int
    request: bytes
    response: bytes


@cache
def samples() -> tuple[Sample, ...]:
    """Return all samples, in the order of their file."""
    cases = msgspec.convert(yaml.safe_load(_FILE.read_text(encoding="utf-8")), type=list[_Case])
    return tuple(
        Sample(
            name=case.name,
            attack=case.attack,
            inbound=case.direction == "in",
            port=case.port,
            request=_request(case.http) if case.http else case.tcp.encode(),
            response=_ANSWER if case.http else b"",
        )
        for case in cases
    )


def _request(http: _Http) -> bytes:
    body = http.body.encode()
    headers = {"Host": "vm.example", "User-Agent": "curl/8.9.1"} | http.headers
    if body:
        headers["Content-Length"] = str(len(body))
    method = http.method or ("POST" if body else "GET")
    lines = [f"{method} {http.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    return "\r\n".join(lines).encode() + body
