"""The web part of the demo: every site of the scenario is asked for, in a lab that a real SVM protects."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from hyperward.lab.deadline import wait_until
from hyperward.lab.evidence import Row
from hyperward.lab.plan import Kind
from hyperward.lab.step import EVENT_SECONDS, Progress, Step
from hyperward.lab.svm_process import LabSvm
from hyperward.lab.topology import Lab
from hyperward.lab.web.asking import Asked, ask
from hyperward.lab.web.attempts import Attempt, attempts
from hyperward.lab.web.evidence import Protection, events_by_attempt, judge
from hyperward.lab.web.sites import VERSION
from hyperward.lab.web.transfers import DOWNLOAD, UPLOAD, Transfer, Transferred, transfer_in
from hyperward.policy.fields import Mode


class WebScenario:
    """The web part of the scenario.

    Args:
        lab: up.
        svm: started.
        progress: told what is being done.
        protected: the VMs that its policy covers.
        unprotected: a VM that no policy covers.
        download, upload: bytes of the transfers that go on meanwhile.
        version: of the address database.
    """

    def __init__(
        self,
        lab: Lab,
        svm: LabSvm,
        *,
        progress: Progress,
        protected: Sequence[str],
        unprotected: str,
        download: int = DOWNLOAD,
        upload: int = UPLOAD,
        version: str = VERSION,
    ) -> None:
        self._lab = lab
        self._svm = svm
        self._progress = progress
        self._protected = tuple(protected)
        self._unprotected = unprotected
        self._download = download
        self._upload = upload
        self._version = version

    def standard(self) -> Step:
        """Every site in standard mode, while a VM downloads and uploads.

        Raises:
            SystemFault: the SVM or a machine of the lab is gone. So do the other steps.
        """
        self._svm.set_policy(self._protected, Mode.STANDARD)
        return self._step("Web addresses, standard mode", self._protected, Protection.STANDARD, family=4)

    def monitoring(self) -> Step:
        """The same in monitoring mode."""
        self._svm.set_policy(self._protected, Mode.MONITORING)
        return self._step("Web addresses, monitoring mode", self._protected, Protection.MONITORING, family=6)

    def without_policy(self) -> Step:
        """A VM that no policy covers asks for every site."""
        title = "Web addresses, a VM without a policy"
        return self._step(title, (self._unprotected,), Protection.NONE, family=None)

    def _step(self, title: str, vms: Sequence[str], protection: Protection, *, family: int | None) -> Step:
        before = self._svm.last_event()
        transfers = [] if family is None else self._transfers(vms, family)
        jobs: list[Callable[[], list[Asked]]] = [self._asking(vm) for vm in vms]
        pool = ThreadPoolExecutor(len(jobs) + max(1, len(transfers)))
        try:
            moving = [pool.submit(transfer_in, self._lab, one) for one in transfers]
            asking = [pool.submit(job) for job in jobs]
            asked = [one for future in asking for one in future.result()]
            moved = [future.result() for future in moving]
        finally:
            # When one fails, or the user interrupts, the rest ends with the lab: nobody waits for it.
            pool.shutdown(wait=False, cancel_futures=True)
        rows = self._judged(asked, before, protection)
        rows += [one.row() for one in moved]
        rows += [_meanwhile(one, asked) for one in moved if not one.transfer.upload]
        return Step(title, tuple(rows))

    def _asking(self, vm: str) -> Callable[[], list[Asked]]:
        return lambda: [self._ask(attempt) for attempt in attempts(self._lab.plan, (vm,))]

    def _ask(self, attempt: Attempt) -> Asked:
        self._progress(f"{attempt.site.title}: {attempt.client} asks for {attempt.site.url}, IPv{attempt.family}")
        return ask(self._lab, attempt)

    def _transfers(self, vms: Sequence[str], family: int) -> list[Transfer]:
        """Return a download and an upload of every namespace VM; the QEMU VM's are among the harmless checks."""
        able = [vm for vm in vms if self._lab.plan.node(vm).kind is Kind.NAMESPACE]
        sizes = ((self._download, False), (self._upload, True))
        return [Transfer(vm, family, size, upload=upload) for vm in able for size, upload in sizes]

    def _judged(self, asked: Sequence[Asked], before: int, protection: Protection) -> list[Row]:
        """Return the rows, as soon as all events are there that are expected."""
        self._progress("waiting for the events")
        rows: list[Row] = []

        def judged() -> bool:
            found = events_by_attempt(asked, self._svm.events_after(before))
            rows[:] = [judge(one, events, protection, self._version) for one, events in zip(asked, found, strict=True)]
            return all(row.ok for row in rows)

        wait_until(judged, EVENT_SECONDS)
        return rows


def _meanwhile(download: Transferred, asked: Sequence[Asked]) -> Row:
    """Return whether the same VM asked for something while a download ran: only then it proves anything."""
    vm = download.transfer.client
    mine = [one for one in asked if one.attempt.client == vm]
    during = [one for one in mine if 0 <= (one.began - download.began).total_seconds() <= download.seconds]
    return Row(f"addresses asked for while {vm} downloaded", "at least one", str(len(during)), bool(during))
