"""What policies and inventory say now, and what is to be done when their files are wrong."""

from datetime import UTC, datetime

from hyperward.inventory.models import Inventory
from hyperward.policy.models import IntrusionPrevention, Policy
from hyperward.policy.resolve import Resolver, next_expiry
from hyperward.svm.check import CheckResult, check_paths
from hyperward.svm.config import SvmConfig
from hyperward.svm.desired import DesiredPort, desired_ports
from hyperward.svm.home import home_networks
from hyperward.svm.watch import FileWatch


class Wanted:
    """The last good policies and inventory. A bad file never replaces a good one.

    Args:
        config: names the files.

    Raises:
        FileErrors: there is no good state to begin with.
    """

    def __init__(self, config: SvmConfig) -> None:
        self._config = config
        self._watch = FileWatch((config.policy_file, config.inventory_file))
        result = check_paths(config.policy_file, config.inventory_file).require()
        self._take(result)

    def _take(self, result: CheckResult) -> None:
        self.policies: tuple[Policy, ...] = result.policies
        self.inventory: Inventory = result.inventory
        self.warnings = result.warnings
        self.since = datetime.now(UTC)
        self.resolver = Resolver(self.policies)
        self._by_name = {vm.name: vm for vm in self.inventory.vms}

    def changed(self) -> bool:
        """Tell whether a file is another than at the last look."""
        return self._watch.changed()

    def reload(self) -> CheckResult:
        """Read both files again and take them over if they are good; the result says so."""
        result = check_paths(self._config.policy_file, self._config.inventory_file)
        if result.ok:
            self._take(result)
        return result

    def ports(self) -> tuple[DesiredPort, ...]:
        """Return the ports that active policies cover now."""
        now = datetime.now(UTC)
        return desired_ports(self.policies, self.inventory, now=now, default_home_net=home_networks(self.inventory))

    def intrusion_prevention(self, vm_name: str) -> IntrusionPrevention | None:
        """Return the feature's settings for a VM; None when no policy covers it."""
        vm = self._by_name.get(vm_name)
        settings = self.resolver.effective(vm) if vm is not None else None
        return settings.intrusion_prevention if settings is not None else None

    def expires(self) -> datetime | None:
        """Return when something in the policies ends by itself."""
        return next_expiry(self.policies, now=datetime.now(UTC))
