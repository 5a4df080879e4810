"""curl, wget, Python's requests and httpx ask for listed and clean addresses, in standard and monitoring mode."""

import pytest

from hyperward.lab.web.sites import CLEAN, LOGIN, MALWARE, POPULAR
from web_clients import WebClients
from web_programs import PLAIN, SECURED, Program

pytestmark = [pytest.mark.root, pytest.mark.engine, pytest.mark.timeout(120)]

EVIL, OTHER = "/site/~mallory/kit.js", "/site/~alice/kit.js"
plain = pytest.mark.parametrize("program", PLAIN, ids=lambda one: one.name)
secured = pytest.mark.parametrize("program", SECURED, ids=lambda one: one.name)
families = pytest.mark.parametrize("family", [4, 6])


@families
@plain
def test_a_listed_host_gets_the_block_page(standard: WebClients, program: Program, family: int) -> None:
    done = standard.run(program.argv(program.url(MALWARE, "/site/a?b=1")), family)
    event = standard.acted(f"GET {MALWARE}{program.suffix}/site/a?b=1", "http")
    assert program.status(done) == 403, done
    assert all(text in done.stdout for text in (event.id, "malicious", f"{MALWARE}{program.suffix}/site/a"))
    assert not standard.reached(MALWARE)


@families
@plain
def test_a_path_is_blocked_and_the_host_stays_open(standard: WebClients, program: Program, family: int) -> None:
    assert program.status(standard.run(program.argv(program.url(POPULAR, EVIL)), family)) == 403
    assert program.status(standard.run(program.argv(program.url(POPULAR, OTHER)), family)) == 200
    assert (standard.reached(POPULAR, EVIL), standard.reached(POPULAR, OTHER)) == (False, True)
    standard.acted(f"GET {POPULAR}{program.suffix}{EVIL}", "http")


@families
@secured
def test_a_listed_name_is_cut_off(standard: WebClients, program: Program, family: int) -> None:
    done = standard.run(program.argv(program.url(LOGIN, "/")), family)
    assert (program.status(done), done.returncode != 0) == (0, True), done
    standard.acted(LOGIN, "tls")
    assert not standard.reached(LOGIN)


@families
@pytest.mark.parametrize("program", [*PLAIN, *SECURED], ids=lambda one: one.name)
def test_clean_addresses_load(standard: WebClients, program: Program, family: int) -> None:
    done = standard.run(program.argv(program.url(CLEAN, "/about.html")), family)
    assert program.status(done) == 200, done
    assert standard.reached(CLEAN, "/about.html")
    assert standard.events() == []


@plain
def test_monitoring_loads_and_reports(monitoring: WebClients, program: Program) -> None:
    done = monitoring.run(program.argv(program.url(MALWARE, "/site/a")), 4)
    assert program.status(done) == 200, done
    monitoring.acted(f"GET {MALWARE}{program.suffix}/site/a", "http")
    assert monitoring.reached(MALWARE, "/site/a")


@secured
def test_monitoring_loads_and_reports_names(monitoring: WebClients, program: Program) -> None:
    done = monitoring.run(program.argv(program.url(LOGIN, "/")), 6)
    assert program.status(done) == 200, done
    monitoring.acted(LOGIN, "tls")
    assert monitoring.reached(LOGIN)
