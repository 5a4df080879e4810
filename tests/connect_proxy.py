"""A proxy for tests that opens tunnels (CONNECT, RFC 9110, 9.3.6): `connect_proxy.py PORT`; says `ready` first."""

import socket
import sys
import threading


def _pump(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        return


def _serve(client: socket.socket, host: str) -> None:
    with client:
        head = b""
        while b"\r\n\r\n" not in head:
            data = client.recv(4096)
            if not data:
                return
            head += data
        method, target, _ = head.split(b" ", 2)
        _say(f"{method.decode()} {target.decode()}")
        _, _, port = target.decode().rpartition(":")
        with socket.create_connection((host, int(port))) as server:
            client.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
            back = threading.Thread(target=_pump, args=(server, client), daemon=True)
            back.start()
            _pump(client, server)
            back.join(20)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(port: str) -> None:
    """Serve; every tunnel leads to this machine, whatever name it is for."""
    listener = socket.create_server(("::", int(port)), family=socket.AF_INET6, dualstack_ipv6=True)
    _say("ready")
    while True:
        client, _ = listener.accept()
        threading.Thread(target=_serve, args=(client, "::1"), daemon=True).start()


if __name__ == "__main__":
    main(*sys.argv[1:])
