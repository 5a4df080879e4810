"""One line of the engine's EVE file to a typed record. Pure.

What names the event (addresses, rule, VLAN) is checked strictly; what only describes it (host name, URL, packet) comes
from attackers in any shape, so a part that does not fit is left out rather than the event.
"""

import base64
from typing import Annotated, Any, Final, TypeVar

import msgspec

MAX_LINE: Final = 1 << 20
"""Bytes. An alert with its packet takes a few KiB."""
MAX_TEXT: Final = 8192
"""Characters of a host name or URL that are kept."""
MAX_PACKET: Final = 350_000
"""Characters of Base64: four thirds of the largest frame, 262,144 bytes."""
_VLAN_ETHERTYPE: Final = b"\x81\x00"
_TAGGED_HEADER_BASE64: Final = 24
"""Characters that hold 18 bytes: two addresses, the tag, the type after it."""

Port = Annotated[int, msgspec.Meta(ge=0, le=65_535)]
Vid = Annotated[int, msgspec.Meta(ge=0, le=4095)]
Address = Annotated[str, msgspec.Meta(max_length=64)]
Word = Annotated[str, msgspec.Meta(max_length=256)]
RuleNumber = Annotated[int, msgspec.Meta(ge=0, le=(1 << 32) - 1)]
_Part = TypeVar("_Part")


class EveRule(msgspec.Struct, frozen=True):
    """The `alert` object."""

    signature_id: RuleNumber
    gid: RuleNumber = 1
    rev: RuleNumber = 0
    signature: Annotated[str, msgspec.Meta(max_length=4096)] = ""
    category: Annotated[str, msgspec.Meta(max_length=1024)] = ""
    action: Word = ""
    severity: int = 0
    metadata: msgspec.Raw = msgspec.Raw(b"{}")

    def metadata_values(self, key: str) -> tuple[str, ...]:
        """Return the values of a key of the rule's metadata; none where it has another shape."""
        found = part(self.metadata, dict[str, Any], {}).get(key)
        if isinstance(found, str):
            return (found,)
        return tuple(value for value in found if isinstance(value, str)) if isinstance(found, list) else ()


class EveDrop(msgspec.Struct, frozen=True):
    """The `drop` object: why a packet was dropped for which no rule of ours alerted."""

    reason: Word = ""


class EveVerdict(msgspec.Struct, frozen=True):
    """The `verdict` object: what was really done with the packet."""

    action: Word = ""


class EveHttp(msgspec.Struct, frozen=True):
    """The `http` object."""

    hostname: str = ""
    url: str = ""
    http_method: str = ""
    http_user_agent: str = ""


class EveTls(msgspec.Struct, frozen=True):
    """The `tls` object."""

    sni: str = ""


class EveEther(msgspec.Struct, frozen=True):
    """The `ether` object."""

    src_mac: str = ""
    dest_mac: str = ""


class EveRecord(msgspec.Struct, frozen=True):
    """An `alert` or `drop` record."""

    timestamp: Word
    event_type: Word
    flow_id: int | None = None
    in_iface: Word = ""
    vlan: Annotated[tuple[Vid, ...], msgspec.Meta(max_length=8)] = ()
    src_ip: Address = ""
    src_port: Port | None = None
    dest_ip: Address = ""
    dest_port: Port | None = None
    proto: Word = ""
    app_proto: Word = ""
    direction: Word = ""
    alert: EveRule | None = None
    drop: EveDrop | None = None
    verdict: EveVerdict | None = None
    ether: msgspec.Raw = msgspec.Raw(b"{}")
    http: msgspec.Raw = msgspec.Raw(b"{}")
    tls: msgspec.Raw = msgspec.Raw(b"{}")
    quic: msgspec.Raw = msgspec.Raw(b"{}")
    dns: msgspec.Raw = msgspec.Raw(b"{}")
    packet: msgspec.Raw = msgspec.Raw(b'""')

    def request(self) -> str:
        """Return the address or name the packet asks for, as far as the engine knows it; empty otherwise."""
        http = part(self.http, EveHttp, EveHttp())
        name = part(self.tls, EveTls, EveTls()).sni or part(self.quic, EveTls, EveTls()).sni
        text = name or _asked(part(self.dns, dict[str, Any], {}))
        if http.url or http.hostname:
            # The absolute form carries its own host.
            text = http.url if "://" in http.url else f"http://{http.hostname}{http.url}"
        return text[:MAX_TEXT]

    def packet_base64(self) -> str:
        """Return the frame that matched, with its VLAN tags; empty where there is none."""
        text = part(self.packet, str, "")
        return text if len(text) <= MAX_PACKET else ""

    def outer_tci(self) -> int:
        """Return the tag control information of the frame's outer VLAN tag: priority and id; 0 where there is none."""
        try:
            frame = base64.b64decode(part(self.packet, str, "")[:_TAGGED_HEADER_BASE64], validate=True)
        except ValueError:
            return 0
        return int.from_bytes(frame[14:16], "big") if frame[12:14] == _VLAN_ETHERTYPE else 0

    def macs(self) -> EveEther:
        """Return the MAC addresses of the frame."""
        return part(self.ether, EveEther, EveEther())


_decoder = msgspec.json.Decoder(EveRecord)


def decode_line(line: bytes) -> EveRecord:
    """Return the record in a line.

    Args:
        line: with or without its newline, at most MAX_LINE bytes.

    Raises:
        ValueError: it is not an EVE record; says why.
    """
    if len(line) > MAX_LINE:
        raise ValueError(f"{len(line)} bytes, at most {MAX_LINE} are read")
    try:
        # Attackers choose the bytes of names; those that are not UTF-8 must not hide the event.
        return _decoder.decode(line.decode(errors="replace"))
    except msgspec.MsgspecError as exc:
        raise ValueError(str(exc)) from None
    except RecursionError:
        raise ValueError("nested too deeply") from None


def part(raw: msgspec.Raw, kind: type[_Part], default: _Part) -> _Part:
    """Return a part of a record, or the default where it has another shape."""
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.MsgspecError, RecursionError):
        return default


def _asked(dns: dict[str, Any]) -> str:
    """Return the first name of a DNS query, in the shapes that Suricata 7 and 8 write."""
    for key in ("query", "queries"):
        found = dns.get(key)
        first = found[0] if isinstance(found, list) and found else found
        if isinstance(first, dict) and isinstance(name := first.get("rrname"), str):
            return name
    name = dns.get("rrname")
    return name if isinstance(name, str) else ""
