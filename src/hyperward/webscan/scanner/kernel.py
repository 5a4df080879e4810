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
from hyperward.webscan.scanner.sequence import MASK

WEB_FLOW: Final = struct.Struct("=IIBBHIQQ")
"""`struct web_flow`: from, until, state, settled, padding, settled_from, expires_ns, began_ns."""
_FLOW_SIZE: Final = Flow.FORMAT.size
FLOW: Final = struct.Struct("=52xIxB13xB16xQI4x")
"""`struct flow`: ack and flags to the VM, opening, began_ns, syn."""
_ACK: Final = 0x10
_ANY: Final = 0
_MISSING: Final = -2  # -ENOENT


class Known(NamedTuple):
    """What steering knows of a flow.

    Args:
        began_ns: CLOCK_MONOTONIC, when the other end accepted the connection; it names the connection. 0 where that was
            not seen.
        ack: what the other end acknowledged last; None where it said nothing yet.
        first: sequence number of the connection's first byte; None where that was not seen, and while the VM tries to
            open another one.
    """

    began_ns: int
    ack: int | None
    first: int | None = None


NOTHING_KNOWN: Final = Known(0, None)


class Entry(NamedTuple):
    """What the kernel holds in `web_flows`: state, the numbers `from` and `until`, and of which connection."""

    state: FlowState
    start: int
    until: int
    began_ns: int = 0


NO_ENTRY: Final = Entry(FlowState.UNKNOWN, 0, 0)


class KernelFlows(Protocol):
    """The kernel's flows, by packed `struct flow_key`."""

    def known(self, key: bytes) -> Known:
        """Return what steering knows of a flow, all of the same moment."""

    def entry(self, key: bytes) -> Entry:
        """Return what the kernel was told of a flow and still holds."""

    def mark(self, mark: Mark, began_ns: int) -> None:
        """Tell the kernel of a flow.

        Args:
            mark: what to tell.
            began_ns: of the connection, as it was known when its packet was judged: of another one that took its place
                meanwhile nothing is said.
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

    def known(self, key: bytes) -> Known:
        """Return what steering knows of a flow."""
        result = self._look_up(self._flows, key, self._flow)
        if result < 0:
            if result != _MISSING:
                check(result, "reading map flows")
            return NOTHING_KNOWN
        ack, flags, opening, began, syn = FLOW.unpack_from(self._flow_bytes)
        return Known(began, ack if flags & _ACK else None, (syn + 1) & MASK if began and not opening else None)

    def entry(self, key: bytes) -> Entry:
        """Return the entry of `web_flows`; one that expired counts as none."""
        result = self._look_up(self._web_flows, key, self._entry)
        if result < 0:
            if result != _MISSING:
                check(result, "reading map web_flows")
            return NO_ENTRY
        start, until, state, _, _, _, expires, began = WEB_FLOW.unpack_from(self._entry_bytes)
        if expires and time.monotonic_ns() >= expires:
            return NO_ENTRY
        return Entry(FlowState(state), start, until, began)

    def mark(self, mark: Mark, began_ns: int) -> None:
        """Write `web_flows`."""
        expires = time.monotonic_ns() + mark.seconds * 1_000_000_000 if mark.seconds else 0
        value = WEB_FLOW.pack(mark.start, mark.until, mark.state, 0, 0, 0, expires, began_ns)
        check(self._update(self._web_flows, mark.key, value, _ANY), "writing map web_flows")


@dataclass
class StubKernel:
    """Keeps what it is told; `flows` is set by the test."""

    flows: dict[bytes, Known] = field(default_factory=dict)
    entries: dict[bytes, Entry] = field(default_factory=dict)
    written: list[Mark] = field(default_factory=list)

    def known(self, key: bytes) -> Known:
        """Return what the test has set."""
        return self.flows.get(key, NOTHING_KNOWN)

    def entry(self, key: bytes) -> Entry:
        """Return what the last mark has made."""
        return self.entries.get(key, NO_ENTRY)

    def mark(self, mark: Mark, began_ns: int) -> None:
        """Remember the mark."""
        self.written.append(mark)
        self.entries[mark.key] = Entry(mark.state, mark.start, mark.until, began_ns)
