"""What came of a simulation. Every text in it is from a capture or a rule, so hostile: printable, and short."""

from enum import StrEnum

import msgspec

from hyperward.events.model import Direction
from hyperward.policy.actions import Action


class Verdict(StrEnum):
    """What would have become of a connection, from worst to best."""

    BLOCKED = "blocked"
    """A rule drops it."""
    SOURCE_BLOCKED = "source_blocked"
    """It begins while one of its ends is blocked for an earlier attack."""
    REPORTED = "reported"
    NOT_SCANNED = "not_scanned"
    """An exclusion row keeps it from inspection."""
    PASSED = "passed"


class Detection(msgspec.Struct, frozen=True, kw_only=True):
    """A rule that matched in a connection.

    Args:
        rule: `gid:sid:rev`.
        message: its `msg`.
        category: its class.
        asked: action the policy asks for.
        dropped: whether its packet would have been dropped.
        count: how often it matched.
        request: address or name asked for, at the first match.
    """

    rule: str
    message: str
    category: str
    asked: Action
    dropped: bool
    count: int = 1
    request: str = ""


class Connection(msgspec.Struct, frozen=True, kw_only=True):
    """A connection of the capture; `client` opened it.

    Args:
        start: time of its first packet, ISO 8601.
        protocol: `TCP`, `UDP`, `ICMP`.
        application: protocol of the application, as the engine recognised it.
        client: address.
        client_port: None where the protocol has none.
        server: address.
        server_port: None where the protocol has none.
        vlan: VLAN ids in the capture, outermost first.
        direction: seen from the VM; None when nobody can tell which end it is.
        packets: in the capture.
        bytes: in the capture.
        verdict: what would have become of it.
        reason: why the verdict is not what a rule asks for; empty otherwise.
        row: the exclusion row that decided; empty for none.
        detections: rules that matched, the first ones.
    """

    start: str
    protocol: str
    application: str
    client: str
    client_port: int | None
    server: str
    server_port: int | None
    vlan: tuple[int, ...]
    direction: Direction | None
    packets: int
    bytes: int
    verdict: Verdict
    reason: str = ""
    row: str = ""
    detections: tuple[Detection, ...] = ()


class RuleSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What one rule did in all connections; `blocked` and `reported` count connections."""

    rule: str
    message: str
    category: str
    asked: Action
    blocked: int
    reported: int


class RowSummary(msgspec.Struct, frozen=True, kw_only=True):
    """How many connections an exclusion row decided."""

    row: str
    action: str
    connections: int


class SourceBlock(msgspec.Struct, frozen=True, kw_only=True):
    """A source that would have been blocked; times in ISO 8601."""

    address: str
    vlan: int
    since: str
    until: str
    rule: str


class SimulationReport(msgspec.Struct, frozen=True, kw_only=True):
    """The whole answer.

    Args:
        policy: its name.
        mode: of the policy.
        capture: the file.
        packets: in the file.
        rules_version: digest of the compiled rule set.
        rules_unusable: rules that could not be compiled.
        totals: connections by verdict.
        other_connections: of the capture, in which the VM takes no part.
        rules: that matched, those that block most first.
        rows: that decided.
        source_blocks: in the order of time.
        connections: the worst first, then by time.
        left_out: how many connections are not shown; the totals hold them.
        notes: what one has to know to read the rest.
    """

    policy: str
    mode: str
    capture: str
    packets: int
    rules_version: str
    rules_unusable: int
    totals: dict[str, int]
    other_connections: int
    rules: tuple[RuleSummary, ...]
    rows: tuple[RowSummary, ...]
    source_blocks: tuple[SourceBlock, ...]
    connections: tuple[Connection, ...]
    left_out: int
    notes: tuple[str, ...]


MAX_TEXT = 300


def plain(text: str, limit: int = MAX_TEXT) -> str:
    """Return a text that does nothing but be read: no control or direction characters, one line, at most so long."""
    cut = text if len(text) <= limit else text[: limit - 1] + "\N{HORIZONTAL ELLIPSIS}"
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode("ascii") for c in cut)
