"""The lab's web server over QUIC: HTTP/3 with one page for every target. A thread with a loop of its own."""

import asyncio
from collections.abc import Callable
from threading import Event, Thread
from typing import Final

from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.asyncio.server import serve
from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.h3.events import H3Event, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import NetworkAddress, QuicConnection
from aioquic.quic.events import ProtocolNegotiated, QuicEvent

from hyperward.lab.certificate import CertificateFiles
from hyperward.lab.records import RecordWriter

SERVICE: Final = "h3"
PAGE: Final = b"<!DOCTYPE html><title>Hyperward lab</title><h1>Hyperward lab, by HTTP/3</h1>\n"


class H3Service:
    """Listens on UDP port 443 for IPv4 and IPv6.

    Raises:
        OSError: the port is taken.
    """

    def __init__(self, writer: RecordWriter, files: CertificateFiles, port: int = 443) -> None:
        self._writer = writer
        self._port = port
        self._configuration = QuicConfiguration(is_client=False, alpn_protocols=H3_ALPN)
        self._configuration.load_cert_chain(files.certificate, files.key)
        self._listens = Event()
        self._failed: list[BaseException] = []

    def start(self) -> None:
        """Serve in a thread from now on; returns when the port listens."""
        Thread(target=self._run, daemon=True).start()
        self._listens.wait()
        if self._failed:
            raise self._failed[0]

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # noqa: BLE001 - handed to the thread that started this one
            self._failed.append(error)
            self._listens.set()

    async def _serve(self) -> None:
        def protocol(quic: QuicConnection, stream_handler: Callable[..., None] | None = None) -> "_Connection":
            return _Connection(quic, self._writer, stream_handler)

        await serve("::", self._port, configuration=self._configuration, create_protocol=protocol)
        self._listens.set()
        await asyncio.Event().wait()


class _Connection(QuicConnectionProtocol):
    def __init__(self, quic: QuicConnection, writer: RecordWriter, stream_handler: Callable[..., None] | None) -> None:
        super().__init__(quic, stream_handler)
        self._writer = writer
        self._peer = ""
        self._http: H3Connection | None = None

    def datagram_received(self, data: bytes | str, addr: NetworkAddress) -> None:
        """Record a connection at its first datagram, whatever becomes of it."""
        if not self._peer:
            self._peer = str(addr[0])
            self._writer.write(SERVICE, "connection", self._peer)
        super().datagram_received(data, addr)

    def quic_event_received(self, event: QuicEvent) -> None:
        """Answer requests."""
        if isinstance(event, ProtocolNegotiated):
            self._http = H3Connection(self._quic)
        if self._http is not None:
            for found in self._http.handle_event(event):
                self._answer(self._http, found)

    def _answer(self, http: H3Connection, event: H3Event) -> None:
        if not isinstance(event, HeadersReceived):
            return
        head = {name.decode("latin-1"): value.decode("latin-1") for name, value in event.headers}
        self._writer.write(
            SERVICE,
            "request",
            self._peer,
            method=head.get(":method", ""),
            target=head.get(":path", ""),
            headers={**head, "Host": head.get(":authority", "")},
        )
        size = str(len(PAGE)).encode()
        headers = [(b":status", b"200"), (b"content-type", b"text/html"), (b"content-length", size)]
        http.send_headers(event.stream_id, headers)
        http.send_data(event.stream_id, PAGE, end_stream=True)
        self.transmit()
