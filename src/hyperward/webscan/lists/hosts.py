"""Hosts files (hosts(5)) that map names to nowhere."""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from hyperward.webscan.database.model import Entry
from hyperward.webscan.lists.make import PLAIN_NAME, Maker, checked_length
from hyperward.webscan.lists.model import ReadReport, Refusal
from hyperward.webscan.lists.plain import without_remark

_PLAIN: Final = re.compile(rb"(?:0\.0\.0\.0|127\.0\.0\.1)[ \t]++(?!localhost\.)" + PLAIN_NAME + rb"[ \t\r]*+")
_ADDRESS: Final = re.compile(rb"[0-9A-Fa-f:.]+(?:%[0-9A-Za-z]+)?")
_NOWHERE: Final = re.compile(rb"0|0\.0\.0\.0|127\.[0-9.]+|255\.255\.255\.255|::1?|fe80::1(?:%.*)?|ff0[0-9]::[0-9]?")
_LOCAL: Final = frozenset(
    b"localhost localhost.localdomain localhost6 localhost6.localdomain6 local broadcasthost 0.0.0.0 ip6-localhost "
    b"ip6-loopback ip6-localnet ip6-mcastprefix ip6-allnodes ip6-allrouters ip6-allhosts".split()
)
"""Names that hosts files have for the machine itself."""


def read_hosts(lines: Iterable[bytes], maker: Maker, report: ReadReport) -> Iterator[Entry]:
    """Yield an entry for each name that is mapped to nowhere; other lines are noted in the report."""
    plain, kind, category, list_id = _PLAIN.fullmatch, maker.names, maker.category, maker.list_id
    for number, line in enumerate(lines, 1):
        report.lines = number
        name = plain(line)
        if name is not None:
            yield Entry(kind, name[1].decode("ascii"), category, list_id)
            continue
        try:
            names = mapped_names(checked_length(line))
        except Refusal as refusal:
            report.refuse(number, str(refusal), line)
            continue
        for written in names:
            try:
                yield maker.host(written)
            except Refusal as refusal:
                report.refuse(number, str(refusal), line)


def mapped_names(line: bytes) -> list[bytes]:
    """Return the names that a line maps to nowhere; none for comments and for the machine's own names.

    Raises:
        Refusal: it is no line of a hosts file, or maps to an address that exists.
    """
    fields = without_remark(line).split()
    if not fields:
        return []
    address, *names = fields
    if not _ADDRESS.fullmatch(address) or not names:
        raise Refusal("no line of a hosts file: an address, then names")
    names = [name for name in names if name.lower() not in _LOCAL]
    if names and not _NOWHERE.fullmatch(address):
        raise Refusal("maps a name to an address that exists")
    return names
