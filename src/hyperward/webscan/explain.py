"""What would become of a request for an address, and why. Pure; the judging is that of the scanners."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from hyperward.policy.actions import WebAction
from hyperward.policy.fields import Mode
from hyperward.webscan.address import canonical, expressions, from_request, host_suffixes
from hyperward.webscan.address.model import Address
from hyperward.webscan.database.model import Match
from hyperward.webscan.mask import parse_mask
from hyperward.webscan.masks import MaskSet
from hyperward.webscan.protocols.model import Request, WebProtocol
from hyperward.webscan.scanner.judge import Judge, Lookup
from hyperward.webscan.scanner.verdict import Verdict
from hyperward.webscan.settings import WebScan

MONITORING: Final = "monitoring mode"
_NOWHERE: Final = bytes(4)
"""Where the request is sent to, which counts only when it names no host."""


class Outcome(StrEnum):
    """What becomes of a request."""

    BLOCKED = "blocked"
    REPORTED = "reported"
    """It passes, with an event."""
    PASSES = "passes"


@dataclass(frozen=True, slots=True)
class Listed:
    """An entry that an address meets.

    Args:
        category: of the entry.
        list: id of its list.
        entry: its text.
        kind: how much it stands for: `domain`, `host`, `prefix`, `exact`.
        id: its number or name in the list.
        version: of the database.
    """

    category: str
    list: str
    entry: str
    kind: str
    id: str
    version: str


@dataclass(frozen=True, slots=True)
class Seen:
    """What becomes of a request over one protocol.

    Args:
        protocol: over which it goes.
        address: as much of the address as the protocol shows.
        outcome: what becomes of it.
        reason: why it is not what the category's action says, or why nothing happens.
        decided: the entry that decides; None when none does.
        action: of its category.
        mask: of `never_block` that lets it pass; empty for none.
    """

    protocol: WebProtocol
    address: str
    outcome: Outcome
    reason: str = ""
    decided: Listed | None = None
    action: WebAction | None = None
    mask: str = ""


@dataclass(frozen=True, slots=True)
class Looked:
    """What databases say of an address.

    Args:
        given: as it was written.
        address: its canonical form.
        hosts: under which it was looked up, the most exact first.
        expressions: hosts with paths, likewise.
        listed: every entry that it meets, the most exact first.
    """

    given: str
    address: str
    hosts: tuple[str, ...]
    expressions: tuple[str, ...]
    listed: tuple[Listed, ...]


def look_up(given: str, databases: Lookup) -> Looked:
    """Return what databases say of an address.

    Raises:
        AddressError: it is none.
        DatabaseError: a file was changed after it was opened.
    """
    address = canonical(given)
    return Looked(
        given=given,
        address=str(address),
        hosts=host_suffixes(address.host),
        expressions=expressions(address),
        listed=tuple(map(listed_of, databases.lookup(address))),
    )


def see(given: str, scan: WebScan | None, mode: Mode, databases: Lookup) -> tuple[Seen, ...]:
    """Return what becomes of a request for an address over every protocol that can carry it.

    An address with a scheme is asked for over what carries it: `https` shows TLS and QUIC nothing but the host.

    Args:
        given: the address as it was written.
        scan: settings of the VM; None when Web Addresses Scan is off.
        mode: of its policy.
        databases: what is asked.

    Raises:
        AddressError: it is no address.
    """
    address = canonical(given)
    if scan is None:
        off = "Web Addresses Scan is off"
        return tuple(Seen(one, _shown(one, address), Outcome.PASSES, off) for one in _protocols(given))
    judge = Judge(scan, databases, MaskSet(parse_mask(text) for text in scan.never_block), from_request)
    return tuple(_seen(one, address, scan, mode, judge) for one in _protocols(given))


def worst(seen: Sequence[Seen]) -> Outcome:
    """Return the strictest outcome."""
    outcomes = {one.outcome for one in seen}
    return next((outcome for outcome in Outcome if outcome in outcomes), Outcome.PASSES)


def listed_of(match: Match) -> Listed:
    """Return an entry as people see it."""
    entry = match.entry
    return Listed(entry.category, entry.list_id, entry.text, entry.kind.name.lower(), entry.entry_id, match.version)


def _protocols(given: str) -> tuple[WebProtocol, ...]:
    scheme = given.strip().partition(":")[0].lower()
    if scheme in {"https", "wss"}:
        return (WebProtocol.TLS, WebProtocol.QUIC, WebProtocol.DNS)
    if scheme in {"http", "ws"}:
        return (WebProtocol.HTTP, WebProtocol.DNS)
    return tuple(WebProtocol)


def _seen(protocol: WebProtocol, address: Address, scan: WebScan, mode: Mode, judge: Judge) -> Seen:
    shown = _shown(protocol, address)
    if not getattr(scan, protocol.value):
        return Seen(protocol, shown, Outcome.PASSES, f"protocols.{protocol.value} is off")
    verdict = judge.judge(_request(protocol, address), _NOWHERE)
    if verdict.match is None:
        return Seen(protocol, shown, Outcome.PASSES)
    outcome, reason = _outcome(verdict, mode)
    return Seen(protocol, shown, outcome, reason, listed_of(verdict.match), action=verdict.asked, mask=verdict.exempt)


def _outcome(verdict: Verdict, mode: Mode) -> tuple[Outcome, str]:
    if verdict.exempt:
        return Outcome.REPORTED, f"never_block: {verdict.exempt}"
    if verdict.block and mode is Mode.MONITORING:
        return Outcome.REPORTED, MONITORING
    return Outcome.BLOCKED if verdict.block else Outcome.REPORTED, ""


def _request(protocol: WebProtocol, address: Address) -> Request:
    host = f"[{address.host}]" if ":" in address.host else address.host
    target = address.path if address.query is None else f"{address.path}?{address.query}"
    with_path = protocol is WebProtocol.HTTP
    return Request(protocol, host.encode(), target.encode() if with_path else None)


def _shown(protocol: WebProtocol, address: Address) -> str:
    return str(address) if protocol is WebProtocol.HTTP else address.host
