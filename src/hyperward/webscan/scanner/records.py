"""What a scanner writes down of an address that a database lists: one JSON object a line, in a file of its own.

The SVM daemon reads the file from a saved position and turns records into events (as it does with the engine's EVE).
"""

import msgspec

from hyperward.webscan.protocols.model import WebProtocol
from hyperward.webscan.settings import WebAction


class WebRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One verdict that is worth an event.

    Args:
        time: seconds since the epoch.
        event: id of the event (UUIDv7), which the block page also names.
        port: port id.
        copy: the packet was a copy (monitoring mode, or an exclusion says do_not_block): nothing was done.
        source, source_port, destination, destination_port, transport: of the request's packet; transport is TCP or UDP.
        vlan: the guest's own VLAN ids, outermost first.
        protocol: where the address was read.
        address: canonical, with path and query where known.
        method: of HTTP.
        category, list_id, entry, entry_kind, entry_id, database: what was met, and the version it is from; empty for a
            hidden name (Encrypted Client Hello) without any match.
        asked: what the policy asks for.
        done: `blocked`, `reported`; what was carried out.
        reason: why `done` is not what was asked; empty otherwise.
        exempt: the `never_block` mask that let it pass; empty for none.
        hidden_name: an Encrypted Client Hello.
        packet: the frame that completed the request, Base64, cut at 1,600 bytes.
    """

    time: float
    event: str
    port: int
    copy: bool = False
    source: str
    source_port: int
    destination: str
    destination_port: int
    transport: str
    vlan: tuple[int, ...] = ()
    protocol: WebProtocol
    address: str
    method: str = ""
    category: str = ""
    list_id: str = ""
    entry: str = ""
    entry_kind: str = ""
    entry_id: str = ""
    database: str = ""
    asked: WebAction
    done: str
    reason: str = ""
    exempt: str = ""
    hidden_name: bool = False
    packet: str = ""
