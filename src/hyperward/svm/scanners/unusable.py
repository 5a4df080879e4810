"""Notice from what the scanners say which address databases they cannot use, and when they can again. Pure."""

from collections.abc import Iterable

import msgspec

from hyperward.events.model import Kind
from hyperward.svm.scanners.notices import ScannerNotice
from hyperward.webscan.scanner.status import ScannerStatus


class UnusableMemory(msgspec.Struct, frozen=True):
    """What a watch knows, stored so that the next daemon tells nothing twice.

    Args:
        reasons: why a database cannot be used, by its path.
    """

    reasons: dict[str, str] = {}


class UnusableWatch:
    """Compares from look to look what scanners say.

    Args:
        configured: paths of the address databases; what is remembered of others is forgotten.
        memory: of the daemon before; None where there was none.
    """

    def __init__(self, configured: Iterable[str], memory: UnusableMemory | None = None) -> None:
        known = memory.reasons if memory is not None else {}
        self._reasons = {path: known[path] for path in configured if path in known}

    @property
    def memory(self) -> UnusableMemory:
        """What is to be stored."""
        return UnusableMemory(dict(self._reasons))

    def look(self, reports: Iterable[ScannerStatus]) -> list[ScannerNotice]:
        """Return what has changed since the last look.

        Args:
            reports: of the scanners that run; without any, nothing is known to have changed.
        """
        said = tuple(reports)
        reasons = {path: reason for report in said for path, reason in report.unusable.items()}
        versions = {path: version for report in said for path, version in report.databases.items()}
        news = [
            ScannerNotice(Kind.ADDRESSES_UNUSABLE, f"an address database cannot be used: {reason}")
            for path, reason in reasons.items()
            if self._reasons.get(path) != reason
        ]
        mended = [path for path in self._reasons if path in versions and path not in reasons]
        news += [
            ScannerNotice(Kind.ADDRESSES_USABLE, f"the address database {path} is in use, version {versions[path]}")
            for path in mended
        ]
        self._reasons = {path: why for path, why in self._reasons.items() if path not in mended} | reasons
        return news
