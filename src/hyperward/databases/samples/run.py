"""Samples through the engine with the rules of a version: offline, beside the engine that protects."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import msgspec

from hyperward.databases.samples.capture import FIRST_PORT, capture
from hyperward.databases.samples.cases import Sample, samples
from hyperward.fromjson import from_json
from hyperward.ips.engine.offline import offline_command, replay
from hyperward.ips.engine.render import References
from hyperward.ips.engine.settings import EngineSettings
from hyperward.ips.engine.tenants import Tenant
from hyperward.ips.rules.data import classification_path, reference_path

SECONDS: Final = 300.0
"""The engine may take so long; nearly all of it is loading rules."""
_MAX_LINE: Final = 1 << 20


class SampleResult(msgspec.Struct, frozen=True):
    """What became of the samples.

    Args:
        caught: names of attacks that were stopped, with the rule that did: `gid:sid:rev message`.
        missed: names of attacks that passed.
        harmed: names of harmless samples that were stopped, with the rule that did.
    """

    caught: dict[str, str] = {}
    missed: tuple[str, ...] = ()
    harmed: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class SampleJob:
    """What is to be tried: a compiled rule file whose rules act, and the settings of the node's engine."""

    rules: Path
    engine: EngineSettings


class _Alert(msgspec.Struct):
    action: str = ""
    gid: int = 0
    signature_id: int = 0
    rev: int = 0
    signature: str = ""


class _Record(msgspec.Struct):
    event_type: str = ""
    src_port: int = 0
    dest_port: int = 0
    alert: _Alert | None = None


def run_samples(job: SampleJob) -> SampleResult:
    """Let the engine read the samples with these rules.

    Raises:
        EngineFault: it does not load them, or takes too long.
        OSError: no room for its files.
    """
    cases = samples()
    with TemporaryDirectory(prefix="hyperward-samples-") as name:
        folder = Path(name)
        engine = job.engine.model_copy(update={"run_dir": folder / "run", "log_dir": folder / "log"})
        tenant = Tenant(1, job.rules, "samples")
        references = References(classification_path(), reference_path())
        command = offline_command(engine, tenant, references, checksums=False)
        file = folder / "samples.pcap"
        file.write_bytes(capture(cases))
        eve = replay(command, file, engine, seconds=SECONDS)
        with eve.open("rb") as lines:
            return judged(cases, stopped(iter(lambda: lines.readline(_MAX_LINE), b"")))


def stopped(lines: Iterable[bytes]) -> dict[int, str]:
    """Return the first rule that stopped something, by the number of the sample."""
    found: dict[int, str] = {}
    for line in lines:
        try:
            record = from_json(line.decode(errors="replace"), _Record)
        except ValueError:
            continue
        alert = record.alert
        if record.event_type == "alert" and alert is not None and alert.action == "blocked":
            number = max(record.src_port, record.dest_port) - FIRST_PORT
            rule = f"{alert.gid}:{alert.signature_id}:{alert.rev} {alert.signature[:200]}"
            found.setdefault(number, rule)
    return found


def judged(cases: Iterable[Sample], found: Mapping[int, str]) -> SampleResult:
    """Return what the stopped samples amount to."""
    caught, missed, harmed = {}, [], {}
    for number, sample in enumerate(cases):
        rule = found.get(number)
        if sample.attack and rule:
            caught[sample.name] = rule
        elif sample.attack:
            missed.append(sample.name)
        elif rule:
            harmed[sample.name] = rule
    return SampleResult(caught, tuple(missed), harmed)
