"""Changes of databases on a machine whose daemon does not run: what is chosen comes into force with the next start."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from hyperward.databases.store import open_store
from hyperward.svm.config import SvmConfig
from hyperward.svm.databases.machine import RestingMachine
from hyperward.svm.databases.place import Place
from hyperward.svm.databases.updates import Done, Updates
from hyperward.svm.engine_settings import engine_settings
from hyperward.svm.instance import only_instance
from hyperward.svm.rulesets import RuleSets
from hyperward.svm.wanted import Wanted


def change_resting(config: SvmConfig, change: Callable[[Updates], Awaitable[Done]]) -> Done:
    """Carry a change out, tested as ever with policies and inventory of their files; no daemon can start meanwhile.

    Args:
        config: of the SVM.
        change: what is to be done.

    Raises:
        HyperwardError: nothing changed; also when a daemon runs.
    """
    return asyncio.run(_change(config, change))


async def _change(config: SvmConfig, change: Callable[[Updates], Awaitable[Done]]) -> Done:
    for folder in (config.run_dir, config.state_dir):
        folder.mkdir(mode=0o750, parents=True, exist_ok=True)
    place = Place.of(config.state_dir)
    with only_instance(config.run_dir):
        store, _ = open_store(place.folder)
        engine = engine_settings(config)
        rule_sets = RuleSets(_rules_folder(config), config.rules, engine.binary)
        updates = Updates(config, place, store, RestingMachine(Wanted(config), rule_sets), engine)
        await updates.start(lambda _: None)
        return await change(updates)


def _rules_folder(config: SvmConfig) -> Path:
    """Return the folder in which the daemon looks for compiled rules."""
    return config.state_dir / "rules"
