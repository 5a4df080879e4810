import os
import signal

import pytest

from hyperward.lab.interrupt import interruptible


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_signal_interrupts_and_further_ones_do_not_disturb_what_follows(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    cleaned = False
    with interruptible():
        try:
            os.kill(os.getpid(), number)
        except KeyboardInterrupt:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGTERM)
            cleaned = True
    assert cleaned
    assert signal.getsignal(number) == before
