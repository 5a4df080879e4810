"""The demo: the whole scenario against a lab that a real SVM protects, judged step by step.

Steps: standard mode; monitoring mode, by a live change of the policy file; a VM that no policy covers, and standard
mode again; a blocked source. Standard mode again also closes the proof that nothing was said about the VM without a
policy: events come in order, so what its attacks would have caused is there before the last attack's event.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from hyperward.lab.deadline import wait_until
from hyperward.lab.evidence import Expectation, Row, Tried, events_by_attack, judge
from hyperward.lab.outcome import Result
from hyperward.lab.plan import OUT, QEMU_VM, LabPlan, plan_lab
from hyperward.lab.running import run_check
from hyperward.lab.scenario import DOWNLOAD, QEMU_DOWNLOAD, Attack, Check, CheckKind, attacks, checks
from hyperward.lab.scene import Checked, play
from hyperward.lab.step import EVENT_SECONDS, Progress, Step
from hyperward.lab.svm_process import LabSvm
from hyperward.lab.topology import Lab
from hyperward.policy.actions import Action
from hyperward.policy.fields import Mode

DEMO_NAME = "demo"
NAMESPACE_VM, UNPROTECTED_VM = "vm1", "vm2"
SHUT_OUT_SECONDS = 2.0
MONITORED_RATE = 32 * 1024 * 1024
"""In monitoring mode the engine does not pace a transfer: between namespaces a download is faster than any network, and
copies that the engine cannot take in time are lost."""


def demo_plan(name: str = DEMO_NAME, *, qemu: bool = True) -> LabPlan:
    """Return the demo's lab: a namespace VM and the QEMU VM to protect, and a VM that no policy covers.

    Raises:
        InputError: that cannot be a lab's name.
    """
    return plan_lab(name, vms=2, qemu=qemu)


def protected_vms(plan: LabPlan) -> list[str]:
    """Return the VMs that the demo's policy covers."""
    return [NAMESPACE_VM, QEMU_VM] if plan.qemu else [NAMESPACE_VM]


