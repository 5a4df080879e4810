import contextlib
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from hyperward.policy.actions import Action
from hyperward.policy.fields import FailureAction, Mode, State
from hyperward.policy.models import Policy, PolicyFile
from hyperward.svm.policy_file import LIMITS, parse_policies
from hyperward.yamlfile import FileErrors


def refusals(text: str) -> list[str]:
    with pytest.raises(FileErrors) as caught:
        parse_policies(text, "policy.yaml")
    return [str(item).removeprefix("policy.yaml:") for item in caught.value.items]


def test_defaults_are_the_contracts() -> None:
    (policy,) = parse_policies("policies: [{name: p}]", "f")
    assert policy == Policy(name="p")
    assert (policy.state, policy.mode, policy.description) == (State.ACTIVE, Mode.STANDARD, "")
    ips = policy.intrusion_prevention
    assert not ips.enabled
    assert ips.network_attacks.enabled
    assert ips.network_attacks.action is Action.TERMINATE_AND_BLOCK
    assert ips.network_attacks.block_minutes == 60
    assert ips.suspicious_activity.enabled
    assert ips.suspicious_activity.malware
    assert ips.suspicious_activity.adware
    assert not ips.suspicious_activity.other
    assert ips.suspicious_activity.action is Action.TERMINATE
    assert ips.excluded_rules == ()
    assert (policy.failure.down, policy.failure.busy) == (FailureAction.OPEN, FailureAction.OPEN)
    assert policy.home_net is policy.external_net is None
    assert policy.assign.names == policy.assign.ids == ()


def test_models_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Policy(name="p").intrusion_prevention.enabled = True  # type: ignore[misc]


