"""Reads a client's stream and judges the requests in it, in the order in which they come. Pure."""

from dataclasses import dataclass

from hyperward.webscan.protocols.model import Asked, Body, ClientStream, Request
from hyperward.webscan.scanner.around import Around
from hyperward.webscan.scanner.commands import Command, Found
from hyperward.webscan.scanner.frames import Packet
from hyperward.webscan.scanner.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Refused:
    """A request that is blocked, and what is to be known for its answer.

    Args:
        asked: the request, and where in the stream it ends.
        begin: where in the stream its bytes begin, at the earliest.
        verdict: why it is blocked.
        answerable: whether it can be answered: the answer to an earlier request may be on its way, or half there, and
            ours would be taken for it.
        is_first: whether the other end has sent nothing yet.
    """

    asked: Asked
    begin: int
    verdict: Verdict
    answerable: bool
    is_first: bool


class Reader:
    """What is known of one stream.

    Args:
        stream: parser.

    Attributes:
        until: offset up to which bytes belong to a body.
        finished: whether the rest of the stream needs no look.
        stateful: whether the parser knows what could not be learned again from what comes later.
    """

    __slots__ = (
        "_asked_ack",
        "_first_ack",
        "_head",
        "_is_http2",
        "_pipelined",
        "_requests",
        "_stream",
        "finished",
        "stateful",
        "until",
    )

    def __init__(self, stream: ClientStream) -> None:
        self.until = 0
        self.finished = False
        self.stateful = False
        self._stream = stream
        self._head = 0
        self._requests = 0
        self._asked_ack = 0
        self._first_ack: int | None = None
        self._pipelined = False
        self._is_http2 = False

    def is_undecided(self, end: int) -> bool:
        """Tell whether bytes before offset `end` may belong to a request that is not complete."""
        return not self.finished and self._stream.decided < end

    def read(self, packet: Packet, offset: int, data: bytes, around: Around, commands: list[Command]) -> Refused | None:
        """Take the next bytes; return the first request that is blocked, after which nothing more is read.

        Args:
            packet: that brought them.
            offset: of `data` in the stream.
            data: bytes.
            around: who judges.
            commands: records of requests that are reported are appended here.
        """
        if self._first_ack is None:
            self._first_ack = packet.ack
        for step in self._stream.feed(offset, data):
            if isinstance(step, Asked):
                verdict = around.judge(packet, step.request)
                if verdict.block and not packet.copy:
                    return self._refused(packet, step, verdict)
                if verdict.match is not None or verdict.hidden_name:
                    commands.append(reported(packet, step.request, verdict, around))
                self._clean(packet, step)
            elif isinstance(step, Body):
                self.until = self._head = step.until
            else:
                self.finished = True
        # At the end of a request or within a body another parser would read on in the same way, elsewhere it would not.
        self.stateful = self._is_http2 or max(self._head, self.until) < offset + len(data)
        return None

    def _clean(self, packet: Packet, asked: Asked) -> None:
        self._head = asked.end
        if asked.request.version == "2":
            self._is_http2 = True
        if self._requests and packet.ack == self._asked_ack:
            self._pipelined = True
        self._requests += 1
        self._asked_ack = packet.ack

    def _refused(self, packet: Packet, asked: Asked, verdict: Verdict) -> Refused:
        outstanding = self._pipelined or packet.ack == self._asked_ack or asked.request.version == "2"
        answerable = not (self._requests and outstanding)
        return Refused(asked, self._head, verdict, answerable, packet.ack == self._first_ack)


def reported(packet: Packet, request: Request, verdict: Verdict, around: Around) -> Found:
    """Return the record of a request that goes on."""
    reason = "never_block" if verdict.exempt else "copy" if verdict.block else ""
    return Found(packet, request, verdict, around.event_id(), "reported", reason)
