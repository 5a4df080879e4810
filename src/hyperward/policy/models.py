"""The settings of a policy, with the names, values and defaults of the product. Frozen, compared by value.

A model holds what its file says: which fields were set is pydantic's `model_fields_set`, and what is not set comes from
the parent (`hyperward.policy.inherit`). Every field of `Policy` outside of `OWN_FIELDS` is such a setting.
"""

from typing import Annotated

from pydantic import AfterValidator, Field

from hyperward.exclusions.rows import MAX_ROWS, ExcludedDirection, ExclusionRow
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
    Label,
    Mask,
    Mode,
    Name,
    Network,
    Place,
    Reason,
    RuleReference,
    Settings,
    State,
)
from hyperward.policy.settings import check_setting, setting_paths
from hyperward.policy.web import WebAddresses

MAX_POLICIES = 1000
MAX_TENANTS = 1000
MAX_LOCKS = 256
MAX_BLOCK_MINUTES = 32768
OWN_FIELDS = frozenset({"name", "description", "tenant", "parent", "locked", "state", "assign"})
"""What a policy is; the rest is what it sets, and that is inherited."""


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
    tags: Annotated[tuple[Label, ...], Field(max_length=MAX_ITEMS)] = ()
    groups: Annotated[tuple[Label, ...], Field(max_length=MAX_ITEMS)] = ()
    networks: Annotated[tuple[Network, ...], Field(max_length=MAX_ITEMS)] = ()
    """A VM matches with any of its addresses."""
    paths: Annotated[tuple[Place, ...], Field(max_length=MAX_ITEMS)] = ()
    """Places in the inventory tree; all that is below belongs to them."""

    def __bool__(self) -> bool:
        """Tell whether there is any entry."""
        return any(getattr(self, name) for name in Assignment.model_fields)


def _lock(text: str) -> str:
    return check_setting(text, Policy, without=OWN_FIELDS)


class Policy(Settings):
    """The settings for a set of VMs."""

    name: Name
    description: Annotated[str, Field(max_length=MAX_TEXT)] = ""
    tenant: Name | None = None
    """The policy covers this tenant's VMs only; without it, it is the provider's and covers any."""
    parent: Name | None = None
    """Where the settings come from that this policy does not set; without it, the defaults."""
    locked: Annotated[tuple[Annotated[str, AfterValidator(_lock)], ...], Field(max_length=MAX_LOCKS)] = ()
    """Settings, or blocks of them, that no policy below may set."""
    state: State = State.ACTIVE
    mode: Mode = Mode.STANDARD
    assign: Assignment = Assignment()
    intrusion_prevention: IntrusionPrevention = IntrusionPrevention()
    web_addresses: WebAddresses = WebAddresses()
    failure: Failure = Failure()
    exclusions: Annotated[tuple[ExclusionRow, ...], Field(max_length=MAX_ROWS)] = ()
    """What is not scanned, or only reported; the first row that matches holds."""
    excluded_directions: Annotated[tuple[ExcludedDirection, ...], Field(max_length=2)] = ()
    """Connections of these directions are not scanned, except where a row says otherwise."""
    home_net: HomeNetworks | None = None
    """HOME_NET of the rules; without it, the networks of the protected VMs."""
    external_net: ExternalNetworks | None = None
    """EXTERNAL_NET of the rules; without it, any."""
    shadow: Name | None = None
    """Another policy, active or not, that also judges the traffic of these VMs; it only reports."""


class Tenant(Settings):
    """Somebody whose administrators see and change only their own policies."""

    name: Name
    base: Name | None = None
    """The provider's policy that all of the tenant's policies must descend from, so that its locks hold for them."""


class PolicyFile(Settings):
    """A file of policies."""

    tenants: Annotated[tuple[Tenant, ...], Field(max_length=MAX_TENANTS)] = ()
    policies: Annotated[tuple[Policy, ...], Field(max_length=MAX_POLICIES)]


SETTINGS = setting_paths(Policy, without=OWN_FIELDS)
"""The path of every setting, in the order of the model."""
