"""What a version of the databases contains. Pure values and their one form in bytes.

A manifest names every file with the size and hash of its plain text. Files travel compressed, but identity is that of
the plain text: another compressor, or a delta, leads to the same version. The bytes of a manifest are canonical (fields
in the order of the classes below, files sorted by path, JSON without blanks, one newline at the end) and anything else
is refused, so that equal versions are equal bytes.
"""

import hashlib
from collections.abc import Iterator
from typing import Final

import msgspec

from hyperward.databases import names
from hyperward.errors import InputError
from hyperward.fromjson import from_json

FORMAT: Final = 1


class RulesFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file of IPS rules.

    Args:
        path: inside the version; ends in `.rules`.
        sha256, size: of the plain text; size in bytes.
        source: id of the source it is from.
        licence: SPDX expression or the publisher's words.
    """

    path: str
    sha256: str
    size: int
    source: str
    licence: str


class EntriesFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file of web addresses: one list, one category (`entrylines` has the form of its lines).

    Args:
        path: inside the version; ends in `.addresses`.
        sha256, size: of the plain text; size in bytes.
        category: of every entry in it.
        list_id: of every entry in it.
        count: lines.
        source: id of the source it is from.
        licence: SPDX expression or the publisher's words.
    """

    path: str
    sha256: str
    size: int
    category: str
    list_id: str
    count: int
    source: str
    licence: str


class ReportFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file for people: refused lines, demotions. `title` says what."""

    path: str
    sha256: str
    size: int
    title: str


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where content comes from.

    Args:
        id: named by files.
        title: for people.
        address: it was fetched from, without secrets; empty when it was written by hand.
        fetched: when (`2026-01-31T12:00:00Z`); empty when unknown.
        sha256: of what was fetched; empty when unknown.
    """

    id: str
    title: str = ""
    address: str = ""
    fetched: str = ""
    sha256: str = ""


class DeltaFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The way from an earlier version to this one: `sha256` and `size` are those of the expanded delta."""

    from_version: int
    sha256: str
    size: int


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A version of the databases.

    Args:
        version: rises with every version of a repository.
        time: when it was built, UTC.
        minimum_product: oldest Hyperward that can use it.
        label: for people; may be empty.
        rules, entries, reports: its files, each sorted by path.
        sources: sorted by id; every file's source is among them.
        deltas: sorted by version; written by the publishing side.
        format: of this manifest.
    """

    version: int
    time: str
    minimum_product: str = "0.1.0"
    label: str = ""
    rules: tuple[RulesFile, ...] = ()
    entries: tuple[EntriesFile, ...] = ()
    reports: tuple[ReportFile, ...] = ()
    sources: tuple[Source, ...] = ()
    deltas: tuple[DeltaFile, ...] = ()
    format: int = FORMAT

    def files(self) -> Iterator[RulesFile | EntriesFile | ReportFile]:
        """Yield every file."""
        yield from self.rules
        yield from self.entries
        yield from self.reports


class _Envelope(msgspec.Struct):
    """What even a manifest of a later format says, so that the refusal can name the product that reads it."""

    format: int
    minimum_product: str = ""


def print_manifest(manifest: Manifest) -> bytes:
    """Return the canonical bytes.

    Raises:
        InputError: the manifest breaks a rule (`problems`).
    """
    if found := next(problems(manifest), None):
        raise InputError(f"version {manifest.version}: {found}", where="manifest", hint="correct what builds it")
    return msgspec.json.encode(manifest) + b"\n"


def parse_manifest(raw: bytes, *, where: str = "manifest.json") -> Manifest:
    """Return the manifest that these bytes are.

    Args:
        raw: the bytes, from outside.
        where: for the error.

    Raises:
        InputError: not a manifest, not canonical, of a later format, or one that breaks a rule.
    """
    again = "get it again from its publisher"
    if len(raw) > names.MAX_MANIFEST_BYTES:
        raise InputError(f"a manifest of {len(raw)} bytes, above {names.MAX_MANIFEST_BYTES}", where=where, hint=again)
    try:
        envelope = from_json(raw, _Envelope)
        if envelope.format != FORMAT:
            raise InputError(
                f"a manifest of format {envelope.format}; this Hyperward reads {FORMAT}",
                where=where,
                hint=f"update Hyperward to {envelope.minimum_product[:20]!r} or later",
            )
        manifest = from_json(raw, Manifest)
    except ValueError as error:
        raise InputError(f"not a manifest ({error})", where=where, hint=again) from None
    if found := next(problems(manifest), None):
        raise InputError(found, where=where, hint=again)
    if msgspec.json.encode(manifest) + b"\n" != raw:
        raise InputError("the manifest is not in canonical form", where=where, hint=again)
    return manifest


