"""Carries out a plan on a running engine, with the journal kept before and after every command."""

import os
from dataclasses import dataclass, field

import structlog

from hyperward.errors import EngineFault
from hyperward.ips.engine.client import EngineControl
from hyperward.ips.engine.enginelog import LoadReport, load_report, read_from
from hyperward.ips.engine.journal import Journal
from hyperward.ips.engine.plan import Operation, Registered, Step, plan
from hyperward.ips.engine.protocol import EngineRefusal
from hyperward.ips.engine.rotate import file_size
from hyperward.ips.engine.settings import EngineSettings
from hyperward.ips.engine.tenants import Desired

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Refused:
    """A command that the engine refused, and its words."""

    step: Step
    text: str


@dataclass(slots=True)
class Applied:
    """What came of a change.

    Args:
        done: number of commands carried out.
        refused: commands refused; what they would have replaced stays in force.
        loads: by tenant, what the engine says about the rules it loaded.
        deferred: the engine is down; the change is in force when it is back.
    """

    done: int = 0
    refused: list[Refused] = field(default_factory=list)
    loads: dict[int, LoadReport] = field(default_factory=dict)
    deferred: bool = False


async def apply_plan(control: EngineControl, journal: Journal, settings: EngineSettings, desired: Desired) -> Applied:
    """Bring the engine to what is desired.

    A refused command does not stop the others. A VLAN id is not moved to a tenant whose loading was refused: it stays
    under the rules it had.

    Raises:
        EngineFault: the engine does not answer; what was done until then is in the journal.
    """
    if journal.doubtful:
        await settle(control, journal)
    applied = Applied()
    for step in plan(journal.registered, desired):
        if _pointless(step, journal.registered, desired):
            continue
        journal.begin(step)
        log_size = file_size(settings.log_path)
        try:
            _check_rules(step, desired)
            await _carry_out(control, settings, step)
        except EngineRefusal as exc:
            journal.refused(step)
            applied.refused.append(Refused(step, exc.line()))
            log.warning("engine refused", operation=step.operation, tenant=step.tenant, vid=step.vid, reason=exc.what)
        except EngineFault:
            journal.doubtful.append(step)
            raise
        else:
            journal.done(step)
            applied.done += 1
            if step.version and (report := load_report(read_from(settings.log_path, log_size))):
                applied.loads[step.tenant] = report
    return applied


async def settle(control: EngineControl, journal: Journal) -> None:
    """Make certain what a killed daemon or a missing answer left open: afterwards the item concerned is not registered.

    A tenant that may or may not have been loaded again counts as changed, so that the next plan loads it.

    Raises:
        EngineFault: the engine does not answer.
    """
    for step in journal.doubtful:
        match step.operation:
            case Operation.MAP | Operation.UNMAP:
                await _forget(control, Step(Operation.UNMAP, step.tenant, step.vid))
                journal.registered.mappings.pop(step.vid, None)
            case Operation.REGISTER_TENANT | Operation.UNREGISTER_TENANT:
                await _forget(control, Step(Operation.UNREGISTER_TENANT, step.tenant))
                journal.registered.tenants.pop(step.tenant, None)
            case Operation.RELOAD_TENANT:
                journal.registered.tenants[step.tenant] = ""
    journal.reset(journal.registered)


def _check_rules(step: Step, desired: Desired) -> None:
    """Refuse a tenant whose rule file is missing: the engine would load it without any rule and call that success."""
    if step.version:
        path = desired.tenants[step.tenant].rules_path
        if not path.is_file() or not os.access(path, os.R_OK):
            raise EngineRefusal("the rule file cannot be read", where=str(path))


async def _forget(control: EngineControl, step: Step) -> None:
    try:
        if step.operation is Operation.UNMAP:
            await control.unregister_handler(step.tenant, step.vid)
        else:
            await control.unregister_tenant(step.tenant)
    except EngineRefusal:
        log.info("was not registered", tenant=step.tenant, vid=step.vid)


def _pointless(step: Step, registered: Registered, desired: Desired) -> bool:
    """Tell whether a step before it failed, so that this one would only take a VLAN id out of inspection."""
    if step.operation is Operation.UNMAP:
        target = desired.mappings.get(step.vid)
        return target in desired.tenants and target not in registered.tenants
    if step.operation is Operation.MAP:
        return registered.mappings.get(step.vid) is not None
    # A VLAN id that could not be moved away still needs its old tenant; one that nobody wants needs none.
    return step.operation is Operation.UNREGISTER_TENANT and any(
        registered.mappings.get(vid) == step.tenant != tenant for vid, tenant in desired.mappings.items()
    )


async def _carry_out(control: EngineControl, settings: EngineSettings, step: Step) -> None:
    path = settings.tenant_path(step.tenant)
    match step.operation:
        case Operation.REGISTER_TENANT:
            await control.register_tenant(step.tenant, path)
        case Operation.RELOAD_TENANT:
            await control.reload_tenant(step.tenant, path)
        case Operation.UNREGISTER_TENANT:
            await control.unregister_tenant(step.tenant)
        case Operation.MAP:
            await control.register_handler(step.tenant, step.vid)
        case Operation.UNMAP:
            await control.unregister_handler(step.tenant, step.vid)
