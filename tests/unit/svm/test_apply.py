import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from hyperward.errors import InputError, SystemFault
from hyperward.exclusions.rows import ExclusionAction, ExclusionRow
from hyperward.inventory.models import NicIdentity
from hyperward.policy.actions import Action, WebAction
from hyperward.policy.fields import FailureAction, Mode
from hyperward.policy.models import Failure
from hyperward.policy.resolve import IpsSettings, Variant
from hyperward.steering.layout import Mode as SteeringMode
from hyperward.steering.layout import Web
from hyperward.steering.stub import StubPorts
from hyperward.svm.apply import Applier, Outcome
from hyperward.svm.desired import DesiredPort
from hyperward.svm.exclusion_sets import ExclusionSets, SetUse
from hyperward.svm.scanners.link import StubScanners
from hyperward.svm.scanners.settings import ScannedPort
from hyperward.svm.state import State
from hyperward.svm.stub import StubEngine, StubRuleSets, StubTables
from hyperward.webscan.settings import WebScan

IPS = IpsSettings(
    network_attacks=Action.TERMINATE,
    malware=Action.TERMINATE,
    adware=None,
    other=None,
    excluded_rules=(),
    home_net=("10.0.0.0/8",),
    external_net=("any",),
    variant=Variant.ENFORCE,
)
WEB = WebScan({"malicious": WebAction.BLOCK})
OTHER = replace(IPS, adware=Action.TERMINATE)


def port(
    number: int,
    ips: IpsSettings | None = IPS,
    mode: Mode = Mode.STANDARD,
    web: WebScan | None = None,
    **failure: FailureAction,
) -> DesiredPort:
    return DesiredPort(
        interface=f"tap{number}",
        vm=f"vm{number}",
        identity=NicIdentity("static", f"vm{number}", None),
        port_id=None,
        ips=ips,
        mode=mode,
        failure=Failure(**failure),
        policy="p",
        web=web,
    )


class Node:
    """An applier with stubs, and interfaces tap1 to tap9 with indexes 101 to 109."""

    def __init__(self, folder: Path) -> None:
        self.ports, self.engine, self.rule_sets = StubPorts(), StubEngine(), StubRuleSets()
        self.tables, self.scanners = StubTables(), StubScanners()
        self.state_path = folder / "state.json"
        self.links = {f"tap{number}": 100 + number for number in range(1, 10)}
        self.begin()

    def begin(self) -> None:
        self.state = State(self.state_path)
        in_use = [SetUse(port.exclusion_set, port.exclusion_version) for port in self.ports.ports.values()]
        self.applier = Applier(
            ports=self.ports,
            engine=self.engine,
            rule_sets=self.rule_sets,
            state=self.state,
            exclusions=ExclusionSets(self.tables, in_use),
            scanners=self.scanners,
        )

    def apply(self, *wanted: DesiredPort) -> Outcome:
        return asyncio.run(self.applier.apply(wanted, self.links, dict.fromkeys(self.links, 1)))

    def tenant_of(self, number: int) -> int:
        return self.engine.registered.mappings[self.ports.ports[100 + number].vid]


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


def test_equal_settings_share_a_tenant_and_ports_are_put(node: Node) -> None:
    outcome = node.apply(port(1), port(2), port(3, OTHER))
    assert outcome.put == ["tap1", "tap2", "tap3"]
    assert node.tenant_of(1) == node.tenant_of(2) != node.tenant_of(3)
    assert len({settings.vid for settings in node.ports.ports.values()}) == 3
    assert len({settings.port_id for settings in node.ports.ports.values()}) == 3


def test_the_engine_is_ready_before_a_port_uses_it(node: Node) -> None:
    node.apply(port(1))
    assert node.engine.desired
    assert node.ports.calls == [("put", 101)]


def test_nothing_changes_when_nothing_changed(node: Node) -> None:
    node.apply(port(1), port(2))
    node.ports.calls.clear()
    outcome = node.apply(port(1), port(2))
    assert (outcome.put, outcome.removed, node.ports.calls) == ([], [], [])


def test_change_of_one_vm_leaves_the_others_alone(node: Node) -> None:
    node.apply(port(1), port(2))
    before = dict(node.ports.ports)
    tenant = node.tenant_of(2)
    node.ports.calls.clear()
    node.apply(port(1, OTHER), port(2))
    assert node.ports.calls == []
    assert node.ports.ports == before
    assert node.tenant_of(2) == tenant != node.tenant_of(1)


def test_change_of_all_users_of_a_tenant_reloads_it_in_place(node: Node) -> None:
    node.apply(port(1), port(2))
    before = node.tenant_of(1)
    node.apply(port(1, OTHER), port(2, OTHER))
    assert node.tenant_of(1) == node.tenant_of(2) == before


