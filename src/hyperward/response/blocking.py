"""Whether the source of a detection is blocked, and for how long. Pure.

A block takes away all of an address's traffic, so it needs more certainty than cutting one connection does.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from hyperward.events.model import Direction, Event, EventAction, Party
from hyperward.policy.models import MAX_BLOCK_MINUTES
from hyperward.steering.layout import Flow

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address

_ACK = 0x10
_SYN = 0x02


@dataclass(frozen=True, slots=True)
class NeverBlock:
    """Addresses that are never blocked, each with the reason for people.

    Args:
        networks: (network, reason), as in `("10.0.0.1/32", "a gateway")`.
    """

    networks: tuple[tuple[Network, str], ...] = ()

    def reason(self, address: Address) -> str:
        """Return why the address is never blocked; nothing when it may be."""
        for network, why in self.networks:
            if address.version == network.version and address in network:
                return f"{address} is never blocked: {why}"
        if address.is_multicast or address.is_unspecified or address.is_loopback:
            return f"{address} is no single host"
        return ""


def refusal(event: Event, source: Address, flow: Flow | None, never: NeverBlock) -> str:
    """Return why the source of a detection is not blocked; nothing when it is to be.

    Args:
        event: the detection; its policy asks for a block.
        source: the source of the packet that matched.
        flow: what steering knows of the connection.
        never: addresses that are never blocked.
    """
    if event.done is not EventAction.TERMINATE:
        return event.reason or "its packet was not dropped"
    if event.protocol != "TCP" or flow is None or not completed(flow):
        return "the source can be forged: only a connection with a completed handshake proves an address"
    opener_is_source = (event.opened_by, event.direction) in {
        (Party.REMOTE, Direction.INBOUND),
        (Party.VM, Direction.OUTBOUND),
    }
    if not opener_is_source:
        return "an answer matched: its sender did not open the connection"
    return never.reason(source)


def completed(flow: Flow) -> bool:
    """Tell whether both ends have proven their address: each acknowledged what only the other had sent."""
    both = flow.flags_from & flow.flags_to
    return bool(both & _ACK) and bool(both & _SYN)


def block_minutes(minutes: int, earlier: int, *, most: int = MAX_BLOCK_MINUTES) -> int:
    """Return the length of a block: the policy's, doubled for each earlier block of the same source, capped."""
    return min(most, minutes << min(earlier, 20))


def never_block(**reasons: Iterable[Network]) -> NeverBlock:
    """Return the set from networks by reason; underscores in the reason stand for spaces."""
    return NeverBlock(
        tuple((network, reason.replace("_", " ")) for reason, networks in reasons.items() for network in networks)
    )
