"""What the engine needs to know about this node: programs, folders, interfaces, sizes. Frozen and validated."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from hyperward.errors import InputError

MIB: Final = 1 << 20
UNIX_PATH_MAX: Final = 107
"""Longest path of a unix socket in bytes (sun_path of unix(7), without the closing zero)."""
INTERFACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,14}")
"""A name that Linux takes for an interface (IFNAMSIZ 16 with the closing zero) and that needs no quoting."""


def _absolute(path: Path) -> Path:
    text = str(path)
    if not path.is_absolute() or not text.isprintable():
        raise ValueError("must be an absolute path of printable characters")
    return path


def _interface(name: str) -> str:
    if not INTERFACE.fullmatch(name):
        raise ValueError("is not the name of an interface (at most 15 of A-Z a-z 0-9 _ . -)")
    return name


AbsolutePath = Annotated[Path, AfterValidator(_absolute)]
InterfaceName = Annotated[str, AfterValidator(_interface)]
Memory = Annotated[int, Field(ge=MIB, le=256 << 30)]
"""Bytes."""


class EngineSettings(BaseModel):
    """Settings of the engine process. The defaults fit a node with two cores."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    binary: AbsolutePath = Path("/usr/bin/suricata")
    run_dir: AbsolutePath = Path("/run/hyperward/engine")
    """Configuration, socket and pid file: gone after a reboot, as the process is."""
    log_dir: AbsolutePath = Path("/var/lib/hyperward/engine")
    """EVE files and the engine's own log: what was not read yet survives a reboot."""
    guest_interface: InterfaceName = "hwg1"
    """The engine's end of the pair that carries frames from the guests."""
    network_interface: InterfaceName = "hwn1"
    """The engine's end of the pair that carries frames to the guests."""
    threads: int = Field(default=1, ge=1, le=64)
    """Packet threads per interface."""
    mtu: int = Field(default=1600, ge=576, le=16_000)
    """Of the pairs: the guests' MTU and room for our own and the guest's VLAN tag."""
    ring_frames: int = Field(default=8192, ge=256, le=1 << 20)
    """Frames the kernel holds per packet thread while the engine is busy."""
    max_pending_packets: int = Field(default=2048, ge=64, le=65_000)
    flow_memory: Memory = 128 * MIB
    stream_memory: Memory = 64 * MIB
    reassembly_memory: Memory = 256 * MIB
    defrag_memory: Memory = 32 * MIB
    stream_depth: int = Field(default=MIB, ge=0, le=1 << 30)
    """Bytes of a connection that are inspected in each direction; 0 is all."""
    stats_seconds: int = Field(default=8, ge=1, le=3600)
    nice: int = Field(default=0, ge=-20, le=19)
    start_seconds: float = Field(default=60, gt=0, le=3600)
    """How long a start may take. Tenants are loaded afterwards and do not count."""
    eve_rotate_bytes: int = Field(default=64 * MIB, ge=64 * 1024, le=16 << 30)
    """Size from which the EVE file is put aside and a fresh one begun."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.guest_interface == self.network_interface:
            raise ValueError("guest_interface and network_interface must differ")
        if len(str(self.socket_path).encode()) > UNIX_PATH_MAX:
            raise ValueError(f"run_dir is too long: {self.socket_path} must have at most {UNIX_PATH_MAX} bytes")
        return self

    @property
    def socket_path(self) -> Path:
        """The engine's command socket."""
        return self.run_dir / "engine.sock"

    @property
    def pid_path(self) -> Path:
        """Written by the engine itself."""
        return self.run_dir / "engine.pid"

    @property
    def lock_path(self) -> Path:
        """Held by the engine process as long as it lives."""
        return self.run_dir / "engine.lock"

    @property
    def config_path(self) -> Path:
        """The rendered suricata.yaml."""
        return self.run_dir / "suricata.yaml"

    @property
    def threshold_path(self) -> Path:
        """An empty file: without one the engine looks for the distribution's."""
        return self.run_dir / "threshold.config"

    @property
    def state_path(self) -> Path:
        """What is registered in the running engine, for the daemon that adopts it."""
        return self.run_dir / "state.json"

    @property
    def eve_path(self) -> Path:
        """The EVE file being written."""
        return self.log_dir / "eve.json"

    @property
    def log_path(self) -> Path:
        """The engine's own log, one JSON object a line."""
        return self.log_dir / "engine.json"

    @property
    def output_path(self) -> Path:
        """What the engine prints before its log is open, and when it crashes."""
        return self.log_dir / "engine.out"

    def tenant_path(self, tenant: int) -> Path:
        """Return where the yaml of a tenant is."""
        return self.run_dir / f"tenant-{tenant}.yaml"


def parse_settings(data: Mapping[str, object], *, where: str) -> EngineSettings:
    """Return validated settings.

    Args:
        data: keys and values as read from a file.
        where: the file, for the error.

    Raises:
        InputError: an unknown key, a wrong type or a value out of range; names the key.
    """
    try:
        return EngineSettings.model_validate(dict(data))
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False)[0]
        key = ".".join(str(part) for part in first["loc"]) or "engine"
        raise InputError(
            f"{key}: {first['msg']}", where=where, hint="correct the value or leave the key out for the default"
        ) from None
