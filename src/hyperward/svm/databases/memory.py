"""What updates remember from one to the next, beside the store's ledger. Values, and their file."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import msgspec
import structlog

from hyperward.files import write_atomically
from hyperward.fromjson import from_json

RETRY_REFUSED: Final = timedelta(hours=1)
"""The schedule tries a version again that was refused: what stood against it may be gone, a full disk for one."""
log = structlog.get_logger(__name__)


class Memory(msgspec.Struct, frozen=True):
    """What updates remember.

    Args:
        looked: when the source was asked last.
        confirmed: when it was certain last that nothing later than the active version is to be had.
        skip: the schedule takes no version up to this one: it was rolled back from.
        refused: SHA-256 of the manifest that was refused last.
        failed: why the last look led to nothing; empty when it did not fail.
        source: that was asked last.
    """

    looked: datetime | None = None
    confirmed: datetime | None = None
    skip: int = 0
    refused: str = ""
    refused_at: datetime | None = None
    failed: str = ""
    source: str = ""


def passed_over(memory: Memory, version: int, manifest: str, now: datetime) -> str:
    """Return why the schedule leaves a version alone for now; empty when it does not.

    Args:
        memory: of this SVM.
        version: that the source offers.
        manifest: SHA-256 of its manifest.
        now: the time.
    """
    if version <= memory.skip:
        return f"version {memory.skip} was rolled back from; update by hand, or wait for a higher version"
    if manifest == memory.refused and memory.refused_at is not None and now - memory.refused_at < RETRY_REFUSED:
        return f"version {version} was refused; it is tried again later"
    return ""


def age(memory: Memory, built: str, now: datetime) -> timedelta:
    """Return how long ago the active version was certainly the latest.

    Args:
        memory: of this SVM.
        built: when the version was built (`2026-01-31T12:00:00Z`).
        now: the time, with a zone.
    """
    moments = [datetime.fromisoformat(built)] if built else []
    if memory.confirmed is not None:
        moments.append(memory.confirmed)
    return max(timedelta(), now - max(moments)) if moments else timedelta()


def load_memory(path: Path) -> Memory:
    """Return what is remembered; a file that cannot be read is no reason to stop."""
    try:
        return from_json(path.read_bytes(), Memory)
    except FileNotFoundError:
        return Memory()
    except (OSError, ValueError) as error:
        log.warning("database_memory_lost", path=str(path), reason=str(error))
        return Memory()


def keep_memory(path: Path, memory: Memory) -> None:
    """Write it down; without room it is kept in memory only."""
    try:
        write_atomically(path, msgspec.json.encode(memory))
    except OSError as error:
        log.warning("database_memory_not_kept", path=str(path), reason=str(error))
