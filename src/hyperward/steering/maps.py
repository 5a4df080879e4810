"""Typed access to a BPF map: the file descriptor, and how keys and values are packed."""

import errno
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from hyperward.steering.layout import (
    COUNTERS_SIZE,
    BlockedKey,
    Counters,
    Direction,
    Exclusion,
    ExclusionHits,
    ExclusionKey4,
    ExclusionKey6,
    ExclusionNode,
    Flow,
    FlowKey,
    Heartbeat,
    Port,
    Scanner,
    Settings,
    VidOwner,
    WebFlow,
)
from hyperward.steering.libbpf import BpfError, check, ffi, lib, sized

K = TypeVar("K")
V = TypeVar("V")


class Table(Protocol[K, V]):
    """What user space may do with a map. `BpfMap` talks to the kernel, `stub.DictTable` is its twin for tests."""

    def get(self, key: K) -> V | None:
        """Return the value, or None."""

    def set(self, key: K, value: V) -> None:
        """Insert or replace."""

    def delete(self, key: K) -> bool:
        """Remove; False when there was nothing to remove."""

    def items(self) -> Iterator[tuple[K, V]]:
        """Iterate over a map that may change meanwhile."""


class BulkTable(Table[K, V], Protocol[K, V]):
    """A table that takes many entries at once, in the order given."""

    def keys(self) -> list[K]:
        """Return all keys."""

    def set_many(self, entries: Iterable[tuple[K, V]]) -> None:
        """Insert or replace; on an error those before it are in."""

    def delete_many(self, keys: Iterable[K]) -> None:
        """Remove; a key that is not there is fine."""


@dataclass(frozen=True, slots=True)
class Codec(Generic[K]):
    """How a key or value is laid out: its size in bytes, and both ways of conversion."""

    size: int
    pack: Callable[[K], bytes]
    unpack: Callable[[bytes], K]


U32: Codec[int] = Codec(4, lambda n: n.to_bytes(4, "little"), lambda raw: int.from_bytes(raw, "little"))
U64: Codec[int] = Codec(8, lambda n: n.to_bytes(8, "little"), lambda raw: int.from_bytes(raw, "little"))


class BpfMap(Generic[K, V]):
    """A map in the kernel."""

    def __init__(self, name: str, fd: int, key: Codec[K], value: Codec[V], *, per_cpu: bool = False) -> None:
        self.name = name
        self.fd = fd
        self._key = key
        self._value = value
        self._copies = lib().libbpf_num_possible_cpus() if per_cpu else 1
        self._value_size = value.size * self._copies

    def get(self, key: K) -> V | None:
        """Return the value of `key`, or None."""
        raw = ffi.new("char[]", self._value_size)
        result = lib().bpf_map_lookup_elem(self.fd, self._key.pack(key), raw)
        if result == -errno.ENOENT:
            return None
        check(result, f"reading map {self.name}")
        return self._value.unpack(bytes(ffi.buffer(raw)))

    def set(self, key: K, value: V) -> None:
        """Insert or replace `key`; in a per-CPU map every CPU gets the value."""
        check(
            lib().bpf_map_update_elem(self.fd, self._key.pack(key), self._value.pack(value) * self._copies, 0),
            f"writing map {self.name}",
        )

    def delete(self, key: K) -> bool:
        """Remove `key`; False when it was not there."""
        result = lib().bpf_map_delete_elem(self.fd, self._key.pack(key))
        if result == -errno.ENOENT:
            return False
        check(result, f"deleting from map {self.name}")
        return True

    def set_many(self, entries: Iterable[tuple[K, V]]) -> None:
        """Insert or replace many entries, in their order, with few system calls. Not for per-CPU maps."""
        packed = [(self._key.pack(key), self._value.pack(value)) for key, value in entries]
        if not packed:
            return
        count = ffi.new("uint32_t *", len(packed))
        keys = b"".join(key for key, _ in packed)
        values = b"".join(value for _, value in packed)
        result = lib().bpf_map_update_batch(self.fd, keys, values, count, sized("bpf_map_batch_opts"))
        check(result, f"writing {len(packed)} entries of map {self.name}")

    def delete_many(self, keys: Iterable[K]) -> None:
        """Remove many keys, in their order; one that is not there is fine."""
        packed = [self._key.pack(key) for key in keys]
        while packed:
            count = ffi.new("uint32_t *", len(packed))
            result = lib().bpf_map_delete_batch(self.fd, b"".join(packed), count, sized("bpf_map_batch_opts"))
            if result != -errno.ENOENT:
                check(result, f"deleting from map {self.name}")
                return
            del packed[: count[0] + 1]

    def keys(self) -> list[K]:
        """Return all keys, as far as the map is stable meanwhile."""
        return [self._key.unpack(raw) for raw in self._keys()]

    def items(self) -> Iterator[tuple[K, V]]:
        """Iterate; entries that come or go meanwhile may be missed, none is returned twice in a stable map."""
        for raw in self._keys():
            key = self._key.unpack(raw)
            value = self.get(key)
            if value is not None:
                yield key, value

    def _keys(self) -> list[bytes]:
        keys: list[bytes] = []
        seen: set[bytes] = set()
        following = ffi.new("char[]", self._key.size)
        current = ffi.NULL
        while True:
            result = lib().bpf_map_get_next_key(self.fd, current, following)
            if result == -errno.ENOENT:
                return keys
            if result < 0:
                raise BpfError(f"iterating map {self.name}", -result)
            current = bytes(ffi.buffer(following))
            if current in seen:  # the current key was removed under us and the walk began again
                return keys
            seen.add(current)
            keys.append(current)


