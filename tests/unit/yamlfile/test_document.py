import json
from typing import Annotated, Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from hyperward.yamlfile import FileErrors, FileModel, Limits, Problem, parse

LIMITS = Limits(max_bytes=10_000, max_nodes=1_000, max_entry_nodes=500, max_keys=20, max_depth=10)


class Inner(FileModel):
    mode: str = ""
    on: bool = False
    number: Annotated[int, Field(ge=1, le=9)] = 1


class Outer(FileModel):
    inner: Inner = Inner()
    items: tuple[Inner, ...] = ()
    maybe: Inner | None = None


class Entry(FileModel):
    name: str
    tags: tuple[str, ...] = ()


class Entries(FileModel):
    title: str = ""
    entries: tuple[Entry, ...]


def refusals(text: str, model: type[FileModel] = Outer) -> list[str]:
    with pytest.raises(FileErrors) as caught:
        parse(text, "f", LIMITS).validate(model)
    assert caught.value.items
    return [str(item) for item in caught.value.items]


@pytest.mark.parametrize(
    ("scalar", "value"),
    [
        ("1:2001219:5", "1:2001219:5"),
        ("1:20:30", "1:20:30"),
        ("52:54:00:12:34:56", "52:54:00:12:34:56"),
        ("10:00:00:00:00:59", "10:00:00:00:00:59"),
        ("yes", "yes"),
        ("on", "on"),
        ("Off", "Off"),
        ("y", "y"),
        ("2026-08-31", "2026-08-31"),
        ("2026-08-31T18:00:00Z", "2026-08-31T18:00:00Z"),
        ("1.5", "1.5"),
        ("1e3", "1e3"),
        (".inf", ".inf"),
        ("0x1F", "0x1F"),
        ("0o17", "0o17"),
        ("017", "017"),
        ("1_000", "1_000"),
        ("=", "="),
        ("<<", "<<"),
        ("9" * 19, "9" * 19),
        ("9" * 18, int("9" * 18)),
        ("0", 0),
        ("-7", -7),
        ("+7", 7),
        ("true", True),
        ("FALSE", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("'true'", "true"),
        ('"7"', "7"),
        ('"a\\tb\\u00e9"', "a\tbé"),
        ("[a, 1]", ["a", 1]),
        ("|\n  two\n  lines\n", "two\nlines\n"),
    ],
)
def test_scalars_mean_what_they_look_like(scalar: str, value: object) -> None:
    result = parse(f"a: {scalar}\n", "f", LIMITS).data["a"]
    assert result == value
    assert type(result) is type(value)


def test_keys_are_text() -> None:
    assert parse("{on: 1, 7: 2, null: 3, true: 4, <<: 5}", "f", LIMITS).data == {
        "on": 1,
        "7": 2,
        "null": 3,
        "true": 4,
        "<<": 5,
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "f:1:1: is empty; see the examples folder"),
        ("# only a comment\n", "f:1:1: is empty; see the examples folder"),
        ("- a", "f:1:1: must start with a key, such as 'policies:' or 'vms:'; see the examples folder"),
        ("a: 1\nb: 2\na: 3\n", "f:3:1: a: duplicate key; it is already set in line 1"),
        ("x:\n - y: {k: 1, k: 2}", "f:2:14: x[0].y.k: duplicate key; it is already set in line 2"),
        ("a: &x 1", "f:1:4: a: anchor &x is not allowed; write the value out where it is needed"),
        ("a: *x", "f:1:4: a: alias *x is not allowed; write the value out"),
        (
            "a: !!python/object:os.system x",
            ('f:1:4: a: tag "tag:yaml.org,2002:python/object:os.system" is not allowed; put text into quotes instead'),
        ),
        ("a: !!str 1", 'f:1:4: a: tag "tag:yaml.org,2002:str" is not allowed; put text into quotes instead'),
        ("a: !x {}", 'f:1:4: a: tag "!x" is not allowed; put text into quotes instead'),
        ("%YAML 1.1\n---\na: 1", "f:1:1: directives (%YAML, %TAG) are not allowed; remove the line"),
        ("a: 1\n---\nb: 2\n", "f:2:1: a second document starts here; put one document into a file"),
        ("? [a]\n: 1\n", "f:1:3: a key must be one word or text; write 'key: value'"),
        ('a: "\\0"', "f:1:4: a: the quoted text stands for an invisible character; remove the escape"),
        ('"a\\nb": "\\x1b"', 'f:1:9: "a\\nb": the quoted text stands for an invisible character; remove the escape'),
        (
            "a:\n\tb: 1",
            (
                "f:2:1: a: not valid YAML: found character that cannot start any token while scanning for the "
                "next token; indent with spaces, not tabs"
            ),
        ),
        (
            "a: [1",
            (
                "f:2:1: a[0]: not valid YAML: did not find expected ',' or ']' while parsing a flow sequence; "
                "check indentation, quotes and brackets"
            ),
        ),
        (
            "a: " + "[" * 10,
            ("f:1:13: a[0][0][0][0][0][0][0][0]: more than 10 levels deep; a value has too many brackets or indents"),
        ),
        (
            "{" + ",".join(f"k{i}: 1" for i in range(21)) + "}",
            ("f:1:132: k20: more than 20 keys in one mapping; remove what does not belong here"),
        ),
        ("a: [" + "1," * 1000 + "]", "f:1:1999: a[997]: more than 1000 keys and values; make the file smaller"),
        ("a: [[" + "1," * 500 + "]]", "f:1:5: a[0]: more than 500 keys and values in one entry; make it smaller"),
        ("#" * 10_001, "f: is larger than 10000 bytes; make it smaller"),
        ("a: x\u2029y", "f:1:5: invisible character U+2029; remove it; the file must be plain text"),
    ],
)
def test_malformed(text: str, expected: str) -> None:
    assert refusals(text) == [expected]


