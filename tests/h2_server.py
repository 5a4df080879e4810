"""An HTTP/2 server for tests: without TLS on one port and with it on another, every request on a line of its output.

Run as a process: `h2_server.py PLAIN_PORT TLS_PORT CERTIFICATE KEY`; says `ready` first.
"""

import socket
import ssl
import sys
import threading

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RequestReceived
from h2.exceptions import ProtocolError

PAGE = b"<title>A page</title>\n"


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _converse(connection: socket.socket) -> None:
    http = H2Connection(H2Configuration(client_side=False))
    http.initiate_connection()
    connection.sendall(http.data_to_send())
    while data := connection.recv(65536):
        for event in http.receive_data(data):
            if isinstance(event, RequestReceived):
                head = {bytes(name).decode(): bytes(value).decode() for name, value in event.headers}
                _say(f"{head[':authority']} {head[':path']}")
                http.send_headers(event.stream_id, [(":status", "200"), ("content-length", str(len(PAGE)))])
                http.send_data(event.stream_id, PAGE, end_stream=True)
            elif isinstance(event, DataReceived):
                http.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        connection.sendall(http.data_to_send())


def _serve(connection: socket.socket, context: ssl.SSLContext | None) -> None:
    try:
        connection.settimeout(30)
        with connection if context is None else context.wrap_socket(connection, server_side=True) as opened:
            _converse(opened)
    except (OSError, ProtocolError):
        return


def _listen(port: int, context: ssl.SSLContext | None) -> threading.Thread:
    listener = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)

    def accept() -> None:
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=_serve, args=(connection, context), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    return thread


def main(plain: str, secured: str, certificate: str, key: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.set_alpn_protocols(["h2"])
    threads = [_listen(int(plain), None), _listen(int(secured), context)]
    _say("ready")
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main(*sys.argv[1:])
