"""Traffic through a protected port that counts every packet, and attacks that are tried until they are stopped."""

import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from hyperward.lab.clients import NamespaceClient
from hyperward.lab.content import body_sha256
from hyperward.lab.deadline import Deadline
from hyperward.lab.messages import HttpRequest
from hyperward.lab.outcome import Outcome, Result
from hyperward.lab.topology import Lab

RATE: Final = 500
"""Packets a second."""
_PORT: Final = 40_404
_NUMBER = struct.Struct("!Q")
ATTACK = HttpRequest("/hyperward-test/network-attack")
"""A self-test of the starter rules: class network_attack."""


@dataclass
class Stream:
    """Numbered datagrams from one machine of the lab to another: when each was sent, and when it arrived."""

    sent: list[float] = field(default_factory=list)
    arrived: dict[int, float] = field(default_factory=dict)
    doubled: int = 0

    @property
    def lost(self) -> list[int]:
        return [number for number in range(len(self.sent)) if number not in self.arrived]

    def silence(self, since: float) -> float:
        """Return the seconds from a moment to the first arrival of what was sent after it; endless when nothing did."""
        times = [time for number, time in self.arrived.items() if self.sent[number] >= since]
        return min(times, default=float("inf")) - since


@contextmanager
def stream(lab: Lab, sender: str, receiver: str, *, port: int = _PORT) -> Iterator[Stream]:
    """Send numbered datagrams while the context is open, and wait for the last of them at its end."""
    result, stop, sent = Stream(), threading.Event(), threading.Event()
    target = lab.plan.node(receiver)
    with (
        lab.netns(receiver).socket(socket.AF_INET, socket.SOCK_DGRAM) as incoming,
        lab.netns(sender).socket(socket.AF_INET, socket.SOCK_DGRAM) as outgoing,
    ):
        incoming.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        incoming.bind((target.address(4), port))
        incoming.settimeout(0.5)
        outgoing.connect((target.address(4), port))
        sending = threading.Thread(target=partial(_send, outgoing, result, stop))
        receiving = threading.Thread(target=partial(_receive, incoming, result, sent))
        receiving.start()
        sending.start()
        try:
            yield result
        finally:
            stop.set()
            sending.join()
            sent.set()
            receiving.join()


def _send(channel: socket.socket, result: Stream, stop: threading.Event) -> None:
    begun = time.monotonic()
    while not stop.is_set():
        number = len(result.sent)
        pause = begun + number / RATE - time.monotonic()
        if pause > 0:
            time.sleep(pause)
        result.sent.append(time.monotonic())
        with suppress(ConnectionRefusedError):
            channel.send(_NUMBER.pack(number) + bytes(200))


def _receive(channel: socket.socket, result: Stream, sent: threading.Event) -> None:
    while True:
        try:
            data = channel.recv(2048)
        except TimeoutError:
            if sent.is_set():
                return
            continue
        number = _NUMBER.unpack_from(data)[0]
        result.doubled += number in result.arrived
        result.arrived.setdefault(number, time.monotonic())


@contextmanager
def download(lab: Lab, client: str, server: str = "out", *, size: int) -> Iterator[list[Outcome]]:
    """Download in the background; the outcome is in the list after the context, as failed if a byte is wrong."""
    outcomes: list[Outcome] = []

    def run() -> None:
        request, address = HttpRequest(f"/big?bytes={size}"), lab.plan.node(server).address(4)
        outcome = NamespaceClient(lab.netns(client)).http(request, address, timeout=60)
        right = outcome.sha256 == body_sha256(size)
        outcomes.append(outcome if right else Outcome(Result.FAILED, outcome.size, f"wrong bytes: {outcome.detail}"))

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield outcomes
    finally:
        thread.join()


def attack(lab: Lab, client: str, server: str, *, timeout: float = 2.0) -> Result:
    """Send the self-test's request; completed means that it was not stopped."""
    address = lab.plan.node(server).address(4)
    return NamespaceClient(lab.netns(client)).http(ATTACK, address, timeout=timeout).result


def until_cut(lab: Lab, client: str, server: str, *, seconds: float) -> float:
    """Attack until an attack is dropped and reset by a living daemon; return when that one was sent (monotonic)."""
    deadline = Deadline.after(seconds)
    seen: list[Result] = []
    while True:
        sent = time.monotonic()
        seen.append(attack(lab, client, server, timeout=1.0))
        if seen[-1] is Result.RESET:
            return sent
        assert not deadline.passed(), f"no attack was cut within {seconds} s: {seen}"
        time.sleep(0.02)
