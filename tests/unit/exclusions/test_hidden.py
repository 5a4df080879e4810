"""Rows that can never match are found, and only those."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exclusion_cases import rows, traffic
from hyperward.exclusions.hidden import hidden_rows
from hyperward.exclusions.match import Meets, Traffic, meets_row
from hyperward.exclusions.rows import ExclusionRow


def row(address: str = "any", **fields: object) -> ExclusionRow:
    return ExclusionRow.model_validate_json(
        json.dumps({"address": address, "action": "do_not_scan", "reason": "x", **fields})
    )


@pytest.mark.parametrize(
    ("wanted", "hidden"),
    [
        ([row("10.0.0.0/8"), row("10.1.0.0/16")], [(1, 0)]),
        ([row("10.1.0.0/16"), row("10.0.0.0/8")], []),
        ([row("10.0.0.0/9"), row("10.128.0.0/9"), row("10.0.0.0/8")], [(2, 0)]),
        ([row("10.0.0.0/9"), row("10.128.0.0/10"), row("10.0.0.0/8")], []),
        ([row("10.0.0.0/9"), row("10.128.0.0/9", vlan="5"), row("10.0.0.0/8")], []),
        ([row("10.0.0.0/9"), row("10.128.0.0/9", vlan="5"), row("10.0.0.0/8", vlan="5")], [(2, 0)]),
        ([row(vlan="tagged"), row("10.0.0.1", vlan="7"), row("10.0.0.1", vlan="none")], [(1, 0)]),
        ([row(protocol="tcp"), row("fd77::1", protocol="tcp", remote_port="80")], [(1, 0)]),
        ([row(remote_port="80-90"), row("fd77::1", remote_port="85"), row(remote_port="89-91")], [(1, 0)]),
        ([row(direction="inbound"), row("10.0.0.1")], []),
        ([row(vms=["web"]), row("10.0.0.1"), row("10.0.0.2", vms=["web"])], [(2, 0)]),
        ([row(expires="2030-01-01"), row("10.0.0.1"), row("10.0.0.1", expires="2029-01-01")], [(2, 0)]),
        ([row("10.0.0.1"), row(), row("any")], [(2, 1)]),
        ([row("0.0.0.0/0"), row("10.0.0.1-10.0.0.9"), row("fd77::1-fd77::9")], [(1, 0)]),
    ],
)
def test_hidden_rows(wanted: list[ExclusionRow], hidden: list[tuple[int, int]]) -> None:
    assert [tuple(found) for found in hidden_rows(wanted)] == hidden


@given(st.lists(rows(), max_size=12), st.lists(traffic(), min_size=5, max_size=25))
@settings(max_examples=300, deadline=None)
def test_no_packet_meets_a_hidden_row_first(wanted: list[ExclusionRow], packets: list[Traffic]) -> None:
    hidden = dict(hidden_rows(wanted))
    for packet in packets:
        first = next((at for at, one in enumerate(wanted) if meets_row(one, packet) is Meets.YES), None)
        assert first not in hidden
    for at, by in hidden.items():
        assert by < at


def test_many_rows_take_no_time_to_speak_of() -> None:
    every = [row(f"10.{n >> 8 & 255}.{n & 255}.0/24") for n in range(5000)]
    assert list(hidden_rows([*every, row("10.0.0.0/8")])) == []
    assert len(list(hidden_rows([row("10.0.0.0/8"), *every]))) == 5000
