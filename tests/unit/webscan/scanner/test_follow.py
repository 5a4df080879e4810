import os
from collections.abc import Iterable
from pathlib import Path

import msgspec
import pytest

from hyperward.errors import InputError
from hyperward.webscan.address import Address, from_request
from hyperward.webscan.database import build
from hyperward.webscan.database.model import Entry, EntryKind
from hyperward.webscan.masks import MaskSet, parse_mask
from hyperward.webscan.protocols.model import Request, WebProtocol
from hyperward.webscan.scanner.follow import Follower, start_time
from hyperward.webscan.scanner.rules import Rules
from hyperward.webscan.scanner.status import ScannerStatus
from hyperward.webscan.settings import PortScan, ScannerSettings, WebAction, WebScan


class Followed:
    """A follower and what it took."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rules: list[Rules] = []
        self.follower = Follower(
            folder / "settings.json",
            folder / "scanner-0.json",
            self.rules.append,
            canonical=from_request,
            masks=masks,
            counters=lambda: {"blocked": 3},
        )

    def settings(self, version: int, *databases: str, scan: WebScan | None = None, which: int = 0) -> None:
        scan = scan or WebScan({"malicious": WebAction.BLOCK})
        made = ScannerSettings(version, "svm", databases, (scan,), {7: PortScan("vm", "policy", which)})
        self.raw(msgspec.json.encode(made))

    def raw(self, content: bytes) -> None:
        fresh = self.folder / "fresh"
        fresh.write_bytes(content)
        fresh.replace(self.folder / "settings.json")
        self.follower.look()

    def status(self) -> ScannerStatus:
        return msgspec.json.decode((self.folder / "scanner-0.json").read_bytes(), type=ScannerStatus)

    def blocks(self, host: bytes) -> bool:
        request = Request(WebProtocol.HTTP, host, b"/")
        return self.rules[-1].ports[7].judge.judge(request, bytes(4)).block


def masks(texts: Iterable[str]) -> MaskSet:
    return MaskSet([parse_mask(text) for text in texts])


@pytest.fixture
def followed(tmp_path: Path) -> Followed:
    return Followed(tmp_path)


def database(folder: Path, name: str, host: str) -> str:
    build([Entry(EntryKind.HOST, host, "malicious", "list")], folder / name, version=name)
    return str(folder / name)


def test_nothing_happens_without_a_file(followed: Followed) -> None:
    followed.follower.look()
    assert followed.rules == []


def test_settings_are_followed_once(followed: Followed, tmp_path: Path) -> None:
    followed.settings(1, database(tmp_path, "v1", "evil.test"))
    followed.follower.look()
    assert [rules.version for rules in followed.rules] == [1]
    assert followed.blocks(b"evil.test")
    assert not followed.blocks(b"good.test")
    status = followed.status()
    assert (status.pid, status.started) == (os.getpid(), start_time(os.getpid()))
    assert (status.settings_version, status.error) == (1, "")
    assert status.databases == {str(tmp_path / "v1"): "v1"}
    assert status.counters == {"blocked": 3}
    followed.follower.close()


def test_another_database_takes_over_and_the_old_one_is_closed(followed: Followed, tmp_path: Path) -> None:
    first, second = database(tmp_path, "v1", "evil.test"), database(tmp_path, "v2", "next.test")
    followed.settings(1, first)
    followed.settings(2, first, second)
    assert followed.blocks(b"evil.test")
    assert followed.blocks(b"next.test")
    followed.settings(3, second)
    assert not followed.blocks(b"evil.test")
    assert followed.status().databases == {second: "v2"}
    (old,) = [rules for rules in followed.rules if rules.version == 1]
    with pytest.raises(ValueError, match="closed"):
        old.ports[7].judge.judge(Request(WebProtocol.HTTP, b"other.test", b"/"), bytes(4))
    followed.follower.close()


def test_a_database_replaced_under_the_same_name_is_opened_again(followed: Followed, tmp_path: Path) -> None:
    path = database(tmp_path, "v1", "evil.test")
    followed.settings(1, path)
    build([Entry(EntryKind.HOST, "next.test", "malicious", "list")], tmp_path / "v1", version="v1b")
    followed.settings(2, path)
    assert followed.blocks(b"next.test")
    assert followed.status().databases == {path: "v1b"}
    followed.follower.close()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "truncated"),
        (b"[]", "object"),
        (b'{"version":2}', "svm"),
        (b'{"version":2,"svm":"a","scans":[{"categories":{},"block_page":"{{nothing}}"}]}', "nothing"),
        (b'{"version":2,"svm":"a","scans":[{"categories":{},"never_block":["bad mask!"]}]}', "mask"),
        (b'{"version":2,"svm":"a","ports":{"7":{"vm":"a","policy":"b","scan":3}}}', "no settings 3"),
        (b'{"version":2,"svm":"a","surprise":1}', "surprise"),
    ],
)
def test_a_bad_file_changes_nothing_but_is_said(followed: Followed, tmp_path: Path, content: bytes, why: str) -> None:
    followed.settings(1, database(tmp_path, "v1", "evil.test"))
    followed.raw(content)
    assert len(followed.rules) == 1
    assert followed.blocks(b"evil.test")
    status = followed.status()
    assert status.settings_version == 1
    assert why in status.error
    followed.settings(3)
    assert followed.status().error == ""
    followed.follower.close()


def damage(path: str) -> None:
    """Put a damaged file in the place of another, as an update would."""
    broken = Path(f"{path}.broken")
    broken.write_bytes(Path(path).read_bytes()[:100])
    broken.replace(path)


@pytest.mark.parametrize("how", ["damaged", "missing", "a folder"])
def test_a_database_that_cannot_be_opened_holds_up_no_other(followed: Followed, tmp_path: Path, how: str) -> None:
    good, bad = database(tmp_path, "v1", "evil.test"), tmp_path / "v2"
    if how == "damaged":
        damage(database(tmp_path, "v2", "next.test"))
    elif how == "a folder":
        bad.mkdir()
    followed.settings(1, str(bad), good)
    assert followed.blocks(b"evil.test")
    status = followed.status()
    assert (status.settings_version, status.databases, list(status.unusable)) == (1, {good: "v1"}, [str(bad)])
    assert status.error == status.unusable[str(bad)]
    assert str(bad) in status.error
    followed.follower.close()


@pytest.mark.parametrize("how", ["damaged", "missing"])
def test_what_was_open_stays_until_its_replacement_is_mended(followed: Followed, tmp_path: Path, how: str) -> None:
    path = database(tmp_path, "v1", "evil.test")
    followed.settings(1, path)
    if how == "damaged":
        damage(path)
    else:
        Path(path).unlink()
    followed.settings(2, path, scan=WebScan({"malicious": WebAction.BLOCK}, never_block=("other.test",)))
    assert followed.blocks(b"evil.test")
    status = followed.status()
    assert (status.settings_version, status.databases) == (2, {path: "v1"})
    assert "version v1 is still used" in status.error
    build([Entry(EntryKind.HOST, "next.test", "malicious", "list")], Path(path), version="v3")
    followed.settings(3, path)
    assert (followed.blocks(b"next.test"), followed.blocks(b"evil.test")) == (True, False)
    assert (followed.status().error, followed.status().unusable) == ("", {})
    followed.follower.close()


def test_a_database_overwritten_while_it_is_open_holds_up_no_other(followed: Followed, tmp_path: Path) -> None:
    bad, good = database(tmp_path, "v1", "evil.test"), database(tmp_path, "v2", "next.test")
    followed.settings(1, bad, good)
    with Path(bad).open("r+b") as file:
        file.truncate(file.seek(0, os.SEEK_END) - 1)
    assert followed.blocks(b"next.test")
    assert not followed.blocks(b"evil.test")
    followed.follower.look()
    assert list(followed.status().unusable) == [bad]
    followed.settings(2, bad, good)
    assert followed.status().databases == {good: "v2"}
    assert followed.blocks(b"next.test")
    followed.follower.close()


def test_masks_and_addresses_meet(followed: Followed, tmp_path: Path) -> None:
    scan = WebScan({"malicious": WebAction.BLOCK}, never_block=("evil.test",))
    followed.settings(1, database(tmp_path, "v1", "evil.test"), scan=scan)
    assert not followed.blocks(b"evil.test")
    followed.follower.close()


def test_errors_of_addresses_are_ours() -> None:
    with pytest.raises(InputError):
        from_request(b"", b"/")
    assert isinstance(from_request(b"a.test", None), Address)
