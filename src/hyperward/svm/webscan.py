"""Bring Web Addresses Scan into force: the scanners know a port before its packets come, and as long as they do."""

from collections.abc import Mapping

import structlog

from hyperward.errors import HyperwardError
from hyperward.steering.layout import Web
from hyperward.steering.ports import PortTable
from hyperward.svm.scanners.link import Scanners
from hyperward.svm.scanners.settings import ScannedPort
from hyperward.webscan.settings import WebScan

log = structlog.get_logger(__name__)


def web_parts(web: WebScan | None) -> Web:
    """Return which packets of a port the scanners have to see; DNS is asked over TCP too."""
    if web is None:
        return Web.NONE
    tcp = Web.TCP if web.http or web.tls or web.dns else Web.NONE
    return tcp | (Web.QUIC if web.quic else Web.NONE) | (Web.DNS if web.dns else Web.NONE)


class WebSteps:
    """The two steps around a change of ports.

    Args:
        ports: in the kernel.
        scanners: who follow.
    """

    def __init__(self, ports: PortTable, scanners: Scanners) -> None:
        self._ports = ports
        self._scanners = scanners

    async def before(self, scanned: Mapping[int, ScannedPort]) -> str:
        """Let the scanners know these ports, beside those that are still switched to them.

        Args:
            scanned: what shall be, by port id.

        Returns:
            Why ports must not be switched to them; empty when nothing stands against it.
        """
        using = self._using()
        still = {port_id: port for port_id, port in self._scanners.told().items() if port_id in using}
        return await self._follow(still | dict(scanned))

    async def after(self, scanned: Mapping[int, ScannedPort]) -> None:
        """Let the scanners forget ports that are no longer switched to them."""
        told, kept = self._scanners.told(), scanned.keys() | self._using()
        if told.keys() - kept:
            await self._follow({port_id: port for port_id, port in told.items() if port_id in kept})

    def _using(self) -> set[int]:
        return {settings.port_id for settings in self._ports.registered().values() if settings.web}

    async def _follow(self, ports: Mapping[int, ScannedPort]) -> str:
        try:
            return await self._scanners.follow(ports)
        except HyperwardError as error:
            log.error("scanners_not_told", reason=error.line())
            return error.line()
