"""What the address database costs: `python bench/address_database.py [ENTRIES]`, by default with 5 million for memory.

Prints, each with its ratio to the limit: the seconds of building a million entries; the microseconds of a lookup with
all its expressions for addresses that no list has, that have an entry, and that are deep (many labels, many folders,
on hosts with entries for paths), both in the best of some rounds; the resident bytes of a process after many lookups;
and the milliseconds of a switch to another version while another thread looks addresses up. Where the real lists are,
beside the checkout, it says how many addresses of a popularity list meet an entry of the largest of them.
"""

import lzma
import os
import random
import sys
import tarfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

from hyperward.webscan.address import Address, canonical_host
from hyperward.webscan.address.errors import AddressError
from hyperward.webscan.database import Database, build, open_database
from hyperward.webscan.database.limits import refusal
from hyperward.webscan.database.model import Entry, EntryKind

MILLION = 1_000_000
RESIDENT_ENTRIES = 5_000_000
LIMIT_BUILD_S = 5.0
LIMIT_LOOKUP_US = 20.0
LIMIT_RESIDENT = 64_000_000
LIMIT_RESIDENT_PER_ENTRY = 12.0
LIMIT_SWITCH_MS = 100.0
LOOKUPS = 200_000
ROUNDS = 3
SWITCHES = 10
DATA = Path(os.environ.get("HYPERWARD_SHARED", Path(__file__).resolve().parents[2] / "shared")) / "data" / "addresses"
_DOMAIN, _HOST, _PREFIX, _EXACT = EntryKind
_KINDS = (_DOMAIN, _DOMAIN, _DOMAIN, _DOMAIN, _DOMAIN, _DOMAIN, _HOST, _HOST, _PREFIX, _EXACT)


def host(number: int) -> str:
    """Return a made-up host; every number has its own."""
    scrambled = number * 2_654_435_761 % (1 << 32)
    return f"{('www.', '', 'cdn.mail.', '')[number % 4]}{scrambled:08x}.example{number % 97}.com"


def entry(number: int, version: int = 0) -> Entry:
    """Return a made-up entry; one of a hundred differs between two versions."""
    kind = _KINDS[number % 10]
    path = {_PREFIX: "/wp-content/uploads/", _EXACT: f"/files/{number}/setup.exe"}.get(kind, "")
    entry_id = str(number + version if number % 100 == 0 else number)
    return Entry(kind, host(number) + path, "malicious", f"list{number % 7}", entry_id)


def entries(count: int, version: int = 0) -> Iterator[Entry]:
    """Return made-up entries."""
    return (entry(number, version) for number in range(count))


def unlisted(number: int) -> Address:
    """Return an ordinary address that has no entry."""
    return Address(f"static.shop{number}.example.org", f"/products/{number}/index.html", "page=2")


def listed(number: int) -> Address:
    """Return the address of an entry, with its path."""
    one = entry(number)
    name, slash, path = one.text.partition("/")
    return Address(name, slash + path or "/")


def deep(number: int) -> Address:
    """Return an address far below a host with an entry for a folder: every expression is looked up."""
    return Address("a.b.c.d." + host(number * 10 + 8), "/wp-content/uploads/2/3/4/5/6/x.php", f"id={number}")


def build_seconds(path: Path) -> float:
    """Return the seconds of building a million entries that are there already, as a reader of lists gives them."""
    million = list(entries(MILLION))
    begun = time.perf_counter()
    build(million, path, version="1")
    return time.perf_counter() - begun


def lookup_us(database: Database, addresses: Sequence[Address]) -> tuple[float, float]:
    """Return the mean microseconds of a lookup in the best round, and the part of the addresses that had entries."""
    lookup, took = database.lookup, []
    for _ in range(ROUNDS):
        met = 0
        begun = time.perf_counter()
        for address in addresses:
            if lookup(address):
                met += 1
        took.append(time.perf_counter() - begun)
    return min(took) / len(addresses) * 1e6, met / len(addresses)


def resident(path: Path) -> int:
    """Return the bytes of the file's mapping that are resident in this process (`/proc/self/smaps`)."""
    total, ours = 0, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        word = line.split()
        if "-" in word[0]:
            ours = line.endswith(str(path))
        elif ours and word[0] == "Rss:":
            total += int(word[1]) * 1024
    return total


