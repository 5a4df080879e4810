import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperward.errors import InputError
from hyperward.ips.rules.classes import RuleClass
from hyperward.ips.rules.compile import compile_rules
from hyperward.ips.rules.compiled import CompiledRuleSet
from hyperward.ips.rules.exclusion import parse_exclusion
from hyperward.ips.rules.lines import rules_of
from hyperward.ips.rules.options import CompileOptions
from hyperward.ips.rules.rule import LocatedRule, RuleId
from hyperward.policy.actions import Action
from hyperward.policy.resolve import Variant

HEAD = "tcp any any -> any any"


def line(
    sid: int, options: str = 'content:"x";', *, kind: str = "trojan-activity", action: str = "alert", rev: int = 1
) -> str:
    return f'{action} {HEAD} (msg:"Rule {sid}"; {options} classtype:{kind}; sid:{sid}; rev:{rev};)'


def compiled(
    *lines: str, options: CompileOptions | None = None, refused: dict[RuleId, str] | None = None
) -> CompiledRuleSet:
    found = [each for each in rules_of("\n".join(lines).encode(), "f.rules") if isinstance(each, LocatedRule)]
    assert len(found) == len(lines)
    return compile_rules(found, options or CompileOptions(), refused=refused or {})


def emitted(result: CompiledRuleSet) -> list[str]:
    return result.text.decode().splitlines()


def reasons(result: CompiledRuleSet) -> list[tuple[int, str]]:
    return [(problem.sid, problem.reason) for problem in result.problems]


def test_actions_of_the_default_policy() -> None:
    result = compiled(
        line(1),
        line(2, kind="attempted-admin"),
        line(3, kind="pup-activity"),
        line(4, kind="misc-activity"),
        line(5, kind="coin-mining"),
    )
    assert [text.split()[0] for text in emitted(result)] == ["drop", "drop", "drop", "alert"]
    assert result.counts == {
        (RuleClass.ADWARE, "drop"): 1,
        (RuleClass.INFO, "alert"): 1,
        (RuleClass.MALWARE, "drop"): 1,
        (RuleClass.NETWORK_ATTACK, "drop"): 1,
    }
    assert [located.rule.id.sid for located in result.sources] == [1, 2, 3, 4]


def test_only_the_action_and_our_metadata_are_touched() -> None:
    (text,) = emitted(
        compiled(f'AlErT  {HEAD} ( msg : "a\\;b" ;content:"|3b|" ;  sid:1;  classtype:trojan-activity; )')
    )
    kept = f'  {HEAD} ( msg : "a\\;b" ;content:"|3b|" ;  sid:1;  classtype:trojan-activity; '
    assert text == f"drop{kept} metadata:hyperward_class malware;)"


def test_observe_is_the_same_rules_and_only_alerts() -> None:
    lines = [
        line(1),
        line(2, kind="attempted-admin"),
        line(3, "flowbits:set,a; noalert;"),
        line(4, kind="misc-activity"),
    ]
    enforce = emitted(compiled(*lines))
    observe = emitted(compiled(*lines, options=CompileOptions(variant=Variant.OBSERVE)))
    assert all(text.startswith("alert ") for text in observe)
    assert [text.partition(" ")[2] for text in observe] == [text.partition(" ")[2] for text in enforce]


@pytest.mark.parametrize("action", ["alert", "drop", "reject", "rejectboth"])
@pytest.mark.parametrize("option", ["noalert;", "flowbits:noalert;"])
def test_a_rule_that_never_reports_never_acts(action: str, option: str) -> None:
    text = line(1, f"flowbits:set,a; {option}", action=action)
    result = compiled(text)
    assert emitted(result) == [text.replace(action, "alert", 1)]
    assert [sid for sid, _ in reasons(result)] == ([] if action == "alert" else [1])


@pytest.mark.parametrize("action", ["drop", "reject", "rejectsrc"])
def test_the_policy_decides_not_the_source(action: str) -> None:
    assert emitted(compiled(line(1, kind="misc-activity", action=action)))[0].startswith("alert ")


def test_a_setter_of_a_disabled_class_is_kept_silent() -> None:
    result = compiled(
        line(1, "flowbits:set,a;", kind="coin-mining"),
        line(2, "flowbits:isset,a;"),
        line(3, "flowbits:set,b;", kind="coin-mining"),
    )
    setter, reader = emitted(result)
    assert setter.startswith("alert ")
    assert setter.endswith(" noalert; metadata:hyperward_class other;)")
    assert reader.startswith("drop ")
    assert result.counts[RuleClass.OTHER, "noalert"] == 1


