"""Fuzz target: manifests of database versions, and the ledger of which version is in use."""

from pathlib import PurePosixPath

from hyperward.databases import ledger
from hyperward.databases.manifest import (
    DeltaFile,
    EntriesFile,
    Manifest,
    ReportFile,
    RulesFile,
    Source,
    parse_manifest,
    print_manifest,
)
from hyperward.databases.names import MAX_TOTAL_BYTES
from hyperward.errors import InputError

_SHA256 = "0123456789abcdef" * 4
_TIME = "2026-01-31T12:00:00Z"

TOKENS = (
    b"../",
    b"/",
    b"\\u0000",
    b"\\ud800",
    b"\xff",
    b"[",
    b"{",
    b"null",
    b"-1",
    b"1e999",
    b"9" * 30,
    b"manifest.json",
    b".rules",
    b" ",
)
SEEDS = (
    print_manifest(Manifest(1, _TIME)),
    print_manifest(
        Manifest(
            7,
            _TIME,
            label="weekly",
            rules=(RulesFile("rules/a.rules", _SHA256, 10, "own", "CC0-1.0"),),
            entries=(EntriesFile("lists/a.addresses", _SHA256, 99, "malicious", "list", 3, "own", "CC0-1.0"),),
            reports=(ReportFile("reports/refused.json", _SHA256, 5, "refused lines"),),
            sources=(Source("own", "our own", "https://a.example/", _TIME, _SHA256),),
            deltas=(DeltaFile(5, _SHA256, 4), DeltaFile(6, _SHA256, 3)),
        )
    ),
    ledger.dump(ledger.Ledger()),
    ledger.dump(
        ledger.Ledger(
            3,
            2,
            ledger.Attempt(4, "admin", "update", _TIME, ledger.Stage.ACTIVATING),
            ledger.Record(9, _TIME, "admin", "update", 2, 3, "done"),
        )
    ),
)


def target(data: bytes) -> None:
    """Read the bytes as a manifest: refused, or the same bytes again with safe paths; and as a ledger."""
    try:
        manifest = parse_manifest(data)
    except InputError as error:
        if not str(error).isprintable():
            raise AssertionError("the refusal shows what cannot be printed") from error
    else:
        if print_manifest(manifest) != data:
            raise AssertionError("the manifest is printed as other bytes")
        for file in manifest.files():
            if PurePosixPath(file.path).is_absolute() or ".." in PurePosixPath(file.path).parts:
                raise AssertionError(f"{file.path} leaves the folder")
        if not 0 <= sum(file.size for file in manifest.files()) <= MAX_TOTAL_BYTES:
            raise AssertionError("larger than a version may be")
    try:
        known = ledger.load(data)
    except ValueError:
        return
    if ledger.load(ledger.dump(known)) != known:
        raise AssertionError(f"{known} is read as another ledger")
