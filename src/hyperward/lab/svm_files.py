"""The files of the SVM that protects a lab: configuration, inventory, policy, addresses; in the lab's folder."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from hyperward.files import write_atomically
from hyperward.lab.plan import LabPlan
from hyperward.lab.web.sites import build_database
from hyperward.policy.actions import Action
from hyperward.policy.fields import Mode

ADDRESSES = "addresses.hwa"
HEARTBEAT_MS = 900
"""The longest that a configuration may ask for: a laboratory shares its processors with a virtual machine in software
emulation, and a pause of the engine is no finding here."""


@dataclass(frozen=True, slots=True)
class SvmFiles:
    """Where the files of a lab's SVM are; `folder` is the lab's."""

    folder: Path

    @property
    def home(self) -> Path:
        """The folder of all of them."""
        return self.folder / "svm"

    @property
    def config(self) -> Path:
        """What `hyperward svm run --config` is given."""
        return self.home / "svm.yaml"

    @property
    def inventory(self) -> Path:
        """The VMs."""
        return self.home / "inventory.yaml"

    @property
    def policy(self) -> Path:
        """The policies."""
        return self.home / "policy.yaml"

    @property
    def addresses(self) -> Path:
        """The address database of the lab's sites."""
        return self.home / ADDRESSES

    @property
    def run_dir(self) -> Path:
        """Sockets, and pins where the machine has no BPF file system."""
        return self.home / "run"

    @property
    def state_dir(self) -> Path:
        """Events and compiled rules."""
        return self.home / "state"


def config_text(plan: LabPlan, rules: Sequence[Path] = (), *, repository: Path | None = None) -> str:
    """Return the configuration.

    Args:
        plan: of the lab.
        rules: rule files or archives; none stands for those of the databases.
        repository: folder that databases come from; without it the lab's own addresses take their place.
    """
    databases: dict[str, Any] = {"addresses": [ADDRESSES]}
    if repository is not None:
        databases = {"databases": {"source": str(repository)}}
    return _yaml(
        {
            "name": f"svm-{plan.name}",
            "state_dir": "state",
            "run_dir": "run",
            "policy_file": "policy.yaml",
            "inventory_file": "inventory.yaml",
            "rules": [str(path) for path in rules],
            **databases,
            "heartbeat_ms": HEARTBEAT_MS,
        }
    )


def inventory_text(plan: LabPlan) -> str:
    """Return the inventory: every VM of the lab, protected or not."""
    vms = [
        {
            "name": node.name,
            "addresses": [node.address(4), node.address(6)],
            "ports": [{"interface": node.port, "mac": node.mac}],
        }
        for node in plan.protected()
    ]
    return _yaml({"vms": vms})


def policy_text(vms: Sequence[str], mode: Mode, action: Action = Action.TERMINATE) -> str:
    """Return one policy for these VMs, or none at all where there are no VMs.

    By default attacks are terminated and their source is not blocked, so that the one host outside can go on attacking.
    """
    if not vms:
        return _yaml({"policies": []})
    policy = {
        "name": "Laboratory",
        "mode": mode.value,
        "assign": {"names": list(vms)},
        "intrusion_prevention": {
            "enabled": True,
            "network_attacks": {"action": action.value},
            "suspicious_activity": {"action": Action.TERMINATE.value},
        },
        "web_addresses": {"enabled": True, "contact": "Whoever started this laboratory"},
    }
    return _yaml({"policies": [policy]})


def write_files(
    files: SvmFiles,
    plan: LabPlan,
    *,
    protected: Sequence[str],
    rules: Sequence[Path] = (),
    repository: Path | None = None,
) -> None:
    """Write all files; the policy is in standard mode.

    Raises:
        OSError, SystemFault: the lab's folder cannot be written.
    """
    files.home.mkdir(exist_ok=True)
    if repository is None:
        build_database(files.addresses)
    write_atomically(files.config, config_text(plan, rules, repository=repository).encode())
    write_atomically(files.inventory, inventory_text(plan).encode())
    write_policy(files, protected, Mode.STANDARD)


def write_policy(files: SvmFiles, protected: Sequence[str], mode: Mode, action: Action = Action.TERMINATE) -> None:
    """Replace the policy in one step.

    Raises:
        OSError: the lab's folder cannot be written.
    """
    write_atomically(files.policy, policy_text(protected, mode, action).encode())


def _yaml(value: dict[str, Any]) -> str:
    return yaml.safe_dump(value, sort_keys=False)