def test_changed_sources_reload_the_tenant_in_place(node: Node) -> None:
    node.apply(port(1))
    tenant, version = node.tenant_of(1), node.engine.registered.tenants.copy()
    node.rule_sets.sources = "2"
    node.apply(port(1))
    assert node.tenant_of(1) == tenant
    assert node.engine.registered.tenants != version


def test_refused_reload_in_place_is_told_and_the_old_rules_stay(node: Node) -> None:
    node.apply(port(1))
    tenants = node.engine.registered.tenants.copy()
    node.engine.refuses = {node.tenant_of(1)}
    outcome = node.apply(port(1, OTHER))
    assert "refused" in outcome.failed["tap1"]
    assert node.engine.registered.tenants == tenants


def test_monitoring_takes_a_lane_of_its_own_and_comes_back_to_the_first(node: Node) -> None:
    node.apply(port(1))
    inline = node.ports.ports[101]
    node.apply(port(1, replace(IPS, variant=Variant.OBSERVE), Mode.MONITORING))
    copies = node.ports.ports[101]
    assert (copies.mode, copies.port_id) == (SteeringMode.MONITORING, inline.port_id)
    assert copies.vid != inline.vid
    node.apply(port(1))
    assert node.ports.ports[101] == inline


def test_failure_settings_reach_the_port(node: Node) -> None:
    node.apply(port(1, down=FailureAction.CLOSED))
    assert (node.ports.ports[101].closed_down, node.ports.ports[101].closed_busy) == (True, False)


def test_port_without_policy_is_released_and_its_id_rests(node: Node) -> None:
    node.apply(port(1), port(2))
    gone = node.ports.ports[101]
    outcome = node.apply(port(2))
    assert outcome.removed == [101]
    assert 101 not in node.ports.ports
    node.apply(port(2), port(3))
    assert node.ports.ports[103].vid != gone.vid
    assert node.ports.ports[103].port_id != gone.port_id


def test_policy_without_ips_releases_the_port(node: Node) -> None:
    node.apply(port(1))
    assert node.apply(port(1, None)).removed == [101]


def test_missing_interface_is_told_and_protected_when_it_appears(node: Node) -> None:
    index = node.links.pop("tap1")
    assert node.apply(port(1)).missing == ["tap1"]
    node.links["tap1"] = index
    assert node.apply(port(1)).put == ["tap1"]


def test_restarted_vm_gets_its_lanes_back_on_the_other_interface_index(node: Node) -> None:
    node.apply(port(1))
    before = node.ports.ports[101]
    node.links["tap1"] = 201
    outcome = node.apply(port(1))
    assert (outcome.put, outcome.removed) == (["tap1"], [101])
    assert node.ports.ports[201] == before


def test_rules_that_cannot_be_compiled_leave_the_vm_as_it_was(node: Node) -> None:
    node.apply(port(1), port(2))
    before, registered = dict(node.ports.ports), node.tenant_of(1)
    node.rule_sets.fails[OTHER] = InputError("broken", where="x.rules:7")
    outcome = node.apply(port(1, OTHER), port(2), port(3))
    assert outcome.failed == {"tap1": "x.rules:7: broken"}
    assert node.ports.ports[101] == before[101]
    assert node.tenant_of(1) == registered
    assert 103 in node.ports.ports


def test_rules_that_cannot_be_compiled_do_not_attach_a_vm_without_any(node: Node) -> None:
    node.rule_sets.fails[IPS] = InputError("broken")
    outcome = node.apply(port(1))
    assert "tap1" in outcome.failed
    assert node.ports.ports == {}


def test_tenant_that_the_engine_refuses_leaves_the_vm_as_it_was(node: Node) -> None:
    node.apply(port(1), port(2))
    before, tenant = node.ports.ports[101], node.tenant_of(1)
    node.engine.refuses = {2}
    outcome = node.apply(port(1, OTHER), port(2))
    assert "refused" in outcome.failed["tap1"]
    assert node.ports.ports[101] == before
    assert node.engine.registered.mappings.get(before.vid) in {tenant, None}


def test_engine_that_is_down_does_not_keep_ports_from_their_failure_action(node: Node) -> None:
    node.engine.down = True
    outcome = node.apply(port(1))
    assert (outcome.put, outcome.failed) == (["tap1"], {})


def test_one_port_that_fails_does_not_stop_the_others(node: Node) -> None:
    node.ports.fail_on[101] = SystemFault("no such device", where="tap1")
    outcome = node.apply(port(1), port(2))
    assert outcome.failed == {"tap1": "tap1: no such device"}
    assert outcome.put == ["tap2"]


