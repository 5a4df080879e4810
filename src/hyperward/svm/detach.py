"""Take everything off this machine that an SVM put on it."""

import asyncio
from pathlib import Path

from hyperward.ips.engine.process import find
from hyperward.steering.pairs import remove_pairs
from hyperward.steering.ports import KernelPorts
from hyperward.steering.program import object_bytes, open_program, unpin
from hyperward.svm.config import SvmConfig
from hyperward.svm.engine_settings import engine_settings
from hyperward.svm.instance import only_instance, require_root
from hyperward.svm.pins import pin_folder, remove_pin_folder


async def detach(config: SvmConfig) -> int:
    """Release all ports, end the engine, remove pairs and pins; return how many ports there were.

    Raises:
        SystemFault: not root, or the daemon runs.
    """
    require_root()
    config.run_dir.mkdir(mode=0o750, parents=True, exist_ok=True)
    with only_instance(config.run_dir):
        pins = pin_folder(config.run_dir)
        # In a thread: what talks netlink has an event loop of its own.
        released = await asyncio.to_thread(_release, pins)
        process = find(engine_settings(config))
        if process is not None:
            await process.stop()
            process.close()
        await asyncio.to_thread(remove_pairs)
        unpin(pins)
        remove_pin_folder(pins)
    return released


def _release(pins: Path) -> int:
    program = open_program(pins, object_bytes())
    try:
        ports = KernelPorts(program)
        registered = ports.registered()
        for ifindex in registered:
            ports.remove(ifindex)
    finally:
        program.close()
    return len(registered)
