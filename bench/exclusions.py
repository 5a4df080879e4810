"""What exclusions cost: `python bench/exclusions.py [ROWS]`, as root, in a network namespace of its own.

Prints the seconds of compiling ROWS (100,000) rows and of writing them to the kernel, the milliseconds of changing one
row, and the nanoseconds of the steering program per packet by BPF_PROG_TEST_RUN with 10 and with ROWS rows: for packets
of a known flow, and for packets whose decision is looked up each time (fragments, which are never kept with a flow).
"""

import os
import secrets
import statistics
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from pyroute2 import netns

from hyperward.exclusions.image import Image
from hyperward.exclusions.rows import ExclusionAction, ExclusionRow
from hyperward.steering.layout import Direction, Heartbeat, Mode, Port, Settings
from hyperward.steering.libbpf import check, ffi, lib, sized
from hyperward.steering.program import Program, mount_bpffs, object_bytes, open_program, unpin
from hyperward.svm.exclusion_tables import ExclusionTables

ROWS = 100_000
LIMIT_COMPILE_S = 5.0
LIMIT_CHANGE_MS = 50.0
LO, REPEAT, ROUNDS = 1, 100_000, 15


def row(number: int) -> ExclusionRow:
    """Return a made-up row: addresses, subnets and some conditions, as lists from other products have them."""
    address = f"{20 + number // 65536 % 200}.{number // 256 % 256}.{number % 256}.0"
    address = f"{address}/24" if number % 3 else f"{address[:-1]}77"
    return ExclusionRow(
        address=address,
        vlan="5" if number % 50 == 0 else "any",
        protocol="tcp" if number % 10 == 0 else None,
        remote_port="443" if number % 10 == 0 else None,
        action=ExclusionAction.DO_NOT_BLOCK if number % 2 else ExclusionAction.DO_NOT_SCAN,
        reason="bench",
    )


def rows(count: int) -> list[ExclusionRow]:
    """Return that many rows, a wide one last."""
    wide = ExclusionRow(address="10.0.0.0/8", action=ExclusionAction.DEFAULT, reason="bench")
    return [*(row(number) for number in range(count - 1)), wide]


@contextmanager
def program() -> Iterator[Program]:
    """Load the steering program in a namespace of its own."""
    name = f"hw-b-{secrets.token_hex(3)}"
    netns.create(name)
    netns.pushns(name)
    try:
        with TemporaryDirectory() as folder:
            mount_bpffs(Path(folder))
            loaded = open_program(Path(folder), object_bytes())
            try:
                yield loaded
            finally:
                loaded.close()
                unpin(Path(folder))
                subprocess.run(["umount", folder], check=True)
    finally:
        netns.popns()
        netns.remove(name)


def packet(remote: bytes, *, fragment: bool) -> bytes:
    """Return a TCP packet from the VM, or a later fragment of one."""
    body = struct.pack("!HHIIBBHHH", 40000, 443, 1, 1, 0x50, 0x10, 1000, 0, 0) + b"x" * 1400
    bits = 20 if fragment else 0
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), 7, bits, 64, 6, 0)
    return bytes(12) + b"\x08\x00" + head + bytes([10, 77, 0, 1]) + remote + body


def nanoseconds(loaded: Program, data: bytes) -> int:
    """Return the kernel's mean time for one run of the program."""
    now = time.monotonic_ns()
    for direction in Direction:
        loaded.maps.heartbeats.set(direction, Heartbeat(0, now, now, now))
    context = bytearray(192)
    struct.pack_into("=I", context, 40, LO)
    options = sized("bpf_test_run_opts")
    given, around = ffi.from_buffer(data), ffi.from_buffer(context)
    options.data_in, options.data_size_in = given, len(data)
    options.ctx_in, options.ctx_size_in, options.repeat = around, 192, REPEAT
    check(lib().bpf_prog_test_run_opts(loaded.fds["from_vm"], options), "running from_vm")
    return int(options.duration)


def per_packet(loaded: Program, tables: ExclusionTables, few: list[ExclusionRow], many: list[ExclusionRow]) -> None:
    """Print the cost per packet with few and many rows, measured in turns."""
    for number, wanted in ((1, few), (2, many)):
        tables.apply(number, Image().update(wanted))
    day = 86_400_000_000_000
    loaded.maps.settings.set(0, Settings(guest_ifindex=LO, network_ifindex=LO, probe_ns=day))
    listed = bytes([20, 0, 1, 5])
    for what, data in (
        ("known flow, address in a row", packet(listed, fragment=False)),
        ("known flow, address in no row", packet(bytes([9, 9, 9, 9]), fragment=False)),
        ("looked up each time, address in a row", packet(listed, fragment=True)),
        ("looked up each time, address in no row", packet(bytes([9, 9, 9, 9]), fragment=True)),
    ):
        times: dict[int, list[int]] = {0: [], 1: [], 2: []}
        for _ in range(ROUNDS):
            for number, found in times.items():
                loaded.maps.ports.set(LO, Port(7, 14, Mode.STANDARD, 0, 3, 15, number, number))
                found.append(nanoseconds(loaded, data))
        none, ten, all_of_them = (statistics.median(found) for found in times.values())
        print(
            f"{what}: no exclusions {none:.0f} ns, {len(few)} rows {ten:.0f} ns, {len(many)} rows {all_of_them:.0f} ns,"
            f" ratio {all_of_them / ten:.3f} (limit 1.030)"
        )


def main() -> None:
    """Measure and print."""
    if os.geteuid() != 0:
        raise SystemExit("this needs root")
    count = int(sys.argv[1]) if len(sys.argv) > 1 else ROWS
    many = rows(count)
    with program() as loaded:
        tables = ExclusionTables(loaded.maps)
        start, busy = time.perf_counter(), time.process_time()
        image = Image()
        delta = image.update(many)
        compiled, busy = time.perf_counter(), time.process_time() - busy
        tables.apply(9, delta)
        written = time.perf_counter()
        print(f"{count} rows: compiled in {compiled - start:.2f} s (limit {LIMIT_COMPILE_S}), {busy:.2f} s of a CPU")
        print(f"{delta.size} map entries written to the kernel in {written - compiled:.2f} s")
        for what, at in (("first", 0), ("middle", count // 2), ("last, a /8", count - 1)):
            found = []
            for turn in range(7):
                changed = list(image.rows)
                changed[at] = (
                    row(10_000_000 + turn) if at < count - 1 else many[-1].model_copy(update={"vlan": str(turn + 1)})
                )
                begin = time.perf_counter()
                delta = image.update(changed)
                tables.apply(9, delta)
                found.append((time.perf_counter() - begin) * 1000)
            print(
                f"one row changed ({what}): {statistics.median(found):.1f} ms, {delta.size} map entries"
                f" (limit {LIMIT_CHANGE_MS})"
            )
        begin = time.perf_counter()
        tables.apply(9, image.update(()))
        print(f"set taken out in {time.perf_counter() - begin:.2f} s")
        per_packet(loaded, tables, many[:9] + many[-1:], many)


if __name__ == "__main__":
    main()
