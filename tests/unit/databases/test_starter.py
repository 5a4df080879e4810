from pathlib import Path

import pytest

from hyperward.databases.sources.config import load_sources
from hyperward.databases.starter import CATEGORIES, starter_contents
from hyperward.databases.starter.sources import write_starter_sources
from hyperward.errors import SystemFault
from hyperward.ips.rules.data import starter_rules_path
from hyperward.ips.rules.source import read_rules


def test_the_sources_hold_the_starter_content(tmp_path: Path) -> None:
    sources = load_sources(write_starter_sources(tmp_path / "made"))
    assert [entry.category for entry in sources.file.sources] == [None, *CATEGORIES]
    (rules, *_) = sources.file.sources
    numbers = [located.rule.id for located in read_rules((sources.path(rules.location),)).rules]
    assert sorted(numbers) == sorted(located.rule.id for located in read_rules((starter_rules_path(),)).rules)


def test_nobody_owns_the_names(tmp_path: Path) -> None:
    for listed in starter_contents(tmp_path).entries:
        for line in listed.path.read_text().splitlines():
            host = line[2:].partition("/")[0]
            assert host.endswith((".test", ".example")), line


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SystemFault, match="cannot be written"):
        write_starter_sources(tmp_path / "file")
