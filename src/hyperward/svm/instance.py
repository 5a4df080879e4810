"""One daemon per machine, and per network namespace.

Two daemons would fight over the same interfaces, and two engines on one inspection pair forward each other's frames for
ever. The lock file guards the run directory, an abstract unix socket the network namespace: both go with the process.
"""

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hyperward.errors import SystemFault

_ABSTRACT_NAME = "\0hyperward-svm"


@contextmanager
def only_instance(run_dir: Path) -> Iterator[None]:
    """Hold the instance locks.

    Raises:
        SystemFault: another daemon runs here; the message names its process.
    """
    path = run_dir / "svm.lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(descriptor, 32, 0).decode(errors="replace").strip() or "unknown"
            raise SystemFault(
                f"another hyperward svm runs here (process {owner})", where=str(path), hint="stop it first"
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as guard:
            try:
                guard.bind(_ABSTRACT_NAME)
            except OSError:
                raise SystemFault(
                    "another hyperward svm with another run directory serves this network namespace",
                    where=str(run_dir),
                    hint="stop it first; one SVM protects all VMs of a hypervisor",
                ) from None
            yield
    finally:
        os.close(descriptor)


def require_root() -> None:
    """Refuse to go on without the rights that steering and the engine need.

    Raises:
        SystemFault: not root.
    """
    if os.geteuid() != 0:
        raise SystemFault("this needs root: it loads kernel programs and changes interfaces", hint="run it with sudo")