def test_setters_are_followed_to_their_setters() -> None:
    off = "coin-mining"
    result = compiled(
        line(1, "flowbits:set,a;", kind=off),
        line(2, "flowbits:isset,a; xbits:set,b,track ip_src;", kind=off),
        line(3, "xbits:isset,b,track ip_src; flowint:c,+,1;", kind=off),
        line(4, "flowint:c,>,2;"),
        line(5, "flowbits:set,z;", kind=off),
        line(6, "flowbits:isset,z; flowbits:isset,y; flowbits:set,y;", kind=off),
    )
    assert [located.rule.id.sid for located in result.sources] == [1, 2, 3, 4]


def test_a_commented_out_setter_is_taken_and_nothing_else_that_is_commented_out() -> None:
    result = compiled("# " + line(1, "flowbits:set,a;"), line(2, "flowbits:isset,a;"), "#" + line(3))
    assert [text.split(" (")[0].split()[0] for text in emitted(result)] == ["alert", "drop"]
    assert "noalert;" in emitted(result)[0]


def test_kinds_of_variables_do_not_mix() -> None:
    result = compiled(line(1, "xbits:set,a,track ip_src;", kind="coin-mining"), line(2, "flowbits:isset,a;"))
    assert [located.rule.id.sid for located in result.sources] == [2]


def test_excluded_rules_are_left_out_but_setters_stay_silent() -> None:
    options = CompileOptions(excluded=(parse_exclusion("1:1"), parse_exclusion("Rule 3"), parse_exclusion("1:4:9")))
    result = compiled(
        line(1, "flowbits:set,a;"), line(2, "flowbits:isset,a;"), line(3), line(4), options=options
    )  # fmt: skip
    assert [located.rule.id.sid for located in result.sources] == [1, 2, 4]
    assert "noalert;" in emitted(result)[0]


def test_a_class_that_is_off_is_left_out() -> None:
    options = CompileOptions(malware=None, info=None, other=Action.TERMINATE)
    result = compiled(line(1), line(2, kind="misc-activity"), line(3, kind="coin-mining"), options=options)
    assert [located.rule.id.sid for located in result.sources] == [3]
    assert emitted(result)[0].startswith("drop ")


@pytest.mark.parametrize("action", [Action.TERMINATE, Action.TERMINATE_AND_BLOCK])
def test_info_never_acts(action: Action) -> None:
    with pytest.raises(InputError):
        CompileOptions(info=action)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (line(1, action="pass"), "action pass"),
        (line(1, action="config"), "action config"),
        (line(1, "lua:x.lua;"), "option lua runs code"),
        (line(1, "LuaJIT:x.lua;"), "option luajit runs code"),
        (line(1, "filestore;"), "option filestore"),
        (line(1, "filemd5:list;"), "option filemd5"),
        (line(1, "dataset:isset,a,type string,load a.lst;"), "option dataset"),
        (line(1, "dataset:set,a,type string,state a.lst;"), "option dataset"),
        (line(1, "datarep:a,>,1,load a.lst,type string;"), "option datarep"),
        (line(1, "bypass;"), "option bypass"),
        (line(1, 'content:"a"; replace:"b";'), "option replace"),
        (line(1, "metadata:hyperward_class info;"), "metadata hyperward_class is reserved"),
    ],
)
def test_rules_that_do_more_than_detect_are_left_out(text: str, reason: str) -> None:
    result = compiled(text)
    assert result.text == b""
    ((sid, told),) = reasons(result)
    assert sid == 1
    assert reason in told


def test_names_of_options_inside_texts_do_no_harm() -> None:
    assert emitted(compiled(line(1, 'content:"lua:x\\; filestore\\;"; dataset:set,a,type md5;')))


def test_the_highest_revision_wins() -> None:
    result = compiled(line(1, rev=2), line(1, rev=3), line(1, rev=1), line(1, rev=3))
    assert [located.rule.id for located in result.sources] == [RuleId(1, 1, 3)]
    assert len(result.problems) == 2
    assert all("has the same number" in reason for _, reason in reasons(result))


def test_an_enabled_rule_wins_over_a_commented_out_one() -> None:
    result = compiled(line(1, rev=2), "# " + line(1, rev=3))
    assert [located.rule.id.rev for located in result.sources] == [2]
    assert not result.problems


