"""From a file of sources to a version that readers of a repository get: gather, build, sign, publish."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from hyperward.databases.build.version import BuiltVersion, Progress, Stamp, build_version
from hyperward.databases.manifest import Manifest
from hyperward.databases.repository.advance import Missing, advance
from hyperward.databases.repository.folder import Repository
from hyperward.databases.repository.keys import load_signer
from hyperward.databases.repository.publish import Staged, stage_version
from hyperward.databases.repository.roles import ROLES, Expiry
from hyperward.databases.repository.versions import published_versions
from hyperward.databases.sources.config import Sources
from hyperward.databases.sources.gather import Report, gather
from hyperward.errors import InputError
from hyperward.webscan.guard.guard import default_guard
from hyperward.webscan.guard.popularity import read_popular


@dataclass(frozen=True, slots=True)
class Publication:
    """What came of a build.

    Args:
        built: what was built.
        staged: what was written into the repository; None when the content is that of the version that is there.
        missing: signatures that the version still waits for.
    """

    built: BuiltVersion
    staged: Staged | None
    missing: tuple[Missing, ...] = ()


@dataclass(frozen=True, slots=True)
class Signing:
    """How a version is signed.

    Args:
        keys: private key files at hand, of any role.
        passphrase: of all of them; empty for none.
        now: time of signing, UTC.
        expiry: how long metadata is valid.
    """

    keys: tuple[Path, ...]
    passphrase: bytes
    now: datetime
    expiry: Expiry


def publish(
    sources: Sources,
    repository: Repository,
    signing: Signing,
    *,
    engine: Path,
    cache: Path,
    report: Report,
    progress: Progress,
    version: int | None = None,
) -> Publication:
    """Build what the sources hold and publish it, unless that is what the repository has already.

    Args:
        sources: the file of sources.
        repository: with a root.
        signing: keys and time.
        engine: the Suricata binary.
        cache: folder that keeps what was fetched.
        report: told about fetching.
        progress: told about other long work.
        version: number; None for the one after the latest.

    Raises:
        InputError: a source, key or the repository cannot be used; readers notice nothing.
        EngineFault: the engine does not work.
        SystemFault: a source cannot be fetched, or a disk is full; readers notice nothing.
    """
    signers = [load_signer(path, signing.passphrase) for path in signing.keys]
    latest = latest_manifest(repository)
    popular = sources.file.popular
    guard = default_guard(read_popular(sources.path(popular.file), popular.top) if popular else ())
    gathered = list(gather(sources, cache, report=report))
    stamp = Stamp(version or (latest.version + 1 if latest else 1), signing.now, sources.file.label)
    with TemporaryDirectory(prefix="hyperward-build-") as name:
        built = build_version(gathered, Path(name), stamp, engine=engine, guard=guard, progress=progress)
        if latest is not None and _content(latest) == _content(built.manifest) and version is None:
            return Publication(built, None)
        progress("deltas and signatures", 0)
        staged = stage_version(repository, built.manifest, Path(name), now=signing.now, expiry=signing.expiry)
    advanced = advance(repository, signers, now=signing.now, expiry=signing.expiry)
    return Publication(built, staged, advanced.missing)


def latest_manifest(repository: Repository) -> Manifest | None:
    """Return the manifest that readers get; None before the first version.

    Raises:
        InputError: the repository is missing or damaged.
    """
    targets = repository.current().targets
    if targets is None:
        hint = "make one: hyperward db init"
        raise InputError("there is no repository", where=str(repository.folder), hint=hint)
    return next((one.manifest for one in islice(published_versions(repository, targets.signed.version), 1)), None)


def key_files(folder: Path) -> tuple[Path, ...]:
    """Return the private keys of a folder: `ROLE.key` or `ROLE-NAME.key`.

    Raises:
        InputError: there is none.
    """
    found = [path for role in ROLES for path in sorted(folder.glob(f"{role}*.key"))]
    if not found:
        hint = "make keys: hyperward db keys, or name the folder with --keys"
        raise InputError("no ROLE.key file in it", where=str(folder), hint=hint)
    return tuple(found)


def build_time(text: str | None, environment: os._Environ[str] | dict[str, str] = os.environ) -> datetime:
    """Return the time that a build carries: as given, else `SOURCE_DATE_EPOCH`, else now; whole seconds.

    Raises:
        InputError: it cannot be read.
    """
    epoch = environment.get("SOURCE_DATE_EPOCH")
    try:
        if text is not None:
            moment = datetime.fromisoformat(text)
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC).replace(microsecond=0)
        if epoch:
            return datetime.fromtimestamp(int(epoch), UTC)
    except (ValueError, OverflowError, OSError):
        where = "--time" if text is not None else "SOURCE_DATE_EPOCH"
        raise InputError("no time such as 2026-01-31T12:00:00Z", where=where) from None
    return datetime.now(UTC).replace(microsecond=0)


def _content(manifest: Manifest) -> tuple[object, ...]:
    """Return what a version is about, apart from its number, time and deltas."""
    plain: Sequence[object] = (manifest.rules, manifest.entries, manifest.reports)
    return (*plain, manifest.label, manifest.minimum_product, msgspec.json.encode(manifest.sources))
