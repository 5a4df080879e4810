import msgspec
import pytest

from hyperward.steering.layout import Counters
from hyperward.svm.failures import (
    COPIES_LOST,
    LIMITED,
    QUIET_OF_VM_SECONDS,
    QUIET_SECONDS,
    SCANNER,
    FailureMemory,
    FailureWatch,
)
from hyperward.svm.wording import failure_text


def counters(**values: int) -> Counters:
    zero = Counters.zero()
    return Counters(zero.from_vm | values, zero.to_vm)


def test_nothing_counted_is_no_news() -> None:
    watch = FailureWatch()
    assert watch.look({1: counters()}, 0.0) == []


def test_begin_and_end_are_told_once_with_what_passed() -> None:
    watch = FailureWatch()
    [begun] = watch.look({1: counters(open_down=5)}, 10.0)
    assert (begun.port_id, begun.why, begun.passed, begun.over) == (1, "down", 5, False)
    assert watch.look({1: counters(open_down=9)}, 11.0) == []
    assert [f.passed for f in watch.active()] == [9]
    [ended] = watch.look({1: counters(open_down=9)}, 11.0 + QUIET_SECONDS)
    assert (ended.passed, ended.over, ended.began) == (9, True, 10.0)
    assert watch.active() == ()


def test_down_and_busy_and_ports_are_told_apart() -> None:
    watch = FailureWatch()
    news = watch.look({1: counters(open_busy=1), 2: counters(closed_down=3)}, 0.0)
    assert {(f.port_id, f.why, f.passed, f.dropped) for f in news} == {(1, "busy", 1, 0), (2, "down", 0, 3)}


def test_engine_and_scanners_are_told_apart() -> None:
    watch = FailureWatch()
    news = watch.look({1: counters(web_open_down=2, open_down=1)}, 0.0)
    assert {(f.component, f.why, f.passed) for f in news} == {("engine", "down", 1), ("web scanner", "down", 2)}
    known = msgspec.json.decode(msgspec.json.encode(watch.memory), type=FailureMemory)
    assert FailureWatch(known).look({1: counters(web_open_down=2, open_down=1)}, 0.1) == []


def test_what_an_earlier_daemon_stored_is_understood() -> None:
    failure = b'{"port_id":1,"why":"down","began":1,"passed":5,"dropped":0,"last":1}'
    stored = b'{"seen":{"1":{"open_down":5}},"open":[' + failure + b"]}"
    watch = FailureWatch(msgspec.json.decode(stored, type=FailureMemory))
    assert watch.look({1: counters(open_down=5)}, 1.1) == []
    assert [f.component for f in watch.active()] == ["engine"]


def test_port_registered_anew_counts_from_zero() -> None:
    watch = FailureWatch()
    watch.look({1: counters(open_down=100)}, 0.0)
    watch.look({1: counters(open_down=2)}, 0.5)
    assert watch.active()[0].passed == 102


def test_released_port_ends_its_failure() -> None:
    watch = FailureWatch()
    watch.look({1: counters(open_down=1)}, 0.0)
    [ended] = watch.look({}, 0.1)
    assert ended.over


def test_the_next_daemon_tells_of_the_time_between_and_of_nothing_twice() -> None:
    first = FailureWatch()
    first.look({1: counters(open_down=5)}, 10.0)
    stored = msgspec.json.encode(first.memory)
    second = FailureWatch(msgspec.json.decode(stored, type=FailureMemory))
    assert second.look({1: counters(open_down=7)}, 11.0) == []
    [ended] = second.look({1: counters(open_down=7)}, 11.0 + QUIET_SECONDS)
    assert (ended.passed, ended.began) == (7, 10.0)
    third = FailureWatch(second.memory)
    assert third.look({1: counters(open_down=7)}, 20.0) == []


def test_a_failure_of_before_a_reboot_ends() -> None:
    first = FailureWatch()
    first.look({1: counters(open_down=5)}, 1_000_000.0)
    assert [failure.over for failure in FailureWatch(first.memory).look({1: counters()}, 10.0)] == [True]


@pytest.mark.parametrize(
    ("counter", "why", "begun", "ended"),
    [
        ("web_limited", LIMITED, "beyond the VM's share are dropped", "7 packets were dropped"),
        ("web_copy_lost", COPIES_LOST, "not judged", "copies of 7 packets were lost"),
    ],
)
def test_a_flood_that_pauses_is_one(counter: str, why: str, begun: str, ended: str) -> None:
    watch = FailureWatch()
    [first] = watch.look({1: counters(**{counter: 5})}, 10.0)
    assert (first.component, first.why, first.passed + first.dropped) == (SCANNER, why, 5)
    assert begun in failure_text(first)
    assert watch.look({1: counters(**{counter: 5})}, 10.0 + QUIET_SECONDS) == []
    assert watch.look({1: counters(**{counter: 7})}, 69.0) == []
    [last] = watch.look({1: counters(**{counter: 7})}, 69.0 + QUIET_OF_VM_SECONDS)
    assert last.over
    assert ended in failure_text(last)


def test_down_and_busy_are_worded() -> None:
    watch = FailureWatch()
    [begun] = watch.look({1: counters(web_open_busy=3)}, 0.0)
    assert failure_text(begun) == "the web scanner is busy: the failure action of the policy is in force"
    [ended] = watch.look({}, 1.0)
    assert failure_text(ended) == (
        "the web scanner is no longer busy; meanwhile 3 packets passed uninspected and 0 were dropped"
    )


def test_what_another_daemon_stored_and_this_one_does_not_know_is_left_out() -> None:
    failure = b'{"port_id":1,"why":"tired","began":1,"passed":5,"dropped":0,"last":1}'
    memory = msgspec.json.decode(b'{"open":[' + failure + b"]}", type=FailureMemory)
    assert FailureWatch(memory).look({1: counters()}, 100.0) == []