def test_a_refused_rule_gives_way_to_the_next_revision() -> None:
    result = compiled(line(1, rev=2), line(1, rev=3), refused={RuleId(1, 1, 3): "the engine refuses it (x)"})
    assert [located.rule.id.rev for located in result.sources] == [2]
    assert reasons(result) == [(1, "left out, the engine refuses it (x)")]


def test_a_rule_that_would_grow_too_long_is_left_out() -> None:
    base = line(1, 'content:"";')
    result = compiled(line(1, f'content:"{"x" * (8190 - len(base))}";'))
    assert result.text == b""
    assert "longer than the engine reads" in result.problems[0].reason


def test_bytes_stay_bytes() -> None:
    content = f'alert {HEAD} (msg:"caf'.encode() + b"\xc3\xa9\xff" + b'"; classtype:trojan-activity; sid:1;)'
    rules = [each for each in rules_of(content, "f") if isinstance(each, LocatedRule)]
    assert b"caf\xc3\xa9\xff" in compile_rules(rules, CompileOptions()).text


def test_same_rules_same_bytes_in_any_order() -> None:
    kinds = ["trojan-activity", "attempted-admin", "misc-activity", "coin-mining"]
    lines = [
        line(sid, f"flowbits:set,v{sid % 7}; flowbits:isset,v{sid % 5};", kind=kinds[sid % 4]) for sid in range(1, 200)
    ]
    lines += [line(sid, rev=2) for sid in range(1, 50)]
    rules = [each for each in rules_of("\n".join(lines).encode(), "f") if isinstance(each, LocatedRule)]
    wanted = compile_rules(rules, CompileOptions())
    for seed in range(5):
        random.Random(seed).shuffle(rules)  # noqa: S311 - any order will do
        again = compile_rules(rules, CompileOptions())
        assert (again.text, again.digest, again.counts) == (wanted.text, wanted.digest, wanted.counts)
        assert sorted(again.problems) == sorted(wanted.problems)


def test_the_digest_says_everything() -> None:
    digests = {
        compiled(line(1), options=options).digest
        for options in (
            CompileOptions(),
            CompileOptions(variant=Variant.OBSERVE),
            CompileOptions(malware=None),
        )
    }
    assert len(digests) == 3
    assert compiled(line(1), options=CompileOptions(adware=None)).digest == compiled(line(1)).digest


variables = st.sampled_from("abcd")
state_options = st.lists(
    st.tuples(st.sampled_from(["set", "unset", "toggle", "isset", "isnotset"]), variables), max_size=4
).map(lambda uses: " ".join(f"flowbits:{command},{name};" for command, name in uses))
generated = st.tuples(
    state_options,
    st.sampled_from(["trojan-activity", "attempted-admin", "pup-activity", "misc-activity", "coin-mining", "own"]),
    st.sampled_from(["alert", "drop", "reject", "pass"]),
    st.sampled_from(["", "noalert;"]),
    st.booleans(),
)


@given(st.lists(generated, max_size=12), st.sampled_from(list(Variant)), st.sampled_from([None, *Action]))
def test_what_always_holds(
    rows: list[tuple[str, str, str, str, bool]], variant: Variant, malware: Action | None
) -> None:
    lines = [
        ("" if enabled else "# ") + line(sid, states + silent + ' content:"x";', kind=kind, action=action)
        for sid, (states, kind, action, silent, enabled) in enumerate(rows, 1)
    ]
    result = compiled(*lines, options=CompileOptions(malware=malware, variant=variant))
    texts = emitted(result)
    assert len(texts) == len(result.sources) == sum(result.counts.values())
    kept = {located.rule.id.sid for located in result.sources}
    needed = {use.variable for located in result.sources for use in located.rule.states if not use.writes}
    for text, located in zip(texts, result.sources, strict=True):
        rule = located.rule
        assert rule.action != "pass"
        assert text.startswith("alert ") or (text.startswith("drop ") and "noalert" not in text and rule.enabled)
        assert variant is Variant.ENFORCE or text.startswith("alert ")
        assert rule.enabled or any(use.writes and use.variable in needed for use in rule.states)
    for sid, (states, _, action, _, _) in enumerate(rows, 1):
        if action != "pass" and any(
            f"{command},{name[-1]}" in states for name in needed for command in ("set", "unset", "toggle")
        ):
            wrote = {part.split(",")[1].strip(";") for part in states.split() if not part.startswith(("flowbits:is",))}
            if wrote & {name.rpartition(":")[2] for name in needed}:
                assert sid in kept
