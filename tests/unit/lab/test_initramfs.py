import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperward.errors import SystemFault
from hyperward.lab.cpio import Entry, archive, character_device, file, folder, symlink
from hyperward.lab.initramfs import find_busybox, initramfs_entries

names = st.from_regex(r"[a-z]{1,12}(/[a-z]{1,12}){0,2}", fullmatch=True)


def parse(data: bytes) -> list[Entry]:
    """Read an archive back, as cpio(5) describes `newc`."""
    entries: list[Entry] = []
    at = 0
    while True:
        assert data[at : at + 6] == b"070701"
        values = [int(data[at + 6 + 8 * n : at + 14 + 8 * n], 16) for n in range(13)]
        mode, size, name_size = values[1], values[6], values[11]
        name = data[at + 110 : at + 110 + name_size - 1].decode()
        at += (110 + name_size + 3) // 4 * 4
        if name == "TRAILER!!!":
            assert at == len(data)
            return entries
        entries.append(Entry(name, mode, data[at : at + size], (values[9], values[10])))
        at += (size + 3) // 4 * 4


@given(st.lists(st.builds(file, names, st.binary(max_size=200), executable=st.booleans()), max_size=6))
def test_an_archive_reads_back(entries: list[Entry]) -> None:
    assert parse(archive(entries)) == entries


def test_every_type_reads_back() -> None:
    entries = [folder("d"), file("d/f", b"x"), symlink("d/l", "f"), character_device("c", 5, 1)]
    assert parse(archive(entries)) == entries


@pytest.mark.skipif(shutil.which("cpio") is None, reason="no cpio here")
def test_cpio_itself_reads_it() -> None:
    data = archive([folder("d"), file("d/f", b"x")])
    listing = subprocess.run(["cpio", "-t", "--quiet"], input=data, capture_output=True, check=True).stdout
    assert listing == b"d\nd/f\n"


def test_the_root_file_system_has_what_the_vm_needs() -> None:
    modules = {"b.ko": b"b", "a.ko": b"a"}
    members = {entry.name: entry for entry in initramfs_entries(b"busybox", modules, {"etc/x": b"extra"})}
    assert members["init"].data.startswith(b"#!/bin/busybox sh\n")
    assert all(members[name].mode & 0o111 for name in ("init", "bin/busybox", "bin/hw-console", "bin/hw-ssh"))
    assert members["modules/order"].data == b"b.ko\na.ko\n"
    assert members["modules/a.ko"].data == b"a"
    assert members["etc/x"].data == b"extra"
    assert b"Hyperward lab" in members["www/index.html"].data
    assert stat.S_ISCHR(members["dev/console"].mode)
    for name in members:
        parent = str(Path(name).parent)
        assert parent == "." or stat.S_ISDIR(members[parent].mode)


def test_a_busybox_with_shared_libraries_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SystemFault, match="is missing"):
        find_busybox()
    program = tmp_path / "busybox"
    program.write_bytes(b"\x7fELF...../lib64/ld-linux-x86-64.so.2\0")
    program.chmod(0o755)
    with pytest.raises(SystemFault, match="shared libraries"):
        find_busybox()
    program.write_bytes(b"\x7fELF")
    assert find_busybox() == program
