"""The engine over a capture file, in simulated inline mode: same settings and rules as on the data path, no traffic.

It has folders of its own, and neither reads nor writes anything of a running engine.
"""

import os
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from hyperward.errors import EngineFault, InputError
from hyperward.ips.engine.enginelog import reason
from hyperward.ips.engine.render import MAX_LAYERS, References, render_config, render_tenant
from hyperward.ips.engine.rotate import file_size
from hyperward.ips.engine.settings import EngineSettings
from hyperward.ips.engine.tenants import Tenant

NICE: Final = 10
MAX_EVE_BYTES: Final = 2 << 30
"""More records than that are more than anybody reads."""
LOOK_SECONDS: Final = 0.2
"""Time between two looks at how far the engine is."""


def render_offline(settings: EngineSettings, tenant: Tenant, references: References, *, checksums: bool = True) -> str:
    """Return the rendered configuration with a file for a source and one tenant's rules for everybody's.

    EVE has a `flow` record for every connection, and alerts come without their packets.

    Args:
        settings: of the node.
        tenant: its rules are everybody's.
        references: the tables of classes and references.
        checksums: whether a packet with a wrong checksum is left out, as its receiver does. The data path believes the
            kernel about checksums that a sender leaves to its hardware; a capture of that host shows them as wrong.
    """
    document: dict[str, Any] = yaml.safe_load(render_config(settings, {}, references))
    document |= yaml.safe_load(render_tenant(settings, tenant, references))
    for key in ("af-packet", "multi-detect", "unix-command"):
        del document[key]
    # Our own tag is a layer that a capture does not have.
    document["decoder"]["max-layers"] = MAX_LAYERS - 1
    # The only run mode for files that keeps the packets of all connections in their order.
    document["runmode"] = "single"
    document["pcap-file"] = {"checksum-checks": "yes" if checksums else "no"}
    eve = document["outputs"][0]["eve-log"]
    # Relative to the output folder, which each capture has for itself.
    eve["filename"] = "eve.json"
    eve["types"][0]["alert"]["packet"] = False
    eve["types"].append("flow")
    return "%YAML 1.1\n---\n" + yaml.safe_dump(document, sort_keys=False, width=1000)


def offline_command(
    settings: EngineSettings, tenant: Tenant, references: References, *, checksums: bool = True
) -> list[str]:
    """Write the engine's files into its folders; return the command line, to which a source is to be added.

    Args:
        settings: as for `render_offline`, and so are the others.
        tenant: its rules are everybody's.
        references: the tables of classes and references.
        checksums: whether checksums count.
    """
    for folder in (settings.run_dir, settings.log_dir):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    settings.threshold_path.touch()
    settings.config_path.write_text(render_offline(settings, tenant, references, checksums=checksums))
    return [str(settings.binary), "-c", str(settings.config_path), "-l", str(settings.log_dir), "--simulate-ips"]


def replay(
    command: Sequence[str],
    capture: Path,
    settings: EngineSettings,
    *,
    seconds: float,
    progress: Callable[[float], None] = lambda _: None,
) -> Path:
    """Let the engine read a capture; return its EVE file.

    Args:
        command: from `offline_command`.
        capture: the file.
        settings: those of the command.
        seconds: how long it may take.
        progress: called with the part of the file that was read, 0 to 1; 0 while rules are loaded.

    Raises:
        InputError: it makes more records than are read.
        EngineFault: the engine does not start, fails, or takes too long.
    """
    source, size = capture.resolve(), max(1, file_size(capture))
    deadline = time.monotonic() + seconds
    try:
        with (
            settings.output_path.open("wb") as output,
            subprocess.Popen(
                [*command, "-r", str(source)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"},
            ) as process,
        ):
            try:
                os.setpriority(os.PRIO_PROCESS, process.pid, NICE)
                while not _ended(process):
                    progress(min(1.0, _position(process.pid, source) / size))
                    _check_limits(settings, deadline, seconds)
            finally:
                process.kill()
    except OSError as error:
        what = f"the engine cannot be started: {error.strerror}"
        raise EngineFault(what, where=command[0], hint="install Suricata 7") from None
    if process.returncode:
        text = reason(settings.log_path, settings.output_path)
        raise EngineFault(f"the engine could not read the capture: {text}", where=str(capture))
    return settings.eve_path


def _ended(process: subprocess.Popen[bytes]) -> bool:
    try:
        process.wait(LOOK_SECONDS)
    except subprocess.TimeoutExpired:
        return False
    return True


def _check_limits(settings: EngineSettings, deadline: float, seconds: float) -> None:
    if time.monotonic() > deadline:
        raise EngineFault(f"the engine took more than {seconds:g} s", hint="split the capture, or allow more time")
    if file_size(settings.eve_path) > MAX_EVE_BYTES:
        raise InputError("the capture makes more records than are read", hint="split it")


def _position(pid: int, source: Path) -> int:
    """Return how many bytes of the file a process has read; 0 where that cannot be seen."""
    try:
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            if descriptor.readlink() == source:
                text = Path(f"/proc/{pid}/fdinfo/{descriptor.name}").read_text()
                return int(text.split("pos:", 1)[1].split()[0])
    except (OSError, ValueError, IndexError):
        pass
    return 0
