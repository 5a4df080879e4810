"""Carry out the scenario in a lab that is up."""

from dataclasses import replace

from hyperward.lab.clients import Client, GuestClient, NamespaceClient
from hyperward.lab.content import body_sha256
from hyperward.lab.messages import HttpRequest
from hyperward.lab.outcome import Outcome, Result
from hyperward.lab.plan import Kind
from hyperward.lab.records import Record
from hyperward.lab.scenario import BROWSER, Attack, Check, CheckKind, dns_question
from hyperward.lab.topology import Lab

ATTACK_SECONDS = 10.0
DOWNLOAD_SECONDS = 300.0


def client_of(lab: Lab, node: str) -> Client:
    """Return the client that sends from a machine of the lab.

    Raises:
        InputError: the lab has no such machine.
    """
    if lab.plan.node(node).kind is Kind.QEMU:
        return GuestClient(lab.console)
    return NamespaceClient(lab.netns(node))


def run_attack(lab: Lab, attack: Attack, *, timeout: float = ATTACK_SECONDS) -> Outcome:
    """Carry out one attack and return how it ended for the attacker.

    Raises:
        SystemFault: the client could not be run at all.
    """
    client = client_of(lab, attack.client)
    if isinstance(attack.message, HttpRequest):
        return client.http(attack.message, attack.server_address, timeout=timeout)
    return client.ssh_banner(attack.message, attack.server_address, timeout=timeout)


def run_check(lab: Lab, check: Check, *, timeout: float = ATTACK_SECONDS) -> Outcome:
    """Carry out one harmless check; an answer that is not the right one is `failed`.

    Raises:
        SystemFault: the client could not be run at all.
    """
    client = client_of(lab, check.client)
    if check.kind is CheckKind.PING:
        return client.ping(check.server_address, timeout=timeout)
    if check.kind is CheckKind.DNS:
        name, kind = dns_question(check)
        return _expect(client.dns(name, kind, check.server_address, timeout=timeout), detail=check.server_address)
    target = "/" if check.kind is CheckKind.BROWSE else f"/big?bytes={check.size}"
    request = HttpRequest(target, (("User-Agent", BROWSER),))
    if check.kind is CheckKind.BROWSE:
        return _expect(client.http(request, check.server_address, timeout=timeout), detail="HTTP 200")
    outcome = client.http(request, check.server_address, timeout=DOWNLOAD_SECONDS, checksum=True, rate=check.rate)
    outcome = _expect(outcome, sha256=body_sha256(check.size))
    return replace(outcome, size=check.size) if outcome.completed else outcome


def received(records: list[Record], attack: Attack) -> bool:
    """Return whether an attack is among what its server received.

    The QEMU VM's web server records neither headers nor a target that leaves its folder, so there this is only about
    the target; for path traversal look at the outcome.
    """
    return any(_matches(record, attack) for record in records)


def _matches(record: Record, attack: Attack) -> bool:
    message = attack.message
    if not isinstance(message, HttpRequest):
        return record.what == "banner" and record.fields["banner"] == message.banner
    if record.what != "request" or record.fields["target"] != message.target:
        return False
    headers = record.fields.get("headers")
    return headers is None or all(headers.get(name) == value for name, value in message.headers)


def _expect(outcome: Outcome, *, detail: str = "", sha256: str = "") -> Outcome:
    """Return the outcome; as `failed` when it completed with something else than expected."""
    wrong = (detail and outcome.detail != detail) or (sha256 and outcome.sha256 != sha256)
    if not outcome.completed or not wrong:
        return outcome
    return Outcome(Result.FAILED, outcome.size, f"wrong answer: {outcome.detail} {outcome.sha256}", outcome.sha256)
