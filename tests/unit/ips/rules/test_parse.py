import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperward.ips.rules.limits import MAX_RULE_BYTES
from hyperward.ips.rules.parse import ACTIONS, RuleSyntaxError, parse_rule
from hyperward.ips.rules.rule import Header, RuleId, StateUse

HEAD = "alert http $HOME_NET any -> $EXTERNAL_NET any "
RULE = HEAD + (
    r'(msg:"ET TEST a \"quoted\" name\; with; semicolon"; flow:established,to_server; flowbits:isset,ET.a|ET.b; '
    r"flowbits:set,ET.c; content:!\"x\"; classtype:Trojan-Activity; sid:2000001; rev:7; "
    r"metadata:created_at 2020_01_01, signature_severity Major, tag; metadata:confidence High;)"
).replace("with;", r"with\;").replace(r"!\"x\"", '!"x"')


def test_everything_is_read() -> None:
    rule = parse_rule(RULE)
    assert rule.action == "alert"
    assert rule.header == Header("http", "$HOME_NET", "any", "->", "$EXTERNAL_NET", "any")
    assert rule.id == RuleId(1, 2000001, 7)
    assert str(rule.id) == "1:2000001:7"
    assert rule.msg == 'ET TEST a "quoted" name; with; semicolon'
    assert rule.classtype == "trojan-activity"
    assert not rule.noalert
    assert rule.states == (
        StateUse("flowbits:ET.a", writes=False),
        StateUse("flowbits:ET.b", writes=False),
        StateUse("flowbits:ET.c", writes=True),
    )
    assert rule.metadata == (
        ("created_at", "2020_01_01"),
        ("signature_severity", "Major"),
        ("tag", ""),
        ("confidence", "High"),
    )
    assert rule.text == RULE
    assert rule.text[rule.close] == ")"


def test_offsets_rebuild_the_rule() -> None:
    rule = parse_rule(RULE)
    for option, after in zip(rule.options, (*rule.options[1:], None), strict=True):
        assert rule.text[option.start : option.end].lower().startswith(option.name)
        assert rule.text[option.end - 1] == ";"
        gap = rule.text[option.end : after.start if after else rule.close]
        assert not gap.strip()


@pytest.mark.parametrize(
    ("option", "noalert"),
    [
        ("noalert;", True),
        ("flowbits:noalert;", True),
        ("NoAlert;", True),
        ("flowbits: noalert ;", True),
        ("ack:1;", False),
    ],
)
def test_noalert_in_all_its_forms(option: str, noalert: bool) -> None:  # noqa: FBT001 - a parameter of the case
    assert parse_rule(HEAD + f'(msg:"x"; {option} sid:1;)').noalert is noalert


@pytest.mark.parametrize(
    ("option", "uses"),
    [
        ("flowbits:unset,a;", [StateUse("flowbits:a", writes=True)]),
        ("flowbits: toggle , a ;", [StateUse("flowbits:a", writes=True)]),
        ("flowbits:isnotset,a;", [StateUse("flowbits:a", writes=False)]),
        ("xbits:set,a,track ip_src,expire 60;", [StateUse("xbits:a", writes=True)]),
        ("hostbits:isset,a,src;", [StateUse("hostbits:a", writes=False)]),
        ("flowint:a,+,1;", [StateUse("flowint:a", writes=True)]),
        ("flowint: a , > , 3;", [StateUse("flowint:a", writes=False)]),
        ("flowint:a,notset;", [StateUse("flowint:a", writes=False)]),
        ("flowbits:noalert;", []),
    ],
)
def test_shared_variables(option: str, uses: list[StateUse]) -> None:
    assert parse_rule(HEAD + f"({option} sid:1;)").states == tuple(uses)


def test_lists_of_addresses_may_hold_blanks() -> None:
    rule = parse_rule(
        "drop tcp [10.0.0.0/8, !10.1.1.1, [::1, fe80::/10]] any <> ![$HOME_NET, 1.2.3.4] [80, 443] (sid:5;)"
    )
    assert rule.header.source == "[10.0.0.0/8, !10.1.1.1, [::1, fe80::/10]]"
    assert rule.header.direction == "<>"
    assert rule.header.destination == "![$HOME_NET, 1.2.3.4]"
    assert rule.header.destination_port == "[80, 443]"


