import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperward.errors import InputError
from hyperward.webscan.address import Address, from_request
from hyperward.webscan.database.model import Entry, EntryKind, Match
from hyperward.webscan.protocols.model import Request, WebProtocol
from hyperward.webscan.scanner.judge import MAX_CACHED_BYTES, Judge, VerdictCache
from hyperward.webscan.scanner.verdict import CLEAN, Verdict, strictest
from hyperward.webscan.settings import HelloAction, WebAction, WebScan

SCAN = WebScan({"malicious": WebAction.BLOCK, "advertising": WebAction.REPORT, "other": WebAction.OFF})
IP = bytes([10, 0, 0, 9])


def match(category: str, text: str = "evil.test") -> Match:
    return Match(Entry(EntryKind.HOST, text, category, "list"), "v1")


class Databases:
    """Knows some hosts."""

    def __init__(self, **hosts: list[Match]) -> None:
        self.hosts = {name.replace("_", "."): matches for name, matches in hosts.items()}
        self.asked: list[Address] = []

    def may_list(self, _host: str) -> bool:
        return True

    def lookup(self, address: Address) -> tuple[Match, ...]:
        self.asked.append(address)
        return tuple(self.hosts.get(address.host, ()))


class Masks:
    """Exempts some hosts."""

    def __init__(self, *hosts: str) -> None:
        self.hosts = hosts

    def find(self, address: Address) -> str | None:
        return address.host if address.host in self.hosts else None


def canonical(host: bytes, target: bytes | None) -> Address:
    if not host.isascii():
        raise InputError("not a host")
    return Address(host.decode(), "" if target is None else target.decode())


def judge_of(databases: Databases, *exempt: str, scan: WebScan = SCAN) -> Judge:
    return Judge(scan, databases, Masks(*exempt), canonical)


def http(host: bytes, target: bytes = b"/") -> Request:
    return Request(WebProtocol.HTTP, host, target, b"GET", "1.1")


@pytest.mark.parametrize(
    ("categories", "action", "decided"),
    [
        ([], WebAction.OFF, None),
        (["other", "unknown"], WebAction.OFF, None),
        (["advertising", "malicious"], WebAction.BLOCK, 1),
        (["malicious", "malicious"], WebAction.BLOCK, 0),
        (["other", "advertising"], WebAction.REPORT, 1),
    ],
)
def test_the_strictest_action_wins_and_the_most_exact_entry_with_it(
    categories: list[str], action: WebAction, decided: int | None
) -> None:
    matches = [match(category) for category in categories]
    assert strictest(matches, SCAN) == (action, None if decided is None else matches[decided])
    if decided is not None:
        assert strictest(matches, SCAN)[1] is matches[decided]


def test_verdicts_are_remembered() -> None:
    databases = Databases(evil_test=[match("malicious")])
    judge = judge_of(databases)
    first = judge.judge(http(b"evil.test"), IP)
    assert first == Verdict(WebAction.BLOCK, block=True, address=Address("evil.test"), match=match("malicious"))
    assert judge.judge(http(b"evil.test"), IP) is first
    assert judge.judge(http(b"good.test"), IP) is CLEAN
    assert len(databases.asked) == 2


class SomeHosts(Databases):
    """Knows which hosts may have entries."""

    def may_list(self, host: str) -> bool:
        return host in self.hosts


def test_a_host_without_entries_is_asked_about_once() -> None:
    databases = SomeHosts(evil_test=[match("malicious")])
    made: list[Address] = []

    def noted(host: bytes, target: bytes | None) -> Address:
        made.append(from_request(host, target))
        return made[-1]

    judge = Judge(SCAN, databases, Masks(), noted)
    for target in (b"/1", b"/2", b"/3"):
        assert judge.judge(http(b"good.test:8080", target), IP) is CLEAN
    assert judge.judge(Request(WebProtocol.TLS, b"good.test:8080"), IP) is CLEAN
    assert len(made) == 1
    assert not databases.asked


