"""How much may wait for the web scanners before the kernel helps itself."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WebLimits:
    """How much may wait for the web scanners.

    A scanner handles a frame in 20 to 50 us, so the queue's default is 40 to 100 ms of its work: less than the silence
    that counts as down, and many times what a healthy scanner lets wait. While a scanner is busy, the default share of
    a port is some 700 connections a second (a ClientHello is one to three frames), after as many at once as a browser
    and its resolver need to start; two ports that take all they can leave a scanner most of its time.

    Args:
        queue: frames that may wait for one scanner; more, and the failure action `busy` holds. From a quarter of it on
            every port has a share.
        rate: frames a second of one port's share.
        burst: frames that it may use at once.
    """

    queue: int = 2048
    rate: int = 2000
    burst: int = 500


DEFAULT_LIMITS = WebLimits()
