"""Policies changed on a running daemon, with the real kernel and the real engine."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pyroute2 import IPRoute

import hyperward
from kernel import own_namespace
from suricata_runs import engine

pytestmark = [pytest.mark.root, pytest.mark.engine]

ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(hyperward.__file__).parents[1])}
"""Whichever hyperward the tests import, the commands run the same."""
HYPERWARD = (sys.executable, "-c", "from hyperward.cli.main import main; main()")
READY_SECONDS = 60.0

POLICIES = """\
policies:
- name: base
  state: inactive
  locked: [intrusion_prevention.network_attacks.action]
  intrusion_prevention: {enabled: true}
- {name: web, parent: base, assign: {paths: [/dc1/cluster1]}}
"""
STRICTER = POLICIES.replace("/cluster1]}", "/cluster1]}, failure: {down: closed}")
BROKEN = POLICIES.replace("/cluster1]}", "/cluster1]}, intrusion_prevention: {network_attacks: {action: ignore}}")
INVENTORY = """\
vms:
- {name: web-1, path: /dc1/cluster1/host3, ports: [{interface: tapw1}]}
- {name: printer, path: /dc1/cluster2, ports: [{interface: tapp1}]}
"""


class Node:
    """A daemon in the calling thread's network namespace."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name, text in (("policy.yaml", POLICIES), ("inventory.yaml", INVENTORY)):
            (folder / name).write_text(text)
        (folder / "svm.yaml").write_text(
            "policy_file: policy.yaml\ninventory_file: inventory.yaml\nstate_dir: state\nrun_dir: run\n"
        )

    def run(self, *arguments: str, code: int = 0) -> str:
        done = subprocess.run(
            [*HYPERWARD, *arguments, "--config", str(self.folder / "svm.yaml")],
            capture_output=True,
            text=True,
            timeout=READY_SECONDS,
            check=False,
            env=ENVIRONMENT,
        )
        assert done.returncode == code, f"{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def candidate(self, text: str) -> str:
        path = self.folder / "candidate.yaml"
        path.write_text(text)
        return str(path)

    def policies(self) -> dict[str, Any]:
        return {vm["name"]: vm["policy"] for vm in json.loads(self.run("vm", "list", "--json"))}


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    engine()
    with own_namespace():
        with IPRoute() as ip:
            for name in ("tapw1", "tapp1"):
                ip.link("add", ifname=name, kind="veth", peer=f"{name}-vm")
                ip.link("set", index=ip.link_lookup(ifname=name)[0], state="up")
        made = Node(tmp_path)
        command = [*HYPERWARD, "svm", "run", "--config", str(tmp_path / "svm.yaml")]
        with (
            (tmp_path / "log").open("w") as log,
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=ENVIRONMENT) as daemon,
        ):
            assert daemon.stdout is not None
            try:
                lines = iter(daemon.stdout.readline, "")
                assert any(line == "ready\n" for line in lines), (tmp_path / "log").read_text()
                yield made
            finally:
                daemon.terminate()
                daemon.stdout.read()
                daemon.wait(READY_SECONDS)
                made.run("svm", "detach")


def test_change_is_planned_applied_and_shown(node: Node) -> None:
    assert node.policies() == {"web-1": "web", "printer": None}
    file = node.folder / "policy.yaml"
    candidate = node.candidate(STRICTER)
    planned = json.loads(node.run("policy", "plan", candidate, "--json"))
    (change,) = planned["changes"]
    assert (change["vm"], [setting["path"] for setting in change["settings"]]) == ("web-1", ["failure.down"])
    assert "no drift" in node.run("policy", "diff")
    answer = json.loads(node.run("policy", "apply", candidate, "--json"))["applied"]
    assert (answer["changed"], answer["failed"], answer["engine_down"]) == (["tapw1"], {}, False)
    assert file.read_text() == STRICTER
    assert (node.folder / "policy.yaml.previous").read_text() == POLICIES
    assert "no drift" in node.run("policy", "diff")
    told = json.loads(node.run("policy", "explain", "--vm", "web-1", "--json"))
    origins = {setting["path"]: setting["origin"] for setting in told["settings"]}
    assert told["chain"] == ["base", "web"]
    assert origins["failure.down"] == {"policy": "web", "line": 6}
    assert origins["intrusion_prevention.enabled"] == {"policy": "base", "line": 5}


def test_broken_lock_is_refused_and_the_running_policy_untouched(node: Node) -> None:
    said = node.run("policy", "apply", node.candidate(BROKEN), code=2)
    assert "is locked by policy 'base' in policies[0].locked[0] (line 4)" in said
    assert node.run("policy", "export") == POLICIES
    assert "no drift" in node.run("policy", "diff")
    (node.folder / "policy.yaml").write_text(BROKEN)
    assert "is locked by policy 'base'" in node.run("policy", "diff", code=2)
    assert node.run("policy", "export") == POLICIES
    assert node.policies() == {"web-1": "web", "printer": None}
