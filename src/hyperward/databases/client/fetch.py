"""Fetch a version: what the source offers, checked against the trusted root, complete on disk, or nothing.

Only the cache folder and what was seen of the metadata (in the trust folder) are written. What is here already is not
moved again: content is known by its hash, an unfinished transfer goes on, and a delta is taken where it is shorter.
"""

import shutil
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version as installed
from pathlib import Path
from typing import BinaryIO

from tuf.api.metadata import TargetFile

from hyperward.databases import names, pack
from hyperward.databases.client.bydelta import Shortcut
from hyperward.databases.client.cache import Cache
from hyperward.databases.client.download import Progress, download, silent
from hyperward.databases.client.http import HttpOptions
from hyperward.databases.client.metadata import Trusted, refresh
from hyperward.databases.client.sources import open_source
from hyperward.databases.client.transport import Counting, Transport
from hyperward.databases.errors import (
    IncompatibleError,
    NothingPublishedError,
    RolledBackError,
    SpaceFault,
    TamperedError,
    UntrustedError,
)
from hyperward.databases.held import Held, same
from hyperward.databases.lock import locked
from hyperward.databases.manifest import Manifest, parse_manifest

_MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class FetchedVersion:
    """A complete, verified version.

    Args:
        manifest: what it contains.
        raw: the manifest's bytes.
        files: where each file is, by its path in the version. They stay until the next fetch.
        bytes_moved: over the wire or off the medium, metadata included.
        from_version: the version that a delta started from, None without one.
    """

    manifest: Manifest
    raw: bytes
    files: Mapping[str, Path]
    bytes_moved: int
    from_version: int | None


def fetch_version(
    trust: Path,
    source: str | Transport,
    cache: Path,
    *,
    held: Held | None = None,
    progress: Progress = silent,
    options: HttpOptions | None = None,
    product: str = "",
) -> FetchedVersion:
    """Fetch what the source offers.

    Args:
        trust: folder with the trusted root (`init_trust`).
        source: address, folder or driver.
        cache: folder for this; survives broken transfers.
        held: the active version, so that what did not change is not moved again.
        progress: told about every piece.
        options: how to reach a web server.
        product: version of this Hyperward; that of the installed package when empty.

    Raises:
        UntrustedError: a subclass that names the attack.
        SourceFault, SpaceFault, BusyFault: it could not be had; try again.
        IncompatibleError: it needs a later Hyperward.
        NothingPublishedError: there is no version yet.
        InputError: no such source, no trusted root, or the signed manifest breaks a rule.
    """
    place = Cache(cache)
    place.make()
    transport = Counting(open_source(source, options) if isinstance(source, str) else source)
    with closing(transport), locked(cache):
        place.prepare()
        trusted = refresh(trust, transport, place.scratch)
        return _Fetch(trusted, transport, place, held, progress).go(product or installed("hyperward"))


class _Fetch:
    def __init__(
        self, trusted: Trusted, transport: Counting, cache: Cache, held: Held | None, progress: Progress
    ) -> None:
        self._trusted = trusted
        self._transport = transport
        self._cache = cache
        self._held = held
        self._progress = progress
        self._from: int | None = None

    def go(self, product: str) -> FetchedVersion:
        raw = self._manifest_bytes()
        manifest = parse_manifest(raw, where=f"{self._transport.place} {_MANIFEST}")
        self._refuse(manifest, product)
        wanted = {file.sha256: file.size for file in manifest.files()}
        missing = {sha256: size for sha256, size in wanted.items() if not self._here(sha256, size)}
        targets = {sha256: self._target(f"content/{sha256}.gz") for sha256 in missing}
        if missing:
            self._need_room(missing, targets)
            whole = sum(target.length for target in targets.values())
            for sha256 in self._by_delta(manifest, missing, whole):
                del missing[sha256]
        for sha256, size in missing.items():
            self._whole(targets[sha256], sha256, size)
        self._cache.complete(manifest, raw)
        files = {file.path: self._cache.path(file.sha256) for file in manifest.files()}
        return FetchedVersion(manifest, raw, files, self._transport.moved, self._from)

    def _manifest_bytes(self) -> bytes:
        target = self._trusted.target(_MANIFEST)
        if target is None:
            raise NothingPublishedError(
                "the repository has no version yet", where=self._transport.place, hint="publish one first"
            )
        if target.length > names.MAX_MANIFEST_BYTES:
            raise UntrustedError(f"a manifest of {target.length} bytes", where=self._transport.place)
        path = download(self._transport, target, self._cache.packed, self._progress)
        raw = path.read_bytes()
        path.unlink()
        return raw

    def _refuse(self, manifest: Manifest, product: str) -> None:
        ours, needed = names.product_number(product), names.product_number(manifest.minimum_product)
        if ours is not None and needed is not None and ours < needed:
            raise IncompatibleError(
                f"version {manifest.version} needs Hyperward {manifest.minimum_product}, this is {product}",
                where=self._transport.place,
                hint="update Hyperward; the active version stays",
            )
        if self._held and manifest.version < self._held.version:
            raise RolledBackError(
                f"the source offers version {manifest.version}, version {self._held.version} is active",
                where=self._transport.place,
                hint="roll back on this machine, or have the content published under a higher number",
            )

    def _here(self, sha256: str, size: int) -> bool:
        if self._cache.has(sha256, size):
            return True
        held = self._held.files.get(sha256) if self._held else None
        if held is None or not same(held, sha256, size):
            return False
        self._cache.put(sha256, partial(_copy, held))
        return True

    def _target(self, name: str) -> TargetFile:
        if target := self._trusted.target(name):
            return target
        raise TamperedError(f"{name} is in the manifest, but was not signed", where=self._transport.place)

    def _need_room(self, missing: Mapping[str, int], targets: Mapping[str, TargetFile]) -> None:
        needed = sum(missing.values()) + max(targets[sha256].length for sha256 in missing)
        free = shutil.disk_usage(self._cache.folder).free
        if free < needed:
            raise SpaceFault(
                f"{needed} bytes are needed, {free} are free",
                where=str(self._cache.folder),
                hint="make room and try again",
            )

    def _by_delta(self, manifest: Manifest, missing: Mapping[str, int], whole: int) -> tuple[str, ...]:
        bases = [(self._held.version, self._held.files)] if self._held else []
        if last := self._cache.last():
            bases.append((last.version, {one.sha256: self._cache.path(one.sha256) for one in last.files()}))
        shortcut = Shortcut(self._trusted, self._transport, self._cache, self._progress)
        self._from, done = shortcut.take(manifest, missing, bases, whole)
        return done

    def _whole(self, target: TargetFile, sha256: str, size: int) -> None:
        path = download(self._transport, target, self._cache.packed, self._progress)
        where = f"{self._transport.place} {target.path}"

        def fill(sink: BinaryIO) -> None:
            with path.open("rb") as source:
                pack.expand(source, sink, size=size, sha256=sha256, where=where)

        try:
            self._cache.put(sha256, fill)
        finally:
            path.unlink(missing_ok=True)


def _copy(source: Path, sink: BinaryIO) -> None:
    with source.open("rb") as file:
        shutil.copyfileobj(file, sink)
