"""A machine of databases without engine and kernel: it says yes, or fails at the step that a test names."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from database_repos import Publisher
from hyperward.databases.client.metadata import init_trust
from hyperward.databases.contents import InForce
from hyperward.databases.samples.run import SampleResult, run_samples
from hyperward.databases.store import open_store
from hyperward.errors import HyperwardError
from hyperward.ips.engine.settings import EngineSettings
from hyperward.policy.actions import WebAction
from hyperward.policy.resolve import IpsSettings
from hyperward.svm.config import SvmConfig, load_config
from hyperward.svm.databases.place import Place
from hyperward.svm.databases.updates import USUAL, Updates
from hyperward.svm.rulesets import RuleSet, RuleSetInfo

CAUGHT = SampleResult(caught={"an attack": "1:1:1 a rule"})
RULES = ('alert tcp any any -> any any (msg:"one"; content:"one"; sid:1; rev:1;)',)


@dataclass
class StubMachine:
    """Twin of the daemon's machine."""

    wishes: tuple[IpsSettings, ...] = (USUAL,)
    forces: list[InForce] = field(default_factory=list)
    prepared: list[tuple[Path, ...]] = field(default_factory=list)
    prepare_fails: HyperwardError | None = None
    activate_fails: HyperwardError | None = None
    info: RuleSetInfo = field(default_factory=lambda: RuleSetInfo("digest", {"network_attack/drop": 1}, (), 0))

    def tenants(self) -> tuple[IpsSettings, ...]:
        return self.wishes

    def web_actions(self) -> Mapping[str, Mapping[str, WebAction]]:
        return {}

    async def prepare(self, sources: tuple[Path, ...], settings: IpsSettings) -> RuleSet:
        assert settings in {USUAL, *self.wishes}
        self.prepared.append(sources)
        if self.prepare_fails is not None:
            raise self.prepare_fails
        return RuleSet(Path("/rules/x.rules"), self.info)

    async def activate(self, force: InForce, keep: Callable[[], None]) -> None:
        if self.activate_fails is not None:
            raise self.activate_fails
        keep()
        self.forces.append(force)


class World:
    """An SVM's databases in a folder, with a publisher that it trusts."""

    def __init__(self, folder: Path, more: str = "") -> None:
        self.folder = folder
        for name, text in (("policy.yaml", "policies: []"), ("inventory.yaml", "vms: []")):
            (folder / name).write_text(text)
        file = folder / "svm.yaml"
        file.write_text(
            f"policy_file: policy.yaml\ninventory_file: inventory.yaml\nstate_dir: state\nrun_dir: run\n"
            f"engine: {{binary: /bin/true}}\n{more}"
        )
        self.config: SvmConfig = load_config(file)
        self.place = Place.of(self.config.state_dir)
        self.publisher = Publisher(folder / "publisher")
        init_trust(self.place.trust, self.publisher.initialise())
        self.machine = StubMachine()
        self.samples = CAUGHT
        self.fails: dict[str, Exception] = {}
        self.now = datetime.now(UTC)
        self.wary: list[str] = []

    @property
    def source(self) -> str:
        return str(self.publisher.repository.folder)

    async def open(self) -> Updates:
        """Start as the daemon does."""
        store, self.interrupted = open_store(self.place.folder)
        updates = Updates(
            self.config, self.place, store, self.machine, EngineSettings(), work=self._work, clock=lambda: self.now
        )
        self.started = await updates.start(self.wary.append)
        return updates

    async def _work(self, work: Callable[[Any], Any], argument: Any) -> Any:
        if work.__name__ in self.fails:
            raise self.fails[work.__name__]
        return self.samples if work is run_samples else work(argument)
