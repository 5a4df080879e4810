import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from xxhash import xxh3_128_digest

from hyperward.webscan.address import Address
from hyperward.webscan.database import Database, DatabaseError, build, open_database
from hyperward.webscan.database.layout import HEADER, Header, pack_header, unpack_header
from hyperward.webscan.database.model import Entry, EntryKind

DOMAIN, HOST, PREFIX, EXACT = EntryKind
ENTRIES = [
    *(Entry(DOMAIN, f"d{n}.example", "malicious", f"l{n % 3}", str(n)) for n in range(20)),
    *(Entry(PREFIX, f"p{n}.example/f/", "phishing", "l1") for n in range(10)),
    *(Entry(EXACT, f"e{n}.example:80/f/x?q", "phishing", "l1") for n in range(10)),
]
ADDRESSES = [Address(entry.text.partition("/")[0].partition(":")[0], "/f/x", "q") for entry in ENTRIES]


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("good") / "a"
    build(ENTRIES, path, version="1")
    return path.read_bytes()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("damaged")


def opened(folder: Path, data: bytes) -> Database:
    path = folder / "a"
    path.unlink(missing_ok=True)
    path.write_bytes(data)
    return open_database(path)


def signed(header: Header, body: bytes) -> bytes:
    """Return a file whose checksums are right, whatever it contains."""
    return pack_header(replace(header, body=xxh3_128_digest(body))) + body


def used(database: Database) -> None:
    """Use all of a database that may say anything but must not do anything else."""
    with database:
        for address in ADDRESSES:
            try:
                for match in database.lookup(address):
                    assert match.entry.text.startswith(address.host)
            except DatabaseError:
                pass
        try:
            for _ in database.entries():
                pass
        except DatabaseError:
            pass


def test_the_good_file_is_good(folder: Path, good: bytes) -> None:
    with opened(folder, good) as database:
        assert set(database.entries()) == set(ENTRIES)
        assert all(database.lookup(address) for address in ADDRESSES)


def test_any_cut_is_refused(folder: Path, good: bytes) -> None:
    header = unpack_header(good[:HEADER])
    borders = [
        HEADER,
        header.filter_at,
        header.first_at,
        header.where_at,
        header.prints_at,
        header.records_at,
        header.size,
    ]
    assert header.size == len(good)
    for length in {0, 1, *range(0, len(good), 7), *borders[:-1], *(one - 1 for one in borders)}:
        with pytest.raises(DatabaseError):
            opened(folder, good[:length])


@pytest.mark.parametrize("more", [b"\0", b"x" * 5000])
def test_anything_behind_the_end_is_refused(folder: Path, good: bytes, more: bytes) -> None:
    with pytest.raises(DatabaseError, match="should have"):
        opened(folder, good + more)


def test_every_flipped_bit_is_refused(folder: Path, good: bytes) -> None:
    for place in range(len(good)):
        damaged = bytearray(good)
        damaged[place] ^= 1 << place % 8
        with pytest.raises(DatabaseError):
            opened(folder, bytes(damaged))


@given(data=st.binary(max_size=600))
def test_any_bytes_are_refused(folder: Path, data: bytes) -> None:
    with pytest.raises(DatabaseError):
        opened(folder, data)


def test_a_header_of_another_format_says_so(folder: Path, good: bytes) -> None:
    other = bytearray(good)
    other[8] = 9
    other[HEADER - 16 : HEADER] = xxh3_128_digest(bytes(other[: HEADER - 16]))
    with pytest.raises(DatabaseError, match="format 9"):
        opened(folder, bytes(other))


@given(data=st.data())
def test_absurd_numbers_are_refused_though_the_checksum_is_right(
    folder: Path, good: bytes, data: st.DataObject
) -> None:
    header = unpack_header(good[:HEADER])
    u64 = st.one_of(st.integers(0, 200), st.sampled_from([2**31, 2**32 - 1, 2**48, 2**63, 2**64 - 1]))
    field = data.draw(st.sampled_from(["filter_bits", "bucket_bits", "count", "names", "records"]))
    value = data.draw(st.integers(0, 255) if field.endswith("bits") else u64)
    if getattr(header, field) == value:
        return
    changed: dict[str, Any] = {field: value}
    with pytest.raises(DatabaseError):
        opened(folder, signed(replace(header, **changed), good[HEADER:]))


