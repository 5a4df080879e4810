from hyperward.errors import SystemFault
from hyperward.exclusions.image import Image
from hyperward.exclusions.rows import ExclusionAction, ExclusionRow, row_id
from hyperward.steering.layout import MAX_CANDIDATES, ExclusionHits
from hyperward.svm.exclusion_sets import ExclusionSets, Rows, SetUse
from hyperward.svm.stub import StubTables


def row(address: str, port: str | None = None) -> ExclusionRow:
    return ExclusionRow(address=address, remote_port=port, action=ExclusionAction.DO_NOT_SCAN, reason="x")


A, B, C = (row("10.0.0.1"),), (row("10.0.0.2"), row("10.0.0.3")), (row("10.0.0.4"),)


class Node:
    def __init__(self, used: tuple[SetUse, ...] = ()) -> None:
        self.tables = StubTables()
        self.sets = ExclusionSets(self.tables, used, now=1000)

    def have(self, **wanted: Rows) -> dict[str, SetUse]:
        """Prepare, put every port, settle."""
        prepared = self.sets.prepare(wanted)
        assert not prepared.failed
        self.sets.settle({port: use.number for port, use in prepared.uses.items()})
        return prepared.uses

    def holds(self, use: SetUse, rows: Rows) -> bool:
        image = Image(rows)
        wanted = {(version, key): entry for version, held in image.entries.items() for key, entry in held.items()}
        return self.tables.sets.get(use.number) == wanted


def test_equal_rows_share_a_set_and_no_rows_need_none() -> None:
    node = Node()
    uses = node.have(p1=A, p2=(row("10.0.0.1"),), p3=B, p4=())
    assert uses["p1"] == uses["p2"] != uses["p3"]
    assert uses["p4"] == SetUse(0, 0)
    assert node.holds(uses["p1"], A)
    assert node.holds(uses["p3"], B)
    assert len(node.tables.sets) == 2


def test_nothing_is_written_when_nothing_changed() -> None:
    node = Node()
    before = node.have(p1=A, p2=B)
    written = node.tables.written
    assert node.have(p1=(row("10.0.0.1"),), p2=B) == before
    assert node.tables.written == written


def test_rows_that_change_for_all_their_ports_change_in_place() -> None:
    node = Node()
    before = node.have(p1=A, p2=A, p3=B)
    after = node.have(p1=C, p2=C, p3=B)
    assert after["p1"].number == before["p1"].number
    assert after["p1"].version > before["p1"].version
    assert after["p3"] == before["p3"]
    assert node.holds(after["p2"], C)


def test_a_port_that_leaves_others_gets_a_set_of_its_own() -> None:
    node = Node()
    before = node.have(p1=A, p2=A)
    after = node.have(p1=A, p2=C)
    assert after["p1"] == before["p1"]
    assert after["p2"].number != before["p2"].number
    assert node.holds(after["p1"], A)
    assert node.holds(after["p2"], C)


def test_a_set_leaves_with_its_last_port_only_after_the_switch() -> None:
    node = Node()
    before = node.have(p1=A, p2=B)
    prepared = node.sets.prepare({"p1": B, "p2": B})
    assert prepared.uses["p1"] == before["p2"]
    assert node.holds(before["p1"], A)
    node.sets.settle({"p1": before["p2"].number, "p2": before["p2"].number})
    assert list(node.tables.sets) == [before["p2"].number]
    assert node.have(p1=()) == {"p1": SetUse()}
    assert node.tables.sets == {}


def test_sets_of_an_earlier_daemon_leave_and_their_numbers_are_not_used_again() -> None:
    node = Node((SetUse(7, 5000), SetUse(3, 20)))
    node.tables.apply(7, Image().update(A))
    node.tables.apply(3, Image().update(B))
    uses = node.have(p1=A)
    assert uses["p1"].number > 7
    assert uses["p1"].version > 5000
    assert list(node.tables.sets) == [uses["p1"].number]


def test_rows_that_cannot_be_compiled_leave_the_port_as_it_was() -> None:
    node = Node()
    before = node.have(p1=A, p2=B)
    bad = tuple(row("10.0.0.9", str(n)) for n in range(MAX_CANDIDATES + 1))
    prepared = node.sets.prepare({"p1": bad, "p2": C})
    assert "may meet 65 rows" in prepared.failed["p1"].what
    assert prepared.uses["p2"].number == before["p2"].number
    assert node.holds(before["p1"], A)


def test_a_full_kernel_is_told_and_the_next_change_begins_afresh() -> None:
    node = Node()
    before = node.have(p1=A)["p1"]
    node.tables.full[before.number] = SystemFault("full")
    prepared = node.sets.prepare({"p1": B})
    assert prepared.failed["p1"].what == "full"
    node.sets.settle({"p1": before.number})
    after = node.have(p1=B)["p1"]
    assert after.number != before.number
    assert node.holds(after, B)
    assert list(node.tables.sets) == [after.number]


def test_hits_are_those_of_the_row_and_go_with_it() -> None:
    node = Node()
    node.have(p1=A, p2=B)
    node.tables.counted = {row_id(A[0]): ExclusionHits(3, 300), row_id(B[1]): ExclusionHits(1, 60)}
    assert [hits.packets for _, hits in node.sets.hits((*A, *B))] == [3, 0, 1]
    node.have(p2=B)
    assert list(node.tables.counted) == [row_id(B[1])]
