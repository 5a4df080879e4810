"""From what the operator writes to a driver."""

from pathlib import Path

from hyperward.databases.client.folder import FolderTransport
from hyperward.databases.client.http import HttpOptions, HttpTransport
from hyperward.databases.client.transport import Transport
from hyperward.errors import InputError


def open_source(source: str, options: HttpOptions | None = None) -> Transport:
    """Return the driver of a source.

    Args:
        source: `https://...`, `http://...`, `file:///folder` or the path of a folder.
        options: how to reach a web server.

    Raises:
        InputError: neither an address nor a folder.
    """
    if source.startswith(("http://", "https://")):
        return HttpTransport(source, options)
    folder = Path(source.removeprefix("file://"))
    if "://" in str(source).removeprefix("file://") or not folder.is_dir():
        raise InputError(
            "no such folder", where=source.partition("@")[2] or source, hint="give a folder, http:// or https://"
        )
    return FolderTransport(folder)
