"""busybox wget asks for a web address in the QEMU VM: a shell command and what its output means, as pure values.

The VM has no resolver: its hosts file gets the one name before. wget's own `-T` crashes in Debian's busybox: `timeout`
it is. wget tells the status of an error, but not its page.
"""

import math
import shlex

from hyperward.lab.web.answer import Answer, End
from hyperward.lab.web.attempts import Attempt

_MARK = "hw-status:"
_TERMINATED = 143  # busybox timeout: 128 + SIGTERM
_STATUS = "server returned error: HTTP/"
_CUT = ("reset by peer", "error getting response", "TLS error", "closed prematurely", "alert", "short read")


def wget_command(attempt: Attempt, timeout: float) -> str:
    """Return the shell command of a request; it prints the page, wget's words and its exit status."""
    site = attempt.site
    entry = shlex.quote(f"{attempt.server_address} {site.host}")
    wget = shlex.join(["timeout", str(math.ceil(timeout)), "wget", "-q", "--no-check-certificate", "-O", "-", site.url])
    return f'echo {entry} >/etc/hosts\n{wget} 2>&1\nstatus=$?\necho\necho "{_MARK}$status"'


def wget_answer(output: str) -> Answer:
    """Return what the output of `wget_command` means."""
    said, mark, last = output.rpartition(_MARK)
    said = said.strip()
    if not mark or not last.strip().isdecimal():
        return Answer(End.FAILED, detail=output.strip()[-200:])
    exit_status, detail = int(last), (said.splitlines() or [""])[-1]
    if exit_status == 0:
        return Answer(End.ANSWERED, 200, said)
    if _STATUS in said:
        return Answer(End.ANSWERED, int(said.partition(_STATUS)[2].split()[1]), detail=detail)
    if exit_status == _TERMINATED:
        return Answer(End.SILENT, detail=detail)
    return Answer(End.CUT if any(text in said for text in _CUT) else End.FAILED, detail=detail)
