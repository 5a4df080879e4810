"""List files: their format, compression, damage and bounds; and the real lists, whole."""

import bz2
import gzip
import lzma
import os
import tarfile
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from hyperward.errors import InputError
from hyperward.webscan.lists import lines as list_lines
from hyperward.webscan.lists.lines import MAX_LINE, read_lines
from hyperward.webscan.lists.model import ListFormat, ReadReport
from hyperward.webscan.lists.read import read_list
from list_cases import options, read
from shared_data import shared_data


@pytest.mark.parametrize(
    ("content", "form"),
    [
        ("", ListFormat.PLAIN),
        ("# only comments\n", ListFormat.PLAIN),
        ("a.example\n/x\nb.example # why\n", ListFormat.PLAIN),
        ("http://a.example/x,y\nhttp://b.example/\n", ListFormat.PLAIN),
        ("127.0.0.1 localhost\n0.0.0.0 a.example\n", ListFormat.HOSTS),
        ("! Title\na.example\n", ListFormat.ADBLOCK),
        ("[Adblock Plus]\n", ListFormat.ADBLOCK),
        ("||a.example^\n", ListFormat.ADBLOCK),
        ("# x\nDomain,Malware\na.example,x\n", ListFormat.CSV),
        ('# id,date,url\n"1","2","http://a.example"\n', ListFormat.CSV),
    ],
)
def test_detection(tmp_path: Path, content: str, form: ListFormat) -> None:
    assert read(tmp_path, content)[1].format is form


@pytest.mark.parametrize(
    "content", ["a.example,1\nb.example,2\n", "a.example\t1\n", "some words here\n", "\x00\x01 \xff x"]
)
def test_lines_that_do_not_tell_their_format(tmp_path: Path, content: str) -> None:
    with pytest.raises(InputError, match=r"list.txt: its lines do not tell its format; say it with --format"):
        read(tmp_path, content)


def test_a_map_of_columns_says_that_it_is_csv(tmp_path: Path) -> None:
    assert read(tmp_path, "a.example\t1\n", options(columns="address=1"))[0] == ["DOMAIN a.example"]


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress, bz2.compress])
def test_compressed(tmp_path: Path, pack: "type[bytes]") -> None:
    text = "".join(f"h{number}.example\n" for number in range(60_000)).encode()
    assert len(read(tmp_path, pack(text))[0]) == 60_000
    assert read(tmp_path, pack(b"a.example\n") + pack(b"b.example"))[0] == ["DOMAIN a.example", "DOMAIN b.example"]
    with pytest.raises(InputError, match=r"list.txt: cannot be read: .+; fetch it again"):
        read(tmp_path, pack(text)[:-300])


def test_byte_order_marks(tmp_path: Path) -> None:
    assert read(tmp_path, b"\xef\xbb\xbfa.example\n")[0] == ["DOMAIN a.example"]
    for encoding in ("utf-16", "utf-16-le", "utf-16-be"):
        with pytest.raises(InputError, match="it is UTF-16; convert it to UTF-8"):
            read(tmp_path, "a.example\n".encode(encoding))


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no such file"):
        list(read_list(tmp_path / "x", options(), ReadReport("x")))
    with pytest.raises(InputError, match="cannot be read: Is a directory"):
        list(read_list(tmp_path, options(), ReadReport("x")))


def test_an_endless_line_is_cut_and_the_next_one_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"a\n" + b"x" * 3_000_000 + b"\nb\n" + b"y" * 1_000_000)
    report = ReadReport("x")
    assert [len(line) for line in read_lines(path, report)] == [1, MAX_LINE + 1, 1, MAX_LINE + 1]
    assert report.position == report.size == path.stat().st_size


