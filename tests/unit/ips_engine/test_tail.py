from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperward.ips.engine.rotate import numbered, put_aside
from hyperward.ips.engine.tail import EveTail, TailPosition

MAX_LINE = 40
CHUNK = 64

actions = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.binary(max_size=100)),
        st.tuples(st.just("rotate"), st.just(b"")),
        st.tuples(st.just("reopen"), st.just(b"")),
        st.tuples(st.just("read"), st.just(b"")),
        st.tuples(st.just("restart"), st.just(b"")),
        st.tuples(st.just("forget"), st.just(b"")),
    ),
    max_size=40,
)


class Engine:
    """Writes as the engine does: into the file it has open until it is told to open it again."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.files: list[bytes] = [b""]
        self.target = path
        path.touch()

    def write(self, data: bytes) -> None:
        with self.target.open("ab") as file:
            file.write(data)
        self.files[-1] += data

    def rotate(self) -> None:
        aside = put_aside(self.path)
        if aside is not None:
            self.target = aside

    def reopen(self) -> None:
        if self.target != self.path:
            self.target = self.path
            self.path.touch()
            self.files.append(b"")

    def expected(self) -> list[bytes]:
        return [line for data in self.files for line in data.split(b"\n")[:-1] if len(line) <= MAX_LINE]


@settings(max_examples=300, deadline=None)
@given(actions=actions)
def test_any_order_of_writing_rotating_and_reading_gives_every_line_once(
    tmp_path_factory: pytest.TempPathFactory, actions: list[tuple[str, bytes]]
) -> None:
    path = tmp_path_factory.mktemp("tail") / "eve.json"
    engine, got = Engine(path), []
    tail = EveTail(path, chunk=CHUNK, max_line=MAX_LINE)
    for action, data in actions:
        match action:
            case "write":
                engine.write(data)
            case "rotate":
                engine.rotate()
            case "reopen":
                engine.reopen()
            case "read":
                got += [line.data for line in tail.read().lines]
            case "restart":
                tail = EveTail(path, tail.position, chunk=CHUNK, max_line=MAX_LINE)
            case "forget":
                tail.forget_read_files(keep=0)
    for _ in range(1000):
        batch = tail.read()
        got += [line.data for line in batch.lines]
        if batch.caught_up:
            break
    assert got == engine.expected()


def test_a_begun_line_waits_for_its_end(tmp_path: Path) -> None:
    path = tmp_path / "eve.json"
    tail = EveTail(path)
    assert tail.read().caught_up
    path.write_bytes(b"one\ntw")
    batch = tail.read()
    assert [(line.offset, line.data) for line in batch.lines] == [(0, b"one")]
    assert batch.caught_up
    with path.open("ab") as file:
        file.write(b"o\n")
    assert [(line.offset, line.data) for line in tail.read().lines] == [(4, b"two")]


def test_a_line_too_long_is_skipped_and_reported_once_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "eve.json"
    path.write_bytes(b"a\n" + b"x" * 500 + b"\nb\n")
    tail = EveTail(path, chunk=CHUNK, max_line=MAX_LINE)
    lines, troubles = [], []
    for _ in range(20):
        batch = tail.read()
        lines += [line.data for line in batch.lines]
        troubles += [(trouble.offset, trouble.text) for trouble in batch.troubles]
    assert lines == [b"a", b"b"]
    assert troubles == [(2, "line too long, skipped")]


def test_an_incomplete_last_line_of_an_old_file_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "eve.json"
    path.write_bytes(b"a\nhalf")
    tail = EveTail(path)
    tail.read()
    put_aside(path)
    path.write_bytes(b"b\n")
    batch = tail.read()
    assert [trouble.text for trouble in batch.troubles] == ["the last line is incomplete, skipped"]
    assert [line.data for line in tail.read().lines] == [b"b"]


@pytest.mark.parametrize("fresh", [b"", b"x\n", b"other content that is longer than what was there before\n"])
def test_a_file_cut_off_or_written_over_is_read_from_the_beginning(tmp_path: Path, fresh: bytes) -> None:
    path = tmp_path / "eve.json"
    path.write_bytes(b"first line\nsecond line\n")
    tail = EveTail(path)
    tail.read()
    path.write_bytes(fresh)
    batch = tail.read()
    assert [line.data for line in batch.lines] == fresh.splitlines()
    assert "from the beginning" in batch.troubles[0].text


def test_a_file_that_is_gone_is_reported_and_the_oldest_is_read(tmp_path: Path) -> None:
    path = tmp_path / "eve.json"
    path.write_bytes(b"b\n")
    tail = EveTail(path, TailPosition(device=1, inode=2, offset=3, head="x"))
    batch = tail.read()
    assert [line.data for line in batch.lines] == [b"b"]
    assert "gone" in batch.troubles[0].text


def test_read_files_are_deleted_but_the_youngest(tmp_path: Path) -> None:
    path = tmp_path / "eve.json"
    for number in range(4):
        path.write_bytes(b"%d\n" % number)
        put_aside(path)
    path.write_bytes(b"live\n")
    tail = EveTail(path)
    assert tail.forget_read_files(keep=1) == 0
    while not tail.read().caught_up:
        pass
    assert tail.forget_read_files(keep=1) == 3
    assert [number for number, _ in numbered(path)] == [4]


def test_strange_names_and_links_are_no_files_of_ours(tmp_path: Path) -> None:
    path = tmp_path / "eve.json"
    for name in ("eve.json.x", "eve.json.-1", "eve.json.1.2", "eve.json." + "9" * 40, "eve.json.²"):
        (tmp_path / name).write_text("no\n")
    assert numbered(path) == []
    assert put_aside(path) is None


def test_a_large_file_is_read_in_pieces(tmp_path: Path) -> None:
    path = tmp_path / "eve.json"
    wanted = [b"%d " % n * (n % 40) for n in range(5000)]
    path.write_bytes(b"\n".join(wanted) + b"\n")
    tail = EveTail(path, chunk=4096, max_line=1000)
    got = []
    while not (batch := tail.read()).caught_up:
        got += [line.data for line in batch.lines]
    got += [line.data for line in batch.lines]
    assert got == wanted
    assert tail.position.offset == path.stat().st_size
