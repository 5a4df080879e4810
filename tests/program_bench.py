"""The steering program under BPF_PROG_TEST_RUN, and packets to run it on."""

import struct
import time
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

import dpkt

from hyperward.steering.layout import Counters, Direction, Flow, FlowKey, Heartbeat, Mode, Port, Settings, VidOwner
from hyperward.steering.libbpf import check, ffi, lib, sized
from hyperward.steering.program import Program

LO = 1
UNSPEC, OK, SHOT, REDIRECT = 0xFFFFFFFF, 0, 2, 7
VM_MAC, PEER_MAC = bytes.fromhex("020000000001"), bytes.fromhex("020000000009")
VM4, PEER4 = ip_address("10.77.0.1"), ip_address("10.77.0.9")
VM6, PEER6 = ip_address("fd77::1"), ip_address("fd77::9")
PORT = Port(id=7, vid=14, mode=Mode.STANDARD, flags=0, segment=3)


@dataclass
class Ran:
    verdict: int
    data: bytes
    mark: int


class Bench:
    """One loaded program in a namespace of its own, with lo as the interface of port 7."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.maps = program.maps

    def prepare(self, port: Port = PORT, *, alive: bool = True) -> None:
        for key, _ in list(self.maps.flows.items()):
            self.maps.flows.delete(key)
        for blocked, _ in list(self.maps.blocked.items()):
            self.maps.blocked.delete(blocked)
        # lo is down in the namespace, so probes go nowhere; the interval keeps them out of these tests
        day = 86_400_000_000_000
        self.maps.settings.set(0, Settings(guest_ifindex=LO, network_ifindex=LO, probe_ns=day))
        self.maps.ports.set(LO, port)
        self.maps.vids.set(port.vid, VidOwner(LO, port.id, int(port.mode == Mode.MONITORING)))
        self.maps.port_counters.set(port.id, Counters.zero())
        now = time.monotonic_ns()
        for direction in Direction:
            self.maps.heartbeats.set(direction, Heartbeat(0, now, now, now) if alive else Heartbeat())

    def run(self, name: str, packet: bytes, *, mark: int = 0, gso_size: int = 0) -> Ran:
        context = bytearray(192)
        struct.pack_into("=I", context, 8, mark)
        struct.pack_into("=I", context, 40, LO)
        struct.pack_into("=I", context, 176, gso_size)
        options = sized("bpf_test_run_opts")
        data, out = ffi.from_buffer(packet), ffi.new("char[]", 70_000)
        ctx, ctx_out = ffi.from_buffer(context), ffi.new("char[]", 192)
        options.data_in, options.data_size_in, options.data_out, options.data_size_out = data, len(packet), out, 70_000
        options.ctx_in, options.ctx_size_in, options.ctx_out, options.ctx_size_out = ctx, 192, ctx_out, 192
        check(lib().bpf_prog_test_run_opts(self.program.fds[name], options), name)
        after = bytes(ffi.buffer(ctx_out))
        return Ran(options.retval, bytes(ffi.buffer(out, options.data_size_out)), struct.unpack_from("=I", after, 8)[0])

    def counted(self) -> dict[str, int]:
        counters = self.maps.port_counters.get(PORT.id)
        assert counters
        found = {f"from_{k}": v for k, v in counters.from_vm.items()} | {
            f"to_{k}": v for k, v in counters.to_vm.items()
        }
        return {name: value for name, value in found.items() if value and not name.endswith("seen_bytes")}

    def flow(self) -> tuple[FlowKey, Flow]:
        [found] = list(self.maps.flows.items())
        return found


def ether(payload: Any, kind: int, *, from_vm: bool = True, tags: tuple[tuple[int, int], ...] = ()) -> bytes:
    source, target = (VM_MAC, PEER_MAC) if from_vm else (PEER_MAC, VM_MAC)
    head = target + source
    for protocol, vid in tags:
        head += struct.pack("!HH", protocol, vid)
    return head + struct.pack("!H", kind) + bytes(payload)


def tcp4(
    *, from_vm: bool = True, flags: int = 0x18, seq: int = 1, ack: int = 1000, payload: bytes = b"x" * 40
) -> bytes:
    source, target = (VM4, PEER4) if from_vm else (PEER4, VM4)
    sport, dport = (40000, 80) if from_vm else (80, 40000)
    segment = dpkt.tcp.TCP(sport=sport, dport=dport, seq=seq, ack=ack, flags=flags, data=payload)
    packet = dpkt.ip.IP(src=source.packed, dst=target.packed, p=6, data=segment)
    packet.len = len(packet)
    return bytes(packet)


def udp6(*, from_vm: bool = True, extensions: bytes = b"", first: int = 17) -> bytes:
    source, target = (VM6, PEER6) if from_vm else (PEER6, VM6)
    sport, dport = (5353, 53) if from_vm else (53, 5353)
    payload = extensions + struct.pack("!HHHH", sport, dport, 12, 0) + b"abcd"
    return struct.pack("!IHBB", 6 << 28, len(payload), first, 64) + source.packed + target.packed + payload
