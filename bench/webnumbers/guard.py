"""The protected side: the real steering program on the VM's port, and real scanner processes with a large database."""

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec

from hyperward.files import write_atomically
from hyperward.ips.engine.files import make_folder
from hyperward.ips.engine.watched import WatchedProcess
from hyperward.lab.deadline import wait_until
from hyperward.steering.layout import Mode, Web
from hyperward.steering.limits import DEFAULT_LIMITS
from hyperward.steering.pairs import ensure_pairs
from hyperward.steering.ports import KernelPorts, PortSettings
from hyperward.steering.program import mount_bpffs, object_bytes, open_program, unmount_bpffs, unpin
from hyperward.steering.scanners import attach_scanners
from hyperward.steering.taps import ensure_taps
from hyperward.svm.scanners.paths import ScannerPaths
from hyperward.svm.scanners.process import ScannerProcesses
from hyperward.svm.scanners.report import read_report
from hyperward.webscan.settings import PortScan, ScannerSettings, WebAction, WebScan
from webnumbers.ground import Ground

PORT_ID = 7
_START_SECONDS = 60.0
BLOCKING = WebScan({"malicious": WebAction.BLOCK})


class Guard:
    """Web Addresses Scan of the VM's port, without IPS: `on` and `off`. Create it with `guard`."""

    def __init__(self, ground: Ground, ports: KernelPorts, paths: ScannerPaths, count: int) -> None:
        self._ground = ground
        self._ports = ports
        self._paths = paths
        self._processes = ScannerProcesses(paths)
        self._version = 0
        self.count = count
        self.running: list[WatchedProcess] = []

    @property
    def pids(self) -> list[int]:
        """The scanners' processes."""
        return [process.info.pid for process in self.running]

    def start(self, databases: Sequence[Path], scan: WebScan = BLOCKING) -> None:
        """Start the scanners, and wait until they follow the settings."""
        self.follow(databases, scan)
        self.running = self._ground.host.call(lambda: [self._processes.spawn(index) for index in range(self.count)])
        self._ground.pids.update(self.pids)
        self._await()

    def follow(self, databases: Sequence[Path], scan: WebScan = BLOCKING) -> None:
        """Let the scanners follow other settings."""
        self._version += 1
        names = tuple(str(path) for path in databases)
        settings = ScannerSettings(self._version, "bench", names, (scan,), {PORT_ID: PortScan("vm0", "bench", 0)})
        make_folder(self._paths.settings.parent)
        write_atomically(self._paths.settings, msgspec.json.encode(settings))
        if self.running:
            self._await()

    def on(self) -> None:
        """Protect the port."""
        settings = PortSettings(PORT_ID, 0, Mode.STANDARD, web=Web.TCP | Web.QUIC | Web.DNS)
        self._ground.host.call(lambda: self._ports.put(self._ground.vm_port, settings))

    def off(self) -> None:
        """Leave the port as it was found, without any program on it."""
        self._ground.host.call(lambda: self._ports.remove(self._ground.vm_port))

    def counted(self) -> dict[str, int]:
        """Return the web counters of the port since it was protected."""
        return {name: n for name, n in self._ports.counters(PORT_ID).from_vm.items() if name.startswith("web_")}

    def stop(self) -> None:
        """End the scanners."""
        for process in self.running:
            process.send(signal.SIGTERM)
            os.waitpid(process.info.pid, 0)
            process.close()
        self._ground.pids.difference_update(self.pids)
        self.running = []

    def _await(self) -> None:
        def follow_all() -> bool:
            reports = [read_report(self._paths.report(index)) for index in range(self.count)]
            for report in reports:
                if report is not None and report.error:
                    raise SystemExit(f"a scanner refuses its settings: {report.error}")
            return all(report is not None and report.settings_version == self._version for report in reports)

        if not wait_until(follow_all, _START_SECONDS):
            raise SystemExit(f"the scanners did not start: {self._processes.last_words(0)}")


@contextmanager
def guard(ground: Ground, count: int) -> Iterator[Guard]:
    """Load the steering program and make the scanners' devices; nothing is protected or started yet.

    Args:
        ground: where.
        count: scanners.
    """
    run_dir, pins = ground.folder / "guard", ground.folder / "bpf"
    make_folder(run_dir)
    with ExitStack() as stack:
        mount_bpffs(pins)
        stack.callback(unmount_bpffs, pins)
        program = ground.host.call(lambda: open_program(pins, object_bytes()))
        stack.callback(unpin, pins)
        stack.callback(program.close)

        def prepare() -> KernelPorts:
            ports = KernelPorts(program)
            ports.configure(ensure_pairs(), down_ms=300, busy_ms=200, probe_ms=1_000)
            devices = ensure_taps(count)
            attach_scanners(devices, program)
            ports.web(devices, DEFAULT_LIMITS)
            return ports

        made = Guard(ground, ground.host.call(prepare), ScannerPaths(run_dir, run_dir, pins), count)
        stack.callback(made.stop)
        stack.callback(made.off)
        yield made
