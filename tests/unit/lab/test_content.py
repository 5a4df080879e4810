import hashlib

from hypothesis import given
from hypothesis import strategies as st

from hyperward.lab.content import BLOCK_SIZE, block, body_sha256, ssh_kexinit


def test_the_block_says_where_it_is() -> None:
    assert len(block()) == BLOCK_SIZE
    assert block()[32 * 7 : 32 * 8] == b"000000000000000000007 hyperward\n"


@given(st.integers(0, 3 * BLOCK_SIZE))
def test_the_checksum_is_that_of_the_body(size: int) -> None:
    assert body_sha256(size) == hashlib.sha256((block() * 3)[:size]).hexdigest()


def test_the_key_exchange_offer_is_well_formed() -> None:
    packet = ssh_kexinit()
    length, padding = int.from_bytes(packet[:4], "big"), packet[4]
    assert length == len(packet) - 4
    assert len(packet) % 8 == 0
    assert padding >= 4
    assert packet[5] == 20
    rest, lists = packet[5 + 17 : len(packet) - padding], []
    for _ in range(10):
        size = int.from_bytes(rest[:4], "big")
        lists.append(rest[4 : 4 + size])
        rest = rest[4 + size :]
    assert lists[0] == b"curve25519-sha256"
    assert rest == bytes(5)
