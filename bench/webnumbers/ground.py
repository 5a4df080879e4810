"""Three namespaces: a VM, the host with the bridge and every port, and a server outside."""

import secrets
import socket
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from hyperward.lab.netns import NetNs

T = TypeVar("T")
SERVER = "10.88.0.2"
_VM = "10.88.0.1"


@dataclass
class Ground:
    """Where everything is measured.

    Args:
        vm, host, outside: namespaces.
        folder: for files.

    Attributes:
        pids: roots of all processes that belong to the measurement.
    """

    vm: NetNs
    host: NetNs
    outside: NetNs
    folder: Path
    pids: set[int] = field(default_factory=set)

    @property
    def vm_port(self) -> int:
        """Interface index of the VM's port on the bridge."""
        return self.host.call(lambda: socket.if_nametoindex("vm0"))

    def start(self, where: NetNs, argv: Sequence[str], log: str) -> subprocess.Popen[bytes]:
        """Start a program in a namespace; its output goes to a file in the folder."""
        with (self.folder / log).open("ab") as output:
            process = subprocess.Popen(
                where.command(argv), stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=self.folder
            )
        self.pids.add(process.pid)
        return process

    def end(self, process: subprocess.Popen[bytes]) -> None:
        """End a program that was started here."""
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self.pids.discard(process.pid)


@contextmanager
def ground(folder: Path) -> Iterator[Ground]:
    """Build the namespaces, and take them down again."""
    name = f"hw-bw{secrets.token_hex(3)}"
    with ExitStack() as stack:
        spaces = [NetNs(f"{name}-{part}") for part in ("vm", "host", "out")]
        for space in spaces:
            space.create()
            stack.callback(space.delete)
        vm, host, outside = spaces
        for guest, port, address in ((vm, "vm0", _VM), (outside, "net0", SERVER)):
            for command in (
                f"ip link add {port} type veth peer name eth0 netns {guest.name}",
                f"ip link set {port} up",
            ):
                run(host, command)
            for command in ("ip link set lo up", "ip link set eth0 up", f"ip addr add {address}/24 dev eth0"):
                run(guest, command)
        for command in ("ip link add br0 type bridge mcast_snooping 0", "ip link set br0 up", "ip link set lo up"):
            run(host, command)
        for port in ("vm0", "net0"):
            run(host, f"ip link set {port} master br0")
        yield Ground(vm, host, outside, folder)


def run(where: NetNs, command: str, *, check: bool = True) -> None:
    """Run a command in a namespace.

    Raises:
        SystemExit: it failed.
    """
    done = where.run(command.split())
    if check and done.returncode:
        raise SystemExit(f"{command}: {done.stderr.strip() or done.stdout.strip()}")


def write_there(where: NetNs, path: str, text: str) -> None:
    """Write a file of /proc/sys/net as processes in a namespace see it."""
    action: Callable[[], int] = lambda: Path(path).write_text(text)  # noqa: E731 - typed for mypy
    where.call(action)
