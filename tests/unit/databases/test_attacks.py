"""The attacks of the TUF specification (section 1.5.2) by name, from a folder and from a web server.

After each: the error says what it is, no file is handed out, what was fetched before is untouched, and the next try
with a repository in order succeeds.
"""

import gzip
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tuf.api.metadata import Metadata, TargetFile

from database_repos import NOW, Publisher, long_ago
from database_server import Server, endless, serving, trickle, trickling_head
from hyperward.databases.client.fetch import FetchedVersion, fetch_version
from hyperward.databases.client.http import HttpOptions
from hyperward.databases.client.metadata import init_trust
from hyperward.databases.client.watch import Limits
from hyperward.databases.errors import (
    DamagedError,
    EndlessError,
    FrozenError,
    MixedError,
    RolledBackError,
    SlowSourceFault,
    SourceFault,
    TamperedError,
    UntrustedError,
    WrongKeyError,
)
from hyperward.databases.held import Held
from hyperward.databases.manifest import content_id
from hyperward.databases.repository.advance import advance
from hyperward.databases.repository.folder import MANIFEST, to_bytes
from hyperward.databases.repository.keys import create_key
from hyperward.databases.repository.roles import RoleKeys
from hyperward.databases.repository.trust import stage_next_root
from hyperward.errors import HyperwardError, InputError

HOSTS = [f"host-{number:03}.example" for number in range(500)]
LIMITS = Limits(connect=2.0, gap=2.0, rate=2000.0, window=0.3, total=5.0)


class Site:
    """A publisher, and a reader that has version 1."""

    def __init__(self, folder: Path, *, served: bool, server: Server) -> None:
        self.folder = folder
        self.server = server
        self.publisher = Publisher(folder / "publisher")
        self.live = self.publisher.repository.folder
        server.folder = self.live
        self.source = server.address if served else str(self.live)
        init_trust(folder / "trust", self.publisher.initialise())
        self.publisher.publish(1, HOSTS)
        self.first = self.fetch()

    @property
    def metadata(self) -> Path:
        return self.live / "metadata"

    def fetch(self) -> FetchedVersion:
        return fetch_version(
            self.folder / "trust", self.source, self.folder / "cache", options=HttpOptions(limits=LIMITS, proxy="none")
        )

    def saved(self, name: str) -> Path:
        """Return a copy of the repository as it is now."""
        shutil.copytree(self.live, self.folder / name)
        return self.folder / name

    def restore(self, saved: Path) -> None:
        shutil.rmtree(self.live)
        shutil.copytree(saved, self.live)

    def refused(self, kind: type[HyperwardError], match: str) -> None:
        before = {path: path.read_bytes() for path in self.first.files.values()}
        with pytest.raises(kind, match=match) as caught:
            self.fetch()
        assert type(caught.value) is kind
        assert "\n" not in caught.value.line()
        assert caught.value.where
        assert caught.value.hint
        assert {path: path.read_bytes() for path in before} == before

    def succeeds(self, version: int) -> None:
        assert self.fetch().manifest.version == version


