"""What the engine's supervisor tells its caller, who makes events of it."""

from dataclasses import dataclass
from enum import StrEnum


class NoticeKind(StrEnum):
    """What happened to the engine."""

    STARTED = "started"
    ADOPTED = "adopted"
    STOPPED = "stopped"
    CRASHED = "crashed"
    HUNG = "hung"
    START_FAILED = "start_failed"
    CRASH_LOOP = "crash_loop"
    LOADED = "loaded"
    """Everything desired is in the engine: all mapped VLAN ids are under inspection."""
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class EngineNotice:
    """One notice.

    Args:
        kind: what happened.
        text: one line for people.
        seconds: how long it took or lasted, where that makes sense.
    """

    kind: NoticeKind
    text: str
    seconds: float = 0.0
