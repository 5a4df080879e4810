"""A stub twin of the engine's command socket: keeps tenants and mappings as the engine would."""

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import msgspec

from hyperward.ips.engine.protocol import MAX_COMMAND


class StubEngine:
    """Serves the socket while its context is open.

    Args:
        path: where to listen.

    Attributes:
        tenants: registered tenant ids and their yaml.
        mappings: VLAN id to tenant id.
        commands: every command received, in order.
        replies: raw bytes sent instead of the answer, by command; empty bytes close the connection, None hangs.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.tenants: dict[int, str] = {}
        self.mappings: dict[int, int] = {}
        self.commands: list[tuple[str, dict[str, Any]]] = []
        self.replies: dict[str, bytes | None] = {}
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_unix_server(self._serve, self.path, limit=MAX_COMMAND)
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._server is not None:
            self._server.close()
            for writer in self._open:
                writer.close()
            await self._server.wait_closed()
        self.path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            while line := await reader.readline():
                request = msgspec.json.decode(line)
                command = request.get("command", "handshake")
                self.commands.append((command, request.get("arguments", {})))
                raw = self.replies.get(command, b"-")
                if raw is None:
                    continue
                if raw == b"-":
                    raw = msgspec.json.encode(self._answer(command, request.get("arguments", {}))) + b"\n"
                if not raw:
                    break
                writer.write(raw)
                await writer.drain()
        except (ValueError, OSError):
            pass
        finally:
            self._open.discard(writer)
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    def _answer(self, command: str, arguments: dict[str, Any]) -> dict[str, Any]:
        simple: dict[str, Any] = {
            "handshake": None,
            "version": "7.0.10 RELEASE",
            "uptime": 5,
            "reopen-log-files": "done",
            "shutdown": "Closing Suricata",
            "iface-stat": {"pkts": 7, "drop": 0, "bypassed": 0, "invalid-checksums": 1},
            "dump-counters": {"message": {"uptime": 5, "decoder": {"pkts": 7}}},
        }
        if command in simple:
            return {"return": "OK", "message": simple[command]}
        refusal = self._change(command, arguments)
        return {"return": "NOK", "message": refusal} if refusal else {"return": "OK", "message": "done"}

    def _change(self, command: str, arguments: dict[str, Any]) -> str:
        tenant, vid = arguments.get("id", 0), arguments.get("hargs", 0)
        if command in {"register-tenant", "reload-tenant"} and (tenant in self.tenants) == (command[2] == "l"):
            self.tenants[tenant] = arguments["filename"]
        elif command == "unregister-tenant" and tenant in self.tenants:
            del self.tenants[tenant]
        elif command == "register-tenant-handler" and vid not in self.mappings:
            self.mappings[vid] = tenant
        elif command == "unregister-tenant-handler" and self.mappings.get(vid) == tenant:
            del self.mappings[vid]
        else:
            return f"{command} failure"
        return ""
