"""Databases for a real SVM: a repository made by `hyperward db build`, changed and published again."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hyperward.databases.client.metadata import init_trust
from hyperward.lab.deadline import wait_until
from hyperward.svm.control import ask
from hyperward.svm.databases.place import Place
from svm_fixtures import MAIN, Svm, environment

STARTER_ATTACK = "/hyperward-test/network-attack"
"""What a self-test of the starter rules finds."""
ADDED_ATTACK = "/attack-of-version-2"
RULE = (
    'alert http any any -> any any (msg:"HYPERWARD EXPLOIT {name}"; flow:established,to_server; http.uri; '
    'content:"{path}"; classtype:attempted-admin; sid:{sid}; rev:1; metadata:signature_severity Critical;)'
)


def rule(path: str, sid: int) -> str:
    """Return a rule of the class network attack that finds a path."""
    return RULE.format(name=path.strip("/"), path=path, sid=sid)


class Publisher:
    """Sources, keys and a repository in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.repository = folder / "repository"
        self.keys = folder / "keys"
        self.sources = folder / "sources"
        run("db", "starter", "--out", str(self.sources))
        run("db", "keys", "--out", str(self.keys))
        run("db", "init", "--out", str(self.repository), "--keys", str(self.keys))

    @property
    def root(self) -> Path:
        return self.repository / "metadata" / "1.root.json"

    def add_rules(self, *lines: str) -> None:
        with (self.sources / "rules" / "added.rules").open("a") as file:
            file.write("".join(f"{line}\n" for line in lines))

    def add_addresses(self, *names: str, category: str = "malicious") -> None:
        with (self.sources / "addresses" / f"{category}.txt").open("a") as file:
            file.write("".join(f"{name}\n" for name in names))

    def publish(self) -> int:
        """Build, sign and publish a version; return its number."""
        options = ("--out", str(self.repository), "--keys", str(self.keys), "--json")
        told: Mapping[str, Any] = json.loads(
            run("db", "build", "--config", str(self.sources / "SOURCES.yaml"), *options)
        )
        return int(told["version"])


class Databases:
    """The databases of an SVM, as its operator handles them."""

    def __init__(self, svm: Svm, *, patience: float = 180) -> None:
        self.svm = svm
        self._patience = patience

    def cli(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.svm.cli("db", *arguments, patience=self._patience)

    def done(self, *arguments: str) -> Any:
        """Run a command that must succeed; return its JSON."""
        found = self.cli(*arguments, "--json")
        assert found.returncode == 0, found.stderr + self.svm.log
        return json.loads(found.stdout)

    def trust(self, root: Path) -> None:
        """Trust a root, as `hyperward db trust` does."""
        init_trust(Place.of(self.svm.state_dir).trust, root.read_bytes())

    def begin(self, source: Path) -> str:
        """Begin an update; return the number of its job."""
        return self._begin("db_update", {"from": str(source)})

    def step(self, job: str) -> tuple[str, bool]:
        """Return what a job does now, and whether it has ended."""
        state = self._ask("db_job", {"job": job})
        return str(state["step"]), bool(state["ended"])

    def update(self, source: Path) -> Any:
        """Update; return what came of it."""
        return self._ended(self.begin(source))

    def refused(self, source: Path) -> str:
        """Try an update that must be refused; return why it was."""
        job = self.begin(source)
        assert wait_until(lambda: self.step(job)[1], self._patience), self.svm.log
        state = self._ask("db_job", {"job": job})
        assert state["done"] is None
        return str(state["error"])

    def rollback(self) -> Any:
        """Roll back; return what came of it."""
        return self._ended(self._begin("db_rollback", {}))

    def _begin(self, command: str, arguments: dict[str, str]) -> str:
        return str(self._ask(command, arguments)["job"])

    def _ended(self, job: str) -> Any:
        assert wait_until(lambda: self.step(job)[1], self._patience), self.svm.log
        state = self._ask("db_job", {"job": job})
        assert state["error"] == "", state
        return state["done"]

    def _ask(self, command: str, arguments: dict[str, str]) -> Any:
        return ask(self.svm.run_dir / "svm.sock", command, patience=60.0, **arguments)

    def version(self) -> str:
        return str(self.svm.ask("db_status")["version"])

    def wait_for(self, version: str, seconds: float = 180) -> None:
        assert wait_until(lambda: self.version() == version, seconds), self.svm.ask("db_status")


def run(*arguments: str) -> str:
    """Run a command of the publisher's side; return what it prints."""
    found = subprocess.run(
        [sys.executable, "-c", MAIN, *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
        env=environment(),
        cwd="/",
    )
    assert found.returncode == 0, found.stderr
    return found.stdout


def texts(found: Sequence[Any]) -> list[str]:
    """Return the messages of events."""
    return [event.message for event in found]
