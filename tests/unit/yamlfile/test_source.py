import os
from pathlib import Path

import pytest

from hyperward.yamlfile import FileErrors, read_text


def refusal(path: Path, max_bytes: int = 1024) -> str:
    with pytest.raises(FileErrors) as caught:
        read_text(path, max_bytes=max_bytes)
    assert caught.value.exit_code == 2
    assert len(caught.value.items) == 1
    line = caught.value.line()
    assert "\n" not in line
    return line.removeprefix(str(path))


def test_reads_utf8(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_bytes("a: Zürich\r\nb: \t東京\n".encode())
    assert read_text(file, max_bytes=1024) == "a: Zürich\r\nb: \t東京\n"


def test_missing_file(tmp_path: Path) -> None:
    assert refusal(tmp_path / "no.yaml") == ": no such file; create it or correct the path"


def test_folder(tmp_path: Path) -> None:
    assert refusal(tmp_path) == ": is a folder, not a file; give a regular file"


def test_fifo_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    assert refusal(tmp_path / "fifo") == ": is a pipe, socket or device, not a file; give a regular file"


def test_device() -> None:
    assert "is a pipe, socket or device" in refusal(Path("/dev/zero"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_unreadable(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.touch(mode=0)
    assert refusal(file) == ": permission denied; make it readable for the user that runs this"


def test_name_too_long_for_the_system(tmp_path: Path) -> None:
    assert "cannot be opened: File name too long" in refusal(tmp_path / ("a" * 5000))


def test_null_byte_in_the_name() -> None:
    assert "cannot be opened" in refusal(Path("a\0b"))


def test_file_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    assert "cannot be opened: Not a directory" in refusal(tmp_path / "a" / "b")


def test_symlink_loop(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "a")
    assert "cannot be opened: Too many levels of symbolic links" in refusal(tmp_path / "a")


def test_size_limit_is_inclusive(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_bytes(b"#" * 1024)
    assert len(read_text(file, max_bytes=1024)) == 1024
    file.write_bytes(b"#" * 1025)
    assert refusal(file) == ": has 1025 bytes, more than the 1024 allowed; make it smaller"


def test_50_megabytes(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    with file.open("wb") as sparse:
        sparse.truncate(50_000_000)
    assert refusal(file, 1 << 20) == ": has 50000000 bytes, more than the 1048576 allowed; make it smaller"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"\xef\xbb\xbfa: 1", ": starts with a byte order mark; save it as UTF-8 without BOM"),
        ("a: 1".encode("utf-16"), ": is UTF-16, not UTF-8 text; save it as UTF-8"),
        (b"a: 1\nb: \xff", ":2:4: byte 0xff is not UTF-8; save it as UTF-8 text"),
        (b"a\0b", ":1:2: invisible character U+0000; remove it; the file must be plain text"),
        (b"\x7fELF\x02\x01", ":1:1: invisible character U+007F; remove it; the file must be plain text"),
        ("é: 1\r\nb: x\u2028y".encode(), ":2:5: invisible character U+2028; remove it; the file must be plain text"),
        ("a: \u202e1".encode(), ":1:4: invisible character U+202E; remove it; the file must be plain text"),
        ("a: 1\n\ufeff".encode(), ":2:1: invisible character U+FEFF; remove it; the file must be plain text"),
        ("a: \x85".encode(), ":1:4: invisible character U+0085; remove it; the file must be plain text"),
    ],
)
def test_binary_and_other_encodings(tmp_path: Path, content: bytes, expected: str) -> None:
    file = tmp_path / "a.yaml"
    file.write_bytes(content)
    assert refusal(file) == expected
