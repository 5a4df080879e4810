import os
import subprocess
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from hyperward.lab.deadline import wait_until
from hyperward.lab.procs import ProcessRef, alive, parse_stat, process_ref, processes_in, stop_processes


@given(name=st.text(max_size=40), started=st.integers(0, 2**60))
def test_a_name_with_anything_in_it_does_not_mislead(name: str, started: int) -> None:
    fields = " ".join(["1"] * 18)
    assert parse_stat(f"42 ({name}) S {fields} {started} 7 8 9\n") == ("S", started)


def test_this_process_is_alive_and_another_start_is_not_it() -> None:
    me = process_ref(os.getpid())
    assert me is not None
    assert alive(me)
    assert not alive(ProcessRef(me.pid, me.started + 1))
    assert process_ref(2**22 + 1) is None


def test_stopping_ends_one_that_listens_and_one_that_does_not() -> None:
    stubborn = "trap '' TERM; echo ready; while :; do sleep 0.1; done"
    with (
        subprocess.Popen(["sleep", "100"]) as polite,
        subprocess.Popen(["sh", "-c", stubborn], stdout=subprocess.PIPE) as other,
    ):
        assert other.stdout is not None
        assert other.stdout.readline() == b"ready\n"
        refs = [process_ref(polite.pid), process_ref(other.pid), ProcessRef(os.getpid(), 0)]
        stop_processes([ref for ref in refs if ref], grace=0.2)
        assert polite.wait() == -15
        assert other.wait() == -9


def test_a_zombie_is_not_alive() -> None:
    with subprocess.Popen(["true"]) as child:
        assert wait_until(lambda: process_ref(child.pid) is None, 5)


def test_this_process_is_never_among_those_in_a_namespace() -> None:
    status = Path("/proc/self/ns/net").stat()
    assert os.getpid() not in {ref.pid for ref in processes_in({(status.st_dev, status.st_ino)})}