def test_restarted_daemon_finds_the_same_lanes_and_tenants(node: Node) -> None:
    node.apply(port(1), port(2, OTHER))
    ports, registered = dict(node.ports.ports), dict(node.engine.registered.mappings)
    node.begin()
    node.ports.calls.clear()
    node.apply(port(1), port(2, OTHER))
    assert node.ports.calls == []
    assert (node.ports.ports, node.engine.registered.mappings) == (ports, registered)


def test_damaged_state_is_put_aside_and_the_daemon_goes_on(node: Node) -> None:
    node.state_path.write_bytes(b"{")
    node.begin()
    assert node.apply(port(1)).put == ["tap1"]
    assert node.state_path.with_suffix(".damaged").exists()


def excluded(address: str, action: ExclusionAction = ExclusionAction.DO_NOT_BLOCK) -> ExclusionRow:
    return ExclusionRow(address=address, action=action, reason="a test")


def with_rows(number: int, *rows: ExclusionRow, mode: Mode = Mode.STANDARD) -> DesiredPort:
    return replace(port(number, mode=mode), exclusions=rows)


def test_do_not_block_gives_the_port_an_observe_lane_with_the_same_rules(node: Node) -> None:
    outcome = node.apply(with_rows(1, excluded("10.0.0.1")), port(2))
    settings = node.ports.ports[101]
    assert outcome.failed == {}
    assert settings.observe_vid not in {0, settings.vid}
    mappings = node.engine.registered.mappings
    assert mappings[settings.observe_vid] != mappings[settings.vid] == mappings[node.ports.ports[102].vid]
    assert {settings.variant for settings in node.rule_sets.asked} == {Variant.ENFORCE, Variant.OBSERVE}
    assert node.applier.ports_by_vid[settings.observe_vid].vm == "vm1"
    assert node.ports.ports[102].observe_vid == 0


def test_do_not_scan_needs_no_observe_lane(node: Node) -> None:
    node.apply(with_rows(1, excluded("10.0.0.1", ExclusionAction.DO_NOT_SCAN)))
    settings = node.ports.ports[101]
    assert (settings.observe_vid, settings.exclusion_set) == (0, 1)
    assert {settings.variant for settings in node.rule_sets.asked} == {Variant.ENFORCE}


def test_observe_lane_outlives_the_row_until_no_packet_takes_it(node: Node) -> None:
    node.apply(with_rows(1, excluded("10.0.0.1")))
    vid = node.ports.ports[101].observe_vid
    node.apply(port(1))
    assert (node.ports.ports[101].observe_vid, node.ports.ports[101].exclusion_set) == (0, 0)
    assert vid in node.engine.desired[-1].mappings
    assert node.tables.sets == {}
    node.apply(port(1))
    assert vid not in node.engine.desired[-1].mappings


def test_changed_rows_put_only_the_ports_concerned(node: Node) -> None:
    node.apply(with_rows(1, excluded("10.0.0.1")), with_rows(2, excluded("10.0.0.2")), port(3))
    node.ports.calls.clear()
    before = node.ports.ports[101]
    node.apply(with_rows(1, excluded("10.0.0.9")), with_rows(2, excluded("10.0.0.2")), port(3))
    assert node.ports.calls == [("put", 101)]
    after = node.ports.ports[101]
    assert (after.exclusion_set, after.observe_vid) == (before.exclusion_set, before.observe_vid)
    assert after.exclusion_version > before.exclusion_version


def test_monitoring_has_rows_but_no_observe_lane(node: Node) -> None:
    node.apply(with_rows(1, excluded("10.0.0.1"), mode=Mode.MONITORING))
    assert (node.ports.ports[101].observe_vid, node.ports.ports[101].exclusion_set) == (0, 1)


def test_without_the_observe_tenant_the_rules_act(node: Node) -> None:
    node.engine.refuses = {2}
    node.apply(with_rows(1, excluded("10.0.0.1")))
    held = node.engine.registered.mappings
    settings = node.ports.ports.get(101)
    assert settings is None or settings.observe_vid == 0 or settings.observe_vid in held


def test_exclusions_that_the_kernel_refuses_leave_the_vm_inspected(node: Node) -> None:
    node.tables.full[1] = SystemFault("no room")
    outcome = node.apply(with_rows(1, excluded("10.0.0.1")))
    assert outcome.failed == {"tap1": "no room"}
    assert node.ports.ports[101].exclusion_set == 0


def test_restarted_daemon_moves_ports_to_fresh_sets(node: Node) -> None:
    node.apply(with_rows(1, excluded("10.0.0.1")))
    before = node.ports.ports[101]
    node.begin()
    node.apply(with_rows(1, excluded("10.0.0.1")))
    after = node.ports.ports[101]
    assert (after.vid, after.observe_vid) == (before.vid, before.observe_vid)
    assert after.exclusion_set != before.exclusion_set
    assert list(node.tables.sets) == [after.exclusion_set]


