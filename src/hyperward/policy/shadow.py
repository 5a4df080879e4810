"""A shadow policy: another policy of the file that judges the same traffic beside the active one, and never acts."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from hyperward.policy.models import Policy
from hyperward.policy.networks import ANY, NetworkSet
from hyperward.policy.resolve import EffectiveSettings, IpsSettings, Variant, ips_plan


@dataclass(frozen=True, slots=True)
class Shadow:
    """What a shadow policy judges by.

    Args:
        policy: its name.
        ips: its rules, which only report; the actions in it are those that the policy asks for.
    """

    policy: str
    ips: IpsSettings


def shadow_plan(
    settings: EffectiveSettings | None, *, now: datetime, default_home_net: NetworkSet = ANY
) -> Shadow | None:
    """Return what a shadow policy has to do; None when there is none, or Intrusion Prevention is off in it.

    Args:
        settings: what the shadow policy gives to a VM; None for no shadow.
        now: as for `ips_plan`.
        default_home_net: as for `ips_plan`.
    """
    ips = ips_plan(settings, now=now, default_home_net=default_home_net)
    if settings is None or ips is None:
        return None
    return Shadow(settings.policy, replace(ips, variant=Variant.OBSERVE))


def shadow_error(policy: Policy, by_name: Mapping[str, Policy]) -> str:
    """Return what is wrong with the shadow that a policy names; empty when nothing is.

    Args:
        policy: it names the shadow.
        by_name: all policies of the file.
    """
    if policy.shadow is None:
        return ""
    if policy.shadow == policy.name:
        return f"the policy '{policy.name}' cannot be its own shadow"
    shadow = by_name.get(policy.shadow)
    if shadow is None:
        return f"there is no policy '{policy.shadow}'"
    if shadow.tenant not in {None, policy.tenant}:
        return f"the policy '{policy.shadow}' belongs to another tenant"
    return ""


def shadow_warning(policy: Policy, by_name: Mapping[str, Policy]) -> str:
    """Return why the shadow that a policy names judges nothing; empty when it does, or there is none.

    Args:
        policy: it names the shadow.
        by_name: all policies of the file.
    """
    if policy.shadow is None:
        return ""
    if not policy.intrusion_prevention.enabled:
        return f"Intrusion Prevention is off in '{policy.name}', so its VMs are not inspected, by a shadow neither"
    shadow = by_name.get(policy.shadow)
    off = shadow is not None and not shadow.intrusion_prevention.enabled
    return f"Intrusion Prevention is off in the shadow policy '{policy.shadow}', so it judges nothing" if off else ""
