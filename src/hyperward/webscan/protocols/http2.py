"""HTTP/2 in clear text as a client sends it (RFC 9113), by prior knowledge or after an upgrade. Bytes in, requests out.

Header blocks are read with `hpack`, whose table is bounded here; everything else is passed over by its frame header.
What a tunnel over HTTP/2 (CONNECT) carries in its DATA is not looked at; the name that it goes to is.
"""

from hpack import Decoder, HPACKError
from hpack.table import HeaderTable

from hyperward.webscan.protocols.http2_answer import block_response
from hyperward.webscan.protocols.http2_frame import FRAME_HEADER, PREFACE, Flag, FrameType, fragment
from hyperward.webscan.protocols.http2_request import requests
from hyperward.webscan.protocols.model import Asked, Body, Finished, Step
from hyperward.webscan.protocols.window import FOREVER, Window

__all__ = ["MAX_HEAD", "MAX_TABLE", "PREFACE", "Http2Stream", "block_response"]

MAX_HEAD = 65536
"""Bytes of a header block with its frame headers, and of the list that it unpacks to (32 more per field)."""
MAX_TABLE = 16384
"""Bytes that a client may make the table. The default is 4,096; the server may have allowed more, which is not seen."""


class _Table(HeaderTable):
    """A table that owns what it holds: the views that the decoder gives it would keep whole header blocks alive."""

    def add(self, name: bytes, value: bytes) -> None:
        """See `HeaderTable`."""
        super().add(bytes(name), bytes(value))


class Http2Stream:
    """The client's side of one HTTP/2 connection; see `ClientStream`.

    The stream is finished by what no server goes on after: a wrong preface, a PUSH_PROMISE, a header block that another
    frame interrupts, that does not unpack, or that is over 64 KB packed or unpacked.

    Args:
        start: offset of the connection preface.
    """

    def __init__(self, *, start: int = 0) -> None:
        self._window = Window(start)
        self._decoder = Decoder(max_header_list_size=MAX_HEAD)
        self._decoder.header_table = _Table()
        self._decoder.max_allowed_table_size = MAX_TABLE
        self._begun = False
        self._finished = False
        self._block = bytearray()  # of header frames that were read
        self._block_start = -1  # offset of the first of them; -1 for none
        self._block_stream = 0

    @property
    def decided(self) -> int:
        """See `ClientStream`."""
        if self._finished:
            return FOREVER
        return self._block_start if self._block_start >= 0 else max(self._window.at, self._window.until)

    def feed(self, offset: int, data: bytes) -> list[Step]:
        """See `ClientStream`."""
        if self._finished:
            return []
        steps: list[Step] = []
        window = self._window
        if not window.put(offset, data):
            self._finish("bytes of the stream are missing", steps)
            return steps
        while self._frame(steps) if self._begun else self._preface(steps):
            pass
        window.settle()
        return steps

    def _preface(self, steps: list[Step]) -> bool:
        window = self._window
        if not PREFACE.startswith(window.data[: len(PREFACE)]):
            return self._finish("no HTTP/2 preface", steps)
        self._begun = len(window.data) >= len(PREFACE)
        if self._begun:
            window.pos = len(PREFACE)
        return self._begun

    def _frame(self, steps: list[Step]) -> bool:
        """Read the next frame; False when more bytes are needed."""
        window = self._window
        data, pos = window.data, window.pos
        if window.at < window.until or len(data) - pos < FRAME_HEADER:
            return False
        kind = data[pos + 3]
        end = pos + FRAME_HEADER + int.from_bytes(data[pos : pos + 3], "big")
        stream = int.from_bytes(data[pos + 5 : pos + FRAME_HEADER], "big") & 0x7FFFFFFF
        objection = self._objection(kind, stream, window.start + end)
        if objection:
            return self._finish(objection, steps)
        if kind not in {FrameType.HEADERS, FrameType.CONTINUATION}:
            return self._pass(window.start + end, steps)
        if len(data) < end:
            return False
        piece = fragment(bytes(data[pos:end]))
        if piece is None:
            return self._finish("a header frame with more padding than bytes", steps)
        if self._block_start < 0:
            self._block_start, self._block_stream = window.at, stream
        self._block += piece
        window.pos = end
        return self._headers(steps) if data[pos + 4] & Flag.END_HEADERS else True

    def _objection(self, kind: int, stream: int, end: int) -> str:
        """Return why no server goes on after a frame that ends at offset `end`; empty when one does."""
        within = self._block_start >= 0
        if within != (kind == FrameType.CONTINUATION) or (within and stream != self._block_stream):
            return "a header block that is interrupted, or goes on without a beginning"
        if kind == FrameType.PUSH_PROMISE:
            return "PUSH_PROMISE from a client"
        if kind == FrameType.HEADERS and stream == 0:
            return "a header block of no stream"
        begin = self._block_start if within else self._window.at
        if kind in {FrameType.HEADERS, FrameType.CONTINUATION} and end - begin > MAX_HEAD:
            return f"a header block over {MAX_HEAD} bytes"
        return ""

    def _pass(self, until: int, steps: list[Step]) -> bool:
        if steps and isinstance(steps[-1], Body):
            steps.pop()  # this one goes further
        steps.append(Body(until))
        return self._window.skip(until)

    def _headers(self, steps: list[Step]) -> bool:
        """Unpack a complete header block."""
        try:
            fields = self._decoder.decode(bytes(self._block), raw=True)
        except HPACKError as error:
            return self._finish(f"a header block that does not unpack: {type(error).__name__}", steps)
        end = self._window.at
        found = requests([(bytes(name), bytes(value)) for name, value in fields], self._block_stream)
        steps.extend(Asked(request, end) for request in found)
        self._block = bytearray()
        self._block_start = -1
        return True

    def _finish(self, why: str, steps: list[Step]) -> bool:
        self._finished = True
        self._window.clear()
        self._block = bytearray()
        steps.append(Finished(why))
        return False
