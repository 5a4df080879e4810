import os
from itertools import islice

import pytest

from webnumbers.bench import unscanned
from webnumbers.loads import Answered, parse_answered
from webnumbers.machine import TICKS, Moment, Used, descendants, foreign, machine, moment, parse_used, spent
from webnumbers.memory import resident
from webnumbers.names import CLEAN_HOSTS, LISTED_HOST, clean_host, listed_hosts
from webnumbers.rounds import Kind, Sample, found_of

WRK = """Running 1s test @ http://10.88.0.2/
  Thread Stats   Avg      Stdev     Max   +/- Stdev
Requests/sec:  11999.99
{"requests":24000,"duration_us":2000000,"bytes":1,"failed":3,"p50_us":250,"p99_us":4000}
"""
SMAPS = """7f00-7f10 r--s 00000000 08:01 12 /tmp/x/large.hwa
Size:                 64 kB
Rss:                  40 kB
7f10-7f20 r--s 00000000 08:01 13 /tmp/x/other.hwa
Rss:                 900 kB
7f20-7f30 r--s 00010000 08:01 12 /tmp/x/large.hwa
Rss:                   8 kB
"""


def test_wrk_result_is_read() -> None:
    found = parse_answered(WRK)
    assert found == Answered(24_000, 2.0, 3, 250, 4000)
    assert found.rate == 12_000


def test_wrk_without_result_is_an_error() -> None:
    with pytest.raises(ValueError, match="unable to connect"):
        parse_answered("unable to connect to 10.88.0.2:http Connection refused\n")


def test_resident_counts_one_file() -> None:
    assert resident(SMAPS, "/tmp/x/large.hwa") == 48 * 1024  # noqa: S108 - a text
    assert resident(SMAPS, "large.hwa") == 0


def test_cpu_times_of_a_process_with_a_hostile_name() -> None:
    stat = "12 (a) S 1 9 ) R 7 12 12 0 -1 4194304 1 2 3 4 100 50 30 20 20 0 1 0 99 1 1"
    assert parse_used(stat) == Used(7, 150 / TICKS, 200 / TICKS)


def test_own_times_are_read() -> None:
    found = moment()
    assert found.used[os.getpid()].parent == os.getppid()


def test_foreign_leaves_out_ours_and_what_is_below() -> None:
    before = Moment(10.0, {1: Used(0, 5, 5), 20: Used(1, 1, 1), 30: Used(1, 1, 2)})
    after = Moment(
        12.0, {1: Used(0, 5, 5), 20: Used(1, 3, 3), 21: Used(20, 9, 9), 30: Used(1, 2, 4), 31: Used(1, 1, 1)}
    )
    assert descendants(after.used, [20]) == {20, 21}
    alone = Moment(12.0, {20: Used(1, 1, 1), 30: Used(1, 2, 4), 31: Used(1, 1, 1)})
    assert foreign(before, alone, [20]) == pytest.approx(min((2 + 1) / 2, len(os.sched_getaffinity(0))))
    assert foreign(before, after, [20]) == pytest.approx(
        min((2 + 1) / 2, max(0, len(os.sched_getaffinity(0)) - (2 + 9) / 2))
    )
    assert spent(before, after, [20, 30, 31]) == pytest.approx(3)


def test_machine_says_what_a_reader_needs() -> None:
    assert set(machine()) == {"date", "CPU", "kernel", "Python"}


def test_listed_and_clean_hosts_differ() -> None:
    clean = {clean_host(number) for number in range(CLEAN_HOSTS)}
    listed = list(islice(listed_hosts(100), 101))
    assert len(clean) == CLEAN_HOSTS
    assert listed[0] == LISTED_HOST
    assert not clean & set(listed)


def test_samples_become_series() -> None:
    kind = Kind((("rate", "req/s"), ("median", "us")), lambda: Sample((0.0, 0.0)))
    found = found_of(kind, "protected", [Sample((10.0, 1.0), foreign=0.2), Sample((30.0, 3.0))])
    assert [one.median for one in found.series] == [20.0, 2.0]
    assert [one.unit for one in found.series] == ["req/s", "us"]
    assert found.series[1].foreign == 0.2


def test_numbers_mean_nothing_where_requests_were_not_scanned() -> None:
    assert unscanned({"web_handed": 100, "web_open_busy": 0}, 100) == []
    assert unscanned({"web_handed": 100, "web_open_busy": 3}, 100) == ["3 packets: web_open_busy"]
    assert unscanned({"web_handed": 99}, 100) == ["only 99 packets of 100 requests went to the scanners"]
