"""Which sites are popular: a ranking from a file, as Tranco, Umbrella and others publish them."""

import re
from pathlib import Path
from typing import Final

from hyperward.errors import InputError
from hyperward.webscan.address import AddressError, canonical_host
from hyperward.webscan.lists.lines import MAX_LINE, read_lines
from hyperward.webscan.lists.model import ReadReport

DEFAULT_TOP: Final = 100_000
"""Sites of a ranking that count as very popular: its order is stable up to about there."""
MAX_TOP: Final = 10_000_000
_LINE: Final = re.compile(rb"(?:[0-9]++[,\t])?+((?:[a-z0-9_-]++\.)++[a-z][a-z0-9-]*+)\r?+")
_RANKED: Final = re.compile(rb"\s*+\"?[0-9]++\"?\s*+[,;\t]")


def read_popular(path: Path, top: int = DEFAULT_TOP) -> list[str]:
    """Return the first hosts of a ranking.

    Args:
        path: of a file with `rank,name` or only `name` on each line, the most popular first; may be compressed.
        top: how many.

    Raises:
        InputError: it cannot be read, or has no host.
    """
    hosts: list[str] = []
    for line in read_lines(path, ReadReport(str(path))):
        if len(hosts) >= top:
            break
        plain = _LINE.fullmatch(line)
        if plain is not None:
            hosts.append(plain[1].decode("ascii"))
        elif len(line) <= MAX_LINE and (host := _host(line)):
            hosts.append(host)
    if not hosts:
        raise InputError("it has no host names", where=str(path), hint="write rank,name or only name on each line")
    return hosts


def _host(line: bytes) -> str:
    """Return the host of a line that is not in the usual form; empty for a comment, a header and what is no name."""
    name = _RANKED.sub(b"", line, count=1).strip().strip(b'"')
    if not name or name.startswith(b"#") or b"," in name:
        return ""
    try:
        host = canonical_host(name)
    except AddressError:
        return ""
    return host if "." in host and "%" not in host else ""
