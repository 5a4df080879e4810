"""Databases in the daemon: the schedule, the watch over own files, and what the control socket is asked about them.

Long work runs as one job at a time beside everything else; the control socket starts it and tells how far it is.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import structlog

from hyperward.databases.schedule import next_look
from hyperward.errors import HyperwardError, InputError
from hyperward.svm.config import SvmConfig
from hyperward.svm.control import Handler
from hyperward.svm.databases.memory import age
from hyperward.svm.databases.status import done_row, own_rows, status_of
from hyperward.svm.databases.telling import DatabaseTeller
from hyperward.svm.databases.updates import Done, Progress, Updates
from hyperward.svm.watch import FileWatch

LOOK: Final = 0.5
"""Seconds between two looks at own files, schedule and age: a handful of stat calls."""
HISTORY: Final = 100
BY_HAND: Final = "by hand"
BY_SCHEDULE: Final = "schedule"
log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Job:
    """Long work: what it is, how far it is, and what came of it."""

    number: int
    action: str
    who: str
    began: float = field(default_factory=time.monotonic)
    step: str = ""
    part: float | None = None
    ended: bool = False
    done: Done | None = None
    error: str = ""
    input_error: bool = False

    def progress(self, step: str, part: float | None) -> None:
        """Take note of how far it is."""
        self.step, self.part = step, part


class DatabaseService:
    """Databases in the daemon.

    Args:
        config: of the SVM.
        updates: carries changes out.
        tell: words events.
        chance: 0 to 1, for the jitter of the schedule.
    """

    def __init__(
        self,
        config: SvmConfig,
        updates: Updates,
        tell: DatabaseTeller,
        *,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._config = config
        self._updates = updates
        self._tell = tell
        self._chance = chance
        self._jitter = chance()
        self._job: Job | None = None
        self._task: asyncio.Task[None] | None = None
        self._lock = asyncio.Lock()
        own = (*config.own_rules, *(one.path for one in config.own_addresses))
        self._own_files = FileWatch(own)

    def handlers(self) -> Mapping[str, Handler]:
        """Return the commands of the control socket."""
        return {
            "db_update": self._update,
            "db_rollback": self._rollback,
            "db_job": self._job_state,
            "db_status": self._status,
            "db_history": self._history,
            "db_own": self._own_now,
        }

    @property
    def next_look(self) -> datetime | None:
        """When the schedule looks next; None without a source."""
        if not self._config.databases.source:
            return None
        memory = self._updates.memory
        return next_look(
            self._config.databases.schedule,
            memory.looked,
            failed=bool(memory.failed),
            chance=self._jitter,
            now=datetime.now().astimezone(),
        )

    def fresh(self) -> tuple[bool, str] | None:
        """Return whether databases are there and not too old, and what to do; None when nobody asked for updates."""
        databases, held = self._config.databases, self._updates.held
        if held.problem:
            return False, "see hyperward db status; fetch the version again: hyperward db update"
        if not databases.source and not held.contents.number:
            return None
        if not held.contents.number:
            return False, "fetch the first version: hyperward db update; until then the starter content is in force"
        old = age(self._updates.memory, held.contents.time, datetime.now(UTC)) > databases.max_age
        return not old, "see hyperward db status for what keeps updates away; hyperward db update tries again"

    async def run(self) -> None:
        """Follow the schedule and the operator's files, until cancelled."""
        try:
            while True:
                if self._own_files.changed():
                    await self._own_changed()
                due = self.next_look
                if due is not None and self._job_over and due <= datetime.now(UTC):
                    self._jitter = self._chance()
                    self._begin("update", BY_SCHEDULE, self._update_work(self._config.databases.source, BY_SCHEDULE))
                if self._job_over:
                    self._look_at_age()
                await asyncio.sleep(LOOK)
        finally:
            if self._task is not None:
                self._task.cancel()
                await asyncio.gather(self._task, return_exceptions=True)

    @property
    def _job_over(self) -> bool:
        return self._job is None or self._job.ended

    def _look_at_age(self) -> None:
        held = self._updates.held
        if held.contents.number:
            old = age(self._updates.memory, held.contents.time, datetime.now(UTC))
            self._tell.age(old, self._config.databases.max_age)

    async def _own_changed(self) -> None:
        async with self._lock:
            try:
                held = await self._updates.own()
            except HyperwardError as error:
                self._tell.failed("change of own lists and rules", error.line(), "operator's files")
            else:
                self._tell.own(held.reports)

    def _update_work(self, source: str, who: str) -> Callable[[Progress], Awaitable[Done]]:
        automatic = who == BY_SCHEDULE
        return lambda progress: self._updates.update(source, who=who, automatic=automatic, progress=progress)

    def _begin(self, action: str, who: str, work: Callable[[Progress], Awaitable[Done]]) -> Job:
        job = Job((self._job.number if self._job else 0) + 1, action, who)
        self._job = job
        self._task = asyncio.create_task(self._carry_out(job, work), name=f"databases-{action}")
        return job

    async def _carry_out(self, job: Job, work: Callable[[Progress], Awaitable[Done]]) -> None:
        try:
            async with self._lock:
                job.done = await work(job.progress)
            self._tell.done(job.done, job.who)
        except HyperwardError as error:
            job.error, job.input_error = error.line(), isinstance(error, InputError)
            self._tell.failed(job.action, error.line(), job.who, again=job.who == BY_SCHEDULE)
        except Exception as error:
            # A fault of ours in one update must not end protection.
            log.exception("databases_job_failed", action=job.action)
            job.error = f"{type(error).__name__}: {error}"
            self._tell.failed(job.action, job.error, job.who)
        finally:
            job.ended = True

    def _started(self, action: str, work: Callable[[Progress], Awaitable[Done]]) -> dict[str, Any]:
        if not self._job_over and self._job is not None:
            what = f"the {self._job.action} ({self._job.who}) is under way: {self._job.step or 'beginning'}"
            raise InputError(what, hint="wait until it has ended")
        return {"job": self._begin(action, BY_HAND, work).number}

    async def _update(self, request: Mapping[str, str]) -> dict[str, Any]:
        source = request.get("from") or self._config.databases.source
        if not source:
            raise InputError(
                "no source of databases is configured", where="databases", hint="name one there, or with --from"
            )
        return self._started("update", self._update_work(source, BY_HAND))

    async def _rollback(self, _: Mapping[str, str]) -> dict[str, Any]:
        return self._started("rollback", lambda progress: self._updates.rollback(who=BY_HAND, progress=progress))

    async def _job_state(self, request: Mapping[str, str]) -> dict[str, Any]:
        job = self._job
        if job is None or str(job.number) != request.get("job"):
            raise InputError("there is no such job any more", hint="see hyperward db history")
        return {
            "action": job.action,
            "step": job.step,
            "part": job.part,
            "seconds": round(time.monotonic() - job.began, 1),
            "ended": job.ended,
            "error": job.error,
            "input_error": job.input_error,
            "done": done_row(job.done) if job.done is not None else None,
        }

    async def _status(self, _: Mapping[str, str]) -> dict[str, Any]:
        status = status_of(self._config, self._updates, now=datetime.now(UTC))
        due = self.next_look
        job = self._job
        return status | {
            "next_look": due.isoformat(timespec="seconds") if due is not None else None,
            "job": {"action": job.action, "step": job.step, "who": job.who} if job and not job.ended else None,
        }

    async def _history(self, _: Mapping[str, str]) -> list[Any]:
        return await asyncio.to_thread(self._updates.store.history, HISTORY)

    async def _own_now(self, _: Mapping[str, str]) -> list[dict[str, Any]]:
        if not self._job_over:
            raise InputError("a change of databases is under way", hint="wait until it has ended")
        await self._own_changed()
        return own_rows(self._updates.held.reports)
