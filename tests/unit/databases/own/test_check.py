"""Own files: what is good of them is in force, and the last good content where nothing is."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from hyperward.databases.own import check
from hyperward.databases.own.check import OwnJob, OwnResult, check_own, last_good
from hyperward.databases.own.model import OwnAddresses, OwnState, state_of
from hyperward.ips.rules.compile import compile_rules
from hyperward.ips.rules.compiled import CompiledRuleSet
from hyperward.ips.rules.options import CompileOptions
from hyperward.ips.rules.rule import LocatedRule
from hyperward.webscan.address.model import Address
from hyperward.webscan.database.database import open_database
from hyperward.webscan.lists.model import ListFormat, ListOptions

GOOD = 'alert tcp any any -> any any (msg:"mine"; content:"x"; sid:1000001; rev:1;)\n'


@pytest.fixture(autouse=True)
def without_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    def compiled(rules: Iterable[LocatedRule], options: CompileOptions, **_: Any) -> CompiledRuleSet:
        return compile_rules(rules, options)

    monkeypatch.setattr(check, "compile_checked", compiled)


class Own:
    def __init__(self, folder: Path) -> None:
        self.rules, self.list, self.folder = folder / "my.rules", folder / "my.txt", folder / "own"
        options = ListOptions(category="gambling", list_id="mine", format=ListFormat.PLAIN)
        self.job = OwnJob(self.folder, (self.rules,), (OwnAddresses(self.list, options),), Path("/bin/true"))

    def check(self, rules: str | None, addresses: str | None) -> OwnResult:
        for path, text in ((self.rules, rules), (self.list, addresses)):
            if text is not None:
                path.write_text(text)
        return check_own(self.job)


@pytest.fixture
def own(tmp_path: Path) -> Own:
    return Own(tmp_path)


def listed(result: OwnResult, host: str) -> bool:
    assert result.in_force.addresses is not None
    with open_database(result.in_force.addresses) as database:
        return bool(database.lookup(Address(host)))


def test_good_files_are_in_force(own: Own) -> None:
    result = own.check(GOOD, "slots.example\n")
    assert [(one.state, one.used, one.refused) for one in result.reports] == [(OwnState.VALID, 1, 0)] * 2
    (rules,) = result.in_force.rules
    assert (rules.name, rules.read_text()) == ("my.rules", GOOD)
    assert listed(result, "slots.example")


def test_bad_lines_are_refused_with_their_places_and_the_rest_is_in_force(own: Own) -> None:
    result = own.check(f"{GOOD}nonsense\n", "slots.example\nhttp://\n")
    assert [one.state for one in result.reports] == [OwnState.WARNING] * 2
    assert [one.problems[0].place for one in result.reports] == [f"{own.rules}:2", f"{own.list}:2"]
    assert listed(result, "slots.example")


def test_without_anything_usable_the_last_good_content_stays(own: Own) -> None:
    good = own.check(GOOD, "slots.example\n")
    result = own.check("nonsense\n", "http://\n")
    assert [(one.state, one.kept) for one in result.reports] == [(OwnState.INVALID, True)] * 2
    assert result.in_force == good.in_force
    assert result.in_force.rules[0].read_text() == GOOD
    assert listed(result, "slots.example")
    own.rules.unlink()
    assert own.check(None, None).reports[0].state is OwnState.INVALID
    assert last_good(own.job) == good.in_force


def test_invalid_from_the_beginning_means_nothing(own: Own) -> None:
    result = own.check(None, "http://\n")
    assert [(one.state, one.kept) for one in result.reports] == [(OwnState.INVALID, False)] * 2
    assert (result.in_force.rules, result.in_force.addresses) == ((), None)


def test_an_emptied_file_is_valid_and_takes_its_content_out_of_force(own: Own) -> None:
    own.check(GOOD, "slots.example\n")
    result = own.check("# none\n", "")
    assert [one.state for one in result.reports] == [OwnState.VALID] * 2
    assert result.in_force.rules[0].read_text() == "# none\n"
    assert result.in_force.addresses is None


def test_a_database_is_built_once(own: Own) -> None:
    first = own.check(GOOD, "slots.example\n").in_force.addresses
    assert first is not None
    before = first.stat().st_ino
    assert own.check(None, None).in_force.addresses == first
    assert first.stat().st_ino == before


def test_copies_of_files_that_are_not_named_any_more_go(own: Own) -> None:
    own.check(GOOD, "slots.example\n")
    check_own(OwnJob(own.folder, (), (), Path("/bin/true")))
    assert not list(own.folder.glob("rules/*"))
    assert not list(own.folder.glob("addresses/*"))


@pytest.mark.parametrize(
    ("used", "refused", "state"),
    [(0, 0, OwnState.VALID), (5, 0, OwnState.VALID), (5, 1, OwnState.WARNING), (0, 1, OwnState.INVALID)],
)
def test_states(used: int, refused: int, state: OwnState) -> None:
    assert state_of(used, refused) is state
