"""From one written item of a list to an entry, or to the reason why it gives none."""

import re
from typing import Final

from hyperward.webscan.address import Address, AddressError, canonical
from hyperward.webscan.address.numbers import is_ip
from hyperward.webscan.database.limits import MAX_HOST, refusal
from hyperward.webscan.database.model import Entry, EntryKind
from hyperward.webscan.lists.lines import MAX_LINE
from hyperward.webscan.lists.model import ListOptions, NamesAs, Refusal

PLAIN_NAME: Final = rb"(?=.{4,253}\Z)((?:[a-z0-9_](?:[a-z0-9_-]{0,62}+)\.)++[a-z][a-z0-9-]{0,62}+)"
"""A name that is canonical as it is: nearly every line of nearly every list."""

CATEGORY: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_NAME: Final = re.compile(r"(?:[a-z0-9_-]{1,63}\.)+[a-z0-9_-]*[a-z_-][a-z0-9_-]*")
_SUBNET: Final = re.compile(
    rb"[0-9]+(?:\.[0-9]+){3}/[0-9]{1,2}|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*/[0-9]{1,3}"
)
_SCHEME: Final = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]*+:[/\\]{2}")
_IPV4: Final = re.compile(
    rb"((?:(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])(?:\.(?=[0-9])|(?=:|\Z))){4})(?::[0-9]{1,4})?"
)
_NOWHERE: Final = re.compile(r"0\.0\.0\.0|127\.[0-9.]+|255\.255\.255\.255|::1?")


class Maker:
    """Makes the entries of one list.

    Args:
        options: of the list.
        names: what a name stands for where the options do not say.
    """

    def __init__(self, options: ListOptions, names: NamesAs) -> None:
        self.category = options.category
        self.list_id = options.list_id
        self.names = EntryKind.DOMAIN if (options.names or names) is NamesAs.DOMAIN else EntryKind.HOST
        self._folders = options.folders

    def entry(self, kind: EntryKind, text: str) -> Entry:
        """Return an entry of the list.

        Raises:
            Refusal: a database cannot hold it.
        """
        made = Entry(kind, text, self.category, self.list_id)
        if why := refusal(made):
            raise Refusal(why)
        return made

    def item(self, written: bytes) -> Entry:
        """Return the entry for a name, IP address or web address.

        Raises:
            Refusal: it is none, or what it says cannot be an entry.
        """
        scheme = _SCHEME.match(written)
        if scheme is None:
            _check_shape(written)
            if b"/" not in written and b"?" not in written:
                return self.host(written)
        address = self.parse(written)
        folder = self._folders and address.query is None and address.path.endswith("/")
        return self.entry(EntryKind.PREFIX if folder else EntryKind.EXACT, listed_text(address))

    def host(self, written: bytes) -> Entry:
        """Return the entry for a name or an IP address; `*.name` and `.name` are the name with those below it.

        Raises:
            Refusal: it is none.
        """
        plain = _IPV4.fullmatch(written)
        if plain is not None:
            return Entry(EntryKind.HOST, _somewhere(plain[1].decode("ascii")), self.category, self.list_id)
        name = written[1:] if written.startswith(b"*.") else written
        below = name.startswith(b".")
        address = self.parse(name[1:] if below else name)
        kind = EntryKind.DOMAIN if below else self.names
        if is_ip(address.host) or address.port is not None:
            # An address has no names below it; what is told of one port is told of this host.
            kind = EntryKind.HOST
        return self.entry(kind, _listed_host(address))

    def parse(self, written: bytes) -> Address:
        """Return a listed address.

        Raises:
            Refusal: it is no web address, or its host is none that can be asked for.
        """
        try:
            address = canonical(written)
        except AddressError as error:
            raise Refusal(f"no web address: {error.what}") from None
        host = address.host
        if is_ip(host):
            _somewhere(host)
        elif not _NAME.fullmatch(host) or len(host) > MAX_HOST:
            raise Refusal("no host name" if "." in host else "a name without a dot")
        return address


def listed_text(address: Address) -> str:
    """Return host, path and query as an entry has them: without the port."""
    return str(Address(address.host, address.path, address.query))


def checked_length(line: bytes) -> bytes:
    """Return a line.

    Raises:
        Refusal: it is longer than a line may be.
    """
    if len(line) > MAX_LINE:
        raise Refusal("the line is too long")
    return line


def _somewhere(address: str) -> str:
    if _NOWHERE.fullmatch(address):
        raise Refusal("an address that no request leaves the machine for")
    return address


def _listed_host(address: Address) -> str:
    return str(Address(address.host, ""))


def _check_shape(written: bytes) -> None:
    """Refuse what has no scheme and would be misread as an address."""
    if written.startswith(b"/"):
        raise Refusal("a path without a host")
    if _SUBNET.fullmatch(written):
        raise Refusal("a subnet; entries are single addresses")
    if b"@" in written.partition(b"/")[0]:
        raise Refusal("a user name before the host")
    if b"*" in written.removeprefix(b"*."):
        raise Refusal("a wildcard inside an address")
