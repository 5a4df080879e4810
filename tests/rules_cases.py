"""Detection cases of `tests/detection`: conversations as data, and which rules fired in which of them.

A case is a mapping:
    name: what it is.
    direction: `in` (outside to the VM, the default) or `out`.
    port: of the server; 80 where nothing is said.
    one of
        http: `path` as it goes over the wire; `method` (GET, or POST with a body), `headers`, `body`; `response` with
            `status`, `headers`, `body`.
        tcp: what the client sends first; `answer` is what the server sends then.
        udp: what the client sends in one datagram; `answer` as above.
        tls: the server name of a ClientHello.
    sids: exactly these rules fire, over IPv4 and IPv6; none for harmless traffic.
Texts stand for bytes, Latin-1, except for bodies, which are UTF-8.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml

from conversations import Conversation, client_hello

Case = dict[str, Any]
_FIRST_PORT = 20000
_USUAL_RESPONSE: Case = {"headers": {"Content-Type": "text/plain"}, "body": "ok\n"}


def read_cases(folder: Path) -> list[Case]:
    """Return the cases of every file of a folder, in the order of names."""
    return [
        case for path in sorted(folder.glob("*.yaml")) for case in yaml.load(path.read_text(), Loader=yaml.CSafeLoader)
    ]


def conversations(cases: Sequence[Case]) -> list[Conversation]:
    """Return each case over IPv4 and over IPv6; the client's port tells which case it is."""
    return [_conversation(version, number, case) for version in (4, 6) for number, case in enumerate(cases)]


def alerts_by_case(events: Iterable[dict[str, Any]]) -> dict[tuple[int, int], set[int]]:
    """Return the rules that fired, by version of IP and number of the case."""
    fired: dict[tuple[int, int], set[int]] = defaultdict(set)
    for event in events:
        if event["event_type"] == "alert":
            fired[case_of(event)].add(event["alert"]["signature_id"])
    return fired


def case_of(event: dict[str, Any]) -> tuple[int, int]:
    """Return version of IP and number of the case that an event belongs to."""
    inside = event["src_ip"].startswith(("192.168.77.", "fd77:"))
    ports = (event["src_port"], event["dest_port"])
    number = next(port for port in ports if port >= _FIRST_PORT) - _FIRST_PORT
    assert inside or event["dest_ip"].startswith(("192.168.77.", "fd77:"))
    return (6 if ":" in event["src_ip"] else 4, number)


def _conversation(version: int, number: int, case: Case) -> Conversation:
    request, response = _data(case)
    return Conversation(
        version=version,
        inbound=case.get("direction", "in") == "in",
        client_port=_FIRST_PORT + number,
        port=case.get("port", 80),
        request=request,
        response=response,
        udp="udp" in case,
    )


def _data(case: Case) -> tuple[bytes, bytes]:
    answer = str(case.get("answer", "")).encode("latin-1")
    if "tls" in case:
        return client_hello(case["tls"]), answer
    for transport in ("tcp", "udp"):
        if transport in case:
            return str(case[transport]).encode("latin-1"), answer
    http = case["http"]
    return _http_request(http), _http_response(http.get("response", _USUAL_RESPONSE))


def _http_request(http: Case) -> bytes:
    body = str(http.get("body", "")).encode()
    headers = {"Host": "vm.example.test", "User-Agent": "curl/8.9.1"} | http.get("headers", {})
    if body:
        headers["Content-Length"] = str(len(body))
    method = http.get("method", "POST" if body else "GET")
    return _message(f"{method} {http['path']} HTTP/1.1", headers, body)


def _http_response(http: Case) -> bytes:
    body = str(http.get("body", "")).encode()
    headers = http.get("headers", {}) | {"Content-Length": str(len(body))}
    return _message(f"HTTP/1.1 {http.get('status', '200 OK')}", headers, body)


def _message(first: str, headers: dict[str, str], body: bytes) -> bytes:
    lines = [first, *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    return "\r\n".join(lines).encode() + body
