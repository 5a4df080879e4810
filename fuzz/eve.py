"""Fuzz target: lines of the engine's EVE file, up to the event that they mean."""

import msgspec

from hyperward.events.detect import Origin, PortView, event_of
from hyperward.events.model import VmRef
from hyperward.ips.engine.eve import MAX_PACKET, MAX_TEXT, decode_line
from hyperward.ips.engine.lines import split
from hyperward.ips.rules.classes import RuleClass
from hyperward.policy.actions import Action

_LINE = 700
"""Bytes of the longest line that `split` takes here: the seeds are shorter."""
_VIEW = PortView(port=5, vm=VmRef(name="vm"), mac="02:00:00:00:00:01", asked={RuleClass.MALWARE: Action.TERMINATE})

TOKENS = (
    b"[",
    b"{",
    b"null",
    b"-1",
    b"9" * 30,
    b"1e999",
    b"\\ud800",
    b"\\u0000",
    b"\xff",
    b"\n",
    b'"direction":"to_client",',
    b'"vlan":[5],',
    b'"rrname":"x"',
    b"T24:00:00+9999",
    b"::1",
)
_COMMON = (
    b'{"timestamp":"2026-11-22T12:29:10.423124+0000","flow_id":1816345223700275,"in_iface":"hwg1","vlan":[5,99],'
    b'"src_ip":"10.0.5.1","src_port":1000,"dest_ip":"2001:db8::2","dest_port":80,"proto":"TCP","direction":"to_server",'
)
SEEDS = (
    _COMMON + b'"event_type":"alert","alert":{"action":"blocked","gid":1,"signature_id":7,"rev":2,"signature":"evil",'
    b'"category":"x","severity":1,"metadata":{"hyperward_class":["malware"]}},"verdict":{"action":"drop"},'
    b'"http":{"hostname":"a.example","url":"/x?y"},"packet":"AgAAAAABAgAAAAACgQAgBQgA"}\n',
    _COMMON + b'"event_type":"drop","drop":{"reason":"defrag error"},"ether":{"src_mac":"02:00:00:00:00:01"}}\n',
    _COMMON + b'"event_type":"alert","alert":{"signature_id":7},"dns":{"query":[{"rrname":"e.example"}]},'
    b'"tls":{"sni":"c.example"},"quic":{"sni":"d.example","cyu":[]}}\n' * 2,
)


class _Ports:
    def by_vid(self, vid: int) -> PortView | None:
        return _VIEW if vid % 2 else None


def target(data: bytes) -> None:
    """Cut the bytes into lines, whole and in two pieces; each line is refused or an event that can be stored."""
    whole = split(data, 0, skipping=False, max_line=_LINE)
    half = len(data) // 2
    first = split(data[:half], 0, skipping=False, max_line=_LINE)
    rest = split(data[first.consumed :], first.consumed, skipping=first.skipping, max_line=_LINE)
    if first.lines + rest.lines != whole.lines or set(first.too_long + rest.too_long) != set(whole.too_long):
        raise AssertionError("two pieces give other lines than one")
    for line in whole.lines:
        origin = Origin("svm-1", "eve", line.offset, line.data)
        try:
            event = event_of(decode_line(line.data), _Ports(), origin)
        except ValueError:
            continue
        if event is None:
            continue
        if len(event.request) > MAX_TEXT or len(event.packet) > MAX_PACKET or not msgspec.json.encode(event):
            raise AssertionError("the event is larger than it may be")
