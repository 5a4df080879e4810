"""The world of a scanner for tests: streams, verdicts and a kernel without any network."""

from dataclasses import dataclass, field

from hyperward.webscan.address.model import Address
from hyperward.webscan.database.model import Entry, EntryKind, Match
from hyperward.webscan.protocols.model import Asked, Body, Finished, Request, Step, WebProtocol
from hyperward.webscan.scanner.around import Blocked
from hyperward.webscan.scanner.frames import Packet, parse_frame
from hyperward.webscan.scanner.records import WebRecord
from hyperward.webscan.scanner.verdict import CLEAN, Verdict
from hyperward.webscan.settings import WebAction

EVIL = Match(Entry(EntryKind.HOST, "evil.test", "malicious", "list", "7"), "v1")
BLOCK = Verdict(WebAction.BLOCK, block=True, address=Address("evil.test"), match=EVIL)


def packet_of(frame: bytes) -> Packet:
    packet = parse_frame(frame)
    assert isinstance(packet, Packet)
    return packet


class LineStream:
    """Requests are lines; `body N` is followed by N bytes, `done` ends the reading. Remembers what it was fed."""

    def __init__(self) -> None:
        self.fed = bytearray()
        self._line = bytearray()
        self._end = 0
        self._decided = 0
        self._until = 0

    @property
    def decided(self) -> int:
        return self._decided

    def feed(self, offset: int, data: bytes) -> list[Step]:
        assert offset == self._end or self._end < offset <= self._until
        self.fed += data
        steps: list[Step] = []
        for index, byte in enumerate(data):
            at = offset + index
            if at < self._until:
                continue
            self._line.append(byte)
            if byte != 10:
                continue
            line = bytes(self._line)
            self._line.clear()
            if line == b"done\n":
                self._decided = 1 << 62
                return [*steps, Finished("done")]
            steps.append(Asked(Request(WebProtocol.HTTP, line.strip(), b"/", b"GET", "1.1"), at + 1))
            self._decided = at + 1
            if line.startswith(b"body "):
                self._until = self._decided = at + 1 + int(line[5:])
                steps.append(Body(self._until))
        self._end = offset + len(data)
        return steps


@dataclass
class Around:
    """Blocks what holds `evil`."""

    ack: int | None = None
    judged: list[bytes] = field(default_factory=list)
    blocked: list[Blocked] = field(default_factory=list)
    reply: bytes | None = b"page"

    def judge(self, packet: Packet, request: Request) -> Verdict:
        del packet
        self.judged.append(request.host)
        return BLOCK if b"evil" in request.host else CLEAN

    def acknowledged(self, packet: Packet) -> int | None:
        del packet
        return self.ack

    def answer(self, blocked: Blocked) -> bytes | None:
        self.blocked.append(blocked)
        return self.reply

    def event_id(self) -> str:
        return "event"


@dataclass
class Records:
    """Keeps records."""

    kept: list[WebRecord] = field(default_factory=list)

    def write(self, record: WebRecord) -> bool:
        self.kept.append(record)
        return True