def content_id(raw: bytes) -> str:
    """Return the SHA-256 by which content is named."""
    return hashlib.sha256(raw).hexdigest()


def problems(manifest: Manifest) -> Iterator[str]:
    """Yield every rule that the manifest breaks."""
    if not 1 <= manifest.version <= names.MAX_VERSION:
        yield f"the version {manifest.version} is not between 1 and {names.MAX_VERSION}"
    if manifest.format != FORMAT:
        yield f"the format {manifest.format} is not {FORMAT}"
    if names.product_number(manifest.minimum_product) is None:
        yield f"the minimum product {manifest.minimum_product[:80]!r} is no version number"
    yield from filter(None, (names.time_problem(manifest.time), names.text_problem("the label", manifest.label)))
    yield from _file_problems(manifest)
    yield from _source_problems(manifest)
    yield from _delta_problems(manifest)


def _file_problems(manifest: Manifest) -> Iterator[str]:
    files = tuple(manifest.files())
    if len(files) > names.MAX_FILES:
        yield f"{len(files)} files, above {names.MAX_FILES}"
        return
    known = {source.id for source in manifest.sources}
    for file in files:
        checks = [names.path_problem(file.path), names.sha256_problem(file.sha256)]
        if not 0 <= file.size <= names.MAX_FILE_BYTES:
            checks.append(f"the size {file.size} is not between 0 and {names.MAX_FILE_BYTES}")
        checks.extend(_kind_problems(file, known))
        yield from (f"{file.path[:120]}: {check}" for check in checks if check)
    for group in (manifest.rules, manifest.entries, manifest.reports):
        if list(group) != sorted(group, key=lambda file: file.path):
            yield "the files are not sorted by path"
    # a path that differs in case only is the same file on some media; a file cannot be a folder of another one
    taken = {file.path.lower() for file in files} | {"manifest.json"}
    if len(taken) <= len(files):
        yield "two files share a path, or one is called manifest.json"
    for file in files:
        parts = file.path.lower().split("/")
        if any("/".join(parts[:count]) in taken for count in range(1, len(parts))):
            yield f"{file.path}: its folder is a file, too"
    if (total := sum(file.size for file in files)) > names.MAX_TOTAL_BYTES:
        yield f"{total} bytes in all, above {names.MAX_TOTAL_BYTES}"


def _kind_problems(file: RulesFile | EntriesFile | ReportFile, known: set[str]) -> Iterator[str]:
    if isinstance(file, ReportFile):
        yield names.text_problem("the title", file.title)
        return
    if file.source not in known:
        yield f"its source {file.source[:120]!r} is not among the sources"
    yield names.text_problem("the licence", file.licence)
    ending = ".rules" if isinstance(file, RulesFile) else ".addresses"
    if not file.path.endswith(ending):
        yield f"its path does not end in {ending}"
    if isinstance(file, EntriesFile):
        yield names.identifier_problem("the category", file.category)
        yield names.identifier_problem("the list", file.list_id)
        if not 0 <= file.count <= file.size:
            yield f"a count of {file.count} lines in {file.size} bytes"


def _source_problems(manifest: Manifest) -> Iterator[str]:
    ids = [source.id for source in manifest.sources]
    if ids != sorted(set(ids)) or len(ids) > names.MAX_FILES:
        yield "the sources are not sorted by id, one is there twice, or there are too many"
    for source in manifest.sources:
        checks = [names.identifier_problem("the source", source.id)]
        checks.extend(names.text_problem(what, getattr(source, what)) for what in ("title", "address"))
        checks.append(names.time_problem(source.fetched) if source.fetched else "")
        checks.append(names.sha256_problem(source.sha256) if source.sha256 else "")
        yield from (f"source {source.id[:120]!r}: {check}" for check in checks if check)


def _delta_problems(manifest: Manifest) -> Iterator[str]:
    versions = [delta.from_version for delta in manifest.deltas]
    if versions != sorted(set(versions)) or any(not 1 <= version < manifest.version for version in versions):
        yield "the deltas are not sorted by version, or one is not from an earlier version"
    for delta in manifest.deltas:
        if found := names.sha256_problem(delta.sha256):
            yield f"delta from {delta.from_version}: {found}"
        if not 0 <= delta.size <= names.MAX_FILE_BYTES:
            yield f"delta from {delta.from_version}: the size {delta.size} is not up to {names.MAX_FILE_BYTES}"
