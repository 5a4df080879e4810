"""Requests to verdicts, remembering those of late: browsers ask again and again.

Most hosts have no entry at all, neither themselves nor a domain above them. Of those it is remembered just that: then
no address there needs to be looked at any more, whatever its path.
"""

from collections.abc import Callable
from ipaddress import ip_address
from typing import Final, Protocol

import structlog

from hyperward.errors import InputError
from hyperward.webscan.address.model import Address
from hyperward.webscan.database.model import Match
from hyperward.webscan.protocols.model import Request, WebProtocol
from hyperward.webscan.scanner.verdict import CLEAN, Verdict, strictest
from hyperward.webscan.settings import HelloAction, WebAction, WebScan

MAX_CACHED: Final = 16_384
MAX_CACHED_BYTES: Final = 4 << 20
_LONGEST_CACHED: Final = 2048

log = structlog.get_logger(__name__)


class Lookup(Protocol):
    """All databases as one."""

    def lookup(self, address: Address) -> tuple[Match, ...]:
        """Return the entries that the address meets, most exact first."""

    def may_list(self, host: str) -> bool:
        """Tell whether an entry may stand for some address on this host; False is certain."""


class Masks(Protocol):
    """Masks of addresses that are never blocked."""

    def find(self, address: Address) -> str | None:
        """Return the mask that holds the address."""


class VerdictCache:
    """Verdicts by host and target, in two generations: what is not asked for any more leaves with the older one."""

    def __init__(self, most: int = MAX_CACHED, most_bytes: int = MAX_CACHED_BYTES) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._young: dict[tuple[bytes, bytes | None], Verdict] = {}
        self._old: dict[tuple[bytes, bytes | None], Verdict] = {}
        self._bytes = 0

    def __len__(self) -> int:
        """Return how many verdicts are held."""
        return len(self._young) + len(self._old)

    def get(self, host: bytes, target: bytes | None) -> Verdict | None:
        """Return the verdict, None where it is not known."""
        verdict = self._young.get((host, target))
        if verdict is None:
            verdict = self._old.pop((host, target), None)
            if verdict is not None:
                self.put(host, target, verdict)
        return verdict

    def put(self, host: bytes, target: bytes | None, verdict: Verdict) -> None:
        """Remember the verdict; what is very long is not worth it."""
        size = len(host) + len(target or b"")
        if size > _LONGEST_CACHED:
            return
        if len(self._young) >= self._most // 2 or self._bytes + size > self._most_bytes // 2:
            self._old, self._young, self._bytes = self._young, {}, 0
        self._young[host, target] = verdict
        self._bytes += size


class Judge:
    """Judges the requests of all ports that share settings.

    Args:
        scan: settings.
        databases: what is asked.
        masks: of `never_block`.
        canonical: host and target as written to an address; raises InputError.
    """

    def __init__(
        self,
        scan: WebScan,
        databases: Lookup,
        masks: Masks,
        canonical: Callable[[bytes, bytes | None], Address],
    ) -> None:
        self._scan = scan
        self._databases = databases
        self._masks = masks
        self._canonical = canonical
        self._cache = VerdictCache()
        self._hosts = VerdictCache()  # CLEAN, of hosts without any entry
        self._on = {
            WebProtocol.HTTP: scan.http,
            WebProtocol.TLS: scan.tls,
            WebProtocol.QUIC: scan.quic,
            WebProtocol.DNS: scan.dns,
        }

    def judge(self, request: Request, destination: bytes) -> Verdict:
        """Return what is to be done with the request.

        Args:
            request: as it was read.
            destination: address that it is sent to, which stands in for a name that the request does not have.
        """
        if not self._on[request.protocol]:
            return CLEAN
        host = request.host or str(ip_address(destination)).encode()
        target = request.target
        # The target may name another host than the Host field, but not when it is a path.
        own = target is None or target[:1] == b"/"
        verdict = self._hosts.get(host, None) if own else None
        if verdict is None:
            verdict = self._cache.get(host, target)
        if verdict is None:
            verdict = self._look_up(host, target, own=own)
        return self._hidden(verdict, host) if request.encrypted_hello else verdict

    def _look_up(self, host: bytes, target: bytes | None, *, own: bool) -> Verdict:
        """Return a verdict that is not remembered, and remember it; `own`: the address is on `host`."""
        try:
            address = self._canonical(host, target)
        except InputError as error:
            log.debug("no_address", reason=error.line())
            self._cache.put(host, target, CLEAN)
            return CLEAN
        if own and not self._databases.may_list(address.host):
            self._hosts.put(host, None, CLEAN)
            return CLEAN
        verdict = self._of(address)
        self._cache.put(host, target, verdict)
        return verdict

    def _of(self, address: Address) -> Verdict:
        asked, match = strictest(self._databases.lookup(address), self._scan)
        if asked is WebAction.OFF:
            return CLEAN
        exempt = self._masks.find(address) or ""
        if exempt and asked is WebAction.REPORT:
            return CLEAN
        return Verdict(asked, asked is WebAction.BLOCK and not exempt, address, match, exempt)

    def _hidden(self, verdict: Verdict, host: bytes) -> Verdict:
        """Return the verdict of a hello whose true name cannot be read."""
        reset = self._scan.encrypted_hello is HelloAction.RESET
        if verdict.block or (verdict.match is not None and not reset):
            return Verdict(
                verdict.asked, verdict.block, verdict.address, verdict.match, verdict.exempt, hidden_name=True
            )
        try:
            address = self._canonical(host, None)
        except InputError:
            address = Address(host.decode("ascii", "backslashreplace")[:255], path="")
        asked = WebAction.BLOCK if reset else WebAction.REPORT
        return Verdict(asked, reset, address, verdict.match, hidden_name=True)