def test_alias_bomb() -> None:
    text = "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nd: [*c, *c]\n"
    assert refusals(text) == [
        "f:1:4: a: anchor &a is not allowed; write the value out where it is needed",
        "f:2:4: b: anchor &b is not allowed; write the value out where it is needed",
        "f:2:8: b[0]: alias *a is not allowed; write the value out",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("inner:\n  mod: x", "f:2:3: inner.mod: unknown key; did you mean 'mode'?"),
        ("inner:\n  zzz: x", "f:2:3: inner.zzz: unknown key; known keys here: mode, on, number"),
        ("maybe: {nunber: 1}", "f:1:9: maybe.nunber: unknown key; did you mean 'number'?"),
        (
            "items:\n- mode: a\n- {mode: b, oh no: c}",
            ('f:3:13: items[1]."oh no": unknown key; known keys here: mode, on, number'),
        ),
        (
            "inner: {on: yes}",
            ('f:1:13: inner.on: expected true or false, got the text "yes"; write true or false without quotes'),
        ),
        (
            "inner: {on: 1}",
            ("f:1:13: inner.on: expected true or false, got the number 1; write true or false without quotes"),
        ),
        ("inner: {mode: 7}", "f:1:15: inner.mode: expected text, got the number 7; put it in quotes"),
        ("inner: {mode: }", "f:1:15: inner.mode: expected text, got nothing"),
        ("inner: {mode: [a]}", "f:1:15: inner.mode: expected text, got a list"),
        (
            "inner: {number: '7'}",
            ('f:1:17: inner.number: expected a whole number, got the text "7"; write digits without quotes'),
        ),
        (
            "inner: {number: true}",
            "f:1:17: inner.number: expected a whole number, got true; write digits without quotes",
        ),
        ("inner: {number: 0}", "f:1:17: inner.number: must be 1 or more, got 0"),
        ("inner: {number: 10}", "f:1:17: inner.number: must be 9 or less, got 10"),
        ("inner: x", 'f:1:8: inner: expected a mapping of keys to values, got the text "x"'),
        ("items: x", "f:1:8: items: expected a list, got the text \"x\"; write [a, b], or one '- ' line for each"),
        ("items: {mode: x}", "f:1:8: items: expected a list, got a mapping"),
    ],
)
def test_values_that_do_not_fit(text: str, expected: str) -> None:
    assert refusals(text) == [expected]


def test_all_errors_come_in_the_order_of_the_file() -> None:
    text = "items:\n- on: 1\n  number: 0\n- mode: 5\n  x: 1\ninner: 3\n"
    assert [line.split(": ")[0] for line in refusals(text)] == ["f:2:7", "f:3:11", "f:4:9", "f:5:3", "f:6:8"]


def test_errors_are_bounded() -> None:
    assert len(refusals("items: [" + "1," * 900 + "]")) == 50
    assert len(refusals("a: [" + "!x 1," * 900 + "]")) == 50


def test_one_line_of_many_errors() -> None:
    with pytest.raises(FileErrors) as caught:
        parse("inner: {a: 1, b: 2, zzz: 3}", "f", LIMITS).validate(Outer)
    assert caught.value.line() == "f:1:9: inner.a: unknown key (and 2 more); known keys here: mode, on, number"


