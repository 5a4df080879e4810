"""Compression: the same bytes always, expanded with a bound."""

import gzip
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperward.databases.errors import EndlessError, TamperedError, UntrustedError
from hyperward.databases.manifest import content_id
from hyperward.databases.pack import expand, pack


def _expand(packed: bytes, plain: bytes, *, size: int | None = None) -> bytes:
    sink = io.BytesIO()
    expand(io.BytesIO(packed), sink, size=len(plain) if size is None else size, sha256=content_id(plain), where="x")
    return sink.getvalue()


@given(st.binary(max_size=3000))
def test_there_and_back(plain: bytes) -> None:
    packed = pack(plain)
    assert _expand(packed, plain) == plain
    assert gzip.decompress(packed) == plain
    assert packed == pack(plain)


def test_the_header_tells_nothing() -> None:
    assert pack(b"x")[:10] == b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03"


@given(st.binary(max_size=200))
def test_rubbish(raw: bytes) -> None:
    with pytest.raises(UntrustedError):
        _expand(raw, b"something else", size=14)


def test_a_bomb_is_stopped_at_its_signed_size() -> None:
    sink = io.BytesIO()
    with pytest.raises(EndlessError, match="more than the 1000 bytes"):
        expand(io.BytesIO(pack(bytes(100_000_000))), sink, size=1000, sha256="", where="x")
    assert len(sink.getvalue()) <= 1001


@pytest.mark.parametrize(
    ("packed", "match"),
    [
        (pack(b"text")[:-3], "ends too early"),
        (pack(b"text") + b"x", "something follows"),
        (pack(b"text") + pack(b"text"), "something follows"),
        (pack(b"tex"), "not the one that was signed"),
        (pack(b"test"), "not the one that was signed"),
        (b"", "ends too early"),
    ],
)
def test_not_what_was_signed(packed: bytes, match: str) -> None:
    with pytest.raises(TamperedError, match=match):
        _expand(packed, b"text")
