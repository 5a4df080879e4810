"""Public suffixes: names below which anybody can have a site of their own (publicsuffix.org), private ones included.

A wildcard such as `*.ck` of a registry means that every name below `ck` is a suffix. A private one means that each
name is one customer's, such as a machine in a cloud; then only the name that all of them share counts.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import publicsuffixlist

from hyperward.webscan.address import canonical_host

_PRIVATE: Final = "===BEGIN PRIVATE DOMAINS==="


class Suffixes:
    """The rules of a public suffix list.

    Args:
        lines: of the list's text: a rule a line, `//` comments.
    """

    def __init__(self, lines: Iterable[str]) -> None:
        self._names: set[str] = set()
        self._wild: set[str] = set()
        self._exceptions: set[str] = set()
        private = False
        for line in lines:
            private = private or _PRIVATE in line
            rule = line.split(maxsplit=1)[0] if line.strip() else ""
            if not rule or rule.startswith("//"):
                continue
            if rule.startswith("!"):
                self._exceptions.add(canonical_host(rule[1:]))
            elif rule.startswith("*."):
                (self._names if private else self._wild).add(canonical_host(rule[2:]))
            else:
                self._names.add(canonical_host(rule))

    def __contains__(self, host: str) -> bool:
        """Tell whether a canonical host is a public suffix; a name of one label always is."""
        if host in self._names or host in self._wild:
            return True
        first, dot, above = host.partition(".")
        return not dot or (above in self._wild and bool(first) and host not in self._exceptions)


def packaged_suffixes() -> Suffixes:
    """Return the list that came with the installed package."""
    with Path(publicsuffixlist.PSLFILE).open(encoding="utf-8") as file:
        return Suffixes(file)
