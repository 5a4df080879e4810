"""What is told of databases, as events. One place that knows the words."""

from collections.abc import Iterable
from datetime import timedelta

from hyperward.databases.ledger import Attempt
from hyperward.databases.own.model import OwnReport, OwnState
from hyperward.events.model import Feature, Kind, Severity
from hyperward.svm.databases.updates import Done
from hyperward.svm.eventlog import EventLog

_SEVERITY = {
    OwnState.VALID: Severity.INFORMATIONAL,
    OwnState.WARNING: Severity.WARNING,
    OwnState.INVALID: Severity.FUNCTIONAL_FAILURE,
}


class DatabaseTeller:
    """Words what happens to databases.

    Args:
        log: where events go.
    """

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._own: dict[str, tuple[OwnState, str]] = {}
        self._failed = ""
        self._old = False

    def done(self, done: Done, who: str) -> None:
        """Tell what came of a change; that there was nothing to do is not told."""
        self._failed = ""
        if done.result == "updated":
            text = f"databases: version {done.after} is in force instead of {done.before} ({who}); {done.text}"
            lost = done.report is not None and done.report.samples is not None and done.report.samples.lost
            severity = Severity.WARNING if lost else Severity.INFORMATIONAL
            self._write(Kind.DATABASES_UPDATED, text, severity)
        elif done.result == "rolled back":
            text = f"databases: version {done.after} is in force again instead of {done.before} ({who})"
            self._write(Kind.DATABASES_ROLLED_BACK, text, Severity.WARNING)

    def failed(self, what: str, reason: str, who: str, *, again: bool = False) -> None:
        """Tell why a change was not carried out.

        Args:
            what: `update`, `rollback`.
            reason: why.
            who: asked for it.
            again: do not tell the same reason twice in a row: the schedule tries every minute, maybe.
        """
        if again and reason == self._failed:
            return
        self._failed = reason
        text = f"databases: {what} not carried out ({who}), what was in force still is: {reason}"
        self._write(Kind.DATABASES_REFUSED, text, Severity.FUNCTIONAL_FAILURE)

    def wary(self, text: str) -> None:
        """Tell what is not as it should be at a start."""
        self._write(Kind.DATABASES_REFUSED, f"databases: {text}", Severity.FUNCTIONAL_FAILURE)

    def interrupted(self, attempt: Attempt, active: int) -> None:
        """Tell of a change that a crash or power cut ended."""
        text = (
            f"databases: the {attempt.action} to version {attempt.to or 'starter'} was interrupted while "
            f"{attempt.stage.value}; version {active or 'starter'} is in force"
        )
        self._write(Kind.DATABASES_REFUSED, text, Severity.WARNING)

    def age(self, age: timedelta, limit: timedelta) -> None:
        """Tell once when databases become too old, and once when they no longer are."""
        old = age > limit
        if old == self._old:
            return
        self._old = old
        days = f"{age.total_seconds() / 86400:.1f} days"
        if old:
            text = f"databases are too old: for {days} nobody confirmed them as the latest"
            self._write(Kind.DATABASES_OLD, f"{text}; protection goes on with them", Severity.WARNING)
        else:
            self._write(Kind.DATABASES_OLD, "databases are no longer too old", Severity.INFORMATIONAL)

    def own(self, reports: Iterable[OwnReport], *, quiet: bool = False) -> None:
        """Tell what became of the operator's files, each when it is another than before.

        Args:
            reports: of all of them.
            quiet: leave out those that are as they should be.
        """
        for one in reports:
            mark = (one.state, one.digest)
            if self._own.get(one.path) == mark:
                continue
            self._own[one.path] = mark
            if not (quiet and one.state is OwnState.VALID):
                self._write(Kind.OWN_DATABASES, own_text(one), _SEVERITY[one.state])

    def _write(self, kind: Kind, text: str, severity: Severity) -> None:
        self._log.write(kind, text, severity=severity, feature=Feature.DATABASES)


def own_text(one: OwnReport) -> str:
    """Return what became of an own file, as one line."""
    text = f"own {one.kind.value} {one.path}: {one.state.value}, {one.used} in force, {one.refused} refused"
    if one.state is OwnState.INVALID:
        stays = "the last good content stays in force" if one.kept else "nothing of it is in force"
        text = f"own {one.kind.value} {one.path}: invalid; {stays}"
    if one.problems:
        first = one.problems[0]
        text += f"; {first.place}: {first.reason}"
    return text
