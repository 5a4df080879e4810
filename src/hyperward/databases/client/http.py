"""A web server as source: HTTP or HTTPS, through a proxy or not, resuming by Range (RFC 9110, section 14)."""

import re
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, urljoin, urlsplit, urlunsplit
from urllib.request import getproxies, proxy_bypass

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from hyperward.databases.client.transport import NotThereFault, Piece
from hyperward.databases.client.watch import Limits, Watch
from hyperward.databases.errors import SlowSourceFault, SourceFault
from hyperward.errors import InputError

_CHUNK: Final = 1 << 16
_REDIRECTS: Final = 3
_MOVED: Final = frozenset({301, 302, 303, 307, 308})
_GONE: Final = frozenset({403, 404, 410})
_RANGE: Final = re.compile(r"bytes (\d{1,16})-\d{1,16}/(?:\d{1,16}|\*)")


@dataclass(frozen=True, slots=True)
class HttpOptions:
    """How to reach a web server.

    Args:
        proxy: address of a proxy, `http://[user:password@]host:port`; empty for what the environment says
            (`https_proxy`, `no_proxy`), `none` for no proxy at all.
        ca_file: certificates to trust instead of the system's.
        limits: what the server must keep up with.
    """

    proxy: str = ""
    ca_file: Path | None = None
    limits: Limits = field(default_factory=Limits)


