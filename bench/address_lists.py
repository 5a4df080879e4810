"""What reading web addresses and lists costs: `python bench/address_lists.py [LINES]`, without root.

Prints the microseconds of the canonical form and of the expressions of typical addresses, of asking 10 and 10,000
masks, and the seconds of importing lists of LINES (1,000,000) made-up lines into a database.
"""

import sys
import time
import timeit
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from hyperward.webscan.address import canonical, expressions, from_request
from hyperward.webscan.guard.guard import default_guard
from hyperward.webscan.imports import Source, import_lists
from hyperward.webscan.lists.model import ListOptions
from hyperward.webscan.masks import MaskSet, parse_mask

LINES = 1_000_000
LIMIT_ADDRESS_US = 10.0
LIMIT_IMPORT_S = 10.0
URL = "http://www.example.com/some/path/page.html?x=1&y=2"
ESCAPED = "http://www.Example.com/some/pa%74h/../page.html?x=1&y=http%3A%2F%2Fa"
FORMS = {
    "names": "h{}.d{}.example\n",
    "hosts file": "0.0.0.0 h{}.d{}.example\n",
    "rules": "||h{}.d{}.example^\n",
    "addresses": "http://h{}.example/some/path/{}.exe\n",
}


def microseconds(function: Callable[[], object]) -> float:
    """Return what one call takes, the best of five rounds."""
    return min(timeit.repeat(function, number=10_000, repeat=5)) * 100


def main(lines: int) -> int:
    """Measure, print, and return 1 where a limit is not kept."""
    typical = microseconds(lambda: expressions(canonical(URL)))
    print(
        f"canonical form of a plain address: {microseconds(lambda: canonical(URL)):.1f} us, with escapes "
        f"{microseconds(lambda: canonical(ESCAPED)):.1f} us"
    )
    head = microseconds(lambda: from_request(b"www.example.com", b"/some/path/page.html?x=1&y=2"))
    print(f"address of a request: {head:.1f} us; canonical form and all expressions: {typical:.1f} us")
    address = canonical(URL)
    for count in (10, 10_000):
        masks = MaskSet(
            parse_mask(form.format(number))
            for number in range(count // 2)
            for form in ("*.h{}.example.com", "h{}.example.com/path/*")
        )
        print(f"asking {count} masks: {microseconds(lambda asked=masks: asked.find(address)):.2f} us")  # type: ignore[misc]
    slowest = 0.0
    with TemporaryDirectory() as folder:
        for name, form in FORMS.items():
            path = Path(folder) / "list.txt"
            path.write_text("".join(form.format(number, number % 5000) for number in range(lines)))
            source = Source(path, ListOptions(category="malicious", list_id="list"))
            began = time.perf_counter()
            report = import_lists(
                [source], Path(folder) / "out.db", version="1", guard=default_guard(), progress=lambda _, __: None
            )
            seconds = time.perf_counter() - began
            slowest = max(slowest, seconds)
            print(f"import of {report.built.count} {name}: {seconds:.1f} s")
    return int(typical > LIMIT_ADDRESS_US or slowest > LIMIT_IMPORT_S * max(lines, LINES) / LINES)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else LINES))
