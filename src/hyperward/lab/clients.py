"""Clients that send from a machine of the lab: one set of calls, carried out in a namespace or in the QEMU VM."""

import hashlib
import os
import socket
import subprocess
import tempfile
from typing import Protocol

import dns.exception
import dns.message
import dns.rcode

from hyperward.errors import SystemFault
from hyperward.lab import guest_traffic
from hyperward.lab.console import Console
from hyperward.lab.content import BLOCK_SIZE, block
from hyperward.lab.deadline import Deadline
from hyperward.lab.messages import HttpRequest, SshBanner
from hyperward.lab.netns import NetNs
from hyperward.lab.outcome import Outcome, Result
from hyperward.lab.traffic import curl_command, curl_outcome, ping_command, ping_outcome

_MAX_TALK = 64 * 1024
_GRACE = 10.0
"""Seconds beyond a client's own timeout after which it is killed."""


class Client(Protocol):
    """Sends from one machine. Addresses are literals of either family; times are in seconds."""

    def http(
        self, request: HttpRequest, address: str, *, timeout: float = 10.0, checksum: bool = False, rate: int = 0
    ) -> Outcome:
        """Send a request; with `checksum` the outcome has the SHA-256 of the body.

        `rate` is the most bytes a second that are fetched, 0 for no limit.
        """
        ...

    def ssh_banner(self, banner: SshBanner, address: str, *, timeout: float = 10.0) -> Outcome:
        """Connect as an SSH client and send the banner; complete means that the server went on after it."""
        ...

    def dns(self, name: str, kind: str, address: str, *, timeout: float = 5.0) -> Outcome:
        """Ask a server over UDP for the A or AAAA record of a name; the detail is the address, or NXDOMAIN."""
        ...

    def ping(self, address: str, *, count: int = 3, timeout: float = 10.0) -> Outcome:
        """Send echo requests; complete means that all were answered."""
        ...


class NamespaceClient:
    """A client in a namespace: curl, ping, and plain sockets."""

    def __init__(self, netns: NetNs) -> None:
        self._netns = netns

    def http(
        self, request: HttpRequest, address: str, *, timeout: float = 10.0, checksum: bool = True, rate: int = 0
    ) -> Outcome:
        """Send a request with curl; the checksum costs little here and is always there."""
        del checksum
        return self._curl(curl_command(request, address, timeout, rate=rate), timeout, None)

    def upload(self, size: int, address: str, *, timeout: float = 60.0) -> Outcome:
        """Send `size` bytes of the lab's content with PUT; the answer's size and checksum are the server's answer's."""
        command = curl_command(HttpRequest("/upload"), address, timeout, upload=True)
        with os.fdopen(os.memfd_create("upload"), "w+b") as body:
            for start in range(0, size, BLOCK_SIZE):
                body.write(block()[: min(BLOCK_SIZE, size - start)])
            body.flush()
            body.seek(0)
            return self._curl(command, timeout, body.fileno())

    def ssh_banner(self, banner: SshBanner, address: str, *, timeout: float = 10.0) -> Outcome:
        """Send the banner over a plain socket."""
        received = bytearray()
        deadline = Deadline.after(timeout)
        connected = False
        with self._socket(address, socket.SOCK_STREAM) as connection:
            try:
                connection.settimeout(timeout)
                connection.connect((address, banner.port))
                connected = True
                connection.sendall(banner.banner.encode() + b"\r\n")
                while not received.partition(b"\n")[2]:
                    connection.settimeout(max(deadline.left(), 0.001))
                    data = connection.recv(4096)
                    if not data:
                        return Outcome(Result.CLOSED, len(received), _first_line(received))
                    received += data
            except OSError as error:
                return Outcome(_socket_result(error, connected=connected), len(received), str(error))
        return Outcome(Result.COMPLETED, len(received), _first_line(received))

    def dns(self, name: str, kind: str, address: str, *, timeout: float = 5.0, tcp: bool = False) -> Outcome:
        """Ask with a plain socket, over UDP or TCP."""
        query = dns.message.make_query(name, kind)
        data = bytes(query.to_wire())
        with self._socket(address, socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM) as connection:
            connection.settimeout(timeout)
            try:
                connection.connect((address, 53))
                if tcp:
                    connection.sendall(len(data).to_bytes(2, "big") + data)
                    with connection.makefile("rb") as stream:
                        reply = stream.read(int.from_bytes(stream.read(2), "big"))
                else:
                    connection.send(data)
                    reply = connection.recv(4096)
                answer = dns.message.from_wire(reply)
            except OSError as error:
                return Outcome(_socket_result(error, connected=True), detail=str(error))
            except dns.exception.DNSException as error:
                return Outcome(Result.FAILED, len(reply), str(error))
        if answer.id != query.id:
            return Outcome(Result.FAILED, len(reply), "the answer is to another query")
        first = str(answer.answer[0][0]) if answer.answer else dns.rcode.to_text(answer.rcode())
        return Outcome(Result.COMPLETED, len(reply), first)

    def ping(self, address: str, *, count: int = 3, timeout: float = 10.0) -> Outcome:
        """Send echo requests with ping."""
        done = self._netns.run(ping_command(address, count, timeout), timeout=timeout + _GRACE)
        return ping_outcome(done.stdout + done.stderr)

    def _socket(self, address: str, kind: int) -> socket.socket:
        return self._netns.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind)

    def _curl(self, command: list[str], timeout: float, stdin: int | None) -> Outcome:
        digest = hashlib.sha256()
        size = 0
        with tempfile.TemporaryFile() as talk:
            source = subprocess.DEVNULL if stdin is None else stdin
            with subprocess.Popen(
                self._netns.command(command), stdin=source, stdout=subprocess.PIPE, stderr=talk
            ) as process:
                if process.stdout is None:
                    raise SystemFault("no pipe from curl")
                while data := process.stdout.read(BLOCK_SIZE):
                    digest.update(data)
                    size += len(data)
                try:
                    status = process.wait(timeout + _GRACE)
                except subprocess.TimeoutExpired:
                    process.kill()
                    return Outcome(Result.TIMED_OUT, size, "curl did not end")
            talk.seek(0, os.SEEK_END)
            talk.seek(max(0, talk.tell() - _MAX_TALK))
            said = talk.read().decode(errors="replace")
        if status == 127:  # noqa: PLR2004 - the shell's and nsenter's status for a program that is not there
            raise SystemFault("the program curl is missing", hint="install curl")
        return curl_outcome(status, said, size, digest.hexdigest())


