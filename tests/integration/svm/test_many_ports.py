"""Many ports at once through the daemon's own applier: bench/ports.py measures, this checks what comes of it."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

pytestmark = [pytest.mark.root, pytest.mark.engine]
BENCH = Path(__file__).parents[3] / "bench/ports.py"
NUMBER = 50


def bench() -> ModuleType:
    spec = importlib.util.spec_from_file_location("bench_ports", BENCH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_ports_are_registered_changed_and_removed() -> None:
    measured = bench().measure(NUMBER)
    added, removed = measured.added, measured.removed
    assert [step.outcome.failed for step in (added, measured.changed, measured.back, removed)] == [{}] * 4
    moved = {vid for vid, tenant in measured.changed.mappings.items() if tenant != added.mappings.get(vid)}
    assert len(moved) == 10
    assert moved <= {port.vid for port in added.ports.values()}
    assert (measured.changed.tenants, measured.back.tenants) == (2, 1)
    assert measured.changed.ports == added.ports
    assert len(added.ports) == NUMBER + 1
    assert len({port.port_id for port in added.ports.values()}) == NUMBER + 1
    vids = {port.vid for port in added.ports.values()}
    assert len(vids) == NUMBER + 1
    assert {vid: added.mappings[vid] for vid in vids} == dict.fromkeys(vids, 1)
    assert added.qdiscs.count("clsact") == NUMBER + 3, "one for each port and for both pairs"
    assert len(removed.ports) == 1
    assert removed.qdiscs.count("clsact") == 3
    assert (added.tenants, removed.tenants) == (1, 1)