IPS = "policies:\n- name: p\n  intrusion_prevention:\n    "


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "policy: []",
            ["1:1: policies: this key is required; add it", "1:1: policy: unknown key; did you mean 'policies'?"],
        ),
        ("policies:", ["1:10: policies: expected a list, got nothing"]),
        ("policies: [{}]", ["1:12: policies[0].name: this key is required; add it"]),
        ("policies: [{name: ''}]", ["1:19: policies[0].name: must not be empty"]),
        (
            "policies: [{name: ' a'}]",
            [("1:19: policies[0].name: has spaces at its ends or unprintable characters; remove them")],
        ),
        (
            "policies: [{name: " + "n" * 129 + "}]",
            ["1:19: policies[0].name: has 129 characters; at most 128 are allowed"],
        ),
        (
            "policies:\n- {name: a}\n- {name: b}\n- {name: a}",
            [
                (
                    "4:10: policies[2].name: the name 'a' is already taken by policies[0].name (line 2); "
                    "give every policy its own name"
                )
            ],
        ),
        (
            "policies: [{name: p, state: on}]",
            ['1:29: policies[0].state: expected active or inactive, got the text "on"'],
        ),
        (
            "policies: [{name: p, mode: standart}]",
            [
                (
                    '1:28: policies[0].mode: expected standard or monitoring, got the text "standart"; '
                    "did you mean 'standard'?"
                )
            ],
        ),
        (
            IPS + "mode: standard",
            [
                (
                    "4:5: policies[0].intrusion_prevention.mode: unknown key; known keys here: enabled, "
                    "network_attacks, suspicious_activity, excluded_rules"
                )
            ],
        ),
        (
            IPS + "enabeld: true",
            ["4:5: policies[0].intrusion_prevention.enabeld: unknown key; did you mean 'enabled'?"],
        ),
        (
            IPS + "enabled: yes",
            [
                (
                    "4:14: policies[0].intrusion_prevention.enabled: expected true or false, "
                    'got the text "yes"; write true or false without quotes'
                )
            ],
        ),
        (
            IPS + "network_attacks: {action: block}",
            [
                (
                    "4:31: policies[0].intrusion_prevention.network_attacks.action: expected ignore, terminate or "
                    'terminate_and_block, got the text "block"'
                )
            ],
        ),
        (
            IPS + "network_attacks: {block_minutes: 0}",
            ["4:38: policies[0].intrusion_prevention.network_attacks.block_minutes: must be 1 or more, got 0"],
        ),
        (
            IPS + "network_attacks: {block_minutes: 32769}",
            ["4:38: policies[0].intrusion_prevention.network_attacks.block_minutes: must be 32768 or less, got 32769"],
        ),
        (
            IPS + "network_attacks: {block_minutes: 60.5}",
            [
                (
                    "4:38: policies[0].intrusion_prevention.network_attacks.block_minutes: expected a whole number, "
                    'got the text "60.5"; write digits without quotes'
                )
            ],
        ),
        (
            IPS + "suspicious_activity: {malware: false}",
            [
                (
                    "4:36: policies[0].intrusion_prevention.suspicious_activity.malware: always part"
                    " of suspicious_activity; "
                    "remove the key, or set suspicious_activity.enabled to false"
                )
            ],
        ),
        (
            IPS + "excluded_rules: [{rule: '1:x', reason: r}]",
            [
                (
                    "4:29: policies[0].intrusion_prevention.excluded_rules[0].rule: not a rule id; write gid:sid or "
                    "gid:sid:rev "
                    "as the event prints it, such as 1:2001219:5"
                )
            ],
        ),
        (
            IPS + "excluded_rules: [{rule: 2001219, reason: r}]",
            [
                (
                    "4:29: policies[0].intrusion_prevention.excluded_rules[0].rule: expected text, "
                    "got the number 2001219; put it in quotes"
                )
            ],
        ),
        (
            IPS + "excluded_rules: [{rule: 1:2}]",
            ["4:22: policies[0].intrusion_prevention.excluded_rules[0].reason: this key is required; add it"],
        ),
        (
            IPS + "excluded_rules: [{rule: 1:2, reason: r, expires: 2026-13-01}]",
            [
                (
                    "4:54: policies[0].intrusion_prevention.excluded_rules[0].expires: no such date or time; "
                    "write it like 2026-08-31 or 2026-08-31T18:00:00Z"
                )
            ],
        ),
        (
            IPS + "excluded_rules: [{rule: 1:2, reason: r, expires: 1767225600}]",
            [
                (
                    "4:54: policies[0].intrusion_prevention.excluded_rules[0].expires: not a date or UTC time; "
                    "write it like 2026-08-31 or 2026-08-31T18:00:00Z"
                )
            ],
        ),
        (
            "policies: [{name: p, home_net: [10.0.0.5/8]}]",
            [
                (
                    "1:33: policies[0].home_net[0]: 10.0.0.5/8 has bits set behind the prefix; "
                    "write 10.0.0.0/8 or 10.0.0.5/32"
                )
            ],
        ),
        (
            "policies: [{name: p, external_net: ['::ffff:10.0.0.1']}]",
            ["1:37: policies[0].external_net[0]: ::ffff:10.0.0.1 is IPv4 written as IPv6; write 10.0.0.1/32"],
        ),
        (
            "policies: [{name: p, home_net: [any]}]",
            ["1:33: policies[0].home_net[0]: not an address or network; write it like 10.1.0.0/16 or 2001:db8::/32"],
        ),
        (
            "policies: [{name: p, home_net: []}]",
            ["1:32: policies[0].home_net: must not be empty; list a network, or remove the key"],
        ),
        (
            "policies: [{name: p, external_net: [any, 10.0.0.0/8]}]",
            ["1:36: policies[0].external_net: 'any' stands alone; remove the networks beside it, or 'any'"],
        ),
        (
            "policies: [{name: p, external_net: any}]",
            [
                (
                    '1:36: policies[0].external_net: expected a list, got the text "any"; '
                    "write [a, b], or one '- ' line for each"
                )
            ],
        ),
        (
            "policies: [{name: p, failure: {down: shut}}]",
            ['1:38: policies[0].failure.down: expected open or closed, got the text "shut"'],
        ),
        (
            "policies: [{name: p, assign: {ids: ['a*']}}]",
            ["1:37: policies[0].assign.ids[0]: wildcards are not possible here; use assign.names for masks"],
        ),
        ("policies: [{name: p, assign: {names: ['']}}]", ["1:39: policies[0].assign.names[0]: must not be empty"]),
        (
            "policies: [{name: p, assign: {names: web}}]",
            [
                (
                    '1:38: policies[0].assign.names: expected a list, got the text "web"; '
                    "write [a, b], or one '- ' line for each"
                )
            ],
        ),
        ("policies: [{name: p, name: q}]", ["1:22: policies[0].name: duplicate key; it is already set in line 1"]),
    ],
)
def test_refused(text: str, expected: list[str]) -> None:
    assert refusals(text) == expected


