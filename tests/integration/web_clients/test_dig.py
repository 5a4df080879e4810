"""dig asks for listed and for clean names, over UDP and over TCP, where the policy has the scan look at DNS."""

import pytest

from hyperward.events.model import EventAction
from hyperward.lab.plan import OUT
from hyperward.lab.web.sites import CLEAN, LOGIN
from web_clients import WebClients

pytestmark = [pytest.mark.root, pytest.mark.engine, pytest.mark.timeout(120)]
families = pytest.mark.parametrize("family", [4, 6])
ways = pytest.mark.parametrize("way", ["+notcp", "+tcp"])
SINK = {"A": "192.0.2.66", "AAAA": "2001:db8::66"}


def _ask(clients: WebClients, family: int, way: str, name: str, kind: str = "A") -> tuple[str, list[str]]:
    """Return the status and the answers that dig shows."""
    options = ("+tries=1", "+time=5", "+noall", "+answer", "+comments", way)
    done = clients.run(["dig", f"@{clients.address(family)}", *options, name, kind], family)
    status = done.stdout.partition("status: ")[2].partition(",")[0]
    answers = [line.split()[-1] for line in done.stdout.splitlines() if line and not line.startswith(";")]
    return status, answers


@families
@ways
def test_a_listed_name_does_not_exist(standard: WebClients, family: int, way: str) -> None:
    assert _ask(standard, family, way, LOGIN) == ("NXDOMAIN", [])
    standard.acted(LOGIN, "dns")
    assert not standard.reached(LOGIN)


@families
@ways
def test_a_clean_name_is_resolved(standard: WebClients, family: int, way: str) -> None:
    assert _ask(standard, family, way, CLEAN) == ("NOERROR", [standard.lab.plan.node(OUT).address(4)])
    assert standard.reached(CLEAN)
    assert standard.events() == []


@families
@ways
def test_monitoring_resolves_and_reports(monitoring: WebClients, family: int, way: str) -> None:
    assert _ask(monitoring, family, way, LOGIN)[0] == "NOERROR"
    monitoring.acted(LOGIN, "dns")
    assert monitoring.reached(LOGIN)


@families
@ways
def test_a_sinkhole_is_the_answer_where_the_policy_names_one(clients: WebClients, family: int, way: str) -> None:
    clients.policy(dns_answer=list(SINK.values()))
    try:
        clients.begin()
        for kind, address in SINK.items():
            assert _ask(clients, family, way, LOGIN, kind) == ("NOERROR", [address])
        assert clients.event(LOGIN, "dns").done is EventAction.BLOCK
        assert not clients.reached(LOGIN)
    finally:
        clients.policy()
