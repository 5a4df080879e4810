"""Our client of the engine's command socket: typed methods, one command at a time, bounded in time and size."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Protocol, Self

from hyperward.errors import EngineFault
from hyperward.ips.engine import protocol
from hyperward.ips.engine.nudge import NoNudge, Nudge

QUICK: Final = 10.0
"""Seconds for a command that only looks or switches."""
LOAD: Final = 600.0
"""Seconds for a command that loads rules: 25,000 rules take 10 to 15 s on a busy node with two cores."""


class EngineControl(Protocol):
    """What the planner needs to change a running engine."""

    async def register_tenant(self, tenant: int, path: Path) -> None:
        """Load a tenant that is not there yet."""

    async def unregister_tenant(self, tenant: int) -> None:
        """Forget a tenant."""

    async def reload_tenant(self, tenant: int, path: Path) -> None:
        """Load a tenant again; the old rules are in force meanwhile."""

    async def register_handler(self, tenant: int, vid: int) -> None:
        """Give the frames of a VLAN id to a tenant."""

    async def unregister_handler(self, tenant: int, vid: int) -> None:
        """Take the frames of a VLAN id from a tenant."""


class EngineClient:
    """Connects when first used and again after any failure.

    Every method raises EngineFault when the engine cannot be reached, does not answer in time or refuses.

    Args:
        path: of the socket.
        nudge: keeps packets coming while the engine switches tenants.
        quick_seconds: time for a command that does not load rules.
        load_seconds: time for one that does.
    """

    def __init__(
        self, path: Path, *, nudge: Nudge | None = None, quick_seconds: float = QUICK, load_seconds: float = LOAD
    ) -> None:
        self._path = path
        self._nudge = nudge or NoNudge()
        self._quick = quick_seconds
        self._load = load_seconds
        self._lock = asyncio.Lock()
        self._stream: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection; the next command opens another."""
        stream, self._stream = self._stream, None
        if stream is not None:
            stream[1].close()
            with suppress(OSError):
                await stream[1].wait_closed()

    async def version(self) -> str:
        """Return the engine's version, as in `7.0.10 RELEASE`."""
        return _text(await self._call("version"), "version")

    async def uptime(self) -> int:
        """Return the seconds since the engine started."""
        return _integer(await self._call("uptime"), "uptime")

    async def register_tenant(self, tenant: int, path: Path) -> None:
        """Load the tenant from its yaml and begin to use it."""
        await self._switch("register-tenant", self._load, id=tenant, filename=str(path))

    async def unregister_tenant(self, tenant: int) -> None:
        """Forget the tenant; frames of its VLAN ids are forwarded without inspection."""
        await self._switch("unregister-tenant", self._quick, id=tenant)

    async def reload_tenant(self, tenant: int, path: Path) -> None:
        """Load the tenant again; its old rules stay in force until the fresh ones are, and if they are refused."""
        await self._switch("reload-tenant", self._load, id=tenant, filename=str(path))

    async def register_handler(self, tenant: int, vid: int) -> None:
        """Inspect the frames of a VLAN id with the tenant's rules. A VLAN id has one tenant at most."""
        await self._switch("register-tenant-handler", self._quick, id=tenant, htype="vlan", hargs=vid)

    async def unregister_handler(self, tenant: int, vid: int) -> None:
        """End the inspection of a VLAN id by the tenant."""
        await self._switch("unregister-tenant-handler", self._quick, id=tenant, htype="vlan", hargs=vid)

    async def reopen_log_files(self) -> None:
        """Make the engine open its files again under their names, each at its next line."""
        await self._call("reopen-log-files")

    async def iface_stat(self, interface: str) -> Mapping[str, int]:
        """Return `pkts`, `drop`, `bypassed` and `invalid-checksums` of an interface since the start."""
        message = await self._call("iface-stat", self._quick, iface=interface)
        return {str(key): _integer(value, "iface-stat") for key, value in _mapping(message, "iface-stat").items()}

    async def dump_counters(self) -> Mapping[str, Any]:
        """Return the counters as the engine nests them; they are as old as the stats interval at most."""
        message = _mapping(await self._call("dump-counters"), "dump-counters")
        return _mapping(message.get("message", message), "dump-counters")

    async def shutdown(self) -> None:
        """Ask the engine to end; it answers before it does."""
        await self._call("shutdown")
        await self.close()

    async def _switch(self, command: str, seconds: float, **arguments: int | str) -> None:
        with self._nudge.active():
            await self._call(command, seconds, **arguments)

    async def _call(self, command: str, seconds: float | None = None, **arguments: int | str) -> Any:
        request = protocol.encode(command, arguments)
        limit = self._quick if seconds is None else seconds
        async with self._lock:
            answered = False
            try:
                async with asyncio.timeout(limit):
                    line = await self._exchange(request)
                answered = True
            except TimeoutError:
                raise EngineFault(f"no answer within {limit:g} s", where=f"{self._path} {command}") from None
            except (OSError, EOFError, ValueError) as exc:
                raise EngineFault(
                    f"the engine cannot be reached: {exc or type(exc).__name__}", where=f"{self._path} {command}"
                ) from None
            finally:
                if not answered:
                    # A late answer must not be taken for that of the next command.
                    await self.close()
        return protocol.decode(line, command=command)

    async def _exchange(self, request: bytes) -> bytes:
        if self._stream is None:
            self._stream = await asyncio.open_unix_connection(self._path, limit=protocol.MAX_ANSWER)
            protocol.decode(await self._line(protocol.HANDSHAKE), command="handshake")
        return await self._line(request)

    async def _line(self, request: bytes) -> bytes:
        if self._stream is None:
            raise EOFError("connection closed")
        reader, writer = self._stream
        writer.write(request)
        await writer.drain()
        line = await reader.readline()
        if not line.endswith(b"\n"):
            raise EOFError("the engine closed the connection")
        return line


def _text(value: Any, command: str) -> str:
    if not isinstance(value, str):
        raise EngineFault("the answer is not a text", where=command)
    return value


def _integer(value: Any, command: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise EngineFault("the answer is not a number", where=command)
    return value


def _mapping(value: Any, command: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise EngineFault("the answer is not an object", where=command)
    return value
