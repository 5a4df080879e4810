"""The engine as the applier sees it: the first change starts or adopts it, all others are applied to it.

An adopted engine must be told at once what it shall hold. Adopting it first with nothing and telling it later would
take all VMs out of inspection in between.
"""

import structlog

from hyperward.errors import EngineFault
from hyperward.ips.engine.apply import Applied
from hyperward.ips.engine.plan import Registered
from hyperward.ips.engine.supervisor import EngineSupervisor
from hyperward.ips.engine.tenants import Desired

log = structlog.get_logger(__name__)


class StartedByFirstChange:
    """Wraps the supervisor."""

    def __init__(self, supervisor: EngineSupervisor) -> None:
        self._supervisor = supervisor
        self._started = False

    @property
    def registered(self) -> Registered:
        """What the running engine holds."""
        return self._supervisor.registered

    async def apply(self, desired: Desired) -> Applied:
        """Start or adopt the engine with this state, later bring it to the state.

        An engine that does not start is not the end: the state is kept, and the supervisor goes on trying.
        """
        if self._started:
            return await self._supervisor.apply(desired)
        self._started = True
        try:
            return await self._supervisor.start(desired)
        except EngineFault as error:
            log.error("engine_not_started", reason=error.line())
            return Applied(deferred=True)
