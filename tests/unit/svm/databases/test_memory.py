from datetime import UTC, datetime, timedelta
from pathlib import Path

from hyperward.svm.databases.memory import RETRY_REFUSED, Memory, age, keep_memory, load_memory, passed_over

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


def test_what_is_kept_is_loaded(tmp_path: Path) -> None:
    memory = Memory(looked=NOW, confirmed=NOW, skip=4, refused="x", refused_at=NOW, failed="no", source="/mnt")
    keep_memory(tmp_path / "m.json", memory)
    assert load_memory(tmp_path / "m.json") == memory


def test_lost_or_damaged_memory_is_no_reason_to_stop(tmp_path: Path) -> None:
    assert load_memory(tmp_path / "none.json") == Memory()
    (tmp_path / "m.json").write_text("{")
    assert load_memory(tmp_path / "m.json") == Memory()
    keep_memory(tmp_path / "no" / "folder.json", Memory())


def test_versions_that_were_rolled_back_from_are_passed_over() -> None:
    memory = Memory(skip=4)
    assert "version 4 was rolled back from" in passed_over(memory, 4, "x", NOW)
    assert passed_over(memory, 5, "x", NOW) == ""


def test_a_refused_manifest_is_passed_over_for_a_while() -> None:
    memory = Memory(refused="x", refused_at=NOW)
    assert passed_over(memory, 5, "x", NOW + RETRY_REFUSED / 2)
    assert passed_over(memory, 5, "x", NOW + RETRY_REFUSED) == ""
    assert passed_over(memory, 5, "y", NOW) == ""


def test_age_counts_from_the_last_confirmation() -> None:
    built = "2026-05-20T12:00:00Z"
    assert age(Memory(), built, NOW) == timedelta(days=12)
    assert age(Memory(confirmed=NOW - timedelta(days=1)), built, NOW) == timedelta(days=1)
    assert age(Memory(confirmed=NOW + timedelta(days=1)), built, NOW) == timedelta()
    assert age(Memory(), "", NOW) == timedelta()
