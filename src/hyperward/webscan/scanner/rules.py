"""What a scanner follows: settings made ready for use."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from hyperward.errors import InputError
from hyperward.webscan.address.model import Address
from hyperward.webscan.scanner.blockpage import Page, built_in, parse_template
from hyperward.webscan.scanner.judge import Judge, Lookup, Masks
from hyperward.webscan.settings import PortScan, ScannerSettings, WebScan


@dataclass(frozen=True, slots=True)
class PortRules:
    """What holds for one port."""

    port: PortScan
    scan: WebScan
    judge: Judge
    page: Page


@dataclass(frozen=True, slots=True)
class Rules:
    """What holds for all ports; those that are not named are let go."""

    version: int = 0
    svm: str = ""
    ports: dict[int, PortRules] = field(default_factory=dict)


def make_rules(
    settings: ScannerSettings,
    databases: Lookup,
    canonical: Callable[[bytes, bytes | None], Address],
    masks: Callable[[Iterable[str]], Masks],
) -> Rules:
    """Return the rules that settings stand for.

    Args:
        settings: of the daemon.
        databases: what its databases say.
        canonical: host and target as written to an address.
        masks: texts of masks to a set; raises ValueError.

    Raises:
        InputError: a mask, a template or a reference is wrong.
    """
    judges: list[tuple[WebScan, Judge, Page]] = []
    for scan in settings.scans:
        try:
            exempt = masks(scan.never_block)
        except ValueError as error:
            raise InputError(f"bad mask: {error}", where="never_block") from None
        page = parse_template(scan.block_page) if scan.block_page else built_in()
        judges.append((scan, Judge(scan, databases, exempt, canonical), page))
    ports: dict[int, PortRules] = {}
    for number, port in settings.ports.items():
        if not 0 <= port.scan < len(judges):
            raise InputError(f"there are no settings {port.scan}", where=f"port {number}")
        ports[number] = PortRules(port, *judges[port.scan])
    return Rules(settings.version, settings.svm, ports)
