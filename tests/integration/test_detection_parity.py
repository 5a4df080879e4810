"""A protected port detects what the engine alone detects, capture by capture; see docs/detection-parity.md."""

import sys
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from hyperward.ips.rules.compile import compile_rules
from hyperward.ips.rules.options import CompileOptions
from hyperward.ips.rules.source import read_rules
from hyperward.policy.actions import Action
from hyperward.policy.resolve import Variant
from parity import Alerts, Passed, in_order_of_time, run_alone, run_behind_port, strangers
from shared_data import shared_data
from suricata_runs import engine

pytestmark = [pytest.mark.root, pytest.mark.engine, pytest.mark.shared]

TOLERATED = 0.02
"""Part of the captures that may differ, each with its reason in docs/detection-parity.md."""
WORTH_PLAYING_AGAIN = 24
"""With more captures that differ something is broken, and playing them again would only take time."""
EVERYTHING = CompileOptions(other=Action.IGNORE, variant=Variant.OBSERVE)


@pytest.mark.timeout(420)
def test_a_port_detects_what_the_engine_alone_detects(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    engine()
    captures = in_order_of_time(shared_data("pcap-parity").iterdir())
    sources = read_rules([shared_data("rules/et-open-2025-07-28.tar.xz")])
    rules = tmp_path / "observe.rules"
    rules.write_bytes(compile_rules(sources.rules, EVERYTHING).text)
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        baseline = pool.submit(run_alone, rules, captures)
        passes = [pool.submit(run_behind_port, rules, captures).result()]
        alone, seen = baseline.result(), dict(passes[0].alerts)
        different = {capture: alone[capture] ^ seen[capture] for capture in captures if alone[capture] != seen[capture]}
        first = {capture.name for capture in different}
        if len(different) <= WORTH_PLAYING_AGAIN:
            again = pool.map(run_behind_port, [rules] * len(different), strangers(different))
            for passed in again:
                passes.append(passed)
                seen |= passed.alerts
    with capsys.disabled():
        sys.stdout.write(_report(alone, seen, passes, first))
    for passed in passes:
        assert not passed.failures, f"the run is void, packets passed without inspection: {passed.failures}"
        assert not passed.lost
    assert sum(map(bool, alone.values())) > len(captures) / 3, "too few captures raise anything"
    assert sum(alone[capture] != seen[capture] for capture in captures) <= TOLERATED * len(captures)


def _report(alone: Mapping[Path, Alerts], seen: Mapping[Path, Alerts], passes: list[Passed], first: set[str]) -> str:
    """Return the comparison as text: sums, and the difference of each capture that has one."""
    raising, pairs = sum(map(bool, alone.values())), sum(map(len, alone.values()))
    lines = [
        "",
        f"{len(alone)} captures, {raising} raise alerts: {pairs} pairs of capture and rule",
        f"{passes[0].rewritten} segments rewritten, {passes[0].unplayable} packets no wire can carry",
        f"{len(first)} captures differed where one engine saw all, and were played again in {len(passes) - 1} runs",
    ]
    for capture in alone:
        if alone[capture] != seen[capture]:
            lines.append(f"differs: {capture.name}")
            lines += [f"  only alone: {gid}:{sid}" for gid, sid in sorted(alone[capture] - seen[capture])]
            lines += [f"  only behind a port: {gid}:{sid}" for gid, sid in sorted(seen[capture] - alone[capture])]
    return "\n".join([*lines, ""])
