"""The expressions under which a database may list an address: host suffixes by path prefixes.

Safe Browsing ("URLs and Hashing", suffix/prefix expressions): up to five hosts, the exact one and those of the last
five labels by removing the leading one, never a single label; up to six paths, the exact one with and without its
query and the first four of its folders, from the root.
"""

from typing import Final

from hyperward.webscan.address.model import Address
from hyperward.webscan.address.numbers import is_ip

HOST_SUFFIXES: Final = 5
PATH_PREFIXES: Final = 6
_LABELS: Final = 5
_FOLDERS: Final = 4


def host_suffixes(host: str) -> tuple[str, ...]:
    """Return a canonical host and the domains that hold it, the longest first; at most `HOST_SUFFIXES`."""
    labels = host.rsplit(".", _LABELS)
    if len(labels) <= 2 or is_ip(host):  # noqa: PLR2004 - a domain of one label is not looked up
        return (host,)
    suffix = f"{labels[-2]}.{labels[-1]}"
    found = [suffix]
    for label in labels[-3:0:-1]:
        suffix = f"{label}.{suffix}"
        found.append(suffix)
    found.append(host)
    found.reverse()
    return tuple(found[:HOST_SUFFIXES])


def path_prefixes(path: str, query: str | None) -> tuple[str, ...]:
    """Return a canonical path and the folders that hold it, the most exact first; at most `PATH_PREFIXES`.

    Args:
        path: begins with `/`; empty where the path is not known, which has no prefix.
        query: without `?`; None when there is none.
    """
    if not path:
        return ()
    found = [path] if query is None else [f"{path}?{query}", path]
    folders: list[str] = []
    end = path.find("/") + 1
    while end and len(folders) < _FOLDERS:
        folders.append(path[:end])
        end = path.find("/", end) + 1
    if folders[-1] == path:
        folders.pop()
    found.extend(reversed(folders))
    return tuple(found)


def expressions(address: Address) -> tuple[str, ...]:
    """Return the host and path texts under which an address may be listed, the most exact first.

    A port is no part of them. An address whose path is not known has none: only its host can be looked up.
    """
    paths = path_prefixes(address.path, address.query)
    return tuple(
        f"[{host}]{path}" if ":" in host else f"{host}{path}" for host in host_suffixes(address.host) for path in paths
    )
