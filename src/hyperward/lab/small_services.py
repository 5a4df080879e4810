"""The lab's DNS server, and its SSH server up to the key exchange offer."""

import socket
import socketserver
from collections.abc import Mapping

import dns.exception
import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import dns.rdatatype
import dns.rrset

from hyperward.lab.content import SSH_BANNER, ssh_kexinit
from hyperward.lab.records import RecordWriter

MAX_BANNER = 512
_TTL = 60
_TIMEOUT = 30


class _DualStack(socketserver.ThreadingMixIn):
    """Listens for IPv4 and IPv6, a thread a client."""

    daemon_threads = True
    allow_reuse_address = True
    socket: socket.socket

    def server_bind(self) -> None:
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()  # type: ignore[misc]  # the mix-in's partner has it

    def handle_error(self, request: object, client_address: object) -> None:
        """A connection that was cut is what the lab is for, no error."""


class SshService(_DualStack, socketserver.TCPServer):
    """Sends a banner, reads the client's, offers a key exchange, ends."""

    address_family = socket.AF_INET6

    def __init__(self, writer: RecordWriter, port: int = 22) -> None:
        self.writer = writer
        super().__init__(("::", port), _SshHandler)


class _SshHandler(socketserver.StreamRequestHandler):
    server: SshService
    timeout = _TIMEOUT

    def handle(self) -> None:
        peer = str(self.client_address[0])
        self.server.writer.write("ssh", "connection", peer)
        self.wfile.write(SSH_BANNER + b"\r\n")
        banner = self.rfile.readline(MAX_BANNER).rstrip(b"\r\n")
        if banner:
            self.server.writer.write("ssh", "banner", peer, banner=banner.decode("latin-1"))
            self.wfile.write(ssh_kexinit())


class DnsUdpService(_DualStack, socketserver.UDPServer):
    """Answers for the lab's names over UDP."""

    address_family = socket.AF_INET6

    def __init__(self, writer: RecordWriter, names: Mapping[str, tuple[str, str]], port: int = 53) -> None:
        self.writer, self.names = writer, names
        super().__init__(("::", port), _DnsUdpHandler)


class DnsTcpService(_DualStack, socketserver.TCPServer):
    """Answers for the lab's names over TCP."""

    address_family = socket.AF_INET6

    def __init__(self, writer: RecordWriter, names: Mapping[str, tuple[str, str]], port: int = 53) -> None:
        self.writer, self.names = writer, names
        super().__init__(("::", port), _DnsTcpHandler)


class _DnsUdpHandler(socketserver.BaseRequestHandler):
    server: DnsUdpService

    def handle(self) -> None:
        data, sender = self.request
        reply = answer(data, self.server.names, self.server.writer, str(self.client_address[0]))
        if reply:
            sender.sendto(reply, self.client_address)


class _DnsTcpHandler(socketserver.StreamRequestHandler):
    server: DnsTcpService
    timeout = _TIMEOUT

    def handle(self) -> None:
        size = int.from_bytes(self.rfile.read(2), "big")
        data = self.rfile.read(size)
        reply = answer(data, self.server.names, self.server.writer, str(self.client_address[0]))
        self.wfile.write(len(reply).to_bytes(2, "big") + reply)


def answer(data: bytes, names: Mapping[str, tuple[str, str]], writer: RecordWriter, peer: str) -> bytes:
    """Return the reply to a query: A and AAAA of the lab's names, NXDOMAIN for others, nothing to what is no query."""
    try:
        query = dns.message.from_wire(data)
    except (dns.exception.DNSException, ValueError):
        return b""
    if not query.question or query.flags & dns.flags.QR or query.opcode() != dns.opcode.QUERY:
        return b""
    name, kind = query.question[0].name, query.question[0].rdtype
    writer.write("dns", "query", peer, name=str(name), type=dns.rdatatype.to_text(kind))
    reply = dns.message.make_response(query, recursion_available=True)
    addresses = names.get(str(name).lower().rstrip("."))
    if addresses is None:
        reply.set_rcode(dns.rcode.NXDOMAIN)
    elif kind in {dns.rdatatype.A, dns.rdatatype.AAAA}:
        address = addresses[0 if kind == dns.rdatatype.A else 1]
        reply.answer.append(dns.rrset.from_text(name, _TTL, "IN", kind, address))
    return bytes(reply.to_wire())
