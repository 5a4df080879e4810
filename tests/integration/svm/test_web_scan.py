"""Web Addresses Scan with the real daemon, kernel program and scanners: a VM asks with curl."""

import json
import os
import shutil
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from hyperward.events.model import Event, EventAction, Feature, Kind, Severity
from hyperward.ips.engine.procfs import process_info
from hyperward.lab.deadline import wait_until
from hyperward.lab.outcome import Result
from hyperward.lab.plan import OUT
from hyperward.lab.topology import Lab
from hyperward.webscan.database.builder import build
from hyperward.webscan.database.model import Entry, EntryKind
from svm_fixtures import SOURCES, Svm, running_svm
from svm_traffic import attack, until_cut

pytestmark = [pytest.mark.root, pytest.mark.engine, pytest.mark.timeout(240)]

VM, OTHER = "vm1", "vm2"
BAD, CLEAN = "bad.example", "clean.example"
ENTRIES = (
    Entry(EntryKind.DOMAIN, BAD, "malicious", "urls", "7"),
    Entry(EntryKind.PREFIX, "popular.example/evil/", "phishing", "urls", "8"),
    Entry(EntryKind.DOMAIN, "slots.example", "gambling", "own"),
)
SWITCH_SECONDS = 15.0
RENEWAL_SECONDS = 90.0


class Web:
    """An SVM whose policy scans the web addresses of vm1."""

    def __init__(self, svm: Svm) -> None:
        self.svm = svm
        self.lab = svm.lab
        self.settings: dict[str, Any] = {}

    def policy(
        self,
        *,
        mode: str = "standard",
        failure: str = "open",
        ips: bool = False,
        rows: Sequence[dict[str, Any]] = (),
        **settings: Any,
    ) -> None:
        """Replace the policy and wait until every scanner follows it: the daemon's event says so."""
        applied = len(self.svm.events(Kind.POLICY_APPLIED)) if self.svm.starts else 0
        self.svm.policies(
            {
                "name": "Web",
                "mode": mode,
                "assign": {"names": [VM]},
                "failure": {"down": failure},
                "exclusions": list(rows),
                "intrusion_prevention": {"enabled": ips, "network_attacks": {"action": "terminate"}},
                "web_addresses": {"enabled": True, **settings},
            }
        )
        if self.svm.starts:
            self.svm.wait_for_events(Kind.POLICY_APPLIED, applied + 1)

    def get(self, host: str, path: str = "/", vm: str = VM) -> tuple[int, str]:
        """Ask the lab's server for a page under any name; return the status, 0 for none, and the body."""
        address = self.lab.plan.node(OUT).address(4)
        command = ["curl", "-s", "-m", "3", "-w", "\n%{http_code}", "--resolve", f"{host}:80:{address}"]
        done = self.lab.netns(vm).run([*command, f"http://{host}{path}"], timeout=15)
        body, _, code = done.stdout.rpartition("\n")
        return int(code), body

    def blocks(self, host: str = BAD, path: str = "/") -> bool:
        return self.get(host, path)[0] == 403

    def lets(self, host: str = BAD, path: str = "/") -> bool:
        return self.get(host, path)[0] == 200

    def events(self) -> list[Event]:
        return self.svm.events(Kind.WEB_ADDRESS)

    def event_of(self, path: str) -> Event:
        """Return the one event of a request for that path, once it is there."""
        wait_until(lambda: bool(self.requests(path)), SWITCH_SECONDS)
        (event,) = self.requests(path)
        return event

    def requests(self, path: str) -> list[Event]:
        return [event for event in self.events() if event.request.endswith(path)]

    def scanners(self) -> list[int]:
        return [one["pid"] for one in self.svm.ask("status")["scanners"]["processes"]]


@pytest.fixture
def web(svm_lab: Lab, tmp_path: Path) -> Iterator[Web]:
    database = tmp_path / "a.hwa"
    build(ENTRIES, database, version="2026-11-22.1")
    with running_svm(svm_lab, tmp_path) as svm:
        found = Web(svm)
        svm.configure(addresses=[str(database)], scanners=2)
        found.policy()
        svm.start()
        yield found


