"""Runs of the real engine over captures: one capture, or many one after the other with the rules loaded once."""

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from hyperward.ips.rules.data import check_config_path, classification_path, reference_path

START_SECONDS = 120.0


def engine() -> Path:
    """Return the engine's path; skip the calling test where there is none."""
    found = shutil.which("suricata")
    if found is None:
        pytest.skip("no suricata in PATH")
    return Path(found)


def events_of_capture(rules: bytes, capture: Path, folder: Path) -> list[dict[str, Any]]:
    """Return the EVE events of one capture in simulated IPS mode."""
    command = [*_command(rules, folder), "-r", str(capture)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=START_SECONDS, check=False)
    assert done.returncode == 0, done.stderr
    return events_of_file(folder / "eve.json")


def events_of_captures(rules: bytes, captures: Sequence[Path], folder: Path) -> dict[Path, list[dict[str, Any]]]:
    """Return the EVE events of each capture. Flows of different captures never mix."""
    return events_of_command(_command(rules, folder), captures, folder)


def events_of_command(
    command: Sequence[str], captures: Sequence[Path], folder: Path
) -> dict[Path, list[dict[str, Any]]]:
    """Return the EVE events of each capture, read by the engine that a command line starts.

    The engine forgets everything between two captures: flows, fragments, thresholds.
    """
    address = folder / "socket"
    command = [*command, f"--unix-socket={address}"]
    with (
        (folder / "output").open("wb") as output,
        subprocess.Popen(command, stdout=output, stderr=output) as process,
        socket.socket(socket.AF_UNIX) as connection,
    ):
        try:
            _connect(connection, address, process)
            for number, capture in enumerate(captures):
                (folder / str(number)).mkdir()
                arguments = {"filename": str(capture), "output-dir": str(folder / str(number))}
                assert _ask(connection, "pcap-file", arguments)["return"] == "OK"
            while (
                _ask(connection, "pcap-file-number")["message"] or _ask(connection, "pcap-current")["message"] != "None"
            ):
                assert process.poll() is None, (folder / "output").read_text()
                time.sleep(0.1)
            _ask(connection, "shutdown")
            process.wait(60)
        finally:
            process.kill()
    return {capture: events_of_file(folder / str(number) / "eve.json") for number, capture in enumerate(captures)}


def events_of_file(path: Path) -> list[dict[str, Any]]:
    """Return the events of an EVE file."""
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def _command(rules: bytes, folder: Path) -> list[str]:
    rule_file, config = folder / "test.rules", folder / "test.yaml"
    rule_file.write_bytes(rules)
    config.write_text(check_config_path().read_text().replace("outputs: []", _OUTPUTS))
    return [
        str(engine()), "-c", str(config), "-S", str(rule_file), "-l", str(folder), "-k", "none", "--simulate-ips",
        "--set", f"classification-file={classification_path()}", "--set", f"reference-config-file={reference_path()}",
    ]  # fmt: skip


_OUTPUTS = """
outputs:
- eve-log:
    enabled: yes
    filetype: regular
    filename: eve.json
    types:
    - alert: {metadata: yes}
    - drop: {alerts: yes, flows: all}
exception-policy: ignore
stream:
  drop-invalid: no
"""
"""Only rules drop, nothing that the engine finds odd about a stream."""


def _connect(connection: socket.socket, address: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            connection.connect(str(address))
            break
        except OSError:
            assert process.poll() is None, f"{process.args!r} ended"
            assert time.monotonic() < deadline, "the engine did not open its socket"
            time.sleep(0.1)
    connection.sendall(b'{"version": "0.2"}\n')
    assert next(_answers(connection))["return"] == "OK"


def _ask(connection: socket.socket, command: str, arguments: dict[str, str] | None = None) -> dict[str, Any]:
    request: dict[str, Any] = {"command": command}
    if arguments:
        request["arguments"] = arguments
    connection.sendall(json.dumps(request).encode() + b"\n")
    return next(_answers(connection))


def _answers(connection: socket.socket) -> Iterator[dict[str, Any]]:
    data = b""
    while True:
        fresh = connection.recv(65536)
        assert fresh, "the engine closed its socket"
        data += fresh
        try:
            yield json.loads(data)
        except ValueError:
            continue
        data = b""
