"""What was seen of late, so that a repetition is known as one. Pure; bounded."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Final

MOST: Final = 8_192


class Recent:
    """Remembers keys for a time, the latest 8,192 of them."""

    def __init__(self, most: int = MOST) -> None:
        self._until: OrderedDict[Hashable, float] = OrderedDict()
        self._most = most

    def is_repeated(self, key: Hashable, seconds: float, now: float) -> bool:
        """Tell whether `key` was here within the time that it was given then; remember it if not."""
        if self._until.get(key, now) > now:
            return True
        self._until[key] = now + seconds
        self._until.move_to_end(key)
        if len(self._until) > self._most:
            self._until.popitem(last=False)
        return False
