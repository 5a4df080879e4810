"""What interfaces there are, and a wake-up when that changes."""

import asyncio
import socket
import subprocess
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

import msgspec

from hyperward.errors import SystemFault
from hyperward.fromjson import from_json

_NETLINK_ROUTE = 0
_RTMGRP_LINK = 1
_READ_BYTES = 1 << 16


def interfaces() -> dict[str, int]:
    """Return the index of every interface in this network namespace by name."""
    return {name: index for index, name in socket.if_nameindex()}


@dataclass(frozen=True, slots=True)
class Segment:
    """A broadcast domain of this host: the bridge that a port belongs to, or the port itself where there is none."""

    name: str
    index: int


def segments() -> dict[str, Segment]:
    """Return the segment of every interface by name.

    Raises:
        SystemFault: `ip` cannot be run.
    """
    done = subprocess.run(["ip", "-json", "link", "show"], capture_output=True, check=False)
    try:
        links = from_json(done.stdout, list[_Link])
    except ValueError:
        raise SystemFault("cannot list interfaces", where="ip link", hint="install iproute2") from None
    indexes = {link.ifname: link.ifindex for link in links}
    return {
        link.ifname: Segment(link.master, indexes[link.master])
        if link.master in indexes
        else Segment(link.ifname, link.ifindex)
        for link in links
    }


class _Link(msgspec.Struct):
    ifname: str
    ifindex: int
    master: str = ""


class LinkWatch:
    """Calls back when an interface comes, goes or changes; what changed is for `interfaces` to say.

    Must be created in the network namespace to watch, inside a running event loop.
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_ROUTE)
        self._socket.settimeout(0)
        self._socket.bind((0, _RTMGRP_LINK))
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket.fileno(), self._readable)

    def _readable(self) -> None:
        # Ends with EAGAIN, or with ENOBUFS when messages were lost: one call back covers them all.
        with suppress(OSError):
            while self._socket.recv(_READ_BYTES):
                pass
        self._changed()

    def close(self) -> None:
        """Stop watching."""
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
