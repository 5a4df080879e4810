"""The database part of the demo: update to a version that lists one more address and has one more rule, and roll back.

Everything goes the way of a user: the publisher's repository is a folder, the SVM is told by the command line.
"""

import re
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from hyperward.lab.databases.publisher import LabPublisher
from hyperward.lab.deadline import wait_until
from hyperward.lab.evidence import Row
from hyperward.lab.messages import HttpRequest
from hyperward.lab.outcome import Outcome
from hyperward.lab.plan import OUT
from hyperward.lab.running import client_of
from hyperward.lab.scenario import BROWSER, Check, CheckKind
from hyperward.lab.scene import Checked, play
from hyperward.lab.step import EVENT_SECONDS, Progress, Step
from hyperward.lab.svm_process import LabSvm
from hyperward.lab.topology import Lab
from hyperward.lab.web.answer import Answer
from hyperward.lab.web.asking import ask
from hyperward.lab.web.attempts import Attempt, Site, Way
from hyperward.lab.web.evidence import FORBIDDEN
from hyperward.policy.fields import Mode

FRESH_HOST: Final = "fresh-malware.example"
MARK: Final = "X-Hyperward-Fresh"
_SID: Final = 84279999
RULE: Final = (
    'alert http any any -> any any (msg:"Hyperward lab: a threat of the next version"; flow:established,to_server; '
    f'http.header; content:"{MARK}|3a 20|worm"; fast_pattern; classtype:trojan-activity; '
    f"sid:{_SID}; rev:1;)"
)
_OK: Final = 200
DOWNLOAD: Final = 48 * 1024 * 1024
RATE: Final = 24 * 1024 * 1024
"""Bytes a second: one download takes two seconds, and they follow one another as long as the update takes."""


class DatabaseScenario:
    """The database part of the scenario.

    Args:
        lab: up.
        svm: started, with the databases of the publisher.
        publisher: that has published one version.
        progress: told what is being done.
        vm: a namespace VM that the policy covers.
    """

    def __init__(self, lab: Lab, svm: LabSvm, publisher: LabPublisher, *, progress: Progress, vm: str) -> None:
        self._lab = lab
        self._svm = svm
        self._publisher = publisher
        self._progress = progress
        self._vm = vm

    def update_and_roll_back(self) -> Step:
        """Update, see that it blocks more, roll back, see that it does not; a tampered repository in between.

        Raises:
            SystemFault: the SVM or a machine of the lab is gone.
        """
        self._svm.set_policy(self._svm.protected, Mode.STANDARD)
        rows = [self._status("1", "signed databases in force"), *self._open("before the update")]
        self._publisher.add([FRESH_HOST], [RULE])
        rows.append(self._tampered())
        rows += self._updated()
        rows += self._closed()
        self._progress("hyperward db rollback")
        back = self._svm.db("rollback")
        ok = (back["result"], back["after"]) == ("rolled back", "1")
        rows.append(Row("hyperward db rollback", "rolled back to version 1", f"{back['result']}: {back['after']}", ok))
        rows += self._open("after the rollback")
        return Step("Databases: a signed update, and back", tuple(rows))

    def _status(self, version: str, what: str) -> Row:
        said = self._svm.db("status")
        happened = f"version {said['version']}, {said['entries']} addresses"
        return Row(what, f"version {version}", happened, said["version"] == version)

    def _tampered(self) -> Row:
        """Change bytes of the repository, and see that the update is refused and nothing changes."""
        self._progress("an update from a repository that somebody changed")
        victim = self._publisher.repository / "metadata" / "timestamp.json"
        original = victim.read_bytes()
        victim.write_bytes(re.sub(rb'"sig": ?"', rb"\g<0>00", original))
        try:
            refused = self._svm.db_refused("update")
        finally:
            victim.write_bytes(original)
        version = self._svm.db("status")["version"]
        ok = bool(refused) and version == "1"
        return Row("update from a tampered repository", "refused, version 1 stays", f"version {version}; {refused}", ok)

    def _updated(self) -> list[Row]:
        """Update while a download runs, and judge both."""
        address = self._lab.plan.node(OUT).address(4)
        check = Check(CheckKind.DOWNLOAD, self._vm, OUT, 4, address, DOWNLOAD, RATE)
        self._progress("hyperward db update, while downloads run")
        downloads: list[Checked] = []
        with ThreadPoolExecutor(1) as pool:
            updating = pool.submit(self._svm.db, "update")
            while not updating.done() or not downloads:
                downloads += play(self._lab, [], [check], self._progress)[1]
            done = updating.result()
        report = done["report"] or {}
        added = sum(one["added"] for one in report.get("lists", ()))
        happened = f"{done['result']}: {done['after']}; {report.get('rules_added')} rule and {added} address added"
        ok = (done["result"], done["after"], report.get("rules_added"), added) == ("updated", "2", 1, 1)
        return [
            Row("hyperward db update", "version 2; 1 rule and 1 address added", happened, ok),
            _all_of(downloads),
        ]

    def _open(self, when: str) -> list[Row]:
        answers = [self._ask(family) for family in (4, 6)]
        outcome = self._worm()
        return [
            *(
                Row(f"{FRESH_HOST} {when}, IPv{family}", "open", str(answer), answer.status == _OK)
                for family, answer in zip((4, 6), answers, strict=True)
            ),
            Row(f"threat of the next version {when}", "passes", outcome.result.value, outcome.completed),
        ]

    def _closed(self) -> list[Row]:
        before = self._svm.last_event()
        rows = []
        for family in (4, 6):
            answer = self._ask(family)
            rows.append(
                Row(
                    f"{FRESH_HOST} after the update, IPv{family}", "block page", str(answer), answer.status == FORBIDDEN
                )
            )
        outcome = self._worm()
        rows.append(
            Row(
                "threat of the next version after the update",
                "connection cut",
                outcome.result.value,
                not outcome.completed,
            )
        )
        told: list[str] = []

        def complete() -> bool:
            events = self._svm.events_after(before)
            listed = [one for one in events if one.entry is not None and one.entry.version == "2"]
            ruled = [one for one in events if one.rule is not None and one.rule.sid == _SID]
            told[:] = [one.id for one in (*listed, *ruled)]
            return bool(len(listed) > 1 and ruled)

        ok = wait_until(complete, EVENT_SECONDS)
        happened = f"{len(told)} events name entry or rule of version 2"
        rows.append(Row("events of what version 2 blocks", "3 events", happened, ok, told[0] if told else ""))
        return rows

    def _ask(self, family: int) -> Answer:
        self._progress(f"{self._vm} asks for {FRESH_HOST}, IPv{family}")
        site = Site("fresh malware", Way.HTTP, FRESH_HOST)
        plan = self._lab.plan
        here, there = plan.node(self._vm).address(family), plan.node(OUT).address(family)
        return ask(self._lab, Attempt(site, self._vm, here, family, there)).answer

    def _worm(self) -> Outcome:
        request = HttpRequest("/", (("User-Agent", BROWSER), (MARK, "worm")))
        return client_of(self._lab, self._vm).http(request, self._lab.plan.node(OUT).address(4))


def _all_of(downloads: list[Checked]) -> Row:
    """Return whether every download that ran during the update went through."""
    good = sum(one.outcome.completed for one in downloads)
    what = f"downloads of {DOWNLOAD >> 20} MiB during the update"
    return Row(what, "all complete, checksums right", f"{good} of {len(downloads)} complete", good == len(downloads))
