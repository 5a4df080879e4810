"""Shadow policies come into force after what acts, and nothing of theirs reaches it."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from hyperward.errors import InputError
from hyperward.events.model import VmRef
from hyperward.inventory.models import NicIdentity
from hyperward.ips.rules.classes import RuleClass
from hyperward.policy.actions import Action
from hyperward.policy.fields import Mode
from hyperward.policy.models import Failure
from hyperward.policy.resolve import IpsSettings, Variant
from hyperward.policy.shadow import Shadow
from hyperward.steering.stub import StubPorts
from hyperward.svm.apply import Applier
from hyperward.svm.desired import DesiredPort
from hyperward.svm.exclusion_sets import ExclusionSets
from hyperward.svm.lanes import Lane
from hyperward.svm.rulesets import RuleSet
from hyperward.svm.scanners.link import StubScanners
from hyperward.svm.state import State
from hyperward.svm.stub import StubEngine, StubRuleSets, StubTables
from hyperward.svm.views import FORMER_SHADOW, SHADOW_REASON, LedgerViews

ACTIVE = IpsSettings(
    network_attacks=Action.IGNORE,
    malware=Action.TERMINATE,
    adware=None,
    other=None,
    excluded_rules=(),
    home_net=("10.0.0.0/8",),
    external_net=("any",),
    variant=Variant.ENFORCE,
)
STRICT = Shadow("Strict", replace(ACTIVE, network_attacks=Action.TERMINATE_AND_BLOCK, variant=Variant.OBSERVE))
OTHER = Shadow("Other", replace(STRICT.ips, adware=Action.TERMINATE))


def port(
    number: int, shadow: Shadow | None = STRICT, ips: IpsSettings = ACTIVE, mode: Mode = Mode.STANDARD
) -> DesiredPort:
    identity = NicIdentity("static", f"vm{number}", None)
    return DesiredPort(f"tap{number}", f"vm{number}", identity, None, ips, mode, Failure(), shadow=shadow)


class Node:
    """An applier with stubs, and interfaces tap1 to tap9 with indexes 101 to 109."""

    def __init__(self, folder: Path) -> None:
        self.ports, self.engine, self.rule_sets = StubPorts(), StubEngine(), StubRuleSets()
        self.links = {f"tap{number}": 100 + number for number in range(1, 10)}
        self.path = folder / "state.json"
        self.begin()

    def begin(self) -> None:
        self.state = State(self.path)
        self.applier = Applier(
            ports=self.ports,
            engine=self.engine,
            rule_sets=self.rule_sets,
            state=self.state,
            exclusions=ExclusionSets(StubTables()),
            scanners=StubScanners(),
        )
        self.views = LedgerViews(
            self.state.ledger, self.applier.ports_by_vid, self.applier.versions_by_vid, self.applier.applied_by_id
        )

    def apply(self, *wanted: DesiredPort) -> dict[str, str]:
        outcome = asyncio.run(self.applier.apply(wanted, self.links, dict.fromkeys(self.links, 1)))
        assert not outcome.failed
        return asyncio.run(self.applier.apply_shadows())

    def tenant(self, number: int, *, shadow: bool = False) -> int:
        settings = self.ports.ports[100 + number]
        return self.engine.registered.mappings[settings.shadow_vid if shadow else settings.vid]


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


@pytest.mark.parametrize("mode", list(Mode))
def test_a_shadow_has_a_lane_and_a_tenant_of_its_own(node: Node, mode: Mode) -> None:
    assert node.apply(port(1, mode=mode), port(2, mode=mode), port(3, None, mode=mode)) == {}
    first, second, third = (node.ports.ports[number] for number in (101, 102, 103))
    assert len({first.vid, second.vid, third.vid, first.shadow_vid, second.shadow_vid}) == 5
    assert third.shadow_vid == 0
    assert node.tenant(1, shadow=True) == node.tenant(2, shadow=True) != node.tenant(1)


def test_a_shadow_never_shares_its_tenant_with_rules_that_act(node: Node) -> None:
    node.apply(port(1, STRICT, STRICT.ips, Mode.MONITORING))
    assert node.tenant(1, shadow=True) != node.tenant(1)


def test_rules_that_act_are_in_force_before_those_of_a_shadow_are_compiled(node: Node) -> None:
    asyncio.run(node.applier.apply([port(1)], node.links, {}))
    assert node.rule_sets.asked == [ACTIVE]
    assert node.ports.ports[101].shadow_vid == 0
    assert node.tenant(1)


def test_a_shadow_that_cannot_be_compiled_concerns_nobody_else(node: Node) -> None:
    node.rule_sets.fails[OTHER.ips] = InputError("broken", where="x.rules:7")
    assert node.apply(port(1, OTHER), port(2)) == {"tap1": "Other: x.rules:7: broken"}
    assert node.tenant(1)
    assert node.ports.ports[101].shadow_vid == 0
    assert node.tenant(2, shadow=True)


def test_a_shadow_that_the_engine_refuses_concerns_nobody_else_and_is_tried_again(node: Node) -> None:
    node.engine.refuses = {2}
    assert node.apply(port(1)) == {"tap1": "Strict: the engine refused its rules"}
    assert (node.tenant(1), node.ports.ports[101].shadow_vid) == (1, 0)
    node.engine.refuses = set()
    assert node.apply(port(1)) == {}
    assert node.tenant(1, shadow=True) == 2


def test_rules_that_the_engine_refuses_to_exchange_are_told(node: Node) -> None:
    node.apply(port(1))
    node.engine.refuses = {node.tenant(1, shadow=True)}
    assert node.apply(port(1, OTHER)) == {"tap1": "Other: the engine refused its rules"}
    assert node.ports.ports[101].shadow_vid == 0


def test_a_change_of_the_active_policy_leaves_the_shadow_alone(node: Node) -> None:
    node.apply(port(1))
    before = node.ports.ports[101]
    node.ports.calls.clear()
    node.apply(port(1, ips=replace(ACTIVE, adware=Action.TERMINATE)))
    assert node.ports.ports[101] == before
    assert node.ports.calls == []
    assert all(before.shadow_vid in desired.mappings for desired in node.engine.desired[1:])


def test_another_shadow_takes_the_same_lane(node: Node) -> None:
    node.apply(port(1), port(2))
    before = node.ports.ports[101]
    assert node.apply(port(1, OTHER), port(2)) == {}
    assert node.ports.ports[101] == before
    assert node.tenant(1, shadow=True) != node.tenant(2, shadow=True)


def test_a_shadow_that_is_taken_off_leaves_the_kernel_and_the_engine(node: Node) -> None:
    node.apply(port(1))
    vid = node.ports.ports[101].shadow_vid
    node.apply(port(1, None))
    assert node.ports.ports[101].shadow_vid == 0
    assert vid not in node.engine.desired[-1].mappings
    assert list(node.engine.registered.tenants) == [node.tenant(1)]


def test_a_restarted_daemon_keeps_lanes_and_tenants(node: Node) -> None:
    node.apply(port(1))
    before, tenants = dict(node.ports.ports), dict(node.engine.registered.mappings)
    node.begin()
    assert node.apply(port(1)) == {}
    assert (node.ports.ports, node.engine.registered.mappings) == (before, tenants)


def test_an_engine_that_is_down_gets_the_shadow_when_it_is_back(node: Node) -> None:
    node.engine.down = True
    assert node.apply(port(1)) == {}
    assert node.ports.ports[101].shadow_vid in node.engine.desired[-1].mappings


def test_no_shadow_no_second_command(node: Node) -> None:
    node.apply(port(1, None))
    assert len(node.engine.desired) == 1


def test_a_full_ledger_takes_the_shadow_and_leaves_the_active_policy(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hyperward.svm.lanes.VID_PROBE", 2)
    assert list(node.apply(port(1))) == ["tap1"]
    assert node.tenant(1)
    assert node.ports.ports[101].shadow_vid == 0


def test_events_of_the_lane_are_marked(node: Node) -> None:
    node.apply(port(1))
    settings = node.ports.ports[101]
    active, shadow = node.views.by_vid(settings.vid), node.views.by_vid(settings.shadow_vid)
    assert active is not None
    assert shadow is not None
    assert (active.shadow, active.asked[RuleClass.NETWORK_ATTACK]) == ("", Action.IGNORE)
    assert (shadow.shadow, shadow.asked[RuleClass.NETWORK_ATTACK]) == ("Strict", Action.TERMINATE_AND_BLOCK)
    assert (shadow.port, shadow.vm) == (active.port, VmRef(name="vm1", id="static/vm1"))
    assert (shadow.enforce, shadow.observe_reason) == (False, SHADOW_REASON)
    assert shadow.rules_version


def test_events_of_a_lane_whose_shadow_is_forgotten_are_marked_all_the_same(node: Node) -> None:
    node.apply(port(1))
    vid = node.ports.ports[101].shadow_vid
    node.begin()
    view = node.views.by_vid(vid)
    assert view is not None
    assert (view.shadow, view.asked) == (FORMER_SHADOW, {})
    owner = node.state.ledger.owner(vid)
    assert owner is not None
    assert owner.lane is Lane.SHADOW


def test_a_vlan_id_of_a_lost_ledger_is_given_up_before_it_belongs_to_somebody_else(node: Node) -> None:
    node.apply(port(1), port(2))
    node.path.unlink()
    node.begin()
    asyncio.run(node.applier.apply([port(2), port(3), port(1)], node.links, {}))
    in_use = [settings.vid for settings in node.ports.ports.values()]
    assert not {settings.shadow_vid for settings in node.ports.ports.values()} & set(in_use)
    assert asyncio.run(node.applier.apply_shadows()) == {}


def test_a_change_while_a_shadow_is_compiled_goes_first_and_the_shadow_follows_it(node: Node) -> None:
    async def both() -> dict[str, str]:
        await node.applier.apply([port(1, OTHER)], node.links, {})
        compiling, go_on = asyncio.Event(), asyncio.Event()
        get = node.rule_sets.get

        async def slow(settings: IpsSettings) -> RuleSet:
            if settings == OTHER.ips:
                compiling.set()
                await go_on.wait()
            return await get(settings)

        node.rule_sets.get = slow  # type: ignore[method-assign]
        shadows = asyncio.create_task(node.applier.apply_shadows())
        await compiling.wait()
        await node.applier.apply([port(1), port(2)], node.links, {})
        assert node.tenant(2)
        go_on.set()
        return await shadows

    assert asyncio.run(both()) == {}
    assert node.tenant(1, shadow=True) == node.tenant(2, shadow=True)


def test_a_port_whose_interface_is_not_there_keeps_its_lane(node: Node) -> None:
    node.apply(port(1))
    before = node.ports.ports[101]
    index = node.links.pop("tap1")
    assert node.apply(port(1)) == {}
    assert before.shadow_vid in node.engine.desired[-1].mappings
    node.links["tap1"] = index
    node.apply(port(1))
    assert node.ports.ports[101] == before
