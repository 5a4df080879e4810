import base64
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from hyperward.events.detect import Origin, PortView, event_of, parse_time
from hyperward.events.ids import derived_id, random_id
from hyperward.events.model import Direction, Event, EventAction, Kind, Party, Severity, VmRef
from hyperward.ips.engine.eve import decode_line
from hyperward.ips.rules.classes import RuleClass
from hyperward.policy.actions import Action

ASKED = {RuleClass.MALWARE: Action.TERMINATE, RuleClass.NETWORK_ATTACK: Action.TERMINATE_AND_BLOCK}
VM = VmRef(name="web", path="/dc/web", id="lab:1")


class Ports:
    def __init__(self, **changes: Any) -> None:
        view = PortView(port=3, vm=VM, mac="02:00:00:00:00:01", asked=ASKED, rules_version="r9")
        self.view = PortView(**({name: getattr(view, name) for name in PortView.__slots__} | changes))

    def by_vid(self, vid: int) -> PortView | None:
        return self.view if vid == 5 else None


def line(**changes: Any) -> bytes:
    record: dict[str, Any] = {
        "timestamp": "2026-11-22T12:29:10.423124+0000",
        "event_type": "alert",
        "in_iface": "hwg1",
        "vlan": [5, 99],
        "src_ip": "10.0.0.1",
        "src_port": 1,
        "dest_ip": "10.0.0.2",
        "dest_port": 2,
        "proto": "TCP",
        "direction": "to_server",
        "alert": {
            "signature_id": 7,
            "gid": 1,
            "rev": 2,
            "signature": "evil",
            "metadata": {"hyperward_class": ["malware"]},
        },
        "verdict": {"action": "drop"},
    }
    return msgspec.json.encode(record | changes)


def event(ports: Ports | None = None, **changes: Any) -> Event:
    data = line(**changes)
    found = event_of(decode_line(data), ports or Ports(), Origin("svm1", "1.2", 77, data))
    assert found is not None
    return found


def test_addresses_are_written_as_people_do() -> None:
    found = event(src_ip="fd77:0000:0000:0000:0000:0000:0000:0011", dest_ip="10.0.0.2")
    assert (found.source, found.destination) == ("fd77::11", "10.0.0.2")


def rule(category: str) -> dict[str, Any]:
    return {"signature_id": 7, "metadata": {"hyperward_class": [category]}}


def test_a_blocked_attack() -> None:
    found = event()
    assert (found.kind, found.severity, found.category) == (Kind.DETECTION, Severity.CRITICAL, "malware")
    assert (found.vm, found.port, found.vlan) == (VM, 3, (99,))
    assert (found.asked, found.done, found.reason) == (EventAction.TERMINATE, EventAction.TERMINATE, "")
    assert (found.direction, found.opened_by) == (Direction.OUTBOUND, Party.VM)
    assert str(found.rule) == "1:7:2"
    assert found.rule is not None
    assert found.rule.version == "r9"
    assert found.time == datetime(2026, 11, 22, 12, 29, 10, 423124, tzinfo=UTC)


@pytest.mark.parametrize(
    ("iface", "direction", "expected"),
    [
        ("hwg1", "to_server", (Direction.OUTBOUND, Party.VM)),
        ("hwg1", "to_client", (Direction.OUTBOUND, Party.REMOTE)),
        ("hwn1", "to_server", (Direction.INBOUND, Party.REMOTE)),
        ("hwn1", "to_client", (Direction.INBOUND, Party.VM)),
        ("hwn1", "", (Direction.INBOUND, None)),
        ("hwm1", "to_server", (None, None)),
    ],
)
def test_direction(iface: str, direction: str, expected: tuple[Direction | None, Party | None]) -> None:
    found = event(in_iface=iface, direction=direction)
    assert (found.direction, found.opened_by) == expected


