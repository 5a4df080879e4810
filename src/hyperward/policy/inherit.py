"""Inheritance: what a policy does not set comes from the nearest policy above that does, else it has its default."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from hyperward.policy.fields import Settings
from hyperward.policy.models import OWN_FIELDS, Policy
from hyperward.policy.settings import block_of

SettingsT = TypeVar("SettingsT", bound=Settings)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the value of a setting comes from.

    Args:
        policy: the name of the policy that sets it; None for the default.
        line: the line of the file where it does; None where there is no file, or for the default.
    """

    policy: str | None
    line: int | None = None

    def __str__(self) -> str:
        """Return it for people."""
        if self.policy is None:
            return "default"
        return self.policy if self.line is None else f"{self.policy} (line {self.line})"


DEFAULT = Origin(None)


@dataclass(frozen=True, slots=True)
class Inherited:
    """A policy with every setting that holds for it.

    Args:
        policy: the policy; its settings are the effective ones, its own fields are as written.
        origins: where each setting comes from, by path; all of `models.SETTINGS`.
    """

    policy: Policy
    origins: Mapping[str, Origin]


def inherit(chain: Sequence[Policy]) -> Inherited:
    """Return the effective settings of the last policy of a chain.

    Args:
        chain: the policy and all above it, the root first; at least one.
    """
    origins: dict[str, Origin] = {}
    layers = [(policy.name, policy) for policy in chain]
    merged = _merged(chain[-1], layers, "", origins, without=OWN_FIELDS)
    return Inherited(merged, origins)


def _merged(
    base: SettingsT,
    layers: Sequence[tuple[str, Settings]],
    prefix: str,
    origins: dict[str, Origin],
    *,
    without: frozenset[str] = frozenset(),
) -> SettingsT:
    # Values were validated where they were written; a rule across settings belongs to the findings, which have places.
    update: dict[str, object] = {}
    for name, field in type(base).model_fields.items():
        if name in without:
            continue
        setting = [(owner, getattr(layer, name)) for owner, layer in layers if name in layer.model_fields_set]
        if block_of(field) is None:
            origins[f"{prefix}{name}"] = Origin(setting[-1][0]) if setting else DEFAULT
            update[name] = setting[-1][1] if setting else getattr(base, name)
        else:
            update[name] = _merged(field.default, setting, f"{prefix}{name}.", origins)
    return base.model_copy(update=update)
