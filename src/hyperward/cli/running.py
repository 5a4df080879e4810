"""What is in force: as the daemon says, or as files say on machines without one."""

from pathlib import Path

from hyperward.errors import InputError
from hyperward.inventory.models import Vm
from hyperward.svm.check import CheckResult, check_files, check_paths
from hyperward.svm.config import SvmConfig, load_config
from hyperward.svm.control import ask

ASK_SECONDS = 60.0
"""The longest that the texts of policies and inventory are waited for; the daemon may be reading large files itself."""


def socket_of(config: SvmConfig) -> Path:
    """Return the daemon's control socket."""
    return config.run_dir / "svm.sock"


def in_force(config: Path, policies: Path | None, inventory: Path | None, *, option: str) -> CheckResult:
    """Return what is in force, as the daemon says, or as two files say.

    Args:
        config: the SVM's configuration file; not read when files are named.
        policies: a file of policies; None for those that run.
        inventory: an inventory file; needed with `policies`.
        option: how the command calls `policies`.

    Raises:
        InputError: a file is wrong or missing.
        SystemFault: no daemon answers.
    """
    if policies is not None:
        if inventory is None:
            raise InputError(f"{option} needs --inventory", hint="name the inventory file that belongs to the policies")
        return check_paths(policies, inventory).require()
    answer = ask(socket_of(load_config(config)), "policies", patience=ASK_SECONDS)
    return check_files(
        answer["text"], answer["inventory"], policy_name="policies that run", inventory_name="inventory that runs"
    ).require()


def vm_of(now: CheckResult, name: str) -> Vm:
    """Return a VM of the inventory.

    Raises:
        InputError: there is none of that name.
    """
    found = next((vm for vm in now.inventory.vms if vm.name == name), None)
    if found is None:
        raise InputError(f"there is no VM '{name}' in the inventory", where="--vm", hint="see hyperward vm list")
    return found