def test_bytes_outside_ascii_stay_as_they_are() -> None:
    text = HEAD + '(msg:"caf\u00c3\u00a9 \u00ff"; sid:1;)'  # UTF-8 bytes and a stray one, seen as Latin-1
    rule = parse_rule(text)
    assert rule.text == text
    assert rule.msg == "caf\u00e9 \ufffd"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not of the form"),
        ("alert tcp any any -> any any", "not of the form"),
        ("alert tcp any any - any any (sid:1;)", "not of the form"),
        ("alert tcp any -> any any (sid:1;)", "not an address and a port"),
        ("alert tcp [a any -> any any (sid:1;)", "brackets do not match"),
        ("alert tcp any [a, b -> any any (sid:1;)", "brackets do not match"),
        ("log tcp any any -> any any (sid:1;)", "unknown action 'log'"),
        (HEAD + '(msg:"x"; sid:1;) # why', "closing bracket"),
        (HEAD + '(msg:"x"; sid:1)', "ends with a semicolon"),
        (HEAD + '(msg:"x"; sid:1 rev:1;)', "sid is not a number"),
        (HEAD + '(msg:"x";)', "no sid"),
        (HEAD + '(msg:"x"; sid:0;)', "sid is not a number from 1"),
        (HEAD + '(msg:"x"; sid:4294967296;)', "sid is not a number"),
        (HEAD + '(msg:"x"; sid:1; rev:-1;)', "rev is not a number"),
        (HEAD + '(msg:"x"; sid:1; sid:2;)', "sid is given twice"),
        (HEAD + "(msg:x; sid:1;)", "not in quotes"),
        (HEAD + '(msg:"a;b"; sid:1;)', "not an option"),
        (HEAD + '(content:"x" foo; sid:1;)', "not in quotes"),
        (HEAD + '(content:"; sid:1;)', "not in quotes"),
        (HEAD + '(msg:"\x00"; sid:1;)', "control character 0x00"),
        (HEAD + '(msg:"x";; sid:1;)', "not an option"),
    ],
)
def test_what_is_not_a_rule_is_refused(text: str, reason: str) -> None:
    with pytest.raises(RuleSyntaxError) as caught:
        parse_rule(text)
    assert reason in caught.value.reason


def test_a_refusal_names_the_sid_where_it_can() -> None:
    with pytest.raises(RuleSyntaxError) as caught:
        parse_rule(HEAD + "(sid:77; msg:x;)")
    assert caught.value.sid == 77
    assert caught.value.offset == len(HEAD) + len("(sid:77; ")


def test_a_rule_longer_than_the_engine_reads_is_refused() -> None:
    fill = MAX_RULE_BYTES - len(HEAD + '(msg:""; sid:1;)')
    assert parse_rule(HEAD + f'(msg:"{"x" * fill}"; sid:1;)').id.sid == 1
    with pytest.raises(RuleSyntaxError, match="longer than the engine reads"):
        parse_rule(HEAD + f'(msg:"{"x" * (fill + 1)}"; sid:1;)')


@pytest.mark.parametrize(
    "text",
    [
        "alert tcp " + "a" * 8000,
        "alert tcp " + " " * 8000 + "(",
        "alert tcp any any " + "-> " * 2600,
        "alert tcp any any -> any any (" + "a:" * 4000,
        "alert tcp any any -> any any (" + "a:\\;" * 2000,
        "alert tcp any any -> any any (" + " " * 8000,
        "alert tcp " + "[" * 8000 + " any -> any any (sid:1;)",
    ],
)
def test_hostile_texts_are_refused_soon(text: str) -> None:
    with pytest.raises(RuleSyntaxError):
        parse_rule(text)


@given(st.text(alphabet=st.characters(max_codepoint=255)))
def test_any_text_is_a_rule_or_refused(text: str) -> None:
    try:
        rule = parse_rule(text)
    except RuleSyntaxError:
        return
    assert rule.text == text.strip(" \t\r")


names = st.from_regex(r"\A[a-z][a-z0-9_.]{0,12}\Z").filter(
    lambda name: name not in {"msg", "content", "uricontent", "sid", "rev", "gid", "classtype", "noalert"}
)
plain = st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=255, exclude_characters=';\\"\x7f'), max_size=20)
escaped = st.lists(plain | st.sampled_from([r"\;", r"\"", r"\\ ", r"\:"]), max_size=6).map("".join)
values = escaped.filter(lambda value: not value.endswith("\\"))
blanks = st.sampled_from(["", " ", "  ", "\t"])


@given(
    st.sampled_from(sorted(ACTIONS)),
    st.lists(st.tuples(names, st.none() | values, blanks), max_size=6),
    values,
    st.integers(1, 2**32 - 1),
    st.integers(0, 2**32 - 1),
)
def test_what_is_written_is_read(
    action: str, options: list[tuple[str, str | None, str]], content: str, sid: int, rev: int
) -> None:
    inner = "".join(f"{blank}{name}{'' if value is None else ':' + value};" for name, value, blank in options)
    text = f'{action} tcp any any -> any any ({inner} content:"{content}"; sid:{sid}; rev:{rev};)'
    rule = parse_rule(text)
    assert rule.text == text
    assert rule.action == action
    assert rule.id == RuleId(1, sid, rev)
    wanted = [(name, None if value is None else value.strip(" \t")) for name, value, _ in options]
    wanted += [("content", f'"{content}"'), ("sid", str(sid)), ("rev", str(rev))]
    assert [(option.name, option.value) for option in rule.options] == wanted
