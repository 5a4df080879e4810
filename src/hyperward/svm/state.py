"""What the daemon must know again after a restart: the ledger of VLAN ids and the numbers of the tenants."""

from pathlib import Path

import msgspec
import structlog

from hyperward.files import write_atomically
from hyperward.fromjson import from_json
from hyperward.svm.lanes import Ledger
from hyperward.svm.tenantbook import TenantEntry

log = structlog.get_logger(__name__)


class _Saved(msgspec.Struct):
    ledger: msgspec.Raw
    tenants: dict[str, TenantEntry]


class State:
    """The daemon's memory, kept in one file.

    A file that cannot be read is put aside, and the daemon starts with an empty memory: ports then get other VLAN ids,
    which costs the engine's knowledge of running connections and nothing else.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._written = b""
        self.ledger = Ledger()
        self.tenants: dict[str, TenantEntry] = {}
        try:
            saved = from_json(path.read_bytes(), _Saved)
            self.ledger, self.tenants = Ledger.load(bytes(saved.ledger)), saved.tenants
        except FileNotFoundError:
            return
        except (OSError, ValueError) as error:
            aside = path.with_suffix(".damaged")
            log.error("state_unreadable", file=str(path), reason=str(error), put_aside=str(aside))
            path.replace(aside)

    def save(self) -> None:
        """Write the file if anything changed.

        Raises:
            OSError: it cannot be written; the old one stays.
        """
        content = msgspec.json.encode(_Saved(msgspec.Raw(self.ledger.dump()), self.tenants))
        if content != self._written:
            write_atomically(self._path, content)
            self._written = content
