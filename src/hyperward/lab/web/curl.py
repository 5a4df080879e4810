"""curl asks for a web address: its command and what its end means, as pure values."""

import re

from hyperward.lab.messages import url_host
from hyperward.lab.web.answer import Answer, End
from hyperward.lab.web.attempts import Attempt

_MARK = "hw-status:"
_STATUS = re.compile(rf"^{_MARK}(\d{{3}})$", re.MULTILINE)
_TIMED_OUT = 28  # curl(1), EXIT CODES
_CUT = {35, 52, 55, 56}
"""TLS handshake failed, nothing came, sending failed, receiving failed."""
_CUT_SAYS = ("alert", "reset", "Empty reply", "closed", "EOF", "SYSCALL")
MAX_PAGE = 64 * 1024


def curl_command(attempt: Attempt, timeout: float) -> list[str]:
    """Return the command; the page on stdout, talk on stderr. Names are not resolved; certificates are not checked."""
    site = attempt.site
    return [
        *("curl", "-q", "--silent", "--show-error", "--insecure", "--path-as-is", "--globoff", "--noproxy", "*"),
        *("--max-time", f"{timeout:g}", "--max-filesize", str(MAX_PAGE)),
        *("--write-out", f"%{{stderr}}{_MARK}%{{http_code}}\n"),
        *("--resolve", f"{site.host}:{site.server_port}:{url_host(attempt.server_address)}"),
        *("--url", site.url),
    ]


def curl_answer(exit_status: int, said: str, page: str) -> Answer:
    """Return what a curl run means, from its exit status, its stderr and what came on its stdout."""
    status = _STATUS.search(said)
    detail = next((line for line in said.splitlines() if line.startswith("curl: ")), "")
    if exit_status == 0 and status is not None:
        return Answer(End.ANSWERED, int(status.group(1)), page, detail)
    if exit_status == _TIMED_OUT:
        return Answer(End.SILENT, detail=detail)
    cut = exit_status in _CUT and any(text in detail for text in _CUT_SAYS)
    return Answer(End.CUT if cut else End.FAILED, detail=detail or f"curl ended with {exit_status}")
