"""A scanner's slot through a memory map, on a file in place of the kernel's map."""

import os
from collections.abc import Iterator

import pytest

from hyperward.steering.layout import MAX_SCANNERS, Scanner
from hyperward.steering.slots import ScannerSlots, Slot
from hyperward.steering.stub import StubSlot

SIZE = Scanner.FORMAT.size


@pytest.fixture
def memory() -> Iterator[int]:
    fd = os.memfd_create("slots")
    os.ftruncate(fd, 4096)
    yield fd
    os.close(fd)


def in_memory(fd: int, index: int) -> Scanner:
    return Scanner.unpack(os.pread(fd, SIZE, index * SIZE))


@pytest.mark.parametrize("index", [0, 1, MAX_SCANNERS - 1])
def test_a_slot_is_the_kernels_structure(memory: int, index: int) -> None:
    os.pwrite(memory, Scanner(0, 5, 12).pack(), index * SIZE)
    slots = ScannerSlots(memory)
    slot = slots.slot(index)
    assert (slot.alive_ns, slot.taken, slot.handed) == (0, 5, 12)
    slot.beat()
    slot.take(3)
    assert in_memory(memory, index) == Scanner(slot.alive_ns, 8, 12)
    assert slot.alive_ns > 0
    slot.caught_up(11)
    assert slot.taken == 11
    slot.caught_up()
    slot.dead()
    assert in_memory(memory, index) == Scanner(0, 12, 12)
    assert all(in_memory(memory, other) == Scanner() for other in range(MAX_SCANNERS) if other != index)
    slots.close()


@pytest.mark.parametrize("index", [-1, MAX_SCANNERS])
def test_there_is_no_slot_beyond_the_last(memory: int, index: int) -> None:
    slots = ScannerSlots(memory)
    with pytest.raises(ValueError, match="slots"):
        slots.slot(index)
    slots.close()


def test_the_twin_counts_alike() -> None:
    twin = StubSlot()
    slot: Slot = twin
    twin.handed = 9
    slot.beat()
    slot.take(2)
    assert (twin.taken, twin.beats, twin.is_alive) == (2, 1, True)
    slot.caught_up(8)
    assert twin.taken == 8
    slot.caught_up()
    slot.dead()
    assert (twin.taken, twin.is_alive) == (9, False)
