"""A lab that is there: made from a plan, entered as a context, taken away whole at the end or on error."""

import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog

import hyperward
from hyperward.errors import InputError, SystemFault
from hyperward.lab.certificate import CertificateFiles, write_certificate
from hyperward.lab.cleanup import destroy_lab, is_orphan
from hyperward.lab.console import Console
from hyperward.lab.links import apply_links
from hyperward.lab.netns import NetNs, namespaces_of, require_root
from hyperward.lab.plan import HOST, OUT, QEMU_VM, Kind, LabPlan
from hyperward.lab.procs import ProcessRef, process_ref
from hyperward.lab.qemu import QemuPaths, start_vm, stop_vm
from hyperward.lab.qmp import Qmp
from hyperward.lab.records import Record, parse_guest_logs, read_records
from hyperward.lab.services import start_services
from hyperward.lab.state import LabProcess, LabState, claim_folder, lab_folder, read_state, update_state

_log = structlog.get_logger(__name__)
_SOURCES = Path(hyperward.__file__).resolve().parents[1]


def _quiet(message: str) -> None:
    _log.debug("lab_progress", message=message)


def package_environment() -> dict[str, str]:
    """Return what a Python process needs to import this very package: a lab made from a checkout runs that checkout."""
    return {"PYTHONPATH": os.pathsep.join([str(_SOURCES), *filter(None, [os.environ.get("PYTHONPATH")])])}


