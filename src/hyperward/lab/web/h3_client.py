"""An HTTP/3 client as a browser has one: it asks for one page over QUIC and tells how that ended."""

import asyncio
import ssl
from collections.abc import Callable
from typing import Final

from aioquic.asyncio.client import connect
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import NetworkAddress, QuicConnection
from aioquic.quic.events import ConnectionTerminated, HandshakeCompleted, ProtocolNegotiated, QuicEvent

from hyperward.lab.web.answer import Answer, End

_STATUS: Final = b":status"


def ask_by_quic(host: str, path: str, address: str, port: int, *, silence: float, timeout: float) -> Answer:
    """Ask for a page and return what came of it; the calling thread's network namespace is where it asks from.

    `silence` is how many seconds the first sign of the server may take, `timeout` how many it may take in all.
    """
    try:
        return asyncio.run(asyncio.wait_for(_ask(host, path, address, port, silence), timeout))
    except TimeoutError:
        return Answer(End.SILENT)
    except ConnectionError as error:
        return Answer(End.CUT, detail=str(error))
    except OSError as error:
        return Answer(End.FAILED, detail=str(error))


async def _ask(host: str, path: str, address: str, port: int, silence: float) -> Answer:
    configuration = QuicConfiguration(
        is_client=True, alpn_protocols=H3_ALPN, server_name=host, verify_mode=ssl.CERT_NONE
    )
    opened = connect(address, port, configuration=configuration, create_protocol=_Client, wait_connected=False)
    async with opened as client:
        if not isinstance(client, _Client):
            raise TypeError("not the protocol that was asked for")
        client.transmit()
        await asyncio.wait_for(client.heard.wait(), silence)
        await client.ready.wait()
        return await client.get(host, path)


class _Client(QuicConnectionProtocol):
    _http: H3Connection | None = None
    _answer: "asyncio.Future[Answer] | None" = None
    _status = 0
    _page = b""
    _ended = False

    def __init__(self, quic: QuicConnection, stream_handler: Callable[..., None] | None = None) -> None:
        super().__init__(quic, stream_handler)
        self.heard = asyncio.Event()
        """Set when anything came from the server."""
        self.ready = asyncio.Event()
        """Set when the handshake is complete, or the connection has ended."""

    def datagram_received(self, data: bytes | str, addr: NetworkAddress) -> None:
        """Take note of the server's first sign."""
        self.heard.set()
        super().datagram_received(data, addr)

    async def get(self, host: str, path: str) -> Answer:
        """Ask for a page on the connection, which is there."""
        if self._http is None:
            self._http = H3Connection(self._quic)
        if self._ended:
            return Answer(End.CUT)
        self._answer = asyncio.get_running_loop().create_future()
        head = [(b":method", b"GET"), (b":scheme", b"https"), (b":authority", host.encode()), (b":path", path.encode())]
        self._http.send_headers(self._quic.get_next_available_stream_id(), head, end_stream=True)
        self.transmit()
        return await self._answer

    def quic_event_received(self, event: QuicEvent) -> None:
        """Take what comes."""
        if isinstance(event, ProtocolNegotiated) and self._http is None:
            self._http = H3Connection(self._quic)
        if isinstance(event, HandshakeCompleted | ConnectionTerminated):
            self.ready.set()
        if isinstance(event, ConnectionTerminated):
            self._ended = True
            self._end(Answer(End.CUT, detail=event.reason_phrase))
        for found in self._http.handle_event(event) if self._http is not None else ():
            if isinstance(found, HeadersReceived):
                self._status = int(dict(found.headers).get(_STATUS, b"0"))
            elif isinstance(found, DataReceived):
                self._page += found.data
            if isinstance(found, HeadersReceived | DataReceived) and found.stream_ended:
                self._end(Answer(End.ANSWERED, self._status, self._page.decode(errors="replace")))

    def _end(self, answer: Answer) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(answer)
