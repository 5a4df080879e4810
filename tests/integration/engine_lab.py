"""A network namespace with the inspection pairs, and frames to send through them."""

import socket
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dpkt
from pyroute2 import netns

SOL_PACKET = 263
PACKET_AUXDATA = 8
PACKET_IGNORE_OUTGOING = 23
SO_RCVBUFFORCE = 33
TP_STATUS_VLAN_VALID = 0x10
CLIENT_MAC, SERVER_MAC = bytes.fromhex("020000000a01"), bytes.fromhex("020000000a02")
CLIENT, SERVER = "10.0.0.1", "10.0.0.2"
CLASSIFICATION = "config classification: trojan-activity,A Network Trojan was detected,1\n"
REFERENCE = "config reference: url http://\n"


@contextmanager
def namespace(name: str) -> Iterator[None]:
    """Run the calling thread in a fresh namespace with hwg0-hwg1 and hwn0-hwn1; remove it in the end."""
    if name in netns.listnetns():
        netns.remove(name)
    netns.create(name)
    netns.pushns(name)
    try:
        _run("ip", "link", "set", "lo", "up")
        for pair in ("hwg", "hwn"):
            _run("ip", "link", "add", f"{pair}0", "type", "veth", "peer", "name", f"{pair}1")
            for end in (f"{pair}0", f"{pair}1"):
                (Path("/proc/sys/net/ipv6/conf") / end / "disable_ipv6").write_text("1")
                _run("ip", "link", "set", end, "mtu", "1600", "up")
                features = [f for key in ("tso", "gso", "gro", "tx", "rxvlan", "txvlan") for f in (key, "off")]
                _run("ethtool", "-K", end, *features)
        yield
    finally:
        netns.popns()
        netns.remove(name)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


class End:
    """The outer end of an inspection pair: sends frames, receives them with their outer tag."""

    def __init__(self, interface: str) -> None:
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self._socket.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        self._socket.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
        self._socket.bind((interface, 0))

    def close(self) -> None:
        self._socket.close()

    def send(self, frame: bytes) -> None:
        self._socket.send(frame)

    def receive(self, seconds: float) -> bytes | None:
        self._socket.settimeout(seconds)
        try:
            data, ancillary, _, _ = self._socket.recvmsg(4096, socket.CMSG_SPACE(32))
        except TimeoutError:
            return None
        for level, kind, value in ancillary:
            if level == SOL_PACKET and kind == PACKET_AUXDATA:
                status, _, _, _, _, tci, tpid = struct.unpack_from("=IIIHHHH", value)
                if status & TP_STATUS_VLAN_VALID:
                    return data[:12] + struct.pack("!HH", tpid, tci) + data[12:]
        return data


class Pairs:
    """Both outer ends."""

    def __init__(self) -> None:
        self.guest, self.network = End("hwg0"), End("hwn0")

    def close(self) -> None:
        self.guest.close()
        self.network.close()

    def passes(self, frame: bytes, *, to_guest: bool = False, seconds: float = 0.5) -> bool:
        """Send a frame and tell whether just that frame comes out at the other side."""
        source, target = (self.network, self.guest) if to_guest else (self.guest, self.network)
        source.send(frame)
        while (received := target.receive(seconds)) is not None:
            if received == frame:
                return True
        return False


def frame(tags: tuple[int, ...], ethertype: int, body: bytes, *, reverse: bool = False) -> bytes:
    source, target = (SERVER_MAC, CLIENT_MAC) if reverse else (CLIENT_MAC, SERVER_MAC)
    head = b"".join(struct.pack("!HH", 0x8100, tag) for tag in tags)
    return target + source + head + struct.pack("!H", ethertype) + body


def udp(vid: int, data: bytes, *, port: int = 40_000, guest_tag: int | None = None, reverse: bool = False) -> bytes:
    segment = dpkt.udp.UDP(sport=port, dport=9999, data=data, ulen=8 + len(data))
    if reverse:
        segment.sport, segment.dport = 9999, port
    tags = (vid,) if guest_tag is None else (vid, guest_tag)
    return frame(tags, 0x0800, _ip(segment, 17, reverse=reverse), reverse=reverse)


