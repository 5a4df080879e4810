"""Keeps one engine running and holding what is desired, whatever happens to it or to us."""

import asyncio
import time
from collections.abc import Callable
from contextlib import nullcontext
from hashlib import blake2b
from typing import Final

import structlog

from hyperward.errors import EngineFault, HyperwardError
from hyperward.ips.engine import process as processes
from hyperward.ips.engine.apply import Applied, apply_plan, settle
from hyperward.ips.engine.backoff import Backoff
from hyperward.ips.engine.client import EngineClient
from hyperward.ips.engine.enginelog import reason
from hyperward.ips.engine.files import write_files
from hyperward.ips.engine.journal import Journal, load
from hyperward.ips.engine.notices import EngineNotice, NoticeKind
from hyperward.ips.engine.nudge import NoNudge, Nudge
from hyperward.ips.engine.plan import Registered, mapped_at_start, plan
from hyperward.ips.engine.render import References, render, render_config
from hyperward.ips.engine.rotate import file_size, put_aside
from hyperward.ips.engine.settings import EngineSettings
from hyperward.ips.engine.tenants import Desired

CHECK: Final = 1.0
"""Seconds between two questions to a healthy engine."""
MISSES: Final = 3
"""Unanswered questions in a row that make the engine hung."""
ANSWER: Final = 2.0
"""Seconds an answer to such a question may take."""

log = structlog.get_logger(__name__)
Notify = Callable[[EngineNotice], None]


