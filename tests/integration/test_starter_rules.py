"""The starter rules in the real engine against the cases of tests/detection/starter."""

from collections import defaultdict
from pathlib import Path

import pytest

from conversations import write_capture
from hyperward.ips.rules.check import check_rules
from hyperward.ips.rules.compile import compile_rules
from hyperward.ips.rules.data import starter_rules_path
from hyperward.ips.rules.options import CompileOptions
from hyperward.ips.rules.rule import Rule
from hyperward.ips.rules.source import read_rules
from hyperward.policy.actions import Action
from hyperward.policy.resolve import Variant
from rules_cases import case_of, conversations, read_cases
from shared_data import ROOT
from suricata_runs import engine, events_of_capture

pytestmark = pytest.mark.engine

CASES = read_cases(ROOT / "tests/detection/starter")


def rules_by_sid() -> dict[int, Rule]:
    return {located.rule.id.sid: located.rule for located in read_rules([starter_rules_path()]).rules}


def compiled(variant: Variant) -> bytes:
    options = CompileOptions(other=Action.TERMINATE, variant=variant)
    return compile_rules(read_rules([starter_rules_path()]).rules, options).text


@pytest.mark.parametrize("variant", list(Variant))
def test_exactly_the_expected_rules_fire(tmp_path: Path, variant: Variant) -> None:
    write_capture(tmp_path / "cases.pcap", conversations(CASES))
    fired: dict[tuple[int, int], set[int]] = defaultdict(set)
    verdicts: dict[tuple[int, int], set[str]] = defaultdict(set)
    classes: dict[int, list[str]] = {}
    for event in events_of_capture(compiled(variant), tmp_path / "cases.pcap", tmp_path):
        if event["event_type"] != "alert":
            continue
        key = case_of(event)
        alert = event["alert"]
        fired[key].add(alert["signature_id"])
        verdicts[key].add(alert["action"])
        classes[alert["signature_id"]] = alert["metadata"]["hyperward_class"]
    wrong = []
    for version in (4, 6):
        for number, case in enumerate(CASES):
            found = fired[version, number]
            # a dropped request is not looked at any further, so there the first of several rules may be the only one
            right = found == set(case["sids"]) or (variant is Variant.ENFORCE and found and found < set(case["sids"]))
            if not right:
                wrong.append(f"IPv{version} {case['name']}: expected {case['sids']}, fired {sorted(found)}")
    assert not wrong, "\n".join(wrong)
    for key, actions in verdicts.items():
        acts = variant is Variant.ENFORCE and any(classes[sid] != ["info"] for sid in fired[key])
        assert ("blocked" in actions) == acts, CASES[key[1]]


def test_every_rule_has_a_case_and_every_case_a_rule() -> None:
    wanted = {sid for case in CASES for sid in case["sids"]}
    assert wanted == set(rules_by_sid())


def test_the_engine_takes_every_rule() -> None:
    read = read_rules([starter_rules_path()])
    assert not read.problems
    result = compile_rules(read.rules, CompileOptions(other=Action.TERMINATE))
    assert not result.problems
    assert result.unclassified == 0
    assert len(result.sources) == len(read.rules)
    assert check_rules(result, engine=engine()) == {}


def test_rules_are_in_their_range_and_explain_themselves() -> None:
    for sid, rule in rules_by_sid().items():
        assert 84270000 <= sid <= 84279999
        assert rule.msg.startswith("HYPERWARD ")
        assert rule.classtype
        assert rule.metadata
