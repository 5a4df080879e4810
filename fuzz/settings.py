"""Fuzz target: files between processes of ours (settings of scanners, their reports, records), and block pages."""

from collections.abc import Callable, Iterable

import msgspec

from hyperward.errors import InputError
from hyperward.events.model import VmRef
from hyperward.events.web import WebPort, decode_record, event_of_record
from hyperward.fromjson import from_json
from hyperward.policy.actions import WebAction
from hyperward.webscan.address import from_request
from hyperward.webscan.database import Layers
from hyperward.webscan.masks import MaskSet, parse_mask
from hyperward.webscan.protocols.model import WebProtocol
from hyperward.webscan.scanner.blockpage import MAX_TEMPLATE, PageValues, parse_template
from hyperward.webscan.scanner.follow import read_settings
from hyperward.webscan.scanner.records import WebRecord
from hyperward.webscan.scanner.rules import make_rules
from hyperward.webscan.scanner.status import ScannerStatus
from hyperward.webscan.settings import PortScan, ScannerSettings, WebScan
from scratch_file import ScratchFile

_FILE = ScratchFile("settings.json")
_VALUES = PageValues("<a>&", "malicious", "vm", "policy", "now", "id", "", "svm")
_LONGEST_VALUE = len(b"malicious")
_SCAN = WebScan({"malicious": WebAction.BLOCK}, ("*.example.com", "192.0.2.0/24"), block_page="<p>{{address}}</p>")
_RECORD = WebRecord(
    time=1_790_000_000.5,
    event="01981234-0000-7000-8000-000000000001",
    port=5,
    source="10.0.0.5",
    source_port=40000,
    destination="192.0.2.7",
    destination_port=8080,
    transport="TCP",
    vlan=(7,),
    protocol=WebProtocol.HTTP,
    address="evil.example/x.exe",
    method="GET",
    category="malicious",
    list_id="urls",
    entry="evil.example",
    entry_kind="domain",
    database="v1",
    asked=WebAction.BLOCK,
    done="blocked",
    packet="AAAA",
)

TOKENS = (
    b"{{",
    b"}}",
    b"{{ vm }}",
    b"{{vm}}" * 40,
    b"[",
    b"{",
    b"null",
    b"-1",
    b"1e308",
    b"1e18",
    b"9" * 30,
    b"\\u0000",
    b"\\ud800",
    b"\xff",
    b'"report"',
)
SEEDS = (
    msgspec.json.encode(ScannerSettings(3, "svm-1", (), (_SCAN,), {5: PortScan("vm", "policy", 0)})),
    msgspec.json.encode(ScannerSettings(0, "")),
    msgspec.json.encode(ScannerStatus(7, 99, 3, {"/db/a": "v1"}, "why")),
    msgspec.json.encode(_RECORD),
    b"<html>{{address}} {{ category }}\n{{event}} {{contact}}</html>",
)


class _Ports:
    def by_port(self, port_id: int) -> WebPort | None:
        return WebPort(VmRef(name="vm")) if port_id % 2 else None


def target(data: bytes) -> None:
    """Read the bytes as each of the files: refused, or what a scanner and the daemon can work with."""
    path = _FILE.write(data)
    _record(data)
    _report(data)
    for read in (lambda: _follow(read_settings(path)), lambda: _page(data)):
        _refused_or_fine(read)


def _refused_or_fine(read: Callable[[], None]) -> None:
    try:
        read()
    except InputError as error:
        if not str(error).isprintable():
            raise AssertionError("the refusal shows what cannot be printed") from error


def _follow(settings: ScannerSettings) -> None:
    rules = make_rules(settings, Layers(()), from_request, _masks)
    if rules.ports.keys() != settings.ports.keys():
        raise AssertionError("a port got no rules")


def _masks(texts: Iterable[str]) -> MaskSet:
    return MaskSet(map(parse_mask, texts))


def _record(data: bytes) -> None:
    try:
        event = event_of_record(decode_record(data), _Ports(), svm="svm-1")
    except ValueError:
        return
    if not msgspec.json.encode(event):
        raise AssertionError("the event cannot be stored")


def _report(data: bytes) -> None:
    try:
        report = from_json(data, ScannerStatus)
    except ValueError:
        return
    if from_json(msgspec.json.encode(report), ScannerStatus) != report:
        raise AssertionError("the report is read as another one")


def _page(data: bytes) -> None:
    page = parse_template(data.decode("utf-8", "surrogateescape")).render(_VALUES)
    if len(page) > MAX_TEMPLATE * (_LONGEST_VALUE + 1):
        raise AssertionError(f"a page of {len(page)} bytes")
