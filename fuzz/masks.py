"""Fuzz target: address masks, and which addresses they are met by."""

from hyperward.webscan.address import AddressError, canonical
from hyperward.webscan.address.model import Address
from hyperward.webscan.masks import AddressMask, MaskSet, parse_mask

_ADDRESSES = tuple(
    map(
        canonical,
        (
            "example.com",
            "www.example.com/path/x?y",
            "a.b.example.com/path/",
            "192.0.2.7/x",
            "[2001:db8::9]/",
            "xn--bcher-kva.example/stra%C3%9Fe/a/b/c/d/e",
        ),
    )
)

TOKENS = (b"*.", b"/*", b"*", b"www.", b"/24", b"/32", b"/128", b"::", b"%", b"%2F", b"?", b"..", b"@", b"://", b"\n")
SEEDS = (
    b"example.com",
    b"*.example.com\nexample.com/path/*",
    b"example.com/path/x?y\n*.b.example.com/path/*",
    b"192.0.2.0/24\n192.0.2.1\n0x7f.1/a",
    b"2001:db8::/32\n[2001:db8::1]/x\n2001:db8::1",
    b"b\xc3\xbccher.example/stra\xc3\x9fe/*\n*.B\xc3\x9cCHER.example",
    b"0.0.0.0/0\n::/0\n*.com",
)


def target(data: bytes) -> None:
    """Read each line as a mask; each one is met by what it says, and all at once find what one by one does."""
    masks: list[AddressMask] = []
    for line in data.decode("utf-8", "surrogateescape").split("\n"):
        try:
            masks.append(parse_mask(line))
        except ValueError as error:
            if not str(error).isprintable():
                raise AssertionError("the refusal shows what cannot be printed") from error
    together = MaskSet(masks)
    for mask in masks:
        own = _met_by(mask)
        if own is not None and (MaskSet([mask]).find(own) != mask.text or together.find(own) is None):
            raise AssertionError(f"{mask} is not met by {own}")
    for address in (*_ADDRESSES, *_canonical(data)):
        met = [mask.text for mask in masks if MaskSet([mask]).find(address) is not None]
        found = together.find(address)
        if (found is None) != (not met) or (found is not None and found not in met):
            raise AssertionError(f"{found!r} is found for {address}, one by one {met}")


def _met_by(mask: AddressMask) -> Address | None:
    if mask.network:
        return Address(canonical(f"[{begin}]" if ":" in (begin := mask.network.partition("/")[0]) else begin).host)
    path, _, query = mask.path.removesuffix("*").partition("?")
    return Address(f"a.{mask.host}" if mask.below else mask.host, path or "/", query if "?" in mask.path else None)


def _canonical(data: bytes) -> list[Address]:
    try:
        return [canonical(data.partition(b"\n")[0].replace(b"*", b"x"))]
    except AddressError:
        return []