@pytest.mark.parametrize(
    "size", [pytest.param(64 << 20, id="64 MB"), pytest.param(1 << 30, id="1 GB", marks=pytest.mark.long)]
)
def test_a_line_of_any_length_takes_the_memory_of_a_short_one(tmp_path: Path, size: int) -> None:
    path = tmp_path / "x"
    with path.open("wb") as file:
        file.write(b"a.example\n")
        file.truncate(size)
        file.seek(0, os.SEEK_END)
        file.write(b"\nb.example\n")
    report = ReadReport("x")
    tracemalloc.start()
    try:
        found = [entry.text for entry in read_list(path, options(ListFormat.PLAIN), report)]
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found == ["a.example", "b.example"]
    assert [(line.line, line.reason) for line in report.shown] == [(2, "the line is too long")]
    assert most < 4 << 20


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress, bz2.compress])
def test_a_bomb_ends_at_the_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pack: Callable[[bytes], bytes]
) -> None:
    monkeypatch.setattr(list_lines, "MAX_SIZE", 1 << 20)
    path = tmp_path / "x.packed"
    path.write_bytes(pack(bytes(1 << 24)))
    with pytest.raises(InputError, match="it has more than 1048576 bytes; split it"):
        list(read_lines(path, ReadReport("x")))


def test_a_dictionary_of_gigabytes_is_refused(tmp_path: Path) -> None:
    content = bytearray(lzma.compress(b"a.example\n"))
    # The first block header, with its length before and its CRC32 behind it (xz file format, sections 3.1 and 5.3.1).
    begin = 12
    end = begin + (content[begin] + 1) * 4
    content[content.index(b"\x21\x01", begin) + 2] = 40
    content[end - 4 : end] = zlib.crc32(content[begin : end - 4]).to_bytes(4, "little")
    path = tmp_path / "x.xz"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"cannot be read: .*[Mm]emory"):
        list(read_lines(path, ReadReport("x")))


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "form", "columns", "entries", "refused_lines"),
    [
        ("urlhaus-adblock-2025-07-19.txt.xz", ListFormat.ADBLOCK, "", 31_822, 0),
        ("urlhaus-hosts-2022-03-14.txt.xz", ListFormat.HOSTS, "", 6_096, 1),
        ("urlhaus-hosts-2025-07-19.txt.xz", ListFormat.HOSTS, "", 2_689, 0),
        ("urlhaus-online-2025-07-19.csv", ListFormat.CSV, "", 6_363, 0),
        ("urlhaus-full-addresses-2021-01-03.tsv.xz", ListFormat.CSV, "address=1,id=2", 12_308, 0),
        ("blocklistproject-phishing-nl.txt.xz", ListFormat.PLAIN, "", 190_215, 0),
        ("blocklistproject-scam-hosts.txt.xz", ListFormat.HOSTS, "", 8_527, 0),
        ("blackbook-2024-09.csv.xz", ListFormat.CSV, "", 18_151, 0),
        ("ipsum-addresses.txt.xz", ListFormat.CSV, "address=1", 120_430, 0),
    ],
)
def test_real_lists(name: str, form: ListFormat, columns: str, entries: int, refused_lines: int) -> None:
    report = ReadReport(name)
    found = sum(1 for _ in read_list(shared_data(f"addresses/{name}"), options(columns=columns), report))
    assert (report.format, found, report.refused) == (form, entries, refused_lines)


@pytest.mark.shared
def test_real_lists_of_1_6_million_lines(tmp_path: Path) -> None:
    path = tmp_path / "trails.txt"
    with tarfile.open(shared_data("addresses/maltrail-trails-2026-08.tar.xz")) as archive, path.open("wb") as file:
        for member in archive:
            unpacked = archive.extractfile(member) if member.name.endswith(".txt") else None
            if unpacked is not None:
                with unpacked:
                    file.write(unpacked.read() + b"\n")
    report = ReadReport("trails")
    found = sum(1 for _ in read_list(path, options(ListFormat.PLAIN), report))
    assert found > 1_500_000
    assert report.refused < 100_000
    assert report.reasons["a path without a host"] > 80_000
    assert report.refused - report.reasons["a path without a host"] < 2_000