def _record(kind: type[V]) -> Codec[V]:
    return Codec(kind.FORMAT.size, lambda record: record.pack(), kind.unpack)  # type: ignore[attr-defined]


_SETTINGS: Codec[Settings] = _record(Settings)
_PORT: Codec[Port] = _record(Port)
_VID_OWNER: Codec[VidOwner] = _record(VidOwner)
_HEARTBEAT: Codec[Heartbeat] = _record(Heartbeat)
_FLOW_KEY: Codec[FlowKey] = _record(FlowKey)
_FLOW: Codec[Flow] = _record(Flow)
_BLOCKED_KEY: Codec[BlockedKey] = _record(BlockedKey)
_EXCLUSION_KEY4: Codec[ExclusionKey4] = _record(ExclusionKey4)
_EXCLUSION_KEY6: Codec[ExclusionKey6] = _record(ExclusionKey6)
_EXCLUSION_NODE: Codec[ExclusionNode] = _record(ExclusionNode)
_EXCLUSION: Codec[Exclusion] = _record(Exclusion)
_WEB_FLOW: Codec[WebFlow] = _record(WebFlow)
_SCANNER: Codec[Scanner] = _record(Scanner)
_DIRECTION: Codec[Direction] = Codec(4, U32.pack, lambda raw: Direction(U32.unpack(raw)))


_COUNTERS: Codec[Counters] = Codec(COUNTERS_SIZE, Counters.pack, Counters.sum_of)
_EXCLUSION_HITS: Codec[ExclusionHits] = Codec(ExclusionHits.FORMAT.size, ExclusionHits.pack, ExclusionHits.sum_of)


@dataclass(frozen=True, slots=True)
class Maps:
    """All maps of the steering program, named as in `steering.bpf.c`."""

    settings: Table[int, Settings]
    ports: Table[int, Port]
    vids: Table[int, VidOwner]
    port_counters: Table[int, Counters]
    heartbeats: Table[Direction, Heartbeat]
    flows: Table[FlowKey, Flow]
    blocked: Table[BlockedKey, int]
    exclusions4: BulkTable[ExclusionKey4, Exclusion]
    exclusions6: BulkTable[ExclusionKey6, Exclusion]
    exclusion_nodes: BulkTable[ExclusionNode, Exclusion]
    exclusion_hits: BulkTable[int, ExclusionHits]
    web_flows: Table[FlowKey, WebFlow]
    scanners: Table[int, Scanner]
    scanner_devices: Table[int, int]
    port_devices: Table[int, int]
    web_tokens: Table[int, int]


def settings(fd: int) -> BpfMap[int, Settings]:
    """Return the typed map `settings` over its file descriptor."""
    return BpfMap("settings", fd, U32, _SETTINGS)


def flows(fd: int) -> BpfMap[FlowKey, Flow]:
    """Return the typed map `flows` over its file descriptor."""
    return BpfMap("flows", fd, _FLOW_KEY, _FLOW)


def web_flows(fd: int) -> BpfMap[FlowKey, WebFlow]:
    """Return the typed map `web_flows` over its file descriptor."""
    return BpfMap("web_flows", fd, _FLOW_KEY, _WEB_FLOW)


def bind(fds: dict[str, int]) -> Maps:
    """Return typed maps over the file descriptors, named as in `steering.bpf.c`."""
    return Maps(
        settings=settings(fds["settings"]),
        ports=BpfMap("ports", fds["ports"], U32, _PORT),
        vids=BpfMap("vids", fds["vids"], U32, _VID_OWNER),
        port_counters=BpfMap("port_counters", fds["port_counters"], U32, _COUNTERS, per_cpu=True),
        heartbeats=BpfMap("heartbeats", fds["heartbeats"], _DIRECTION, _HEARTBEAT),
        flows=flows(fds["flows"]),
        blocked=BpfMap("blocked", fds["blocked"], _BLOCKED_KEY, U64),
        exclusions4=BpfMap("exclusions4", fds["exclusions4"], _EXCLUSION_KEY4, _EXCLUSION),
        exclusions6=BpfMap("exclusions6", fds["exclusions6"], _EXCLUSION_KEY6, _EXCLUSION),
        exclusion_nodes=BpfMap("exclusion_nodes", fds["exclusion_nodes"], _EXCLUSION_NODE, _EXCLUSION),
        exclusion_hits=BpfMap("exclusion_hits", fds["exclusion_hits"], U64, _EXCLUSION_HITS, per_cpu=True),
        web_flows=web_flows(fds["web_flows"]),
        scanners=BpfMap("scanners", fds["scanners"], U32, _SCANNER),
        scanner_devices=BpfMap("scanner_devices", fds["scanner_devices"], U32, U32),
        port_devices=BpfMap("port_devices", fds["port_devices"], U32, U32),
        web_tokens=BpfMap("web_tokens", fds["web_tokens"], U32, U64),
    )
