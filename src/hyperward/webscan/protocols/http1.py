"""HTTP/1.0 and 1.1 as a client sends it: pipelined, kept alive, with bodies, chunks, tunnels. Bytes in, requests out.

Bodies are passed over where their end is certain. Where it is not (see `http1_head.Framing`), and where the bytes are
no perfect HTTP, every line from there on is looked at (`http1_hunt`), and nothing is passed over any more: slower, but
no reading of the stream hides a request.
"""

from collections.abc import Callable
from dataclasses import dataclass

from hyperward.webscan.protocols.http1_chunk import size_line, trailer_line
from hyperward.webscan.protocols.http1_head import Head, read_clean_head, read_usual_head
from hyperward.webscan.protocols.http1_hunt import Hunt
from hyperward.webscan.protocols.http1_line import (
    BLANK_LINE,
    Beginning,
    beginning,
    first_of_line,
    read_line,
    read_simple_line,
)
from hyperward.webscan.protocols.model import Asked, Body, Finished, Step
from hyperward.webscan.protocols.window import FOREVER, Window

MAX_HEAD = 65536
"""Bytes of a head; servers take 8 to 64 KB."""
_NOT_YET = -1  # this head was not looked at
_CRLF = 2
_EMPTY_LINE = 2


@dataclass(frozen=True, slots=True)
class Tunnel:
    """Where a stream goes on in another protocol.

    Args:
        offset: of the first byte.
        data: what came of it already.
    """

    offset: int
    data: bytes


