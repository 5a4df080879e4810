"""A simulation from its inputs to the report: compile the policy's rules, let the engine read the capture, judge.

All files are in a temporary folder, and the work is done with low priority: an SVM on the same machine notices nothing.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from hyperward.errors import InputError
from hyperward.ips.engine.eve import MAX_LINE
from hyperward.ips.engine.offline import offline_command, replay
from hyperward.ips.engine.render import References
from hyperward.ips.engine.settings import EngineSettings
from hyperward.ips.engine.tenants import PRIVATE_NETWORKS
from hyperward.ips.rules.data import classification_path, reference_path
from hyperward.policy.fields import Mode
from hyperward.policy.models import Policy
from hyperward.policy.networks import NetworkSet, canonical
from hyperward.policy.resolve import EffectiveSettings, IpsSettings, Resolver, ips_plan
from hyperward.response.blocking import NeverBlock
from hyperward.simulate.capture import Capture, check_capture
from hyperward.simulate.judge import NO_HANDSHAKE, Judged, Rulings, judge
from hyperward.simulate.records import flows_of
from hyperward.simulate.report import SimulationReport, Verdict, plain
from hyperward.simulate.rows import Decide, no_rows
from hyperward.simulate.sides import Sides, VmSide
from hyperward.svm.apply import tenant_of
from hyperward.svm.rulesets import RuleSet, RuleSets
from hyperward.svm.views import asked_actions

MAX_RULES_SHOWN: Final = 1000
MAX_BLOCKS_SHOWN: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is to be simulated.

    Args:
        capture: the file.
        policies: all policies of the file.
        policy: the name of the one to try; it may be inactive.
        engine: settings as of the running engine; its folders are replaced.
        rules: sources of rules; none stands for the starter rules.
        vm: addresses of the VM; empty when `side` says who it is.
        side: who the VM is.
        never: sources that are never blocked.
        decide: asks the exclusion rows.
        checksums: whether packets with wrong checksums are left out, as their receiver does. Captures of the sending
            host often have checksums that its hardware was to fill in.
        rows: connections to be shown.
        seconds: how long the engine may take.
    """

    capture: Path
    policies: tuple[Policy, ...]
    policy: str
    engine: EngineSettings
    rules: tuple[Path, ...] = ()
    vm: tuple[str, ...] = ()
    side: VmSide = VmSide.HOME
    never: NeverBlock = field(default_factory=NeverBlock)
    decide: Decide = no_rows
    checksums: bool = False
    rows: int = 200
    seconds: float = 600


Progress = Callable[[str, float | None], None]
"""Called with what is done now, and the part of it that is, where that is known."""


def simulate(request: Request, progress: Progress = lambda _, __: None) -> SimulationReport:
    """Return what a policy would have done with the connections of a capture.

    Raises:
        InputError: the capture, the policy or a rule source cannot be used.
        EngineFault: the engine failed or took too long.
    """
    progress("reading the capture", None)
    capture = check_capture(request.capture)
    settings, ips = _plan(request)
    with TemporaryDirectory(prefix="hyperward-simulate-") as name:
        folder = Path(name)
        progress("compiling the policy's rules", None)
        rule_set = asyncio.run(RuleSets(folder / "rules", request.rules, request.engine.binary).get(ips))
        own = {"run_dir": folder / "run", "log_dir": folder / "log"}
        engine = request.engine.model_copy(update=own)
        references = References(classification_path(), reference_path())
        command = offline_command(engine, tenant_of(1, ips, rule_set), references, checksums=request.checksums)
        eve = replay(
            command,
            request.capture,
            engine,
            seconds=request.seconds,
            progress=lambda part: progress("the engine reads the capture" if part else "the engine loads rules", part),
        )
        progress("judging", None)
        flows, unreadable = flows_of(lines_of(eve))
    rulings = Rulings(
        mode=settings.mode,
        asked=asked_actions(ips),
        block_minutes=settings.intrusion_prevention.network_attacks.block_minutes,
        sides=Sides(request.vm, request.side, ips.home_net),
        never=request.never,
        decide=request.decide,
    )
    judged = judge(flows, rulings)
    notes = tuple(_notes(capture, settings, judged, unreadable))
    return _report(request, capture, rule_set, judged, notes)


def _plan(request: Request) -> tuple[EffectiveSettings, IpsSettings]:
    settings = Resolver(request.policies).named(request.policy)
    if settings is None:
        known = ", ".join(policy.name for policy in request.policies[:20]) or "none"
        raise InputError(f"there is no policy '{request.policy}'", hint=f"the file has: {known}")
    ips = ips_plan(settings, now=datetime.now(UTC), default_home_net=_home(request.vm))
    if ips is None:
        what = f"Intrusion Prevention is off in the policy '{request.policy}': it would let everything pass"
        raise InputError(what, hint="set intrusion_prevention.enabled to true, or simulate another policy")
    return settings, ips


def _home(addresses: Iterable[str]) -> NetworkSet:
    """Return HOME_NET of a policy that names none, as the daemon does for its inventory."""
    return canonical(ip_network(text) for text in (*PRIVATE_NETWORKS, *addresses))


def lines_of(path: Path) -> Iterator[bytes]:
    """Yield the lines of an EVE file; of one that is too long, a part that is too long as well."""
    with path.open("rb") as file:
        while line := file.readline(MAX_LINE + 2):
            yield line
            while not line.endswith(b"\n") and (line := file.readline(MAX_LINE)):
                pass


def _report(
    request: Request, capture: Capture, rule_set: RuleSet, judged: Judged, notes: tuple[str, ...]
) -> SimulationReport:
    shown = judged.worst_first(request.rows)
    return SimulationReport(
        policy=request.policy,
        mode=judged.mode,
        capture=plain(str(request.capture)),
        packets=capture.packets,
        rules_version=rule_set.info.digest[:12],
        rules_unusable=rule_set.info.problem_count,
        totals={verdict.value: judged.totals[verdict] for verdict in Verdict},
        other_connections=judged.others,
        rules=judged.rules_by_effect()[:MAX_RULES_SHOWN],
        rows=judged.rows_by_use()[:MAX_RULES_SHOWN],
        source_blocks=tuple(judged.blocks[:MAX_BLOCKS_SHOWN]),
        connections=shown,
        left_out=len(judged.connections) - len(shown),
        notes=notes,
    )


def _notes(capture: Capture, settings: EffectiveSettings, judged: Judged, unreadable: int) -> Iterator[str]:
    if settings.mode is Mode.MONITORING:
        yield "The policy is in monitoring mode: it reports and never blocks."
    if capture.cut:
        yield f"{capture.cut} packets were not captured whole; what is missing cannot be inspected."
    if not judged.connections:
        yield "No connection of this VM was found; the engine looks at IP only, and not into tunnels."
    if any(connection.direction is None for connection in judged.connections):
        yield "Of some connections nobody can tell which end is the VM, so exclusion rows were not asked: give --vm."
    uninspected = sum(connection.reason == NO_HANDSHAKE for connection in judged.connections)
    if uninspected:
        yield f"Of {uninspected} TCP connections the capture has no complete handshake: their data was not inspected."
    if unreadable:
        yield f"{unreadable} records of the engine could not be read."
