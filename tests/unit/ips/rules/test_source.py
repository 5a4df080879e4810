import gzip
import io
import lzma
import os
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperward.errors import InputError
from hyperward.ips.rules.limits import Limits
from hyperward.ips.rules.lines import rules_of
from hyperward.ips.rules.rule import LocatedRule, RuleProblem
from hyperward.ips.rules.source import read_rules

RULE = b'alert tcp any any -> any any (msg:"%d"; sid:%d; rev:1;)\n'


def rule(sid: int) -> bytes:
    return RULE % (sid, sid)


def tar_bytes(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def zip_bytes(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


PACKERS: dict[str, Callable[[dict[str, bytes]], bytes]] = {
    "feed.tar": tar_bytes,
    "feed.tar.gz": lambda files: gzip.compress(tar_bytes(files)),
    "feed.tgz": lambda files: gzip.compress(tar_bytes(files)),
    "feed.tar.xz": lambda files: lzma.compress(tar_bytes(files)),
    "feed.zip": zip_bytes,
}


def places(found: tuple[LocatedRule, ...]) -> list[tuple[str, int, int]]:
    return [(located.file, located.line, located.rule.id.sid) for located in found]


def test_lines_comments_continuations_and_junk() -> None:
    content = (
        b"\xef\xbb\xbf# a comment that ends with a backslash \\\r\n"
        b"\r\n" + rule(1).replace(b"\n", b"\r\n") + b"#" + rule(2) + b"## alert is a word; (that comments use)\n"
        b'alert tcp any any -> any any (msg:"3"; \\\n   content:"a \\\r\n b"; \\\nsid:3;)\n'
        b"  junk\n" + rule(4).rstrip(b"\n")
    )
    found = list(rules_of(content, "x.rules"))
    assert [(each.rule.id.sid, each.line, each.rule.enabled) for each in found if isinstance(each, LocatedRule)] == [
        (1, 3, True),
        (2, 4, False),
        (3, 6, True),
        (4, 11, True),
    ]
    assert [str(each) for each in found if isinstance(each, RuleProblem)] == [
        "x.rules:10: not of the form: action protocol address port -> address port (options) (character 1)"
    ]
    third = found[2]
    assert isinstance(third, LocatedRule)
    assert 'content:"a  b";' in third.rule.text


def test_an_unfinished_continuation_is_looked_at() -> None:
    found = list(rules_of(rule(1).rstrip(b"\n") + b"\\\n", "x.rules"))
    assert [type(each) for each in found] == [LocatedRule]


def test_an_endless_continuation_is_refused() -> None:
    found = list(rules_of(b"alert tcp \\\n" + b"any \\\n" * 100_000 + rule(2), "x.rules"))
    assert len(found) == 1
    assert isinstance(found[0], RuleProblem)
    assert "longer than the engine reads" in found[0].reason


@given(st.binary(max_size=400))
def test_any_bytes_give_rules_or_problems(content: bytes) -> None:
    for found in rules_of(content, "x"):
        assert found.line >= 1


def test_a_file(tmp_path: Path) -> None:
    path = tmp_path / "a.rules"
    path.write_bytes(rule(1) + b"junk\n")
    read = read_rules([path])
    assert places(read.rules) == [("a.rules", 1, 1)]
    assert [(problem.file, problem.line) for problem in read.problems] == [("a.rules", 2)]


def test_a_folder_in_the_emerging_threats_layout(tmp_path: Path) -> None:
    (tmp_path / "et" / "rules").mkdir(parents=True)
    (tmp_path / "et" / "rules" / "b.rules").write_bytes(rule(2))
    (tmp_path / "et" / "rules" / "a.rules").write_bytes(rule(1))
    (tmp_path / "et" / "rules" / "classification.config").write_text("config classification: x,y,1")
    assert places(read_rules([tmp_path / "et"]).rules) == [("et:rules/a.rules", 1, 1), ("et:rules/b.rules", 1, 2)]


@pytest.mark.parametrize("name", PACKERS)
def test_an_archive(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(PACKERS[name]({"rules/a.rules": rule(1) + rule(2), "rules/LICENSE": b"text", "sid-msg.map": b"1"}))
    assert places(read_rules([path]).rules) == [(f"{name}:rules/a.rules", 1, 1), (f"{name}:rules/a.rules", 2, 2)]


@pytest.mark.parametrize("packer", PACKERS)
@pytest.mark.parametrize("member", ["../a.rules", "/etc/a.rules", "x/../../a.rules", "..\\a.rules"])
def test_names_that_leave_the_folder_are_refused(tmp_path: Path, packer: str, member: str) -> None:
    path = tmp_path / packer
    path.write_bytes(PACKERS[packer]({"ok.rules": rule(1), member: rule(2)}))
    with pytest.raises(InputError, match="leaves the folder"):
        read_rules([path])


@pytest.mark.parametrize("packer", PACKERS)
def test_bombs_are_refused(tmp_path: Path, packer: str) -> None:
    path = tmp_path / packer
    bomb = b"# " + b"0" * (1 << 20)
    path.write_bytes(PACKERS[packer]({f"{number}.rules": bomb for number in range(8)}))
    with pytest.raises(InputError, match="larger than"):
        read_rules([path], Limits(file_bytes=1 << 18))
    with pytest.raises(InputError, match="expands to more than"):
        read_rules([path], Limits(total_bytes=4 << 20))


@pytest.mark.parametrize("packer", ["feed.tar.gz", "feed.tar.xz"])
def test_a_bomb_in_a_member_that_is_not_read_is_refused_too(tmp_path: Path, packer: str) -> None:
    path = tmp_path / packer
    path.write_bytes(PACKERS[packer]({"a.rules": rule(1), "big.bin": bytes(8 << 20), "b.rules": rule(2)}))
    with pytest.raises(InputError, match="expands to more than"):
        read_rules([path], Limits(total_bytes=4 << 20))


@pytest.mark.parametrize("packer", PACKERS)
def test_too_many_members_are_refused(tmp_path: Path, packer: str) -> None:
    path = tmp_path / packer
    path.write_bytes(PACKERS[packer]({f"{number}.txt": b"" for number in range(20)}))
    with pytest.raises(InputError, match="more than 10 members"):
        read_rules([path], Limits(members=10))


@pytest.mark.parametrize("packer", PACKERS)
@pytest.mark.parametrize("keep", [0, 30, 0.5])
def test_broken_archives_are_refused(tmp_path: Path, packer: str, keep: float) -> None:
    path = tmp_path / packer
    content = PACKERS[packer]({"a.rules": os.urandom(5000)})
    path.write_bytes(content[: int(keep * len(content)) if isinstance(keep, float) else keep])
    with pytest.raises(InputError):
        read_rules([path])


def damaged_zips() -> dict[str, bytes]:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("a.rules", rule(1))
    good = buffer.getvalue()
    end = good.rindex(b"PK\x05\x06")
    directory = good.index(b"PK\x01\x02")
    return {
        "a directory before the file": good[: end + 12] + b"\xff\x0f\x00\x00" + good[end + 16 :],
        "a stream that is none": good.replace(b"BZh", b"BZx"),
        "a name that is not UTF-8": good[: directory + 9] + b"\x08" + good[directory + 10 :].replace(b"a.", b"\xff."),
    }


@pytest.mark.parametrize("case", damaged_zips())
def test_a_damaged_zip_is_told_as_a_broken_archive(tmp_path: Path, case: str) -> None:
    path = tmp_path / "feed.zip"
    path.write_bytes(damaged_zips()[case])
    with pytest.raises(InputError, match=r"feed\.zip: a broken archive \("):
        read_rules([path])


@given(st.binary(max_size=300))
def test_any_bytes_as_an_archive_are_refused(content: bytes) -> None:
    with TemporaryDirectory() as folder:
        for name in PACKERS:
            path = Path(folder) / name
            path.write_bytes(content)
            with pytest.raises(InputError):
                read_rules([path])


def test_links_and_devices_of_an_archive_are_left_alone(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        link = tarfile.TarInfo("link.rules")
        link.type = tarfile.SYMTYPE
        link.linkname = "/etc/passwd"
        archive.addfile(link)
        device = tarfile.TarInfo("device.rules")
        device.type = tarfile.CHRTYPE
        archive.addfile(device)
    (tmp_path / "feed.tar").write_bytes(buffer.getvalue())
    with pytest.raises(InputError, match=r"no \.rules file"):
        read_rules([tmp_path / "feed.tar"])


@pytest.mark.parametrize("suffix", ["x.rules", "feed.tar.gz", "feed.zip", "folder"])
def test_what_is_missing_is_named(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(InputError, match=suffix) as caught:
        read_rules([tmp_path / suffix])
    assert caught.value.exit_code == 2


def test_limits_of_files_and_rules(tmp_path: Path) -> None:
    path = tmp_path / "a.rules"
    path.write_bytes(b"".join(rule(sid) for sid in range(1, 30)))
    with pytest.raises(InputError, match="larger than 100 bytes"):
        read_rules([path], Limits(file_bytes=100))
    with pytest.raises(InputError, match="more than 20 rules"):
        read_rules([path], Limits(rules=20))
    with pytest.raises(InputError, match="more than 100 bytes of rules"):
        read_rules([tmp_path], Limits(total_bytes=100))


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.rules")
    with pytest.raises(InputError, match="not a regular file"):
        read_rules([tmp_path / "a.rules"])
