"""What a clean request costs the web scanner: `PYTHONPATH=src python bench/scanner.py [REQUESTS]`, without root.

Prints microseconds of CPU for each request, from the frame as it is read to the frame as it would be written: on one
connection that stays, and on a connection for each request; without system calls, which are about 1 us for each look
into a map of the kernel and what the kernel itself does with a frame.
"""

import gc
import struct
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from hyperward.webscan.address import Address, from_request
from hyperward.webscan.database.model import Match
from hyperward.webscan.protocols.detect import client_stream
from hyperward.webscan.scanner.commands import Mark
from hyperward.webscan.scanner.kernel import NO_ENTRY, Entry, Known
from hyperward.webscan.scanner.records import WebRecord
from hyperward.webscan.scanner.rules import make_rules
from hyperward.webscan.scanner.scanner import Edges, Scanner
from hyperward.webscan.settings import PortScan, ScannerSettings, WebAction, WebScan

REQUESTS = 30_000
LIMIT_US = 25.0
PORT = 7
REQUEST = (
    b"GET /path/file.html?x=1 HTTP/1.1\r\nHost: www.example.test\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\n"
    b"Accept-Encoding: gzip\r\n\r\n"
)


class Nothing:
    """A database and a set of masks without entries, and a place for records."""

    def may_list(self, _host: str) -> bool:
        """Find nothing."""
        return False

    def lookup(self, _address: Address) -> tuple[Match, ...]:
        """Find nothing."""
        return ()

    def find(self, _address: Address) -> str | None:
        """Find nothing."""
        return None

    def write(self, _record: WebRecord) -> bool:
        """Forget the record."""
        return True


@dataclass
class Kernel:
    """Says that the other end has all that came before."""

    ack: int = 0

    def known(self, _key: bytes) -> Known:
        """Return the acknowledgement that was set."""
        return Known(2, self.ack)

    def entry(self, _key: bytes) -> Entry:
        """Know nothing."""
        return NO_ENTRY

    def mark(self, _mark: Mark, _began_ns: int) -> None:
        """Forget the mark."""


def frame(number: int, seq: int) -> bytes:
    """Return a request from the client with this number; checksums are not looked at."""
    source, target = 0x0A4D0000 + number // 60_000, 0x0A4DFF09
    tcp = struct.pack("!HHIIBBHHH", 1024 + number % 60_000, 80, seq, seq, 0x50, 0x18, 65000, 0, 0)
    ip = struct.pack("!BBHHHBBHII", 0x45, 0, 40 + len(REQUEST), 1, 0x4000, 64, 6, 0, source, target)
    return bytes(12) + struct.pack("!HHH", 0x8100, PORT, 0x0800) + ip + tcp + REQUEST


def scanner_of(kernel: Kernel) -> Scanner:
    """Return a scanner for which every address is clean."""
    nothing = Nothing()
    scanner = Scanner(Edges(kernel, lambda _: True, nothing, client_stream))
    settings = ScannerSettings(
        1, "svm", scans=(WebScan({"malicious": WebAction.BLOCK}),), ports={PORT: PortScan("vm", "policy", 0)}
    )
    scanner.rules = make_rules(settings, nothing, from_request, lambda _: nothing)
    return scanner


def cost(frames: list[tuple[bytes, int]]) -> float:
    """Return microseconds of CPU for each frame; each comes with what the other end has acknowledged."""
    kernel = Kernel()
    scanner = scanner_of(kernel)
    handle: Callable[[bytes], None] = scanner.frame
    gc.collect()
    gc.disable()
    begun = time.process_time()
    for raw, ack in frames:
        kernel.ack = ack
        handle(raw)
    spent = time.process_time() - begun
    gc.enable()
    if scanner.counters:
        raise SystemExit(f"requests were not handled: {dict(scanner.counters)}")
    return spent / len(frames) * 1e6


def main(arguments: Iterable[str]) -> int:
    """Print the costs; return 1 where one is above its limit."""
    requests = int(next(iter(arguments), REQUESTS))
    numbers = [1 + at * len(REQUEST) for at in range(requests)]
    kept = cost([(frame(0, seq), seq) for seq in numbers])
    fresh = cost([(frame(number, 1), 1) for number in range(min(requests, 16_000))])
    print(f"one connection: {kept:.1f} us a request; a connection each: {fresh:.1f} us (limit {LIMIT_US:.0f})")
    return int(max(kept, fresh) > LIMIT_US)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
