import csv
import gzip
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from hyperward.databases.addressfile import build_addresses
from hyperward.databases.changes.html import html
from hyperward.databases.changes.model import Change as Kind
from hyperward.databases.changes.model import ChangeReport, Demotion, RuleChange, decode_report
from hyperward.databases.changes.report import ChangesJob, harmless, report_changes
from hyperward.databases.contents import Contents
from hyperward.databases.samples.run import SampleResult
from hyperward.databases.starter import starter_contents
from hyperward.errors import InputError

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
RULE = 'alert tcp any any -> any any (msg:"{msg}"; content:"x"; sid:{sid}; rev:1;)\n'


@pytest.fixture
def job(tmp_path: Path) -> ChangesJob:
    rules = tmp_path / "b.rules"
    rules.write_text(RULE.format(msg="=cmd|x", sid=1))
    demotions = tmp_path / "demotions.csv"
    demotions.write_text("list,was,entry,reason\na,DOMAIN,bing.com,a popular site\nnot,a row\n")
    starter = starter_contents(tmp_path)
    after = Contents(2, "2026-05-31T12:00:00Z", (rules,), starter.entries[:1], demotions)
    database = build_addresses(starter, tmp_path)
    assert database is not None
    return ChangesJob(
        before=starter,
        after=after,
        now=NOW,
        databases_before=(database,),
        databases_after=(database,),
        events=tmp_path / "none.db",
        samples_before=SampleResult(caught={"one": "", "two": ""}),
        samples_after=SampleResult(caught={"two": "", "three": ""}),
        full_list=tmp_path / "reports" / "changes.csv.gz",
    )


def test_a_report_says_it_all(job: ChangesJob) -> None:
    report = report_changes(job)
    assert (report.before, report.after, report.rules_added, report.rules_after) == ("starter", "2", 1, 1)
    assert report.rules_removed == report.rules_before > 10
    assert {one.list for one in report.lists} == {"starter-phishing", "starter-advertising", "starter-other"}
    assert report.demotions == (Demotion("a", "DOMAIN", "bing.com", "a popular site"),)
    assert report.samples is not None
    assert (report.samples.gained, report.samples.lost) == (("three",), ("one",))
    assert "no longer caught: one" in report.summary()
    assert decode_report(msgspec.json.encode(report)) == report
    assert job.full_list is not None
    with gzip.open(job.full_list, "rt", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["kind", "change", "name", "text", "before"]
    assert ["rule", "added", "1:1:1", "'=cmd|x", ""] in rows
    assert len(rows) == 1 + 1 + report.rules_removed + report.entries_removed


def test_a_version_that_cannot_be_read_leaves_no_list(job: ChangesJob, tmp_path: Path) -> None:
    (tmp_path / "b.rules").unlink()
    with pytest.raises(InputError):
        report_changes(job)
    assert not (tmp_path / "reports").exists()


def test_the_page_escapes_what_others_wrote() -> None:
    bad = "<script>alert(1)</script>"
    rule = RuleChange(Kind.ADDED, "1:1:1", bad, "malware")
    page = html(
        ChangeReport("1", "2", "x", rules_added=1, rules=(rule,), demotions=(Demotion("a", "b", bad, "c"),), demoted=1)
    )
    assert bad not in page
    assert page.count("&lt;script&gt;") == 2
    assert "default-src 'none'" in page


@pytest.mark.parametrize("cell", ["=1", "+1", "-1", "@x", "\tx"])
def test_cells_are_no_formulas(cell: str) -> None:
    assert harmless(cell) == f"'{cell}"
    assert harmless("x") == "x"
