"""From a publisher's folder or web server to verified files."""

import shutil
import ssl
from pathlib import Path

import pytest

from database_repos import NOW, Publisher
from database_server import certificate, half, serving, trickling_head
from hyperward.databases.client.fetch import fetch_version
from hyperward.databases.client.http import HttpOptions, HttpTransport
from hyperward.databases.client.metadata import init_trust
from hyperward.databases.client.sources import open_source
from hyperward.databases.client.transport import StubTransport
from hyperward.databases.client.watch import Limits, Pace
from hyperward.databases.errors import (
    BusyFault,
    IncompatibleError,
    NothingPublishedError,
    SlowSourceFault,
    SourceFault,
    SpaceFault,
    TamperedError,
)
from hyperward.databases.lock import locked
from hyperward.databases.repository.publish import stage_version
from hyperward.databases.store import open_store
from hyperward.errors import InputError, SystemFault

HOSTS = [f"host-{number:04}.example" for number in range(2000)]


@pytest.fixture
def publisher(tmp_path: Path) -> Publisher:
    made = Publisher(tmp_path / "publisher")
    init_trust(tmp_path / "trust", made.initialise())
    return made


def _stub(publisher: Publisher, *, resumes: bool = True) -> StubTransport:
    folder = publisher.repository.folder
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return StubTransport(files, resumes=resumes)


def test_a_version_comes_whole(publisher: Publisher, tmp_path: Path) -> None:
    with pytest.raises(NothingPublishedError, match="no version yet"):
        fetch_version(tmp_path / "trust", str(publisher.repository.folder), tmp_path / "cache")
    publisher.publish(1, HOSTS)
    shown: list[tuple[str, int, int]] = []

    fetched = fetch_version(
        tmp_path / "trust",
        publisher.repository.folder.as_uri(),
        tmp_path / "cache",
        progress=lambda what, done, total: shown.append((what, done, total)),
    )

    assert fetched.manifest.version == 1
    assert fetched.files["rules/first.rules"].read_text() == "alert one\n"
    assert fetched.files["addresses/list-a.addresses"].read_text().startswith("H host-0000.example\nH host-0001")
    assert fetched.from_version is None
    assert {what for what, done, total in shown if done == total} >= {"manifest.json"}


def test_the_next_version_comes_by_delta(publisher: Publisher, tmp_path: Path) -> None:
    publisher.publish(1, HOSTS)
    first = fetch_version(tmp_path / "trust", str(publisher.repository.folder), tmp_path / "cache")
    publisher.publish(2, ["a.example", *HOSTS[:-1]])

    fetched = fetch_version(tmp_path / "trust", str(publisher.repository.folder), tmp_path / "cache")

    assert fetched.from_version == 1
    assert fetched.bytes_moved < first.bytes_moved
    lines = fetched.files["addresses/list-a.addresses"].read_text().splitlines()
    assert (lines[0], lines[-1], len(lines)) == ("H a.example", f"H {HOSTS[-2]}", 2000)
    # nothing is moved twice: a third time only metadata and manifest
    stub = _stub(publisher)
    again = fetch_version(tmp_path / "trust", stub, tmp_path / "cache")
    assert again.files == fetched.files
    assert not any("content/" in path for path, _ in stub.asked)


def test_a_delta_starts_from_the_store_when_the_cache_is_gone(publisher: Publisher, tmp_path: Path) -> None:
    publisher.publish(1, HOSTS)
    source = str(publisher.repository.folder)
    first = fetch_version(tmp_path / "trust", source, tmp_path / "cache")
    store, _ = open_store(tmp_path / "store")
    held = store.add(first.manifest, first.files).held()
    publisher.publish(2, HOSTS[1:])
    fetched = fetch_version(tmp_path / "trust", source, tmp_path / "other-cache", held=held)
    assert fetched.from_version == 1
    assert store.add(fetched.manifest, fetched.files).manifest.version == 2


@pytest.mark.parametrize("damage", ["base", "delta", "delta gone"])
def test_without_a_usable_delta_files_come_whole(publisher: Publisher, tmp_path: Path, damage: str) -> None:
    publisher.publish(1, HOSTS)
    first = fetch_version(tmp_path / "trust", str(publisher.repository.folder), tmp_path / "cache")
    staged = publisher.publish(2, HOSTS[1:])
    stub = _stub(publisher)
    (delta,) = (path for path in stub.files if f".{staged.manifest.deltas[0].sha256}.gz" in path)
    if damage == "base":
        first.files["addresses/list-a.addresses"].write_bytes(b"H other.example\n")
    elif damage == "delta":
        stub.files[delta] = bytes(len(stub.files[delta]))
    else:
        del stub.files[delta]
    fetched = fetch_version(tmp_path / "trust", stub, tmp_path / "cache")
    assert fetched.from_version is None
    assert fetched.files["addresses/list-a.addresses"].read_bytes().count(b"\n") == 1999


