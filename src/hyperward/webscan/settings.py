"""What the SVM tells its scanners: per port, what to do with an address of a category. Plain values, written to a file.

The daemon writes the file whole under another name and renames it; a scanner reads it when it changed, and says in its
own status file which version it follows.
"""

import msgspec

from hyperward.policy.actions import HelloAction, WebAction

__all__ = ["HelloAction", "PortScan", "ScannerSettings", "WebAction", "WebScan"]


class WebScan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The effective web settings of a policy.

    Args:
        categories: action of every category, also of the operator's own; one that is not named is off.
        never_block: masks, checked.
        http, tls, quic, dns: which protocols are looked at.
        encrypted_hello: what to do when the name is hidden.
        block_page: template of the operator; empty for the built-in one.
        contact: line on the block page; empty for none.
        sinkhole4, sinkhole6: addresses that DNS answers with; both empty for NXDOMAIN.
    """

    categories: dict[str, WebAction]
    never_block: tuple[str, ...] = ()
    http: bool = True
    tls: bool = True
    quic: bool = True
    dns: bool = False
    encrypted_hello: HelloAction = HelloAction.ALLOW
    block_page: str = ""
    contact: str = ""
    sinkhole4: str = ""
    sinkhole6: str = ""


class PortScan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One port under Web Addresses Scan.

    Args:
        vm: name of the VM, for the block page.
        policy: that it follows, for the block page and events.
        scan: index of its settings in `ScannerSettings.scans`.
        closed_busy: failure action when the scanner has no room for what it holds: drop it, else it goes on.
    """

    vm: str
    policy: str
    scan: int
    closed_busy: bool = False


class ScannerSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that a scanner follows.

    Args:
        version: rises with every change.
        svm: name of the node, for the block page.
        databases: address database files, all of which are asked; those of the operator's own lists first.
        scans: distinct settings.
        ports: by port id.
    """

    version: int
    svm: str
    databases: tuple[str, ...] = ()
    scans: tuple[WebScan, ...] = ()
    ports: dict[int, PortScan] = {}
