"""What events say about the port behind a VLAN id or a port id."""

from collections.abc import Mapping

from hyperward.events.detect import PortView
from hyperward.events.model import VmRef
from hyperward.events.web import WebPort
from hyperward.exclusions.scope import needs_observing
from hyperward.ips.rules.classes import RuleClass
from hyperward.policy.actions import Action
from hyperward.policy.fields import Mode
from hyperward.policy.resolve import IpsSettings
from hyperward.svm.desired import DesiredPort
from hyperward.svm.lanes import Lane, LaneEntry, Ledger

SHADOW_REASON = "shadow policy"
"""Why nothing was done about what a shadow policy would have acted upon."""
OBSERVED = "an exclusion: do_not_block"
FORMER_SHADOW = "(no longer a shadow)"
"""Instead of the name, in events of copies that were on their way when the shadow was taken off."""


class LedgerViews:
    """Looks ports up in the ledger, and their settings in what was applied last.

    Args:
        ledger: whose VLAN id it is, or last was.
        applied: the port as last applied, by VLAN id; filled by the applier.
        versions: the version of its rule set, by VLAN id; filled by the applier.
        applied_ports: the port as last applied, by port id; filled by the applier.
    """

    def __init__(
        self,
        ledger: Ledger,
        applied: Mapping[int, DesiredPort],
        versions: Mapping[int, str],
        applied_ports: Mapping[int, DesiredPort],
    ) -> None:
        self._ledger = ledger
        self._applied = applied
        self._versions = versions
        self._applied_ports = applied_ports

    def by_vid(self, vid: int) -> PortView | None:
        """Return the port; None for a VLAN id that was never given away."""
        lane = self._ledger.owner(vid)
        if lane is None:
            return None
        port = self._applied.get(vid)
        if lane.lane is Lane.SHADOW:
            return self._shadow(lane, port)
        return PortView(
            port=lane.port_id,
            vm=VmRef(name=lane.vm_name, id=f"{lane.port.platform}/{lane.port.instance}"),
            mac=(port.identity.mac or "") if port else "",
            enforce=lane.lane is Lane.ENFORCE,
            observe_reason=OBSERVED if lane.lane is Lane.OBSERVE else "monitoring mode",
            asked=asked_actions(port.ips) if port and port.ips else {},
            rules_version=self._versions.get(vid, "")[:12],
        )

    def by_port(self, port_id: int) -> WebPort | None:
        """Return the port; None for an id that was never given away."""
        lane = self._ledger.holder(port_id)
        if lane is None:
            return None
        port = self._applied_ports.get(port_id)
        # A port is switched before it counts as applied: only rows that say so make copies in standard mode.
        monitored = port is None or port.mode is Mode.MONITORING or not needs_observing(port.exclusions)
        return WebPort(
            vm=VmRef(name=lane.vm_name, id=f"{lane.port.platform}/{lane.port.instance}"),
            copy_reason="monitoring mode" if monitored else OBSERVED,
        )

    def _shadow(self, lane: LaneEntry, port: DesiredPort | None) -> PortView:
        shadow = port.shadow if port else None
        return PortView(
            port=lane.port_id,
            vm=VmRef(name=lane.vm_name, id=f"{lane.port.platform}/{lane.port.instance}"),
            mac=(port.identity.mac or "") if port else "",
            enforce=False,
            observe_reason=SHADOW_REASON,
            asked=asked_actions(shadow.ips) if shadow else {},
            rules_version=self._versions.get(lane.vid, "")[:12],
            shadow=shadow.policy if shadow else FORMER_SHADOW,
        )


def asked_actions(ips: IpsSettings) -> dict[RuleClass, Action]:
    """Return the policy's action for every class of rules that is on."""
    wishes = {
        RuleClass.NETWORK_ATTACK: ips.network_attacks,
        RuleClass.MALWARE: ips.malware,
        RuleClass.ADWARE: ips.adware,
        RuleClass.OTHER: ips.other,
        RuleClass.INFO: ips.info,
    }
    return {rule_class: action for rule_class, action in wishes.items() if action is not None}
