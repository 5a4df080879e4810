"""Fetch one file over HTTP(S) into a folder of its own: only when it changed, going on where an earlier try broke off.

The folder holds `content` with `content.json` (what is known of it), and while a download runs `partial` with
`partial.json`. `content` is replaced in one step, after the whole file is there, so a failure leaves the last good one.
"""

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
import urllib3

from hyperward.databases.sources.config import HttpEntry
from hyperward.errors import InputError, SystemFault
from hyperward.files import write_atomically
from hyperward.fromjson import from_json

_CHUNK = 1 << 16
_TRIES = 3
_SLOW_AFTER = 30.0
_SLOW_BYTES = 1024
"""A server that sends less than 1 KiB a second over 30 s is given up: it would hold the build for hours."""
Progress = Callable[[int, int | None], None]
"""Told how many bytes are there, and how many there will be where that is known."""


class _Known(msgspec.Struct, frozen=True):
    url: str
    etag: str = ""
    modified: str = ""
    sha256: str = ""
    size: int = 0


@dataclass(frozen=True, slots=True)
class _Job:
    url: str
    folder: Path
    deadline: float
    progress: Progress | None


@dataclass(frozen=True, slots=True)
class WebFile:
    """A fetched file.

    Args:
        path: where it is.
        sha256: of its content.
        size: in bytes.
        moved: bytes that went over the network now.
        unchanged: the server said that the file of the last time is still right.
    """

    path: Path
    sha256: str
    size: int
    moved: int
    unchanged: bool


