"""The hosts that are asked for, and those that the databases hold."""

import random
from collections.abc import Iterator
from pathlib import Path

from address_database import entries, entry
from hyperward.webscan.database import build
from hyperward.webscan.database.model import Entry, EntryKind

LISTED_HOST = "listed.bench.example"
CLEAN_HOSTS = 4096


def clean_host(number: int) -> str:
    """Return an ordinary host that no database lists."""
    return f"{('www', 'static', 'api', 'cdn.eu')[number % 4]}.shop{number}.example"


def write_clean(path: Path) -> Path:
    """Write the hosts of the requests of all loads, one a line."""
    path.write_text("".join(f"{clean_host(number)}\n" for number in range(CLEAN_HOSTS)))
    return path


def write_listed(path: Path, count: int, lines: int) -> Path:
    """Write hosts of entries from all over a database with `count` entries, one a line."""
    chance = random.Random(1)  # noqa: S311 - the same ones each time
    picked = (entry(chance.randrange(count)).text.partition("/")[0] for _ in range(lines))
    path.write_text("".join(f"{host}\n" for host in picked))
    return path


def listed_hosts(count: int) -> Iterator[str]:
    """Return the hosts of so many entries, and the one that each guard is tried with."""
    yield LISTED_HOST
    for one in entries(count):
        yield one.text.partition("/")[0]


def build_of(path: Path, count: int) -> Path:
    """Build a database with so many entries, and one for `LISTED_HOST`."""

    def every() -> Iterator[Entry]:
        yield Entry(EntryKind.HOST, LISTED_HOST, "malicious", "bench", "1")
        yield from entries(count - 1)

    build(every(), path, version=f"bench-{count}")
    return path
