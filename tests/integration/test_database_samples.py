"""The built-in samples with the starter rules in the real engine."""

import asyncio
from pathlib import Path

import pytest

from hyperward.databases.samples.cases import samples
from hyperward.databases.samples.run import SampleJob, run_samples
from hyperward.ips.engine.settings import EngineSettings
from hyperward.svm.databases.updates import USUAL
from hyperward.svm.rulesets import RuleSets
from suricata_runs import engine

pytestmark = pytest.mark.engine


def test_the_starter_rules_catch_every_attack_and_harm_nothing(tmp_path: Path) -> None:
    rule_set = asyncio.run(RuleSets(tmp_path, (), engine()).get(USUAL))
    result = run_samples(SampleJob(rule_set.path, EngineSettings(binary=engine())))
    assert result.caught.keys() == {case.name for case in samples() if case.attack}
    assert (result.missed, result.harmed) == ((), {})
