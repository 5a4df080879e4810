"""The Python twin of `steering.h`: sizes, constants and structures shared with the kernel.

A test compares the structures with the BTF of the compiled program, field by field. Integers are in host byte order
unless the C side says network byte order; times are CLOCK_MONOTONIC in nanoseconds.
"""

import struct
from dataclasses import astuple, dataclass
from enum import IntEnum, IntFlag
from typing import ClassVar, Self

LAYOUT_VERSION = 2
MAX_PORTS = 2048
MAX_VIDS = 4096
VID_PROBE = 4094
ETHERTYPE_PROBE = 0x88B5

MARK_MAGIC = 0x48570000
MARK_TAG = 0x1000
MARK_PROBE = 0x2000
MARK_RETURNED = 0x3000
MARK_COPY_TO_VM = 0x4000
TCI_COPY_TO_VM = 0x2000
"""Priority bit in the outer tag of a copy that was on its way to the VM."""


class Direction(IntEnum):
    """`enum direction`, from the VM's view."""

    FROM_VM = 0
    TO_VM = 1


class Mode(IntEnum):
    """`enum port_mode`."""

    PASS = 0
    STANDARD = 1
    MONITORING = 2


class PortFlag(IntFlag):
    """`enum port_flag`."""

    NONE = 0
    CLOSED_DOWN = 1
    CLOSED_BUSY = 2
    OWNS_QDISC = 4


COUNTERS = (
    "seen_packets",
    "seen_bytes",
    "not_ip",
    "to_engine",
    "from_engine",
    "cloned",
    "clone_failed",
    "open_down",
    "open_busy",
    "closed_down",
    "closed_busy",
    "blocked_source",
    "shadow_copied",
)
"""`enum counter`, in order."""


@dataclass(frozen=True, slots=True)
class _Record:
    """A C structure whose fields are scalars or byte strings, in the order of `FORMAT`."""

    FORMAT: ClassVar[struct.Struct]

    def pack(self) -> bytes:
        return self.FORMAT.pack(*astuple(self))

    @classmethod
    def unpack(cls, raw: bytes) -> Self:
        return cls(*cls.FORMAT.unpack(raw))


@dataclass(frozen=True, slots=True)
class Settings(_Record):
    """`struct settings`."""

    FORMAT: ClassVar[struct.Struct] = struct.Struct("=4I3Q")
    layout_version: int = LAYOUT_VERSION
    guest_ifindex: int = 0
    network_ifindex: int = 0
    max_frame: int = 1606
    down_ns: int = 300_000_000
    busy_ns: int = 200_000_000
    probe_ns: int = 50_000_000


@dataclass(frozen=True, slots=True)
class Port(_Record):
    """`struct port`; its key is the interface index."""

    FORMAT: ClassVar[struct.Struct] = struct.Struct("=IHBBIH2x")
    id: int
    vid: int
    mode: int
    flags: int
    segment: int = 0
    shadow_vid: int = 0


@dataclass(frozen=True, slots=True)
class VidOwner(_Record):
    """`struct vid_owner`; its key is the VLAN id."""

    FORMAT: ClassVar[struct.Struct] = struct.Struct("=IHH")
    ifindex: int
    port_id: int
    copies: int = 0


@dataclass(frozen=True, slots=True)
class Heartbeat(_Record):
    """`struct heartbeat`; its key is the direction."""

    FORMAT: ClassVar[struct.Struct] = struct.Struct("=4Q")
    pending_ns: int = 0
    sent_ns: int = 0
    answered_ns: int = 0
    alive_ns: int = 0


@dataclass(frozen=True, slots=True)
class FlowKey(_Record):
    """`struct flow_key`. Addresses are 16 bytes, IPv4 mapped; `local_port` and `remote_port` network byte order."""

    FORMAT: ClassVar[struct.Struct] = struct.Struct("=16s16sI2s2sHBx")
    local: bytes
    remote: bytes
    port_id: int
    local_port: bytes
    remote_port: bytes
    vlan: int
    protocol: int


@dataclass(frozen=True, slots=True)
class Flow(_Record):
    """`struct flow`; pairs are (from the VM, to the VM), bytes are frame lengths before segmentation."""

    FORMAT: ClassVar[struct.Struct] = struct.Struct("=QQ2Q2Q2I2B6s6s2x")
    first_ns: int
    last_ns: int
    packets_from: int
    packets_to: int
    bytes_from: int
    bytes_to: int
    ack_from: int
    ack_to: int
    flags_from: int
    flags_to: int
    vm_mac: bytes
    peer_mac: bytes


@dataclass(frozen=True, slots=True)
class BlockedKey(_Record):
    """`struct blocked_key`."""

    FORMAT: ClassVar[struct.Struct] = struct.Struct("=16sIH2x")
    address: bytes
    segment: int
    vlan: int


COUNTERS_SIZE = 2 * len(COUNTERS) * 8


@dataclass(frozen=True, slots=True)
class Counters:
    """`struct counters`, summed over the CPUs: one mapping of counter name to count for each direction."""

    from_vm: dict[str, int]
    to_vm: dict[str, int]

    @classmethod
    def zero(cls) -> Self:
        """Return counters that have counted nothing."""
        return cls(dict.fromkeys(COUNTERS, 0), dict.fromkeys(COUNTERS, 0))

    def pack(self) -> bytes:
        """Return the value of one CPU."""
        return struct.pack(f"={2 * len(COUNTERS)}Q", *self.from_vm.values(), *self.to_vm.values())

    @classmethod
    def sum_of(cls, raw: bytes) -> Self:
        """Add up the per-CPU values as the kernel returns them, one after the other."""
        values = memoryview(raw).cast("Q")
        width = len(COUNTERS)
        total = [sum(values[index :: 2 * width]) for index in range(2 * width)]
        return cls(dict(zip(COUNTERS, total[:width], strict=True)), dict(zip(COUNTERS, total[width:], strict=True)))
