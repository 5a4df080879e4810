"""The lab's web server over TLS: the same site, and a record of every ClientHello's name before anything is decided."""

import socket
import ssl

from hyperward.lab.certificate import CertificateFiles
from hyperward.lab.http_service import HttpHandler, HttpService
from hyperward.lab.records import RecordWriter


class TlsService(HttpService):
    """Listens on port 443 for IPv4 and IPv6, HTTP/1.1 inside."""

    def __init__(self, writer: RecordWriter, files: CertificateFiles, port: int = 443) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(files.certificate, files.key)
        # busybox names no signature algorithms. That means SHA-1 (RFC 5246, 7.4.1.4.1); OpenSSL wants level 0 for it.
        self._context.set_ciphers("DEFAULT:@SECLEVEL=0")
        self._context.set_alpn_protocols(["http/1.1"])
        self._context.sni_callback = self._hello
        super().__init__(writer, port, name="https", handler=TlsHandler)

    def get_request(self) -> tuple[socket.socket, object]:
        """Take a connection; the handshake is left to its own thread."""
        connection, peer = super().get_request()
        secured = self._context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return secured, peer

    def _hello(self, connection: ssl.SSLObject | ssl.SSLSocket, name: str | None, _: ssl.SSLContext) -> None:
        if isinstance(connection, ssl.SSLSocket):
            self.writer.write(self.name, "hello", str(connection.getpeername()[0]), name=name or "")


class TlsHandler(HttpHandler):
    """One connection."""

    def setup(self) -> None:
        """Shake hands within the time that a request may take."""
        super().setup()
        if isinstance(self.request, ssl.SSLSocket):
            self.request.do_handshake()