class GuestClient:
    """A client in the QEMU VM: busybox over the console."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def http(
        self, request: HttpRequest, address: str, *, timeout: float = 10.0, checksum: bool = False, rate: int = 0
    ) -> Outcome:
        """Send a request with busybox wget, which knows no rate; software emulation is slow enough by itself."""
        del rate
        command = guest_traffic.wget_command(request, address, timeout, checksum=checksum)
        return guest_traffic.wget_outcome(self._console.run(command, timeout=timeout + _GRACE).output)

    def ssh_banner(self, banner: SshBanner, address: str, *, timeout: float = 10.0) -> Outcome:
        """Send the banner with busybox nc."""
        command = guest_traffic.banner_command(banner, address, timeout)
        return guest_traffic.banner_outcome(self._console.run(command, timeout=timeout + _GRACE).output)

    def dns(self, name: str, kind: str, address: str, *, timeout: float = 5.0) -> Outcome:
        """Ask with busybox nslookup."""
        command = guest_traffic.nslookup_command(name, kind, address, timeout)
        return guest_traffic.nslookup_outcome(self._console.run(command, timeout=timeout + _GRACE).output)

    def ping(self, address: str, *, count: int = 3, timeout: float = 10.0) -> Outcome:
        """Send echo requests with busybox ping."""
        seconds = max(1, round(timeout))
        command = f"ping -c {count} -w {seconds} -W {seconds} {address}"
        return ping_outcome(self._console.run(command, timeout=timeout + _GRACE).output)


def _socket_result(error: OSError, *, connected: bool) -> Result:
    if isinstance(error, TimeoutError):
        return Result.TIMED_OUT
    if isinstance(error, ConnectionRefusedError):
        return Result.REFUSED
    if isinstance(error, ConnectionResetError | BrokenPipeError):
        return Result.RESET if connected else Result.REFUSED
    return Result.FAILED


def _first_line(data: bytes | bytearray) -> str:
    return bytes(data).partition(b"\n")[0].decode("latin-1").strip()