def test_all_errors_at_once_in_order() -> None:
    text = IPS + "enabled: on\n    network_attacks:\n      action: kill\n      block_minutes: 0\n  mode: x\n- nme: q\n"
    assert [line.split(" ")[0] for line in refusals(text)] == ["4:14:", "6:15:", "7:22:", "8:9:", "9:3:", "9:3:"]


def test_a_policy_file_is_bounded() -> None:
    assert LIMITS.max_bytes == 24 << 20
    assert refusals("#" * ((24 << 20) + 1)) == [" is larger than 25165824 bytes; make it smaller"]


def test_10000_exclusions_fit() -> None:
    rules = [{"rule": f"1:{sid}:1", "reason": "r", "expires": "2026-12-31"} for sid in range(1, 10_001)]
    data = {"policies": [{"name": "p", "intrusion_prevention": {"excluded_rules": rules}}]}
    (policy,) = parse_policies(json.dumps(data), "f")
    assert len(policy.intrusion_prevention.excluded_rules) == 10_000


WORDS = st.text("abc-. *?[", min_size=1, max_size=8).map(str.strip).filter(bool)
NETS = st.sampled_from(["10.0.0.0/8", "192.168.1.0/24", "10.1.2.3/32", "2001:db8::/32", "::1/128"])
MOMENTS = st.datetimes(datetime(1970, 1, 1), datetime(2999, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds only
EXCLUDED = st.fixed_dictionaries(
    {"rule": st.sampled_from(["1:5", "1:5:0", "ET *"]), "reason": WORDS},
    optional={"expires": MOMENTS.map(lambda moment: moment.strftime("%Y-%m-%dT%H:%M:%SZ"))},
)
POLICIES = st.fixed_dictionaries(
    {"name": WORDS},
    optional={
        "description": st.text("abc \n", max_size=9),
        "state": st.sampled_from(["active", "inactive"]),
        "mode": st.sampled_from(["standard", "monitoring"]),
        "assign": st.fixed_dictionaries({}, optional={"names": st.lists(WORDS, max_size=3)}),
        "intrusion_prevention": st.fixed_dictionaries(
            {},
            optional={
                "enabled": st.booleans(),
                "network_attacks": st.fixed_dictionaries(
                    {},
                    optional={"action": st.sampled_from([*Action]), "block_minutes": st.integers(1, 32768)},
                ),
                "excluded_rules": st.lists(EXCLUDED, max_size=3),
            },
        ),
        "failure": st.fixed_dictionaries({"down": st.sampled_from(["open", "closed"])}),
        "home_net": st.lists(NETS, min_size=1, max_size=3),
        "external_net": st.just(["any"]) | st.lists(NETS, min_size=1, max_size=3),
    },
)


@given(st.lists(POLICIES, max_size=4, unique_by=lambda policy: str(policy["name"])))
def test_policies_are_printed_and_read_back(policies: list[dict[str, Any]]) -> None:
    parsed = parse_policies(json.dumps({"policies": policies}), "f")
    assert len(parsed) == len(policies)
    assert parse_policies(PolicyFile(policies=parsed).model_dump_json(exclude_none=True), "f") == parsed


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "policies",
                    "name",
                    "assign",
                    "names",
                    "intrusion_prevention",
                    "enabled",
                    "excluded_rules",
                    "rule",
                    "expires",
                    "reason",
                    "home_net",
                    "external_net",
                    "x",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=15,
)


@given(JUNK)
def test_nothing_but_file_errors(data: Any) -> None:
    with contextlib.suppress(FileErrors):
        parse_policies(json.dumps(data), "f")