class EngineSupervisor:
    """Starts or adopts the engine, brings it to the desired state, and does both again whenever it dies or hangs.

    Use: `await start(desired)`, then run `run()` as a task; `apply()` at any time; in the end `stop()` to end the
    engine or `detach()` to leave it running for the next daemon.

    Args:
        settings: of this node.
        references: tables that the rules refer to.
        nudge: keeps packets coming while the engine switches tenants.
        notify: called with every notice, in the event loop.
    """

    def __init__(
        self, settings: EngineSettings, references: References, *, nudge: Nudge | None, notify: Notify
    ) -> None:
        self.settings = settings
        self._nudge = nudge or NoNudge()
        self.client = EngineClient(settings.socket_path, nudge=self._nudge)
        self._probe = EngineClient(settings.socket_path, quick_seconds=ANSWER)
        self._references = references
        self._notify = notify
        self._desired = Desired()
        self._process: processes.EngineProcess | None = None
        self._journal: Journal | None = None
        self._lock = asyncio.Lock()
        self._backoff = Backoff()
        self._reopen = False
        self._leaving = False

    @property
    def pid(self) -> int | None:
        """The engine's process id while it runs."""
        return self._process.info.pid if self._process is not None and self._process.alive else None

    @property
    def registered(self) -> Registered:
        """What the running engine holds."""
        return self._journal.registered if self._journal is not None else Registered()

    @property
    def outdated(self) -> bool:
        """Whether the running engine was started with other settings than the present ones."""
        return self._journal is not None and self._journal.config != self._digest()

    async def start(self, desired: Desired) -> Applied:
        """Adopt the running engine or start one, and bring it to the desired state.

        Raises:
            EngineFault: the engine does not start, or a strange one holds its lock.
            SystemFault: its files cannot be written or its program is missing.
        """
        async with self._lock:
            self._leaving = False
            self._desired = desired
            self._write()
            if not await self._adopt():
                await self._start()
            return await self._load()

    async def apply(self, desired: Desired) -> Applied:
        """Bring the engine to another desired state; VMs whose rules stay the same notice nothing.

        With the engine down the state is kept and loaded when it is back.

        Raises:
            SystemFault: the files cannot be written; nothing was changed.
        """
        async with self._lock:
            render(self.settings, desired, self._references)
            self._desired = desired
            self._write()
            try:
                return await self._load()
            except EngineFault as exc:
                log.warning("change is deferred", reason=exc.line())
                return Applied(deferred=True)

    async def run(self) -> None:
        """Supervise until cancelled, stopped or detached."""
        while True:
            ended = await self._ended()
            if self._leaving:
                return
            async with self._lock:
                if self._process is not None and ended.kind is NoticeKind.HUNG:
                    await self._process.kill()
                self._let_go()
            self._notify(ended)
            while not self._leaving and not await self._again():
                pass

    async def rotate(self, *, at_least: int | None = None) -> bool:
        """Put the EVE file aside and let the engine begin a fresh one. True if the engine was told so.

        Call it again after a failure: the file is put aside once, and the engine told until it answers.

        Args:
            at_least: bytes from which the file is put aside; the settings' size by default.

        Raises:
            EngineFault: the engine does not answer; it goes on writing to the file put aside, and nothing is lost.
        """
        limit = self.settings.eve_rotate_bytes if at_least is None else at_least
        if file_size(self.settings.eve_path) >= max(1, limit) and put_aside(self.settings.eve_path) is not None:
            self._reopen = True
        if not self._reopen or self.pid is None:
            return False
        await self._probe.reopen_log_files()
        self._reopen = False
        return True

    async def stop(self) -> None:
        """End the engine."""
        self._leaving = True
        async with self._lock:
            if self._process is not None:
                await self._process.stop()
                self._let_go()
                self._notify(EngineNotice(NoticeKind.STOPPED, "the engine was stopped"))
        await self._close()

    async def detach(self) -> None:
        """Leave the engine running for the next daemon."""
        self._leaving = True
        self._let_go()
        await self._close()

    async def _adopt(self) -> bool:
        found = processes.find(self.settings)
        if found is None:
            return False
        info = found.info
        journal = load(self.settings.state_path, pid=info.pid, started=info.started)
        try:
            uptime = await self._probe.uptime()
            if journal is None:
                raise EngineFault("nobody knows what it holds", where=str(self.settings.state_path))  # noqa: TRY301
            await settle(self.client, journal)
        except EngineFault as exc:
            log.warning("the running engine cannot be adopted", pid=info.pid, reason=exc.line())
            await found.kill()
            found.close()
            self._notify(EngineNotice(NoticeKind.HUNG, f"the running engine was ended: {exc.line()}"))
            return False
        self._process, self._journal = found, journal
        # The daemon before us may have put the file aside and not come to tell the engine.
        self._reopen = not self.settings.eve_path.exists()
        self._notify(EngineNotice(NoticeKind.ADOPTED, f"the running engine (pid {info.pid}) was adopted", uptime))
        return True

    async def _start(self) -> None:
        begun = time.monotonic()
        await self.client.close()
        await self._probe.close()
        process = processes.spawn(self.settings)
        try:
            await processes.wait_ready(process, self.settings)
        except BaseException:
            await process.kill()
            process.close()
            raise
        info = process.info
        self._process, self._reopen = process, False
        self._journal = Journal(self.settings.state_path, pid=info.pid, started=info.started, config=self._digest())
        self._journal.reset(Registered(mappings=mapped_at_start(self._desired)))
        seconds = time.monotonic() - begun
        self._notify(EngineNotice(NoticeKind.STARTED, f"the engine started (pid {info.pid})", seconds))

    async def _load(self) -> Applied:
        if self._journal is None or self.pid is None:
            return Applied(deferred=True)
        begun = time.monotonic()
        busy = bool(self._journal.doubtful or plan(self._journal.registered, self._desired))
        with self._nudge.active() if busy else nullcontext():
            applied = await apply_plan(self.client, self._journal, self.settings, self._desired)
        for refused in applied.refused:
            self._notify(EngineNotice(NoticeKind.REFUSED, refused.text))
        for tenant, report in applied.loads.items():
            if report.failed:
                text = f"{report.failed} rules of tenant {tenant} were refused, {report.loaded} are in force"
                first = f"; the last: {report.errors[-1]}" if report.errors else ""
                self._notify(EngineNotice(NoticeKind.REFUSED, text + first))
        if applied.done and not applied.refused:
            text = f"{len(self._desired.tenants)} tenants and {len(self._desired.mappings)} VLAN ids are in force"
            self._notify(EngineNotice(NoticeKind.LOADED, text, time.monotonic() - begun))
        return applied

    async def _ended(self) -> EngineNotice:
        """Return when the engine has ended or does not answer any more."""
        if self._process is None:
            return EngineNotice(NoticeKind.CRASHED, "the engine does not run")
        waiter = asyncio.ensure_future(self._process.wait())
        try:
            misses = 0
            while misses < MISSES:
                done, _ = await asyncio.wait({waiter}, timeout=CHECK)
                if done:
                    why = reason(self.settings.log_path, self.settings.output_path)
                    return EngineNotice(NoticeKind.CRASHED, f"the engine ended by itself: {why}")
                misses = 0 if await self._answers() else misses + 1
            return EngineNotice(NoticeKind.HUNG, f"the engine did not answer {MISSES} times in a row")
        finally:
            waiter.cancel()

    async def _answers(self) -> bool:
        if self._lock.locked():
            # While the engine loads rules it answers nobody; the command that loads has its own time limit.
            return True
        try:
            await self._probe.uptime()
        except EngineFault as exc:
            log.warning("the engine does not answer", reason=exc.line())
            return self._lock.locked()
        return True

    async def _again(self) -> bool:
        """Start the engine anew after the pause that is due; true if it runs and holds what is desired."""
        pause = self._backoff.crashed(time.monotonic())
        if self._backoff.looping:
            text = f"the engine crashes again and again; next start in {pause:g} s"
            self._notify(EngineNotice(NoticeKind.CRASH_LOOP, text))
        await asyncio.sleep(pause)
        async with self._lock:
            if self._leaving:
                return True
            try:
                self._write()
                await self._start()
                await self._load()
            except HyperwardError as exc:
                self._notify(EngineNotice(NoticeKind.START_FAILED, exc.line()))
                if self._process is not None:
                    await self._process.kill()
                    self._let_go()
                return False
            return True

    def _write(self) -> None:
        started_with = Desired(self._desired.tenants, mapped_at_start(self._desired))
        write_files(render(self.settings, started_with, self._references))

    def _digest(self) -> str:
        text = render_config(self.settings, {}, self._references)
        return blake2b(text.encode(), digest_size=16).hexdigest()

    def _let_go(self) -> None:
        if self._process is not None:
            self._process.close()
        self._process = self._journal = None

    async def _close(self) -> None:
        await self.client.close()
        await self._probe.close()