@pytest.mark.parametrize("target", [b"http://evil.test/", b"HTTP://evil.test", b"evil.test:443"])
def test_a_host_without_entries_says_nothing_about_a_target_that_names_another(target: bytes) -> None:
    judge = Judge(SCAN, SomeHosts(evil_test=[match("malicious")]), Masks(), from_request)
    assert judge.judge(http(b"good.test"), IP) is CLEAN
    assert judge.judge(http(b"good.test", target), IP).block
    assert judge.judge(http(b"good.test"), IP) is CLEAN


def test_a_hidden_name_behind_a_host_without_entries() -> None:
    judge = Judge(SCAN, SomeHosts(), Masks(), from_request)
    for _ in range(2):
        verdict = judge.judge(Request(WebProtocol.TLS, b"outer.test", encrypted_hello=True), IP)
        assert verdict.hidden_name
        assert verdict.address == Address("outer.test", "")


def test_a_mask_exempts_from_blocking() -> None:
    verdict = judge_of(Databases(evil_test=[match("malicious")]), "evil.test").judge(http(b"evil.test"), IP)
    assert (verdict.asked, verdict.block, verdict.exempt) == (WebAction.BLOCK, False, "evil.test")
    reported = judge_of(Databases(ads_test=[match("advertising")]), "ads.test").judge(http(b"ads.test"), IP)
    assert reported is CLEAN


def test_without_a_name_the_destination_is_judged() -> None:
    databases = Databases()
    judge_of(databases).judge(Request(WebProtocol.TLS, b""), IP)
    assert databases.asked == [Address("10.0.0.9", "")]


def test_what_is_no_address_is_clean() -> None:
    assert judge_of(Databases()).judge(http(b"\xff"), IP) is CLEAN


@pytest.mark.parametrize("protocol", list(WebProtocol))
def test_a_protocol_that_is_off_is_not_judged(protocol: WebProtocol) -> None:
    scan = WebScan(SCAN.categories, http=False, tls=False, quic=False, dns=False)
    judge = judge_of(Databases(evil_test=[match("malicious")]), scan=scan)
    assert judge.judge(Request(protocol, b"evil.test"), IP) is CLEAN


@pytest.mark.parametrize("action", list(HelloAction))
@pytest.mark.parametrize("category", ["", "advertising", "malicious"])
def test_a_hidden_name(action: HelloAction, category: str) -> None:
    databases = Databases(outer_test=[match(category)] if category else [])
    scan = WebScan(SCAN.categories, encrypted_hello=action)
    request = Request(WebProtocol.TLS, b"outer.test", encrypted_hello=True)
    verdict = judge_of(databases, scan=scan).judge(request, IP)
    assert verdict.hidden_name
    assert verdict.block == (category == "malicious" or action is HelloAction.RESET)
    assert (verdict.match is None) == (not category)
    assert verdict.address is not None


@given(st.lists(st.tuples(st.binary(max_size=3), st.none() | st.binary(max_size=3)), max_size=200))
def test_the_cache_is_bounded_and_right(keys: list[tuple[bytes, bytes | None]]) -> None:
    cache = VerdictCache(most=16)
    for host, target in keys:
        known = cache.get(host, target)
        assert known is None or known.exempt == repr((host, target))
        cache.put(host, target, Verdict(exempt=repr((host, target))))
        assert len(cache) <= 16
        assert cache.get(host, target) is not None


def test_long_addresses_do_not_fill_the_cache() -> None:
    cache = VerdictCache()
    for number in range(10_000):
        cache.put(b"%d" % number, b"x" * 2000, CLEAN)
    cache.put(b"host", b"x" * 10_000, CLEAN)
    assert cache.get(b"host", b"x" * 10_000) is None
    assert len(cache) * 2000 <= MAX_CACHED_BYTES
