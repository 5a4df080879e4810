"""Copy a repository as it is, signatures and all, so that others can fetch it from here.

Everything is verified on the way, as any reader would; a mirror needs no keys and cannot forge anything. The copy is
whole at any moment: files first, then the metadata that names them, the timestamp last. What neither the mirrored
version nor the one mirrored before names is removed at the end.
"""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, Targets

from hyperward.databases.client.cache import Cache
from hyperward.databases.client.download import Progress, download, silent
from hyperward.databases.client.http import HttpOptions
from hyperward.databases.client.metadata import refresh
from hyperward.databases.client.sources import open_source
from hyperward.databases.client.transport import Counting, NotThereFault, Transport
from hyperward.databases.disk import Disk
from hyperward.databases.lock import locked
from hyperward.databases.pack import chunks_of
from hyperward.databases.repository.folder import Repository

_MAX_ROOT_BYTES: Final = 512_000
"""As large as python-tuf lets a root be (`root_max_length`)."""


@dataclass(frozen=True, slots=True)
class Mirrored:
    """What was copied.

    Args:
        files: content files that the mirrored version names.
        copied: of them, those that were not here yet.
        bytes_moved: from the source, metadata included.
        removed: files of earlier versions that are gone now.
    """

    files: int
    copied: int
    bytes_moved: int
    removed: int


def mirror(
    trust: Path,
    source: str | Transport,
    out: Path,
    cache: Path,
    *,
    progress: Progress = silent,
    options: HttpOptions | None = None,
) -> Mirrored:
    """Bring the repository folder `out` to what the source has.

    Args:
        trust: folder with the trusted root (`init_trust`).
        source: address, folder or driver.
        out: the mirror; made where it is missing.
        cache: folder for this; survives broken transfers.
        progress: told about every piece.
        options: how to reach a web server.

    Raises:
        UntrustedError: a subclass that names the attack; readers of the mirror notice nothing.
        SourceFault, SpaceFault, BusyFault: it could not be had; try again.
        InputError: no such source, or no trusted root.
    """
    place = Cache(cache)
    place.make()
    transport = Counting(open_source(source, options) if isinstance(source, str) else source)
    repository = Repository(out)
    with closing(transport), locked(cache), repository.working():
        place.prepare()
        refresh(trust, transport, place.scratch)
        fresh = _targets(place.scratch / "targets.json")
        before = _current_paths(repository)
        wanted = {target.get_prefixed_paths()[0]: target for target in fresh.signed.targets.values()}
        copied = 0
        for path, target in sorted(wanted.items()):
            if _is_here(repository.targets / path, target):
                continue
            part = download(transport, target, place.packed, progress)
            repository.disk.folder((repository.targets / path).parent)
            repository.disk.write(repository.targets / path, chunks_of(part))
            part.unlink()
            copied += 1
        _write_metadata(place.scratch, repository, transport)
        removed = _remove_all_but(repository.targets, wanted.keys() | before)
        return Mirrored(len(wanted), copied, transport.moved, removed)


def _targets(path: Path) -> Metadata[Targets]:
    metadata: Metadata[Targets] = Metadata.from_bytes(path.read_bytes())
    return metadata


def _current_paths(repository: Repository) -> set[str]:
    """Return what the version names that readers of the mirror get until now."""
    targets = repository.current().targets
    if targets is None:
        return set()
    return {target.get_prefixed_paths()[0] for target in targets.signed.targets.values()}


def _is_here(path: Path, target: Any) -> bool:
    try:
        with path.open("rb") as file:
            target.verify_length_and_hashes(file)
    except (OSError, RepositoryError):
        return False
    return True


def _write_metadata(scratch: Path, repository: Repository, transport: Transport) -> None:
    """Write the metadata in the order in which a reader may come at any moment."""
    disk: Disk = repository.disk
    for number, raw in _roots(scratch, repository, transport):
        disk.write(repository.metadata / f"{number}.root.json", (raw,))
    for role in ("targets", "snapshot"):
        raw = (scratch / f"{role}.json").read_bytes()
        version = Metadata.from_bytes(raw).signed.version
        disk.write(repository.metadata / f"{version}.{role}.json", (raw,))
    disk.write(repository.metadata / "timestamp.json", ((scratch / "timestamp.json").read_bytes(),))


def _roots(scratch: Path, repository: Repository, transport: Transport) -> Iterator[tuple[int, bytes]]:
    """Yield the roots that are not here yet; those before ours as the source has them, for readers who trust those."""
    known = {int(path.name.split(".")[0]): path for path in scratch.glob("root_history/*.root.json")}
    for number in range(1, max(known) + 1):
        if (repository.metadata / f"{number}.root.json").exists():
            continue
        if number in known:
            yield number, known[number].read_bytes()
            continue
        try:
            with transport.open(f"metadata/{number}.root.json") as piece:
                raw = b"".join(piece.chunks)
        except NotThereFault:
            continue
        if len(raw) <= _MAX_ROOT_BYTES:
            yield number, raw


def _remove_all_but(folder: Path, kept: set[str]) -> int:
    removed = 0
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.relative_to(folder).as_posix() not in kept:
            path.unlink()
            removed += 1
    return removed