@given(data=st.data())
def test_a_false_file_with_right_checksums_does_no_harm(folder: Path, good: bytes, data: st.DataObject) -> None:
    header = unpack_header(good[:HEADER])
    body = bytearray(good[HEADER:])
    for _ in range(data.draw(st.integers(1, 20))):
        start = data.draw(
            st.sampled_from([0, header.first_at - HEADER, header.where_at - HEADER, header.records_at - HEADER])
        )
        place = start + data.draw(st.integers(0, 400))
        some = data.draw(st.one_of(st.binary(min_size=1, max_size=8), st.just(b"\xff" * 8), st.just(bytes(8))))
        body[place : place + len(some)] = some
    body = body[: len(good) - HEADER].ljust(len(good) - HEADER, b"\0")
    changes: dict[str, Any] = {
        "seed": data.draw(st.sampled_from([header.seed, 1])),
        "longest": data.draw(st.sampled_from([header.longest, 0, 2**64 - 1])),
        "labels": data.draw(st.sampled_from([header.labels, 0, 2**128 - 1])),
        "depths": data.draw(st.sampled_from([header.depths, 2**64 - 1])),
    }
    try:
        database = opened(folder, signed(replace(header, **changes), bytes(body)))
    except DatabaseError:
        return
    used(database)


def test_names_that_are_none_are_refused(folder: Path, good: bytes) -> None:
    header = unpack_header(good[:HEADER])
    for names in (b"", b"[]", b"\xff", b'{"version":"","categories":[],"list_ids":[],"about":{}}', b'{"version":1}'):
        padded = names.ljust(header.names)
        body = padded + good[HEADER + header.names :]
        with pytest.raises(DatabaseError, match="names"):
            opened(folder, signed(header, body))


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="No such file"):
        open_database(tmp_path / "a")


def test_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", Path("/dev/zero"), Path("/dev/null")):
        with pytest.raises(DatabaseError, match="not a file"):
            open_database(path)


def test_refusals_leave_no_descriptor_open(folder: Path, good: bytes) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for length in (0, 100, len(good) - 1):
        with pytest.raises(DatabaseError):
            opened(folder, good[:length])
    with pytest.raises(DatabaseError):
        opened(folder, good[:-1] + b"\xff")
    opened(folder, good).close()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_records_that_are_cut_off_later_are_an_error_and_not_the_end(folder: Path, good: bytes) -> None:
    with opened(folder, good) as database:
        os.truncate(folder / "a", unpack_header(good[:HEADER]).records_at)
        with pytest.raises(DatabaseError, match="cut short after it was opened"):
            database.lookup(ADDRESSES[0])
        with pytest.raises(DatabaseError):
            list(database.entries())
        assert database.lookup(Address("other.example")) == ()


@given(data=st.data())
def test_a_file_that_is_changed_in_place_does_no_harm(folder: Path, good: bytes, data: st.DataObject) -> None:
    database = opened(folder, good)
    with (folder / "a").open("r+b") as file:
        for _ in range(data.draw(st.integers(1, 10))):
            file.seek(data.draw(st.integers(0, len(good) - 64)))
            file.write(data.draw(st.one_of(st.binary(min_size=1, max_size=64), st.just(b"\xff" * 64))))
    used(database)


def test_a_file_that_is_replaced_or_removed_stays_as_it_was(tmp_path: Path) -> None:
    build(ENTRIES, tmp_path / "a", version="1")
    with open_database(tmp_path / "a") as database:
        build([], tmp_path / "a", version="2")
        assert database.lookup(ADDRESSES[0])[0].version == "1"
        (tmp_path / "a").unlink()
        assert set(database.entries()) == set(ENTRIES)


def test_lookups_need_no_numpy() -> None:
    program = "import sys, hyperward.webscan.database; sys.exit('numpy' in sys.modules)"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", program], check=True, env=environment)
