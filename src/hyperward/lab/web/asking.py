"""Ask for web addresses from machines of a lab that is up, and keep what came of it from both ends."""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from hyperward.errors import SystemFault
from hyperward.lab.plan import OUT, Kind
from hyperward.lab.records import Record
from hyperward.lab.topology import Lab
from hyperward.lab.web.answer import Answer, End
from hyperward.lab.web.attempts import SERVICES, Attempt, Way
from hyperward.lab.web.curl import curl_answer, curl_command
from hyperward.lab.web.guest import wget_answer, wget_command

ASK_SECONDS = 20.0
"""Like that of attacks: the QEMU VM may have to wait for its console."""
QUIC_SECONDS = 3.0
"""A dropped QUIC connection gives no sign; browsers begin with TLS after a fraction of a second."""
_GRACE = 15.0
_NO_PROGRAM = 127  # the shell's and nsenter's status for a program that is not there


@dataclass(frozen=True, slots=True)
class Asked:
    """An attempt that was carried out.

    Args:
        attempt: what was asked for.
        began: with a zone, on this machine's clock: events are on the same.
        answer: what the client got.
        arrived: whether the server saw a request, a ClientHello or a datagram of it.
    """

    attempt: Attempt
    began: datetime
    answer: Answer
    arrived: bool


def ask(lab: Lab, attempt: Attempt) -> Asked:
    """Carry out an attempt. Attempts for the same name by one machine must not overlap in time.

    Raises:
        SystemFault: the client could not be run at all.
    """
    before = len(lab.records(OUT))
    began = datetime.now(UTC)
    answer = _answer(lab, attempt)
    return Asked(attempt, began, answer, arrived(attempt, lab.records(OUT)[before:]))


def arrived(attempt: Attempt, records: Sequence[Record]) -> bool:
    """Return whether records of the server are of an attempt."""
    return any(_is_of(attempt, record) for record in records)


def _is_of(attempt: Attempt, record: Record) -> bool:
    site = attempt.site
    if record.service != SERVICES[site.way] or record.peer != attempt.client_address:
        return False
    if site.way is Way.QUIC:
        return True
    if record.what == "hello":
        return bool(record.fields["name"] == site.host)
    host = str(record.fields.get("headers", {}).get("Host", "")).partition(":")[0]
    return record.what == "request" and (host, record.fields["target"]) == (site.host, site.path)


def _answer(lab: Lab, attempt: Attempt) -> Answer:
    site = attempt.site
    if lab.plan.node(attempt.client).kind is Kind.QEMU:
        command = wget_command(attempt, ASK_SECONDS)
        return wget_answer(lab.console.run(command, timeout=ASK_SECONDS + _GRACE).output)
    if site.way is Way.QUIC:
        from hyperward.lab.web.h3_client import ask_by_quic  # its library takes long to load

        to = (site.host, site.path, attempt.server_address, site.server_port)
        return lab.netns(attempt.client).call(lambda: ask_by_quic(*to, silence=QUIC_SECONDS, timeout=ASK_SECONDS))
    try:
        done = lab.netns(attempt.client).run(curl_command(attempt, ASK_SECONDS), timeout=ASK_SECONDS + _GRACE)
    except subprocess.TimeoutExpired:
        return Answer(End.SILENT, detail="curl did not end")
    if done.returncode == _NO_PROGRAM:
        raise SystemFault("the program curl is missing", hint="install curl")
    return curl_answer(done.returncode, done.stderr, done.stdout)
