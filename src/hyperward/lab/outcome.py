"""How a client's attempt ended, in the same terms for every client of the lab."""

from dataclasses import dataclass
from enum import StrEnum


class Result(StrEnum):
    """The end of an attempt, as the program that made it sees it."""

    COMPLETED = "completed"
    """The server answered, whatever it said."""
    RESET = "reset"
    """The connection was reset after it was established."""
    REFUSED = "refused"
    """The connection was reset while it was being established."""
    TIMED_OUT = "timed out"
    """No answer within the time."""
    CLOSED = "closed"
    """The connection was ended in order before the answer was complete."""
    FAILED = "failed"
    """Anything else; the detail says what."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of one attempt."""

    result: Result
    size: int = 0
    """Bytes of the answer's body that arrived; 0 where the client computes the checksum instead (the QEMU VM)."""
    detail: str = ""
    """The HTTP status, the DNS answer, or what the client program said."""
    sha256: str = ""
    """The checksum of the body that arrived, in hexadecimal, where the client computes it."""

    @property
    def completed(self) -> bool:
        """Whether the attempt went through."""
        return self.result is Result.COMPLETED