@pytest.mark.parametrize("resumes", [True, False])
def test_a_broken_transfer_goes_on(publisher: Publisher, tmp_path: Path, resumes: bool) -> None:  # noqa: FBT001
    publisher.publish(1, HOSTS)
    with serving(publisher.repository.folder) as server:
        server.answers["/targets/content/"] = half
        options = HttpOptions(proxy="none")
        with pytest.raises(SourceFault, match=r"try again|cannot be reached"):
            fetch_version(tmp_path / "trust", server.address, tmp_path / "cache", options=options)
        server.answers.clear()
        server.resumes = resumes
        server.requests.clear()
        fetched = fetch_version(tmp_path / "trust", server.address, tmp_path / "cache", options=options)
        ranges = [asked for path, asked, _ in server.requests if "/content/" in path and asked]
    assert len(ranges) == 1
    assert fetched.files["rules/first.rules"].read_text() == "alert one\n"


def test_a_damaged_half_is_fetched_again(publisher: Publisher, tmp_path: Path) -> None:
    publisher.publish(1, HOSTS)
    stub = _stub(publisher)
    whole = dict(stub.files)
    for path in stub.files:
        if "/content/" in path:
            stub.files[path] = bytes(len(whole[path]) // 2)
    with pytest.raises(SourceFault, match=r"ended after \d+ of \d+ bytes; try again"):
        fetch_version(tmp_path / "trust", stub, tmp_path / "cache")
    stub.files = whole
    assert fetch_version(tmp_path / "trust", stub, tmp_path / "cache").manifest.version == 1
    assert any(offset for path, offset in stub.asked if "/content/" in path)


def test_a_later_product_is_needed(publisher: Publisher, tmp_path: Path) -> None:
    content = publisher.content(HOSTS)
    stage_version(
        publisher.repository,
        content.manifest(1, minimum_product="7.1"),
        content.folder,
        now=NOW,
        expiry=publisher.expiry,
    )
    publisher.advance()
    source = str(publisher.repository.folder)
    with pytest.raises(IncompatibleError, match=r"needs Hyperward 7.1, this is 7.0.9"):
        fetch_version(tmp_path / "trust", source, tmp_path / "cache", product="7.0.9")
    assert fetch_version(tmp_path / "trust", source, tmp_path / "cache", product="7.1.0").manifest.version == 1


def test_no_room_is_said_before_anything_is_fetched(
    publisher: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publisher.publish(1, HOSTS)
    stub = _stub(publisher)

    class Usage:
        free = 1000

    with monkeypatch.context() as patched:
        patched.setattr(shutil, "disk_usage", lambda _path: Usage)
        with pytest.raises(SpaceFault, match=r"\d+ bytes are needed, 1000 are free"):
            fetch_version(tmp_path / "trust", stub, tmp_path / "cache")
    assert not any("content/" in path for path, _ in stub.asked)
    assert fetch_version(tmp_path / "trust", stub, tmp_path / "cache").manifest.version == 1


def test_content_that_was_not_signed(publisher: Publisher, tmp_path: Path) -> None:
    publisher.publish(1, HOSTS)
    stub = _stub(publisher)
    targets = [path for path in stub.files if "/content/" in path]
    for path in targets:
        stub.files[path] = b"x" * len(stub.files[path])
    with pytest.raises(TamperedError, match="is not the file that was signed"):
        fetch_version(tmp_path / "trust", stub, tmp_path / "cache")
    assert list((tmp_path / "cache" / "files").iterdir()) == []


def test_sources(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        open_source(str(tmp_path / "missing"))
    with pytest.raises(InputError, match="no such folder"):
        open_source("ftp://user:secret@host/x")
    for address in ("http://", "https://host:99999/", "http://[::1", "http://a\nb/"):
        with pytest.raises(InputError, match="no address of a web server"):
            open_source(address)
    with pytest.raises(InputError, match="no certificates"):
        open_source("https://host.example/", HttpOptions(ca_file=tmp_path / "none.pem"))
    transport = open_source("http://user:secret@host.example:8080/a/b", HttpOptions(proxy="none"))
    assert transport.place == "http://host.example:8080/a/b/"
    transport.close()


def test_nobody_there(publisher: Publisher, tmp_path: Path) -> None:
    with serving(publisher.repository.folder) as server:
        address = server.address
    with pytest.raises(SystemFault, match="cannot be reached"):
        fetch_version(tmp_path / "trust", address, tmp_path / "cache", options=HttpOptions(proxy="none"))
    with serving(tmp_path / "publisher") as server, pytest.raises(SourceFault, match=r"there is no timestamp\.json"):
        fetch_version(tmp_path / "trust", server.address, tmp_path / "cache", options=HttpOptions(proxy="none"))


def test_redirects_and_passwords(publisher: Publisher, tmp_path: Path) -> None:
    publisher.publish(1, HOSTS)
    with serving(publisher.repository.folder) as server, serving(publisher.repository.folder) as other:
        server.redirects["/metadata/timestamp.json"] = f"{other.address}metadata/timestamp.json"
        address = server.address.replace("http://", "http://user:secret@")
        fetch_version(tmp_path / "trust", address, tmp_path / "cache", options=HttpOptions(proxy="none"))
        assert all(password.startswith("Basic ") for _, _, password in server.requests)
        assert [(path, password) for path, _, password in other.requests] == [("/metadata/timestamp.json", "")]
        server.redirects["/metadata/timestamp.json"] = "/metadata/timestamp.json"
        with pytest.raises(SourceFault, match="redirects more than 3 times") as caught:
            fetch_version(tmp_path / "trust", address, tmp_path / "cache", options=HttpOptions(proxy="none"))
    assert "secret" not in str(caught.value)


def test_a_proxy_is_asked(publisher: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(publisher.repository.folder) as proxy:
        options = HttpOptions(proxy=proxy.address.replace("http://", "http://user:secret@"))
        with pytest.raises(SourceFault):
            fetch_version(tmp_path / "trust", "http://databases.example/x", tmp_path / "cache", options=options)
        assert proxy.requests[0][0] == "http://databases.example/x/metadata/2.root.json"
        monkeypatch.setenv("http_proxy", proxy.address)
        monkeypatch.setenv("no_proxy", "inside.example")
        direct = HttpTransport("http://inside.example/")
        through = HttpTransport("http://databases.example/")
        assert direct._proxy("http", "inside.example") == ""
        assert through._proxy("http", "databases.example") == proxy.address
        direct.close()
        through.close()


def test_https_with_own_certificates(publisher: Publisher, tmp_path: Path) -> None:
    publisher.publish(1, HOSTS)
    chain, key = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    with serving(publisher.repository.folder) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        address = server.address.replace("http://", "https://")
        trusting = HttpOptions(proxy="none", ca_file=chain, limits=Limits(window=0.3, rate=2000))
        fetched = fetch_version(tmp_path / "trust", address, tmp_path / "cache", options=trusting)
        assert fetched.manifest.version == 1
        server.answers["timestamp.json"] = trickling_head
        with pytest.raises(SlowSourceFault, match="too slow"):
            fetch_version(tmp_path / "trust", address, tmp_path / "cache", options=trusting)
        server.answers.clear()
        server.redirects["/metadata/timestamp.json"] = "http://127.0.0.1:1/"
        with pytest.raises(SourceFault, match="leads from https to http"):
            fetch_version(tmp_path / "trust", address, tmp_path / "cache", options=trusting)
        with pytest.raises(SourceFault, match=r"cannot be reached .*[Cc]ertificate"):
            fetch_version(tmp_path / "trust", address, tmp_path / "cache", options=HttpOptions(proxy="none"))


def test_one_fetch_at_a_time(publisher: Publisher, tmp_path: Path) -> None:
    publisher.publish(1, HOSTS)
    source = str(publisher.repository.folder)
    fetch_version(tmp_path / "trust", source, tmp_path / "cache")
    with locked(tmp_path / "cache"), pytest.raises(BusyFault, match="another process"):
        fetch_version(tmp_path / "trust", source, tmp_path / "cache")


def test_pace() -> None:
    pace = Pace(Limits(rate=100, window=10, total=60), 0.0)
    pace.add(900)
    assert pace.problem(9.0) == ""
    assert pace.problem(10.0) == "900 bytes in 10 seconds, less than 100 a second"
    pace.add(100)
    assert pace.problem(10.0) == ""
    assert "0 bytes" in pace.problem(20.0)
    pace.add(10_000)
    assert pace.problem(21.0) == ""
    assert "more than 60 seconds" in pace.problem(60.5)
