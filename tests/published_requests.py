"""Requests of a published collection of web attacks, as bytes on the wire: read from its archive, never unpacked."""

import base64
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml


@dataclass(frozen=True, slots=True)
class PublishedRequest:
    """One request: `name` is RULE-TEST of the collection, `attack` is what the collection says about it."""

    name: str
    attack: bool
    data: bytes


def core_rule_set_requests(archive: Path) -> Iterator[PublishedRequest]:
    """Yield the requests of the Core Rule Set's regression tests that say whether they are attacks."""
    with tarfile.open(archive) as tar:
        members = sorted((member for member in tar if member.name.endswith(".yaml")), key=lambda member: member.name)
        for member in members:
            file = tar.extractfile(member)
            assert file is not None
            document = yaml.load(file.read(), Loader=yaml.CSafeLoader)
            for test in (document or {}).get("tests") or []:
                for stage in test.get("stages", []):
                    log = stage.get("output", {}).get("log", {})
                    if isinstance(log, dict) and (log.get("expect_ids") or log.get("no_expect_ids")):
                        name = f"{document['rule_id']}-{test['test_id']}"
                        yield PublishedRequest(name, bool(log.get("expect_ids")), _request(stage["input"]))


def _request(given: dict[str, Any]) -> bytes:
    if encoded := given.get("encoded_request"):
        return base64.b64decode(encoded)
    body = str(given.get("data") or "").encode()
    headers = {str(name): str(value) for name, value in (given.get("headers") or {}).items()}
    names = {name.lower() for name in headers}
    if body and "content-length" not in names:
        headers["Content-Length"] = str(len(body))
    if body and "content-type" not in names and given.get("autocomplete_headers", True):
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    first = f"{given.get('method', 'GET')} {given.get('uri', '/')} {given.get('version', 'HTTP/1.1')}"
    lines = [first, *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    return "\r\n".join(lines).encode() + body
