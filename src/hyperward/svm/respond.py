"""From a detection to what is done about it beside dropping its packets."""

from ipaddress import ip_address

from hyperward.events.model import Direction, Event, Kind
from hyperward.policy.actions import Action
from hyperward.response.terminate import Connection


def connection_of(event: Event, vid: int) -> Connection | None:
    """Return the connection to reset, or None when there is nothing to reset.

    Args:
        event: a detection.
        vid: the VLAN id under which the engine saw it.
    """
    acted = event.kind is Kind.DETECTION and event.done in {Action.TERMINATE, Action.TERMINATE_AND_BLOCK}
    if not acted or event.protocol != "TCP" or event.port is None or event.direction is None:
        return None
    if event.source_port is None or event.destination_port is None:
        return None
    source = (ip_address(event.source), event.source_port)
    destination = (ip_address(event.destination), event.destination_port)
    local, remote = (source, destination) if event.direction is Direction.OUTBOUND else (destination, source)
    return Connection(event.port, vid, *local, *remote, vlan=event.vlan[0] if event.vlan else 0)
