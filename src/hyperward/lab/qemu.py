"""Run the real virtual machine: QEMU's command line, its start until the guest says it is ready, its end."""

import socket
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hyperward.errors import HyperwardError, SystemFault
from hyperward.lab.cache import cache_folder
from hyperward.lab.content import block, ssh_kexinit
from hyperward.lab.deadline import Deadline
from hyperward.lab.initramfs import build_initramfs
from hyperward.lab.kernel import Kernel, ensure_kernel
from hyperward.lab.plan import Node
from hyperward.lab.procs import ProcessRef, alive
from hyperward.lab.qmp import Qmp

READY = b"HYPERWARD-READY"
FAILED = b"HYPERWARD-FAILED"
MEMORY_MIB = 128
START_SECONDS = 120.0
PROGRAM = "qemu-system-x86_64"
_MAX_BOOT_LOG = 1024 * 1024

Spawn = Callable[[Sequence[str]], subprocess.Popen[bytes]]
"""Starts a process in the hypervisor's namespace and records it."""


@dataclass(frozen=True, slots=True)
class QemuPaths:
    """The VM's files, all in one folder; socket paths must stay below 108 bytes."""

    folder: Path

    @property
    def initramfs(self) -> Path:
        """The root file system."""
        return self.folder / "initramfs"

    @property
    def qmp(self) -> Path:
        """The monitor's socket."""
        return self.folder / "qmp"

    @property
    def console(self) -> Path:
        """The second serial port's socket."""
        return self.folder / "console"

    @property
    def boot(self) -> Path:
        """The socket on which the first serial port reports the start."""
        return self.folder / "boot"

    @property
    def log(self) -> Path:
        """What QEMU itself said."""
        return self.folder / "qemu.log"

    @property
    def boot_log(self) -> Path:
        """All that the first serial port said."""
        return self.folder / "boot.log"


def has_hardware_virtualisation(cpuinfo: str) -> bool:
    """Return whether the text of /proc/cpuinfo names svm or vmx: /dev/kvm alone may be there and never boot a VM."""
    for line in cpuinfo.splitlines():
        if line.startswith("flags"):
            return not {"svm", "vmx"}.isdisjoint(line.partition(":")[2].split())
    return False


def qemu_command(node: Node, kernel: Path, paths: QemuPaths, *, kvm: bool) -> list[str]:
    """Return QEMU's command line for a node of the plan."""
    append = f"console=ttyS0 quiet panic=-1 rdinit=/init hw.name={node.name} hw.ip4={node.ipv4} hw.ip6={node.ipv6}"
    accelerator = ["-accel", "kvm", "-cpu", "host"] if kvm else ["-accel", "tcg", "-cpu", "max"]
    return [
        PROGRAM,
        *("-name", node.name, "-M", "q35", *accelerator, "-m", str(MEMORY_MIB), "-smp", "1"),
        *("-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"),
        *("-kernel", str(kernel), "-initrd", str(paths.initramfs), "-append", append),
        *("-netdev", f"tap,id=net0,ifname={node.port},script=no,downscript=no"),
        # Without romfile= QEMU wants the network boot ROMs, a package that the lab has no use for.
        *("-device", f"virtio-net-pci,netdev=net0,mac={node.mac},romfile="),
        *(
            "-chardev",
            f"socket,id=boot,path={paths.boot},server=off,logfile={paths.boot_log}",
            "-serial",
            "chardev:boot",
        ),
        *("-chardev", f"socket,id=console,path={paths.console},server=on,wait=off", "-serial", "chardev:console"),
        *("-qmp", f"unix:{paths.qmp},server=on,wait=off"),
    ]


def start_vm(node: Node, paths: QemuPaths, spawn: Spawn, progress: Callable[[str], None]) -> None:
    """Start the VM and wait until it says that it is ready.

    Raises:
        SystemFault: something is missing on this machine, or the VM did not get ready within 120 s.
    """
    kernel: Kernel = ensure_kernel(cache_folder(), progress)
    progress("building the VM's root file system")
    paths.initramfs.write_bytes(build_initramfs(kernel, {"www/block.txt": block(), "etc/ssh-kexinit": ssh_kexinit()}))
    cpuinfo = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    kvm = has_hardware_virtualisation(cpuinfo) and Path("/dev/kvm").exists()
    progress(f"starting the virtual machine {node.name} ({'KVM' if kvm else 'software emulation'})")
    with socket.socket(socket.AF_UNIX) as listener:
        # QEMU connects to us, so that not one byte of the start is missed.
        listener.bind(str(paths.boot))
        listener.listen(1)
        process = spawn(qemu_command(node, kernel.image, paths, kvm=kvm))
        deadline = Deadline.after(START_SECONDS)
        listener.settimeout(0.2)
        connection = _accept(listener, process, paths, deadline)
    with connection:
        _wait_ready(connection, paths, deadline)
    progress(f"the virtual machine {node.name} is ready")


def stop_vm(paths: QemuPaths, ref: ProcessRef | None) -> None:
    """Ask QEMU to quit, so that it closes its files in order; who does not answer is killed by the lab."""
    if ref is None or not alive(ref):
        return
    try:
        with Qmp(paths.qmp, timeout=2.0) as qmp:
            qmp.execute("quit")
    except HyperwardError:
        return


def _accept(
    listener: socket.socket, process: subprocess.Popen[bytes], paths: QemuPaths, deadline: Deadline
) -> socket.socket:
    while not deadline.passed():
        try:
            return listener.accept()[0]
        except TimeoutError:
            if process.poll() is not None:
                break
    said = paths.log.read_bytes()[-4096:] if paths.log.exists() else b""
    raise SystemFault("QEMU did not start", where=PROGRAM, hint=_last_line(said))


def _wait_ready(connection: socket.socket, paths: QemuPaths, deadline: Deadline) -> None:
    """Read the first serial port until the guest's READY line."""
    seen = bytearray()
    while READY not in seen:
        connection.settimeout(max(deadline.left(), 0.001))
        try:
            data = connection.recv(65536)
        except TimeoutError:
            raise SystemFault(
                f"the VM was not ready within {START_SECONDS:.0f} s", where=str(paths.boot_log), hint=_last_line(seen)
            ) from None
        seen += data
        if not data or FAILED in seen or len(seen) > _MAX_BOOT_LOG:
            raise SystemFault("the VM did not start", where=str(paths.boot_log), hint=_last_line(seen))


def _last_line(seen: bytes | bytearray) -> str:
    lines = bytes(seen).decode(errors="replace").split("\n")
    said = [line.strip() for line in lines if line.strip()]
    return f"its last line was: {said[-1][:200]}" if said else "it said nothing"
