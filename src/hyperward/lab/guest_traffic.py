"""Clients in the QEMU VM as pure values: shell commands of busybox, and what their output means.

busybox wget sends a target as it is written. busybox nc cannot tell a reset from an end, so the kernel's counter of
reset connections is read before and after. `wget -T` crashes in Debian's busybox: `timeout` it is.
"""

import math
import shlex

from hyperward.errors import InputError
from hyperward.lab.messages import HttpRequest, SshBanner
from hyperward.lab.outcome import Outcome, Result

_TERMINATED = 143  # busybox timeout: 128 + SIGTERM
_MARK = "hw-status:"
_PIPE = "/tmp/.pipe"  # noqa: S108 - in the VM, where we are the only user
_RESETS = "awk '/^Tcp:/ {resets = $9} END {print \"hw-resets:\" resets}' /proc/net/snmp"  # EstabResets, RFC 4022
_SPOKEN = (
    ("Connection reset by peer", Result.RESET),
    ("Connection refused", Result.REFUSED),
    ("Connection timed out", Result.TIMED_OUT),
    ("Operation timed out", Result.TIMED_OUT),
    ("error getting response", Result.CLOSED),
    ("connection closed prematurely", Result.CLOSED),
)


def wget_command(request: HttpRequest, address: str, timeout: float, *, checksum: bool = False) -> str:
    """Return the shell command of a request. It prints wget's exit and the body's size, or its SHA-256.

    Raises:
        InputError: a header that busybox wget cannot replace.
    """
    parts = ["timeout", str(math.ceil(timeout)), "wget", "-q", "-O", _PIPE]
    for name, value in request.headers:
        if name.lower() in {"host", "connection", "content-length"}:
            raise InputError(f"busybox wget writes the header {name} itself", where=request.target)
        parts += ["-U", value] if name.lower() == "user-agent" else ["--header", f"{name}: {value}"]
    if request.body:
        parts += ["--post-data", request.body]
    wget = shlex.join([*parts, request.url(address)])
    # The body goes through a pipe: it may be larger than the VM's memory.
    lines = ["rm -f /tmp/.pipe /tmp/.size /tmp/.sum", "mkfifo /tmp/.pipe", "exec 4<>/tmp/.pipe"]
    # Counting and summing at once would need tee, whose small pieces make the VM five times slower.
    reader = "sha256sum >/tmp/.sum" if checksum else "wc -c >/tmp/.size"
    # wget never opens its output when there is no body: fd 4 lets the reader start, and is closed at the end.
    lines += [f"{reader} </tmp/.pipe 4<&- &", f"{wget} 4<&-", "status=$?", "exec 4<&-", "wait"]
    result = "0 $(cut -d' ' -f1 /tmp/.sum)" if checksum else "$(cat /tmp/.size)"
    lines.append(f'echo "{_MARK}$status {result}"')
    return "\n".join(lines)


def wget_outcome(output: str) -> Outcome:
    """Return what the output of `wget_command` means."""
    said, mark, last = output.rpartition(_MARK)
    fields = last.split()
    if not mark or len(fields) < 2 or not all(field.isdecimal() for field in fields[:2]):  # noqa: PLR2004 - status, size
        return Outcome(Result.FAILED, detail=output.strip()[-200:])
    status, size = int(fields[0]), int(fields[1])
    sha256 = fields[2] if fields[2:] else ""
    detail = (said.strip().splitlines() or [""])[-1]
    if status == 0:
        return Outcome(Result.COMPLETED, size, "HTTP 200", sha256)
    if "server returned error: HTTP/" in detail:
        return Outcome(Result.COMPLETED, size, f"HTTP {detail.partition('HTTP/')[2].split()[1]}", sha256)
    return Outcome(_spoken(detail, status), size, detail, sha256)


def banner_command(banner: SshBanner, address: str, timeout: float) -> str:
    """Return the shell command that sends an SSH banner and prints what comes back, in hexadecimal, and nc's exit."""
    lines = [
        "rm -f /tmp/.keys; mkfifo /tmp/.keys; exec 4<>/tmp/.keys",
        # Our side stays open (fd 4): the counter below counts only connections that were reset while established.
        _RESETS,
        f"printf '%s\\r\\n' {shlex.quote(banner.banner)} >&4",
        f"timeout {math.ceil(timeout)} nc {address} {banner.port} <&4 >/tmp/.answer",
        f'echo "{_MARK}$?"',
        _RESETS,
        "head -c 4096 /tmp/.answer | xxd -p | tr -d '\\n'",
    ]
    return "\n".join(lines)


def banner_outcome(output: str) -> Outcome:
    """Return what the output of `banner_command` means: complete is an answer beyond the server's own banner."""
    lines = output.strip().splitlines()
    resets = [int(line.partition(":")[2]) for line in lines if line.startswith("hw-resets:")]
    status = [int(line.partition(":")[2]) for line in lines if line.startswith(_MARK)]
    if len(resets) != 2 or not status:  # noqa: PLR2004 - before and after
        return Outcome(Result.FAILED, detail=output.strip()[-200:])
    answer = bytes.fromhex(lines[-1]) if not lines[-1].startswith("hw-") else b""
    first, _, rest = answer.partition(b"\n")
    detail = first.decode("latin-1").strip()
    if rest:
        return Outcome(Result.COMPLETED, len(answer), detail)
    if resets[1] > resets[0]:
        return Outcome(Result.RESET, len(answer), detail)
    said = " ".join(line for line in lines if line.startswith("nc: "))
    return Outcome(_spoken(said, status[0]) if said or status[0] else Result.CLOSED, len(answer), said or detail)


def _spoken(detail: str, status: int) -> Result:
    if status == _TERMINATED:
        return Result.TIMED_OUT
    return next((result for text, result in _SPOKEN if text in detail), Result.FAILED)


def nslookup_command(name: str, kind: str, address: str, timeout: float) -> str:
    """Return the shell command of a DNS query over UDP."""
    return f'timeout {math.ceil(timeout)} nslookup -type={kind.lower()} {shlex.quote(name)} {address}; echo "{_MARK}$?"'


def nslookup_outcome(output: str) -> Outcome:
    """Return what the output of `nslookup_command` means; the detail is the address, or NXDOMAIN."""
    said, _, status = output.rpartition(_MARK)
    if "NXDOMAIN" in said:
        return Outcome(Result.COMPLETED, detail="NXDOMAIN")
    answers = said.partition("Name:")[2].split("Address:")[1:]
    if status.strip() == "0" and answers:
        return Outcome(Result.COMPLETED, detail=answers[0].strip().split()[0])
    timed_out = status.strip() == str(_TERMINATED) or "timed out" in said or "no servers" in said
    return Outcome(Result.TIMED_OUT if timed_out else Result.FAILED, detail=said.strip()[-200:])
