"""What the parts that decide ask the edge to do. Pure values."""

from enum import IntEnum
from typing import Final

import msgspec

from hyperward.webscan.protocols.model import Request
from hyperward.webscan.scanner.frames import Packet
from hyperward.webscan.scanner.verdict import Verdict


class FlowState(IntEnum):
    """States of the kernel's `web_flows`; UNKNOWN stands for no entry."""

    UNKNOWN = 0
    UNTIL = 1
    DONE = 2
    BLOCKED = 3
    DROPPED = 4


class Forward(msgspec.Struct, frozen=True, gc=False):
    """Let these frames of the VM go on."""

    frames: tuple[bytes, ...]


class ToVm(msgspec.Struct, frozen=True, gc=False):
    """Send these crafted frames to the VM."""

    frames: tuple[bytes, ...]


class Mark(msgspec.Struct, frozen=True, gc=False):
    """Tell the kernel what it may do with the flow by itself.

    Args:
        key: of the flow.
        state: what it is in.
        start: `from` of the entry.
        until: end of the bytes that may pass, not further than 2^30 from `start`.
        seconds: after which the entry counts no more; 0 for never.
    """

    key: bytes
    state: FlowState
    start: int
    until: int = 0
    seconds: int = 0


class Found(msgspec.Struct, frozen=True, gc=False):
    """Write a record of a request.

    Args:
        packet: that completed it.
        request: what was asked for.
        verdict: what the databases and the policy say.
        event: id of the event.
        done: `blocked` or `reported`.
        reason: why it is not what was asked; empty otherwise.
    """

    packet: Packet
    request: Request
    verdict: Verdict
    event: str
    done: str
    reason: str = ""


class Drop(msgspec.Struct, frozen=True, gc=False):
    """The packet goes nowhere; `why` is what it is counted as."""

    why: str


Command = Forward | ToVm | Mark | Found | Drop

GAP: Final = Drop("beyond_next")
OTHER_CONTENT: Final = Drop("other_content")
TOO_MUCH: Final = Drop("unacknowledged")
BLOCKED: Final = Drop("blocked")
