"""What a policy may ask for when Intrusion Prevention finds something."""

from enum import StrEnum


class Action(StrEnum):
    """The action of a feature, from mild to strict."""

    IGNORE = "ignore"
    """Report, and let the traffic pass."""
    TERMINATE = "terminate"
    """Drop, and reset both ends so that programs fail at once instead of hanging."""
    TERMINATE_AND_BLOCK = "terminate_and_block"
    """As terminate, and drop the source's traffic for a time."""
