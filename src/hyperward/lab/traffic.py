"""Clients in namespaces as pure values: the commands of curl and ping, and what their exits mean."""

import re

from hyperward.lab.messages import HttpRequest
from hyperward.lab.outcome import Outcome, Result

STATUS_MARK = "hw-status:"
_CURL_ERRORS = {  # curl(1), EXIT CODES
    18: Result.CLOSED,
    28: Result.TIMED_OUT,
    52: Result.CLOSED,
    55: Result.RESET,
    56: Result.RESET,
}
_CURL_CONNECT = 7
_STATUS = re.compile(rf"^{STATUS_MARK}(\d{{3}})$", re.MULTILINE)
_ANSWERED = re.compile(r"(\d+) packets transmitted, (\d+) (?:packets )?received")


def curl_command(
    request: HttpRequest, address: str, timeout: float, *, upload: bool = False, rate: int = 0
) -> list[str]:
    """Return the curl command of a request; body on stdout, talk on stderr.

    With `upload`, stdin is sent with PUT. `rate` is the most bytes a second, 0 for no limit.
    """
    command = ["curl", "-q", "--silent", "--show-error", "--verbose", "--http1.1", "--path-as-is", "--globoff"]
    command += [
        "--noproxy",
        "*",
        "--max-time",
        f"{timeout:g}",
        "--write-out",
        f"%{{stderr}}{STATUS_MARK}%{{http_code}}\n",
    ]
    for name, value in request.headers:
        command += ["--header", f"{name}: {value}"]
    if request.body:
        command += ["--data-binary", request.body]
    if rate:
        command += ["--limit-rate", str(rate)]
    if upload:
        command += ["--upload-file", "/dev/stdin"]  # unlike "-", it has a size, which goes into the head
    return [*command, "--url", request.url(address)]


def curl_outcome(exit_status: int, said: str, size: int, sha256: str) -> Outcome:
    """Return what a curl run means, from its exit status, its stderr and what came on its stdout."""
    errors = [line for line in said.splitlines() if line.startswith("curl: ")]
    detail = errors[-1] if errors else ""
    if exit_status == 0:
        status = _STATUS.search(said)
        return Outcome(Result.COMPLETED, size, f"HTTP {status.group(1)}" if status else "", sha256)
    result = _CURL_ERRORS.get(exit_status, Result.FAILED)
    if exit_status == _CURL_CONNECT and "failed: Connection refused" in said:
        result = Result.REFUSED
    elif exit_status == _CURL_CONNECT and "failed: Connection timed out" in said:
        result = Result.TIMED_OUT
    elif result is Result.RESET and "reset" not in said and "Broken pipe" not in said:
        result = Result.FAILED
    return Outcome(result, size, detail or f"curl ended with {exit_status}", sha256)


def ping_command(address: str, count: int, timeout: float) -> list[str]:
    """Return the ping command: `count` echo requests, five a second, `timeout` seconds in all."""
    return ["ping", "-n", "-c", str(count), "-i", "0.2", "-w", f"{max(1, round(timeout))}", address]


def ping_outcome(said: str) -> Outcome:
    """Return what a ping run means, from its output (iputils or busybox)."""
    found = _ANSWERED.search(said)
    if found is None:
        return Outcome(Result.FAILED, detail=(said.strip().splitlines() or ["ping said nothing"])[-1])
    sent, answered = int(found.group(1)), int(found.group(2))
    result = Result.COMPLETED if 0 < sent == answered else Result.TIMED_OUT
    return Outcome(result, detail=f"{answered} of {sent} answered")
