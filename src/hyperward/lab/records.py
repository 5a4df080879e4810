"""What a lab's servers received, as JSON lines: the proof that a blocked request never arrived, and that others did."""

import json
import os
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MAX_TEXT = 4096


@dataclass(frozen=True, slots=True)
class Record:
    """One thing that a server saw.

    `what` is `connection`, `request` (HTTP), `banner` (SSH) or `query` (DNS); `fields` depends on it: for a request
    `method`, `target`, `headers`, `body_bytes`, `body_sha256`; for a banner `banner`; for a query `name` and `type`.
    """

    time: float
    service: str
    what: str
    peer: str
    fields: dict[str, Any] = field(default_factory=dict)


class RecordWriter:
    """Appends records to a file, one line each, from any thread."""

    def __init__(self, path: Path) -> None:
        self._handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        self._lock = threading.Lock()

    def write(self, service: str, what: str, peer: str, **fields: object) -> None:
        """Append one record; over-long texts are cut."""
        values = {"time": time.time(), "service": service, "what": what, "peer": peer.removeprefix("::ffff:")}
        values["fields"] = {key: _cut(value) for key, value in fields.items()}
        with self._lock:
            os.write(self._handle, json.dumps(values).encode() + b"\n")


def read_records(path: Path) -> list[Record]:
    """Return the records in a file, oldest first; a last line that is not finished yet is left out."""
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return []
    whole, _, _ = text.rpartition(b"\n")
    return [Record(**json.loads(line)) for line in whole.split(b"\n") if line]


def parse_guest_logs(httpd: str, ssh: str) -> list[Record]:
    """Return what the QEMU VM's servers received, from their logs; these know no times (0) and no headers."""
    records = []
    for line in httpd.splitlines():
        # "[::ffff:10.77.0.9]:41234: url:/index.html" as busybox httpd -vv writes it
        before, found, target = line.partition(": url:")
        if found:
            peer = before.rpartition("]:")[0].removeprefix("[") or before.rpartition(":")[0]
            peer = peer.removeprefix("::ffff:")
            records.append(Record(0.0, "http", "request", peer, {"target": target}))
    records += [Record(0.0, "ssh", "banner", "", {"banner": line.rstrip("\r")}) for line in ssh.splitlines()]
    return records


def _cut(value: object) -> object:
    if isinstance(value, str):
        return value[:MAX_TEXT]
    if isinstance(value, dict):
        return {str(key)[:MAX_TEXT]: _cut(item) for key, item in value.items()}
    return value