def test_long_values_are_shown_short() -> None:
    (line,) = refusals("inner: " + "x" * 5000)
    assert len(line) < 200


def entries(text: str, max_items: int = 100) -> tuple[Entry, ...]:
    return parse(text, "f", LIMITS).validate_list(Entries, "entries", Entry, max_items=max_items)


def test_list_is_validated_entry_by_entry() -> None:
    assert entries("title: t\nentries: [{name: a}, {name: b, tags: [x]}]") == (
        Entry(name="a"),
        Entry(name="b", tags=("x",)),
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("title: t", ["f:1:1: entries: this key is required; add it"]),
        ("entries: 1", ["f:1:10: entries: expected a list, got the number 1; write [a, b], or one '- ' line for each"]),
        ("entries: [" + "1," * 101 + "]", ["f:1:10: entries: has 101 items; at most 100 are allowed"]),
        (
            "entries: [{nam: a}]\ntitel: x",
            [
                "f:1:11: entries[0].name: this key is required; add it",
                "f:1:12: entries[0].nam: unknown key; did you mean 'name'?",
                "f:2:1: titel: unknown key; did you mean 'title'?",
            ],
        ),
        (
            "entries: [{name: a, tags: [b, 7]}]",
            [("f:1:31: entries[0].tags[1]: expected text, got the number 7; put it in quotes")],
        ),
    ],
)
def test_list_errors(text: str, expected: list[str]) -> None:
    with pytest.raises(FileErrors) as caught:
        entries(text)
    assert [str(item) for item in caught.value.items] == expected


def test_list_errors_are_bounded() -> None:
    with pytest.raises(FileErrors) as caught:
        entries("entries: [" + "1," * 90 + "]")
    assert len(caught.value.items) == 50


TEXT = st.text(st.characters(codec="ascii", categories=["L", "N", "P", "S", "Zs"]))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**17), 10**17) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abcxyz", min_size=1), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.text("abcxyz", min_size=1), VALUES, max_size=4))
def test_what_is_printed_is_read_back(data: dict[str, Any]) -> None:
    assert parse(json.dumps(data), "f", LIMITS).data == data


def paths(data: Any, at: tuple[str | int, ...] = ()) -> Any:
    yield at
    children = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for part, value in children:
        yield from paths(value, (*at, part))


def node_at(node: yaml.Node, at: tuple[str | int, ...]) -> tuple[yaml.Node, yaml.Node]:
    key = node
    for part in at:
        if isinstance(node, yaml.MappingNode):
            key, node = next((k, v) for k, v in node.value if k.value == part)
        elif isinstance(node, yaml.SequenceNode):
            assert isinstance(part, int)
            key = node = node.value[part]
    return key, node


@given(st.dictionaries(st.text("abcxyz", min_size=1), VALUES, max_size=4), st.integers(0, 4))
def test_positions_are_those_of_the_yaml_library(data: dict[str, Any], indent: int) -> None:
    text = json.dumps(data, indent=indent or None)
    document = parse(text, "f", LIMITS)
    tree = yaml.compose(text, Loader=yaml.SafeLoader)
    assert tree is not None
    for at in paths(data):
        key, value = node_at(tree, at)
        for node, is_key in ((key, True), (value, False)):
            expected = (node.start_mark.line + 1, node.start_mark.column + 1)
            assert document.positions.find(at, data, key=is_key) == expected


YAML_PIECES = st.sampled_from(
    [
        "inner",
        "mode",
        "on",
        "items",
        "entries",
        ":",
        ": ",
        "- ",
        "\n",
        "  ",
        "[",
        "]",
        "{",
        "}",
        ",",
        "'",
        '"',
        "&a ",
        "*a",
        "!!str ",
        "? ",
        "|",
        ">",
        "%",
        "---",
        "...",
        "\t",
        "#",
        "~",
        "yes",
        "1",
        "\\",
        "é",
        "\r",
        "\x00",
        "\u2028",
        "@",
        "`",
    ]
)


def problems_of(text: str, model: type[FileModel]) -> tuple[Problem, ...] | None:
    try:
        parse(text, "f", LIMITS).validate(model)
    except FileErrors as error:
        return error.items
    return None


@given(st.lists(YAML_PIECES, max_size=40).map("".join) | st.text())
def test_nothing_but_file_errors(text: str) -> None:
    for model in (Outer, Entries):
        problems = problems_of(text, model)
        assert problems is None or problems
        assert not any("\n" in str(problem) for problem in problems or ())
