"""What a policy may ask for when a feature finds something."""

from enum import StrEnum


class Action(StrEnum):
    """The action of Intrusion Prevention, from mild to strict."""

    IGNORE = "ignore"
    """Report, and let the traffic pass."""
    TERMINATE = "terminate"
    """Drop, and reset both ends so that programs fail at once instead of hanging."""
    TERMINATE_AND_BLOCK = "terminate_and_block"
    """As terminate, and drop the source's traffic for a time."""


class WebAction(StrEnum):
    """What happens to a request for an address of a category."""

    BLOCK = "block"
    """It does not reach the server; a browser gets the block page."""
    REPORT = "report"
    """It passes, with an event."""
    OFF = "off"
    """It passes, and nobody hears of it."""


class HelloAction(StrEnum):
    """What happens to a TLS connection that hides its name (Encrypted Client Hello)."""

    ALLOW = "allow"
    """It passes, with an event; the outer name is judged."""
    RESET = "reset"
