"""The sources that are blocked: for people in a file, for the kernel in its map.

The kernel drops a blocked source until the entry's time and needs nobody to end it. The file keeps what the kernel does
not: why, for which VM, since when, how often before. After a reboot, when the kernel's map is empty, the file fills it.
"""

from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import msgspec
import structlog

from hyperward.files import write_atomically
from hyperward.fromjson import from_json
from hyperward.response.blocking import Address, block_minutes
from hyperward.response.terminate import mapped
from hyperward.steering.layout import BlockedKey
from hyperward.steering.maps import Table

REMEMBERED_SECONDS = 24 * 3600.0
"""How long an ended block counts when the source comes back."""
MAX_BLOCKS = 50_000
"""Below the kernel's own limit of 65,536 entries."""

log = structlog.get_logger(__name__)


class Block(msgspec.Struct, frozen=True):
    """A blocked source.

    Args:
        address: whose traffic is dropped.
        segment: name of the bridge, or of the port where there is none, that the detection was on.
        vlan: the guest's VLAN id, 0 without one.
        since: seconds since the epoch.
        until: seconds since the epoch.
        times: how often the source was blocked, this time included.
        vm: the VM of the detection.
        reason: the rule's message.
        event: id of the detection.
    """

    address: str
    segment: str
    vlan: int
    since: float
    until: float
    times: int
    vm: str
    reason: str
    event: str

    @property
    def key(self) -> tuple[str, str, int]:
        """What makes it one block: address, segment and VLAN."""
        return (self.address, self.segment, self.vlan)


class Blocks:
    """All blocks. Times: `now` is seconds since the epoch, `monotonic_ns` the kernel's clock.

    Args:
        table: the kernel's map.
        path: the file.
    """

    def __init__(self, table: Table[BlockedKey, int], path: Path) -> None:
        self._table = table
        self._path = path
        self._blocks: dict[tuple[str, str, int], Block] = {}
        try:
            known = from_json(path.read_bytes(), list[Block])
        except FileNotFoundError:
            return
        except (OSError, ValueError) as error:
            log.error("blocks_unreadable", file=str(path), reason=str(error))
            return
        self._blocks = {block.key: block for block in known}

    def active(self, now: float) -> Iterator[Block]:
        """Yield the blocks in force."""
        return (block for block in self._blocks.values() if block.until > now)

    def add(self, template: Block, minutes: int, *, segment_index: int, now: float, monotonic_ns: int) -> Block | None:
        """Block a source, longer each time it comes back; None when it is blocked already or no room is left.

        Args:
            template: address, segment, VLAN, VM, reason and event; times are filled in here.
            minutes: the policy's length.
            segment_index: the segment's number in the kernel.
            now: the time.
            monotonic_ns: the kernel's time.
        """
        before = self._blocks.get(template.key)
        if before is not None and before.until > now:
            return None
        if len(self._blocks) >= MAX_BLOCKS:
            log.error("too_many_blocks", limit=MAX_BLOCKS)
            return None
        earlier = before.times if before is not None else 0
        seconds = block_minutes(minutes, earlier) * 60
        block = msgspec.structs.replace(template, since=now, until=now + seconds, times=earlier + 1)
        self._blocks[block.key] = block
        self._save()
        self._table.set(_key(block, segment_index), monotonic_ns + seconds * 1_000_000_000)
        return block

    def remove(self, address: Address, segments: dict[str, int], now: float) -> list[Block]:
        """Let a source go before its time; return the blocks that were ended."""
        ended = [block for block in self.active(now) if block.address == str(address)]
        for block in ended:
            del self._blocks[block.key]
            if block.segment in segments:
                self._table.delete(_key(block, segments[block.segment]))
        if ended:
            self._save()
        return ended

    def expire(self, segments: dict[str, int], now: float) -> list[Block]:
        """Return the blocks whose time is over, once each, and forget those of long ago."""
        ended = []
        for block in list(self._blocks.values()):
            if block.until <= now and block.reason:
                # The reason is dropped to remember that its end was told; the count stays for the next time.
                self._blocks[block.key] = msgspec.structs.replace(block, reason="")
                if block.segment in segments:
                    self._table.delete(_key(block, segments[block.segment]))
                ended.append(block)
            elif block.until + REMEMBERED_SECONDS <= now:
                del self._blocks[block.key]
        if ended:
            self._save()
        return ended

    def install(self, segments: dict[str, int], *, now: float, monotonic_ns: int) -> None:
        """Put into the kernel what is in force and missing there, as after a reboot."""
        for block in self.active(now):
            index = segments.get(block.segment)
            if index is not None and self._table.get(_key(block, index)) is None:
                self._table.set(_key(block, index), monotonic_ns + int((block.until - now) * 1e9))

    def _save(self) -> None:
        try:
            write_atomically(self._path, msgspec.json.encode(list(self._blocks.values())))
        except OSError as error:
            log.error("blocks_not_saved", file=str(self._path), reason=str(error))


def _key(block: Block, segment_index: int) -> BlockedKey:
    return BlockedKey(mapped(ip_address(block.address)), segment_index, block.vlan)
