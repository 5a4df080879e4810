"""The engine alone: it reads captures in simulated IPS mode, with the rules and the settings of the data path."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from hyperward.ips.engine.render import MAX_LAYERS, render_config, render_tenant
from hyperward.ips.engine.settings import EngineSettings
from hyperward.ips.engine.tenants import Tenant
from protected import engine_references
from suricata_runs import engine, events_of_command


def events_alone(tenant: Tenant, captures: Sequence[Path], folder: Path) -> dict[Path, list[dict[str, Any]]]:
    """Return the EVE events of each capture, read by the engine without us."""
    settings = EngineSettings(binary=engine(), run_dir=folder, log_dir=folder)
    settings.threshold_path.touch()
    config = folder / "alone.yaml"
    config.write_text(_config(settings, tenant))
    command = [str(engine()), "-c", str(config), "-l", str(folder), "--simulate-ips"]
    return events_of_command(command, captures, folder)


def _config(settings: EngineSettings, tenant: Tenant) -> str:
    """Return the rendered configuration with a file for a source and one tenant's rules for everybody's."""
    references = engine_references()
    document = yaml.safe_load(render_config(settings, {}, references))
    document |= yaml.safe_load(render_tenant(settings, tenant, references))
    for key in ("af-packet", "multi-detect", "unix-command"):
        del document[key]
    # Our own tag is a layer that a capture does not have.
    document["decoder"]["max-layers"] = MAX_LAYERS - 1
    # The only run mode for files that keeps the packets of all connections in their order.
    document["runmode"] = "single"
    document["pcap-file"] = {"checksum-checks": "yes"}
    # Each capture has an output folder of its own.
    document["outputs"][0]["eve-log"]["filename"] = "eve.json"
    return "%YAML 1.1\n---\n" + yaml.safe_dump(document, sort_keys=False, width=1000)
