"""A headless Chromium in the protected VM's namespace: the block page is shown, QUIC and TLS to a listed name fail."""

import struct
from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import load_pem_x509_certificate

from hyperward.lab.certificate import CertificateFiles
from hyperward.lab.messages import url_host
from hyperward.lab.web.sites import CLEAN, LOGIN, MALWARE, POPULAR
from web_clients import WebClients

pytestmark = [pytest.mark.root, pytest.mark.engine, pytest.mark.timeout(180)]

PROGRAM = "chromium-headless-shell"
WIDTH, HEIGHT = 1000, 700
OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--ignore-certificate-errors", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"),
    *(f"--window-size={WIDTH},{HEIGHT}", "--virtual-time-budget=4000", "--timeout=15000", "--dump-dom"),
)
families = pytest.mark.parametrize("family", [4, 6])


class Browser:
    """A browser with a profile of its own; `log` of every run is what it asked the network for."""

    def __init__(self, clients: WebClients, folder: Path) -> None:
        self._clients = clients
        self._folder = folder

    def open(self, url: str, family: int, *options: str) -> CompletedProcess[str]:
        """Open an address and return the page that is shown on stdout."""
        address = url_host(self._clients.address(family))
        trusted = f"--ignore-certificate-errors-spki-list={_key_hash(self._clients)}"
        own = (trusted, f"--user-data-dir={self._folder / 'profile'}", f"--host-resolver-rules=MAP * {address}")
        return self._clients.run([PROGRAM, *OPTIONS, *own, *options, url], family, timeout=60)

    def shot(self) -> Path:
        return self._folder / "shot.png"


@pytest.fixture
def browser(clients: WebClients, tmp_path: Path) -> Browser:
    (tmp_path / "profile").mkdir()
    return Browser(clients, tmp_path)


def _key_hash(clients: WebClients) -> str:
    """Return the hash of the lab's key: without it Chromium takes no self-made certificate over QUIC."""
    files = CertificateFiles(clients.lab.folder)
    key = load_pem_x509_certificate(files.certificate.read_bytes()).public_key()
    return b64encode(sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()).decode()


def _quic(hosts: Sequence[str]) -> str:
    return "--origin-to-force-quic-on=" + ",".join(f"{host}:443" for host in hosts)


@families
def test_the_block_page_is_shown(standard: WebClients, browser: Browser, family: int) -> None:
    done = browser.open(f"http://{MALWARE}/site/update.exe", family, f"--screenshot={browser.shot()}")
    event = standard.acted(f"GET {MALWARE}/site/update.exe", "http")
    assert "This address is blocked" in done.stdout, done
    assert all(text in done.stdout for text in (event.id, "malicious", f"{MALWARE}/site/update.exe"))
    assert not standard.reached(MALWARE)
    picture = browser.shot().read_bytes()
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    assert struct.unpack(">II", picture[16:24]) == (WIDTH, HEIGHT)
    assert len(picture) > 10_000  # a page of text; an empty one of this size has about 3 kB


@families
def test_a_popular_host_stays_open(standard: WebClients, browser: Browser, family: int) -> None:
    assert "This address is blocked" in browser.open(f"http://{POPULAR}/site/~mallory/", family).stdout
    assert "A page of a site" in browser.open(f"http://{POPULAR}/site/~alice/", family).stdout
    assert not standard.reached(POPULAR, "/site/~mallory/")


@families
def test_a_listed_name_over_tls_is_not_reached(standard: WebClients, browser: Browser, family: int) -> None:
    done = browser.open(f"https://{LOGIN}/", family)
    assert "Hyperward lab" not in done.stdout
    standard.acted(LOGIN, "tls")
    assert not standard.reached(LOGIN)


@families
def test_a_listed_name_over_quic_is_not_reached(standard: WebClients, browser: Browser, family: int) -> None:
    done = browser.open(f"https://{LOGIN}/", family, "--enable-quic", _quic([LOGIN]))
    assert "Hyperward lab" not in done.stdout
    standard.acted(LOGIN, "quic")
    assert not standard.reached(LOGIN)
    assert [record for record in standard.records() if record.service == "h3"] == []


@families
def test_clean_sites_load(standard: WebClients, browser: Browser, family: int) -> None:
    assert "Hyperward lab" in browser.open(f"http://{CLEAN}/", family).stdout
    assert "Hyperward lab" in browser.open(f"https://{CLEAN}/", family).stdout
    done = browser.open(f"https://{CLEAN}/", family, "--enable-quic", _quic([CLEAN]))
    assert "HTTP/3" in done.stdout, done
    assert standard.events() == []


def test_monitoring_loads_and_reports(monitoring: WebClients, browser: Browser) -> None:
    assert "A page of a site" in browser.open(f"http://{MALWARE}/site/a", 4).stdout
    monitoring.acted(f"GET {MALWARE}/site/a", "http")
    assert "Hyperward lab" in browser.open(f"https://{LOGIN}/", 4).stdout
    monitoring.acted(LOGIN, "tls")
    assert "HTTP/3" in browser.open(f"https://{LOGIN}/", 4, "--enable-quic", _quic([LOGIN])).stdout
    monitoring.acted(LOGIN, "quic")