@pytest.fixture(params=["folder", "web server"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    with serving(tmp_path) as server:
        yield Site(tmp_path, served=request.param == "web server", server=server)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Site]:
    with serving(tmp_path) as server:
        yield Site(tmp_path, served=True, server=server)


def test_arbitrary_software(site: Site) -> None:
    good = site.saved("good")
    other = Publisher(site.folder / "other")
    other.initialise()
    other.publish(1, HOSTS)
    other.publish(2, ["evil.example"])
    site.restore(other.repository.folder)
    site.refused(WrongKeyError, "timestamp.json is not signed by the keys")
    site.restore(good)
    site.publisher.publish(2, HOSTS[1:])
    site.succeeds(2)


@pytest.mark.parametrize("name", ["timestamp.json", "3.snapshot.json", "3.targets.json"])
def test_tampered_metadata(site: Site, name: str) -> None:
    site.publisher.publish(2, HOSTS[1:])
    good = site.saved("good")
    path = site.metadata / name
    raw = json.loads(path.read_bytes())
    raw["signed"]["expires"] = "2999-01-01T00:00:00Z"
    path.write_bytes(json.dumps(raw, separators=(",", ":")).encode())
    site.refused(WrongKeyError if name == "timestamp.json" else TamperedError, name)
    path.write_bytes(b"{" * 10)
    site.refused(TamperedError, name)
    site.restore(good)
    site.succeeds(2)


def test_tampered_root(site: Site) -> None:
    stage_next_root(site.publisher.repository, {}, now=NOW, expiry=site.publisher.expiry)
    site.publisher.advance()
    good = site.saved("good")
    path = site.metadata / "2.root.json"
    path.write_bytes(path.read_bytes().replace(b'"threshold":1', b'"threshold":2', 1))
    site.refused(WrongKeyError, "root.json")
    site.restore(good)
    site.succeeds(1)


@pytest.mark.parametrize("what", ["manifest", "content"])
def test_tampered_targets(site: Site, what: str) -> None:
    # all other hosts, so that no delta pays
    site.publisher.publish(2, [f"other-{number}.example" for number in range(500)])
    good = site.saved("good")
    targets: Metadata[Any] = site.publisher.repository.numbered("targets", 3)
    for target in targets.signed.targets.values():
        if (target.path == MANIFEST) == (what == "manifest"):
            path = site.live / "targets" / target.get_prefixed_paths()[0]
            raw = bytearray(path.read_bytes())
            raw[len(raw) // 2] ^= 1
            path.write_bytes(raw)
    site.refused(TamperedError, "is not the file that was signed")
    site.restore(good)
    site.succeeds(2)


@pytest.mark.parametrize("what", ["timestamp", "snapshot"])
def test_rollback(site: Site, what: str) -> None:
    old = site.saved("old")
    site.publisher.publish(2, HOSTS[1:])
    site.succeeds(2)
    site.first = site.fetch()
    good = site.saved("good")
    if what == "timestamp":
        site.restore(old)
    else:
        _resign_old_targets(site)
    site.refused(RolledBackError, "is older than what was seen before")
    site.restore(good)
    if what == "snapshot":
        # the thief's timestamp counts as seen: the publisher passes it by
        for _ in range(2):
            site.publisher.advance(renew=["snapshot", "timestamp"])
    site.succeeds(2)


def _resign_old_targets(site: Site) -> None:
    """With the snapshot and timestamp keys in hand, show the targets of before."""
    repository = site.publisher.repository
    current, signers = repository.current(), site.publisher.signers()
    assert current.snapshot
    assert current.timestamp
    snapshot, timestamp = current.snapshot, current.timestamp
    snapshot.signed.version += 1
    snapshot.signed.meta["targets.json"].version -= 1
    old = (site.metadata / f"{snapshot.signed.meta['targets.json'].version}.targets.json").read_bytes()
    snapshot.signed.meta["targets.json"].length = len(old)
    snapshot.signed.meta["targets.json"].hashes = {"sha256": content_id(old)}
    snapshot.sign(signers[2])
    raw = to_bytes(snapshot)
    (site.metadata / f"{snapshot.signed.version}.snapshot.json").write_bytes(raw)
    timestamp.signed.version += 1
    timestamp.signed.snapshot_meta.version += 1
    timestamp.signed.snapshot_meta.length = len(raw)
    timestamp.signed.snapshot_meta.hashes = {"sha256": content_id(raw)}
    timestamp.sign(signers[3])
    (site.metadata / "timestamp.json").write_bytes(to_bytes(timestamp))


def test_rollback_of_a_version_under_valid_metadata(site: Site) -> None:
    site.publisher.publish(2, HOSTS[1:])
    site.succeeds(2)
    with pytest.raises(RolledBackError, match="offers version 2, version 3 is active"):
        fetch_version(site.folder / "trust", site.source, site.folder / "cache", held=Held(3))


def test_freeze(site: Site) -> None:
    frozen = Publisher(site.folder / "frozen")
    trust = init_trust(site.folder / "frozen-trust", frozen.initialise(now=long_ago(10)))
    assert len(trust) == 64
    shutil.rmtree(site.folder / "trust")
    shutil.copytree(site.folder / "frozen-trust", site.folder / "trust")
    site.restore(frozen.repository.folder)
    site.refused(FrozenError, "timestamp.json is expired")
    frozen.advance("timestamp", renew=["timestamp"])
    frozen.publish(1, HOSTS)
    site.restore(frozen.repository.folder)
    site.succeeds(1)


def test_mix_and_match(site: Site) -> None:
    site.publisher.publish(2, HOSTS[1:])
    good = site.saved("good")
    # the parts of another version under the names of this one; each is signed by the right keys
    for role in ("snapshot", "targets"):
        shutil.copyfile(site.metadata / f"2.{role}.json", site.metadata / f"3.{role}.json")
        site.refused(TamperedError, f"3.{role}.json is not the file that was signed")
        site.restore(good)
    site.succeeds(2)


def test_mix_and_match_without_hashes(site: Site) -> None:
    site.publisher.publish(2, HOSTS[1:])
    good = site.saved("good")
    current = site.publisher.repository.current()
    assert current.timestamp
    timestamp = current.timestamp
    timestamp.signed.version += 1
    timestamp.signed.snapshot_meta.length = timestamp.signed.snapshot_meta.hashes = None
    timestamp.sign(site.publisher.signers("timestamp")[0])
    (site.metadata / "timestamp.json").write_bytes(to_bytes(timestamp))
    shutil.copyfile(site.metadata / "2.snapshot.json", site.metadata / "3.snapshot.json")
    site.refused(MixedError, "3.snapshot.json is of another version")
    site.restore(good)
    timestamp.signed.version += 1
    timestamp.sign(site.publisher.signers("timestamp")[0])
    (site.metadata / "timestamp.json").write_bytes(to_bytes(timestamp))
    site.succeeds(2)


@pytest.mark.parametrize("name", ["timestamp.json", "2.root.json", "3.targets.json", ".manifest.json", "content/"])
def test_endless_data(served: Site, name: str) -> None:
    served.publisher.publish(2, [f"other-{number}.example" for number in range(500)])
    if name == "2.root.json":
        (served.metadata / name).write_bytes(b"{")
    served.server.answers[name] = endless
    served.refused(EndlessError, r"longer than it may be|goes on beyond")
    served.server.answers.clear()
    if name == "2.root.json":
        (served.metadata / name).unlink()
    served.succeeds(2)


@pytest.mark.parametrize("answer", [trickle, trickling_head])
@pytest.mark.parametrize("name", ["timestamp.json", "content/"])
def test_slow_retrieval(served: Site, name: str, answer: Callable[[Any, bytes], None]) -> None:
    served.publisher.publish(2, [f"other-{number}.example" for number in range(500)])
    served.server.answers[name] = answer
    served.refused(SlowSourceFault, "the server is too slow")
    served.server.answers.clear()
    served.succeeds(2)


def test_key_compromise_below_the_threshold(site: Site) -> None:
    repository, keys = site.publisher.repository, site.publisher.keys
    pair = (create_key(keys / "targets-1"), create_key(keys / "targets-2"), create_key(keys / "targets-3"))
    stage_next_root(repository, {"targets": RoleKeys(pair, 2)}, now=NOW, expiry=site.publisher.expiry)
    every: tuple[str, ...] = ("root", "targets", "snapshot", "timestamp", "targets-1", "targets-2")
    assert site.publisher.advance(*every).missing == ()
    site.succeeds(1)
    good = site.saved("good")
    current = repository.current()
    assert current.targets
    # the thief has one targets key, and even the online keys
    stolen = current.targets
    stolen.signed.version += 1
    stolen.sign(site.publisher.signers("targets-1")[0])
    raw = to_bytes(stolen)
    (site.metadata / f"{stolen.signed.version}.targets.json").write_bytes(raw)
    assert current.snapshot
    assert current.timestamp
    snapshot, timestamp = current.snapshot.signed, current.timestamp.signed
    snapshot.version += 1
    snapshot.meta["targets.json"].version, snapshot.meta["targets.json"].length = stolen.signed.version, len(raw)
    snapshot.meta["targets.json"].hashes = {"sha256": content_id(raw)}
    current.snapshot.sign(site.publisher.signers("snapshot")[0])
    raw = to_bytes(current.snapshot)
    (site.metadata / f"{snapshot.version}.snapshot.json").write_bytes(raw)
    timestamp.version += 1
    timestamp.snapshot_meta.version, timestamp.snapshot_meta.length = snapshot.version, len(raw)
    timestamp.snapshot_meta.hashes = {"sha256": content_id(raw)}
    current.timestamp.sign(site.publisher.signers("timestamp")[0])
    (site.metadata / "timestamp.json").write_bytes(to_bytes(current.timestamp))
    site.refused(WrongKeyError, r"targets.json is not signed .* by 1/2 keys")
    # the publisher takes the online keys out of the thief's hands, and the reader recovers
    site.restore(good)
    fresh = {role: RoleKeys((create_key(keys / f"{role}-fresh"),)) for role in ("snapshot", "timestamp")}
    stage_next_root(repository, fresh, now=NOW, expiry=site.publisher.expiry)
    every += ("snapshot-fresh", "timestamp-fresh")
    assert site.publisher.advance(*every).missing == ()
    site.succeeds(1)


def test_fast_forward_is_recovered_by_other_keys(site: Site) -> None:
    good = site.saved("good")
    current = site.publisher.repository.current()
    assert current.timestamp
    current.timestamp.signed.version = 2**40
    current.timestamp.sign(site.publisher.signers("timestamp")[0])
    (site.metadata / "timestamp.json").write_bytes(to_bytes(current.timestamp))
    site.succeeds(1)
    site.restore(good)
    site.refused(RolledBackError, "must be >= 1099511627776")
    fresh = create_key(site.publisher.keys / "fresh")
    stage_next_root(site.publisher.repository, {"timestamp": RoleKeys((fresh,))}, now=NOW, expiry=site.publisher.expiry)
    assert site.publisher.advance("root", "targets", "snapshot", "timestamp", "fresh").missing == ()
    site.succeeds(1)


def test_wrong_root(site: Site) -> None:
    other = Publisher(site.folder / "other")
    root = other.initialise()
    with pytest.raises(InputError, match="another root is trusted already"):
        init_trust(site.folder / "trust", root)
    site.succeeds(1)
    shutil.rmtree(site.folder / "trust")
    init_trust(site.folder / "trust", root)
    site.refused(WrongKeyError, "is not signed by the keys")


def test_a_root_that_is_none(tmp_path: Path) -> None:
    publisher = Publisher(tmp_path / "publisher")
    root = publisher.initialise()
    publisher.publish(1, HOSTS)
    timestamp = (publisher.repository.metadata / "timestamp.json").read_bytes()
    for raw in (b"", b"{}", timestamp, root.replace(b'"version":1', b'"version":7')):
        with pytest.raises(InputError, match="this is no root metadata"):
            init_trust(tmp_path / "trust", raw)
    with pytest.raises(InputError, match="no root is trusted yet"):
        fetch_version(tmp_path / "trust", str(publisher.repository.folder), tmp_path / "cache")
    init_trust(tmp_path / "trust", root)
    (tmp_path / "trust" / "root.json").write_bytes(root[:-10])
    with pytest.raises(DamagedError, match="the trusted root is damaged"):
        fetch_version(tmp_path / "trust", str(publisher.repository.folder), tmp_path / "cache")


def _signed_by_us(site: Site, change: Callable[[dict[str, Any]], None], content: bytes | None = None) -> None:
    """Publish a version whose manifest or content the library of the publisher would refuse to write."""
    repository = site.publisher.repository
    current = repository.current()
    assert current.targets
    targets = current.targets
    before = targets.signed.targets[MANIFEST]
    raw = msgspec.json.decode((site.live / "targets" / before.get_prefixed_paths()[0]).read_bytes())
    raw["version"] += 1
    change(raw)
    targets.signed.version += 1
    parts = {MANIFEST: msgspec.json.encode(raw) + b"\n"}
    if content is not None:
        parts[f"content/{raw['rules'][0]['sha256']}.gz"] = content
    for name, part in parts.items():
        target = TargetFile.from_data(name, part, ["sha256"])
        targets.signed.targets[name] = target
        (site.live / "targets" / target.get_prefixed_paths()[0]).write_bytes(part)
    targets.signatures.clear()
    repository.stage("targets", targets)
    done = advance(repository, site.publisher.signers(), now=NOW, expiry=site.publisher.expiry)
    assert done.missing == ()


def test_zip_bomb(site: Site) -> None:
    good = site.saved("good")
    _signed_by_us(
        site,
        lambda raw: raw["rules"][0].update(sha256=content_id(b"small"), size=5),
        gzip.compress(b"\0" * 50_000_000, mtime=0),
    )
    site.refused(EndlessError, "expands to more than the 5 bytes")
    _signed_by_us(site, lambda raw: raw["rules"][0].update(sha256=content_id(b"s"), size=1), b"no gzip")
    site.refused(TamperedError, "not a gzip file")
    assert good.is_dir()
    site.publisher.publish(9, HOSTS[1:])
    site.succeeds(9)


@pytest.mark.parametrize(
    "path", ["../../etc/x.rules", "/etc/x.rules", "a/../x.rules", "a\\x.rules", ".x.rules", "a//b"]
)
def test_path_traversal(site: Site, path: str) -> None:
    _signed_by_us(site, lambda raw: raw["rules"][0].update(path=path))
    site.refused(InputError, "is not one inside the version")
    site.publisher.publish(9, HOSTS[1:])
    site.succeeds(9)


def test_a_medium_that_leads_away(tmp_path: Path) -> None:
    publisher = Publisher(tmp_path / "publisher")
    init_trust(tmp_path / "trust", publisher.initialise())
    path = publisher.repository.metadata / "timestamp.json"
    path.rename(tmp_path / "outside.json")
    path.symlink_to(tmp_path / "outside.json")
    with pytest.raises(SourceFault, match="leads out of the folder"):
        fetch_version(tmp_path / "trust", str(publisher.repository.folder), tmp_path / "cache")
    path.unlink()
    path.mkdir()
    with pytest.raises(SourceFault, match="no regular file"):
        fetch_version(tmp_path / "trust", str(publisher.repository.folder), tmp_path / "cache")


def test_every_refusal_is_told_apart() -> None:
    kinds = {WrongKeyError, TamperedError, RolledBackError, FrozenError, MixedError, EndlessError}
    assert all(issubclass(kind, UntrustedError) for kind in kinds)
