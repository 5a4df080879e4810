from pathlib import Path

import pytest

from hyperward.databases.contents import Contents, OwnInForce, Replaced, in_force, rollback_target
from hyperward.databases.starter import starter_contents

A, B, OWN, DATABASE = (Path(f"/{name}") for name in ("a.rules", "b.rules", "own.rules", "x.hwdb"))
VERSION = Contents(7, "2026-01-31T12:00:00Z", (A,), ())


def test_own_layers_are_on_top_of_a_version() -> None:
    force = in_force(VERSION, DATABASE, Replaced(), OwnInForce((OWN,), Path("/own.hwdb")))
    assert (force.version, force.rules, force.addresses) == ("7", (A, OWN), (Path("/own.hwdb"), DATABASE))


def test_own_layers_are_on_top_of_what_the_configuration_names() -> None:
    force = in_force(VERSION, DATABASE, Replaced((B,), (Path("/expert.hwa"),)), OwnInForce((OWN,), None))
    assert (force.rules, force.addresses) == ((B, OWN), (Path("/expert.hwa"),))


def test_a_version_without_addresses() -> None:
    assert in_force(VERSION, None, Replaced(), OwnInForce()).addresses == ()


def test_the_starter_content_is_a_version_like_others(tmp_path: Path) -> None:
    starter = starter_contents(tmp_path)
    assert (starter.name, starter.number) == ("starter", 0)
    assert {one.file.category for one in starter.entries} == {"malicious", "phishing", "advertising", "other"}
    assert all(one.file.count >= 5 for one in starter.entries)
    assert starter_contents(tmp_path).database_name == starter.database_name


@pytest.mark.parametrize(
    ("active", "previous", "numbers", "target"),
    [
        (0, 0, (), None),
        (0, 3, (3,), None),
        (1, 0, (1,), 0),
        (5, 4, (3, 4, 5), 4),
        (5, 4, (3, 5), 3),
        (4, 5, (3, 4, 5), 3),
        (4, 5, (4, 5), 0),
    ],
)
def test_where_a_rollback_goes(active: int, previous: int, numbers: tuple[int, ...], target: int | None) -> None:
    assert rollback_target(active, previous, numbers) == target
