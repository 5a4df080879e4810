"""From the bytes of a rule file to rules, with the line each begins at."""

import re
from codecs import BOM_UTF8
from collections.abc import Iterator
from io import BytesIO

from hyperward.ips.rules.limits import MAX_RULE_BYTES
from hyperward.ips.rules.parse import RuleSyntaxError, parse_rule
from hyperward.ips.rules.rule import LocatedRule, RuleProblem

_COMMENTED_RULE = re.compile(r"[#\s]*+(?=(?:alert|pass|drop|reject\w*+|config)[ \t]++[\w-]++[ \t])", re.IGNORECASE)


def rules_of(content: bytes, file: str) -> Iterator[LocatedRule | RuleProblem]:
    r"""Yield the rules of a file, commented-out ones included, and a problem for every line that is neither.

    A line that ends with a backslash continues on the next, as in Suricata; a comment does not.

    Args:
        content: the whole file.
        file: the name to report.
    """
    for line, text in _logical_lines(content):
        if text.startswith("#"):
            if commented := _COMMENTED_RULE.match(text):
                try:
                    yield LocatedRule(parse_rule(text[commented.end() :], enabled=False), file, line)
                except RuleSyntaxError:
                    continue  # prose, or a rule that is as dead as prose
            continue
        try:
            yield LocatedRule(parse_rule(text), file, line)
        except RuleSyntaxError as error:
            yield RuleProblem(file, line, error.sid, str(error))


def _logical_lines(content: bytes) -> Iterator[tuple[int, str]]:
    """Yield `(number of the first line, text)` with continuations joined, without empty lines."""
    held: list[str] = []
    size = 0
    first = 0
    for number, raw in enumerate(BytesIO(content.removeprefix(BOM_UTF8)), 1):
        physical = raw.decode("latin-1").rstrip(" \t\r\n")
        if not held:
            physical = physical.lstrip(" \t")
            if not physical:
                continue
            if physical[0] == "#" or physical[-1] != "\\":
                yield number, physical
                continue
            first = number
        if physical.endswith("\\"):
            if size <= MAX_RULE_BYTES:  # what is longer is refused by the parser, so there is no need to hold it all
                held.append(physical[:-1])
                size += len(physical) - 1
            continue
        held.append(physical)
        yield first, "".join(held)
        held, size = [], 0
    if held:
        yield first, "".join(held)
