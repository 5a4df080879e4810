"""What policies and inventory say now, and what is to be done when their files are wrong."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

from hyperward.inventory.models import Inventory
from hyperward.policy.models import IntrusionPrevention, Policy
from hyperward.policy.resolve import Resolver, next_expiry
from hyperward.svm.check import CheckResult, Source, check_files, check_paths
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
        self._take(check_paths(config.policy_file, config.inventory_file).require(), datetime.now(UTC))

    def _take(self, result: CheckResult, since: datetime) -> None:
        self._result = result
        self.policies: tuple[Policy, ...] = result.policies
        self.inventory: Inventory = result.inventory
        self.warnings = result.warnings
        self.since = since
        self.resolver = Resolver(self.policies)
        self._by_name = {vm.name: vm for vm in self.inventory.vms}

    @property
    def source(self) -> Source:
        """The contents of the files that were taken over."""
        return self._result.require_source()

    def look_again(self) -> None:
        """Take the files for changed at the next look, whether they are or not."""
        self._watch.forget()

    async def try_policies(self, text: str, name: str) -> Callable[[], None]:
        """Take other policies over, for the inventory as it is, and return what takes them back.

        The files must not be read again meanwhile.

        Args:
            text: the content of a policy file.
            name: its name for messages.

        Raises:
            FileErrors: all that is wrong in it; nothing was taken over.
        """
        before, since = self._result, self.since
        inventory_name = str(self._config.inventory_file)
        # In a thread: resolving 100,000 VMs takes longer than the engine may go without a probe.
        result = await asyncio.to_thread(
            check_files, text, self.source.inventory_text, policy_name=name, inventory_name=inventory_name
        )
        self._take(result.require(), datetime.now(UTC))
        return lambda: self._take(before, since)

    def changed(self) -> bool:
        """Tell whether a file is another than at the last look."""
        return self._watch.changed()

    def reload(self) -> CheckResult:
        """Read both files again and take them over if they are good; the result says so."""
        result = check_paths(self._config.policy_file, self._config.inventory_file)
        if result.ok and result.require_source().texts != self.source.texts:
            self._take(result, datetime.now(UTC))
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
