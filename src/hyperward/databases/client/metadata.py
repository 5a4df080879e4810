"""Run the TUF client workflow over a transport.

The trust folder holds `root.json`, given once at set-up, and under `metadata` what was seen since: later roots, and the
versions below which nothing is accepted any more. The library works on a copy in the cache; what it accepted is written
back file by file, complete and synced, whether or not the workflow went through: having seen a timestamp counts even if
the rest could not be fetched.
"""

import io
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from tuf.api import exceptions
from tuf.api.metadata import Metadata, Root, TargetFile
from tuf.ngclient import FetcherInterface, Updater, UpdaterConfig

from hyperward.databases.client.transport import NotThereFault, Transport
from hyperward.databases.client.verdict import verdict
from hyperward.databases.disk import Disk
from hyperward.databases.errors import DamagedError, disk_faults
from hyperward.databases.manifest import content_id
from hyperward.errors import InputError

_ROOT: Final = "root.json"
_NOT_FOUND: Final = 404


def init_trust(folder: Path, root: bytes, *, disk: Disk | None = None) -> str:
    """Trust the holders of a root from now on; return the root's SHA-256 for comparing it out of band.

    Args:
        folder: the trust folder; made where it is missing.
        root: root metadata, any version of it.
        disk: how it is written.

    Raises:
        InputError: this is no root, or another one is trusted already.
        SystemFault: it cannot be written.
    """
    disk = disk or Disk()
    try:
        metadata: Metadata[Root] = Metadata.from_bytes(root)
        if metadata.signed.type != Root.type:
            raise InputError("this is no root metadata", hint="take N.root.json from the publisher")
        metadata.signed.verify_delegate(Root.type, metadata.signed_bytes, metadata.signatures)
    except (exceptions.RepositoryError, ValueError) as error:
        raise InputError(f"this is no root metadata ({error})", hint="take N.root.json from the publisher") from None
    with disk_faults(folder):
        disk.folder(folder)
        path = folder / _ROOT
        if path.exists() and path.read_bytes() != root:
            raise InputError(
                "another root is trusted already", where=str(path), hint="remove the folder to trust others from now on"
            )
        disk.write(path, (root,))
    return content_id(root)


class Trusted:
    """What the source has, after every check of the workflow.

    Args:
        updater: of the library, refreshed.
    """

    def __init__(self, updater: Updater, fetcher: "_Fetcher") -> None:
        self._updater = updater
        self._fetcher = fetcher

    def target(self, name: str) -> TargetFile | None:
        """Return what was signed about a target, None when there is none of this name.

        Raises:
            HyperwardError: a subclass that names the attack.
        """
        with self._fetcher.verdicts():
            return self._updater.get_targetinfo(name)


def refresh(trust: Path, transport: Transport, scratch: Path, *, disk: Disk | None = None) -> Trusted:
    """Return what the source has now.

    Args:
        trust: the trust folder.
        transport: the source.
        scratch: folder for the library's copy.
        disk: how the trust folder is written.

    Raises:
        HyperwardError: a subclass that names the attack, or says what is missing.
    """
    disk, fetcher = disk or Disk(), _Fetcher(transport)
    try:
        root = (trust / _ROOT).read_bytes()
    except OSError as error:
        raise InputError(
            f"no root is trusted yet ({error.strerror})",
            where=str(trust / _ROOT),
            hint="get root.json from the publisher of the databases and trust it first",
        ) from None
    kept = trust / "metadata"
    with disk_faults(scratch):
        shutil.rmtree(scratch, ignore_errors=True)
        if kept.is_dir():
            shutil.copytree(kept, scratch)
        else:
            scratch.mkdir(parents=True)
    try:
        updater = _updater(root, scratch, fetcher, trust)
        with fetcher.verdicts():
            updater.refresh()
    finally:
        _keep(scratch, kept, disk)
    return Trusted(updater, fetcher)


def _updater(root: bytes, scratch: Path, fetcher: "_Fetcher", trust: Path) -> Updater:
    try:
        return Updater(str(scratch), "metadata/", fetcher=fetcher, config=UpdaterConfig(), bootstrap=root)
    except exceptions.RepositoryError as error:
        raise DamagedError(
            f"the trusted root is damaged ({error})",
            where=str(trust / _ROOT),
            hint="put the publisher's root.json there",
        ) from None


def _keep(scratch: Path, kept: Path, disk: Disk) -> None:
    """Write back what the library accepted. Roots first: what follows is signed under them."""
    with disk_faults(kept):
        disk.folder(kept / "root_history")
        names = [path.relative_to(scratch) for path in sorted(scratch.glob("root_history/*.root.json"))]
        names += [Path(f"{role}.json") for role in ("timestamp", "snapshot", "targets")]
        for name in names:
            if not (scratch / name).is_file():
                continue
            fresh, place = (scratch / name).read_bytes(), kept / name
            if not place.is_file() or place.read_bytes() != fresh:
                disk.write(place, (fresh,))


class _Fetcher(FetcherInterface):
    """The library's way to a transport. Metadata is small and bounded: it stays in memory."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._file = "root.json"

    def _fetch(self, url: str) -> Iterator[bytes]:
        self._file = url.rpartition("/")[2]
        try:
            with self._transport.open(url) as piece:
                yield from piece.chunks
        except NotThereFault as error:
            raise exceptions.DownloadHTTPError(error.what, _NOT_FOUND) from None

    @contextmanager
    def download_file(self, url: str, max_length: int) -> Iterator[IO[bytes]]:
        """Yield the file in memory."""
        content = io.BytesIO()
        chunks = self._fetch(url)
        for chunk in chunks:
            content.write(chunk)
            if content.tell() > max_length:
                raise exceptions.DownloadLengthMismatchError(f"more than {max_length} bytes")
        content.seek(0)
        yield content

    @contextmanager
    def verdicts(self) -> Iterator[None]:
        """Turn the library's errors into those with the name of the attack."""
        try:
            yield
        except (exceptions.RepositoryError, exceptions.DownloadError) as error:
            raise verdict(error, self._file, self._transport.place) from None
        except (ValueError, TypeError, KeyError, AttributeError, RuntimeError) as error:
            # signed, but with parts of a kind that the library does not expect
            raise verdict(exceptions.RepositoryError(str(error)), self._file, self._transport.place) from None
        except OSError as error:
            with disk_faults(Path(self._file)):
                raise error from None
