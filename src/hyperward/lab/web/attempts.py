"""The web part of the scenario, as data: who asks for which address how, and which entry lists it."""

from dataclasses import dataclass
from enum import StrEnum

from hyperward.lab.plan import OTHER_HTTP_PORT, OUT, Kind, LabPlan, Node
from hyperward.lab.web import sites
from hyperward.policy.actions import WebAction
from hyperward.webscan.database.model import Entry


class Way(StrEnum):
    """How an address is asked for; the values are the names that events have for the protocol."""

    HTTP = "http"
    TLS = "tls"
    QUIC = "quic"


SCHEMES = {Way.HTTP: "http", Way.TLS: "https", Way.QUIC: "https"}
PORTS = {Way.HTTP: 80, Way.TLS: 443, Way.QUIC: 443}
SERVICES = {Way.HTTP: "http", Way.TLS: "https", Way.QUIC: "h3"}
"""Which server of the outside host takes it, as its records name it."""


@dataclass(frozen=True, slots=True)
class Site:
    """One address that is asked for.

    Args:
        title: for people.
        way: how it is asked for.
        host: its name.
        path: and what is wanted there.
        entry: that lists it; None for a clean one.
        action: of the lab's policy for the entry's category; OFF for a clean one.
        port: of the server.
        guest: whether the QEMU VM asks for it too; busybox knows no QUIC.
    """

    title: str
    way: Way
    host: str
    path: str = "/"
    entry: Entry | None = None
    action: WebAction = WebAction.OFF
    port: int = 0
    guest: bool = True

    @property
    def server_port(self) -> int:
        """The port that it is asked for at."""
        return self.port or PORTS[self.way]

    @property
    def address(self) -> str:
        """The canonical address as far as the scan can see it: over TLS and QUIC that is the name alone."""
        return f"{self.host}{self._port}{self.path}" if self.way is Way.HTTP else self.host

    @property
    def url(self) -> str:
        """The whole address, as a client is given it."""
        return f"{SCHEMES[self.way]}://{self.host}{self._port}{self.path}"

    @property
    def _port(self) -> str:
        return f":{self.port}" if self.port else ""


_BLOCK, _REPORT = WebAction.BLOCK, WebAction.REPORT
_MALLORY = "/site/~mallory/kit.js"
SCENARIO = (
    Site("malicious host", Way.HTTP, sites.MALWARE, "/site/update.exe", sites.MALWARE_ENTRY, _BLOCK),
    Site("malicious host", Way.HTTP, sites.MALWARE, "/site/x", sites.MALWARE_ENTRY, _BLOCK, port=OTHER_HTTP_PORT),
    Site("phishing name", Way.QUIC, sites.LOGIN, "/", sites.PHISHING_ENTRY, _BLOCK, guest=False),
    Site("phishing name", Way.TLS, sites.LOGIN, "/", sites.PHISHING_ENTRY, _BLOCK),
    Site("path on a popular host", Way.HTTP, sites.POPULAR, _MALLORY, sites.PATH_ENTRY, _BLOCK),
    Site("other path on that host", Way.HTTP, sites.POPULAR, "/site/~alice/kit.js"),
    Site("advertising, report only", Way.HTTP, sites.ADVERTISING, "/site/ad.js", sites.ADVERTISING_ENTRY, _REPORT),
    Site("clean site", Way.HTTP, sites.CLEAN, "/about.html"),
    Site("clean site", Way.TLS, sites.CLEAN),
    Site("clean site", Way.QUIC, sites.CLEAN, guest=False),
)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One machine asks for a site over one family."""

    site: Site
    client: str
    client_address: str
    family: int
    """4 or 6."""
    server_address: str

    @property
    def name(self) -> str:
        """A name that no other attempt of the lab has, such as `http-malware.hyperward.test/x-80-vm1-v4`."""
        return f"{self.site.way}-{self.site.host}{self.site.path}-{self.site.server_port}-{self.client}-v{self.family}"


def attempts(plan: LabPlan, vms: tuple[str, ...]) -> tuple[Attempt, ...]:
    """Return what these VMs ask for, in order: every site of the scenario that they can, over both families."""
    return tuple(
        _attempt(plan, vm, site, family)
        for vm in (plan.node(name) for name in vms)
        for site in SCENARIO
        for family in (4, 6)
        if site.guest or vm.kind is not Kind.QEMU
    )


def _attempt(plan: LabPlan, vm: Node, site: Site, family: int) -> Attempt:
    return Attempt(site, vm.name, vm.address(family), family, plan.node(OUT).address(family))
