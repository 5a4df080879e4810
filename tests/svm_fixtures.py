"""A real SVM in the hypervisor's namespace of a lab: its files, its daemon process, its engine, all gone at the end.

A conftest imports the names it wants: `svm_lab` (a lab for the module), `svm` (an SVM with nothing protected yet).
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import hyperward
from hyperward.events.model import Event, Kind
from hyperward.events.reader import EventReader, Query
from hyperward.ips.engine.procfs import process_info, read_pid
from hyperward.lab.deadline import wait_until
from hyperward.lab.plan import plan_lab
from hyperward.lab.topology import Lab
from hyperward.svm.control import ask
from lab_fixtures import lab_name

MAIN = "from hyperward.cli.main import main; main()"
READY_SECONDS = 60.0
SOURCES = Path(hyperward.__file__).resolve().parents[1]


def policy(name: str, *vms: str, **settings: Any) -> dict[str, Any]:
    """Return a policy that covers those VMs; settings as in the file."""
    return {"name": name, "assign": {"names": list(vms)}, "intrusion_prevention": {"enabled": True}, **settings}


@dataclass
class Svm:
    """One SVM: files in `folder`, sockets and pins in `run_dir`, and the processes that were started."""

    lab: Lab
    folder: Path
    run_dir: Path
    daemon: subprocess.Popen[bytes] | None = None
    starts: int = 0
    engines: set[int] = field(default_factory=set)

    @property
    def config_file(self) -> Path:
        return self.folder / "svm.yaml"

    @property
    def state_dir(self) -> Path:
        return self.folder / "state"

    def configure(self, **changes: Any) -> None:
        """Write svm.yaml."""
        content = {
            "name": "svm-test",
            "state_dir": str(self.state_dir),
            "run_dir": str(self.run_dir),
            "policy_file": "policy.yaml",
            "inventory_file": "inventory.yaml",
            "heartbeat_ms": 900,
            "engine": {"threads": 1},
        }
        _write(self.config_file, content | changes)

    def policies(self, *policies: Mapping[str, Any]) -> None:
        _write(self.folder / "policy.yaml", {"policies": [dict(one) for one in policies]})

    def inventory(self, *interfaces: str) -> None:
        """Write the inventory: one VM for each interface, of the same name."""
        vms = [{"name": name, "ports": [{"interface": name}]} for name in interfaces]
        _write(self.folder / "inventory.yaml", {"vms": vms})

    def command(self, *arguments: str, main: str = MAIN, wrap: tuple[str, ...] = ()) -> list[str]:
        return self.lab.host.command([*wrap, sys.executable, "-c", main, *arguments])

    def cli(
        self, *arguments: str, main: str = MAIN, wrap: tuple[str, ...] = (), patience: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """Run a command as a user would, with this SVM's configuration."""
        return subprocess.run(
            self.command(*arguments, "--config", str(self.config_file), main=main, wrap=wrap),
            check=False,
            capture_output=True,
            text=True,
            timeout=patience,
            env=environment(),
            cwd="/",
        )

    @property
    def log_file(self) -> Path:
        return self.folder / f"daemon-{self.starts}.log"

    @property
    def log(self) -> str:
        return self.log_file.read_text() if self.log_file.exists() else ""

    def start(self, sources: Path = SOURCES) -> None:
        """Start the daemon, as it is installed below `sources`, and wait until all that is wanted is in force."""
        self.starts += 1
        with self.log_file.open("ab") as output:
            self.daemon = subprocess.Popen(
                self.command("svm", "run", "--config", str(self.config_file)),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=environment(sources),
                cwd="/",
                start_new_session=True,
            )
        daemon = self.daemon
        wait_until(lambda: "ready" in self.log.splitlines() or daemon.poll() is not None, READY_SECONDS)
        assert "ready" in self.log.splitlines(), self.log
        self.engine_pid()

    def kill_daemon(self) -> None:
        self._end_daemon(signal.SIGKILL)

    def stop_daemon(self) -> None:
        self._end_daemon(signal.SIGTERM)

    def engine_pid(self) -> int:
        """Return the engine's process, waiting until there is one."""
        assert wait_until(lambda: self._engine() is not None, READY_SECONDS), self.log
        pid = self._engine()
        assert pid is not None
        self.engines.add(pid)
        return pid

    def signal_engine(self, number: signal.Signals) -> int:
        pid = self.engine_pid()
        os.kill(pid, number)
        return pid

    def events(self, kind: Kind | None = None) -> list[Event]:
        with EventReader(self.state_dir / "events.db") as reader:
            found = [stored.event for stored in reader.query(Query(limit=100_000))]
        return [event for event in found if kind is None or event.kind is kind]

    def wait_for_events(self, kind: Kind, number: int = 1, seconds: float = 15.0) -> list[Event]:
        """Return the events of a kind once there are so many."""
        assert wait_until(lambda: len(self.events(kind)) >= number, seconds), (kind, self.events(), self.log)
        return self.events(kind)

    def ask(self, what: str) -> Any:
        return ask(self.run_dir / "svm.sock", what)

    def status_of(self, vm: str) -> str:
        return next(str(one["status"]) for one in self.ask("vms") if one["name"] == vm)

    def close(self) -> None:
        """End and remove everything; whatever was not taken off by `detach` is taken off by hand."""
        self.kill_daemon()
        self._engine_of_file()
        for pid in self.engines:
            # A stopped engine must run again to be ended; one that ended long ago is another process by now.
            if _is_engine_of(pid, self.run_dir):
                os.kill(pid, signal.SIGKILL)
                wait_until(lambda pid=pid: process_info(pid) is None, 5)  # type: ignore[misc]
        if not self.config_file.exists() or not (self.starts or self.run_dir.joinpath("bpf").exists()):
            shutil.rmtree(self.run_dir, ignore_errors=True)
            return
        self.configure()
        self.policies()
        self.inventory()
        done = self.cli("svm", "detach")
        subprocess.run(["umount", "-q", str(self.run_dir / "bpf")], check=False, capture_output=True)
        shutil.rmtree(self.run_dir, ignore_errors=True)
        assert done.returncode == 0, done.stderr

    def _end_daemon(self, number: signal.Signals) -> None:
        if self.daemon is not None:
            self.daemon.send_signal(number)
            self.daemon.wait(20)
            self.daemon = None

    def _engine(self) -> int | None:
        pid = read_pid(self.run_dir / "engine" / "engine.pid")
        return pid if pid is not None and _is_engine_of(pid, self.run_dir) else None

    def _engine_of_file(self) -> None:
        pid = self._engine()
        if pid is not None:
            self.engines.add(pid)


