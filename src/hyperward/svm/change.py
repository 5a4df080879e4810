"""An explicit change of the policies: in force on every VM and in the file, or not at all.

The order keeps files and kernel one truth whenever the daemon dies: the change is carried out first, and the file is
replaced when that has succeeded. A daemon that starts in between goes on with the old file, and nobody was told
otherwise. A step that fails brings the policies back that were in force.

Reconciling (a VM that appears, an edited file) is not of that kind: there one VM's failure must not hold up the others.
"""

import asyncio
import hashlib
import stat
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from hyperward.errors import HyperwardError, InputError, SystemFault
from hyperward.events.model import Feature, Kind, Severity
from hyperward.files import write_atomically
from hyperward.svm.apply import Outcome
from hyperward.svm.eventlog import EventLog
from hyperward.svm.policy_file import LIMITS
from hyperward.svm.wanted import Wanted
from hyperward.yamlfile import read_text

BACKUP_SUFFIX = ".previous"
"""Behind the policy file's name: what it was before the last change."""


def digest_of(text: str) -> str:
    """Return what tells the content of a file from any other: SHA-256 in hex."""
    return hashlib.sha256(text.encode()).hexdigest()


class PolicyChanges:
    """Carries out what is wanted, one at a time.

    Args:
        policy_file: what explicit changes replace.
        wanted: what is wanted now.
        carry_out: brings engine and kernel to what is wanted.
        log: gets the refusals.
    """

    def __init__(
        self, policy_file: Path, wanted: Wanted, carry_out: Callable[[], Awaitable[Outcome]], log: EventLog
    ) -> None:
        self._file = policy_file
        self._wanted = wanted
        self._carry_out = carry_out
        self._log = log
        self._lock = asyncio.Lock()
        self._failed: dict[str, str] = {}
        self.busy = False
        """Whether an explicit change is on its way; the files must not be read again meanwhile."""

    async def again(self) -> None:
        """Carry out what is wanted.

        Raises:
            HyperwardError: nothing was changed.
            OSError: the same.
        """
        async with self._lock:
            self._failed = (await self._carry_out()).failed

    async def policies(self, _: Mapping[str, str]) -> dict[str, Any]:
        """Return the policies and the inventory that are in force, and the interfaces where they are not."""
        source = self._wanted.source
        return {
            "file": str(self._file),
            "text": source.policy_text,
            "digest": digest_of(source.policy_text),
            "inventory": source.inventory_text,
            "since": self._wanted.since.isoformat(timespec="seconds"),
            "failed": dict(self._failed),
        }

    async def apply(self, request: Mapping[str, str]) -> dict[str, Any]:
        """Replace the policies by those in another file, wholly or not at all.

        Args:
            request: `file`, the path of that file; `digest` of its content as it was checked.

        Raises:
            InputError: the file is wrong, or the change could not be carried out on every VM: the policies that were in
                force are again.
            SystemFault: the policy file cannot be replaced; likewise.
        """
        path = Path(request.get("file", ""))
        text = read_text(path, max_bytes=LIMITS.max_bytes)
        if digest_of(text) != request.get("digest"):
            raise InputError("the file has changed since it was checked", where=str(path), hint="apply it again")
        async with self._lock:
            self.busy = True
            try:
                return await self._change(text, str(path))
            finally:
                self.busy = False

    async def exchange(self, take: Callable[[], Callable[[], None]], keep: Callable[[], None]) -> Outcome:
        """Exchange what policies are carried out with, wholly or not at all: rules, address databases.

        Args:
            take: puts the others in place, and returns what puts them back.
            keep: called, in a thread, once the others are in force everywhere; what it raises undoes the exchange.

        Raises:
            InputError: it could not be carried out on every VM: what was in force is again.
            SystemFault: likewise, for want of something else; or not all could be undone.
        """
        async with self._lock:
            put_back = take()
            try:
                outcome = await self._carry_out()
                fresh = {port: why for port, why in outcome.failed.items() if port not in self._failed}
                if fresh:
                    raise InputError("; ".join(f"{port}: {why}" for port, why in fresh.items()))
                await asyncio.to_thread(keep)
            except (HyperwardError, OSError) as error:
                put_back()
                raise await self._rolled_back(error, "databases", "databases") from error
            self._failed = outcome.failed
            return outcome

    async def _change(self, text: str, name: str) -> dict[str, Any]:
        take_back = await self._wanted.try_policies(text, name)
        outcome = Outcome()
        try:
            outcome = await self._carry_out()
            fresh = {port: why for port, why in outcome.failed.items() if port not in self._failed}
            if fresh:
                raise InputError("; ".join(f"{port}: {why}" for port, why in fresh.items()))
            backup = self._replace(text)
        except (HyperwardError, OSError) as error:
            take_back()
            raise await self._rolled_back(error, name) from error
        self._failed = outcome.failed
        return {
            "digest": digest_of(text),
            "since": self._wanted.since.isoformat(timespec="seconds"),
            "changed": outcome.put,
            "released": len(outcome.removed),
            "missing": outcome.missing,
            "failed": outcome.failed,
            "engine_down": outcome.deferred,
            "backup": backup,
        }

    async def _rolled_back(
        self, error: HyperwardError | OSError, name: str, subject: str = "policies"
    ) -> HyperwardError:
        """Bring back what was in force, and return the refusal."""
        why = error.line() if isinstance(error, HyperwardError) else str(error)
        before = self._failed
        try:
            self._failed = (await self._carry_out()).failed
            left = {port: text for port, text in self._failed.items() if port not in before}
        except (HyperwardError, OSError) as fault:
            left = {"all": fault.line() if isinstance(fault, HyperwardError) else str(fault)}
        what = f"not applied, the {subject} before are in force again: {why}"
        if left:
            stuck = "; ".join(f"{port}: {text}" for port, text in left.items())
            what = f"not applied ({why}), and not all could be undone: {stuck}"
        self._log.write(
            Kind.POLICY_REFUSED,
            f"{name}: {what}",
            severity=Severity.CRITICAL if left else Severity.FUNCTIONAL_FAILURE,
            feature=Feature.POLICY,
        )
        kind = SystemFault if left or isinstance(error, OSError) else InputError
        return kind(what, where=name, hint="see hyperward events" if left else "")

    def _replace(self, text: str) -> str:
        """Put the text into the policy file, keep what it was, and return where; nothing when there was no other."""
        target = self._file.resolve()
        try:
            before, mode = target.read_bytes(), stat.S_IMODE(target.stat().st_mode)
        except FileNotFoundError:
            before, mode = None, 0o600
        if before == text.encode():
            return ""
        backup = target.with_name(target.name + BACKUP_SUFFIX)
        if before is not None:
            write_atomically(backup, before, mode=mode)
        write_atomically(target, text.encode(), mode=mode)
        return "" if before is None else str(backup)
