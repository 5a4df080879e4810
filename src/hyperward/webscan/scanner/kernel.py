"""What a scanner reads and writes of the kernel's flows, with as little work as possible: every request asks.

`BpfKernel` talks to the maps; `StubKernel` is its twin for tests.
"""

import struct
import time
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, Protocol

from hyperward.steering.layout import Flow
from hyperward.steering.libbpf import check, ffi, lib
from hyperward.webscan.scanner.commands import FlowState, Mark

WEB_FLOW: Final = struct.Struct("=IIBBHIQ")
"""`struct web_flow`: from, until, state, settled, padding, settled_from, expires_ns."""
_FLOW_SIZE: Final = Flow.FORMAT.size
_FIRST_NS: Final = struct.Struct("=Q")
_ACK_TO_VM: Final = struct.Struct("=52xI")
_FLAGS_TO_VM: Final = 57
_ACK: Final = 0x10
_ANY, _EXISTING = 0, 2
_MISSING: Final = -2  # -ENOENT


class Known(NamedTuple):
    """What steering knows of a flow.

    Args:
        since_ns: CLOCK_MONOTONIC, when the first packet of these addresses and ports was seen.
        ack: what the other end acknowledged last; None where it said nothing yet.
    """

    since_ns: int
    ack: int | None


class Entry(NamedTuple):
    """What the kernel holds in `web_flows`: state, and the numbers `from` and `until`."""

    state: FlowState
    start: int
    until: int


NO_ENTRY: Final = Entry(FlowState.UNKNOWN, 0, 0)


class KernelFlows(Protocol):
    """The kernel's flows, by packed `struct flow_key`."""

    def known(self, key: bytes) -> Known | None:
        """Return what steering knows of a flow, None where it knows nothing."""

    def holds(self, key: bytes) -> bool:
        """Tell whether the kernel still holds anything that it was told of a flow."""

    def entry(self, key: bytes) -> Entry:
        """Return what the kernel was told of a flow and still holds."""

    def mark(self, mark: Mark, *, first: bool) -> None:
        """Tell the kernel of a flow.

        Args:
            mark: what to tell.
            first: False where it only changes what was told before, so that nothing is written of a connection that
                has been replaced by another one meanwhile.
        """


class BpfKernel:
    """The maps `flows` and `web_flows`.

    Args:
        flows: file descriptor.
        web_flows: file descriptor.
    """

    def __init__(self, flows: int, web_flows: int) -> None:
        self._flows = flows
        self._web_flows = web_flows
        self._flow = ffi.new("char[]", _FLOW_SIZE)
        self._flow_bytes: Any = ffi.buffer(self._flow)
        self._entry = ffi.new("char[]", WEB_FLOW.size)
        self._entry_bytes: Any = ffi.buffer(self._entry)
        self._look_up = lib().bpf_map_lookup_elem
        self._update = lib().bpf_map_update_elem

    def known(self, key: bytes) -> Known | None:
        """Return what steering knows of a flow."""
        result = self._look_up(self._flows, key, self._flow)
        if result < 0:
            if result != _MISSING:
                check(result, "reading map flows")
            return None
        raw = self._flow_bytes
        answered = raw[_FLAGS_TO_VM][0] & _ACK
        return Known(_FIRST_NS.unpack_from(raw)[0], _ACK_TO_VM.unpack_from(raw)[0] if answered else None)

    def holds(self, key: bytes) -> bool:
        """Tell whether `web_flows` has an entry."""
        return bool(self._look_up(self._web_flows, key, self._entry) >= 0)

    def entry(self, key: bytes) -> Entry:
        """Return the entry of `web_flows`; one that expired counts as none."""
        result = self._look_up(self._web_flows, key, self._entry)
        if result < 0:
            if result != _MISSING:
                check(result, "reading map web_flows")
            return NO_ENTRY
        start, until, state, _, _, _, expires = WEB_FLOW.unpack_from(self._entry_bytes)
        if expires and time.monotonic_ns() >= expires:
            return NO_ENTRY
        return Entry(FlowState(state), start, until)

    def mark(self, mark: Mark, *, first: bool) -> None:
        """Write `web_flows`."""
        expires = time.monotonic_ns() + mark.seconds * 1_000_000_000 if mark.seconds else 0
        value = WEB_FLOW.pack(mark.start, mark.until, mark.state, 0, 0, 0, expires)
        result = self._update(self._web_flows, mark.key, value, _ANY if first else _EXISTING)
        if result < 0 and result != _MISSING:
            check(result, "writing map web_flows")


@dataclass
class StubKernel:
    """Keeps what it is told; `flows` is set by the test."""

    flows: dict[bytes, Known] = field(default_factory=dict)
    marks: dict[bytes, Mark] = field(default_factory=dict)
    written: list[Mark] = field(default_factory=list)

    def known(self, key: bytes) -> Known | None:
        """Return what the test has set."""
        return self.flows.get(key)

    def holds(self, key: bytes) -> bool:
        """Tell whether there is a mark."""
        return key in self.marks

    def entry(self, key: bytes) -> Entry:
        """Return the last mark."""
        mark = self.marks.get(key)
        return NO_ENTRY if mark is None else Entry(mark.state, mark.start, mark.until)

    def mark(self, mark: Mark, *, first: bool) -> None:
        """Remember the mark."""
        self.written.append(mark)
        if first or mark.key in self.marks:
            self.marks[mark.key] = mark
