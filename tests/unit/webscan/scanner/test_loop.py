import gc
import os
from collections.abc import Callable

from hyperward.steering.stub import StubSlot
from hyperward.webscan.protocols.detect import client_stream
from hyperward.webscan.scanner.kernel import StubKernel
from hyperward.webscan.scanner.loop import BATCH, Loop
from hyperward.webscan.scanner.scanner import Edges, Scanner
from hyperward.webscan.scanner.table import Limits
from web_frames import Line
from web_world import Records


class Device:
    """Gives frames out, and stops the loop when there are no more."""

    def __init__(self, frames: list[bytes]) -> None:
        self.fd, self._writer = os.pipe()
        os.write(self._writer, b"x")
        self.frames = frames
        self.empty: Callable[[], None] = lambda: None

    def read(self) -> bytes | None:
        if self.frames:
            return self.frames.pop(0)
        self.empty()
        return None

    def close(self) -> None:
        os.close(self.fd)
        os.close(self._writer)


def scanner_of(out: list[bytes], limits: Limits | None = None) -> Scanner:
    def write(frame: bytes) -> bool:
        out.append(frame)
        return True

    return Scanner(Edges(StubKernel(), write, Records(), client_stream), limits)


def test_frames_are_taken_in_batches_and_the_kernel_is_told() -> None:
    frames = [Line(local_port=1000 + n).tcp(1, b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n") for n in range(BATCH + 5)]
    out: list[bytes] = []
    device, slot, followed = Device(list(frames)), StubSlot(), []
    slot.handed = len(frames)
    loop = Loop(device, slot, scanner_of(out), lambda: followed.append(1))
    device.empty = loop.stop
    try:
        loop.run()
    finally:
        device.close()
    assert out == frames
    assert followed
    assert slot.taken == len(frames)
    assert slot.beats
    assert not slot.is_alive
    assert gc.isenabled()


def test_flows_that_leave_are_freed_without_a_search_for_cycles() -> None:
    out: list[bytes] = []
    scanner = scanner_of(out, Limits(flows=50, port_flows=50))
    payloads = [
        b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n",
        b"GET / half",
        b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 999\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x80\0\1",
    ]
    gc.collect()
    gc.disable()
    try:
        for number in range(600):
            scanner.frame(Line(local_port=1000 + number).tcp(1, payloads[number % len(payloads)]))
            scanner.frame(Line(local_port=1000 + number, copy=True, port=8).tcp(1, payloads[number % len(payloads)]))
        found = gc.collect()
    finally:
        gc.enable()
    assert scanner.counters["exceptions"] == 0
    assert found < 20
