"""The short way to a version: a delta from one that is here. Whatever goes wrong with it, the long way stays open."""

import io
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import structlog
from tuf.api.metadata import TargetFile

from hyperward.databases import names, pack
from hyperward.databases.client.cache import Cache
from hyperward.databases.client.download import Progress, download
from hyperward.databases.client.metadata import Trusted
from hyperward.databases.client.transport import NotThereFault, Transport
from hyperward.databases.delta.apply import apply_delta
from hyperward.databases.delta.format import FileDelta, parse_delta
from hyperward.databases.errors import UntrustedError
from hyperward.databases.manifest import DeltaFile, Manifest

_log = structlog.get_logger(__name__)


class Shortcut:
    """Fetches and applies a delta.

    Args:
        trusted: what was signed.
        transport: where from.
        cache: where results go.
        progress: told about every piece.
    """

    def __init__(self, trusted: Trusted, transport: Transport, cache: Cache, progress: Progress) -> None:
        self._trusted = trusted
        self._transport = transport
        self._cache = cache
        self._progress = progress

    def take(
        self,
        manifest: Manifest,
        missing: Mapping[str, int],
        bases: Sequence[tuple[int, Mapping[str, Path]]],
        whole: int,
    ) -> tuple[int | None, tuple[str, ...]]:
        """Return the version that a delta started from and the contents that it brought into the cache.

        Args:
            manifest: the version to get to.
            missing: contents that are not here, with their size.
            bases: versions that are here, with their files by hash.
            whole: bytes that fetching the missing contents whole would move.

        Raises:
            SourceFault: the transfer broke off.
            SpaceFault: no room.
        """
        here = {version for version, _ in bases}
        usable = [delta for delta in manifest.deltas if delta.from_version in here]
        ways = [(target, delta) for delta in usable if (target := self._trusted.target(f"content/{delta.sha256}.gz"))]
        way = min(ways, key=lambda one: one[0].length, default=None)
        # a delta longer than what it makes is no shortcut, whatever it is
        if way is None or way[0].length >= whole or way[1].size > sum(missing.values()):
            return None, ()
        places = [files for _, files in bases]
        done: list[str] = []
        try:
            done.extend(
                section.result
                for section in self._sections(*way)
                if section.result in missing and self._apply(section, missing[section.result], places)
            )
        except (UntrustedError, NotThereFault, ValueError) as error:
            _log.warning("delta_refused", version=manifest.version, reason=str(error))
        return way[1].from_version if done else None, tuple(dict.fromkeys(done))

    def _sections(self, target: TargetFile, delta: DeltaFile) -> list[FileDelta]:
        path = download(self._transport, target, self._cache.packed, self._progress)
        text = io.BytesIO()
        try:
            with path.open("rb") as source:
                pack.expand(source, text, size=delta.size, sha256=delta.sha256, where=target.path)
        finally:
            with suppress(OSError):
                path.unlink()
        return list(parse_delta(text.getvalue()))

    def _apply(self, section: FileDelta, size: int, places: Sequence[Mapping[str, Path]]) -> bool:
        known = (place[section.base] for place in places if section.base in place)
        base = next((path for path in known if path.is_file()), None)
        try:
            if base is None or base.stat().st_size > names.MAX_FILE_BYTES:
                return False
            result = apply_delta(base.read_bytes(), section, size=size)
        except (OSError, ValueError) as error:
            _log.warning("delta_not_applied", file=section.result, reason=str(error))
            return False
        self._cache.put_bytes(section.result, result)
        return True
