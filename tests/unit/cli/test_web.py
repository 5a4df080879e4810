"""The command line of web addresses, against files."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from hyperward.cli.web import FOUND, app
from hyperward.errors import HyperwardError, InputError
from hyperward.webscan.database.builder import build
from hyperward.webscan.database.model import Entry, EntryKind

POLICIES = """\
policies:
- name: base
  web_addresses: {enabled: true, own_categories: {gambling: report}}
- name: leaf
  parent: base
  assign: {names: [vm1]}
  web_addresses:
    never_block: [{mask: "*.ours.example", reason: ours}]
- name: watch
  parent: base
  mode: monitoring
  assign: {names: [vm2]}
- {name: off, assign: {names: [vm3]}}
"""
INVENTORY = "vms: [{name: vm1}, {name: vm2}, {name: vm3}, {name: vm4}]\n"
ENTRIES = (
    Entry(EntryKind.DOMAIN, "bad.example", "malicious", "urls", "7"),
    Entry(EntryKind.PREFIX, "popular.example/evil/", "phishing", "urls"),
    Entry(EntryKind.DOMAIN, "slots.example", "gambling", "own"),
    Entry(EntryKind.DOMAIN, "ours.example", "malicious", "urls"),
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    build(ENTRIES, tmp_path / "a.hwa", version="v1")
    (tmp_path / "policy.yaml").write_text(POLICIES)
    (tmp_path / "inventory.yaml").write_text(INVENTORY)
    return tmp_path


def run(folder: Path, *arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, [*arguments, "--database", str(folder / "a.hwa")], env={"COLUMNS": "250"})
    if isinstance(result.exception, HyperwardError):
        raise result.exception
    assert result.exit_code == code, result.output
    return result.output


def files(folder: Path) -> tuple[str, ...]:
    return ("--policy", str(folder / "policy.yaml"), "--inventory", str(folder / "inventory.yaml"))


def checked(folder: Path, url: str, vm: str, code: int = 0) -> dict[str, Any]:
    answers: list[dict[str, Any]] = json.loads(
        run(folder, "check", url, "--vm", vm, *files(folder), "--json", code=code)
    )
    return answers[0]


def test_addresses_are_looked_up_without_a_policy(folder: Path) -> None:
    assert "not listed" in run(folder, "check", "clean.example")
    shown = run(folder, "check", "HTTP://WWW.Bad.example:80/a/../b?c", "clean.example", code=FOUND)
    assert "www.bad.example/b?c" in shown
    assert "urls #7" in shown
    assert "bad.example (domain)" in shown


@pytest.mark.parametrize(
    ("url", "vm", "outcome", "reason"),
    [
        ("http://bad.example/x", "vm1", "blocked", ""),
        ("https://bad.example/x", "vm1", "blocked", ""),
        ("bad.example", "vm2", "reported", "monitoring mode"),
        ("bad.example", "vm3", "passes", "Web Addresses Scan is off"),
        ("bad.example", "vm4", "passes", "Web Addresses Scan is off"),
        ("http://popular.example/evil/x", "vm1", "blocked", ""),
        ("https://popular.example/evil/x", "vm1", "passes", ""),
        ("http://slots.example/", "vm1", "reported", ""),
        ("http://x.ours.example/", "vm1", "reported", "never_block: *.ours.example"),
        ("http://ours.example/", "vm1", "blocked", ""),
        ("http://clean.example/", "vm1", "passes", ""),
    ],
)
def test_what_becomes_of_an_address(folder: Path, url: str, vm: str, outcome: str, reason: str) -> None:
    answer = checked(folder, url, vm, FOUND if outcome == "blocked" else 0)
    assert answer["outcome"] == outcome
    first = next(one for one in answer["seen"] if one["outcome"] == outcome)
    assert first["reason"] == reason


def test_protocols_show_what_they_can(folder: Path) -> None:
    seen = {one["protocol"]: one for one in checked(folder, "popular.example/evil/x", "vm1", FOUND)["seen"]}
    assert {name: (one["address"], one["outcome"]) for name, one in seen.items()} == {
        "http": ("popular.example/evil/x", "blocked"),
        "tls": ("popular.example", "passes"),
        "quic": ("popular.example", "passes"),
        "dns": ("popular.example", "passes"),
    }
    assert seen["dns"]["reason"] == "protocols.dns is off"


def test_explanation_names_what_was_looked_up_and_which_settings_decide(folder: Path) -> None:
    shown = run(folder, "explain", "x.ours.example/a?b", "--vm", "vm1", *files(folder))
    for text in (
        "x.ours.example/a?b for VM vm1 (policy leaf, standard mode): reported",
        "hosts looked up: x.ours.example, ours.example",
        "x.ours.example/a?b, x.ours.example/a",
        "never_block: *.ours.example",
        "leaf (line 8)",
        "base (line 3)",
    ):
        assert text in shown
    told = json.loads(run(folder, "explain", "bad.example", "--vm", "vm1", *files(folder), "--json", code=FOUND))
    origins = {one["path"]: one["origin"] for one in told["settings"]}
    assert origins["web_addresses.enabled"] == {"policy": "base", "line": 3}
    assert told["looked"]["listed"][0]["version"] == "v1"


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("check", "http://"), "host"),
        (("check", "a.example", "--policy", "p.yaml"), "--policy needs --vm"),
        (("check", "a.example", "--policy", "p.yaml", "--vm", "x"), "--policy needs --inventory"),
        (("explain", "a.example", "--vm", "nobody", "FILES"), "there is no VM 'nobody'"),
    ],
)
def test_wrong_input(folder: Path, arguments: tuple[str, ...], what: str) -> None:
    given = [*arguments[:-1], *files(folder)] if arguments[-1] == "FILES" else [*arguments]
    with pytest.raises(InputError, match=what):
        run(folder, *given)


def test_a_damaged_or_missing_database_is_refused(folder: Path) -> None:
    (folder / "a.hwa").write_bytes(b"no database")
    with pytest.raises(InputError):
        run(folder, "check", "a.example")
    (folder / "svm.yaml").write_text(
        "policy_file: policy.yaml\ninventory_file: inventory.yaml\nstate_dir: s\nrun_dir: r\n"
        "engine: {binary: /bin/true}\n"
    )
    result = CliRunner().invoke(app, ["check", "a.example", "--config", str(folder / "svm.yaml")])
    assert isinstance(result.exception, InputError)
    assert "there is no address database" in str(result.exception)
