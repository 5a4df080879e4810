"""The samples as packets and as verdicts; that the starter rules catch them is an integration test."""

import io
import json

import dpkt

from hyperward.databases.samples.capture import FIRST_PORT, capture
from hyperward.databases.samples.cases import samples
from hyperward.databases.samples.run import judged, stopped


def test_samples_are_of_both_kinds_and_have_names_of_their_own() -> None:
    cases = samples()
    assert len({case.name for case in cases}) == len(cases)
    assert len([case for case in cases if case.attack]) >= 8
    assert len([case for case in cases if not case.attack]) >= 8


def test_the_capture_carries_every_request_whole() -> None:
    cases, sent = samples(), dict[int, bytes]()
    flags: dict[int, list[int]] = {}
    for _, frame in dpkt.pcap.Reader(io.BytesIO(capture(cases))):
        packet = dpkt.ethernet.Ethernet(frame).data
        assert packet.len == len(packet)
        segment = packet.data
        flags.setdefault(max(segment.sport, segment.dport), []).append(segment.flags)
        if segment.sport >= FIRST_PORT:
            sent[segment.sport] = sent.get(segment.sport, b"") + segment.data
    assert [sent[FIRST_PORT + number] for number in range(len(cases))] == [case.request for case in cases]
    assert all(found[:3] == [2, 18, 16] and found[-1] == 16 for found in flags.values())


def alert(number: int, action: str) -> bytes:
    rule = {"action": action, "gid": 1, "signature_id": 7, "rev": 2, "signature": "a rule"}
    ports = {"src_port": FIRST_PORT + number, "dest_port": 80}
    return json.dumps({"event_type": "alert", "alert": rule, **ports}).encode()


def test_only_what_was_stopped_counts() -> None:
    raw = alert(3, "blocked").replace(b"a rule", b"a \xff rule")
    lines = [raw, alert(0, "blocked"), alert(1, "allowed"), b"{", b'{"event_type": "flow"}', alert(2, "blocked")]
    assert stopped(lines) == {3: "1:7:2 a \ufffd rule", 0: "1:7:2 a rule", 2: "1:7:2 a rule"}


def test_verdicts() -> None:
    cases = samples()
    harmless = next(number for number, case in enumerate(cases) if not case.attack)
    result = judged(cases, {0: "1:1:1 x", harmless: "1:2:1 y"})
    assert result.caught == {cases[0].name: "1:1:1 x"}
    assert result.harmed == {cases[harmless].name: "1:2:1 y"}
    assert len(result.missed) == len([case for case in cases if case.attack]) - 1
