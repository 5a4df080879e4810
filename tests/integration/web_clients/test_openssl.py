"""`openssl s_client` shows what a TLS client gets: an alert for a listed name, a handshake for others."""

import pytest

from hyperward.lab.web.sites import CLEAN, LOGIN
from web_clients import WebClients

pytestmark = [pytest.mark.root, pytest.mark.engine, pytest.mark.timeout(120)]
ACCESS_DENIED = "alert number 49"
families = pytest.mark.parametrize("family", [4, 6])
versions = pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])


def _connect(host: str, version: str) -> list[str]:
    return ["openssl", "s_client", version, "-connect", f"{CLEAN}:443", "-servername", host]


@families
@versions
def test_a_listed_name_gets_an_alert(standard: WebClients, family: int, version: str) -> None:
    done = standard.run(_connect(LOGIN, version), family)
    assert ACCESS_DENIED in done.stderr, done
    assert "BEGIN CERTIFICATE" not in done.stdout
    standard.acted(LOGIN, "tls")
    assert not standard.reached(LOGIN)


@families
@versions
def test_a_clean_name_gets_a_handshake(standard: WebClients, family: int, version: str) -> None:
    done = standard.run(_connect(CLEAN, version), family)
    assert "BEGIN CERTIFICATE" in done.stdout, done
    assert standard.events() == []


@versions
def test_monitoring_shakes_hands_and_reports(monitoring: WebClients, version: str) -> None:
    assert "BEGIN CERTIFICATE" in monitoring.run(_connect(LOGIN, version), 4).stdout
    monitoring.acted(LOGIN, "tls")
