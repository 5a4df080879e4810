import os
import struct
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversations import Conversation, write_capture
from hyperward.errors import InputError
from hyperward.simulate.capture import check_capture


def pcap(*packets: bytes, link_type: int = 1, order: str = "<", magic: int = 0xA1B2C3D4, extra: int = 0) -> bytes:
    head = struct.pack(f"{order}IHHiIII", magic, 2, 4, 0, 0, 65535, link_type)
    return head + b"".join(struct.pack(f"{order}IIII", 1, 0, len(p), len(p) + extra) + p for p in packets)


def block(order: str, kind: int, body: bytes) -> bytes:
    body += b"\0" * (-len(body) % 4)
    return struct.pack(f"{order}II", kind, len(body) + 12) + body + struct.pack(f"{order}I", len(body) + 12)


def pcapng(*packets: bytes, order: str = "<", link_types: tuple[int, ...] = (1,)) -> bytes:
    out = block(order, 0x0A0D0D0A, struct.pack(f"{order}IHHq", 0x1A2B3C4D, 1, 0, -1))
    for link_type in link_types:
        out += block(order, 1, struct.pack(f"{order}HHI", link_type, 0, 65535))
    for packet in packets:
        out += block(order, 6, struct.pack(f"{order}IIIII", 0, 0, 0, len(packet), len(packet)) + packet)
    return out + block(order, 3, struct.pack(f"{order}I", 4) + b"abcd")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "x.pcap"


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("magic", [0xA1B2C3D4, 0xA1B23C4D])
def test_pcap_in_all_its_forms(file: Path, order: str, magic: int) -> None:
    file.write_bytes(pcap(b"a" * 60, b"b" * 70, order=order, magic=magic, extra=1))
    found = check_capture(file)
    assert (found.packets, found.cut, found.link_type, found.size) == (2, 2, 1, file.stat().st_size)


@pytest.mark.parametrize("order", ["<", ">"])
def test_pcapng_in_both_orders(file: Path, order: str) -> None:
    file.write_bytes(pcapng(b"a" * 61, b"b" * 60, order=order))
    found = check_capture(file)
    assert (found.packets, found.cut, found.link_type) == (3, 0, 1)


def test_a_capture_of_ours(file: Path) -> None:
    write_capture(file, [Conversation(4, inbound=True, client_port=1, port=80, request=b"x")])
    assert check_capture(file).packets > 5


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "the file is empty"),
        (b"hello world, this is no capture", "not a capture file"),
        (b"\x1f\x8b\x08\0" + b"x" * 40, "decompress it first"),
        (b"\xd4\xc3", "not a capture file"),
        (pcap(), "the capture has no packets"),
        (pcap(b"a" * 60)[:-1], "cut off at byte 99, in or after packet 1"),
        (pcap(b"a" * 60)[:30], "cut off"),
        (pcap(b"")[:20], "cut off"),
        (pcap(b"a" * 60)[:32] + struct.pack("<II", 1 << 30, 1 << 30), "damaged"),
        (pcap(b"a" * 60, link_type=105), "link type 105 (Wi-Fi) cannot be read"),
        (pcap(b"a" * 60, link_type=9999), "link type 9999 cannot be read"),
        (pcapng(b"a" * 60, link_types=(1, 101)), "two link types"),
        (pcapng(b"a" * 60, link_types=()), "damaged"),
        (pcapng(b"a" * 60)[:-3], "cut off"),
        (pcapng(b"a" * 60)[:28] + b"\1\0\0\0\5\0\0\0aaaa", "damaged"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(file: Path, content: bytes, what: str) -> None:
    file.write_bytes(content)
    with pytest.raises(InputError) as caught:
        check_capture(file)
    assert what in caught.value.line()
    assert str(file) in caught.value.line()
    assert "\n" not in caught.value.line()


def test_too_large_missing_folder_and_pipe(file: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        check_capture(file)
    with pytest.raises(InputError):
        check_capture(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="not a regular file"):
        check_capture(tmp_path / "pipe")
    file.write_bytes(pcap(b"a" * 60))
    with pytest.raises(InputError, match="at most 50 are read"):
        check_capture(file, max_bytes=50)


@given(st.sampled_from([pcap(b"a" * 20, b"b" * 20), pcapng(b"a" * 20)]), st.data())
def test_a_damaged_file_is_read_or_refused(whole: bytes, data: st.DataObject) -> None:
    raw = bytearray(whole[: data.draw(st.integers(0, len(whole)))])
    for place, value in data.draw(st.lists(st.tuples(st.integers(0, len(whole)), st.integers(0, 255)), max_size=4)):
        if place < len(raw):
            raw[place] = value
    descriptor = os.memfd_create("capture")
    try:
        os.write(descriptor, raw)
        with suppress(InputError):
            assert check_capture(Path(f"/proc/self/fd/{descriptor}")).packets
    finally:
        os.close(descriptor)
