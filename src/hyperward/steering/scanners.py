"""The kernel's side of web scanners: filters on their devices, and the maps that a scanner process opens by their pins.

A scanner process needs neither the program nor the daemon: the pinned maps, its device and its slot.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hyperward.errors import SystemFault
from hyperward.steering import maps
from hyperward.steering.attach import Hook, attach, ensure_qdisc
from hyperward.steering.layout import LAYOUT_VERSION, Flow, FlowKey, WebFlow
from hyperward.steering.maps import Table
from hyperward.steering.program import Program, pinned_maps
from hyperward.steering.slots import ScannerSlots

_MAPS = ("settings", "flows", "web_flows", "scanners")


def attach_scanners(devices: Sequence[int], program: Program) -> None:
    """Attach the programs of scanners' devices; those that are there are exchanged atomically."""
    for ifindex in devices:
        ensure_qdisc(ifindex)
        attach(ifindex, Hook.INGRESS, program.fds["from_scanner"])
        attach(ifindex, Hook.EGRESS, program.fds["to_scanner"])


@dataclass(frozen=True, slots=True)
class ScannerMaps:
    """What a scanner process reads and writes of steering.

    Args:
        flows: of all ports; `ack_to` says what the remote end of a connection expects next.
        web_flows: what the scanners decided; theirs to write.
        slots: heartbeats and queues.
    """

    flows: Table[FlowKey, Flow]
    web_flows: Table[FlowKey, WebFlow]
    slots: ScannerSlots
    _fds: tuple[int, ...] = ()

    def close(self) -> None:
        """Close descriptors and memory map."""
        self.slots.close()
        for fd in self._fds:
            os.close(fd)


def open_maps(pins: Path) -> ScannerMaps:
    """Open the pinned maps that a scanner process needs, without loading anything.

    Args:
        pins: the folder that `open_program` pinned below.

    Raises:
        SystemFault: nothing is pinned there, or maps of another layout.
        BpfError: the kernel refuses to open them.
    """
    fds = pinned_maps(pins, _MAPS)
    if not fds:
        raise SystemFault("no pinned maps", where=str(pins), hint="start the SVM, which loads the steering program")
    try:
        _check_layout(fds["settings"], pins)
        slots = ScannerSlots(fds["scanners"])
    except BaseException:
        for fd in fds.values():
            os.close(fd)
        raise
    kept = (fds.pop("flows"), fds.pop("web_flows"))
    for fd in fds.values():
        os.close(fd)
    return ScannerMaps(maps.flows(kept[0]), maps.web_flows(kept[1]), slots, kept)


def _check_layout(settings_fd: int, pins: Path) -> None:
    found = maps.settings(settings_fd).get(0)
    version = found.layout_version if found else 0
    if version != LAYOUT_VERSION:
        raise SystemFault(
            f"the pinned maps have layout {version}, not {LAYOUT_VERSION}",
            where=str(pins),
            hint="restart the SVM, which replaces them",
        )
