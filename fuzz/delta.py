"""Fuzz target: deltas between versions, whatever they promise, and the compression that they travel in."""

import io
from dataclasses import replace

from hyperward.databases.delta.apply import apply_delta
from hyperward.databases.delta.format import MAGIC, parse_delta, print_delta
from hyperward.databases.delta.make import make_delta
from hyperward.databases.errors import EndlessError, TamperedError
from hyperward.databases.manifest import content_id
from hyperward.databases.pack import expand, pack

_BASE = b"".join(b"D n%02d.example\n" % number for number in range(40))
_RESULT = b"D a.example\n" + _BASE[150:] + _BASE[:60] + b"E z.example/x"
_BASES = {content_id(base): base for base in (_BASE, _RESULT, b"")}

TOKENS = (b"-1 ", b"40 ", b"0 0 0 ", b" 9999999999", b"file ", b"\n", MAGIC, b"-0", b"0 40 0 -40 40 0 " * 20)
SEEDS = (
    print_delta([make_delta(_BASE, _RESULT)]),
    print_delta([make_delta(_BASE, b""), make_delta(b"", _RESULT), make_delta(_RESULT, _BASE)]),
    pack(print_delta([make_delta(_BASE, _RESULT)])),
    pack(_BASE),
)


def target(data: bytes) -> None:
    """Apply the bytes as a delta to files of ours, each section also with the base and size that it has not."""
    try:
        sections = list(parse_delta(data))
    except ValueError:
        sections = []
    else:
        if list(parse_delta(print_delta(sections))) != sections:
            raise AssertionError("the sections are printed as others")
    for section in sections:
        for base in (_BASES.get(section.base, _BASE), _BASE):
            for size in (section.size, len(_RESULT)):
                signed = replace(section, base=content_id(base), size=size)
                try:
                    made = apply_delta(base, signed, size=size)
                except ValueError:
                    continue
                if len(made) != size or content_id(made) != section.result:
                    raise AssertionError(f"{len(made)} bytes come out where {size} were signed")
    _expand(data)


def _expand(data: bytes) -> None:
    sink = io.BytesIO()
    try:
        expand(io.BytesIO(data), sink, size=len(_BASE), sha256=content_id(_BASE), where="delta")
    except (EndlessError, TamperedError):
        if len(sink.getvalue()) > len(_BASE):
            raise AssertionError("more comes out than was signed") from None
    else:
        if sink.getvalue() != _BASE:
            raise AssertionError("something else comes out")
