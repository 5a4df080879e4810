"""The programs with which an address is asked for: their command lines, and what they say about the answer."""

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from subprocess import CompletedProcess
from typing import Final

from web_clients import H2_PORT, H2_TLS_PORT

Done = CompletedProcess[str]

CURL: Final = ("curl", "-q", "-s", "-S", "-k", "--noproxy", "*", "--max-time", "20", "-w", "\n%{http_code}\n")
_SCRIPT = """
import sys
url = sys.argv[1]
try:
    {ask}
except Exception as error:
    print(f"{{type(error).__module__}}.{{type(error).__name__}}: {{error}}")
    sys.exit(1)
print(answer.text)
print(answer.status_code)
"""
_REQUESTS: Final = _SCRIPT.format(
    ask="import requests; requests.packages.urllib3.disable_warnings(); "
    "answer = requests.get(url, verify=False, timeout=20)"
)
_HTTPX: Final = _SCRIPT.format(
    ask="import httpx; answer = httpx.Client(http2={h2}, verify=False, timeout=20, trust_env=False).get(url)"
)
_HTTPX_2: Final = _HTTPX.replace("{h2}", "True").replace(
    "print(answer.text)", 'assert answer.http_version == "HTTP/2", answer.http_version; print(answer.text)'
)


@dataclass(frozen=True)
class Program:
    """A program that asks for one address.

    Args:
        name: for people.
        scheme: `http` or `https`.
        argv: its command line, given the address.
        status: of the answer, from how it ended; 0 for none.
        port: that it is pointed at; 0 for the scheme's.
        shows_page: whether the page of an error is on its output.
    """

    name: str
    scheme: str
    argv: Callable[[str], list[str]]
    status: Callable[[Done], int]
    port: int = 0
    shows_page: bool = True

    def url(self, host: str, path: str) -> str:
        return f"{self.scheme}://{host}{self.suffix}{path}"

    @property
    def suffix(self) -> str:
        return f":{self.port}" if self.port else ""


def _last_line(done: Done) -> int:
    last = (done.stdout.strip().splitlines() or [""])[-1]
    return int(last) if last.isdecimal() and len(last) == 3 else 0


def _wget_status(done: Done) -> int:
    found = re.findall(r"^\s+HTTP/1\.1 (\d{3})", done.stderr, re.MULTILINE)
    return int(found[-1]) if found else 0


def _curl(*options: str) -> Callable[[str], list[str]]:
    return lambda url: [*CURL, *options, url]


def _python(script: str) -> Callable[[str], list[str]]:
    return lambda url: [sys.executable, "-c", script, url]


def _wget(url: str) -> list[str]:
    options = ("--no-config", "--no-check-certificate", "--no-proxy", "--content-on-error", "-S", "-t", "1", "-T", "20")
    return ["wget", *options, "-O", "-", url]


PLAIN: Final = (
    Program("curl", "http", _curl("--http1.1"), _last_line),
    Program("curl HTTP/1.0", "http", _curl("--http1.0"), _last_line),
    Program("curl HTTP/2", "http", _curl("--http2-prior-knowledge"), _last_line, port=H2_PORT),
    Program("wget", "http", _wget, _wget_status),
    Program("requests", "http", _python(_REQUESTS), _last_line),
    Program("httpx", "http", _python(_HTTPX.replace("{h2}", "False")), _last_line),
)
SECURED: Final = (
    Program("curl TLS", "https", _curl("--http1.1"), _last_line),
    Program("curl TLS 1.2", "https", _curl("--tls-max", "1.2"), _last_line),
    Program("curl HTTP/2 TLS", "https", _curl("--http2"), _last_line, port=H2_TLS_PORT),
    Program("wget TLS", "https", _wget, _wget_status),
    Program("requests TLS", "https", _python(_REQUESTS), _last_line),
    Program("httpx HTTP/2 TLS", "https", _python(_HTTPX_2), _last_line, port=H2_TLS_PORT),
)
