"""The starter rules against requests that others collected: harmless ones pass, what is caught stays caught."""

from pathlib import Path

import pytest

from conversations import Conversation, write_capture
from hyperward.ips.rules.compile import compile_rules
from hyperward.ips.rules.data import starter_rules_path
from hyperward.ips.rules.options import CompileOptions
from hyperward.ips.rules.source import read_rules
from hyperward.policy.actions import Action
from hyperward.policy.resolve import Variant
from published_requests import core_rule_set_requests
from shared_data import shared_data
from suricata_runs import events_of_capture

pytestmark = [pytest.mark.engine, pytest.mark.shared]

COLLECTION = "http-attacks/coreruleset-tests-2026-07.tar.xz"
FIRST_PORT = 20000
ATTACKS_ALL_THE_SAME = {
    "932230-1": "a command in a call of system()",
    "932230-2": "a download command behind a semicolon",
    "932230-26": "reads /etc/passwd in a substitution",
    "934110-6": "asks for a cloud's metadata",
    "934110-7": "asks for a cloud's metadata",
    "934110-8": "asks for a cloud's metadata",
    "934170-2": "a PHP data stream",
    "942101-11": "UNION SELECT in a path",
    "942360-31": "UNION SELECT in a body",
}
"""Requests that the collection keeps from one of its own rules because another one is for them."""


def test_harmless_requests_pass_and_attacks_are_caught(tmp_path: Path) -> None:
    requests = list(core_rule_set_requests(shared_data(COLLECTION)))
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    write_capture(
        tmp_path / "requests.pcap",
        [
            Conversation(4, inbound=True, client_port=FIRST_PORT + number, port=80, request=each.data, response=answer)
            for number, each in enumerate(requests)
        ],
    )
    options = CompileOptions(other=Action.TERMINATE, variant=Variant.OBSERVE)
    rules = compile_rules(read_rules([starter_rules_path()]).rules, options).text
    met = {
        max(event["src_port"], event["dest_port"]) - FIRST_PORT
        for event in events_of_capture(rules, tmp_path / "requests.pcap", tmp_path)
        if event["event_type"] == "alert" and event["alert"]["metadata"]["hyperward_class"] != ["info"]
    }
    assert sum(each.attack for each in requests) > 4000
    assert {requests[number].name for number in met if not requests[number].attack} == set(ATTACKS_ALL_THE_SAME)
    # most of the collection is fragments, a word or two signs, which ordinary requests hold as well
    assert sum(requests[number].attack for number in met) >= 230
