"""Fuzz target: web addresses as the lines in which they are signed."""

from hyperward.databases.entrylines import parse_entries, parse_line, print_entries, print_entry
from hyperward.databases.manifest import EntriesFile, content_id
from hyperward.errors import InputError
from scratch_file import ScratchFile

_FILE = ScratchFile("list.addresses")

TOKENS = (b"D ", b"H ", b"P ", b"E ", b"\t", b"\n", b"/", b":80", b"[::1]", b"?", b"\r\n", b"\xff", b"a" * 260)
SEEDS = (
    b"D evil.example\nD evil2.example\tid 17\nE a.example/x?y\nH 192.0.2.7\nH [2001:db8::7]:80\nP a.example/x/\t1\n",
    b"D a.example\n",
    b"",
    b"E b.example/%2F~\nE b.example:8080/\n",
)


def target(data: bytes) -> None:
    """Read the bytes as a file: refused, or entries that are printed as the same bytes."""
    path = _FILE.write(data)
    file = EntriesFile("l.addresses", content_id(data), len(data), "malicious", "list", data.count(b"\n"), "s", "CC0")
    try:
        entries = list(parse_entries(path, file))
    except InputError:
        entries = []
    else:
        if print_entries(entries) != data:
            raise AssertionError("the entries are printed as other bytes")
    for line in data.split(b"\n"):
        try:
            entry = parse_line(line, category="malicious", list_id="list")
        except ValueError:
            continue
        if print_entry(entry).encode() != line:
            raise AssertionError(f"{entry} is printed as another line")
