"""Manifests: one form, strict."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperward.databases import names
from hyperward.databases.manifest import (
    DeltaFile,
    EntriesFile,
    Manifest,
    ReportFile,
    RulesFile,
    Source,
    parse_manifest,
    print_manifest,
    problems,
)
from hyperward.errors import InputError

SHA = "0123456789abcdef" * 4
GOOD = Manifest(
    7,
    "2026-01-31T12:00:00Z",
    label="January",
    rules=(RulesFile("rules/a.rules", SHA, 10, "own", "MIT"), RulesFile("rules/b.rules", SHA, 0, "own", "MIT")),
    entries=(EntriesFile("addresses/x.addresses", SHA, 20, "malicious", "x", 2, "feed", "CC0-1.0"),),
    reports=(ReportFile("reports/refused.txt", SHA, 5, "Refused lines"),),
    sources=(Source("feed", "A feed", "https://feed.example/x", "2026-01-31T11:00:00Z", SHA), Source("own")),
    deltas=(DeltaFile(5, SHA, 3), DeltaFile(6, SHA, 3)),
)


def test_there_and_back() -> None:
    raw = print_manifest(GOOD)
    assert parse_manifest(raw) == GOOD
    assert print_manifest(parse_manifest(raw)) == raw
    assert [file.path for file in GOOD.files()][-1] == "reports/refused.txt"


def _with(**changes: Any) -> Manifest:
    return msgspec.structs.replace(GOOD, **changes)


def _rules(**changes: Any) -> Manifest:
    return _with(rules=(msgspec.structs.replace(GOOD.rules[0], **changes),))


def _entries(**changes: Any) -> Manifest:
    return _with(entries=(msgspec.structs.replace(GOOD.entries[0], **changes),))


@pytest.mark.parametrize(
    ("manifest", "match"),
    [
        (_with(version=0), "the version 0"),
        (_with(version=2**53), "the version"),
        (_with(time="2026-02-31 12:00"), "no time"),
        (_with(minimum_product="x"), "no version number"),
        (_with(label="a\nb"), "control characters"),
        (_with(label="a" * 1025), "longer than"),
        (_with(rules=tuple(reversed(GOOD.rules))), "not sorted by path"),
        (_with(sources=tuple(reversed(GOOD.sources))), "not sorted by id"),
        (_with(sources=GOOD.sources[:1]), "source 'own' is not among"),
        (_with(sources=(*GOOD.sources, Source("p q"))), "is no id"),
        (_with(sources=(*GOOD.sources, Source("z", fetched="then"))), "no time"),
        (_with(sources=(*GOOD.sources, Source("z", sha256="A" * 64))), "no SHA-256"),
        (_with(deltas=(DeltaFile(7, SHA, 3),)), "deltas are not sorted"),
        (_with(deltas=(DeltaFile(6, "x", 3),)), "no SHA-256"),
        (_with(deltas=(DeltaFile(6, SHA, -1),)), "the size -1"),
        (_rules(path="../a.rules"), "not one inside"),
        (_rules(path="rules"), "not end in .rules"),
        (_rules(path="reports/refused.txt/a.rules"), "its folder is a file"),
        (_rules(path="MANIFEST.json"), "share a path"),
        (_rules(path="addresses/X.addresses"), "share a path"),
        (_rules(sha256="x"), "no SHA-256"),
        (_rules(size=-1), "the size -1"),
        (_rules(size=names.MAX_FILE_BYTES + 1), "the size"),
        (_rules(licence="\x1b[0m"), "control characters"),
        (_entries(category="a b"), "is no id"),
        (_entries(list_id=""), "is no id"),
        (_entries(count=21), "21 lines in 20 bytes"),
        (_entries(path="addresses/x.txt"), "not end in .addresses"),
    ],
)
def test_broken_rules_are_named(manifest: Manifest, match: str) -> None:
    assert any(match in found for found in problems(manifest)), list(problems(manifest))
    with pytest.raises(InputError):
        print_manifest(manifest)
    with pytest.raises(InputError):
        parse_manifest(msgspec.json.encode(manifest) + b"\n")


def test_another_form_is_refused() -> None:
    raw = print_manifest(GOOD)
    for other in (raw[:-1], b" " + raw, raw.replace(b'{"version":7,', b'{"version":7, ', 1)):
        with pytest.raises(InputError, match="canonical"):
            parse_manifest(other)
    with pytest.raises(InputError, match="not a manifest"):
        parse_manifest(raw.replace(b'"label"', b'"lable"'))
    with pytest.raises(InputError, match="above"):
        parse_manifest(b" " * (names.MAX_MANIFEST_BYTES + 1))


def test_a_later_format_says_what_reads_it() -> None:
    raw = b'{"format":2,"minimum_product":"3.1","other":[]}'
    with pytest.raises(InputError, match=r"format 2; this Hyperward reads 1; update Hyperward to '3\.1'"):
        parse_manifest(raw)


@given(st.binary(max_size=200))
def test_rubbish(raw: bytes) -> None:
    with pytest.raises(InputError):
        parse_manifest(raw)


def test_product_numbers() -> None:
    assert names.product_number("0.10") == (0, 10, 0, 0)
    assert names.product_number("1.2.3.4.5") is None
    assert names.product_number("1.2rc1") is None
