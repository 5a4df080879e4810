"""Fuzz target: files of address databases, damaged, and damaged with checksums that are right again."""

from xxhash import xxh3_128_digest

from address_oracle import stands_for
from hyperward.webscan.address.model import Address
from hyperward.webscan.database import DatabaseError, build, open_database
from hyperward.webscan.database.layout import HEADER, Header, pack_header, unpack_header
from hyperward.webscan.database.model import Entry, EntryKind
from hyperward.webscan.database.order import exactness
from scratch_file import ScratchFile

_FILE = ScratchFile("address.db")
_ADDRESSES = (
    Address("evil.example", ""),
    Address("www.evil.example", "/a/b.html", "x=1"),
    Address("a.b.c.evil.example", "/a/b/c/"),
    Address("192.0.2.7", "/x"),
    Address("2001:db8::7", "/"),
    Address("good.example", "/a/"),
)
_ENTRIES = (
    Entry(EntryKind.DOMAIN, "evil.example", "malicious", "one", "17"),
    Entry(EntryKind.HOST, "www.evil.example", "phishing", "two"),
    Entry(EntryKind.PREFIX, "evil.example/a/", "malicious", "one"),
    Entry(EntryKind.EXACT, "www.evil.example/a/b.html?x=1", "other", "two", "na\xefve"),
    Entry(EntryKind.HOST, "192.0.2.7", "malicious", "one"),
    Entry(EntryKind.EXACT, "[2001:db8::7]:8080/", "malicious", "one"),
    *(Entry(EntryKind.DOMAIN, f"n{number}.example", "malicious", "one") for number in range(20)),
)
_HEADERS: dict[bytes, Header] = {}


def _built(count: int) -> bytes:
    path = _FILE.path.with_name("seed")
    build(_ENTRIES[:count], path, version=f"v{count}", lists={"one": "a list"} if count else {})
    data = path.read_bytes()
    path.unlink()
    return data


TOKENS = (b"\xff\xff\xff\xff", b"\x00\x00\x00\x00\x00\x00\x00\x01", b"evil.example", b"\x00\x00\x00\x00\x0c\x00\x00")
SEEDS = tuple(map(_built, (0, 1, 6, len(_ENTRIES))))


def target(data: bytes) -> None:
    """Open the bytes as they are, then with their checksums and lengths put right."""
    if _look(data) and data not in SEEDS:
        raise AssertionError("a damaged file is taken")
    _look(_sealed(data))


def _look(data: bytes) -> bool:
    """Tell whether the file opens; what it then finds for an address stands for it by its text, in order."""
    try:
        database = open_database(_FILE.write(data))
    except DatabaseError:
        return False
    with database:
        for address in _ADDRESSES:
            try:
                entries = [match.entry for match in database.lookup(address)]
            except DatabaseError:
                continue
            for entry in entries:
                if not stands_for(entry, address):
                    raise AssertionError(f"{entry} does not stand for {address}")
            if entries != sorted(entries, key=exactness):
                raise AssertionError(f"{entries} are not in order")
        try:
            if sum(1 for _ in database.entries()) != database.count:
                raise AssertionError("another number of entries")
        except DatabaseError:
            pass
    return True


def _sealed(data: bytes) -> bytes:
    """Return the file as a hostile publisher would: with numbers that its length allows, and right checksums."""
    head, body = data[:HEADER], data[HEADER:]
    padded = head[:-16].ljust(HEADER - 16, b"\0")
    try:
        header = unpack_header(padded + xxh3_128_digest(padded))
    except ValueError:
        return b""
    records = max(0, len(data) - header.records_at)
    fields = {name: getattr(header, name) for name in Header.__slots__} | {
        "records": records,
        "body": xxh3_128_digest(body),
    }
    return pack_header(Header(**fields)) + body
