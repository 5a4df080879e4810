"""What entries mean, written as plainly as possible, and made-up entries and addresses that often meet each other."""

from collections.abc import Iterable
from ipaddress import ip_address

from hypothesis import strategies as st

from hyperward.webscan.address.model import Address
from hyperward.webscan.database.model import Entry, EntryKind


def parts(entry: Entry) -> tuple[str, str]:
    """Return host, without brackets and port, and path with query of an entry."""
    host, slash, rest = entry.text.partition("/")
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    return host, slash + rest


def stands_for(entry: Entry, address: Address) -> bool:
    """Tell whether an entry stands for an address."""
    host, path = parts(entry)
    itself = address.host == host
    below = itself or (not _is_ip(address.host) and address.host.endswith("." + host))
    whole = address.path if address.query is None else f"{address.path}?{address.query}"
    meets = bool(address.path) and path in {whole, address.path}
    folder = path.endswith("/") and "?" not in path and address.path.startswith(path)
    match entry.kind:
        case EntryKind.DOMAIN:
            return below
        case EntryKind.HOST:
            return itself
        case EntryKind.PREFIX:
            return below and (meets or folder)
        case EntryKind.EXACT:
            return itself and meets


def _is_ip(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def find(entries: Iterable[Entry], address: Address) -> list[Entry]:
    """Return the distinct entries that stand for an address, the most exact first."""

    def exactness(entry: Entry) -> tuple[object, ...]:
        host, path = parts(entry)
        return (
            -entry.kind,
            -len(host),
            -len(path),
            entry.category,
            entry.list_id,
            entry.entry_id,
            entry.text,
        )

    return sorted({entry for entry in entries if stands_for(entry, address)}, key=exactness)


_LABEL = st.sampled_from(["a", "b", "www", "x-1", "%20", "com", "1", "_"])
_NAME = st.lists(_LABEL, min_size=1, max_size=8).map(".".join).filter(lambda name: not name.replace(".", "").isdigit())
_IP = st.sampled_from(["1.2.3.4", "11.2.3.4", "2001:db8::1", "::"])
HOSTS = st.one_of(_NAME, _NAME, _NAME, _IP)
_SEGMENT = st.sampled_from(["a", "b", "c.html", "%25", ";", "~"])
PATHS = st.builds(
    lambda segments, end: "/" + "/".join(segments) + (end if segments else ""),
    st.lists(_SEGMENT, max_size=9),
    st.sampled_from(["", "/"]),
)
QUERIES = st.sampled_from([None, None, "", "x=1", "x=1/", "a?b"])
ADDRESSES = st.one_of(
    st.builds(Address, HOSTS, PATHS, QUERIES, st.sampled_from([None, 8080])),
    st.builds(Address, HOSTS, st.just("")),
)


def _entry(kind: EntryKind, address: Address, category: str, list_id: str, entry_id: str, *, bare: bool) -> Entry:
    if kind in {EntryKind.PREFIX, EntryKind.EXACT}:
        text = str(address) if address.path else f"{address}/"
    else:
        text = f"[{address.host}]" if ":" in address.host and not bare else address.host
    return Entry(kind, text, category, list_id, entry_id)


ENTRIES = st.builds(
    _entry,
    st.sampled_from(EntryKind),
    ADDRESSES,
    st.sampled_from(["malicious", "phishing", "our own"]),
    st.sampled_from(["l1", "l2", "ü"]),
    st.sampled_from(["", "", "17", "naïve"]),
    bare=st.booleans(),
)
LISTS = st.lists(ENTRIES, max_size=60)


def addresses_near(entries: list[Entry]) -> st.SearchStrategy[Address]:
    """Return addresses of which many are those of the entries, or below them."""
    if not entries:
        return ADDRESSES
    near = st.builds(
        _near,
        st.sampled_from(entries),
        st.sampled_from(["", "", "a.", "x.y.z.", "1."]),
        st.sampled_from(["", "", "/", "/a", "/b/c.html", "a"]),
        QUERIES,
    )
    return st.one_of(near, near, ADDRESSES)


def _near(entry: Entry, below: str, more: str, query: str | None) -> Address:
    host, path = parts(entry)
    path, _, own = path.partition("?")
    if below and not (":" in host or host == "1.2.3.4"):
        host = below + host
    path = (path + more).replace("//", "/")
    if path and not path.startswith("/"):
        path = "/" + path
    return Address(host, path, own or query if path else None)
