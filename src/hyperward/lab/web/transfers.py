"""Large transfers that nobody may disturb while addresses are judged: a download and an upload by POST or PUT."""

import hashlib
import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime

from hyperward.lab.clients import NamespaceClient
from hyperward.lab.content import body_sha256
from hyperward.lab.evidence import Row
from hyperward.lab.messages import HttpRequest
from hyperward.lab.outcome import Outcome
from hyperward.lab.plan import OUT
from hyperward.lab.topology import Lab

MIB = 1024 * 1024
DOWNLOAD = 100 * MIB
UPLOAD = 100 * MIB
RATE = 40 * MIB
"""Bytes a second: the transfers shall last as long as the requests that they accompany."""
_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Transfer:
    """One large transfer by a namespace VM over one family."""

    client: str
    family: int
    size: int
    upload: bool


@dataclass(frozen=True, slots=True)
class Transferred:
    """A transfer that was carried out, and how many seconds it took."""

    transfer: Transfer
    began: datetime
    seconds: float
    outcome: Outcome
    right: bool

    def row(self) -> Row:
        """Return it for people: every byte must have come over."""
        transfer = self.transfer
        what = "upload" if transfer.upload else "download"
        happened = f"checksum right, {transfer.size / MIB / self.seconds:.0f} MiB/s" if self.right else self._wrong()
        title = f"{what} of {transfer.size // MIB} MiB meanwhile, {transfer.client}, IPv{transfer.family}"
        return Row(title, "completes, the checksum is right", happened, self.right)

    def _wrong(self) -> str:
        return f"{self.outcome.result} after {self.outcome.size} bytes; {self.outcome.detail}"


def transfer_in(lab: Lab, transfer: Transfer) -> Transferred:
    """Carry out a transfer.

    Raises:
        SystemFault: the client could not be run at all.
    """
    client, address = NamespaceClient(lab.netns(transfer.client)), lab.plan.node(OUT).address(transfer.family)
    began, start = datetime.now(UTC), time.monotonic()
    if transfer.upload:
        outcome = client.upload(transfer.size, address, timeout=_SECONDS)
        expected = _upload_answer(transfer.size)
    else:
        request = HttpRequest(f"/big?bytes={transfer.size}")
        outcome = client.http(request, address, timeout=_SECONDS, rate=RATE)
        expected = body_sha256(transfer.size)
    right = outcome.completed and outcome.sha256 == expected
    return Transferred(transfer, began, time.monotonic() - start, outcome, right)


def _upload_answer(size: int) -> str:
    """Return the checksum of what the server says to an upload that came over whole."""
    said = json.dumps({"bytes": size, "sha256": body_sha256(size)}).encode() + b"\n"
    return hashlib.sha256(said).hexdigest()
