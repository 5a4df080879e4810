"""The requests of published web attack tests: each is read, whatever it carries, and so is the one after it."""

import base64
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from client_streams import play
from hyperward.webscan.protocols.detect import client_stream
from shared_data import shared_data

NO_REQUEST = {"920100-13"}  # its version is HTTP\\1.0, which no server takes
LONGER = {"920400-1"}  # its length is greater than its body, so that what follows is a part of that
AFTER = b"GET /after HTTP/1.1\r\nHost: after.example\r\n\r\n"


@dataclass(frozen=True)
class Sent:
    """A request of the collection.

    Args:
        name: rule and number of the test.
        data: bytes as a client sends them.
        host, target: as written; host empty for none, target empty where the whole request is given as bytes.
        harmless: nothing is to be found in it.
    """

    name: str
    data: bytes
    host: bytes
    target: bytes
    harmless: bool


def sent() -> Iterator[Sent]:
    with tarfile.open(shared_data("http-attacks/coreruleset-tests-2026-07.tar.xz")) as archive:
        for member in archive:
            content = archive.extractfile(member) if member.name.endswith(".yaml") else None
            if content is None:
                continue
            document = yaml.load(content, yaml.CSafeLoader)
            if not isinstance(document, dict):
                continue
            for test in document.get("tests") or ():
                for stage in test["stages"]:
                    name = f"{document['rule_id']}-{test['test_id']}"
                    yield request(name, stage["input"], stage.get("output") or {})


def request(name: str, given: dict[str, Any], output: dict[str, Any]) -> Sent:
    log = output.get("log") or {}
    harmless = "no_expect_ids" in log and "expect_ids" not in log
    if "encoded_request" in given:
        return Sent(name, base64.b64decode(given["encoded_request"]), b"", b"", harmless)
    fields = {str(key): str(value) for key, value in (given.get("headers") or {}).items()}
    data = str(given.get("data") or "").encode("utf-8", "surrogateescape")
    names = {field.lower() for field in fields}
    if data and given.get("autocomplete_headers", True) and not names & {"content-length", "transfer-encoding"}:
        fields["Content-Length"] = str(len(data))
    method, target = str(given.get("method", "GET")), str(given.get("uri", "/"))
    line = f"{method} {target} {given.get('version', 'HTTP/1.1')}"
    head = "".join(f"{text}\r\n" for text in (line, *(f"{name}: {value}" for name, value in fields.items()), ""))
    host = next((value for field, value in fields.items() if field.lower() == "host"), "").strip()
    return Sent(name, head.encode("utf-8", "surrogateescape") + data, host.encode(), target.encode(), harmless)


@pytest.mark.shared
def test_every_request_is_read_and_none_hides_the_next_one() -> None:
    count, harmless = 0, 0
    for one in sent():
        count += 1
        harmless += one.harmless
        data = one.data + AFTER
        played = play(lambda: client_stream(80), data)
        assert play(lambda: client_stream(80), data, range(0, len(data), 7), skip=True) == played, one.name
        seen = {(host, target) for _, host, target in played.lines}
        assert (not one.target or (one.host, one.target) in seen) == (one.name not in NO_REQUEST), one.name
        assert (b"after.example" in played.names) == (one.name not in NO_REQUEST | LONGER), one.name
    assert count > 5000
    assert harmless > 900
