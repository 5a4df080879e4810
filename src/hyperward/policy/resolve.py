"""From policies to the effective settings of a VM, and from these to what the rule compiler needs."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from hyperward.exclusions.rows import Direction, ExclusionRow
from hyperward.exclusions.scope import next_expiry as next_exclusion_expiry
from hyperward.policy.actions import Action
from hyperward.policy.assignment import AssignableVm, Assignments
from hyperward.policy.fields import Mode
from hyperward.policy.inherit import Inherited, inherit
from hyperward.policy.models import Failure, IntrusionPrevention, Policy
from hyperward.policy.networks import ANY, NetworkSet, parse_network_set
from hyperward.policy.tree import Tree
from hyperward.policy.web import WEB_OFF, WebAddresses


@dataclass(frozen=True, slots=True)
class EffectiveSettings:
    """The settings that hold for a VM.

    Args:
        policy: the name of the policy that they come from.
        mode: standard or monitoring.
        failure: what happens to traffic that cannot be inspected.
        intrusion_prevention: the feature's settings.
        home_net: the policy's own networks; None where it names none.
        external_net: the same for the outside.
        exclusions: all rows of the policy, for whichever VM and however long they hold.
        excluded_directions: connections that are not scanned as a whole.
        shadow: the name of the policy that judges the same traffic and never acts; None for none.
        web_addresses: settings of Web Addresses Scan.
    """

    policy: str
    mode: Mode
    failure: Failure
    intrusion_prevention: IntrusionPrevention
    home_net: NetworkSet | None
    external_net: NetworkSet | None
    exclusions: tuple[ExclusionRow, ...] = ()
    excluded_directions: tuple[Direction, ...] = ()
    shadow: str | None = None
    web_addresses: WebAddresses = WEB_OFF


class Variant(StrEnum):
    """Whether a rule set may act."""

    ENFORCE = "enforce"
    OBSERVE = "observe"
    """The same rules; all of them only report."""


@dataclass(frozen=True, slots=True)
class IpsSettings:
    """All that decides the bytes of a rule set. Equal settings are equal values: VMs that have them share a tenant.

    Args:
        network_attacks: the action on exploits, scans, floods; None when the rules are left out. So are the next three.
        malware: the action on viruses, worms, trojans, command and control.
        adware: the action on advertising software.
        other: the action on legitimate software that can be misused.
        excluded_rules: `gid:sid:rev`, `gid:sid` and rule-name masks; sorted, without duplicates and expired entries.
        home_net: HOME_NET, canonical.
        external_net: EXTERNAL_NET, canonical.
        variant: whether the rules may act.
    """

    network_attacks: Action | None
    malware: Action | None
    adware: Action | None
    other: Action | None
    excluded_rules: tuple[str, ...]
    home_net: NetworkSet
    external_net: NetworkSet
    variant: Variant

    @property
    def info(self) -> Action:
        """The action on rules that only inform: they report and never act."""
        return Action.IGNORE


def settings_of(policy: Policy) -> EffectiveSettings:
    """Return the settings that a policy gives to the VMs it covers, its own and defaults; `inherit` comes first."""
    return EffectiveSettings(
        policy=policy.name,
        mode=policy.mode,
        failure=policy.failure,
        intrusion_prevention=policy.intrusion_prevention,
        home_net=None if policy.home_net is None else parse_network_set(policy.home_net),
        external_net=None if policy.external_net is None else _or_any(policy.external_net),
        exclusions=policy.exclusions,
        excluded_directions=policy.excluded_directions,
        shadow=policy.shadow,
        web_addresses=policy.web_addresses,
    )


def effective(policies: Iterable[Policy], vm: AssignableVm) -> EffectiveSettings | None:
    """Return the settings of one VM, or None when no active policy covers it. For many VMs use `Resolver`.

    Raises:
        AssignmentTie: more than one policy covers the VM equally specifically.
    """
    return Resolver(policies).effective(vm)


class Resolver:
    """Effective settings of many VMs under one set of policies.

    Args:
        policies: all of them.

    Raises:
        InputError: their parents do not lead to roots; `treefindings.tree_errors` finds that with its place before.
    """

    def __init__(self, policies: Iterable[Policy]) -> None:
        tree = Tree(policies)
        self._assignments = Assignments(tree.policies)
        self._inherited = {id(policy): inherit(tree.chain(policy)) for policy in tree.policies}
        self._settings = {key: settings_of(inherited.policy) for key, inherited in self._inherited.items()}
        # The ids above stay valid only as long as the policies live.
        self._policies = tree.policies

    def effective(self, vm: AssignableVm) -> EffectiveSettings | None:
        """Return the settings of one VM, or None when no active policy covers it.

        Raises:
            AssignmentTie: more than one policy covers the VM equally specifically.
        """
        policy = self._assignments.policy_of(vm)
        return None if policy is None else self._settings[id(policy)]

    def inherited(self, vm: AssignableVm) -> Inherited | None:
        """Return the policy of one VM with every setting and its origin, or None when no active policy covers it.

        Raises:
            AssignmentTie: more than one policy covers the VM equally specifically.
        """
        policy = self._assignments.policy_of(vm)
        return None if policy is None else self._inherited[id(policy)]

    def shadow_of(self, settings: EffectiveSettings) -> EffectiveSettings | None:
        """Return what the shadow policy gives to a VM, whether that policy is active or not; None when there is none.

        A policy that inherits its own name as the shadow has none: it would judge what it does.

        Args:
            settings: the VM's effective settings.
        """
        return None if settings.shadow in {None, settings.policy} else self.named(settings.shadow or "")

    def named(self, name: str) -> EffectiveSettings | None:
        """Return what a policy gives to VMs, whether it is active or not; None when there is no such policy."""
        found = (policy for policy in self._policies if policy.name == name)
        return next((self._settings[id(policy)] for policy in found), None)


def ips_plan(
    settings: EffectiveSettings | None, *, now: datetime, default_home_net: NetworkSet = ANY
) -> IpsSettings | None:
    """Return what Intrusion Prevention has to do; None when it is off or all of its features are.

    Args:
        settings: the effective settings of a VM; None for a VM that no policy covers.
        now: exclusions that expired by then are left out; with a time zone.
        default_home_net: HOME_NET of policies that name none: the networks of the protected VMs, in canonical form
            (`networks.canonical`).
    """
    if settings is None or not settings.intrusion_prevention.enabled:
        return None
    ips = settings.intrusion_prevention
    attacks, suspicious = ips.network_attacks, ips.suspicious_activity
    if not attacks.enabled and not suspicious.enabled:
        return None
    in_force = {item.rule for item in ips.excluded_rules if item.expires is None or item.expires > now}
    on = suspicious.enabled
    return IpsSettings(
        network_attacks=attacks.action if attacks.enabled else None,
        malware=suspicious.action if on else None,
        adware=suspicious.action if on and suspicious.adware else None,
        other=suspicious.action if on and suspicious.other else None,
        excluded_rules=tuple(sorted(in_force)),
        home_net=default_home_net if settings.home_net is None else settings.home_net,
        external_net=ANY if settings.external_net is None else settings.external_net,
        variant=Variant.ENFORCE if settings.mode is Mode.STANDARD else Variant.OBSERVE,
    )


def next_expiry(policies: Iterable[Policy], *, now: datetime) -> datetime | None:
    """Return when the next exclusion expires and plans have to be made again; None when none will."""
    every = tuple(policies)
    moments = [item.expires for policy in every for item in policy.intrusion_prevention.excluded_rules]
    moments += [row.expires for policy in every for row in policy.web_addresses.never_block]
    moments += [next_exclusion_expiry(policy.exclusions, now=now) for policy in every]
    return min((moment for moment in moments if moment is not None and moment > now), default=None)


def _or_any(networks: tuple[str, ...]) -> NetworkSet:
    return ANY if networks == ANY else parse_network_set(networks)
