"""Categories and lists get their places in alphabetical order, whatever the order in which they came."""

import numpy as np
import numpy.typing as npt

from hyperward.webscan.database.collect import Collected
from hyperward.webscan.database.records import CATEGORY_AT, LIST_AT


def renumber(collected: Collected, begins: npt.NDArray[np.int64]) -> None:
    """Change the numbers in the records, and in the two tables.

    Args:
        collected: changed in place.
        begins: where each record begins.
    """
    if not len(begins):
        return
    records = np.frombuffer(collected.records, dtype=np.uint8)
    low, high = begins + LIST_AT, begins + LIST_AT + 1
    categories = _places(collected.categories)[records[begins + CATEGORY_AT]]
    lists = _places(collected.list_ids)[records[low] | records[high].astype(np.uint16) << 8]
    records[begins + CATEGORY_AT] = categories
    records[low], records[high] = lists & 255, lists >> 8


def _places(table: dict[str, int]) -> npt.NDArray[np.uint16]:
    """Return the place of each number, and put the places into the table."""
    numbers = np.empty(len(table), dtype=np.uint16)
    for place, name in enumerate(sorted(table)):
        numbers[table[name]] = place
        table[name] = place
    return numbers
