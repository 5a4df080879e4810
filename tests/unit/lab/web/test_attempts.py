"""The scenario's sites are listed as they say: looked up in the lab's own database by their whole addresses."""

from pathlib import Path

import pytest

from hyperward.lab.plan import plan_lab
from hyperward.lab.web.attempts import SCENARIO, Site, Way, attempts
from hyperward.lab.web.sites import SITES, VERSION, build_database
from hyperward.policy.actions import WebAction
from hyperward.policy.web import WebAddresses
from hyperward.webscan.address.url import canonical
from hyperward.webscan.database.database import open_database

PLAN = plan_lab(vms=2, qemu=True)


@pytest.mark.parametrize("site", SCENARIO, ids=lambda site: site.url)
def test_a_site_is_listed_as_it_says_and_the_lab_s_policy_acts_so(site: Site, tmp_path: Path) -> None:
    build_database(tmp_path / "a")
    with open_database(tmp_path / "a") as database:
        found = database.lookup(canonical(site.url))
        assert database.version == VERSION
    assert [match.entry for match in found] == ([site.entry] if site.entry else [])
    actions = WebAddresses().categories
    assert site.action == (getattr(actions, site.entry.category) if site.entry else WebAction.OFF)
    assert site.host in SITES


def test_every_attempt_has_a_name_of_its_own() -> None:
    every = attempts(PLAN, ("vm1", "vmq"))
    assert len({one.name for one in every}) == len(every) == 20 + 16
    assert {one.site.way for one in every if one.client == "vmq"} == {Way.HTTP, Way.TLS}
    assert {one.server_address for one in every} == {"10.77.0.9", "fd77::9"}


def test_the_lab_s_dns_knows_every_site() -> None:
    assert set(SITES) <= set(PLAN.dns_names())
