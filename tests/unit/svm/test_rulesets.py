import os
from pathlib import Path

from hyperward.svm.rulesets import KEPT_UNUSED, RuleSets


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_only_the_youngest_unused_rule_sets_are_kept(tmp_path: Path) -> None:
    for number in range(KEPT_UNUSED + 5):
        for suffix in (".rules", ".json"):
            (tmp_path / f"{number:032x}{suffix}").write_text("x")
        os.utime(tmp_path / f"{number:032x}.rules", (number, number))
    (tmp_path / "of-an-old-one.last").write_text(f"{1:032x}")
    (tmp_path / "of-a-young-one.last").write_text(f"{KEPT_UNUSED + 4:032x}")
    in_use = tmp_path / f"{0:032x}.rules"
    RuleSets(tmp_path, (), Path("/usr/bin/suricata")).forget_all_but([in_use])
    left = files(tmp_path)
    assert {in_use.name, f"{0:032x}.json", f"{5:032x}.rules", f"{5:032x}.json"} <= left
    assert not {f"{number:032x}.rules" for number in range(1, 5)} & left
    assert not {f"{number:032x}.json" for number in range(1, 5)} & left
    assert "of-an-old-one.last" not in left
    assert "of-a-young-one.last" in left


def test_missing_folder_is_fine(tmp_path: Path) -> None:
    RuleSets(tmp_path / "none", (), Path("/usr/bin/suricata")).forget_all_but([])
