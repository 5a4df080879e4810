"""The player is sound: through an unprotected port every packet of the captures comes out, merged segments too."""

import pytest

from kernel import own_namespace
from replay import data_path, read_capture
from shared_data import shared_data

pytestmark = [pytest.mark.root, pytest.mark.shared]


def test_every_packet_comes_out_of_an_unprotected_port() -> None:
    folder = shared_data("benign")
    lost = {}
    with own_namespace(), data_path() as player:
        for path in sorted(folder.glob("*.pcap")):
            played = player.play(read_capture(path))
            if played.lost or played.unplayable:
                lost[path.name] = (played.lost[:5], played.unplayable[:5])
    assert not lost
