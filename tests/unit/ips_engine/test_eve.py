import base64
import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperward.ips.engine.eve import MAX_LINE, EveRecord, decode_line

ALERT: dict[str, Any] = {
    "timestamp": "2026-11-22T12:29:10.423124+0000",
    "flow_id": 1816345223700275,
    "in_iface": "hwg1",
    "event_type": "alert",
    "vlan": [5, 99],
    "src_ip": "10.0.5.1",
    "src_port": 1000,
    "dest_ip": "10.0.5.2",
    "dest_port": 2000,
    "proto": "UDP",
    "ether": {"src_mac": "02:00:00:00:00:01", "dest_mac": "02:00:00:00:00:02"},
    "alert": {
        "action": "blocked",
        "gid": 1,
        "signature_id": 7,
        "rev": 2,
        "signature": "evil",
        "category": "A Network Trojan was detected",
        "severity": 1,
        "metadata": {"hyperward_class": ["malware"]},
    },
    "verdict": {"action": "drop"},
    "direction": "to_server",
    "packet": "AgAA",
}


def decode(**changes: Any) -> EveRecord:
    return decode_line(json.dumps(ALERT | changes).encode())


@pytest.mark.parametrize(
    ("frame", "tci"),
    [
        ("02" * 12 + "8100" + "2005" + "0800", 0x2005),
        ("02" * 12 + "0800" + "2005" + "0800", 0),
        ("02" * 12, 0),
        ("", 0),
    ],
)
def test_the_outer_tag_is_read_from_the_frame(frame: str, tci: int) -> None:
    assert decode(packet=base64.b64encode(bytes.fromhex(frame)).decode()).outer_tci() == tci


@pytest.mark.parametrize("packet", ["?" * 24, "ä" * 30, 7, None, {"a": 1}])
def test_a_frame_that_is_none_has_no_tag(packet: object) -> None:
    assert decode(packet=packet).outer_tci() == 0


def test_an_alert() -> None:
    record = decode()
    assert record.alert is not None
    assert record.alert.metadata_values("hyperward_class") == ("malware",)
    assert record.vlan == (5, 99)
    assert record.packet_base64() == "AgAA"
    assert record.macs().src_mac == "02:00:00:00:00:01"


@pytest.mark.parametrize(
    ("changes", "request_text"),
    [
        ({"http": {"hostname": "a.example", "url": "/x?y"}}, "http://a.example/x?y"),
        ({"http": {"hostname": "a.example", "url": "http://b.example/x"}}, "http://b.example/x"),
        ({"tls": {"sni": "c.example"}}, "c.example"),
        ({"quic": {"sni": "d.example", "cyu": []}}, "d.example"),
        ({"dns": {"query": [{"rrname": "e.example"}]}}, "e.example"),
        ({"dns": {"queries": [{"rrname": "f.example"}]}}, "f.example"),
        ({"dns": {"query": 5}, "tls": [], "http": "x"}, ""),
        ({}, ""),
    ],
)
def test_what_was_asked_for(changes: dict[str, Any], request_text: str) -> None:
    assert decode(**changes).request() == request_text


@pytest.mark.parametrize(
    "changes",
    [
        {"vlan": [70_000]},
        {"vlan": [1] * 9},
        {"src_port": -1},
        {"alert": {"signature_id": "x"}},
        {"alert": []},
        {"timestamp": 5},
        {"src_ip": "1" * 65},
    ],
)
def test_what_names_the_event_is_strict(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"\$|Expected"):
        decode(**changes)


@pytest.mark.parametrize("key", ["http", "tls", "dns", "quic", "ether", "packet"])
@pytest.mark.parametrize("value", [None, 5, "x", [], {"hostname": 5, "sni": [], "src_mac": 1}, [[[]]]])
def test_what_describes_it_may_have_any_shape(key: str, value: Any) -> None:
    record = decode(**{key: value})
    assert isinstance(record.request(), str)
    assert isinstance(record.packet_base64(), str)
    record.macs()


def test_bytes_that_are_not_utf8_do_not_hide_an_event() -> None:
    line = json.dumps(ALERT | {"tls": {"sni": "XX"}}).encode().replace(b"XX", b"\xff\xfe.example")
    assert decode_line(line).request().endswith(".example")


def test_bounds() -> None:
    with pytest.raises(ValueError, match="bytes"):
        decode_line(b" " * (MAX_LINE + 1))
    with pytest.raises(ValueError, match=r"."):
        decode_line(b'{"alert":' + b"[" * 100_000)
    assert decode(packet="A" * 400_000).packet_base64() == ""


@given(st.binary(max_size=300))
def test_no_bytes_make_anything_but_a_value_error(data: bytes) -> None:
    with suppress(ValueError):
        decode_line(data)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(sorted(ALERT)), json_values)
def test_any_value_at_any_key_is_taken_or_refused(key: str, value: Any) -> None:
    try:
        record = decode(**{key: value})
    except ValueError:
        return
    record.request()
    record.macs()
    record.packet_base64()
    if record.alert is not None:
        record.alert.metadata_values("hyperward_class")
