"""`hyperward lab demo`: the scenario with its progress, its tables and its end."""

import logging
import sys
import time
from contextlib import ExitStack
from types import TracebackType
from typing import Self

import structlog
from rich.console import Console

from hyperward.cli.output import add_row, show, table
from hyperward.errors import SystemFault
from hyperward.lab.databases.publisher import LabPublisher
from hyperward.lab.databases.scenario import DatabaseScenario
from hyperward.lab.demo import NAMESPACE_VM, UNPROTECTED_VM, Scenario, demo_plan, protected_vms
from hyperward.lab.interrupt import interruptible
from hyperward.lab.scenario import QEMU_DOWNLOAD
from hyperward.lab.step import Step
from hyperward.lab.svm_process import LabSvm
from hyperward.lab.topology import Lab
from hyperward.lab.web.scenario import WebScenario

_COLUMNS = ("", "tried", "expected", "happened", "event")


class _Progress:
    """What is being done now: one changing line on a terminal, lines elsewhere; on standard error."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, markup=False, highlight=False)
        self._status = self._console.status("") if self._console.is_terminal else None

    def __enter__(self) -> Self:
        if self._status is not None:
            self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._status is not None:
            self._status.stop()

    def say(self, text: str) -> None:
        """Show the text; may be called from any thread."""
        if self._status is not None:
            self._status.update(text)
        else:
            self._console.print(f"  {text}", soft_wrap=True)


def run_demo(name: str, *, once: bool, qemu: bool, download: int) -> int:
    """Run the demo and return the exit code: 0 when everything went as expected.

    Raises:
        InputError: a bad name, or there is a lab of that name.
        SystemFault: no root, or this machine lacks something; nothing stays.
    """
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    steps: list[Step] = []
    start = time.monotonic()
    try:
        with interruptible(), ExitStack() as stack:
            svm = _set_up(stack, name, steps, qemu=qemu, download=download)
            _summary(steps, time.monotonic() - start)
            if not once:
                _stay(svm, name)
    except KeyboardInterrupt:
        print("interrupted; everything is taken away", file=sys.stderr)  # noqa: T201 - the answer to Ctrl-C
        return 130 if once or not steps else _exit_code(steps)
    return _exit_code(steps)


def _set_up(stack: ExitStack, name: str, steps: list[Step], *, qemu: bool, download: int) -> LabSvm:
    """Start lab and SVM, which end with the stack, and run the scenario."""
    plan = demo_plan(name, qemu=qemu)
    progress = _Progress()
    with progress:
        lab = stack.enter_context(Lab(plan, progress=progress.say))
        progress.say("publishing databases")
        publisher = LabPublisher(lab.folder / "publisher")
        publisher.begin()
        progress.say("starting the SVM")
        svm = stack.enter_context(LabSvm(lab, protected=protected_vms(plan), publisher=publisher))
    scenario = Scenario(lab, svm, progress=progress.say, download=download, qemu_download=min(download, QEMU_DOWNLOAD))
    web = WebScenario(
        lab, svm, progress=progress.say, protected=protected_vms(plan), unprotected=UNPROTECTED_VM, version="1"
    )
    databases = DatabaseScenario(lab, svm, publisher, progress=progress.say, vm=NAMESPACE_VM)
    parts = (scenario.standard, web.standard, scenario.monitoring, web.monitoring)
    for part in (
        *parts,
        web.without_policy,
        scenario.without_policy,
        databases.update_and_roll_back,
        scenario.blocking,
    ):
        with progress:
            step = part()
        steps.append(step)
        _show(step)
    return svm


def _show(step: Step) -> None:
    made = table(step.title, _COLUMNS)
    for row in step.rows:
        add_row(made, "ok" if row.ok else "NOT OK", row.what, row.expected, row.happened, row.event)
    show(made)


def _summary(steps: list[Step], seconds: float) -> None:
    rows = [row for step in steps for row in step.rows]
    good = sum(row.ok for row in rows)
    verdict = "everything went as expected" if good == len(rows) else f"{len(rows) - good} did NOT go as expected"
    print(f"{good} of {len(rows)} ok in {seconds:.0f} s: {verdict}", flush=True)  # noqa: T201 - the result


def _stay(svm: LabSvm, name: str) -> None:
    config = svm.files.config
    print(  # noqa: T201 - what the user can do now
        f"""
The lab is up, in standard mode. In another terminal, as root:
  hyperward status -c {config}
  hyperward vm list -c {config}
  hyperward events --follow -c {config}
  hyperward lab attack --name {name}
The policy is {svm.files.policy}; a changed file is applied at once.
Ctrl-C ends it and takes everything away.""",
        flush=True,
    )
    while svm.alive:
        time.sleep(1)
    raise SystemFault("the SVM has ended", where=str(svm.log))


def _exit_code(steps: list[Step]) -> int:
    return 0 if steps and all(step.ok for step in steps) else 1
