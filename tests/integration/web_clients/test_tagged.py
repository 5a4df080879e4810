"""A VM that speaks through a VLAN of its own: its requests are judged as any other's, and events name the VLAN."""

from pathlib import Path

import pytest

from hyperward.lab.plan import OUT
from hyperward.lab.web.sites import CLEAN, LOGIN, MALWARE
from vlan_guest import speak_tagged
from web_clients import VM, web_clients
from web_programs import PLAIN, SECURED

pytestmark = [pytest.mark.root, pytest.mark.engine, pytest.mark.timeout(120)]
VID = 100


def test_a_tagged_vm(tmp_path: Path) -> None:
    curl, curl_tls = PLAIN[0], SECURED[0]
    with web_clients(tmp_path) as clients:
        for node in (VM, OUT):
            clients.lab.netns(node).call(lambda: speak_tagged("eth0", VID))
        for family in (4, 6):
            clients.begin()
            assert curl.status(clients.run(curl.argv(curl.url(CLEAN, "/")), family)) == 200
            assert curl.status(clients.run(curl.argv(curl.url(MALWARE, "/site/a")), family)) == 403
            assert curl_tls.status(clients.run(curl_tls.argv(curl_tls.url(LOGIN, "/")), family)) == 0
            assert clients.acted(f"GET {MALWARE}/site/a", "http").vlan == (VID,)
            assert clients.acted(LOGIN, "tls").vlan == (VID,)
            assert (clients.reached(MALWARE), clients.reached(LOGIN), clients.reached(CLEAN)) == (False, False, True)
