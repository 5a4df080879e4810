"""A lab whose vm1 is under Web Addresses Scan by a real SVM, and the clients that people use, each in vm1's namespace.

The outside host is asked by name: each client runs with a hosts file of its own, in a mount namespace of its own.
"""

import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import h2_server
from hyperward.events.model import Event, EventAction, Kind
from hyperward.lab.certificate import CertificateFiles
from hyperward.lab.deadline import wait_until
from hyperward.lab.plan import OUT, plan_lab
from hyperward.lab.records import Record
from hyperward.lab.topology import Lab
from hyperward.lab.web.sites import VERSION, build_database
from lab_fixtures import lab_name
from svm_fixtures import Svm, running_svm

VM = "vm1"
H2_PORT, H2_TLS_PORT = 8082, 8443
SECONDS = 15.0
_HOSTS = 'mount --bind "$0" /etc/hosts && exec "$@"'


@dataclass
class WebClients:
    """vm1 and what it asks for.

    Args:
        lab: up.
        svm: running.
        folder: for hosts files and what clients write.
        h2_log: what the HTTP/2 server received.
    """

    lab: Lab
    svm: Svm
    folder: Path
    h2_log: Path
    mode: str = "standard"
    vm: str = VM
    _since: datetime = field(default_factory=lambda: datetime.now(UTC))
    _records: int = 0
    _h2_lines: int = 0

    def policy(self, *, mode: str = "standard", **settings: Any) -> None:
        """Put a policy for vm1 in force."""
        running = self.svm.daemon is not None
        applied = len(self.svm.events(Kind.POLICY_APPLIED)) if running else 0
        self.svm.policies(
            {
                "name": "Web",
                "mode": mode,
                "assign": {"names": [self.vm]},
                "web_addresses": {"enabled": True, "protocols": {"dns": True}, **settings},
            }
        )
        if running:
            self.svm.wait_for_events(Kind.POLICY_APPLIED, applied + 1)
        self.mode = mode

    def address(self, family: int) -> str:
        return self.lab.plan.node(OUT).address(family)

    def begin(self) -> None:
        """Forget what was seen so far."""
        self._since = datetime.now(UTC)
        self._records = len(self.lab.records(OUT))
        self._h2_lines = len(self.h2_log.read_text().splitlines())

    def command(self, argv: Sequence[str], family: int) -> list[str]:
        """Return the command that runs in vm1 and finds every name of the lab at the outside host."""
        hosts = self.folder / f"hosts-{family}"
        names = [name for name in self.lab.plan.dns_names() if not name.startswith(("vm", "out"))]
        hosts.write_text(f"{self.address(family)} {' '.join(names)}\n")
        return self.lab.netns(self.vm).command(["unshare", "-m", "sh", "-c", _HOSTS, str(hosts), *argv])

    def run(
        self, argv: Sequence[str], family: int = 4, *, timeout: float = 40, stdin: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run a client to its end."""
        return subprocess.run(
            self.command(argv, family), check=False, capture_output=True, text=True, timeout=timeout, input=stdin
        )

    def records(self) -> list[Record]:
        """Return what the lab's servers received since `begin`."""
        return self.lab.records(OUT)[self._records :]

    def reached(self, host: str, target: str | None = None) -> bool:
        """Return whether a server saw the name, or the request if a target is given."""
        h2 = [line.split() for line in self.h2_log.read_text().splitlines()[self._h2_lines :]]
        if any(name.partition(":")[0] == host and target in {None, path} for name, path in h2):
            return True
        return any(_names(record, host, target) for record in self.records())

    def events(self) -> list[Event]:
        """Return the events of addresses since `begin`."""
        return [event for event in self.svm.events(Kind.WEB_ADDRESS) if event.time >= self._since]

    def event(self, request: str, protocol: str) -> Event:
        """Return the first event of a request, `METHOD address` or a name, once it is there."""

        def found() -> list[Event]:
            return [one for one in self.events() if (one.request, one.application) == (request, protocol)]

        assert wait_until(lambda: bool(found()), SECONDS), [(one.request, one.application) for one in self.events()]
        event = found()[0]
        assert event.vm is not None
        assert event.entry is not None
        assert (event.vm.name, event.entry.version) == (self.vm, VERSION)
        return event

    def acted(self, request: str, protocol: str) -> Event:
        """Return the event of a request that was blocked, or in monitoring mode would have been."""
        event = self.event(request, protocol)
        if self.mode == "standard":
            assert (event.asked, event.done, event.reason) == (EventAction.BLOCK, EventAction.BLOCK, "")
        else:
            assert (event.asked, event.done) == (EventAction.BLOCK, EventAction.REPORT)
            assert event.reason == "monitoring mode"
        return event


@contextmanager
def web_clients(folder: Path) -> Iterator[WebClients]:
    """Yield a lab with its SVM in standard mode; all of it is gone afterwards."""
    database, h2_log = folder / "lab.hwa", folder / "h2.log"
    build_database(database)
    with Lab(plan_lab(lab_name(), vms=1)) as lab, running_svm(lab, folder) as svm:
        _start_h2(lab, h2_log)
        svm.configure(addresses=[str(database)], scanners=2)
        svm.inventory(VM)
        with tempfile.TemporaryDirectory(prefix="hw-clients-") as own:
            clients = WebClients(lab, svm, Path(own), h2_log)
            clients.policy()
            svm.start()
            yield clients


def _start_h2(lab: Lab, log: Path) -> None:
    """Start the HTTP/2 server, which ends with the lab."""
    files = CertificateFiles(lab.folder)
    ports = (str(H2_PORT), str(H2_TLS_PORT))
    argv = [sys.executable, str(Path(h2_server.__file__)), *ports, str(files.certificate), str(files.key)]
    log.touch()
    (lab.folder / "h2.log").symlink_to(log)
    lab.spawn(OUT, argv, name="h2")
    assert wait_until(lambda: log.read_text().startswith("ready\n"), SECONDS), log.read_text()


def _names(record: Record, host: str, target: str | None) -> bool:
    if record.what == "hello":
        return target is None and record.fields["name"] == host
    if record.what == "query":
        return target is None and str(record.fields["name"]).rstrip(".") == host
    asked = str(record.fields.get("headers", {}).get("Host", "")).partition(":")[0]
    return record.what == "request" and asked == host and target in {None, record.fields["target"]}