def test_a_listed_address_is_blocked_with_a_page_and_an_event_and_others_are_not(web: Web) -> None:
    code, body = web.get(BAD, "/x?y=1")
    event = web.event_of("/x?y=1")
    assert code == 403
    assert event.id in body
    assert (event.vm.name if event.vm else "", event.feature) == (VM, Feature.WEB_ADDRESSES)
    assert (event.asked, event.done, event.reason) == (EventAction.BLOCK, EventAction.BLOCK, "")
    assert (event.category, event.request, event.protocol, event.application) == (
        "malicious",
        f"GET {BAD}/x?y=1",
        "TCP",
        "http",
    )
    assert event.entry is not None
    assert (event.entry.list, event.entry.id, event.entry.entry) == ("urls", "7", BAD)
    assert event.entry.version == "2026-11-22.1"
    assert event.destination_port == 80
    assert event.packet
    assert web.lets(CLEAN)
    assert web.lets("popular.example", "/about.html")
    assert web.blocks("popular.example", "/evil/x")
    assert web.get(BAD, vm=OTHER)[0] == 200
    assert web.lets("slots.example")


def test_status_tells_of_the_scan(web: Web) -> None:
    assert web.lets(CLEAN)
    assert wait_until(lambda: web.svm.status_of(VM) == "protected", 10), web.svm.ask("vms")
    (vm,) = [one for one in web.svm.ask("vms") if one["name"] == VM]
    assert (vm["features"], vm["ports"][0]["web"]) == (["web_addresses"], ["tcp", "quic"])
    status = web.svm.ask("status")["scanners"]
    assert (status["wanted"], status["ports"], len(status["processes"])) == (True, 1, 2)
    assert list(status["databases"].values()) == ["2026-11-22.1"]
    shown = web.svm.cli("status").stdout
    assert "web scanner 1" in shown
    assert "2026-11-22.1" in shown
    assert "web addresses" in web.svm.cli("vm", "list").stdout


def test_the_policy_is_changed_on_a_running_vm(web: Web) -> None:
    assert web.blocks()
    web.policy(categories={"malicious": "report"}, own_categories={"gambling": "block"})
    assert wait_until(web.lets, SWITCH_SECONDS)
    assert web.get(BAD, "/reported")[0] not in {0, 403}
    reported = web.event_of("/reported")
    assert (reported.asked, reported.done) == (EventAction.REPORT, EventAction.REPORT)
    assert wait_until(lambda: web.blocks("slots.example"), SWITCH_SECONDS)
    web.policy(never_block=[{"mask": BAD, "reason": "ours"}])
    assert wait_until(lambda: not web.blocks("slots.example"), SWITCH_SECONDS)
    assert web.get(BAD, "/exempt")[0] not in {0, 403}
    exempt = web.event_of("/exempt")
    assert (exempt.asked, exempt.done) == (EventAction.BLOCK, EventAction.REPORT)
    assert exempt.reason == f"never_block: {BAD}"
    web.svm.policies({"name": "Web", "assign": {"names": [VM]}})
    assert wait_until(web.lets, SWITCH_SECONDS)
    assert wait_until(lambda: web.scanners() == [None, None], SWITCH_SECONDS)


def test_monitoring_reports_and_never_acts(web: Web) -> None:
    web.policy(mode="monitoring")
    assert wait_until(web.lets, SWITCH_SECONDS)
    assert web.get(BAD, "/seen")[0] not in {0, 403}
    event = web.event_of("/seen")
    assert (event.asked, event.done, event.reason) == (EventAction.BLOCK, EventAction.REPORT, "monitoring mode")


def test_an_exclusion_makes_it_report_only(web: Web) -> None:
    web.policy(rows=[{"action": "do_not_block", "reason": "a test"}])
    assert wait_until(web.lets, SWITCH_SECONDS)
    assert web.get(BAD, "/seen")[0] not in {0, 403}
    event = web.event_of("/seen")
    assert (event.asked, event.done) == (EventAction.BLOCK, EventAction.REPORT)
    assert event.reason == "an exclusion: do_not_block"
    web.policy(rows=[{"action": "do_not_scan", "reason": "a test"}])
    assert wait_until(lambda: bool(web.get(BAD, "/unseen")[0]) and not web.requests("/unseen"), SWITCH_SECONDS)


def test_both_features_work_together_and_one_goes_without_the_other(web: Web) -> None:
    web.policy(ips=True)
    until_cut(web.lab, OUT, VM, seconds=SWITCH_SECONDS)
    assert web.blocks()
    assert web.lets(CLEAN)
    web.policy(ips=False)
    assert wait_until(lambda: attack(web.lab, OUT, VM) is Result.COMPLETED, SWITCH_SECONDS)
    assert web.blocks()
    web.policy(ips=True, enabled=False)
    until_cut(web.lab, OUT, VM, seconds=SWITCH_SECONDS)
    assert wait_until(web.lets, SWITCH_SECONDS)


