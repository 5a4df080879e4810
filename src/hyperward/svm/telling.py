"""What the daemon says of its own doings, as events."""

from collections.abc import Callable, Mapping

from hyperward.events.model import Feature, Kind, Severity
from hyperward.svm.apply import Outcome
from hyperward.svm.check import CheckResult
from hyperward.svm.eventlog import EventLog
from hyperward.svm.failures import COPIES_LOST, LIMITED, Failure
from hyperward.svm.wording import by_reason, failure_text, names_of, refused_rules

_KINDS = {
    LIMITED: (Kind.REQUESTS_LIMITED, Severity.WARNING, Feature.WEB_ADDRESSES),
    COPIES_LOST: (Kind.COPIES_LOST, Severity.WARNING, Feature.WEB_ADDRESSES),
}


class Teller:
    """Words outcomes, refusals and failures.

    Args:
        log: where events go.
        vm_of_port: the name of the VM that has a port id.
    """

    def __init__(self, log: EventLog, vm_of_port: Callable[[int], str]) -> None:
        self._log = log
        self._vm_of_port = vm_of_port

    def refused_files(self, result: CheckResult) -> None:
        """Tell why changed files were not taken over."""
        for problem in result.errors:
            self.not_applied(f"not taken over: {problem}")

    def not_applied(self, text: str) -> None:
        """Tell that a change is not in force."""
        self._log.write(Kind.POLICY_REFUSED, text, severity=Severity.FUNCTIONAL_FAILURE, feature=Feature.POLICY)

    def outcome(self, outcome: Outcome, *, even_without_ports: bool) -> None:
        """Tell what came of a change.

        Args:
            outcome: of the applier.
            even_without_ports: tell it although no port changed, as for a change of what the daemon does itself.
        """
        if outcome.put or outcome.removed or even_without_ports:
            put = names_of(outcome.put) if outcome.put else "no further port"
            text = f"in force on {put}; {len(outcome.removed)} ports released"
            self._log.write(Kind.POLICY_APPLIED, text, feature=Feature.POLICY)
        for info in outcome.problems.values():
            self._log.write(
                Kind.RULES_REFUSED,
                refused_rules(info),
                severity=Severity.WARNING,
                feature=Feature.INTRUSION_PREVENTION,
            )
        for reason, interfaces in by_reason(outcome.failed).items():
            self.not_applied(f"{names_of(interfaces)} as before: {reason}")

    def idle_shadows(self, failed: Mapping[str, str]) -> None:
        """Tell which shadow policies judge nothing.

        Args:
            failed: the reason by interface.
        """
        for reason, interfaces in by_reason(failed).items():
            self._log.write(
                Kind.POLICY_REFUSED,
                f"the shadow policy of {names_of(interfaces)} judges nothing: {reason}",
                severity=Severity.WARNING,
                feature=Feature.POLICY,
            )

    def failure(self, failure: Failure) -> None:
        """Tell that a port is not inspected as it should be, or is again, and what became of packets meanwhile."""
        kind, severity, feature = _KINDS.get(
            failure.why, (Kind.FAILURE_ACTION, Severity.FUNCTIONAL_FAILURE, Feature.STEERING)
        )
        self._log.write(
            kind,
            failure_text(failure),
            severity=Severity.INFORMATIONAL if failure.over else severity,
            feature=feature,
            vm=self._vm_of_port(failure.port_id),
            port=failure.port_id,
        )
