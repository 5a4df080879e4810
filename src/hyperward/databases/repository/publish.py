"""Stage a version: its content, deltas from earlier versions, its manifest, and the targets metadata naming them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Final

import msgspec
import structlog
from tuf.api.metadata import Metadata, TargetFile, Targets

from hyperward.databases import pack
from hyperward.databases.delta.format import print_delta
from hyperward.databases.delta.make import make_delta
from hyperward.databases.entrylines import parse_entries
from hyperward.databases.manifest import DeltaFile, EntriesFile, Manifest, content_id, print_manifest
from hyperward.databases.repository.folder import MANIFEST, Repository, content_target
from hyperward.databases.repository.roles import Expiry
from hyperward.databases.repository.trust import refuse_while_staged
from hyperward.databases.repository.versions import Published, published_versions, read_content
from hyperward.errors import InputError

_log = structlog.get_logger(__name__)

DELTAS: Final = 5
"""From how many earlier versions there is a delta."""
_PAYS: Final = 0.5
"""A delta is offered when it takes less than this share of what the changed files take whole."""


@dataclass(frozen=True, slots=True)
class Staged:
    """What was staged.

    Args:
        manifest: with its deltas.
        packed_bytes: all its files as they travel.
        delta_bytes: each delta as it travels, by the version it starts from.
    """

    manifest: Manifest
    packed_bytes: int
    delta_bytes: dict[int, int]


def stage_version(
    repository: Repository, manifest: Manifest, files: Path, *, now: datetime, expiry: Expiry, deltas: int = DELTAS
) -> Staged:
    """Write a version into the repository, where no reader sees it before `advance` has it signed.

    Args:
        repository: with a root.
        manifest: what it contains; its deltas are replaced.
        files: folder with the plain text of every file under its path.
        now: time of signing, UTC.
        expiry: how long the targets metadata is valid.
        deltas: from how many earlier versions to make one.

    Raises:
        InputError: the number does not rise, a file is missing or not what the manifest says, or something waits for
            signatures already.
        BusyFault: somebody else works on the repository.
        SpaceFault, SystemFault: the disk is full or broken; readers notice nothing.
    """
    with repository.working():
        refuse_while_staged(repository)
        current = repository.current().targets
        if current is None:
            raise InputError("there is no repository", where=str(repository.folder), hint="initialise it first")
        earlier = tuple(islice(published_versions(repository, current.signed.version), max(1, deltas)))
        if earlier and manifest.version <= earlier[0].manifest.version:
            raise InputError(
                f"version {manifest.version} does not rise above {earlier[0].manifest.version}",
                where=str(repository.folder),
                hint="publish under a higher number, also when going back to earlier content",
            )
        writer = _Writer(repository, files, current.signed.targets)
        manifest = writer.add_version(msgspec.structs.replace(manifest, deltas=()), earlier[:deltas])
        signed = Targets(current.signed.version + 1, expires=expiry.until("targets", now), targets=writer.targets)
        repository.stage("targets", Metadata(signed))
        return Staged(manifest, writer.packed_bytes, writer.delta_bytes)


class _Writer:
    def __init__(self, repository: Repository, files: Path, known: dict[str, TargetFile]) -> None:
        self._repository = repository
        self._files = files
        self._known = known
        self.targets: dict[str, TargetFile] = {}
        self.packed_bytes = 0
        self.delta_bytes: dict[int, int] = {}

    def add_version(self, manifest: Manifest, earlier: Sequence[Published]) -> Manifest:
        print_manifest(manifest)  # refuses before anything is written
        for file in manifest.files():
            self._add_file(manifest, file.path, file.sha256, file.size)
        self.packed_bytes = sum(target.length for target in self.targets.values())
        found = [delta for before in earlier if (delta := self._add_delta(manifest, before))]
        manifest = msgspec.structs.replace(manifest, deltas=tuple(sorted(found, key=lambda delta: delta.from_version)))
        raw = print_manifest(manifest)
        self._put(MANIFEST, raw)
        self.targets = dict(sorted(self.targets.items()))
        return manifest

    def _read(self, path: str, sha256: str, size: int) -> bytes:
        place = self._files / path
        try:
            if place.stat().st_size != size:
                raise InputError(f"the file has not the {size} bytes of the manifest", where=str(place))
            raw = place.read_bytes()
        except OSError as error:
            raise InputError(f"the file cannot be read ({error.strerror})", where=str(place)) from None
        if content_id(raw) != sha256:
            raise InputError("the file is not the one of the manifest", where=str(place), hint="build it again")
        return raw

    def _add_file(self, manifest: Manifest, path: str, sha256: str, size: int) -> None:
        name = content_target(sha256)
        if name in self.targets:
            return
        raw = self._read(path, sha256, size)
        known = self._known.get(name)
        if known and (self._repository.targets / known.get_prefixed_paths()[0]).is_file():
            self.targets[name] = known
            return
        for file in manifest.entries:
            if file.path == path:
                _check_entries(self._files / path, file)
        self._put(name, pack.pack(raw))

    def _add_delta(self, manifest: Manifest, before: Published) -> DeltaFile | None:
        """Return the delta from an earlier version where one pays."""
        bases = {file.path: file for file in before.manifest.files()}
        present = {file.sha256 for file in bases.values()}
        sections, whole, done = [], 0, set(present)
        for file in manifest.files():
            if file.sha256 in done:
                continue
            done.add(file.sha256)
            whole += self.targets[content_target(file.sha256)].length
            if base := bases.get(file.path):
                try:
                    old = read_content(self._repository, before, base.sha256, base.size)
                except InputError as error:
                    _log.warning("no_delta_from_damaged_file", path=file.path, reason=str(error))
                    continue
                sections.append(make_delta(old, self._read(file.path, file.sha256, file.size)))
        if not sections:
            return None
        raw = print_delta(sections)
        packed = pack.pack(raw)
        if len(packed) >= whole * _PAYS:
            return None
        digest = content_id(raw)
        self._put(content_target(digest), packed)
        self.delta_bytes[before.manifest.version] = len(packed)
        return DeltaFile(before.manifest.version, digest, len(raw))

    def _put(self, name: str, raw: bytes) -> None:
        target = TargetFile.from_data(name, raw, ["sha256"])
        path = self._repository.targets / target.get_prefixed_paths()[0]
        self._repository.disk.write(path, (raw,))
        self.targets[name] = target


def _check_entries(path: Path, file: EntriesFile) -> None:
    for _ in parse_entries(path, file):
        pass