def tcp(
    vid: int, seq: int, ack: int, flags: int, data: bytes = b"", *, port: int = 40_000, reverse: bool = False
) -> bytes:
    ports = {"sport": 80, "dport": port} if reverse else {"sport": port, "dport": 80}
    segment = dpkt.tcp.TCP(seq=seq, ack=ack, flags=flags, win=65_535, data=data, **ports)
    return frame((vid,), 0x0800, _ip(segment, 6, reverse=reverse), reverse=reverse)


def _ip(segment: object, protocol: int, *, reverse: bool) -> bytes:
    source, target = (SERVER, CLIENT) if reverse else (CLIENT, SERVER)
    packet = dpkt.ip.IP(src=socket.inet_aton(source), dst=socket.inet_aton(target), p=protocol, ttl=64)
    packet.data = segment
    packet.len = len(packet)
    return bytes(packet)


class Connection:
    """A TCP connection in crafted segments: what a client and a server would send, one at a time."""

    def __init__(self, pairs: Pairs, vid: int, *, port: int = 40_000) -> None:
        self.pairs, self.vid, self.port = pairs, vid, port
        self.client, self.server = 1000, 5000

    def open(self) -> bool:
        done = [
            self._client(dpkt.tcp.TH_SYN, ack=0),
            self._server(dpkt.tcp.TH_SYN | dpkt.tcp.TH_ACK, ack=self.client + 1),
        ]
        self.client += 1
        self.server += 1
        return all(done) and self._client(dpkt.tcp.TH_ACK)

    def to_server(self, data: bytes) -> bool:
        passed = self._client(dpkt.tcp.TH_ACK | dpkt.tcp.TH_PUSH, data)
        self.client += len(data)
        return passed

    def to_client(self, data: bytes) -> bool:
        passed = self._server(dpkt.tcp.TH_ACK | dpkt.tcp.TH_PUSH, data)
        self.server += len(data)
        return passed

    def raw_to_server(self, data: bytes, *, bad_checksum: bool) -> bool:
        """Send data without moving on, as an attacker does who wants the engine to see something else."""
        built = tcp(self.vid, self.client, self.server, dpkt.tcp.TH_ACK | dpkt.tcp.TH_PUSH, data, port=self.port)
        if bad_checksum:
            at = 14 + 4 + 20 + 16
            built = built[:at] + bytes([built[at] ^ 0xFF]) + built[at + 1 :]
        return self.pairs.passes(built)

    def _client(self, flags: int, data: bytes = b"", *, ack: int | None = None) -> bool:
        number = self.server if ack is None else ack
        return self.pairs.passes(tcp(self.vid, self.client, number, flags, data, port=self.port))

    def _server(self, flags: int, data: bytes = b"", *, ack: int | None = None) -> bool:
        number = self.client if ack is None else ack
        built = tcp(self.vid, self.server, number, flags, data, port=self.port, reverse=True)
        return self.pairs.passes(built, to_guest=True)


def rules(action: str) -> str:
    """Return a few rules, with the class that the compiler adds."""
    meta = "metadata: hyperward_class malware; classtype: trojan-activity;"
    return (
        f'{action} udp any any -> any 9999 (msg:"datagram"; content:"EVIL"; {meta} sid:1; rev:3;)\n'
        f'{action} http any any -> any any (msg:"request"; flow:established,to_server; http.uri;'
        f' content:"/evil"; {meta} sid:2; rev:1;)\n'
        f'alert http any any -> any any (msg:"setter"; flow:established,to_server; http.uri; content:"/one";'
        f" flowbits:set,hw.one; flowbits:noalert; {meta} sid:3; rev:1;)\n"
        f'{action} http any any -> any any (msg:"both"; flow:established,to_server; http.uri; content:"/two";'
        f" flowbits:isset,hw.one; {meta} sid:4; rev:1;)\n"
    )
