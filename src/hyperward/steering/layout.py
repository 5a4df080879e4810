"""The Python twin of `steering.h`: sizes, constants and structures shared with the kernel.

A test compares the structures with the BTF of the compiled program, field by field. Integers are in host byte order
unless the C side says network byte order; times are CLOCK_MONOTONIC in nanoseconds.
"""

import struct
from dataclasses import astuple, dataclass
from enum import IntEnum, IntFlag
from typing import ClassVar, Self

LAYOUT_VERSION = 4
MAX_PORTS = 2048
MAX_VIDS = 4096
MAX_EXCLUSIONS = 1048576
MAX_EXCLUSION_HITS = 262144
MAX_CANDIDATES = 64
MAX_WEB_FLOWS = 131072
MAX_SCANNERS = 16
PROTOCOL_ANY = 256
VID_PROBE = 4094
ETHERTYPE_PROBE = 0x88B5

MARK_MAGIC = 0x48570000
MARK_TAG = 0x1000
MARK_PROBE = 0x2000
MARK_RETURNED = 0x3000
MARK_COPY_TO_VM = 0x4000
MARK_SCANNER = 0x5000
MARK_SCANNER_COPY = 0x6000
MARK_SCANNED = 0x7000
TCI_COPY_TO_VM = 0x2000
"""Priority bit in the outer tag of a copy that was on its way to the VM."""


PCP_SHIFT = 13
PCP_ORIGINAL = 0
"""Priority of a frame between kernel and web scanner: the VM's packet, to be decided upon, or decided to go on."""
PCP_CRAFTED = 1
"""From the scanner: a packet of its own to the VM."""
PCP_COPY = 2
"""To the scanner: the packet itself is on its way already; a copy never comes back."""
PCP_WHOLE = 3
"""From the scanner: fragments of the VM put together, to be steered like any packet of it."""


class Direction(IntEnum):
    """`enum direction`, from the VM's view."""

    FROM_VM = 0
    TO_VM = 1


class Mode(IntEnum):
    """`enum port_mode`."""

    PASS = 0
    STANDARD = 1
    MONITORING = 2


class ExclusionAction(IntEnum):
    """`enum exclusion_action`; the smaller, the stricter."""

    DEFAULT = 0
    DO_NOT_BLOCK = 1
    DO_NOT_SCAN = 2


class VlanMatch(IntEnum):
    """`enum vlan_match`."""

    ANY = 0
    NONE = 1
    TAGGED = 2
    ID = 3


class Opener(IntFlag):
    """`enum opener`: who began a connection."""

    BY_VM = 1
    BY_REMOTE = 2
    BY_ANY = 3


class PortFlag(IntFlag):
    """`enum port_flag`."""

    NONE = 0
    CLOSED_DOWN = 1
    CLOSED_BUSY = 2
    OWNS_QDISC = 4


class Web(IntFlag):
    """`enum web_part`: which requests of a port the web scanners look at."""

    NONE = 0
    TCP = 1
    QUIC = 2
    DNS = 4


class WebState(IntEnum):
    """`enum web_state`: what a web scanner has decided on a flow."""

    UNTIL = 1
    DONE = 2
    BLOCKED = 3
    DROPPED = 4


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
    "not_scanned",
    "observed_only",
    "shadow_copied",
    "web_handed",
    "web_copied",
    "web_back",
    "web_crafted",
    "web_limited",
    "web_refused",
    "web_open_down",
    "web_open_busy",
    "web_closed_down",
    "web_closed_busy",
    "web_copy_lost",
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

    FORMAT: ClassVar[struct.Struct] = struct.Struct("=4I3Q4I")
    layout_version: int = LAYOUT_VERSION
    guest_ifindex: int = 0
    network_ifindex: int = 0
    max_frame: int = 1606
    down_ns: int = 300_000_000
    busy_ns: int = 200_000_000
    probe_ns: int = 50_000_000
    scanners: int = 0
    web_queue: int = 2048
    web_rate: int = 2000
    web_burst: int = 500


