"""Bring every source of a build to this machine: what is here already is used in place, the rest is fetched."""

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from hyperward.databases.feeds.misp import feed_events
from hyperward.databases.sources.config import SourceEntry, SourceKind, Sources, is_remote
from hyperward.databases.sources.web import WebFetcher, WebFile, kept
from hyperward.errors import HyperwardError, InputError, SystemFault

MAX_FEED_FILES = 50_000
MAX_HEADERS_BYTES = 16 * 1024
_ENDINGS = {
    SourceKind.RULES: "*.rules",
    SourceKind.ADDRESSES: "*",
    SourceKind.MISP: "*.json",
    SourceKind.STIX: "*.json",
}
_SPEAKING = (".rules", ".tar.gz", ".tgz", ".tar.xz", ".txz", ".tar", ".zip", ".csv", ".txt", ".json", ".hosts")
_MAGIC = ((b"\x1f\x8b", ".tar.gz"), (b"\xfd7zXZ\x00", ".tar.xz"), (b"PK\x03\x04", ".zip"))
Report = Callable[[str, int, int | None], None]
"""Told which source is being fetched, how many bytes of it are there, and how many there will be."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """A source that is on this machine.

    Args:
        entry: what the file of sources says about it.
        path: a file or folder with its content, for readers that take either.
        sha256: of the content; of a folder, over the names and contents of its files.
        fetched: when it was fetched; None for content that was here already.
        moved: bytes that went over the network.
        stale: why the content of an earlier build is used; empty otherwise.
    """

    entry: SourceEntry
    path: Path
    sha256: str
    fetched: datetime | None
    moved: int = 0
    stale: str = ""

    def files(self) -> list[Path]:
        """Return its files in the order of their names: itself, or what is in the folder."""
        return _files_of(self.path, self.entry.kind)


def gather(sources: Sources, cache: Path, *, report: Report) -> Iterator[Gathered]:
    """Yield the sources in the order of the file.

    Args:
        sources: the file of sources.
        cache: folder that keeps what was fetched, for the next build.
        report: told about progress.

    Raises:
        InputError: a source is not what it should be.
        SystemFault: a source that is not optional cannot be fetched.
    """
    fetcher = WebFetcher(sources.file.http)
    try:
        for entry in sources.file.sources:
            if is_remote(entry.location):
                yield _remote(entry, sources, fetcher, cache, report)
            else:
                yield _local(entry, sources)
    except OSError as error:
        raise SystemFault(f"the cache cannot be written ({error.strerror})", where=str(cache)) from None
    finally:
        fetcher.close()


def _local(entry: SourceEntry, sources: Sources) -> Gathered:
    path = sources.path(entry.location)
    files = _files_of(path, entry.kind)
    return Gathered(entry, path, _digest(path, files), fetched=None)


def _remote(entry: SourceEntry, sources: Sources, fetcher: WebFetcher, cache: Path, report: Report) -> Gathered:
    headers = _headers(sources.path(entry.headers_file)) if entry.headers_file is not None else {}
    folder = cache / entry.id
    now = datetime.now(UTC)

    def fetch(url: str, into: Path) -> WebFile:
        return fetcher.fetch(url, into, headers=headers, progress=lambda size, whole: report(entry.id, size, whole))

    name = entry.location.rstrip("/").rpartition("/")[2]
    try:
        if entry.kind is SourceKind.MISP and not entry.location.endswith(".json"):
            return _feed(entry, folder, fetch, now)
        got = fetch(entry.location, folder)
    except HyperwardError as error:
        left = kept(folder, entry.location) if entry.optional else None
        if left is None:
            raise
        return Gathered(entry, _named(left.path, name), left.sha256, fetched=None, stale=error.line())
    return Gathered(entry, _named(got.path, name), got.sha256, now, got.moved)


def _named(content: Path, name: str) -> Path:
    """Return the content under its publisher's name, whose ending says what it is; magic numbers where it does not."""
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", name.partition("?")[0])[-100:].lstrip(".") or "content"
    if not name.lower().endswith(_SPEAKING):
        with content.open("rb") as file:
            begin = file.read(6)
        name += next((ending for magic, ending in _MAGIC if begin.startswith(magic)), "")
    folder = content.parent / "named"
    folder.mkdir(exist_ok=True)
    for left in folder.iterdir():
        left.unlink()
    target = folder / name
    target.hardlink_to(content)
    return target


def _feed(entry: SourceEntry, folder: Path, fetch: Callable[[str, Path], WebFile], now: datetime) -> Gathered:
    """Fetch a MISP feed: its manifest, then each event, each only when it changed."""
    base = entry.location.rstrip("/")
    manifest = fetch(f"{base}/manifest.json", folder / "manifest")
    names = feed_events(manifest.path.read_bytes(), where=f"{base}/manifest.json")
    if len(names) > MAX_FEED_FILES:
        raise InputError(f"{len(names)} events, above {MAX_FEED_FILES}", where=base, hint="name single events")
    moved = manifest.moved
    events = folder / "events"
    events.mkdir(exist_ok=True)
    for name in names:
        got = fetch(f"{base}/{name}", folder / "each" / name)
        moved += got.moved
        target = events / name
        target.unlink(missing_ok=True)
        target.hardlink_to(got.path)
    for path in events.iterdir():
        if path.name not in names:
            path.unlink()
    return Gathered(entry, events, _digest(events, _files_of(events, entry.kind)), now, moved)


def _files_of(path: Path, kind: SourceKind) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = [file for file in path.rglob(_ENDINGS[kind]) if file.is_file() and not file.name.startswith(".")]
    if kind is SourceKind.MISP:
        found = [file for file in found if file.name not in {"manifest.json", "hashes.csv"}]
    if not found:
        raise InputError(f"no {_ENDINGS[kind]} file in it", where=str(path), hint="name the right folder or a file")
    if len(found) > MAX_FEED_FILES:
        raise InputError(f"more than {MAX_FEED_FILES} files", where=str(path), hint="split the folder")
    return sorted(found)


def _digest(path: Path, files: list[Path]) -> str:
    whole = hashlib.sha256()
    try:
        for file in files:
            with file.open("rb") as stream:
                one = hashlib.file_digest(stream, "sha256").hexdigest()
            if file == path:
                return one
            whole.update(f"{one}  {file.relative_to(path).as_posix()}\n".encode())
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", where=str(path), hint="check the path") from None
    return whole.hexdigest()


def _headers(path: Path) -> Mapping[str, str]:
    try:
        raw = path.read_bytes()[: MAX_HEADERS_BYTES + 1]
        text = raw.decode("ascii")
    except (OSError, UnicodeDecodeError):
        raise InputError(
            "no readable ASCII file of headers", where=str(path), hint="one `Name: value` a line"
        ) from None
    if len(raw) > MAX_HEADERS_BYTES:
        raise InputError(f"above {MAX_HEADERS_BYTES} bytes", where=str(path), hint="one `Name: value` a line")
    headers = {}
    for number, line in enumerate(text.splitlines(), 1):
        name, colon, value = line.partition(":")
        if not line.strip():
            continue
        if not colon or not name.strip() or not value.strip() or not line.isprintable():
            # The line itself may be a secret: it is not shown.
            raise InputError("no header", where=f"{path}:{number}", hint="write `Name: value`")
        headers[name.strip()] = value.strip()
    return headers
