"""Requests on connections that carry more than one: kept alive, behind bodies, through a proxy's tunnel."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import connect_proxy
from hyperward.lab.deadline import wait_until
from hyperward.lab.plan import OUT
from hyperward.lab.web.sites import CLEAN, LOGIN, POPULAR
from web_clients import SECONDS, WebClients
from web_programs import CURL

pytestmark = [pytest.mark.root, pytest.mark.engine, pytest.mark.timeout(120)]

EVIL, OTHER = f"http://{POPULAR}/site/~mallory/kit.js", f"http://{POPULAR}/site/~alice/kit.js"
COUNTED = ("-w", "%{http_code} %{num_connects}\n", "-o", "/dev/null")
PROXY_PORT = "3128"
families = pytest.mark.parametrize("family", [4, 6])


def _ends(said: str) -> list[tuple[str, str]]:
    """Return status and new connections of every request."""
    return [(line.split()[0], line.split()[1]) for line in said.splitlines() if line[:3].isdecimal()]


@families
def test_the_second_request_of_a_connection_is_blocked(standard: WebClients, family: int) -> None:
    done = standard.run([*CURL, *COUNTED, OTHER, "-o", "/dev/null", EVIL], family)
    assert _ends(done.stdout) == [("200", "1"), ("403", "0")], done
    assert standard.reached(POPULAR, "/site/~alice/kit.js")
    assert not standard.reached(POPULAR, "/site/~mallory/kit.js")
    standard.acted(f"GET {POPULAR}/site/~mallory/kit.js", "http")


@families
def test_after_a_block_the_host_is_asked_again_on_another_connection(standard: WebClients, family: int) -> None:
    done = standard.run([*CURL, *COUNTED, EVIL, "-o", "/dev/null", OTHER], family)
    assert _ends(done.stdout) == [("403", "1"), ("200", "1")], done


@families
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize(
    ("size", "begin"),
    [(1, b"x"), (70_000, b"GET /site/~mallory/ HTTP/1.1\r\nHost: popular.example\r\n\r\n"), (3_000_000, b"x")],
    ids=["a byte", "like a request", "much"],
)
def test_a_request_behind_a_body_is_blocked(
    standard: WebClients, family: int, size: int, begin: bytes, *, chunked: bool
) -> None:
    body = standard.folder / "body"
    body.write_bytes(begin.ljust(size, b"x"))
    form = ["-H", "Transfer-Encoding: chunked"] if chunked else []
    upload = [*CURL, *COUNTED, *form, "--data-binary", f"@{body}", f"http://{POPULAR}/form"]
    done = standard.run([*upload, "--next", *CURL[1:], *COUNTED, EVIL], family)
    assert _ends(done.stdout) == [("200", "1"), ("403", "0")], done
    (posted,) = [record for record in standard.records() if record.fields.get("method") == "POST"]
    assert posted.fields["body_bytes"] == size
    assert not standard.reached(POPULAR, "/site/~mallory/kit.js")
    assert len(standard.events()) <= 1
    standard.acted(f"GET {POPULAR}/site/~mallory/kit.js", "http")


@pytest.fixture(scope="module")
def proxy(clients: WebClients, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The outside host's proxy; its output."""
    log = tmp_path_factory.mktemp("proxy") / "proxy.log"
    log.touch()
    (clients.lab.folder / "proxy.log").symlink_to(log)
    process = clients.lab.spawn(OUT, [sys.executable, str(connect_proxy.__file__), PROXY_PORT], name="proxy")
    assert wait_until(lambda: log.read_text().startswith("ready\n"), SECONDS), log.read_text()
    yield log
    process.terminate()
    process.wait(5)


def _through(proxy_host: str, url: str, *options: str) -> list[str]:
    # The hosts file names the lab's sites only; the proxy is one of them here.
    command = [option for option in CURL if option not in {"--noproxy", "*"}]
    return [*command, "-x", f"http://{proxy_host}:{PROXY_PORT}", *options, url]


@families
def test_a_listed_name_gets_no_tunnel(standard: WebClients, proxy: Path, family: int) -> None:
    done = standard.run(_through(CLEAN, f"https://{LOGIN}/"), family)
    assert done.returncode != 0
    assert "403" in done.stderr, done
    standard.acted(f"CONNECT {LOGIN}", "http")
    assert f"CONNECT {LOGIN}" not in proxy.read_text()


@families
def test_a_clean_name_gets_a_tunnel_in_which_a_listed_one_is_cut_off(
    standard: WebClients, proxy: Path, family: int
) -> None:
    done = standard.run(_through(CLEAN, f"https://{CLEAN}/about.html"), family)
    assert done.stdout.endswith("200\n"), done
    assert f"CONNECT {CLEAN}:443" in proxy.read_text()
    hidden = _through(CLEAN, f"https://{LOGIN}/", "--connect-to", f"{LOGIN}:443:{CLEAN}:443")
    done = standard.run(hidden, family)
    assert done.returncode != 0, done
    assert not standard.reached(LOGIN)
    standard.acted(LOGIN, "tls")
