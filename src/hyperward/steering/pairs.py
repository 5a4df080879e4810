"""The inspection pairs between the kernel's steering and the engine.

`hwg0`-`hwg1` carries what VMs send, `hwn0`-`hwn1` what is meant for them; the engine bridges `hwg1` and `hwn1`. The 0
ends belong to the steering program. Segmentation and checksums are done by the kernel when a packet enters a pair, so
guests keep their offloads and the engine sees frames as they would be on a wire.
"""

import os
import subprocess
from dataclasses import dataclass

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from hyperward.errors import SystemFault
from hyperward.steering.attach import Hook, attach, ensure_qdisc
from hyperward.steering.program import Program

DEFAULT_MTU = 1600
# Frame length without our tag: MTU + Ethernet header; four bytes for a guest's own tag that the kernel keeps aside.
_FRAME_OVERHEAD = 14 - 4

# The kernel does what a NIC would have done; "txvlan off" puts our tag into the frame before it is segmented.
_STEERING_END = "tso off gso off gro off tx off txvlan off"
_ENGINE_END = "tso off gso off gro off tx off rxvlan off"


@dataclass(frozen=True, slots=True)
class Pairs:
    """Interface indexes of the steering ends, and the longest frame they carry."""

    guest: int
    network: int
    max_frame: int


def ensure_pairs(mtu: int = DEFAULT_MTU) -> Pairs:
    """Create the two pairs in the current network namespace, or adopt those that are there.

    Raises:
        SystemFault: an interface of one of the names exists and is not a veth, or the kernel refuses.
    """
    try:
        with IPRoute() as ip:
            indexes = {name: _ensure_pair(ip, name, mtu) for name in ("hwg", "hwn")}
    except NetlinkError as error:
        raise SystemFault(
            f"the kernel refuses the inspection pairs: {os.strerror(error.code)}",
            where="interfaces hwg0, hwn0",
            hint="run as root with CAP_NET_ADMIN, on a kernel with veth",
        ) from None
    return Pairs(indexes["hwg"], indexes["hwn"], mtu + _FRAME_OVERHEAD)


def attach_pairs(pairs: Pairs, program: Program) -> None:
    """Attach the programs of the steering ends; those that are there are exchanged atomically."""
    for ifindex, ingress in (
        (pairs.guest, "from_engine_guest"),
        (pairs.network, "from_engine_network"),
    ):
        ensure_qdisc(ifindex)
        attach(ifindex, Hook.INGRESS, program.fds[ingress])
        attach(ifindex, Hook.EGRESS, program.fds["to_engine"])


def remove_pairs() -> None:
    """Delete the pairs and the filters on them."""
    with IPRoute() as ip:
        for name in ("hwg0", "hwn0"):
            for index in ip.link_lookup(ifname=name):
                ip.link("del", index=index)


def _ensure_pair(ip: IPRoute, name: str, mtu: int) -> int:
    ends = (f"{name}0", f"{name}1")
    found = ip.link_lookup(ifname=ends[0])
    if found:
        kind = ip.get_links(found[0])[0].get_nested("IFLA_LINKINFO", "IFLA_INFO_KIND")
        if kind != "veth" or not ip.link_lookup(ifname=ends[1]):
            raise SystemFault(
                "exists but is not our inspection pair", where=f"interface {ends[0]}", hint="remove or rename it"
            )
    else:
        ip.link("add", ifname=ends[0], kind="veth", peer=ends[1])
    for end, features in zip(ends, (_STEERING_END, _ENGINE_END), strict=True):
        index = ip.link_lookup(ifname=end)[0]
        # No address of our own: the host must not speak on a pair.
        ip.link(
            "set", index=index, mtu=mtu, af_spec={"attrs": [["AF_INET6", {"attrs": [["IFLA_INET6_ADDR_GEN_MODE", 1]]}]]}
        )
        _ethtool(end, features)
        ip.link("set", index=index, state="up")
    return int(ip.link_lookup(ifname=ends[0])[0])


def _ethtool(interface: str, features: str) -> None:
    try:
        done = subprocess.run(
            ["ethtool", "-K", interface, *features.split()], capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        raise SystemFault("the program ethtool is missing", hint="install ethtool") from None
    if done.returncode != 0:
        raise SystemFault(
            f"cannot set offloads: {done.stderr.strip()}", where=f"interface {interface}", hint="run as root"
        )
