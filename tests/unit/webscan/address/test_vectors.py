"""Published vectors: Safe Browsing's own, and those of WHATWG and UTS #46 that speak of what a browser can send.

What a browser makes of a URL reaches us as the host and the target of a request. So a WHATWG vector is met when the
written URL, the URL as the browser prints it, and the request that it sends have one canonical form, with the
browser's host. Left out, with the reason, is what no request can carry: `LEFT_OUT` names it and counts it, so that
nothing else is passed over.
"""

import json
import re
from collections import Counter
from typing import Any

import pytest

from hyperward.webscan.address import canonical, canonical_host, expressions, from_request
from shared_data import shared_data

pytestmark = pytest.mark.shared

FOLDER = "address-vectors"
LEFT_OUT = {
    "failure": "a browser refuses the URL and sends nothing",
    "other scheme": "not HTTP: no request with host and target comes of it",
    "dots": "the host is only dots: nothing to resolve, and an address without a host is refused",
}
_WEB = re.compile(r"(?:https?|wss?)://(?:[^/?#]*@)?(?P<host>[^/?#]*)(?P<target>[^#]*)")
_OWN_AUTHORITY = re.compile(r"[\x00-\x20]*(?:https?|wss?):[/\\]{2}", re.IGNORECASE)


def load(name: str) -> Any:
    return json.loads(shared_data(f"{FOLDER}/{name}").read_text())


def cases(name: str) -> list[dict[str, Any]]:
    return [case for case in load(name) if isinstance(case, dict)]


def dots_aside(host: str) -> str:
    return re.sub(r"\.\.+", ".", host).strip(".")


def test_safe_browsing_canonical_form() -> None:
    vectors = load("safe-browsing-canonical.json")["canonical_urls"]
    assert len(vectors) == 40
    for vector in vectors:
        written = vector["in"].encode("latin-1") if vector["bytes"] else vector["in"]
        assert str(canonical(written)) == vector["out"].partition("://")[2], vector


def test_safe_browsing_expressions() -> None:
    vectors = load("safe-browsing-canonical.json")["url_permutations"]
    assert len(vectors) == 6
    for vector in vectors:
        # The vectors list folders from the root; ours come the most exact first.
        assert sorted(expressions(canonical(vector["in"]))) == sorted(vector["out"]), vector


def met(printed: str, written: str | None) -> str | None:
    """Check a URL as a browser prints it and, if it stands alone, as it was written; return why it was left out."""
    parts = _WEB.match(printed)
    if parts is None:
        return "other scheme"
    name = re.sub(r":[0-9]*\Z", "", parts["host"])
    if not dots_aside(name):
        return "dots"
    sent = from_request(parts["host"].encode(), parts["target"].encode())
    assert sent.host == (canonical_host(name) if name[0] == "[" else dots_aside(name)), printed
    for text in (printed, *([written] if written is not None else [])):
        found = canonical(text)
        assert (found.host, found.path, found.query) == (sent.host, sent.path, sent.query), (written, printed)
        assert canonical(str(found)) == found
    return None


@pytest.mark.parametrize(
    ("name", "left_out"),
    [
        ("whatwg-urltestdata.json", {"failure": 267, "other scheme": 354, "dots": 2}),
        ("whatwg-ada_extra_urltestdata.json", {"failure": 12, "other scheme": 10, "dots": 1}),
        ("whatwg-urltestdata-javascript-only.json", {}),
    ],
)
def test_whatwg_urls(name: str, left_out: dict[str, int]) -> None:
    reasons: Counter[str] = Counter()
    checked = 0
    for case in cases(name):
        if case.get("failure"):
            reasons["failure"] += 1
            continue
        alone = case.get("base") in (None, "about:blank") or _OWN_AUTHORITY.match(case["input"])
        reason = met(case["href"], case["input"] if alone else None)
        checked += reason is None
        reasons.update([reason] if reason else [])
    assert dict(reasons) == left_out
    assert set(reasons) <= set(LEFT_OUT)
    assert checked > 0


@pytest.mark.parametrize("name", ["whatwg-setters_tests.json", "whatwg-ada_extra_setters_tests.json"])
def test_whatwg_urls_made_from_parts(name: str) -> None:
    groups = load(name)
    printed = [
        case["expected"]["href"]
        for key, group in groups.items()
        if key != "comment"
        for case in group
        if "href" in case["expected"]
    ]
    reasons = {met(href, None) for href in printed}
    assert reasons <= {None, *LEFT_OUT}


def test_idna() -> None:
    reasons: Counter[str] = Counter()
    for name in ("whatwg-IdnaTestV2.json", "whatwg-IdnaTestV2-removed.json", "whatwg-toascii.json"):
        for case in cases(name):
            if case["output"] is None:
                reasons["failure"] += 1
            elif not dots_aside(case["output"]):
                reasons["dots"] += 1
            else:
                assert canonical_host(case["input"]) == dots_aside(case["output"]), case
    assert dict(reasons) == {"failure": 1156, "dots": 4}


def test_names_of_any_length_that_dns_can_carry() -> None:
    checked = 0
    for case in cases("whatwg-verifydnslength_tests.json"):
        if not case["failure"]:
            assert canonical(case["input"]).host == dots_aside(case["input"].removeprefix("http://").rstrip("/"))
            checked += 1
    assert checked > 0


def test_percent_encoding_as_utf8() -> None:
    for case in cases("whatwg-percent-encoding.json"):
        written = canonical(f"http://a.example/?{case['input']}")
        assert written == canonical(f"http://a.example/?{case['output']['utf-8']}"), case
