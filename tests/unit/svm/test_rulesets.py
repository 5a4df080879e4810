import asyncio
import os
from pathlib import Path

import msgspec
import pytest

from hyperward.svm import rulesets
from hyperward.svm.databases.updates import USUAL
from hyperward.svm.rulesets import KEPT_UNUSED, RuleSetInfo, RuleSets


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


def test_rule_sets_that_are_prepared_stay_until_other_sources_are_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def made(job: rulesets._Job) -> None:
        job.target.write_text("\n".join(map(str, job.sources)))
        job.target.with_suffix(".json").write_bytes(msgspec.json.encode(RuleSetInfo("d", {}, (), 0)))

    monkeypatch.setattr(rulesets, "_in_child", made)
    (tmp_path / "a.rules").touch()
    (tmp_path / "b.rules").touch()
    sets = RuleSets(tmp_path / "sets", (tmp_path / "a.rules",), Path("/usr/bin/suricata"))
    version = sets.version()

    async def run() -> None:
        prepared = await sets.prepare((tmp_path / "b.rules",), USUAL)
        assert sets.version() == version
        assert sets.last_good(USUAL) is None
        for number in range(KEPT_UNUSED + 1):
            (tmp_path / "sets" / f"{number:032x}.rules").touch()
        os.utime(prepared.path, (0, 0))
        sets.forget_all_but([])
        assert prepared.path.is_file()
        sets.use((tmp_path / "b.rules",))
        assert sets.version() != version
        assert await sets.get(USUAL) == prepared
        assert sets.last_good(USUAL) == prepared

    asyncio.run(run())
