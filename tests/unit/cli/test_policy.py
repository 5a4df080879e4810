"""The command line of policies, against files and against a daemon's core that answers on a real socket."""

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from hyperward.cli.policy import app
from hyperward.errors import HyperwardError, InputError, SystemFault
from hyperward.policy.export import schema_text
from hyperward.svm.control import ControlServer
from policy_node import CLOSED, INVENTORY, NEW, OLD, Node

LOCKED = """\
policies:
- name: base
  locked: [mode]
- {name: leaf, parent: base, mode: monitoring}
"""


def run(*arguments: object, code: int = 0) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=True)
    if isinstance(result.exception, HyperwardError):
        raise result.exception
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    """Serve the core's commands on the socket that its configuration names."""
    made = Node(tmp_path)
    (tmp_path / "run").mkdir()
    loop = asyncio.new_event_loop()
    handlers = {"policies": made.changes.policies, "apply": made.changes.apply}
    server = ControlServer(tmp_path / "run" / "svm.sock", handlers)
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    asyncio.run_coroutine_threadsafe(server.start(), loop).result(10)
    try:
        yield made
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
        made.store.close()


def config(node: Node) -> Path:
    return node.file.with_name("svm.yaml")


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_check_tells_every_error_of_every_file_with_its_place(tmp_path: Path) -> None:
    good, bad = write(tmp_path, "good.yaml", OLD), write(tmp_path, "bad.yaml", LOCKED)
    worse = write(tmp_path, "worse.yaml", "policies: [{nme: a}]")
    inventory = write(tmp_path, "inventory.yaml", INVENTORY.replace("vm2,", "vm1,"))
    assert run("check", good) == "1 file without errors\n"
    lines = run("check", good, bad, worse, inventory, code=2).splitlines()
    assert lines[0] == (
        f"{bad}:4:36: policies[1].mode: 'mode' is locked by policy 'base' in policies[0].locked[0] (line 3); "
        "remove it here, or the lock there"
    )
    assert [line.split(": ")[0] for line in lines[1:4]] == [f"{worse}:1:12", f"{worse}:1:13", f"{inventory}:3:10"]
    told = json.loads(run("check", bad, worse, "--json", code=2))
    assert not told["ok"]
    assert told["errors"][0] | {"what": "", "hint": ""} == {
        "file": str(bad),
        "line": 4,
        "column": 36,
        "key": "policies[1].mode",
        "what": "",
        "hint": "",
    }


def test_check_with_inventory_finds_ties_and_policies_that_cover_nothing(tmp_path: Path) -> None:
    inventory = write(tmp_path, "inventory.yaml", INVENTORY)
    tie = write(
        tmp_path, "p.yaml", "policies: [{name: a, assign: {names: ['v*']}}, {name: b, assign: {names: ['*1']}}]"
    )
    assert "VM 'vm1' is covered equally by the policies 'a'" in run("check", tie, "--inventory", inventory, code=2)
    unused = write(tmp_path, "u.yaml", "policies: [{name: a, assign: {names: [x]}}]")
    assert "covers no VM of the inventory; check the names, or more specific policies (warning)" in run(
        "check", unused, "--inventory", inventory
    )


def test_check_of_a_bomb_and_of_a_huge_file(tmp_path: Path) -> None:
    bomb = "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n"
    assert "anchor &a is not allowed" in run("check", write(tmp_path, "bomb.yaml", bomb), code=2)
    huge = tmp_path / "huge.yaml"
    with huge.open("wb") as file:
        file.truncate(50 << 20)
    assert "has 52428800 bytes, more than the" in run("check", huge, code=2)


def test_plan_shows_which_vms_change_and_how(node: Node, tmp_path: Path) -> None:
    file = write(tmp_path, "new.yaml", CLOSED)
    text = run("plan", file, "-c", config(node))
    assert "vm1, vm2" in text
    assert "p -> q" in text
    assert "failure.down" in text
    assert text.endswith("2 VMs change, 2 do not\n")
    told = json.loads(run("plan", file, "-c", config(node), "--json"))
    assert told["unchanged"] == 2
    assert [change["vm"] for change in told["changes"]] == ["vm1", "vm2"]
    assert told["changes"][0]["settings"][1] == {
        "path": "failure.down",
        "before": "open",
        "after": "closed",
        "origin_before": {"policy": None, "line": None},
        "origin_after": {"policy": "q", "line": None},
    }
    assert node.file.read_text() == OLD


