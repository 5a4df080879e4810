"""One Suricata rule as data. Texts are bytes seen as Latin-1, so that offsets are byte offsets and nothing is lost."""

from dataclasses import dataclass
from typing import NamedTuple

import msgspec


class Option(msgspec.Struct, frozen=True, gc=False):
    """One option between the brackets of a rule.

    A feed has half a million of them, so they are kept out of sight of the garbage collector, which halves the time.

    `rule.text[start:end]` is the option from the first letter of its name to its semicolon, both included.
    `name` is lower-cased, as the engine does not tell cases apart. `value` is exact but for white space around it,
    and None for an option without a colon.
    """

    name: str
    value: str | None
    start: int
    end: int


class Header(NamedTuple):
    """The part of a rule before its brackets, less the action."""

    protocol: str
    source: str
    source_port: str
    direction: str
    destination: str
    destination_port: str


class StateUse(NamedTuple):
    """One use of a variable that rules share: a flowbit, xbit, hostbit or flowint."""

    variable: str
    """Kind and name, `flowbits:ET.http.javaclient`."""
    writes: bool
    """True for set, unset, toggle and arithmetic; False for a test."""


class RuleId(NamedTuple):
    """The identity of a rule, printed as `gid:sid:rev`."""

    gid: int
    sid: int
    rev: int

    def __str__(self) -> str:
        return f"{self.gid}:{self.sid}:{self.rev}"


@dataclass(frozen=True, slots=True)
class Rule:
    """A parsed rule.

    Attributes:
        text: the rule from its action to its closing bracket, continuation lines joined, without a comment mark.
        enabled: False for a rule that is commented out.
        action: lower-cased, `alert` or `drop` for example.
        header: protocol, addresses and ports.
        options: in their order.
        close: offset in `text` of the closing bracket.
        id: generator, signature and revision number.
        msg: the rule's name without quotes and escapes, read as UTF-8 where it is.
        classtype: empty when the rule has none.
        noalert: True for a rule that never reports, because it only sets state.
        states: the shared variables that the rule tests and changes.
        metadata: key and value pairs, keys and values as written.
    """

    text: str
    enabled: bool
    action: str
    header: Header
    options: tuple[Option, ...]
    close: int
    id: RuleId
    msg: str
    classtype: str
    noalert: bool
    states: tuple[StateUse, ...]
    metadata: tuple[tuple[str, str], ...]


class LocatedRule(NamedTuple):
    """A rule with the place it was read from."""

    rule: Rule
    file: str
    line: int


@dataclass(frozen=True, slots=True, order=True)
class RuleProblem:
    """A rule, line or file that could not be used as it is.

    Attributes:
        file: file name inside its source.
        line: line of the rule's beginning, from 1; 0 when the whole file is concerned.
        sid: signature number; 0 when it is unknown.
        reason: what was wrong and what was done, without a full stop.
    """

    file: str
    line: int
    sid: int
    reason: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: sid {self.sid}: {self.reason}" if self.sid else f"{place}: {self.reason}"