def test_a_killed_scanner_lets_traffic_pass_and_comes_back(web: Web) -> None:
    assert web.blocks()
    for pid in web.scanners():
        os.kill(pid, signal.SIGKILL)
    assert wait_until(web.lets, 5)
    assert wait_until(web.blocks, SWITCH_SECONDS)
    assert len(web.svm.events(Kind.SCANNER_CRASHED)) == 2
    assert len(web.svm.wait_for_events(Kind.SCANNER_STARTED, 4)) == 4
    failures = web.svm.wait_for_events(Kind.FAILURE_ACTION)
    assert "the web scanner is down" in failures[0].message


def test_a_hung_scanner_is_ended_and_comes_back(web: Web) -> None:
    assert web.blocks()
    for pid in web.scanners():
        os.kill(pid, signal.SIGSTOP)
    assert wait_until(web.lets, 5)
    assert wait_until(web.blocks, SWITCH_SECONDS)
    assert any("no sign of life" in event.message for event in web.svm.events(Kind.SCANNER_CRASHED))


def test_closed_means_that_nothing_passes_without_a_scanner(web: Web) -> None:
    web.policy(failure="closed")
    assert wait_until(web.blocks, SWITCH_SECONDS)
    assert web.lets(CLEAN)
    for pid in web.scanners():
        os.kill(pid, signal.SIGKILL)
    assert web.get(CLEAN)[0] in {0, 200}
    assert wait_until(lambda: web.lets(CLEAN), SWITCH_SECONDS)


def test_blocking_goes_on_without_the_daemon_and_the_next_one_adopts_the_scanners(web: Web) -> None:
    before = web.scanners()
    web.svm.kill_daemon()
    assert web.blocks()
    assert web.lets(CLEAN)
    web.svm.start()
    assert web.scanners() == before
    assert len(web.svm.events(Kind.SCANNER_ADOPTED)) == 2
    assert web.blocks()
    # What was blocked meanwhile is stored too, each once.
    assert wait_until(lambda: len(web.events()) == 2, SWITCH_SECONDS), web.events()


def test_after_an_upgrade_the_scanners_of_before_are_replaced(web: Web, tmp_path: Path) -> None:
    older = tmp_path / "older"
    shutil.copytree(SOURCES / "hyperward", older / "hyperward", ignore=shutil.ignore_patterns("__pycache__"))
    (older / "hyperward" / "gone.py").write_text("")
    current = web.scanners()
    web.svm.kill_daemon()
    for pid in current:
        os.kill(pid, signal.SIGKILL)
    web.svm.start(older)
    before = web.scanners()
    web.svm.kill_daemon()
    web.svm.start()
    assert wait_until(lambda: not set(web.scanners()) & {*before, None}, RENEWAL_SECONDS), web.svm.log
    assert wait_until(web.blocks, SWITCH_SECONDS)
    assert web.lets(CLEAN)
    assert web.svm.events(Kind.SCANNER_CRASHED) == []
    assert all(one["error"] == "" for one in web.svm.ask("status")["scanners"]["processes"])
    assert all(process_info(pid) is None for pid in before)


def test_a_replaced_database_is_in_force_without_a_restart_and_a_damaged_one_holds_nothing_up(
    web: Web, tmp_path: Path
) -> None:
    database, before = tmp_path / "a.hwa", web.scanners()
    fresh = tmp_path / "b.hwa"
    build([Entry(EntryKind.DOMAIN, CLEAN, "malicious", "urls")], fresh, version="2")
    fresh.replace(database)
    # One scanner may be ahead of the other: each says which version it uses.
    assert wait_until(lambda: list(web.svm.ask("status")["scanners"]["databases"].values()) == ["2"], SWITCH_SECONDS)
    assert web.blocks(CLEAN)
    assert web.lets()
    broken = tmp_path / "c.hwa"
    broken.write_bytes(database.read_bytes()[:100])
    broken.replace(database)
    [unusable] = web.svm.wait_for_events(Kind.ADDRESSES_UNUSABLE)
    assert "a.hwa" in unusable.message
    assert unusable.severity is Severity.WARNING
    assert web.blocks(CLEAN)
    web.policy(categories={"malicious": "report"})
    assert web.lets(CLEAN)
    web.policy()
    build([Entry(EntryKind.DOMAIN, BAD, "malicious", "urls")], database, version="3")
    assert web.svm.wait_for_events(Kind.ADDRESSES_USABLE)
    assert web.blocks()
    assert web.scanners() == before


def test_detach_ends_the_scanners_and_takes_their_devices_away(web: Web) -> None:
    assert web.blocks()
    web.svm.stop_daemon()
    done = web.svm.cli("svm", "detach")
    assert done.returncode == 0, done.stderr
    links = json.loads(web.lab.host.run(["ip", "-j", "link"]).stdout)
    assert not [link["ifname"] for link in links if link["ifname"].startswith("hww")]
    assert web.get(BAD)[0] == 200