@dataclass(frozen=True, slots=True)
class Port(_Record):
    """`struct port`; its key is the interface index."""

    FORMAT: ClassVar[struct.Struct] = struct.Struct("=IHBBIHHIII")
    id: int
    vid: int
    mode: int
    flags: int
    segment: int = 0
    observe_vid: int = 0
    shadow_vid: int = 0
    exclusion_set: int = 0
    exclusion_version: int = 0
    web: int = 0


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

    FORMAT: ClassVar[struct.Struct] = struct.Struct("=QQ2Q2Q2I2B6s6sBBQQQI4x")
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
    opened: int = 0
    opening: int = 0
    exclusion: int = 0
    exclusion_row: int = 0
    began_ns: int = 0
    syn: int = 0


@dataclass(frozen=True, slots=True)
class WebFlow(_Record):
    """`struct web_flow`: what a web scanner has decided on a flow; the key is a `FlowKey`.

    `begin` is the C side's `from`. Both it and `until` are TCP sequence numbers modulo 2^32, `until` at most 2^30
    beyond `begin`. The kernel alone fills `settled` and `settled_from`. `expires_ns` 0 is never. `began_ns` is that of
    the flow: the entry counts for no other connection.
    """

    FORMAT: ClassVar[struct.Struct] = struct.Struct("=IIBBxxIQQ")
    begin: int
    until: int
    state: int
    settled: int = 0
    settled_from: int = 0
    expires_ns: int = 0
    began_ns: int = 0


@dataclass(frozen=True, slots=True)
class Scanner(_Record):
    """`struct scanner`; its key is the scanner's index. `slots.py` has the same through a memory map."""

    FORMAT: ClassVar[struct.Struct] = struct.Struct("=QQ48xQ56x")
    alive_ns: int = 0
    taken: int = 0
    handed: int = 0


@dataclass(frozen=True, slots=True)
class BlockedKey(_Record):
    """`struct blocked_key`."""

    FORMAT: ClassVar[struct.Struct] = struct.Struct("=16sIH2x")
    address: bytes
    segment: int
    vlan: int


@dataclass(frozen=True, slots=True)
class ExclusionKey4(_Record):
    """`struct exclusion_key4`; `prefixlen` counts the 32 bits of the set's number."""

    FORMAT: ClassVar[struct.Struct] = struct.Struct("=II4s")
    prefixlen: int
    set: int
    address: bytes


@dataclass(frozen=True, slots=True)
class ExclusionKey6(_Record):
    """`struct exclusion_key6`."""

    FORMAT: ClassVar[struct.Struct] = struct.Struct("=II16s")
    prefixlen: int
    set: int
    address: bytes


@dataclass(frozen=True, slots=True)
class Exclusion(_Record):
    """`struct exclusion`: one row that an address may meet; ports in host byte order."""

    FORMAT: ClassVar[struct.Struct] = struct.Struct("=QI6H4B4x")
    row: int
    next: int
    remote_from: int
    remote_to: int
    local_from: int
    local_to: int
    vlan: int
    protocol: int
    vlan_match: int
    opened: int
    ports: int
    action: int

    def pack(self) -> bytes:
        """Return the C structure. Spelled out, because `astuple` copies deeply and there are 100,000 of these."""
        return self.FORMAT.pack(
            self.row,
            self.next,
            self.remote_from,
            self.remote_to,
            self.local_from,
            self.local_to,
            self.vlan,
            self.protocol,
            self.vlan_match,
            self.opened,
            self.ports,
            self.action,
        )


@dataclass(frozen=True, slots=True)
class ExclusionNode(_Record):
    """`struct exclusion_node`: the key of the rows behind the first."""

    FORMAT: ClassVar[struct.Struct] = struct.Struct("=II")
    set: int
    number: int


@dataclass(frozen=True, slots=True)
class ExclusionHits(_Record):
    """`struct exclusion_hits`, summed over the CPUs; octets are frame lengths before segmentation."""

    FORMAT: ClassVar[struct.Struct] = struct.Struct("=QQ")
    packets: int = 0
    octets: int = 0

    @classmethod
    def sum_of(cls, raw: bytes) -> Self:
        """Add up the per-CPU values as the kernel returns them, one after the other."""
        values = memoryview(raw).cast("Q")
        return cls(sum(values[0::2]), sum(values[1::2]))


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