class HttpTransport:
    """A web server.

    Args:
        address: of the repository, `http://` or `https://`; may carry user and password.
        options: how to reach it.

    Raises:
        InputError: no such address, or no such certificates.
    """

    def __init__(self, address: str, options: HttpOptions | None = None) -> None:
        self._options = options or HttpOptions()
        parts = _checked(address)
        host = parts.hostname or ""
        netloc = f"[{host}]" if ":" in host else host
        netloc = f"{netloc}:{parts.port}" if parts.port else netloc
        self._base = urlunsplit((parts.scheme, netloc, parts.path.rstrip("/") + "/", "", ""))
        self.place = self._base
        self._headers = {"Accept-Encoding": "identity", "User-Agent": "hyperward"}
        if parts.username:
            self._headers |= urllib3.make_headers(basic_auth=f"{parts.username}:{parts.password or ''}")
        self._watch = Watch(self._options.limits)
        self._pools = self._manager(parts.scheme, host)

    @contextmanager
    def open(self, path: str, offset: int = 0) -> Iterator[Piece]:
        """Open a file of the repository."""
        with self._watch.transfer():
            response = None
            try:
                response = self._asked(urljoin(self._base, path), offset)
                yield Piece(self._start(response, offset), self._chunks(response))
            except (urllib3.exceptions.HTTPError, OSError) as error:
                raise self._fault(error) from None
            finally:
                if response is not None:
                    # not given back to the pool half read
                    response.close()
                    response.release_conn()

    def close(self) -> None:
        """Let go of connections."""
        self._pools.clear()
        self._watch.close()

    def _manager(self, scheme: str, host: str) -> urllib3.PoolManager:
        limits, watch = self._options.limits, self._watch
        try:
            context = ssl.create_default_context(cafile=self._options.ca_file)
        except (OSError, ssl.SSLError) as error:
            raise InputError(f"no certificates can be read ({error})", where=str(self._options.ca_file)) from None
        timeout = urllib3.Timeout(connect=limits.connect, read=limits.gap)
        if proxy := self._proxy(scheme, host):
            at = _checked(proxy)
            headers = (
                urllib3.make_headers(proxy_basic_auth=f"{at.username}:{at.password or ''}") if at.username else None
            )
            plain = urlunsplit((at.scheme, at.netloc.rpartition("@")[2], "", "", ""))
            manager: urllib3.PoolManager = urllib3.ProxyManager(
                plain, proxy_headers=headers, ssl_context=context, proxy_ssl_context=context, timeout=timeout
            )
        else:
            manager = urllib3.PoolManager(ssl_context=context, timeout=timeout)
        manager.pool_classes_by_scheme = _watched_pools(watch)
        return manager

    def _proxy(self, scheme: str, host: str) -> str:
        if self._options.proxy:
            return "" if self._options.proxy == "none" else self._options.proxy
        proxies = getproxies()
        return "" if proxy_bypass(host) else proxies.get(scheme, "")

    def _asked(self, address: str, offset: int) -> urllib3.BaseHTTPResponse:
        origin = urlsplit(self._base)
        for _ in range(_REDIRECTS + 1):
            at = _checked(address)
            headers = dict(self._headers)
            if offset:
                headers["Range"] = f"bytes={offset}-"
            if (at.scheme, at.netloc) != (origin.scheme, origin.netloc):
                headers.pop("authorization", None)
            response = self._pools.request(
                "GET",
                address,
                headers=headers,
                preload_content=False,
                decode_content=False,
                redirect=False,
                retries=False,
            )
            if response.status in {200, 206}:
                return response
            location = response.headers.get("Location", "") if response.status in _MOVED else ""
            response.close()
            if response.status == 416 and offset:  # noqa: PLR2004 - Range Not Satisfiable
                offset = 0
            elif not location:
                raise self._refusal(response.status, address)
            else:
                address = urljoin(address, location)
                if origin.scheme == "https" and urlsplit(address).scheme != "https":
                    raise SourceFault(
                        "the server leads from https to http", where=self.place, hint="correct the server"
                    )
        raise SourceFault(f"the server redirects more than {_REDIRECTS} times", where=self.place)

    def _refusal(self, status: int, address: str) -> SourceFault:
        path = urlsplit(address).path
        if status in _GONE:
            return NotThereFault(
                f"there is no {path} (status {status})", where=self.place, hint="check the address of the repository"
            )
        return SourceFault(f"the server answers {path} with status {status}", where=self.place, hint="try again later")

    def _start(self, response: urllib3.BaseHTTPResponse, offset: int) -> int:
        if response.status != 206:  # noqa: PLR2004 - Partial Content
            return 0
        found = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if not found or int(found[1]) != offset:
            raise SourceFault("the server sends another part than asked for", where=self.place)
        return offset

    def _chunks(self, response: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
        # read1: what one read of the socket brings, so that the watch sees a trickle as it comes
        try:
            while chunk := response.read1(_CHUNK, decode_content=False):
                self._watch.add(len(chunk))
                yield chunk
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise self._fault(error) from None
        if self._watch.problem:
            raise self._fault(None)

    def _fault(self, error: Exception | None) -> SourceFault:
        # a refused connection is a kind of ConnectTimeoutError there
        late = isinstance(error, urllib3.exceptions.TimeoutError) and not isinstance(
            error, urllib3.exceptions.NewConnectionError
        )
        if self._watch.problem or late:
            return SlowSourceFault(
                f"the server is too slow ({self._watch.problem or 'no answer in time'})",
                where=self.place,
                hint="try again later, the transfer goes on where it ended; or use another source",
            )
        reason = getattr(error, "reason", None) or error
        return SourceFault(
            f"the server cannot be reached ({_first_line(reason)})",
            where=self.place,
            hint="check the address, the network and the proxy",
        )


def _watched_pools(watch: Watch) -> dict[str, type[HTTPConnectionPool]]:
    """Return pools whose connections the watch knows from their first byte on."""

    class Plain(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            connection = super()._new_conn()
            watch.guard(connection)
            return connection

    class Encrypted(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            connection = super()._new_conn()
            watch.guard(connection)
            return connection

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class EncryptedPool(HTTPSConnectionPool):
        ConnectionCls = Encrypted

    return {"http": PlainPool, "https": EncryptedPool}


def _checked(address: str) -> SplitResult:
    try:
        parts = urlsplit(address)
        good = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        good = False
    if not good or not address.isprintable():
        # the text is not shown: it may hold a password
        raise InputError("this is no address of a web server", hint="write it as https://host[:port]/path")
    return parts


def _first_line(error: object) -> str:
    return str(error).partition("\n")[0][:200]
