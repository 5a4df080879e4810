"""The engine alone: it reads captures in simulated IPS mode, with the rules and the settings of the data path."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hyperward.ips.engine.offline import offline_command
from hyperward.ips.engine.settings import EngineSettings
from hyperward.ips.engine.tenants import Tenant
from protected import engine_references
from suricata_runs import engine, events_of_command


def events_alone(tenant: Tenant, captures: Sequence[Path], folder: Path) -> dict[Path, list[dict[str, Any]]]:
    """Return the EVE events of each capture, read by the engine without us."""
    settings = EngineSettings(binary=engine(), run_dir=folder, log_dir=folder)
    return events_of_command(offline_command(settings, tenant, engine_references()), captures, folder)