@contextmanager
def running_svm(lab: Lab, folder: Path) -> Iterator[Svm]:
    """Yield an SVM whose files are there and that protects nothing yet."""
    svm = Svm(lab, folder, Path(tempfile.mkdtemp(prefix="hw-run-")))
    try:
        svm.configure()
        svm.policies()
        svm.inventory("vm1", "vm2")
        yield svm
    finally:
        svm.close()


def elapsed(condition: Callable[[], bool], seconds: float) -> float:
    """Return how many seconds it took until a condition held; fails when it did not."""
    begun = time.monotonic()
    assert wait_until(condition, seconds), f"not within {seconds} s"
    return time.monotonic() - begun


@pytest.fixture(scope="module")
def svm_lab() -> Iterator[Lab]:
    with Lab(plan_lab(lab_name(), vms=3)) as lab:
        yield lab


@pytest.fixture
def svm(svm_lab: Lab, tmp_path: Path) -> Iterator[Svm]:
    with running_svm(svm_lab, tmp_path) as svm:
        yield svm


def environment(sources: Path = SOURCES) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(sources), "COLUMNS": "200"}


def _write(path: Path, content: Mapping[str, Any]) -> None:
    """Replace the file at once, as a careful editor does."""
    fresh = path.with_name(f".{path.name}")
    fresh.write_text(json.dumps(dict(content), indent=1))
    fresh.replace(path)


def _is_engine_of(pid: int, run_dir: Path) -> bool:
    info = process_info(pid)
    return info is not None and str(run_dir / "engine" / "suricata.yaml") in info.arguments