def test_plan_of_files_needs_no_daemon(tmp_path: Path) -> None:
    before, after = write(tmp_path, "old.yaml", OLD), write(tmp_path, "new.yaml", NEW)
    inventory = write(tmp_path, "inventory.yaml", INVENTORY)
    text = run("plan", after, "--against", before, "--inventory", inventory)
    assert "2 VMs change, 2 do not" in text
    assert "0 VMs change, 4 do not" in run("plan", before, "--against", before, "--inventory", inventory)
    with pytest.raises(InputError, match="--against needs --inventory"):
        run("plan", after, "--against", before)


def test_apply_puts_in_force_and_diff_shows_drift(node: Node, tmp_path: Path) -> None:
    file = write(tmp_path, "new.yaml", NEW)
    assert "no drift" in run("diff", "-c", config(node))
    text = run("apply", file, "-c", config(node))
    assert "2 VMs change, 2 do not" in text
    assert f"the policies before are kept in {node.file}.previous" in text
    assert node.file.read_text() == NEW
    assert run("export", "-c", config(node)) == NEW
    assert "no drift" in run("diff", "-c", config(node))
    node.file.write_text(OLD)
    assert "2 VMs change" in run("diff", "-c", config(node), code=1)
    told = json.loads(run("diff", "-c", config(node), "--json", code=1))
    assert (told["drift"], len(told["plan"]["changes"])) == (True, 2)
    node.file.write_text(NEW + "# a remark\n")
    assert "no VM would be treated differently" in run("diff", "-c", config(node), code=1)


def test_apply_that_fails_on_one_vm_changes_nothing(node: Node, tmp_path: Path) -> None:
    node.ports.fail_on[102] = SystemFault("no such device", where="tap2")
    before = node.in_force()
    with pytest.raises(SystemFault, match="the policies before are in force again: tap2: tap2: no such device"):
        run("apply", write(tmp_path, "new.yaml", CLOSED), "-c", config(node))
    assert node.in_force() == before
    assert node.file.read_text() == OLD
    assert "no drift" in run("diff", "-c", config(node))


def test_apply_of_a_bad_file_never_reaches_the_daemon(node: Node, tmp_path: Path) -> None:
    assert "'mode' is locked by policy 'base'" in run(
        "apply", write(tmp_path, "b.yaml", LOCKED), "-c", config(node), code=2
    )
    assert node.log.written == []


def test_apply_as_json(node: Node, tmp_path: Path) -> None:
    told: dict[str, Any] = json.loads(run("apply", write(tmp_path, "n.yaml", NEW), "-c", config(node), "--json"))
    assert told["applied"]["failed"] == {}
    assert len(told["plan"]["changes"]) == 2


def test_explain(node: Node, tmp_path: Path) -> None:
    text = run("explain", "--vm", "vm1", "--remote", "192.0.2.1", "-c", config(node))
    assert "VM vm1 is covered by policy p" in text
    assert "192.0.2.1: no exclusion row applies" in text
    assert "p (line 1)" in text
    told = json.loads(run("explain", "--vm", "vm1", "-c", config(node), "--json"))
    assert (told["policy"], told["remote"], told["candidates"][0]["standing"]) == ("p", None, "won")
    with pytest.raises(InputError, match="there is no VM 'vm9'"):
        run("explain", "--vm", "vm9", "-c", config(node))
    with pytest.raises(InputError, match="not an IP address"):
        run("explain", "--vm", "vm1", "--remote", "x", "-c", config(node))
    nothing, inventory = write(tmp_path, "n.yaml", "policies: []"), write(tmp_path, "i.yaml", INVENTORY)
    text = run("explain", "--vm", "vm1", "--against", nothing, "--inventory", inventory)
    assert text == "VM vm1 is not protected: no active policy covers it\n"


def test_export_of_effective_settings(tmp_path: Path) -> None:
    file = write(tmp_path, "p.yaml", LOCKED.replace(", mode: monitoring", ""))
    assert run("export", file) == file.read_text()
    exported = write(tmp_path, "e.yaml", run("export", file, "--effective"))
    assert "parent" not in exported.read_text()
    assert run("check", exported).endswith("1 file without errors\n")


def test_schema() -> None:
    assert run("schema") == schema_text()


def test_without_a_daemon_the_error_says_so(tmp_path: Path) -> None:
    Node(tmp_path).store.close()
    (tmp_path / "run").mkdir()
    with pytest.raises(SystemFault, match="no SVM daemon answers"):
        run("plan", tmp_path / "policy.yaml", "-c", tmp_path / "svm.yaml")
