"""What policies and inventory ask for, port by port."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from hyperward.exclusions.rows import ExclusionRow
from hyperward.exclusions.scope import ScopedRows
from hyperward.inventory.models import Inventory, NicIdentity
from hyperward.policy.fields import Mode
from hyperward.policy.models import Failure, Policy
from hyperward.policy.networks import ANY, NetworkSet
from hyperward.policy.resolve import IpsSettings, Resolver, ips_plan
from hyperward.policy.shadow import Shadow, shadow_plan
from hyperward.webscan.plan import web_plan
from hyperward.webscan.settings import WebScan


@dataclass(frozen=True, slots=True)
class DesiredPort:
    """A port that an active policy covers, and how its traffic is to be treated.

    Args:
        interface: the tap or veth.
        vm: the VM's name.
        identity: what identifies the NIC.
        port_id: the number that the inventory asks for; None when the daemon may choose.
        ips: what Intrusion Prevention does; None when it is off.
        mode: standard or monitoring.
        failure: what happens to traffic that cannot be inspected.
        exclusions: the rows that hold for the VM now, in their order.
        shadow: the policy that judges beside it and never acts; None for none.
        policy: the name of the policy that covers the VM.
        web: what Web Addresses Scan does; None when it is off.
    """

    interface: str
    vm: str
    identity: NicIdentity
    port_id: int | None
    ips: IpsSettings | None
    mode: Mode
    failure: Failure
    exclusions: tuple[ExclusionRow, ...] = ()
    shadow: Shadow | None = None
    policy: str = ""
    web: WebScan | None = None


def desired_ports(
    policies: Iterable[Policy], inventory: Inventory, *, now: datetime, default_home_net: NetworkSet = ANY
) -> tuple[DesiredPort, ...]:
    """Return the ports of all VMs that an active policy covers, in the order of the inventory.

    A port of a VM without a policy is not among them: it must not be touched.

    Args:
        policies: all policies.
        inventory: all VMs.
        now: exclusions that expired by then do not count; with a time zone.
        default_home_net: HOME_NET of policies that name none, in canonical form.

    Raises:
        AssignmentTie: policies cover a VM equally specifically; `check_files` finds that before.
    """
    resolver = Resolver(policies)
    ports: list[DesiredPort] = []
    scoped: dict[str, ScopedRows] = {}
    webs: dict[str, WebScan | None] = {}
    for vm in inventory.vms:
        settings = resolver.effective(vm)
        if settings is None:
            continue
        if settings.policy not in scoped:
            scoped[settings.policy] = ScopedRows(settings.exclusions, settings.excluded_directions, now=now)
        rows = scoped[settings.policy].of(vm.name, getattr(vm, "groups", ()))
        ips = ips_plan(settings, now=now, default_home_net=default_home_net)
        if settings.policy not in webs:
            webs[settings.policy] = web_plan(settings, now=now)
        # A shadow judges what the engine is given: without Intrusion Prevention there is nothing.
        shaded = resolver.shadow_of(settings) if ips is not None else None
        shadow = shadow_plan(shaded, now=now, default_home_net=default_home_net)
        ports += [
            DesiredPort(
                interface=port.interface,
                vm=vm.name,
                identity=vm.identity(port),
                port_id=port.id,
                ips=ips,
                mode=settings.mode,
                failure=settings.failure,
                exclusions=rows,
                shadow=shadow,
                policy=settings.policy,
                web=webs[settings.policy],
            )
            for port in vm.ports
        ]
    return tuple(ports)
