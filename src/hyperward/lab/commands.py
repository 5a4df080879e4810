"""`hyperward lab up|down|attack` as plain functions, for the command line and the demo to call."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hyperward.errors import InputError
from hyperward.lab.cleanup import destroy_lab, known_labs
from hyperward.lab.netns import require_root
from hyperward.lab.outcome import Outcome
from hyperward.lab.plan import plan_lab
from hyperward.lab.running import ATTACK_SECONDS, run_attack
from hyperward.lab.scenario import KINDS, Attack, attacks
from hyperward.lab.topology import Lab

DEFAULT_NAME = "lab"


@dataclass(frozen=True, slots=True)
class AttackResult:
    """An attack and how it ended for the attacker."""

    attack: Attack
    outcome: Outcome


def up(
    name: str = DEFAULT_NAME,
    *,
    vms: int = 1,
    qemu: bool = True,
    progress: Callable[[str], None],
    base: Path | None = None,
) -> Lab:
    """Make a lab that stays when this process ends.

    Raises:
        InputError: a bad name or number, or there is a lab of that name.
        SystemFault: no root, or this machine lacks something; nothing of the lab stays.
    """
    lab = Lab(plan_lab(name, vms=vms, qemu=qemu), base=base, progress=progress)
    lab.up()
    lab.leave_running()
    return lab


def down(name: str = DEFAULT_NAME, *, base: Path | None = None) -> None:
    """Take a lab away, whoever made it and in whatever state it is.

    Raises:
        InputError: a bad name, or there is nothing of that lab.
        SystemFault: no root, or a namespace cannot be deleted.
    """
    require_root()
    if not destroy_lab(name, base):
        others = ", ".join(known_labs(base))
        raise InputError(f"there is no lab '{name}'", hint=f"there is {others}" if others else "")


def attack(
    name: str = DEFAULT_NAME,
    *,
    kinds: Sequence[str] = (),
    vms: Sequence[str] = (),
    families: Sequence[int] = (4, 6),
    timeout: float = ATTACK_SECONDS,
    base: Path | None = None,
) -> Iterator[AttackResult]:
    """Attack in a lab that is up; yields each result as it comes. No kinds or VMs means all of them.

    Raises:
        InputError: no such lab, kind, VM or family; said before anything is sent.
        SystemFault: no root, or a client could not be run.
    """
    require_root()
    lab = Lab.attach(name, base=base)
    chosen = select_attacks(attacks(lab.plan), kinds=kinds, vms=vms, families=families)
    return (AttackResult(one, run_attack(lab, one, timeout=timeout)) for one in chosen)


def select_attacks(
    every: Sequence[Attack], *, kinds: Sequence[str] = (), vms: Sequence[str] = (), families: Sequence[int] = (4, 6)
) -> list[Attack]:
    """Return the attacks of those kinds, VMs and families, in their order.

    Raises:
        InputError: a kind, VM or family that there is not.
    """
    _known("attack", kinds, [kind.name for kind in KINDS])
    _known("VM", vms, list(dict.fromkeys(one.vm for one in every)))
    _known("IP version", [str(family) for family in families], ["4", "6"])
    return [
        one
        for one in every
        if one.family in families and (not kinds or one.kind.name in kinds) and (not vms or one.vm in vms)
    ]


def _known(what: str, wanted: Sequence[str], there: Sequence[str]) -> None:
    for name in wanted:
        if name not in there:
            raise InputError(f"no {what} '{name}'", hint=f"there is {', '.join(there)}")
