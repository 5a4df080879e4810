"""The settings of a policy, with the names, values and defaults of the product. Frozen, compared by value."""

from typing import Annotated

from pydantic import Field

from hyperward.policy.actions import Action
from hyperward.policy.fields import (
    MAX_ITEMS,
    MAX_TEXT,
    AlwaysTrue,
    Expiry,
    ExternalNetworks,
    FailureAction,
    HomeNetworks,
    InstanceId,
    Mask,
    Mode,
    Name,
    Reason,
    RuleReference,
    Settings,
    State,
)

MAX_POLICIES = 1000
MAX_BLOCK_MINUTES = 32768


class NetworkAttacks(Settings):
    """Exploits, scans, floods."""

    enabled: bool = True
    action: Action = Action.TERMINATE_AND_BLOCK
    block_minutes: Annotated[int, Field(ge=1, le=MAX_BLOCK_MINUTES)] = 60
    """How long `terminate_and_block` blocks the source, in minutes."""


class SuspiciousActivity(Settings):
    """Signs that something unwanted is already inside the VM."""

    enabled: bool = True
    malware: AlwaysTrue = True
    """Viruses, worms, trojans, command and control: part of the feature, cannot be left out."""
    adware: bool = True
    other: bool = False
    """Legitimate software that criminals use: downloaders, remote administration, miners, tunnels."""
    action: Action = Action.TERMINATE


class ExcludedRule(Settings):
    """Rules that are switched off for the VMs of the policy."""

    rule: RuleReference
    reason: Reason
    expires: Expiry | None = None


class IntrusionPrevention(Settings):
    """Intrusion Prevention; off until a policy turns it on."""

    enabled: bool = False
    network_attacks: NetworkAttacks = NetworkAttacks()
    suspicious_activity: SuspiciousActivity = SuspiciousActivity()
    excluded_rules: Annotated[tuple[ExcludedRule, ...], Field(max_length=MAX_ITEMS)] = ()


class Failure(Settings):
    """What happens to traffic while a component cannot inspect it."""

    down: FailureAction = FailureAction.OPEN
    """The component is dead or hung."""
    busy: FailureAction = FailureAction.OPEN
    """The component has more traffic than it can inspect."""


class Assignment(Settings):
    """Which VMs a policy covers: those that match any of the entries."""

    names: Annotated[tuple[Mask, ...], Field(max_length=MAX_ITEMS)] = ()
    ids: Annotated[tuple[InstanceId, ...], Field(max_length=MAX_ITEMS)] = ()


class Policy(Settings):
    """The settings for a set of VMs."""

    name: Name
    description: Annotated[str, Field(max_length=MAX_TEXT)] = ""
    state: State = State.ACTIVE
    mode: Mode = Mode.STANDARD
    assign: Assignment = Assignment()
    intrusion_prevention: IntrusionPrevention = IntrusionPrevention()
    failure: Failure = Failure()
    home_net: HomeNetworks | None = None
    """HOME_NET of the rules; without it, the networks of the protected VMs."""
    external_net: ExternalNetworks | None = None
    """EXTERNAL_NET of the rules; without it, any."""
    shadow: Name | None = None
    """Another policy, active or not, that also judges the traffic of these VMs; it only reports."""


class PolicyFile(Settings):
    """A file of policies."""

    policies: Annotated[tuple[Policy, ...], Field(max_length=MAX_POLICIES)]
