"""The SVM of a lab: the real daemon, started in the hypervisor's namespace, asked and stopped from outside."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import structlog

from hyperward.errors import SystemFault
from hyperward.events.model import Event, Kind
from hyperward.events.reader import EventReader
from hyperward.lab.databases.publisher import LabPublisher
from hyperward.lab.deadline import wait_until
from hyperward.lab.plan import HOST
from hyperward.lab.svm_files import SvmFiles, write_files, write_policy
from hyperward.lab.topology import Lab, package_environment
from hyperward.policy.actions import Action
from hyperward.policy.fields import Mode
from hyperward.svm.conditions import Status
from hyperward.svm.control import ask

LOG_NAME = "svm"
START_SECONDS = 60.0
STOP_SECONDS = 15.0
DATABASE_SECONDS = 120.0
_READY = b"ready"
_PROTECTED = frozenset({Status.PROTECTED.value, Status.IDLE.value})
_ANSWERS = frozenset({Kind.POLICY_APPLIED, Kind.POLICY_REFUSED})

_log = structlog.get_logger(__name__)


class LabSvm:
    """The SVM of one lab. As a context manager it protects from entry on, and leaves nothing behind on exit.

    Args:
        lab: that is up.
        protected: names of the VMs that the policy covers.
        rules: rule files or archives; none stands for the starter rules of the package.
        seconds: how long loading the rules may take, at the start and at a change of policy.
        publisher: of databases, that has published a version: the SVM starts with it. None for the lab's own addresses.
    """

    def __init__(
        self,
        lab: Lab,
        *,
        protected: Sequence[str],
        rules: Sequence[Path] = (),
        seconds: float = START_SECONDS,
        publisher: LabPublisher | None = None,
    ) -> None:
        self.files = SvmFiles(lab.folder)
        self._lab = lab
        self._policy = (tuple(protected), Mode.STANDARD, Action.TERMINATE)
        self._rules = tuple(rules)
        self._seconds = seconds
        self._publisher = publisher
        self._daemon: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def log(self) -> Path:
        """What the daemon says."""
        return self._lab.folder / f"{LOG_NAME}.log"

    @property
    def alive(self) -> bool:
        """Whether the daemon runs."""
        return self._daemon is not None and self._daemon.poll() is None

    def start(self) -> None:
        """Write the files, start the daemon and wait until it says that everything wanted is in force.

        Raises:
            SystemFault: it ended, or was not ready in time.
        """
        repository = self._publisher.repository if self._publisher else None
        write_files(self.files, self._lab.plan, protected=self._policy[0], rules=self._rules, repository=repository)
        if self._publisher is not None:
            self._hyperward("db", "trust", str(self._publisher.root))
            self._hyperward("db", "update")
        self._policy = (self._policy[0], Mode.STANDARD, Action.TERMINATE)
        begin = self.log.stat().st_size if self.log.exists() else 0
        daemon = self._lab.spawn(HOST, self._command("run"), name=LOG_NAME, env=package_environment())
        self._daemon = daemon
        in_time = wait_until(lambda: daemon.poll() is not None or _READY in self._said(begin), self._seconds)
        if not in_time:
            raise SystemFault(f"the SVM was not ready within {self._seconds:.0f} s", where=str(self.log))
        if daemon.poll() is not None:
            raise SystemFault("the SVM did not start", where=str(self.log), hint=_last(self._said(begin)))
        # The daemon waits for no scanner: until one runs, the failure action holds.
        if not wait_until(self._protects, self._seconds):
            raise SystemFault(f"not every VM was protected within {self._seconds:.0f} s", where=str(self.log))

    def stop(self) -> None:
        """End the daemon and take off all that it put on the machine; what cannot be, goes with the lab."""
        if self._daemon is None:
            return
        self._daemon.terminate()
        try:
            self._daemon.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._daemon.kill()
            self._daemon.wait()
        self._daemon = None
        environment = {**os.environ, **package_environment()}
        done = self._lab.host.run(self._command("detach"), timeout=STOP_SECONDS * 2, env=environment)
        if done.returncode != 0:
            _log.warning("svm_not_detached", reason=done.stderr.strip())

    def events(self) -> EventReader:
        """Return a reader of its events, to be closed by the caller.

        Raises:
            SystemFault: there are none yet.
        """
        return EventReader(self.files.state_dir / "events.db")

    def last_event(self) -> int:
        """Return the number of the newest event.

        Raises:
            SystemFault: there are none yet.
        """
        with self.events() as reader:
            return reader.last()

    def events_after(self, after: int) -> list[Event]:
        """Return the events with a higher number than that, oldest first.

        Raises:
            SystemFault: the daemon has ended.
        """
        if not self.alive:
            raise SystemFault("the SVM has ended", where=str(self.log))
        events: list[Event] = []
        with self.events() as reader:
            while batch := reader.newer(after):
                after = batch[-1].seq
                events += [stored.event for stored in batch]
        return events

    @property
    def protected(self) -> tuple[str, ...]:
        """The VMs that the policy covers."""
        return self._policy[0]

    def db(self, action: str) -> dict[str, Any]:
        """Return what `hyperward db ACTION --json` says.

        Raises:
            SystemFault: the command failed.
        """
        said: dict[str, Any] = json.loads(self._hyperward("db", action, "--json"))
        return said

    def db_refused(self, action: str) -> str:
        """Return why `hyperward db ACTION` is refused; empty when it is not."""
        try:
            self._hyperward("db", action)
        except SystemFault as error:
            return error.what
        return ""

    def vms(self) -> dict[str, dict[str, Any]]:
        """Return what `hyperward vm list --json` says, by name of the VM.

        Raises:
            SystemFault: the daemon does not answer.
        """
        return {vm["name"]: vm for vm in ask(self.files.run_dir / "svm.sock", "vms")}

    def unblock(self, address: str) -> int:
        """Let a blocked source go; return how many blocks there were.

        Raises:
            SystemFault: the daemon does not answer.
        """
        return len(ask(self.files.run_dir / "svm.sock", "unblock", address=address))

    def set_policy(self, protected: Sequence[str], mode: Mode, action: Action = Action.TERMINATE) -> None:
        """Change the policy file and wait for the daemon's event that says it is in force.

        Raises:
            SystemFault: the daemon refused it, or did not apply it in time.
        """
        if (tuple(protected), mode, action) == self._policy:
            return
        found: list[Event] = []
        with self.events() as reader:
            before = reader.last()
            began = datetime.now(UTC)
            write_policy(self.files, protected, mode, action)

            def answered() -> bool:
                found.extend(
                    stored.event
                    for stored in reader.newer(before)
                    if stored.event.kind in _ANSWERS and stored.event.time >= began
                )
                return bool(found)

            if not wait_until(answered, self._seconds):
                raise SystemFault(f"the policy was not in force within {self._seconds:.0f} s", where=str(self.log))
        if found[0].kind is Kind.POLICY_REFUSED:
            raise SystemFault(found[0].message, where=str(self.files.policy))
        self._policy = (tuple(protected), mode, action)

    def _protects(self) -> bool:
        vms = self.vms()
        return all(vms[name]["status"] in _PROTECTED for name in self._policy[0])

    def _command(self, action: str) -> list[str]:
        return [sys.executable, "-m", "hyperward", "svm", action, "--config", str(self.files.config)]

    def _hyperward(self, *arguments: str) -> str:
        """Run the command line in the hypervisor's namespace; return its standard output."""
        command = [sys.executable, "-m", "hyperward", *arguments, "--config", str(self.files.config)]
        environment = {**os.environ, **package_environment()}
        done = self._lab.host.run(command, timeout=DATABASE_SECONDS, env=environment)
        if done.returncode != 0:
            raise SystemFault(_last(done.stderr.encode().splitlines()), where=" ".join(("hyperward", *arguments)))
        return done.stdout

    def _said(self, begin: int) -> list[bytes]:
        with self.log.open("rb") as file:
            file.seek(begin)
            return file.read().splitlines()


def _last(lines: Sequence[bytes]) -> str:
    said = [line.decode(errors="replace").strip() for line in lines if line.strip()]
    return f"its last line was: {said[-1][:300]}" if said else "it said nothing"