def test_scanners_know_a_port_before_it_is_switched_to_them_and_until_it_is_not(node: Node) -> None:
    order: list[object] = []
    node.scanners.on_follow = lambda: order.append({p.port_id: p.web for p in node.ports.ports.values()})
    node.apply(port(1, web=WEB), port(2))
    settings = node.ports.ports[101]
    assert settings.web == Web.TCP | Web.QUIC
    assert node.scanners.calls == [{settings.port_id: ScannedPort("vm1", "p", WEB)}]
    assert order == [{}]
    node.apply(port(1), port(2))
    assert node.ports.ports[101].web == Web.NONE
    assert [len(call) for call in node.scanners.calls[1:]] == [1, 0]
    assert order[1:] == [{settings.port_id: Web.TCP | Web.QUIC, 2: Web.NONE}, {settings.port_id: Web.NONE, 2: Web.NONE}]


def test_web_scan_without_intrusion_prevention(node: Node) -> None:
    outcome = node.apply(port(1, None, web=WEB), port(2))
    assert (outcome.put, outcome.failed) == (["tap1", "tap2"], {})
    alone = node.ports.ports[101]
    assert (alone.vid, alone.web, alone.mode) == (0, Web.TCP | Web.QUIC, SteeringMode.STANDARD)
    assert len(node.engine.registered.mappings) == 1
    node.apply(port(1, web=WEB), port(2))
    both = node.ports.ports[101]
    assert (both.port_id, both.web) == (alone.port_id, alone.web)
    assert node.tenant_of(1) == node.tenant_of(2)
    node.apply(port(1, None, web=WEB), port(2))
    assert node.ports.ports[101] == alone
    assert node.apply(port(2)).removed == [101]
    assert node.scanners.ports == {}


def test_a_change_of_web_settings_touches_no_port(node: Node) -> None:
    node.apply(port(1, web=WEB), port(2, web=WEB))
    node.ports.calls.clear()
    mild = WebScan({"malicious": WebAction.REPORT})
    node.apply(port(1, web=mild), port(2, web=WEB))
    assert node.ports.calls == []
    assert [told.web for _, told in sorted(node.scanners.ports.items())] == [mild, WEB]


def test_protocols_decide_which_packets_are_handed_over(node: Node) -> None:
    dns = WebScan({"malicious": WebAction.BLOCK}, http=False, tls=False, quic=False, dns=True)
    quic = WebScan({"malicious": WebAction.BLOCK}, http=False, tls=False)
    node.apply(port(1, None, web=dns), port(2, None, web=quic))
    assert [node.ports.ports[number].web for number in (101, 102)] == [Web.TCP | Web.DNS, Web.QUIC]


def test_scanners_that_refuse_leave_the_web_scan_as_it_was(node: Node) -> None:
    node.scanners.refuses = "a.hwa is damaged"
    outcome = node.apply(port(1, web=WEB), port(2, None, web=WEB))
    assert outcome.failed == dict.fromkeys(("tap1", "tap2"), "a.hwa is damaged")
    assert (node.ports.ports[101].web, 102 in node.ports.ports) == (Web.NONE, False)
    node.scanners.refuses = ""
    node.apply(port(1, web=WEB), port(2, None, web=WEB))
    node.scanners.refuses = "b.hwa is damaged"
    outcome = node.apply(port(1, web=WEB), port(2, None, web=WEB), port(3))
    assert node.ports.ports[101].web == node.ports.ports[102].web == Web.TCP | Web.QUIC
    assert 103 in node.ports.ports


def test_settings_that_cannot_be_written_keep_the_ports_as_they_are(node: Node) -> None:
    node.scanners.fails = SystemFault("disk is full")
    outcome = node.apply(port(1, web=WEB))
    assert outcome.failed == {"tap1": "disk is full"}
    assert node.ports.ports[101].web == Web.NONE


def test_rules_that_cannot_be_compiled_do_not_keep_the_web_scan_away(node: Node) -> None:
    node.rule_sets.fails[IPS] = InputError("broken")
    outcome = node.apply(port(1, web=WEB))
    assert outcome.failed == {"tap1": "broken"}
    assert (node.ports.ports[101].vid, node.ports.ports[101].web) == (0, Web.TCP | Web.QUIC)


def test_restarted_daemon_leaves_the_web_scan_alone(node: Node) -> None:
    node.apply(port(1, web=WEB))
    node.begin()
    node.ports.calls.clear()
    node.apply(port(1, web=WEB))
    assert node.ports.calls == []
    assert node.applier.applied_by_id[node.ports.ports[101].port_id].vm == "vm1"
