import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperward.errors import InputError
from hyperward.lab.cleanup import destroy_lab, destroy_orphans, is_orphan, known_labs
from hyperward.lab.procs import ProcessRef, process_ref
from hyperward.lab.state import (
    LabProcess,
    LabState,
    base_folder,
    claim_folder,
    decode_state,
    encode_state,
    lab_folder,
    read_state,
    update_state,
    write_state,
)

refs = st.builds(ProcessRef, st.integers(1, 2**22), st.integers(0, 2**60))
states = st.builds(
    LabState,
    name=st.from_regex(r"[a-z][a-z0-9]{0,15}", fullmatch=True),
    vms=st.integers(0, 64),
    qemu=st.booleans(),
    owner=st.none() | refs,
    ready=st.booleans(),
    processes=st.lists(st.builds(LabProcess, st.text(), refs), max_size=4).map(tuple),
)


@given(states)
def test_a_state_survives_its_file(state: LabState) -> None:
    assert decode_state(encode_state(state)) == state


@given(st.text() | st.sampled_from(["{}", "[]", "null", '{"name": "../x"}', '{"name": "a", "vms": "x"}']))
def test_a_damaged_state_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        decode_state(text)


def test_the_folder_of_labs_can_be_chosen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HYPERWARD_LAB_RUN", str(tmp_path))
    assert base_folder() == tmp_path
    assert lab_folder("a") == tmp_path / "a"


def test_a_folder_is_claimed_once(tmp_path: Path) -> None:
    state = LabState("a", 1, qemu=False, owner=None)
    assert claim_folder(tmp_path / "b" / "a", state)
    assert not claim_folder(tmp_path / "b" / "a", state)
    assert known_labs(tmp_path / "b") == ["a"]
    changed = update_state(tmp_path / "b" / "a", lambda old: old.with_process(LabProcess("x", ProcessRef(1, 2))))
    assert read_state(tmp_path / "b" / "a") == changed


def test_no_lab_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no lab 'none'"):
        read_state(tmp_path / "none")
    assert known_labs(tmp_path / "none") == []


def test_only_labs_whose_creator_is_gone_are_orphans(tmp_path: Path) -> None:
    me = process_ref(os.getpid())
    owners = {"orphanhere": ProcessRef(os.getpid(), 1), "running": me, "left": None}
    for name, owner in owners.items():
        (tmp_path / name).mkdir()
        write_state(tmp_path / name, LabState(name, 1, qemu=False, owner=owner))
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "state.json").write_bytes(b"\xff{")
    assert [name for name in known_labs(tmp_path) if is_orphan(name, tmp_path)] == ["damaged", "orphanhere"]
    assert destroy_orphans(tmp_path) == ["damaged", "orphanhere"]
    assert known_labs(tmp_path) == ["left", "running"]
    assert not destroy_lab("orphanhere", tmp_path)
