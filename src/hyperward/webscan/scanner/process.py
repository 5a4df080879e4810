"""One scanner process: opens its device, maps and files, gives up its privileges, and runs until it is told to stop."""

import os
import signal
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import structlog

from hyperward.ips.engine.files import make_folder
from hyperward.steering.maps import BpfMap, K, Table, V
from hyperward.steering.scanners import open_maps
from hyperward.webscan.address import from_request
from hyperward.webscan.masks import MaskSet, parse_mask
from hyperward.webscan.protocols.detect import client_stream
from hyperward.webscan.scanner.follow import Follower
from hyperward.webscan.scanner.kernel import BpfKernel
from hyperward.webscan.scanner.loop import Loop
from hyperward.webscan.scanner.privileges import drop_privileges
from hyperward.webscan.scanner.recordfile import RecordFile
from hyperward.webscan.scanner.scanner import Edges, Scanner
from hyperward.webscan.scanner.tap import Tap

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Options:
    """Where a scanner finds what it needs.

    Args:
        index: of the scanner.
        run_dir: of the daemon.
        state_dir: of the daemon.
        pins: folder on a BPF file system.
    """

    index: int
    run_dir: Path
    state_dir: Path
    pins: Path


def run(options: Options) -> None:
    """Run a scanner until SIGTERM or SIGINT.

    Raises:
        SystemFault: a device, map or file cannot be opened.
        OSError: the device was taken away.
    """
    started = time.monotonic_ns()
    run_folder, state_folder = options.run_dir / "web", options.state_dir / "web"
    for folder in (run_folder, state_folder):
        make_folder(folder)
    scanner: Scanner | None = None
    with ExitStack() as stack:
        follower = Follower(
            run_folder / "settings.json",
            run_folder / f"scanner-{options.index}.json",
            lambda rules: setattr(scanner, "rules", rules),
            canonical=from_request,
            masks=lambda texts: MaskSet([parse_mask(text) for text in texts]),
            counters=lambda: dict(scanner.counters) if scanner is not None else {},
        )
        stack.callback(follower.close)
        # Another one may still hold the device: this word, with everything imported, lets the daemon end it.
        follower.say()
        tap = Tap(options.index)
        stack.callback(tap.close)
        maps = open_maps(options.pins)
        stack.callback(maps.close)
        slot = maps.slots.slot(options.index)
        records = RecordFile(state_folder / f"records-{options.index}.json")
        stack.callback(records.close)
        drop_privileges()
        kernel = BpfKernel(_descriptor(maps.flows), _descriptor(maps.web_flows))
        scanner = Scanner(Edges(kernel, tap.write, records, client_stream, started_ns=started))
        loop = Loop(tap, slot, scanner, follower.look)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: loop.stop())
        slot.caught_up()
        slot.beat()
        follower.look()
        log.info("scanner_started", index=options.index, pid=os.getpid())
        loop.run()
        follower.say()
        log.info("scanner_stopped", index=options.index, **scanner.counters)


def _descriptor(table: Table[K, V]) -> int:
    if not isinstance(table, BpfMap):
        raise TypeError(f"not a map of the kernel: {table!r}")
    return table.fd