def measure_lookups(path: Path, count: int) -> None:
    """Print times of lookups and what they make resident; in a process of its own."""
    random_ = random.Random(1)  # noqa: S311 - the same numbers each time
    with open_database(path) as database:
        for what, made, most in (
            ("no entry", unlisted, MILLION),
            ("an entry", listed, count),
            ("deep", deep, count // 10),
        ):
            addresses = [made(random_.randrange(most)) for _ in range(LOOKUPS)]
            took, met = lookup_us(database, addresses)
            print(f"lookup, {what + ':':10s} {took:6.2f} us, {took / LIMIT_LOOKUP_US:.2f} of the limit; {met:.0%} met")
        used = resident(path)
        each = used / count
        print(f"resident with {count} entries: {used / 1e6:.1f} MB, {used / LIMIT_RESIDENT:.2f} of the limit")
        print(f"  {each:.2f} bytes an entry, {each / LIMIT_RESIDENT_PER_ENTRY:.2f} of the limit; the file: ", end="")
        print(f"{path.stat().st_size / 1e6:.0f} MB")


def measure_switch(paths: tuple[Path, Path]) -> None:
    """Print the times of switching between two versions while another thread looks addresses up."""
    current = open_database(paths[0])
    addresses = [unlisted(number) if number % 4 else listed(number) for number in range(10_000)]
    stop, gap, done = threading.Event(), 0.0, 0

    def look_up() -> None:
        nonlocal gap, done
        last = time.perf_counter()
        while not stop.is_set():
            for address in addresses:
                current.lookup(address)
                now = time.perf_counter()
                gap, last = max(gap, now - last), now
                done += 1

    thread = threading.Thread(target=look_up)
    thread.start()
    times = []
    try:
        for number in range(SWITCHES):
            begun = time.perf_counter()
            old, current = current, open_database(paths[(number + 1) % 2])
            old.close()
            times.append((time.perf_counter() - begun) * 1e3)
    finally:
        stop.set()
        thread.join()
        current.close()
    worst = max(times)
    print(f"switch: {sorted(times)[len(times) // 2]:.0f} ms, at worst {worst:.0f} ms, ", end="")
    print(f"{worst / LIMIT_SWITCH_MS:.2f} of the limit; longest gap between {done} lookups {gap * 1e3:.1f} ms")


def real_lists() -> Iterator[Entry]:
    """Return the names of the largest of the real lists, as domains."""
    with tarfile.open(DATA / "maltrail-trails-2026-08.tar.xz") as archive:
        for member in archive:
            file = archive.extractfile(member)
            for line in file or ():
                name = line.partition(b"#")[0].strip().rpartition(b",")[2]
                if b"." not in name or b"/" in name or b":" in name:
                    continue
                try:
                    one = Entry(_DOMAIN, canonical_host(name), "malicious", Path(member.name).stem)
                except AddressError:
                    continue
                if not refusal(one):
                    yield one


def measure_real(folder: Path) -> None:
    """Print what the real lists come to."""
    read = list(real_lists())
    begun = time.perf_counter()
    report = build(read, folder / "real.hwa", version="real")
    print(
        f"real lists: {report.count} entries, {report.duplicates} twice, in {time.perf_counter() - begun:.1f} s; ",
        end="",
    )
    print(f"{report.mapped / max(report.count, 1):.2f} bytes an entry mapped")
    with lzma.open(DATA / "benign-tranco-1m-2025-01.txt.xz", "rt") as file:
        popular = [Address(line.strip().rpartition(",")[2], "/") for line in file]
    with open_database(folder / "real.hwa") as database:
        took, met = lookup_us(database, popular)
        print(f"  {len(popular)} popular hosts: {took:.2f} us each, {met:.2%} have an entry")
        took, met = lookup_us(database, [Address("www." + one.text, "/") for one in read])
        print(f"  all listed hosts with www.: {took:.2f} us each, {met:.2%} have an entry")


def alone(work: Callable[..., None], *arguments: object) -> None:
    """Run in a fresh process, so that its memory is its own."""
    process = get_context("spawn").Process(target=work, args=arguments)
    process.start()
    process.join()
    if process.exitcode:
        raise SystemExit(process.exitcode)


def main() -> None:
    """Measure and print."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else RESIDENT_ENTRIES
    with TemporaryDirectory(prefix="hw-addresses-") as name:
        folder = Path(name)
        took = min(build_seconds(folder / "million.hwa") for _ in range(ROUNDS))
        print(f"build of {MILLION} entries: {took:.2f} s, {took / LIMIT_BUILD_S:.2f} of the limit", flush=True)
        paths = folder / "one.hwa", folder / "two.hwa"
        for version, path in enumerate(paths):
            build(entries(count, version), path, version=str(version))
        alone(measure_lookups, paths[0], count)
        alone(measure_switch, paths)
        if DATA.is_dir():
            alone(measure_real, folder)


if __name__ == "__main__":
    main()
