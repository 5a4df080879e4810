"""How a client's request for a web address ended, in the same terms for every client of the lab."""

from dataclasses import dataclass
from enum import StrEnum


class End(StrEnum):
    """The end of a request, as the client sees it."""

    ANSWERED = "answered"
    """With a status, whatever it is."""
    CUT = "connection cut"
    """By an alert, a reset or an end before any answer."""
    SILENT = "no answer"
    """Within the time."""
    FAILED = "failed"
    """Anything else; the detail says what."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a request.

    Args:
        end: how it ended.
        status: of HTTP; 0 without an answer.
        page: the body as far as the client shows it: busybox wget shows none of an error.
        detail: what the client said.
    """

    end: End
    status: int = 0
    page: str = ""
    detail: str = ""

    def __str__(self) -> str:
        """Return it for people."""
        return f"HTTP {self.status}" if self.end is End.ANSWERED else self.end.value
