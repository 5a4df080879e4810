"""What is wrong in a set of policies beyond single values."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from hyperward.errors import InputError
from hyperward.exclusions.hidden import hidden_rows
from hyperward.exclusions.image import Image
from hyperward.policy.actions import HelloAction, WebAction
from hyperward.policy.inherit import inherit
from hyperward.policy.models import Assignment, Policy, PolicyFile
from hyperward.policy.shadow import shadow_error, shadow_warning
from hyperward.policy.tree import Tree
from hyperward.policy.web import NXDOMAIN, WebAddresses

KeyPath: TypeAlias = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong or odd at a place of a file.

    Args:
        path: keys and list positions from the top of the file.
        what: what it is.
        hint: what to do about it.
        see: a second place that belongs to it, to be named behind `what`.
    """

    path: KeyPath
    what: str
    hint: str = ""
    see: KeyPath | None = None


def policy_errors(file: PolicyFile) -> Iterator[Finding]:
    """Yield what makes a file of policies unusable: a name that is given twice, a shadow that is none."""
    seen: dict[str, int] = {}
    for index, policy in enumerate(file.policies):
        if policy.name in seen:
            yield Finding(
                ("policies", index, "name"),
                f"the name '{policy.name}' is already taken by",
                "give every policy its own name",
                see=("policies", seen[policy.name], "name"),
            )
        seen.setdefault(policy.name, index)
        yield from _exclusion_errors(policy, ("policies", index, "exclusions"))
    by_name = {policy.name: policy for policy in file.policies}
    for index, policy in enumerate(file.policies):
        if what := shadow_error(policy, by_name):
            yield Finding(("policies", index, "shadow"), what, "name another policy of this file, or remove the key")


def policy_warnings(file: PolicyFile) -> Iterator[Finding]:
    """Yield what is odd in a file of policies but usable; the file has no errors."""
    tree = Tree(file.policies)
    inherited = {policy.name: inherit(tree.chain(policy)).policy for policy in file.policies}
    for index, policy in enumerate(file.policies):
        effective = inherited[policy.name]
        yield from _warnings_of(policy, effective, ("policies", index), is_parent=policy.name in tree.parents)
        if what := shadow_warning(effective, inherited):
            yield Finding(("policies", index), what, "enable Intrusion Prevention, or remove the key 'shadow'")


def _exclusion_errors(policy: Policy, at: KeyPath) -> Iterator[Finding]:
    """Yield why the kernel could not be given the rows, as if all of them held for one VM."""
    try:
        Image(policy.exclusions)
    except InputError as error:
        yield Finding(at, f"{error.where}: {error.what}" if error.where else error.what, error.hint)


def _warnings_of(policy: Policy, effective: Policy, at: KeyPath, *, is_parent: bool) -> Iterator[Finding]:
    for hidden in hidden_rows(policy.exclusions):
        yield Finding(
            (*at, "exclusions", hidden.row),
            "the row can never match, because of the row above it at",
            "move it up, or remove it",
            see=(*at, "exclusions", hidden.by),
        )
    ips = effective.intrusion_prevention
    if ips.enabled and not ips.network_attacks.enabled and not ips.suspicious_activity.enabled:
        yield Finding(
            (*at, "intrusion_prevention"),
            "Intrusion Prevention is on but both of its features are off, so nothing is inspected",
            "enable network_attacks or suspicious_activity",
        )
    yield from _web_warnings(effective.web_addresses, (*at, "web_addresses"))
    if not policy.assign and not is_parent:
        yield Finding(
            (*at, "assign"),
            f"the policy '{policy.name}' is assigned to no VM",
            f"add one of {', '.join(f'assign.{name}' for name in Assignment.model_fields)}",
        )


def _web_warnings(web: WebAddresses, at: KeyPath) -> Iterator[Finding]:
    if not web.enabled:
        return
    actions = {getattr(web.categories, name) for name in type(web.categories).model_fields}
    actions |= set(web.own_categories.values())
    if actions == {WebAction.OFF} and web.encrypted_client_hello is HelloAction.ALLOW:
        what = "Web Addresses Scan is on but every category is off, so no address is looked up"
        yield Finding((*at, "categories"), what, "set one to block or report")
    elif not any(getattr(web.protocols, name) for name in type(web.protocols).model_fields):
        what = "Web Addresses Scan is on but all protocols are off, so nothing is scanned"
        yield Finding((*at, "protocols"), what, "turn one on")
    elif web.dns_answer != NXDOMAIN and not web.protocols.dns:
        yield Finding((*at, "dns_answer"), "has no effect, because protocols.dns is off", "turn it on")
