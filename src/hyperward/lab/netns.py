"""Named network namespaces: make, delete, and run commands, callables and sockets inside.

Commands enter with `nsenter --net`, which leaves mounts alone (`ip netns exec` would mount another /sys). Python code
enters with setns(2) in a thread of its own, which ends afterwards: the namespace belongs to the thread, the rest of
the process stays where it is.
"""

import ctypes
import os
import re
import socket
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from hyperward.errors import InputError, SystemFault

T = TypeVar("T")

PREFIX = "hw-"
RUN_NETNS = Path("/run/netns")
_CLONE_NEWNET = 0x40000000  # linux/sched.h
_NAME = re.compile(r"hw-[a-z0-9][a-z0-9-]{0,60}")


@dataclass(frozen=True, slots=True)
class NetNs:
    """A network namespace by name. The name starts with `hw-`, so that nobody else's is ever touched.

    Raises:
        InputError: the name is not one of ours.
    """

    name: str

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise InputError("a lab's namespace is named hw-..., of a-z, 0-9 and -", where=repr(self.name))

    @property
    def path(self) -> Path:
        """Where the namespace is mounted."""
        return RUN_NETNS / self.name

    def exists(self) -> bool:
        """Return whether there is such a namespace."""
        return self.path.exists()

    def create(self) -> None:
        """Make the namespace.

        Raises:
            SystemFault: not root, no iproute2, or there is one of that name already.
        """
        _ip("add", self.name)

    def delete(self) -> None:
        """Unmount the namespace; it goes with its last process. Nothing happens when there is none.

        Raises:
            SystemFault: `ip netns delete` failed.
        """
        if self.exists():
            _ip("delete", self.name)

    def identity(self) -> tuple[int, int]:
        """Return device and inode, as /proc/PID/ns/net shows them for the processes inside."""
        status = self.path.stat()
        return status.st_dev, status.st_ino

    def command(self, argv: Sequence[str]) -> list[str]:
        """Return the command that runs `argv` inside."""
        return ["nsenter", f"--net={self.path}", "--", *argv]

    def run(
        self, argv: Sequence[str], *, timeout: float = 30.0, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command inside to its end; the caller looks at the exit status. `env` replaces this process's own.

        Raises:
            subprocess.TimeoutExpired: it ran longer than `timeout` seconds and was killed.
        """
        return subprocess.run(
            self.command(argv), check=False, capture_output=True, text=True, errors="replace", timeout=timeout, env=env
        )

    def call(self, function: Callable[[], T]) -> T:
        """Call a function inside, in a thread of its own; return what it returns, raise what it raises."""
        results: list[T] = []
        errors: list[BaseException] = []

        def inside() -> None:
            try:
                _enter(self.path)
                results.append(function())
            except BaseException as error:  # noqa: BLE001 - handed to the caller's thread
                errors.append(error)

        thread = threading.Thread(target=inside, name=f"in {self.name}")
        thread.start()
        thread.join()
        if errors:
            raise errors[0]
        return results[0]

    def socket(self, family: int = socket.AF_INET, kind: int = socket.SOCK_STREAM, protocol: int = 0) -> socket.socket:
        """Return a socket that lives inside; it may be used from any thread."""
        return self.call(lambda: socket.socket(family, kind, protocol))


def socket_in(
    netns: NetNs, family: int = socket.AF_INET, kind: int = socket.SOCK_STREAM, protocol: int = 0
) -> socket.socket:
    """Return a socket that lives in a namespace; it may be used from any thread."""
    return netns.socket(family, kind, protocol)


def namespaces_of(prefix: str) -> list[NetNs]:
    """Return the namespaces on this machine whose names start with `prefix`, which itself starts with `hw-`."""
    if not RUN_NETNS.is_dir():
        return []
    names = sorted(entry.name for entry in RUN_NETNS.iterdir())
    return [NetNs(name) for name in names if name.startswith(prefix) and _NAME.fullmatch(name)]


def require_root() -> None:
    """Refuse to go on without root.

    Raises:
        SystemFault: this process is not root's.
    """
    if os.geteuid() != 0:
        raise SystemFault("the lab makes network namespaces, which needs root", hint="run as root")


def _enter(path: Path) -> None:
    """Move the calling thread into the namespace at `path`."""
    libc = ctypes.CDLL(None, use_errno=True)
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if libc.setns(handle, _CLONE_NEWNET) != 0:
            raise SystemFault(
                f"cannot enter the network namespace: {os.strerror(ctypes.get_errno())}",
                where=str(path),
                hint="run as root",
            )
    finally:
        os.close(handle)


def _ip(action: str, name: str) -> None:
    try:
        done = subprocess.run(["ip", "netns", action, name], check=False, capture_output=True, text=True, timeout=30)
    except FileNotFoundError:
        raise SystemFault("the program ip is missing", hint="install iproute2") from None
    if done.returncode != 0:
        hint = "run as root" if os.geteuid() != 0 else ""
        raise SystemFault(done.stderr.strip() or f"ip netns {action} failed", where=f"namespace {name}", hint=hint)
