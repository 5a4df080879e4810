"""Random rows and packets that often meet each other, for tests of exclusions with and without the kernel."""

from ipaddress import ip_address

from hypothesis import strategies as st

from hyperward.exclusions.candidates import Candidate
from hyperward.exclusions.image import Entry, Image
from hyperward.exclusions.match import Traffic
from hyperward.exclusions.prefixes import holds
from hyperward.exclusions.rows import Direction, ExclusionAction, ExclusionRow
from hyperward.steering.layout import PROTOCOL_ANY, Opener, VlanMatch
from hyperward.steering.layout import ExclusionAction as Code

HOSTS = [
    *(f"10.0.{a}.{b}" for a in (0, 1) for b in (0, 1, 6, 255)),
    "fd77::1",
    "fd77::2",
    "fd77:0:1::5",
    "0.0.0.1",
    "::1",
]
PLACES = [
    "any",
    *HOSTS,
    "0.0.0.0/0",
    "::/0",
    "10.0.0.0/8",
    "10.0.0.0/23",
    "10.0.0.0/24",
    "10.0.1.0/24",
    "10.0.0.0/29",
    "10.0.0.0/31",
    "10.0.0.1-10.0.1.6",
    "10.0.0.200-10.0.1.3",
    "0.0.0.0-255.255.255.254",
    "fd77::/16",
    "fd77::/64",
    "fd77::/127",
    "fd77::1-fd77:0:1::5",
]
PORTS = ["80", "79-81", "0-65535", "443", None]
VERDICTS = {
    Code.DEFAULT: ExclusionAction.DEFAULT,
    Code.DO_NOT_BLOCK: ExclusionAction.DO_NOT_BLOCK,
    Code.DO_NOT_SCAN: ExclusionAction.DO_NOT_SCAN,
}


@st.composite
def rows(draw: st.DrawFn) -> ExclusionRow:
    plain = draw(st.booleans())
    protocol = None if plain else draw(st.sampled_from([None, None, "tcp", "udp", "icmp", "sctp", "50"]))
    ported = not plain and protocol in {None, "tcp", "udp", "sctp"}
    return ExclusionRow(
        address=draw(st.sampled_from(PLACES)),
        vlan="any" if plain else draw(st.sampled_from(["any", "any", "none", "tagged", "5"])),
        direction=Direction.ANY if plain else draw(st.sampled_from(list(Direction))),
        protocol=protocol,
        remote_port=draw(st.sampled_from(PORTS)) if ported else None,
        local_port=draw(st.sampled_from(PORTS)) if ported else None,
        action=draw(st.sampled_from(list(ExclusionAction))),
        reason="a test",
    )


@st.composite
def traffic(draw: st.DrawFn) -> Traffic:
    host = draw(st.sampled_from(HOSTS))
    version = 6 if ":" in host else 4
    protocol = draw(st.sampled_from([None, 1, 6, 6, 17, 50, 132]))
    known = protocol in {6, 17, 132} and draw(st.booleans())
    return Traffic(
        version=version,
        remote=number(host),
        vlan=draw(st.sampled_from([0, 5, 6])),
        opened=draw(st.sampled_from([None, Direction.INBOUND, Direction.OUTBOUND])),
        protocol=protocol,
        remote_port=draw(st.sampled_from([80, 81, 443, 7])) if known else None,
        local_port=draw(st.sampled_from([80, 81, 443, 7])) if known else None,
    )


def number(address: str) -> int:
    return int(ip_address(address))


def decide(image: Image, packet: Traffic) -> tuple[ExclusionAction, int]:
    """Do what the kernel does with an image: the longest prefix, then its list."""
    entries = image.entries[packet.version]
    held = [key for key in entries if holds(key, packet.remote, packet.version)]
    entry: Entry | None = entries[max(held, key=lambda key: key & 0xFF)] if held else None
    action, said = None, 0
    while entry is not None:
        row = entry.candidate
        meets = _meets(row, packet)
        if meets and (action is None or row.action < action):
            action, said = row.action, row.row
        if meets == 2 or action == Code.DEFAULT:
            return VERDICTS[Code(action or 0)], said
        entry = image.nodes[entry.next] if entry.next else None
    return ExclusionAction.DEFAULT, 0


def _meets(row: Candidate, packet: Traffic) -> int:
    vlan = {VlanMatch.ANY: True, VlanMatch.NONE: not packet.vlan, VlanMatch.TAGGED: bool(packet.vlan)}
    if not vlan.get(VlanMatch(row.vlan_match), packet.vlan == row.vlan):
        return 0
    answers = [_meets_protocol(row, packet)]
    if row.opened != Opener.BY_ANY:
        opener = Opener.BY_VM if packet.opened is Direction.OUTBOUND else Opener.BY_REMOTE
        answers.append(1 if packet.opened is None else 2 * (row.opened == opener))
    return min(answers)


def _meets_protocol(row: Candidate, packet: Traffic) -> int:
    if packet.protocol is None:
        return 2 if row.protocol == PROTOCOL_ANY and not row.ports else 1
    if row.protocol not in {PROTOCOL_ANY, packet.protocol}:
        return 0
    if not row.ports:
        return 2
    if packet.protocol not in {6, 17, 132}:
        return 0
    if packet.remote_port is None or packet.local_port is None:
        return 1
    remote = row.remote_from <= packet.remote_port <= row.remote_to
    return 2 * (remote and row.local_from <= packet.local_port <= row.local_to)
