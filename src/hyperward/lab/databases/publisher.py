"""The lab's publisher: a signed repository in a folder, with the starter content and the lab's own lists.

Its keys are made on the spot and go with the lab.
"""

import csv
import io
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from hyperward.databases.build.publish import Signing, key_files, publish
from hyperward.databases.repository.advance import advance
from hyperward.databases.repository.folder import Repository
from hyperward.databases.repository.keys import create_key, load_signer
from hyperward.databases.repository.roles import ROLES, Expiry, RoleKeys
from hyperward.databases.repository.trust import stage_first_root
from hyperward.databases.sources.config import load_sources
from hyperward.databases.starter.sources import write_starter_sources
from hyperward.errors import SystemFault
from hyperward.lab.web.sites import ENTRIES
from hyperward.webscan.database.model import Entry, EntryKind

LICENCE: Final = "Apache-2.0"
FRESH_LIST: Final = "lab-fresh"
_COLUMNS: Final = "{address: address, id: id}"


class LabPublisher:
    """Publishes databases for a lab.

    Args:
        folder: for keys, sources and repository; made where it is missing.
    """

    def __init__(self, folder: Path) -> None:
        self.repository = folder / "repository"
        self._keys = folder / "keys"
        self._sources = folder / "sources"

    @property
    def root(self) -> Path:
        """What an SVM is told to trust."""
        return self.repository / "metadata" / "1.root.json"

    def begin(self) -> None:
        """Make keys and repository, and publish the first version: starter content and the lab's lists.

        Raises:
            InputError, SystemFault: that fails.
        """
        shutil.rmtree(self._keys.parent, ignore_errors=True)
        self._keys.mkdir(parents=True, mode=0o700)
        public = {role: RoleKeys((create_key(self._keys / f"{role}.key"),)) for role in ROLES}
        now, expiry = datetime.now(UTC), Expiry()
        repository = Repository(self.repository)
        stage_first_root(repository, public, now=now, expiry=expiry)
        advance(repository, [load_signer(path) for path in key_files(self._keys)], now=now, expiry=expiry)
        file = write_starter_sources(self._sources)
        with file.open("a", encoding="utf-8") as sources:
            for name, category, names in _LISTS:
                self._write_list(name, [entry for entry in ENTRIES if entry.list_id == name])
                sources.write(
                    f"- {{id: {name}, kind: addresses, from: {name}.csv, category: {category}, format: csv, "
                    f"names: {names}, folders: true, columns: {_COLUMNS}, licence: {LICENCE}}}\n"
                )
        self.publish()

    def add(self, addresses: Sequence[str], rules: Sequence[str]) -> None:
        """Publish a further version with more malicious addresses and rules.

        Raises:
            InputError, SystemFault: that fails; readers notice nothing.
        """
        entries = [
            Entry(EntryKind.HOST, text, "malicious", FRESH_LIST, str(9000 + i)) for i, text in enumerate(addresses)
        ]
        self._write_list(FRESH_LIST, entries)
        (self._sources / "fresh.rules").write_text("".join(f"{rule}\n" for rule in rules), encoding="utf-8")
        with (self._sources / "SOURCES.yaml").open("a", encoding="utf-8") as sources:
            sources.write(
                f"- {{id: {FRESH_LIST}, kind: addresses, from: {FRESH_LIST}.csv, category: malicious, format: csv, "
                f"names: host, columns: {_COLUMNS}, licence: {LICENCE}}}\n"
                f"- {{id: lab-fresh-rules, kind: rules, from: fresh.rules, licence: {LICENCE}}}\n"
            )
        self.publish()

    def publish(self) -> None:
        """Build what the sources say, and publish it.

        Raises:
            InputError, SystemFault: that fails; readers notice nothing.
        """
        engine = shutil.which("suricata")
        if engine is None:
            raise SystemFault("the program suricata is missing", hint="install Suricata")
        signing = Signing(key_files(self._keys), b"", datetime.now(UTC).replace(microsecond=0), Expiry())
        publish(
            load_sources(self._sources / "SOURCES.yaml"),
            Repository(self.repository),
            signing,
            engine=Path(engine),
            cache=self._sources / "cache",
            report=lambda *_: None,
            progress=lambda *_: None,
        )

    def _write_list(self, name: str, entries: Sequence[Entry]) -> None:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(("address", "id"))
        writer.writerows((_written(entry), entry.entry_id) for entry in entries)
        (self._sources / f"{name}.csv").write_text(text.getvalue(), encoding="utf-8")


def _written(entry: Entry) -> str:
    """Return an entry as lists of others have it: a name, or an address with its scheme."""
    return entry.text if entry.kind in {EntryKind.DOMAIN, EntryKind.HOST} else f"http://{entry.text}"


def _lists() -> tuple[tuple[str, str, str], ...]:
    """Return id, category and meaning of names of each of the lab's lists."""
    found: dict[str, tuple[str, str, str]] = {}
    for entry in ENTRIES:
        names = "host" if entry.kind is EntryKind.HOST else "domain"
        found.setdefault(entry.list_id, (entry.list_id, entry.category, names))
    return tuple(found.values())


_LISTS: Final = _lists()