class Lab:
    """A lab on this machine.

    As a context manager it goes up on entry and down on exit. `up` and `down` do the same by hand; `Lab.attach` finds
    one that another process made.
    """

    def __init__(self, plan: LabPlan, *, base: Path | None = None, progress: Callable[[str], None] = _quiet) -> None:
        self.plan = plan
        self.folder = lab_folder(plan.name, base)
        self._base = base
        self._progress = progress
        self._children: list[subprocess.Popen[bytes]] = []

    @classmethod
    def attach(cls, name: str, *, base: Path | None = None) -> Self:
        """Return the lab of that name that is up.

        Raises:
            InputError: there is none, or it is not ready.
        """
        state = read_state(lab_folder(name, base))
        if not state.ready:
            raise InputError(f"the lab '{name}' is not ready", hint="wait for it, or hyperward lab down")
        return cls(state.plan(), base=base)

    def __enter__(self) -> Self:
        self.up()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.down()

    def up(self) -> None:
        """Make the lab. On any error nothing of it stays.

        Raises:
            InputError: there is a lab of that name already.
            SystemFault: this machine lacks root, a program or a kernel feature; the VM or a server did not start.
        """
        require_root()
        self._claim()
        try:
            self._progress("making namespaces and links")
            for name in self.plan.netns_names():
                NetNs(name).create()
            apply_links(self.plan)
            self._progress("starting servers")
            self._start_services()
            if self.plan.qemu:
                start_vm(
                    self.plan.node(QEMU_VM),
                    QemuPaths(self.folder),
                    lambda argv: self.spawn(HOST, argv, name="qemu"),
                    self._progress,
                )
            update_state(self.folder, lambda state: replace(state, ready=True))
        except BaseException:
            self.down()
            raise
        _log.info("lab_up", lab=self.plan.name, vms=self.plan.vms, qemu=self.plan.qemu)

    def down(self) -> None:
        """Take the lab away. Does nothing when it is gone already."""
        if self.plan.qemu:
            stop_vm(QemuPaths(self.folder), self._process("qemu"))
        destroy_lab(self.plan.name, self._base)
        for child in self._children:
            child.wait()
        self._children.clear()

    def leave_running(self) -> None:
        """Let the lab outlive this process; `hyperward lab down` ends it."""
        update_state(self.folder, lambda state: replace(state, owner=None))

    def netns(self, node: str) -> NetNs:
        """Return the namespace of a node, or of `host`, the hypervisor.

        Raises:
            InputError: the lab has no such machine.
        """
        return NetNs(self.plan.netns_name(node))

    @property
    def host(self) -> NetNs:
        """The hypervisor's namespace, with the bridge and every port."""
        return self.netns(HOST)

    @property
    def console(self) -> Console:
        """The QEMU VM's console.

        Raises:
            InputError: the lab has no QEMU VM.
        """
        self.plan.node(QEMU_VM)
        return Console(QemuPaths(self.folder).console)

    def qmp(self) -> Qmp:
        """Return a connection to the QEMU VM's monitor, to be closed by the caller.

        Raises:
            InputError: the lab has no QEMU VM.
            SystemFault: the VM is gone.
        """
        self.plan.node(QEMU_VM)
        return Qmp(QemuPaths(self.folder).qmp)

    def spawn(
        self,
        node: str,
        argv: Sequence[str],
        *,
        name: str,
        env: Mapping[str, str] | None = None,
        pass_fds: Sequence[int] = (),
    ) -> subprocess.Popen[bytes]:
        """Start a process in a node's namespace (or `host`) that ends with the lab; output to `NAME.log` in its folder.

        `env` is added to this process's environment.

        Raises:
            SystemFault: it ended at once.
        """
        environment = {**os.environ, **(env or {})}
        with (self.folder / f"{name}.log").open("ab") as output:
            child = subprocess.Popen(
                self.netns(node).command(argv),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=environment,
                pass_fds=pass_fds,
                start_new_session=True,
            )
        self._children.append(child)
        ref = process_ref(child.pid)
        if ref is None:
            raise SystemFault("the process ended at once", where=" ".join(argv)[:200])
        update_state(self.folder, lambda state: state.with_process(LabProcess(name, ref)))
        return child

    def records(self, node: str) -> list[Record]:
        """Return what the servers of a machine received so far, oldest first.

        Raises:
            InputError: the lab has no such machine.
            SystemFault: the QEMU VM does not answer.
        """
        if self.plan.node(node).kind is Kind.QEMU:
            httpd = self.console.run("cat /var/log/httpd").output
            return parse_guest_logs(httpd, self.console.run("cat /var/log/ssh").output)
        return read_records(self.folder / f"{node}.records")

    def _claim(self) -> None:
        """Take the name: make the folder and its first state."""
        name = self.plan.name
        if self.folder.exists() and is_orphan(name, self._base):
            destroy_lab(name, self._base)
        if not self.folder.exists() and namespaces_of(f"hw-{name}-"):
            # Of a lab with another base folder, or of one whose folder was deleted: not ours to take away unasked.
            where = f"hw-{name}-*"
            raise InputError(f"there are namespaces of a lab '{name}' already", where=where, hint="hyperward lab down")
        state = LabState(name, self.plan.vms, self.plan.qemu, owner=process_ref(os.getpid()))
        if not claim_folder(self.folder, state):
            where = str(self.folder)
            raise InputError(f"there is a lab '{name}' already", where=where, hint="end it with hyperward lab down")

    def _start_services(self) -> None:
        environment = package_environment()

        def spawner(node: str) -> Callable[[Sequence[str], Sequence[int]], subprocess.Popen[bytes]]:
            return lambda argv, fds: self.spawn(node, argv, name=f"services-{node}", env=environment, pass_fds=fds)

        nodes = [node.name for node in self.plan.nodes if node.kind is not Kind.QEMU]
        starts = {node: (self.folder / f"{node}.records", spawner(node)) for node in nodes}
        files = CertificateFiles(self.folder)
        names, outside = self.plan.dns_names(), self.plan.node(OUT)
        write_certificate(files, names, [outside.address(4), outside.address(6)])
        start_services(starts, names, {OUT: files.folder})

    def _process(self, name: str) -> ProcessRef | None:
        try:
            state = read_state(self.folder)
        except InputError:
            return None
        return next((process.ref for process in state.processes if process.name == name), None)