@pytest.mark.parametrize(("tag", "expected"), [("2005", Direction.INBOUND), ("0005", Direction.OUTBOUND)])
def test_direction_of_a_copy_by_the_priority_in_its_tag(tag: str, expected: Direction) -> None:
    frame = base64.b64encode(bytes.fromhex("02" * 12 + "8100" + tag + "0800") + b"x" * 50).decode()
    assert event(Ports(enforce=False), in_iface="hwg1", packet=frame).direction is expected


def test_direction_by_mac_where_the_interface_does_not_tell() -> None:
    ether = {"src_mac": "02:00:00:00:00:09", "dest_mac": "02:00:00:00:00:01"}
    assert event(in_iface="hwm1", ether=ether).direction is Direction.INBOUND


@pytest.mark.parametrize(
    ("ports", "changes", "done", "reason"),
    [
        (Ports(enforce=False), {"verdict": {"action": "alert"}}, EventAction.IGNORE, "monitoring mode"),
        (Ports(), {"verdict": {"action": "alert"}}, EventAction.IGNORE, "the rule only reports"),
        (Ports(), {"alert": rule("info"), "verdict": {"action": "alert"}}, EventAction.IGNORE, ""),
        (Ports(), {"alert": rule("info")}, EventAction.TERMINATE, "another rule dropped the packet"),
        (Ports(), {"vlan": [6]}, EventAction.TERMINATE, "the port is not known any more"),
        (Ports(), {"alert": rule("network_attack")}, EventAction.TERMINATE, ""),
    ],
)
def test_done_and_why_it_differs(ports: Ports, changes: dict[str, Any], done: EventAction, reason: str) -> None:
    found = event(ports, **changes)
    assert (found.done, found.reason) == (done, reason)


@pytest.mark.parametrize("reason", ["rules", "flow drop"])
def test_what_follows_from_a_detection_makes_no_event_of_its_own(reason: str) -> None:
    data = line(alert=None, event_type="drop", drop={"reason": reason})
    assert event_of(decode_line(data), Ports(), Origin("svm1", "1.2", 0, data)) is None


def test_a_drop_without_a_rule() -> None:
    found = event(alert=None, event_type="drop", drop={"reason": "stream memcap"})
    assert (found.kind, found.reason, found.verdict) == (Kind.PACKET_DROPPED, "stream memcap", "drop")


def test_other_records_make_no_event() -> None:
    data = line(alert=None, event_type="stats")
    assert event_of(decode_line(data), Ports(), Origin("s", "1.2", 0, data)) is None


@pytest.mark.parametrize("text", ["", "x", "2026-11-22T12:29:10", "9999999-01-01T00:00:00+0000"])
def test_a_time_that_cannot_be_read(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_time(text)


def test_ids_are_the_same_for_the_same_place_and_sort_by_time() -> None:
    early, late = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)
    assert derived_id(early, "f", 1, b"x") == derived_id(early, "f", 1, b"x")
    assert len({derived_id(early, f, o, d) for f in "ab" for o in (1, 2) for d in (b"x", b"y")}) == 8
    assert derived_id(early, "f", 9, b"x") < random_id(late)
    assert derived_id(early, "f", 9, b"x")[14] == "7"


def test_a_shadow_policy_asks_and_nothing_is_done() -> None:
    ports = Ports(enforce=False, observe_reason="shadow policy", shadow="Strict")
    for verdict in ("alert", "drop"):
        found = event(ports, verdict={"action": verdict})
        assert (found.shadow, found.asked, found.done) == ("Strict", EventAction.TERMINATE, EventAction.IGNORE)
        assert found.reason == "shadow policy"


def test_what_becomes_of_a_shadows_copy_is_no_event() -> None:
    data = line(event_type="drop", drop={"reason": "stream memcap"})
    record = msgspec.json.decode(data)
    del record["alert"]
    data = msgspec.json.encode(record)
    assert event_of(decode_line(data), Ports(), Origin("svm1", "1.2", 77, data)) is not None
    assert event_of(decode_line(data), Ports(shadow="Strict"), Origin("svm1", "1.2", 77, data)) is None
