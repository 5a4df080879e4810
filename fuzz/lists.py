"""Fuzz target: lists of web addresses in every format and compression."""

import bz2
import gzip
import lzma

from hyperward.errors import InputError
from hyperward.webscan.database.limits import refusal
from hyperward.webscan.lists.columns import parse_columns
from hyperward.webscan.lists.model import MAX_REASONS, Columns, ListFormat, ListOptions, NamesAs, ReadReport
from hyperward.webscan.lists.read import read_list
from scratch_file import ScratchFile

_FILE = ScratchFile("list")
_MAPS: tuple[Columns | None, ...] = (
    None,
    parse_columns("address=1,id=2"),
    parse_columns("host=host,path=3"),
    parse_columns("address=url,category=threat"),
)
_PLAIN = b"# names\nevil.example\n*.bad.example\n.worse.example\n192.0.2.7\n[2001:db8::7]:80\nhttp://a.example/x?y#z\n"
_HOSTS = b"127.0.0.1 localhost\n0.0.0.0 evil.example www.evil.example # both\n:: six.example\n192.0.2.1 c.example\n"
_ADBLOCK = (
    b"[Adblock Plus 2.0]\n! title\n||evil.example^\n||a.example/x/*\n@@||good.evil.example^$document\n"
    b"|https://b.example/y|\nc.example##.ad\n/banner[0-9]/\n||d.example^$third-party\n"
)
_CSV = b'# id,url,threat\n"1","http://evil.example/a,b",malware\r\n"2","http://[2001:db8::1]/",phishing\n3,x.example,\n'
_COLUMNS = b"host;rank;path\na.example;1;/x\nb.example;2;\n\xff.example;3;?q\n"

TOKENS = (
    b"||",
    b"@@||",
    b"^",
    b"$",
    b"$all",
    b"##",
    b"*",
    b'"',
    b'""',
    b",",
    b";",
    b"\t",
    b"|",
    b"#",
    b"!",
    b"0.0.0.0 ",
    b"http://",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"url,id\n",
    b"x" * 300,
    b".",
    b"/a/" * 70,
    b"\x1f\x8b\x08",
    b"BZh9",
    b"\xfd7zXZ\x00",
)
SEEDS = (
    _PLAIN,
    _HOSTS,
    _ADBLOCK,
    _CSV,
    _COLUMNS,
    _PLAIN.replace(b"\n", b"\r\n"),
    gzip.compress(_PLAIN, mtime=0) + gzip.compress(_HOSTS, mtime=0),
    bz2.compress(_HOSTS),
    lzma.compress(_ADBLOCK) + bytes(4) + lzma.compress(_PLAIN),
)


def target(data: bytes) -> None:
    """Read the bytes in the format that they tell and in one more; every entry can be in a database."""
    path = _FILE.write(data)
    chosen = sum(data[:64])
    forms = (ListFormat.AUTO, tuple(ListFormat)[1 + chosen % (len(ListFormat) - 1)])
    for form in forms:
        options = ListOptions(
            category="malicious",
            list_id="list",
            format=form,
            names=(None, *NamesAs)[chosen % 3],
            folders=bool(chosen & 1),
            columns=_MAPS[chosen % len(_MAPS)] if form is ListFormat.CSV else None,
        )
        report = ReadReport("list")
        count = 0
        try:
            for entry in read_list(path, options, report):
                count += 1
                if why := refusal(entry):
                    raise AssertionError(f"{entry} cannot be in a database: {why}")
        except InputError as error:
            if not str(error).isprintable():
                raise AssertionError("the refusal shows what cannot be printed") from error
        if report.entries != count or len(report.reasons) > MAX_REASONS + 1:
            raise AssertionError(f"{report} of {count} entries")
        if not all(line.text.isprintable() and line.reason.isprintable() for line in report.shown):
            raise AssertionError("a refused line shows what cannot be printed")
