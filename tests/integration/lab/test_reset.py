"""A connection that is cut is seen as cut, by every client."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from hyperward.lab.messages import HttpRequest, SshBanner
from hyperward.lab.netns import socket_in
from hyperward.lab.outcome import Result
from hyperward.lab.running import client_of
from hyperward.lab.topology import Lab

pytestmark = [pytest.mark.root, pytest.mark.vm]
RESETTING, CLOSING = 8090, 8091


def _serve(listener: socket.socket, *, reset: bool) -> None:
    """Read what the client says first, then cut the connection or end it in order."""
    with suppress(OSError):
        while True:
            connection, _ = listener.accept()
            connection.recv(4096)
            if reset:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()


@pytest.fixture(scope="module")
def cutting_lab(qemu_lab: Lab) -> Iterator[Lab]:
    listeners, threads = [], []
    for port, reset in ((RESETTING, True), (CLOSING, False)):
        listener = socket_in(qemu_lab.netns("out"), socket.AF_INET6)
        listener.bind(("::", port))
        listener.listen()
        threads.append(threading.Thread(target=_serve, args=(listener,), kwargs={"reset": reset}))
        listeners.append(listener)
    for thread in threads:
        thread.start()
    yield qemu_lab
    for listener in listeners:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
    for thread in threads:
        thread.join()


@pytest.mark.parametrize("node", ["vm1", "vmq"])
@pytest.mark.parametrize("address", ["10.77.0.9", "fd77::9"])
@pytest.mark.parametrize(("port", "result"), [(RESETTING, Result.RESET), (CLOSING, Result.CLOSED)])
def test_reset_and_close_are_told_apart(cutting_lab: Lab, node: str, address: str, port: int, result: Result) -> None:
    client = client_of(cutting_lab, node)
    assert client.http(HttpRequest(port=port), address).result is result
    assert client.ssh_banner(SshBanner("SSH-2.0-x", port=port), address).result is result
