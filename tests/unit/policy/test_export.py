import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from hyperward.inventory.models import Vm
from hyperward.policy.export import as_yaml, effective_yaml, schema_text
from hyperward.policy.models import SETTINGS, ExcludedRule, IntrusionPrevention, Policy, PolicyFile
from hyperward.policy.plan import plan
from hyperward.policy.resolve import Resolver
from hyperward.svm.policy_file import parse_policy_file
from hyperward.yamlfile.source import HIDDEN

ROOT = Path(__file__).resolve().parents[3]

TREE = """
tenants: [{name: t, base: base}]
policies:
- {name: base, locked: [failure], failure: {down: closed}, home_net: [10.0.0.0/8]}
- {name: leaf, parent: base, tenant: t, description: d, assign: {names: ["*"]}, home_net: null}
"""


def test_effective_file_stands_for_itself() -> None:
    file = parse_policy_file(TREE, "f")
    again = parse_policy_file(effective_yaml(file), "exported")
    assert [policy.parent for policy in again.policies] == [None, None]
    assert [policy.locked for policy in again.policies] == [(), ()]
    assert (again.policies[1].description, again.policies[1].tenant) == ("d", "t")
    vms = [Vm("a", "a", "static"), Vm("b", "b", "static", tenant="t")]
    for vm in vms:
        assert Resolver(file.policies).effective(vm) == Resolver(again.policies).effective(vm)
    assert plan((file.policies, vms), (again.policies, vms)).changes == ()


def test_written_file_reads_back_equal() -> None:
    file = parse_policy_file(TREE, "f")
    again = parse_policy_file(as_yaml(file), "exported")
    assert again == file
    assert again.policies[1].model_fields_set == file.policies[1].model_fields_set


lines = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1, max_size=20).filter(
    lambda text: text == text.strip() and text.isprintable() and not HIDDEN.search(text)
)
ODD = "on 1 0x1F 1e5 08 ~ null = << #x ' \" 12:30:00 1:2001219:5 2026-01-01 * &a !t % @ ` {} [ \\x00 true .5 1_000 y é"
odd = st.sampled_from([*ODD.split(), "- a", "a: b", "9" * 25])
texts = st.one_of(lines, odd)
rules = st.builds(
    ExcludedRule,
    rule=st.sampled_from(["1:2001219:5", "ET SCAN *", "'quoted' \"rule\"", "a # b: c"]),
    reason=texts,
    expires=st.one_of(
        st.none(),
        st.datetimes(datetime(1, 1, 2), datetime(9998, 1, 1), timezones=st.just(UTC)).map(  # noqa: DTZ001 - hypothesis
            lambda moment: moment.replace(microsecond=0)
        ),
    ),
)


@given(texts, st.text("ab \n\t'\"#:", max_size=40), st.lists(rules, max_size=3), st.booleans())
@settings(max_examples=150, deadline=None)
def test_any_text_survives_the_way_through_yaml(
    name: str,
    description: str,
    excluded: list[ExcludedRule],
    whole: bool,  # noqa: FBT001 - drawn
) -> None:
    ips = IntrusionPrevention(excluded_rules=tuple(excluded))
    file = PolicyFile(policies=(Policy(name=name, description=description, intrusion_prevention=ips),))
    text = effective_yaml(file) if whole else as_yaml(file)
    assert parse_policy_file(text, "f") == file


def test_published_schema_is_up_to_date() -> None:
    assert (ROOT / "docs" / "policy.schema.json").read_text() == schema_text()


def test_schema_knows_every_key_and_lock() -> None:
    schema: dict[str, Any] = json.loads(schema_text())
    policy = schema["$defs"]["Policy"]
    assert set(policy["properties"]) == set(Policy.model_fields)
    assert policy["additionalProperties"] is False
    locks = policy["properties"]["locked"]["items"]["enum"]
    assert set(SETTINGS) < set(locks)
    assert "intrusion_prevention.network_attacks" in locks
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert all(f"#/$defs/{name}" in schema_text() for name in schema["$defs"])
