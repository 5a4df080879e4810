import json
import os
from pathlib import Path

from hyperward.ips.engine.backoff import CALM, LONGEST, LOOP, Backoff
from hyperward.ips.engine.enginelog import complaints, has_started, load_report, reason
from hyperward.ips.engine.procfs import process_info, read_pid


def entry(level: str, message: str, module: str = "detect") -> str:
    return json.dumps({"log_level": level, "event_type": "engine", "engine": {"message": message, "module": module}})


def test_only_errors_are_complaints_and_each_counts_once() -> None:
    text = "\n".join(
        [entry("Info", "fine"), entry("Error", "bad\n rule"), "rubbish", "5", entry("Error", "bad\n rule"), '{"a":1}']
    )
    assert complaints(text) == ["bad rule"]


def test_the_engine_says_that_it_started() -> None:
    assert has_started(entry("Notice", "Threads created -> W: 2 FM: 1 FR: 1   Engine started.", "threads"))
    assert not has_started(entry("Notice", "Engine started.", "detect"))
    assert not has_started("")


def test_the_reason_is_never_empty(tmp_path: Path) -> None:
    log, output = tmp_path / "log", tmp_path / "out"
    assert reason(log, output) == "it said nothing"
    output.write_text("first\nerror while loading shared libraries\n\n")
    assert reason(log, output) == "error while loading shared libraries"
    log.write_text(entry("Error", "no such interface"))
    assert reason(log, output) == "no such interface"


def test_what_became_of_the_rules() -> None:
    text = entry("Info", "1 rule files processed. 2 rules successfully loaded, 1 rules failed, 0")
    report = load_report(entry("Error", "bad rule") + "\n" + text)
    assert report is not None
    assert (report.loaded, report.failed, report.errors) == (2, 1, ("bad rule",))
    assert load_report("") is None


def test_this_process_is_known_again() -> None:
    info = process_info(os.getpid())
    assert info is not None
    assert info == process_info(os.getpid())
    assert process_info(2**30) is None


def test_pid_files(tmp_path: Path) -> None:
    path = tmp_path / "pid"
    assert read_pid(path) is None
    for text, pid in (("123\n", 123), ("", None), ("-1", None), ("1", None), ("9" * 31, None), ("x", None)):
        path.write_text(text)
        assert read_pid(path) == pid


def test_backoff_grows_forgets_and_tells_a_loop() -> None:
    backoff = Backoff()
    pauses = [backoff.crashed(now) for now in range(LOOP)]
    assert pauses == sorted(pauses)
    assert pauses[0] < 1
    assert backoff.looping
    assert max(backoff.crashed(10) for _ in range(10)) == LONGEST
    assert backoff.crashed(10 + CALM) == pauses[0]
    assert not backoff.looping