class Scenario:
    """The scenario in a lab with an SVM.

    Args:
        lab: made from `demo_plan`, up.
        svm: started, its policy in standard mode.
        progress: told what is being done.
        download: bytes of a namespace VM's downloads.
        qemu_download: bytes of the QEMU VM's.
    """

    def __init__(
        self,
        lab: Lab,
        svm: LabSvm,
        *,
        progress: Progress,
        download: int = DOWNLOAD,
        qemu_download: int = QEMU_DOWNLOAD,
    ) -> None:
        self._lab = lab
        self._svm = svm
        self._progress = progress
        self._vms = protected_vms(lab.plan)
        self.attacks = attacks(lab.plan)
        self._checks = checks(lab.plan, download=download, qemu_download=qemu_download)

    def standard(self) -> Step:
        """Everything is attacked in standard mode, while downloads over IPv4 and other harmless traffic go on.

        Raises:
            SystemFault: the SVM or a machine of the lab is gone. So do the other steps.
        """
        self._svm.set_policy(self._vms, Mode.STANDARD)
        return self._protected("Standard mode", Expectation.BLOCKED, self._downloads(4))

    def monitoring(self) -> Step:
        """The same after a live change of the policy to monitoring mode; downloads over IPv6."""
        self._progress("changing the policy file to monitoring mode")
        self._svm.set_policy(self._vms, Mode.MONITORING)
        downloads = [replace(check, rate=MONITORED_RATE) for check in self._downloads(6)]
        return self._protected("Monitoring mode, by a change of the policy file", Expectation.REPORTED, downloads)

    def without_policy(self) -> Step:
        """A VM that no policy covers is attacked; then the others, back in standard mode, once more."""
        untouched = self._attacks_of([UNPROTECTED_VM])
        before = self._svm.last_event()
        tried, checked = play(self._lab, untouched, self._small_checks([UNPROTECTED_VM]), self._progress)
        rows = [self._interface_row()]
        self._progress("changing the policy file back to standard mode")
        self._svm.set_policy(self._vms, Mode.STANDARD)
        again = [attack for attack in self._attacks_of(self._vms) if attack.kind.name == "log4shell"]
        blocked, _ = play(self._lab, again, [], self._progress)
        rows += self._judge(blocked, before, Expectation.BLOCKED)
        rows += self._judge(tried, before, Expectation.UNTOUCHED)
        rows += [one.row() for one in checked]
        return Step("A VM without a policy; the others in standard mode again", tuple(rows))

    def blocking(self) -> Step:
        """With `terminate_and_block` an attack shuts its source out, until it is let go."""
        self._progress("changing the policy file to terminate_and_block")
        self._svm.set_policy(self._vms, Mode.STANDARD, Action.TERMINATE_AND_BLOCK)
        before = self._svm.last_event()
        attack = next(one for one in self.attacks if one.name == f"log4shell-{OUT}-{NAMESPACE_VM}-v4")
        tried, _ = play(self._lab, [attack], [], self._progress)
        rows = self._judge(tried, before, Expectation.SOURCE_BLOCKED)
        rows.append(self._shut_out())
        released = self._svm.unblock(tried[0].client_address)
        rows.append(Row("letting the source go", "1 block removed", f"{released} removed", released == 1))
        browse = [check for check in self._small_checks([NAMESPACE_VM]) if check.name.startswith(f"browse-{OUT}-")]
        _, checked = play(self._lab, [], browse, self._progress)
        self._progress("changing the policy file back to terminate")
        self._svm.set_policy(self._vms, Mode.STANDARD)
        return Step("Source of an attack blocked, and let go", (*rows, *(one.row() for one in checked)))

    def _shut_out(self) -> Row:
        """Return whether a harmless request of the blocked source stays without an answer."""
        check = next(one for one in self._checks if one.name == f"browse-{OUT}-{NAMESPACE_VM}-v4")
        outcome = run_check(self._lab, check, timeout=SHUT_OUT_SECONDS)
        what = f"browse, {OUT} to {NAMESPACE_VM}, IPv4, as long as {OUT} is blocked"
        return Row(what, "no answer", outcome.result.value, outcome.result is Result.TIMED_OUT)

    def _protected(self, title: str, expectation: Expectation, downloads: Sequence[Check]) -> Step:
        before = self._svm.last_event()
        chosen = [*self._small_checks(self._vms), *downloads]
        tried, checked = play(self._lab, self._attacks_of(self._vms), chosen, self._progress)
        rows = [*self._judge(tried, before, expectation), *(one.row() for one in checked)]
        downloaded = [one for one in checked if one.check.kind is CheckKind.DOWNLOAD]
        return Step(title, (*rows, *(_under_attack(one, tried) for one in downloaded)))

    def _judge(self, tried: Sequence[Tried], before: int, expectation: Expectation) -> list[Row]:
        """Return the rows of attacks, as soon as all events are there that are expected."""
        self._progress("waiting for the events")
        rows: list[Row] = []

        def judged() -> bool:
            found = events_by_attack(tried, self._svm.events_after(before))
            rows[:] = [judge(one, events, expectation) for one, events in zip(tried, found, strict=True)]
            return all(row.ok for row in rows)

        wait_until(judged, EVENT_SECONDS)
        return rows

    def _interface_row(self) -> Row:
        """Return whether the VM without a policy is free of everything of ours, in the kernel and for the SVM."""
        port = self._lab.plan.node(UNPROTECTED_VM).port
        said = self._lab.host.run(["tc", "qdisc", "show", "dev", port]).stdout
        known = self._svm.vms()[UNPROTECTED_VM]["ports"][0]["id"]
        ok = "clsact" not in said and known is None
        happened = "nothing attached, no port registered" if ok else f"port {known}; {said.strip()}"
        return Row(f"interface of {UNPROTECTED_VM}", "no program of ours, no port", happened, ok)

    def _attacks_of(self, vms: Sequence[str]) -> list[Attack]:
        return [attack for attack in self.attacks if attack.vm in vms]

    def _small_checks(self, vms: Sequence[str]) -> list[Check]:
        ours = [check for check in self._checks if not {check.client, check.server}.isdisjoint(vms)]
        return [check for check in ours if check.kind is not CheckKind.DOWNLOAD]

    def _downloads(self, family: int) -> list[Check]:
        downloads = [check for check in self._checks if check.kind is CheckKind.DOWNLOAD and check.family == family]
        return [check for check in downloads if check.client in self._vms]


def _under_attack(download: Checked, tried: Sequence[Tried]) -> Row:
    """Return whether attacks on or by the same VM began while a download ran: only then it proves anything."""
    vm, end = download.check.client, download.began + timedelta(seconds=download.seconds)
    during = [one for one in tried if one.attack.vm == vm and download.began <= one.began <= end]
    return Row(f"attacks while {vm} downloaded", "at least one", str(len(during)), bool(during))
