"""The compiled form of rows says what the rows say, however it came about."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exclusion_cases import decide, rows, traffic
from hyperward.errors import InputError
from hyperward.exclusions.image import Delta, Entry, Image
from hyperward.exclusions.match import Traffic, first_match
from hyperward.exclusions.prefixes import Prefix
from hyperward.exclusions.rows import Direction, ExclusionAction, ExclusionRow, row_id
from hyperward.steering.layout import MAX_CANDIDATES


def row(address: str, action: str = "do_not_scan", **fields: object) -> ExclusionRow:
    return ExclusionRow.model_validate(
        {"address": address, "action": ExclusionAction(action), "reason": "a test", **fields}
    )


def agrees(image: Image, wanted: list[ExclusionRow], packet: Traffic) -> None:
    action, said = first_match(wanted, packet)
    assert decide(image, packet) == (action, row_id(said) if said else 0)


def consistent(image: Image) -> None:
    """No node is missing or left over."""
    reached: set[int] = set()
    for entries in image.entries.values():
        for entry in entries.values():
            number = entry.next
            while number and number not in reached:
                reached.add(number)
                number = image.nodes[number].next
    assert reached == set(image.nodes)


@given(st.lists(rows(), max_size=30), st.lists(traffic(), min_size=1, max_size=20))
@settings(max_examples=300, deadline=None)
def test_compiled_rows_decide_as_the_first_match(wanted: list[ExclusionRow], packets: list[Traffic]) -> None:
    image = Image(wanted)
    for packet in packets:
        agrees(image, wanted, packet)


@given(st.lists(st.lists(rows(), max_size=12), min_size=2, max_size=6), st.lists(traffic(), min_size=1, max_size=12))
@settings(max_examples=200, deadline=None)
def test_a_changed_image_is_the_image_of_the_changed_rows(
    stages: list[list[ExclusionRow]], packets: list[Traffic]
) -> None:
    image, kernel = Image(), Kernel()
    for wanted in stages:
        kernel.apply(image.update(wanted))
        consistent(image)
        assert (kernel.entries, kernel.nodes) == (image.entries, image.nodes)
        for packet in packets:
            agrees(image, wanted, packet)


@given(st.lists(rows(), min_size=1, max_size=25), st.data(), st.lists(traffic(), min_size=1, max_size=12))
@settings(max_examples=300, deadline=None)
def test_one_row_changed_in_the_middle(before: list[ExclusionRow], data: st.DataObject, packets: list[Traffic]) -> None:
    image, wanted = Image(before), list(before)
    for _ in range(4):
        at = data.draw(st.integers(0, len(wanted)))
        wanted[at : at + data.draw(st.integers(0, 2))] = data.draw(st.lists(rows(), max_size=2))
        image.update(wanted)
        consistent(image)
        for packet in packets:
            agrees(image, wanted, packet)


def test_a_row_that_begins_to_decide_reaches_the_prefixes_inside() -> None:
    some = {"direction": Direction.INBOUND, "remote_port": "80"}
    before = [row("10.0.0.0"), row("10.0.0.0/8", **some), row("any", **some)]
    image = Image(before)
    after = [*before[:2], row("any", "default")]
    image.update(after)
    agrees(image, after, Traffic(version=4, remote=0x0A000001, opened=Direction.OUTBOUND))


class Kernel:
    """Applies changes in the order that the kernel's twin does."""

    def __init__(self) -> None:
        self.entries: dict[int, dict[Prefix, Entry]] = {4: {}, 6: {}}
        self.nodes: dict[int, Entry] = {}

    def apply(self, delta: Delta) -> None:
        self.nodes |= delta.nodes
        for version, entries in self.entries.items():
            entries.update(delta.put[version])
            for key in delta.gone[version]:
                del entries[key]
        for number in delta.unused:
            del self.nodes[number]


def test_a_change_touches_only_what_differs() -> None:
    wanted = [row(f"10.{n // 250}.{n % 250}.1") for n in range(1000)] + [row("10.0.0.0/8", "do_not_block")]
    image = Image(wanted)
    wanted[500] = row("10.200.0.7")
    delta = image.update(wanted)
    assert delta.size == 2
    wanted[-1] = row("10.0.0.0/8", "do_not_block", vlan="7")
    assert image.update(wanted).size == 1


def test_a_row_below_one_that_decides_costs_nothing() -> None:
    image = Image([row("10.0.0.0/8"), *(row(f"10.0.0.{n}", "default") for n in range(200))])
    assert len(image.entries[4]) == 1


def test_reasons_and_expiry_change_nothing_in_the_kernel() -> None:
    image = Image([row("10.0.0.1")])
    assert image.update([row("10.0.0.1", reason="another", expires="2030-01-01")]).size == 0


def test_too_many_rows_for_one_address_are_refused_and_the_image_stays() -> None:
    good = [row("10.0.0.1", remote_port=str(n)) for n in range(MAX_CANDIDATES)]
    image = Image(good)
    entries = {version: dict(found) for version, found in image.entries.items()}
    with pytest.raises(InputError) as refused:
        image.update([*good, row("10.0.0.0/24", remote_port="9999")])
    assert "row 65" in refused.value.where
    assert "10.0.0.1 may meet 65 rows" in refused.value.what
    assert (image.entries, list(image.rows)) == (entries, good)
    consistent(image)
    packet = Traffic(4, 0x0A000001, protocol=6, remote_port=63, local_port=1, opened=Direction.INBOUND)
    agrees(image, good, packet)
    agrees(image, good, replace(packet, remote_port=9999))
    with pytest.raises(InputError, match="row 65"):
        Image([*good, row("10.0.0.0/24", remote_port="9999")])
    image.update([row("10.0.0.1"), *good, row("10.0.0.0/24", remote_port="9999")])


def test_fragments_and_odd_headers_get_the_strictest_action_that_is_possible() -> None:
    wanted = [row("10.0.0.1", "default", protocol="tcp", remote_port="80"), row("10.0.0.0/8")]
    fragment = Traffic(4, 0x0A000001, protocol=6)
    assert first_match(wanted, fragment)[0] is ExclusionAction.DEFAULT
    assert first_match(wanted, replace(fragment, protocol=None))[0] is ExclusionAction.DEFAULT
    assert first_match(wanted, replace(fragment, protocol=17))[0] is ExclusionAction.DO_NOT_SCAN
    assert first_match(wanted[:1], fragment) == (ExclusionAction.DEFAULT, wanted[0])