class WebFetcher:
    """Fetches files with one pool of connections.

    Args:
        settings: bounds and proxy.
        clock: monotonic seconds.
    """

    def __init__(self, settings: HttpEntry, *, clock: Callable[[], float] = time.monotonic) -> None:
        timeout = urllib3.Timeout(connect=settings.timeout_seconds, read=settings.timeout_seconds)
        retries = urllib3.Retry(total=5, connect=2, read=0, redirect=5, status=0, raise_on_redirect=True)
        self._settings = settings
        self._clock = clock
        self._pool: urllib3.PoolManager = (
            urllib3.ProxyManager(settings.proxy, timeout=timeout, retries=retries)
            if settings.proxy
            else urllib3.PoolManager(timeout=timeout, retries=retries)
        )

    def close(self) -> None:
        """Close all connections."""
        self._pool.clear()

    def fetch(
        self, url: str, folder: Path, *, headers: Mapping[str, str] | None = None, progress: Progress | None = None
    ) -> WebFile:
        """Bring the file at `url` into `folder`.

        Raises:
            InputError: the server has no such file, refuses it, or sends more than is allowed.
            SystemFault: the server cannot be reached, is too slow, or breaks off again and again.
            OSError: the folder cannot be written; what was fetched before stays.
        """
        folder.mkdir(parents=True, exist_ok=True)
        job = _Job(url, folder, self._clock() + self._settings.total_seconds, progress)
        for attempt in range(_TRIES):
            try:
                got = self._try(job, dict(headers or {}))
            except (urllib3.exceptions.HTTPError, OSError) as error:
                if isinstance(error, OSError) and not isinstance(error, ConnectionError | TimeoutError):
                    raise
                if attempt + 1 == _TRIES or self._clock() > job.deadline:
                    raise SystemFault(
                        f"cannot be fetched ({_reason(error)})", where=url, hint="try again later; the download goes on"
                    ) from None
                continue
            return got
        raise AssertionError  # the last attempt returned or raised

    def _try(self, job: _Job, headers: dict[str, str]) -> WebFile:
        url, folder = job.url, job.folder
        known = _load(folder / "content.json", url) if (folder / "content").is_file() else None
        partial = folder / "partial"
        begun = _load(folder / "partial.json", url)
        start = partial.stat().st_size if begun is not None and begun.etag and partial.is_file() else 0
        headers |= {"Accept-Encoding": "identity"}
        if start and begun is not None:
            headers |= {"Range": f"bytes={start}-", "If-Range": begun.etag}
        elif known is not None and known.etag:
            headers["If-None-Match"] = known.etag
        elif known is not None and known.modified:
            headers["If-Modified-Since"] = known.modified
        response = self._pool.request("GET", url, headers=headers, preload_content=False, decode_content=False)
        try:
            if response.status == 304 and known is not None:  # noqa: PLR2004 - Not Modified, RFC 9110
                return WebFile(folder / "content", known.sha256, known.size, 0, unchanged=True)
            if response.status == 416:  # noqa: PLR2004 - Range Not Satisfiable: the file became shorter
                partial.unlink(missing_ok=True)
                raise urllib3.exceptions.ProtocolError("the file changed while it was fetched")
            goes_on = response.status == 206 and _range_start(response.headers.get("Content-Range", "")) == start  # noqa: PLR2004
            if response.status != 200 and not goes_on:  # noqa: PLR2004
                raise InputError(f"the server answers {response.status}", where=url, hint="check the address")
            return self._receive(job, response, start if goes_on else 0)
        finally:
            response.release_conn()
            response.close()

    def _receive(self, job: _Job, response: urllib3.BaseHTTPResponse, start: int) -> WebFile:
        url, folder = job.url, job.folder
        limit = self._settings.max_megabytes << 20
        length = response.headers.get("Content-Length", "")
        whole = start + int(length) if length.isascii() and length.isdigit() and len(length) < 16 else None  # noqa: PLR2004
        if whole is not None and whole > limit:
            raise InputError(f"has {whole} bytes, above {limit}", where=url, hint="raise http.max_megabytes")
        etag = response.headers.get("ETag", "")
        found = _Known(url, "" if etag.startswith("W/") and start else etag, response.headers.get("Last-Modified", ""))
        partial = folder / "partial"
        if not start:
            # Only a strong validator allows to go on later (RFC 9110, section 13.1.5).
            resumable = found.etag if not found.etag.startswith("W/") else ""
            write_atomically(folder / "partial.json", msgspec.json.encode(_Known(url, resumable)))
        began, size = self._clock(), start
        with partial.open("r+b" if start else "wb") as file:
            file.seek(start)
            file.truncate()
            # `stream` would wait for whole chunks, and a server that drips bytes would never be found out.
            while chunk := response.read1(_CHUNK, decode_content=False):
                size += len(chunk)
                if size > limit:
                    raise InputError(f"sends more than {limit} bytes", where=url, hint="raise http.max_megabytes")
                file.write(chunk)
                self._check_pace(job, size - start, began)
                if job.progress is not None:
                    job.progress(size, whole)
        if whole is not None and size != whole:
            raise urllib3.exceptions.ProtocolError(f"the connection broke off after {size} of {whole} bytes")
        digest = _sha256(partial)
        # The old description goes first: between the two steps there is content without one, which is fetched again.
        (folder / "content.json").unlink(missing_ok=True)
        partial.replace(folder / "content")
        known = msgspec.structs.replace(found, sha256=digest, size=size)
        write_atomically(folder / "content.json", msgspec.json.encode(known))
        (folder / "partial.json").unlink(missing_ok=True)
        return WebFile(folder / "content", digest, size, size - start, unchanged=False)

    def _check_pace(self, job: _Job, received: int, began: float) -> None:
        now = self._clock()
        if now > job.deadline:
            what = f"takes more than {self._settings.total_seconds} s"
            raise SystemFault(what, where=job.url, hint="try again; the download goes on, or raise http.total_seconds")
        if now - began > _SLOW_AFTER and received < (now - began) * _SLOW_BYTES:
            raise SystemFault(f"sends less than {_SLOW_BYTES} bytes a second", where=job.url, hint="try again later")


def kept(folder: Path, url: str) -> WebFile | None:
    """Return what an earlier fetch of this address left, None where there is nothing whole."""
    known = _load(folder / "content.json", url)
    path = folder / "content"
    if known is None or not path.is_file() or path.stat().st_size != known.size:
        return None
    return WebFile(path, known.sha256, known.size, 0, unchanged=True)


def _load(path: Path, url: str) -> _Known | None:
    try:
        known = from_json(path.read_bytes(), _Known)
    except (OSError, ValueError):
        return None
    return known if known.url == url else None


def _range_start(text: str) -> int:
    """Return where a part begins (`bytes START-END/SIZE`), -1 where that cannot be read."""
    unit, _, rest = text.partition(" ")
    number = rest.partition("-")[0]
    return int(number) if unit == "bytes" and number.isascii() and number.isdigit() and len(number) < 16 else -1  # noqa: PLR2004


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _reason(error: Exception) -> str:
    cause = error.reason if isinstance(error, urllib3.exceptions.MaxRetryError) and error.reason else error
    return str(cause).rpartition(": ")[2][:200] or type(cause).__name__
