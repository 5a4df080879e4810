"""Take everything off this machine that an SVM put on it."""

import asyncio
from pathlib import Path

from hyperward.ips.engine.process import find
from hyperward.steering.pairs import remove_pairs
from hyperward.steering.ports import KernelPorts
from hyperward.steering.program import object_bytes, open_program
from hyperward.steering.taps import remove_taps
from hyperward.svm.config import SvmConfig
from hyperward.svm.engine_settings import engine_settings
from hyperward.svm.instance import only_instance, require_root
from hyperward.svm.pins import pin_folder, remove_pins
from hyperward.svm.scanners.paths import ScannerPaths
from hyperward.svm.scanners.process import ScannerProcesses


async def detach(config: SvmConfig) -> int:
    """Release all ports, end the engine, remove pairs, scanners' devices and pins; return how many ports there were.

    Raises:
        SystemFault: not root, or the daemon runs.
    """
    require_root()
    config.run_dir.mkdir(mode=0o750, parents=True, exist_ok=True)
    with only_instance(config.run_dir):
        # In threads: what talks netlink runs an event loop of its own.
        released = await asyncio.to_thread(_release_ports, config.run_dir)
        process = find(engine_settings(config))
        if process is not None:
            await process.stop()
            process.close()
        await _end_scanners(config)
        await asyncio.to_thread(remove_pairs)
        await asyncio.to_thread(remove_taps)
        remove_pins(config.run_dir)
    return released


async def _end_scanners(config: SvmConfig) -> None:
    paths = ScannerPaths(config.run_dir, config.state_dir, pin_folder(config.run_dir))
    for process in (one for of_index in ScannerProcesses(paths).find() for one in of_index):
        await process.stop(seconds=3)
        process.close()


def _release_ports(run_dir: Path) -> int:
    program = open_program(pin_folder(run_dir), object_bytes())
    try:
        ports = KernelPorts(program)
        registered = ports.registered()
        for ifindex in registered:
            ports.remove(ifindex)
    finally:
        program.close()
    return len(registered)
