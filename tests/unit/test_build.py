from pathlib import Path

from hyperward.build import build_id, digest_of


def test_any_change_of_a_source_makes_another_build(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    folder.mkdir()
    seen = {digest_of(folder)}
    (folder / "x.py").write_text("1")
    seen.add(digest_of(folder))
    (folder / "x.py").write_text("2")
    seen.add(digest_of(folder))
    (folder / "x.py").rename(folder / "y.py")
    seen.add(digest_of(folder))
    (folder / "note.txt").write_text("no source")
    seen.add(digest_of(folder))
    assert len(seen) == 4


def test_this_build_has_a_name() -> None:
    assert len(build_id()) == 16
    assert build_id() == build_id()
