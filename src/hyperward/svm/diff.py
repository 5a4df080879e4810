"""The difference between two desired states: only what has to be done."""

from collections.abc import Iterable
from dataclasses import dataclass, fields

from hyperward.errors import InputError
from hyperward.svm.desired import DesiredPort


@dataclass(frozen=True, slots=True)
class Change:
    """A port that stays but is treated differently.

    Args:
        old: what held.
        new: what is to hold.
        settings: the names of the fields of `DesiredPort` that differ, in their order there.
    """

    old: DesiredPort
    new: DesiredPort
    settings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Diff:
    """What is different; each tuple in the order of interface names.

    Args:
        added: ports to attach.
        removed: ports to detach.
        changed: ports to treat differently.
    """

    added: tuple[DesiredPort, ...]
    removed: tuple[DesiredPort, ...]
    changed: tuple[Change, ...]

    def __bool__(self) -> bool:
        """Tell whether there is anything to do."""
        return bool(self.added or self.removed or self.changed)


def diff(old: Iterable[DesiredPort], new: Iterable[DesiredPort]) -> Diff:
    """Return what turns `old` into `new`. The order of either does not matter.

    Raises:
        InputError: an interface stands twice in one of them.
    """
    before, after = _by_interface(old), _by_interface(new)
    return Diff(
        added=tuple(after[name] for name in sorted(after.keys() - before.keys())),
        removed=tuple(before[name] for name in sorted(before.keys() - after.keys())),
        changed=tuple(
            Change(before[name], after[name], _different(before[name], after[name]))
            for name in sorted(before.keys() & after.keys())
            if before[name] != after[name]
        ),
    )


def _by_interface(ports: Iterable[DesiredPort]) -> dict[str, DesiredPort]:
    by_name: dict[str, DesiredPort] = {}
    for port in ports:
        if port.interface in by_name:
            raise InputError(
                f"the interface belongs to '{by_name[port.interface].vm}' and to '{port.vm}'",
                where=port.interface,
                hint="give it to one VM in the inventory",
            )
        by_name[port.interface] = port
    return by_name


def _different(old: DesiredPort, new: DesiredPort) -> tuple[str, ...]:
    return tuple(field.name for field in fields(old) if getattr(old, field.name) != getattr(new, field.name))
