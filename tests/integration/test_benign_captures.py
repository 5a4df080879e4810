"""Ordinary use passes whole through a port whose policy has the default actions."""

from pathlib import Path

import pytest

from hyperward.ips.rules.compile import compile_rules
from hyperward.ips.rules.data import starter_rules_path
from hyperward.ips.rules.options import CompileOptions
from hyperward.ips.rules.source import read_rules
from parity import run_behind_port
from shared_data import shared_data
from suricata_runs import engine

pytestmark = [pytest.mark.root, pytest.mark.engine, pytest.mark.shared]


@pytest.mark.timeout(240)
@pytest.mark.parametrize("source", ["rules/et-open-2025-07-28.tar.xz", None], ids=["emerging-threats", "starter"])
def test_ordinary_use_loses_no_packet(source: str | None, tmp_path: Path) -> None:
    engine()
    captures = sorted(shared_data("benign").glob("*.pcap"))
    path = starter_rules_path() if source is None else shared_data(source)
    rules = tmp_path / "enforce.rules"
    rules.write_bytes(compile_rules(read_rules([path]).rules, CompileOptions()).text)
    assert b"\ndrop " in rules.read_bytes()
    passed = run_behind_port(rules, captures)
    assert not passed.failures, f"the run is void, packets passed without inspection: {passed.failures}"
    assert not passed.lost
    assert not passed.unplayable
