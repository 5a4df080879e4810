"""Earlier versions of a repository: what deltas start from, and what pruning leaves."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import structlog
from tuf.api.exceptions import LengthOrHashMismatchError
from tuf.api.metadata import Metadata, TargetFile

from hyperward.databases import pack
from hyperward.databases.manifest import Manifest, parse_manifest
from hyperward.databases.repository.folder import MANIFEST, Repository, content_target
from hyperward.errors import InputError

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Published:
    """A version that readers have or had."""

    manifest: Manifest
    targets: dict[str, TargetFile]


def published_versions(repository: Repository, targets_version: int) -> Iterator[Published]:
    """Yield the versions that are there, the latest first.

    Args:
        repository: the folder.
        targets_version: that of the current targets metadata.

    One that is damaged, or that somebody else signed with stolen keys, is passed over: publishing must go on.
    """
    seen: set[int] = set()
    for number in reversed(repository.numbers("targets")):
        if number > targets_version:
            continue  # written, but never shown: the publishing was cut off
        try:
            metadata: Metadata[Any] = repository.numbered("targets", number)
            target = metadata.signed.targets.get(MANIFEST)
            if target is None:
                continue
            manifest = parse_manifest(read_target(repository, target), where=f"version of targets {number}")
        except InputError as error:
            _log.warning("earlier_version_unreadable", reason=str(error))
            continue
        if manifest.version not in seen:
            seen.add(manifest.version)
            yield Published(manifest, metadata.signed.targets)


def read_target(repository: Repository, target: TargetFile) -> bytes:
    """Return the bytes of a target as they lie there.

    Raises:
        InputError: missing or damaged.
    """
    path = repository.targets / target.get_prefixed_paths()[0]
    try:
        raw = path.read_bytes()
        target.verify_length_and_hashes(raw)
    except (OSError, LengthOrHashMismatchError) as error:
        raise InputError(f"the file is damaged ({error})", where=str(path), hint="restore it from a copy") from None
    return raw


def read_content(repository: Repository, published: Published, plain_sha256: str, size: int) -> bytes:
    """Return the plain text of a content file of a version.

    Raises:
        InputError: missing or damaged.
    """
    target = published.targets.get(content_target(plain_sha256))
    if target is None:
        raise InputError(f"version {published.manifest.version} lacks {plain_sha256}", where=str(repository.targets))
    sink = io.BytesIO()
    pack.expand(io.BytesIO(read_target(repository, target)), sink, size=size, sha256=plain_sha256, where=target.path)
    return sink.getvalue()
