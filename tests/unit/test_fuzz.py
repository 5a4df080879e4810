"""The short form of the fuzz runs; `make fuzz` is the long one."""

import importlib
from pathlib import Path

import pytest

from driver import Found, run

FOLDER = Path(__file__).resolve().parents[2] / "fuzz"
INPUTS = 400
TARGETS = sorted({path.stem for path in FOLDER.glob("*.py")} - {"driver", "run"})


@pytest.mark.parametrize("name", TARGETS)
def test_damaged_inputs_do_no_harm(name: str) -> None:
    module = importlib.import_module(name)
    assert run(module.target, module.SEEDS, INPUTS, tokens=getattr(module, "TOKENS", ()), seed=7).inputs == INPUTS


def test_the_same_number_makes_the_same_inputs() -> None:
    seen: list[bytes] = []
    run(seen.append, [b"abcdef"], 50, seed=3)
    first = seen.copy()
    run(seen.append, [b"abcdef"], 50, seed=3)
    assert seen == first * 2
    assert len(set(first)) > 40


def test_what_goes_wrong_is_shown_with_its_input() -> None:
    def target(data: bytes) -> None:
        if b"x" in data:
            raise IndexError("the letter")

    with pytest.raises(Found, match="IndexError: the letter") as found:
        run(target, [b"abc", b"uvwxyz"], 10)
    assert found.value.data == b"uvwxyz"
    assert run(target, [b"abc"], 1).inputs == 1
