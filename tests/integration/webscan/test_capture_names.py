"""The names in published captures, as our parsers read them, are those that tshark reads."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from capture_names import tcp_flows, udp_datagrams
from hyperward.webscan.protocols.model import Request
from hyperward.webscan.protocols.quic import NotQuic, QuicStart
from hyperward.webscan.protocols.tls import TlsStream
from shared_data import shared_data

pytestmark = pytest.mark.shared

DRAFT = "a draft version of QUIC, or one of Google or Facebook, which nobody speaks any more"
TUNNEL = "within a tunnel, which is not looked into"

DIFFERENCES = {
    "4in6tunnel.pcap": TUNNEL,
    "6in4tunnel.pcap": TUNNEL,
    "ja3_lots_of_cipher_suites_2_anon.pcap": TUNNEL,  # GTP
    "quic-23.pcap": DRAFT,
    "quic-24.pcap": DRAFT,
    "quic-27.pcap": DRAFT,
    "quic-28.pcap": DRAFT,
    "quic-29.pcap": DRAFT,
    "quic-mvfst-22.pcap": DRAFT,
    "quic-mvfst-exp.pcap": DRAFT,
    "quic_0RTT.pcap": DRAFT,
    "quic_t50.pcap": DRAFT,
    "quic_t51.pcap": DRAFT,
}
"""Captures, by the end of their name, of which we read none of the names, and why."""


def tls_names(path: Path) -> set[str]:
    flows = tcp_flows(path, lambda _: TlsStream())
    return {request.host.decode() for flow in flows for request in flow.requests if request.host}


def quic_names(path: Path) -> set[str]:
    starts: dict[object, QuicStart] = {}
    names = set()
    for flow, datagram in udp_datagrams(path):
        shown = starts.setdefault(flow, QuicStart()).feed(datagram)
        if isinstance(shown, Request) and shown.host:
            names.add(shown.host.decode())
        assert not isinstance(shown, NotQuic) or not shown.hostile, (path.name, shown)
    return names


@pytest.mark.parametrize(("protocol", "read"), [("tls", tls_names), ("quic", quic_names)])
def test_names_are_those_of_tshark(protocol: str, read: Callable[[Path], set[str]]) -> None:
    expected = json.loads(shared_data("pcap-names/names.json").read_text())
    different, same = {}, 0
    for capture, names in expected.items():
        wanted, found = set(names.get(protocol, [])), read(shared_data(f"pcap-names/{capture}"))
        known = next((end for end in DIFFERENCES if capture.endswith(f"__{end}")), "")
        if wanted and known:
            assert not found, f"{capture} is read now, so that it is no difference any more"
        elif wanted != found:
            different[capture] = {"missing": wanted - found, "more": found - wanted}
        else:
            same += len(wanted)
    assert different == {}
    assert same > {"tls": 140, "quic": 10}[protocol]