class Http1Stream:
    """The client's side of one HTTP/1 connection; see `ClientStream`.

    A head over 64 KB is judged by what is known of it then; when no host is known, the rest is searched for one.

    Args:
        start: offset at which the connection's HTTP begins.

    Attributes:
        openings: offsets at which another protocol may begin although servers may differ about it, so that the stream
            goes on; for the caller to take away.
        tunnel: set when the stream is finished because another protocol may follow (CONNECT, Upgrade).
    """

    __slots__ = (
        "_between",
        "_doubted",
        "_finished",
        "_hunt",
        "_line_read",
        "_searched",
        "_state",
        "_tunnels",
        "_wary",
        "_watching",
        "_window",
        "openings",
        "tunnel",
    )

    def __init__(self, *, start: int = 0) -> None:
        self.openings: list[int] = []
        self.tunnel: Tunnel | None = None
        self._window = Window(start)
        self._state: _State = Http1Stream._head  # not bound, which would be a cycle
        self._finished = False
        self._between = True  # nothing is held, and the next byte begins a head
        self._wary = False  # after a request, what is no HTTP does not end the stream: requests may follow it
        self._watching = False  # what came last is passed on although it is not understood yet
        self._searched = _NOT_YET  # offset up to which the line end, or the empty line, was looked for
        self._line_read = False  # of the head that is being read
        self._tunnels = False  # another protocol may follow this message
        self._doubted = 0  # offset after a body that may be none
        self._hunt: Hunt | None = None

    @property
    def decided(self) -> int:
        """See `ClientStream`."""
        if self._finished:
            return FOREVER
        window = self._window
        return window.end if self._watching or self._hunt else max(window.at, window.until)

    def feed(self, offset: int, data: bytes) -> list[Step]:
        """See `ClientStream`."""
        window = self._window
        if self._between and offset == window.start and len(data) <= MAX_HEAD:
            request = read_usual_head(data)
            if request is not None:
                window.start = end = offset + len(data)
                self._wary = True
                return [Asked(request, end)]
        if self._finished:
            return []
        steps: list[Step] = []
        if not window.put(offset, data):
            self._finish("bytes of the stream are missing", steps)
            return steps
        while self._state(self, steps):
            pass
        window.settle()
        self._between = not window.data and self._searched == _NOT_YET and self._state is Http1Stream._head
        return steps

    def _head(self, steps: list[Step]) -> bool:
        """Read the next head. As all states: False when more bytes are needed."""
        window = self._window
        if self._searched == _NOT_YET:
            window.pos = first_of_line(window.data, window.pos)
            if window.pos == len(window.data):
                return False
            head = read_clean_head(window.data, window.pos)
            if head is not None and head.end - window.pos <= MAX_HEAD:
                return self._begin(head, steps)
            self._searched = window.at
        return self._imperfect_head(steps)

    def _imperfect_head(self, steps: list[Step]) -> bool:
        """Go on with a head that is not complete, or not perfect."""
        window = self._window
        begins = beginning(window.data, window.pos)
        self._watching = begins is Beginning.WATCH
        if begins is not Beginning.KNOWN:
            return self._unknown(begins, steps)
        limit = window.pos + MAX_HEAD
        if not self._line_read:
            end = window.data.find(b"\n", self._searched - window.start, limit)
            if end < 0:
                return self._incomplete(steps)
            text = bytes(window.data[window.pos : end])
            if read_line(text) is None:
                return self._versionless(text, end + 1, steps)
            self._line_read = True
            self._searched = window.start + end
        blank = BLANK_LINE.search(window.data, self._searched - window.start, limit)
        if blank is None:
            return self._incomplete(steps)
        return self._complete(blank.end(), steps)

    def _incomplete(self, steps: list[Step]) -> bool:
        window = self._window
        if len(window.data) - window.pos < MAX_HEAD:
            # the last bytes may be the beginning of an empty line
            self._searched = max(self._searched, window.end - _EMPTY_LINE)
            return False
        head = bytes(window.data[window.pos : window.pos + MAX_HEAD])
        line = None if self._line_read else read_line(head + b" HTTP/1.1")
        hunt = Hunt(line)
        steps += hunt.feed(window.at, head)
        window.pos += MAX_HEAD
        steps += hunt.tell(window.at)
        if hunt.knows_host:
            return self._finish(f"a head over {MAX_HEAD} bytes", steps)
        return self._start_hunt(hunt)

    def _complete(self, end: int, steps: list[Step]) -> bool:
        """Take a head whose empty line ends before index `end`."""
        window = self._window
        text = bytes(window.data[window.pos : end])
        head = read_clean_head(text, 0)
        if head is not None:
            head.end += window.pos
            return self._begin(head, steps)
        hunt = Hunt()
        steps += hunt.feed(window.at, text)
        window.pos = end
        return self._start_hunt(hunt)

    def _versionless(self, text: bytes, end: int, steps: list[Step]) -> bool:
        """Take a line without a version. HTTP/0.9 sends nothing after it; some servers read fields all the same."""
        line = read_simple_line(text)
        if line is None:
            return self._unknown(Beginning.NO, steps)
        self._window.pos = end
        hunt = Hunt(line)
        steps += hunt.tell(self._window.at)
        return self._start_hunt(hunt)

    def _begin(self, head: Head, steps: list[Step]) -> bool:
        """Go on after a perfect head."""
        window = self._window
        end = window.start + head.end
        steps.extend(Asked(request, end) for request in head.requests)
        window.pos = head.end
        framing = head.framing
        self._searched = _NOT_YET
        self._line_read = False
        self._wary = True
        self._tunnels = framing.tunnel
        if framing.unclear:
            if framing.tunnel:
                self.openings.append(end)
            return self._start_hunt(Hunt())
        if framing.doubtful:
            self._doubted = end + framing.length
            self._state = Http1Stream._doubtful_body
        elif framing.length:
            return self._pass(end + framing.length, Http1Stream._message_end, steps)
        elif framing.chunked:
            self._state = Http1Stream._chunk
        elif framing.tunnel:
            return self._start_tunnel(steps)
        return True

    def _pass(self, until: int, then: "_State", steps: list[Step]) -> bool:
        steps.append(Body(until))
        self._state = then
        return self._window.skip(until)

    def _message_end(self, steps: list[Step]) -> bool:
        if self._window.at < self._window.until:
            return False
        if self._tunnels:
            return self._start_tunnel(steps)
        self._state = Http1Stream._head
        return True

    def _doubtful_body(self, steps: list[Step]) -> bool:
        """Look how a body begins that some servers take for the next request."""
        window = self._window
        stop = self._doubted - window.start
        window.pos = min(first_of_line(window.data, window.pos), stop)
        body = window.data[window.pos : stop]
        begins = beginning(body, 0)
        self._watching = False
        if begins is Beginning.KNOWN or begins is Beginning.ODD:
            return self._start_hunt(Hunt())
        if begins is Beginning.NO:
            return self._pass(self._doubted, Http1Stream._message_end, steps)
        if len(window.data) < stop:
            self._watching = True
            return False
        if b" " in body or b"\t" in body:
            return self._start_hunt(Hunt())
        # A word at most: as a part of the next method it changes neither target nor host of the next request.
        return self._pass(self._doubted, Http1Stream._message_end, steps)

    def _chunk(self, steps: list[Step]) -> bool:
        window = self._window
        line = size_line(window.data, window.pos)
        if line is None:
            return self._start_hunt(Hunt())
        end, size = line
        if not end:
            return False
        window.pos = end
        if size:
            return self._pass(window.at + size, Http1Stream._chunk_end, steps)
        self._state = Http1Stream._trailer
        return True

    def _chunk_end(self, _steps: list[Step]) -> bool:
        window = self._window
        if window.at < window.until:
            return False
        after = bytes(window.data[window.pos : window.pos + _CRLF])
        if after == b"\r\n":
            window.pos += _CRLF
            self._state = Http1Stream._chunk
            return True
        return bool(after not in {b"", b"\r"} and self._start_hunt(Hunt()))

    def _trailer(self, _steps: list[Step]) -> bool:
        window = self._window
        line = trailer_line(window.data, window.pos)
        if line is None:
            return self._start_hunt(Hunt())
        end, length = line
        if not end:
            return False
        window.pos = end
        if length == _EMPTY_LINE:
            self._state = Http1Stream._message_end
        return True

    def _unknown(self, begins: Beginning, steps: list[Step]) -> bool:
        """Go on at bytes that are no request line with a known method."""
        if begins is Beginning.HOLD or begins is Beginning.WATCH:
            return False
        if begins is Beginning.ODD or self._wary:
            return self._start_hunt(Hunt())
        return self._finish("no HTTP", steps)

    def _start_hunt(self, hunt: Hunt) -> bool:
        self._hunt = hunt
        self._state = Http1Stream._search
        return True

    def _search(self, steps: list[Step]) -> bool:
        window = self._window
        if self._hunt is not None and window.pos < len(window.data):
            steps += self._hunt.feed(window.at, bytes(window.data[window.pos :]))
            window.pos = len(window.data)
            self.openings += self._hunt.openings
            self._hunt.openings.clear()
        return False

    def _start_tunnel(self, steps: list[Step]) -> bool:
        window = self._window
        self.tunnel = Tunnel(window.at, bytes(window.data[window.pos :]))
        return self._finish("another protocol may follow", steps)

    def _finish(self, why: str, steps: list[Step]) -> bool:
        self._finished = True
        self._between = False
        self._hunt = None
        self._window.clear()
        steps.append(Finished(why))
        return False


_State = Callable[[Http1Stream, list[Step]], bool]
"""What reads the next bytes; False when more of them are needed."""
