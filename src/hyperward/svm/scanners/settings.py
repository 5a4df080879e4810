"""What the scanners are told: from the ports that shall be scanned to the value of their settings file. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from hyperward.webscan.settings import PortScan, ScannerSettings, WebScan


@dataclass(frozen=True, slots=True)
class ScannedPort:
    """A port under Web Addresses Scan.

    Args:
        vm: name of the VM.
        policy: that it follows.
        web: what is done with its requests.
    """

    vm: str
    policy: str
    web: WebScan


def scanner_settings(
    version: int, svm: str, databases: Sequence[str], ports: Mapping[int, ScannedPort]
) -> ScannerSettings:
    """Return the settings of all scanners; ports with equal settings share them.

    Args:
        version: of the settings.
        svm: name of the node.
        databases: address database files, those of the operator's own lists first.
        ports: by port id.
    """
    scans: dict[bytes, int] = {}
    distinct: list[WebScan] = []
    told: dict[int, PortScan] = {}
    for port_id, port in sorted(ports.items()):
        key = msgspec.json.encode(port.web)
        if key not in scans:
            scans[key] = len(distinct)
            distinct.append(port.web)
        told[port_id] = PortScan(port.vm, port.policy, scans[key])
    return ScannerSettings(version, svm, tuple(databases), tuple(distinct), told)


def ports_of(settings: ScannerSettings) -> dict[int, ScannedPort]:
    """Return the ports that settings are for, as `scanner_settings` was given them."""
    return {
        port_id: ScannedPort(port.vm, port.policy, settings.scans[port.scan])
        for port_id, port in settings.ports.items()
        if 0 <= port.scan < len(settings.scans)
    }
