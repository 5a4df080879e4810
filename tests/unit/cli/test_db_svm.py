"""`hyperward db` on the SVM's side, without a daemon: what is on disk, and what is refused."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from database_machine import World
from hyperward.cli.db import app
from hyperward.cli.db_tables import print_changes, print_done, print_status
from hyperward.databases.changes.model import Change, ChangeReport, Demotion, ListChange, RuleChange
from hyperward.errors import HyperwardError, InputError, SystemFault


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, [*arguments], catch_exceptions=True)
    if isinstance(result.exception, HyperwardError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture
def config(tmp_path: Path) -> str:
    World(tmp_path)
    return str(tmp_path / "svm.yaml")


def test_trust(tmp_path: Path, config: str) -> None:
    root = tmp_path / "publisher" / "repository" / "metadata" / "1.root.json"
    assert "trusted: root with SHA-256" in run("trust", str(root), "--config", config)
    with pytest.raises(InputError, match="cannot be read"):
        run("trust", str(tmp_path / "none"), "--config", config)
    (tmp_path / "bad.json").write_text("{}")
    with pytest.raises(InputError, match="no root metadata"):
        run("trust", str(tmp_path / "bad.json"), "--config", config)


def test_history_before_the_first_change(config: str) -> None:
    assert json.loads(run("history", "--json", "--config", config)) == []


def test_status_needs_a_daemon(config: str) -> None:
    with pytest.raises(SystemFault, match="no SVM daemon answers"):
        run("status", "--config", config)


def test_update_needs_a_source(config: str) -> None:
    with pytest.raises(InputError, match="no source of databases is configured"):
        run("update", "--config", config)


def test_diff_of_what_is_not_there(config: str) -> None:
    with pytest.raises(InputError, match="both are version starter"):
        run("diff", "--config", config)
    with pytest.raises(InputError, match="version 7 is not on this machine"):
        run("diff", "starter", "7", "--config", config)
    with pytest.raises(InputError, match="is no version"):
        run("diff", "starter", "../7", "--config", config)


REPORT = ChangeReport(
    "1",
    "2",
    "2026-06-01T12:00:00Z",
    rules_added=1,
    rules=(RuleChange(Change.ADDED, "1:7:1", "[bold]a rule", "malware"),),
    lists=(ListChange("bad", "malicious", 1, 2, 1, 0, ("H x.example",)),),
    demotions=(Demotion("bad", "DOMAIN", "bing.com", "popular"),),
    demoted=1,
)


def test_reports_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    print_changes(REPORT)
    said = capsys.readouterr().out
    for text in ("1:7:1", "[bold]a rule", "H x.example", "bing.com", "rules: 1 added"):
        assert text in said


def test_what_came_of_a_change_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    seconds = {"test_seconds": 3.2, "activation_seconds": 0.5, "report": None}
    print_done({"result": "updated", "before": "1", "after": "2", "text": "", **seconds})
    print_done({"result": "rolled back", "before": "2", "after": "1", "text": "", **seconds})
    print_done({"result": "current", "before": "1", "after": "1", "text": "the latest", **seconds})
    said = capsys.readouterr().out
    assert "version 2 is in force instead of 1 (tested in 3.2 s, activated in 0.5 s)" in said
    assert "version 1 is in force again instead of 2" in said
    assert "the latest" in said


def test_status_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    problem = {"place": "/my.rules:2", "reason": "no rule", "text": ""}
    own = {"path": "/my.rules", "kind": "rules", "state": "warning", "used": 1, "refused": 1, "kept": False}
    print_status(
        {
            "version": "2",
            "built": "2026-05-01T12:00:00Z",
            "age_seconds": 864_000,
            "too_old": True,
            "max_age_seconds": 604_800,
            "problem": "version 3 cannot be used",
            "previous": 1,
            "on_disk": [1, 2],
            "rule_files": ["/a.rules"],
            "address_databases": ["/a.hwdb"],
            "rules_replaced": True,
            "addresses_replaced": False,
            "source": "/mnt",
            "looked": "2026-06-01T12:00:00+00:00",
            "failed": "no such folder",
            "skipped_up_to": 3,
            "next_look": "2026-06-01T14:00:00+00:00",
            "job": {"action": "update", "who": "schedule", "step": "fetching"},
            "own": [own | {"problems": [problem]}],
        }
    )
    said = capsys.readouterr().out
    for text in ("10.0 days", "too old", "version 3 cannot", "/my.rules:2", "in the place of", "fetching", "up to 3"):
        assert text in said
