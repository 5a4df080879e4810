"""The names in published captures, as our parsers read them, are those that tshark reads."""

import json
import re
from pathlib import Path

import pytest
from dns.name import from_text

from capture_names import tcp_flows, udp_datagrams
from hyperward.webscan.protocols.detect import client_stream
from hyperward.webscan.protocols.dns import queries
from hyperward.webscan.protocols.model import Request, WebProtocol
from hyperward.webscan.protocols.quic import NotQuic, QuicStart
from shared_data import shared_data

pytestmark = pytest.mark.shared

DRAFT = "a draft version of QUIC, or one of Google or Facebook, which nobody speaks any more"
TUNNEL = "within a tunnel, which is not looked into"
HTTP2 = "cleartext HTTP/2; the list has HTTP/1 only"
BROKEN = "requests changed at random, of which we read more than tshark"
NO_QUERY = "a message of another kind than a query"

DIFFERENCES = {
    ("4in6tunnel.pcap", "tls"): TUNNEL,
    ("6in4tunnel.pcap", "tls"): TUNNEL,
    ("6in4tunnel.pcap", "http"): TUNNEL,
    ("6in4tunnel.pcap", "dns"): TUNNEL,
    ("ja3_lots_of_cipher_suites_2_anon.pcap", "tls"): TUNNEL,  # GTP
    ("quic-23.pcap", "quic"): DRAFT,
    ("quic-24.pcap", "quic"): DRAFT,
    ("quic-27.pcap", "quic"): DRAFT,
    ("quic-28.pcap", "quic"): DRAFT,
    ("quic-29.pcap", "quic"): DRAFT,
    ("quic-mvfst-22.pcap", "quic"): DRAFT,
    ("quic-mvfst-exp.pcap", "quic"): DRAFT,
    ("quic_0RTT.pcap", "quic"): DRAFT,
    ("quic_t50.pcap", "quic"): DRAFT,
    ("quic_t51.pcap", "quic"): DRAFT,
    ("WebattackRCE.pcap", "http"): "a space within a target, of which we give every reading",
    ("fuzz-2006-09-29-28586.pcap", "http"): BROKEN,
    ("http-missing-protocol__input.pcap", "http"): "a request line without version, which a server may answer",
    ("dns-over-http2-post__dns_over_https_POST.pcap", "http"): HTTP2,
    ("dns-over-http2-post__dns_over_https_POST.pcap", "dns"): "in bodies of HTTP/2, which are not looked into",
    ("http2-keywords2__input.pcap", "http"): HTTP2,
    ("tcp-stream-after-swap__http-start-from-response.pcap", "http"): "begins with a response: the client is not known",
    ("dns-opcode__dns-notify.pcap", "dns"): NO_QUERY,
    ("dns-invalid-opcode__input.pcap", "dns"): NO_QUERY,
    (
        "dns-forward-pointer__input.pcap",
        "dns",
    ): "a name compressed forwards (RFC 1035, 4.1.4: backwards only)",
}
"""Ends of a capture's name and protocols where we read other names than tshark, and why."""


def found(path: Path) -> dict[str, set[str]]:
    """Return the names of a capture, in the form of the list; `dns` only of queries to port 53."""
    names: dict[str, set[str]] = {protocol: set() for protocol in (*WebProtocol, "dns elsewhere")}
    for connection in tcp_flows(path, client_stream):
        for request in connection.requests:
            names[request.protocol].update(written(request))
    starts: dict[object, QuicStart] = {}
    for flow, datagram in udp_datagrams(path):
        shown = starts.setdefault(flow, QuicStart()).feed(datagram)
        assert not isinstance(shown, NotQuic) or not shown.hostile, (path.name, shown)
        if isinstance(shown, Request):
            names["quic"].update(written(shown))
        for query in queries(datagram):
            names["dns" if flow[3] == 53 else "dns elsewhere"].update(written(query))
    return names


def written(request: Request) -> set[str]:
    if request.protocol is WebProtocol.DNS:
        labels = from_text(request.host.decode(), origin=None).labels
        return {comparable(b".".join(labels).decode(errors="replace"))} - {""}  # the list is without the root
    host = request.host.decode("latin1")
    if request.protocol is not WebProtocol.HTTP:
        return {host} - {""}
    method, target = request.method.decode("latin1"), (request.target or b"").decode("latin1")
    return {f"{method} {host} {part}" for part in target.split("|")}  # the list takes `|` for its own separator


def comparable(name: str) -> str:
    """Return a DNS name with what is no text as one sign a run: tshark writes it in other ways."""
    return re.sub(r"(?:[^ -~]|\\(?:[0-7]{3}|[abfnrtv]))+", "\N{REPLACEMENT CHARACTER}", name)


def listed(names: dict[str, list[str]], protocol: str) -> set[str]:
    wanted = names.get(protocol, [])
    if protocol == "dns":
        return {comparable(name) for name in wanted if not name.startswith("<")}  # the root, or no name
    return {name for name in wanted if not name.startswith("M-SEARCH ")}  # over UDP: SSDP


def test_names_are_those_of_tshark() -> None:
    same: dict[str, int] = dict.fromkeys(WebProtocol, 0)
    different = {}
    explained = set()
    for capture, names in json.loads(shared_data("pcap-names/names.json").read_text()).items():
        read = found(shared_data(f"pcap-names/{capture}"))
        for protocol in WebProtocol:
            wanted, ours = listed(names, protocol), read[protocol]
            missing = wanted - ours - (read["dns elsewhere"] if protocol is WebProtocol.DNS else set())
            known = next((key for key in DIFFERENCES if key[1] == protocol and capture.endswith(f"__{key[0]}")), None)
            if known and (missing or ours - wanted):
                explained.add(known)
            elif missing or ours - wanted:
                different[capture, protocol.value] = {"missing": missing, "more": ours - wanted}
            same[protocol] += len(wanted - missing)
    assert different == {}
    assert explained == set(DIFFERENCES), "what is read as tshark reads it now needs no explanation any more"
    assert same["http"] > 1300
    assert same["dns"] > 1000
    assert same["tls"] > 160
    assert same["quic"] > 14
