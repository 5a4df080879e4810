"""The engine as a process: start, know it again, wait for its end, stop. It lives in a session of its own.

Two engines on the same pair would send every frame in circles for ever. So the engine process holds an exclusive lock
on a file (the descriptor is inherited) for as long as it lives, whatever becomes of the daemon.
"""

import asyncio
import fcntl
import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from hyperward.errors import EngineFault, SystemFault
from hyperward.ips.engine.enginelog import has_started, read_tail, reason
from hyperward.ips.engine.files import make_folder
from hyperward.ips.engine.procfs import ProcessInfo, process_info, read_pid
from hyperward.ips.engine.rotate import put_aside
from hyperward.ips.engine.settings import EngineSettings
from hyperward.ips.engine.watched import WatchedProcess

POLL: Final = 0.01
"""Seconds between two looks at a file that says when the engine is ready: the engine sends no event for it."""


class EngineProcess(WatchedProcess):
    """A living engine, started by us or found.

    Args:
        settings: it was started with.
        info: of the process.

    Raises:
        EngineFault: it has ended.
    """

    def __init__(self, settings: EngineSettings, info: ProcessInfo) -> None:
        try:
            super().__init__(info)
        except ProcessLookupError:
            raise EngineFault(f"the engine ended: {reason(settings.log_path, settings.output_path)}") from None


def arguments(settings: EngineSettings) -> list[str]:
    """Return the command line; it is also how a running engine is recognised."""
    # The pid file named in the configuration is only written in daemon mode.
    return [str(settings.binary), "-c", str(settings.config_path), "--af-packet", "--pidfile", str(settings.pid_path)]


def spawn(settings: EngineSettings) -> EngineProcess:
    """Start the engine with the configuration that lies in its run folder; does not wait until it is ready.

    The EVE file and the log are put aside first: the old engine may have left half a line at their end.

    Raises:
        EngineFault: another engine holds the lock.
        SystemFault: the program is missing or a folder cannot be written.
    """
    for folder in (settings.run_dir, settings.log_dir):
        make_folder(folder)
    lock = _lock(settings)
    try:
        for stale in (settings.pid_path, settings.socket_path):
            stale.unlink(missing_ok=True)
        put_aside(settings.eve_path)
        for log in (settings.log_path, settings.output_path):
            if log.exists():
                log.replace(log.with_name(f"{log.name}.1"))
        pid = _spawn(arguments(settings), str(settings.output_path), lock)
        os.setpriority(os.PRIO_PROCESS, pid, settings.nice)
        return EngineProcess(settings, _info(pid, settings))
    except OSError as exc:
        raise SystemFault(
            f"the engine cannot be started: {exc.strerror or exc}",
            where=str(exc.filename or settings.binary),
            hint="install the package suricata and run as root",
        ) from None
    finally:
        os.close(lock)


async def wait_ready(process: EngineProcess, settings: EngineSettings) -> None:
    """Return when the packet threads run and the command socket is open.

    Raises:
        EngineFault: the engine ended or the time ran out, with what the engine says about it.
    """
    try:
        async with asyncio.timeout(settings.start_seconds):
            while not (settings.socket_path.is_socket() and has_started(read_tail(settings.log_path))):
                if not process.alive:
                    raise EngineFault(
                        f"the engine ended while it started: {reason(settings.log_path, settings.output_path)}",
                        where=str(settings.config_path),
                    )
                await asyncio.sleep(POLL)
    except TimeoutError:
        raise EngineFault(
            f"the engine was not ready within {settings.start_seconds:g} s: "
            f"{reason(settings.log_path, settings.output_path)}",
            where=str(settings.log_path),
        ) from None


def find(settings: EngineSettings) -> EngineProcess | None:
    """Return the running engine of this run folder, None where there is none.

    Raises:
        EngineFault: something holds the engine's lock that we do not recognise.
        SystemFault: the lock file cannot be opened.
    """
    pid = read_pid(settings.pid_path)
    info = process_info(pid) if pid is not None else None
    if info is not None and list(info.arguments) == arguments(settings):
        return EngineProcess(settings, info)
    make_folder(settings.run_dir)
    os.close(_lock(settings))
    return None


def _lock(settings: EngineSettings) -> int:
    try:
        fd = os.open(settings.lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as exc:
        raise SystemFault(f"cannot be opened: {exc.strerror}", where=str(settings.lock_path)) from None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        raise EngineFault(
            "another engine is running on these interfaces",
            where=str(settings.lock_path),
            hint=f"end it: `fuser -v {settings.lock_path}` shows which process it is",
        ) from None
    return fd


def _spawn(argv: Sequence[str], output: str, lock: int) -> int:
    os.set_inheritable(lock, True)  # noqa: FBT003 - the signature of the standard library
    return os.posix_spawn(
        argv[0],
        list(argv),
        {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"},
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
        # A mask or handler of ours must not be the engine's.
        setsigmask=(),
        setsigdef=(signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE, signal.SIGUSR2),
    )


def _info(pid: int, settings: EngineSettings) -> ProcessInfo:
    info = process_info(pid)
    if info is None:
        with suppress(ChildProcessError):
            os.waitpid(pid, 0)
        raise EngineFault(f"the engine ended at once: {reason(settings.log_path, settings.output_path)}")
    return info
