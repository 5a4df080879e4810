"""A publisher with keys, content and a repository in a folder, for tests of the databases."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from securesystemslib.signer import CryptoSigner

from hyperward.databases.disk import Disk
from hyperward.databases.entrylines import print_entries
from hyperward.databases.manifest import EntriesFile, Manifest, RulesFile, Source, content_id
from hyperward.databases.repository.advance import Advance, advance
from hyperward.databases.repository.folder import Repository
from hyperward.databases.repository.keys import create_key, load_signer
from hyperward.databases.repository.publish import Staged, stage_version
from hyperward.databases.repository.roles import ROLES, Expiry, RoleKeys
from hyperward.databases.repository.trust import stage_first_root
from hyperward.webscan.database.model import Entry, EntryKind

NOW = datetime.now(UTC).replace(microsecond=0)


class Content:
    """The plain files of a version in a folder.

    Args:
        folder: made.
        hosts: malicious hosts, `list-a`.
        rules: lines of `first.rules`.
    """

    def __init__(self, folder: Path, hosts: Sequence[str], rules: Sequence[str]) -> None:
        self.folder = folder
        entries = (Entry(EntryKind.HOST, host, "malicious", "list-a") for host in hosts)
        self.files = {
            "addresses/list-a.addresses": print_entries(entries),
            "rules/first.rules": "".join(f"{line}\n" for line in rules).encode(),
        }
        for name, raw in self.files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(raw)

    def manifest(self, version: int, *, minimum_product: str = "0.1.0") -> Manifest:
        addresses, rules = self.files.values()
        names = list(self.files)
        return Manifest(
            version,
            "2026-01-31T12:00:00Z",
            minimum_product=minimum_product,
            rules=(RulesFile(names[1], content_id(rules), len(rules), "own", "Apache-2.0"),),
            entries=(
                EntriesFile(
                    names[0],
                    content_id(addresses),
                    len(addresses),
                    "malicious",
                    "list-a",
                    addresses.count(b"\n"),
                    "own",
                    "CC0-1.0",
                ),
            ),
            sources=(Source("own"),),
        )


class Publisher:
    """A repository under `folder/repository` and its keys under `folder/keys`, one for each role."""

    def __init__(self, folder: Path, *, disk: Disk | None = None, expiry: Expiry | None = None) -> None:
        self.folder = folder
        self.keys = folder / "keys"
        self.keys.mkdir(parents=True)
        self.repository = Repository(folder / "repository", disk)
        self.expiry = expiry or Expiry()
        self.public = {role: create_key(self.keys / role) for role in ROLES}
        self._count = 0

    def signers(self, *names: str) -> list[CryptoSigner]:
        return [load_signer(self.keys / name) for name in names or ROLES]

    def initialise(self, roles: dict[str, RoleKeys] | None = None, *, now: datetime = NOW) -> bytes:
        roles = {role: RoleKeys((key,)) for role, key in self.public.items()} | (roles or {})
        stage_first_root(self.repository, roles, now=now, expiry=self.expiry)
        assert self.advance(now=now).missing == ()
        return self.root(1)

    def root(self, version: int) -> bytes:
        return (self.repository.metadata / f"{version}.root.json").read_bytes()

    def advance(self, *names: str, now: datetime = NOW, renew: Sequence[str] = (), lost: bool = False) -> Advance:
        return advance(
            self.repository, self.signers(*names), now=now, expiry=self.expiry, renew=renew, old_keys_lost=lost
        )

    def content(self, hosts: Sequence[str], rules: Sequence[str] = ("alert one",)) -> Content:
        self._count += 1
        return Content(self.folder / f"content-{self._count}", hosts, rules)

    def stage(self, version: int, content: Content, *, now: datetime = NOW) -> Staged:
        return stage_version(self.repository, content.manifest(version), content.folder, now=now, expiry=self.expiry)

    def publish(self, version: int, hosts: Sequence[str], rules: Sequence[str] = ("alert one",)) -> Staged:
        staged = self.stage(version, self.content(hosts, rules))
        assert self.advance().missing == ()
        return staged


def long_ago(days: int) -> datetime:
    return NOW - timedelta(days=days)
