"""Which VLAN id belongs to which port, and for what: the ledger behind the tags on the inspection pairs.

A port has up to four lanes: `enforce` and `observe` carry its packets through the engine under a rule set that acts
or only reports; `copy` carries copies for monitoring, `shadow` those for a shadow policy. Each lane has a VLAN id of
its own, taken when it is first needed and kept while the port exists, so the engine keeps its flows over a change of
the policy. A released id rests before it is given away again: packets still with the engine must come home, and events
still unread must name the right VM. The ledger is saved with the daemon's state.
"""

from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Self

import msgspec

from hyperward.errors import SystemFault
from hyperward.fromjson import from_json
from hyperward.steering.layout import MAX_PORTS, VID_PROBE

REST_SECONDS = 120.0
"""How long a released VLAN id or port id rests."""


class Lane(StrEnum):
    """What travels under a VLAN id."""

    ENFORCE = "enforce"
    OBSERVE = "observe"
    COPY = "copy"
    SHADOW = "shadow"


class PortKey(msgspec.Struct, frozen=True):
    """The identity of a port: platform and instance id of the VM, and the interface that the platform shows for it."""

    platform: str
    instance: str
    interface: str


class LaneEntry(msgspec.Struct, frozen=True):
    """One VLAN id: its port, its lane and, once released, since when it rests (seconds since the epoch)."""

    vid: int
    port_id: int
    lane: Lane
    port: PortKey
    vm_name: str
    released: float | None = None


class _Saved(msgspec.Struct):
    lanes: list[LaneEntry]
    next_vid: int = 1
    next_port: int = 1


class Ledger:
    """The ledger; times are seconds since the epoch, given by the caller."""

    def __init__(self, lanes: Iterable[LaneEntry] = (), *, next_vid: int = 1, next_port: int = 1) -> None:
        self._lanes = {entry.vid: entry for entry in lanes}
        self._next_vid = next_vid
        self._next_port = next_port
        self._held: dict[PortKey, dict[Lane, LaneEntry]] = {}
        self._port_ids: dict[int, LaneEntry] = {}
        for entry in self._lanes.values():
            self._index(entry)

    @classmethod
    def load(cls, raw: bytes) -> Self:
        """Return the ledger that `dump` wrote.

        Raises:
            ValueError: the bytes are not one.
        """
        saved = from_json(raw, _Saved)
        return cls(saved.lanes, next_vid=saved.next_vid, next_port=saved.next_port)

    def dump(self) -> bytes:
        """Return the ledger as bytes."""
        entries = [self._lanes[vid] for vid in sorted(self._lanes)]
        return msgspec.json.encode(_Saved(entries, self._next_vid, self._next_port))

    def owner(self, vid: int) -> LaneEntry | None:
        """Return whose VLAN id this is or last was."""
        return self._lanes.get(vid)

    def holder(self, port_id: int) -> LaneEntry | None:
        """Return a lane of the port that has this port id, or had it last."""
        return self._port_ids.get(port_id)

    def lanes_of(self, port: PortKey) -> dict[Lane, LaneEntry]:
        """Return the lanes that the port holds."""
        return dict(self._held.get(port, {}))

    def ports(self) -> set[PortKey]:
        """Return the ports that hold a lane."""
        return set(self._held)

    def begin_after(self, vids: Iterable[int], port_ids: Iterable[int]) -> None:
        """Give away these ids last: they are in use, but nobody remembers by whom."""
        self._next_vid = max(vids, default=self._next_vid - 1) + 1
        self._next_port = max(port_ids, default=self._next_port - 1) + 1

    def take(self, port: PortKey, lane: Lane, *, vm_name: str, now: float, wanted_id: int | None = None) -> LaneEntry:
        """Return the port's entry for the lane, a fresh one where it has none yet.

        Args:
            port: whose lane.
            lane: which one.
            vm_name: for events.
            now: the time.
            wanted_id: the port id that the inventory asks for; another one is given where it is in use.

        Raises:
            SystemFault: all VLAN ids or port ids are in use.
        """
        held = self._held.get(port, {})
        if lane in held:
            if held[lane].vm_name != vm_name:
                self._put(msgspec.structs.replace(held[lane], vm_name=vm_name))
            return self._lanes[held[lane].vid]
        port_id = next((entry.port_id for entry in held.values()), None) or self._free_port(now, wanted_id)
        entry = LaneEntry(self._free_vid(now), port_id, lane, port, vm_name)
        self._put(entry)
        return entry

    def release(self, port: PortKey, *, now: float) -> None:
        """Give up all lanes of the port; their ids rest from now on."""
        for entry in self._held.pop(port, {}).values():
            self._put(msgspec.structs.replace(entry, released=now))

    def _put(self, entry: LaneEntry) -> None:
        self._lanes[entry.vid] = entry
        self._index(entry)

    def _index(self, entry: LaneEntry) -> None:
        before = self._port_ids.get(entry.port_id)
        if before is None or before.released is not None or entry.released is None:
            self._port_ids[entry.port_id] = entry
        if entry.released is None:
            self._held.setdefault(entry.port, {})[entry.lane] = entry

    def _free_vid(self, now: float) -> int:
        for vid in _around(self._next_vid, VID_PROBE):
            if _is_free(self._lanes.get(vid), now):
                self._next_vid = vid + 1
                return vid
        raise SystemFault(
            f"all {VID_PROBE - 1} VLAN ids of the inspection pairs are in use", hint="protect fewer ports on this SVM"
        )

    def _free_port(self, now: float, wanted: int | None) -> int:
        if wanted is not None:
            holder = self._port_ids.get(wanted)
            if holder is None or holder.released is not None:
                return wanted
        for port_id in _around(self._next_port, MAX_PORTS):
            if _is_free(self._port_ids.get(port_id), now):
                self._next_port = port_id + 1
                return port_id
        raise SystemFault(f"all {MAX_PORTS - 1} port ids are in use", hint="protect fewer ports on this SVM")


def _is_free(holder: LaneEntry | None, now: float) -> bool:
    return holder is None or (holder.released is not None and now - holder.released >= REST_SECONDS)


def _around(start: int, end: int) -> Iterator[int]:
    """Yield the numbers from `start` up to below `end`, then those from 1 up to below `start`."""
    first = start if 1 <= start < end else 1
    yield from range(first, end)
    yield from range(1, first)
