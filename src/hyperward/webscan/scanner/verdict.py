"""What an address deserves: the matches of the databases against the settings of a policy. Pure."""

from collections.abc import Sequence
from typing import Final

import msgspec

from hyperward.webscan.address.model import Address
from hyperward.webscan.database.model import Match
from hyperward.webscan.settings import WebAction, WebScan

_STRICT: Final = {WebAction.BLOCK: 2, WebAction.REPORT: 1, WebAction.OFF: 0}


class Verdict(msgspec.Struct, frozen=True):
    """What is to be done with a request.

    Args:
        asked: what the policy says; OFF where nothing is to be done.
        block: whether it is to be blocked: `asked`, unless a mask exempts it.
        address: canonical, as it was looked up; None where nothing was.
        match: the entry that decided; None where none did.
        exempt: the `never_block` mask that lets it pass; empty for none.
        hidden_name: an Encrypted Client Hello.
    """

    asked: WebAction = WebAction.OFF
    block: bool = False
    address: Address | None = None
    match: Match | None = None
    exempt: str = ""
    hidden_name: bool = False


CLEAN: Final = Verdict()


def strictest(matches: Sequence[Match], scan: WebScan) -> tuple[WebAction, Match | None]:
    """Return the strictest action that the policy has for a match, and the most exact match with it.

    Args:
        matches: most exact first.
        scan: settings; a category without an action is off.
    """
    action, decided = WebAction.OFF, None
    for match in matches:
        asked = scan.categories.get(match.entry.category, WebAction.OFF)
        if _STRICT[asked] > _STRICT[action]:
            action, decided = asked, match
    return action, decided
