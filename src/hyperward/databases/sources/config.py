"""The file given to `hyperward db build --config SOURCES.yaml`."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from hyperward.policy.findings import Finding
from hyperward.webscan.lists.model import ListFormat, NamesAs
from hyperward.yamlfile import Document, FileErrors, FileModel, Limits, parse, read_text

LIMITS = Limits(max_bytes=1 << 20, max_nodes=50_000, max_entry_nodes=20_000)
MAX_SOURCES = 1000

_ID = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
_CATEGORY = re.compile(r"[a-z][a-z0-9_-]{0,31}")


class SourceKind(StrEnum):
    """What a source holds."""

    RULES = "rules"
    """Suricata rules: a file, a folder, or an archive in the layout of Emerging Threats."""
    ADDRESSES = "addresses"
    """A list of web addresses or hosts."""
    MISP = "misp"
    """A MISP feed: a folder with `manifest.json` and one file an event; or one event file."""
    STIX = "stix"
    """A STIX 2.1 bundle, or a folder of them."""


def _identifier(text: str) -> str:
    if not _ID.fullmatch(text):
        raise ValueError(f"{text[:80]!r} is no id: up to 64 of a-z, 0-9, '_', '.' and '-', a letter or digit first")
    return text


def _category(text: str) -> str:
    if not _CATEGORY.fullmatch(text):
        raise ValueError(f"{text[:80]!r} is no category: up to 32 of a-z, 0-9, '_' and '-', a letter first")
    return text


def _place(text: str) -> str:
    if "://" not in text:
        return text
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("only http:// and https:// addresses, files and folders are read")
    if parts.username or parts.password:
        raise ValueError("has a password in the address, which would be recorded; use headers_file instead")
    return text


_Text = Annotated[str, Field(min_length=1, max_length=500)]
_PathText = Annotated[str, Field(min_length=1, max_length=4096)]
_Column = Annotated[str, Field(max_length=100)]


class ColumnMap(FileModel):
    """Which columns of a CSV list hold what: a name of the header, or a number from 1."""

    address: _Column = ""
    host: _Column = ""
    path: _Column = ""
    id: _Column = ""


class SourceEntry(FileModel):
    """One source."""

    id: Annotated[str, AfterValidator(_identifier)]
    kind: SourceKind
    location: Annotated[str, Field(alias="from", min_length=1, max_length=4096), AfterValidator(_place)]
    licence: _Text
    """SPDX expression or the publisher's words; recorded with every file."""
    title: Annotated[str, Field(max_length=500)] = ""
    category: Annotated[str, AfterValidator(_category)] | None = None
    """Of addresses, MISP and STIX: what the policies call them."""
    format: ListFormat = ListFormat.AUTO
    """Of addresses."""
    names: NamesAs | None = None
    """Of addresses: what a listed name stands for; without it, what is usual for the format."""
    folders: bool = False
    """Of addresses: an address that ends with a slash stands for everything in that folder."""
    columns: ColumnMap | None = None
    """Of a CSV list; without it the header tells."""
    headers_file: _PathText | None = None
    """File with `Name: value` lines that are sent along, for publishers that ask for a key; not recorded."""
    optional: bool = False
    """When it cannot be fetched, its content of the last build is used, and the build says so."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.kind is SourceKind.RULES and self.category is not None:
            raise ValueError("rules have no category; their classes come from the rules themselves")
        if self.kind is not SourceKind.RULES and self.category is None:
            raise ValueError("needs a category: malicious, phishing, advertising, other or one of your own")
        said = self.model_fields_set & {"format", "names", "folders", "columns"}
        if self.kind is not SourceKind.ADDRESSES and said:
            raise ValueError(f"{', '.join(sorted(said))}: only for sources of kind addresses")
        return self


class HttpEntry(FileModel):
    """How sources are fetched over HTTP."""

    proxy: Annotated[str, Field(max_length=4096)] | None = None
    timeout_seconds: Annotated[int, Field(ge=1, le=600)] = 30
    """Without a byte for so long, a source counts as unreachable."""
    total_seconds: Annotated[int, Field(ge=1, le=86_400)] = 900
    """One file may take so long in all."""
    max_megabytes: Annotated[int, Field(ge=1, le=2048)] = 512
    """One file may be so large."""


class PopularEntry(FileModel):
    """Hosts that a list must not block whole."""

    file: _PathText
    top: Annotated[int, Field(ge=1, le=10_000_000)] = 100_000


def _some(sources: tuple[SourceEntry, ...]) -> tuple[SourceEntry, ...]:
    # Not pydantic's min_length: that counts an item with an error as absent, and its complaint hides the error.
    if not sources:
        raise ValueError("must not be empty; name a source")
    return sources


class SourcesFile(FileModel):
    """The file's shape."""

    label: Annotated[str, Field(max_length=200)] = ""
    http: HttpEntry = HttpEntry()
    popular: PopularEntry | None = None
    sources: Annotated[tuple[SourceEntry, ...], Field(max_length=MAX_SOURCES), AfterValidator(_some)]


@dataclass(frozen=True, slots=True)
class Sources:
    """The file, checked.

    Args:
        file: its content.
        folder: where relative paths in it start.
    """

    file: SourcesFile
    folder: Path

    def path(self, text: str) -> Path:
        """Return a path of the file."""
        return self.folder / text


def is_remote(location: str) -> bool:
    """Tell whether a source is fetched over HTTP."""
    return "://" in location


def load_sources(path: Path) -> Sources:
    """Return the sources in a file.

    Raises:
        FileErrors: the file cannot be read, or all that is wrong in it, with files that it names and that are missing.
    """
    document = parse(read_text(path, max_bytes=LIMITS.max_bytes), str(path), LIMITS)
    return sources_of(document, path.absolute().parent)


def sources_of(document: Document, folder: Path) -> Sources:
    """Return the sources in a parsed file.

    Args:
        document: the file.
        folder: where relative paths start.

    Raises:
        FileErrors: all that is wrong in it.
    """
    sources = Sources(document.validate(SourcesFile), folder)
    problems = [document.problem(found.path, found.what, hint=found.hint) for found in _findings(sources)]
    if problems:
        raise FileErrors(problems)
    return sources


def _findings(sources: Sources) -> Iterator[Finding]:
    seen: dict[str, int] = {}
    for index, entry in enumerate(sources.file.sources):
        if entry.id in seen:
            what = f"the id {entry.id} is taken by source {seen[entry.id] + 1}"
            yield Finding(("sources", index, "id"), what, "give every source its own")
        seen.setdefault(entry.id, index)
        if not is_remote(entry.location) and not sources.path(entry.location).exists():
            yield Finding(("sources", index, "from"), f"{entry.location} is not there", "correct the path")
        if entry.headers_file is not None and not sources.path(entry.headers_file).is_file():
            yield Finding(("sources", index, "headers_file"), f"{entry.headers_file} is not there", "correct the path")
    popular = sources.file.popular
    if popular is not None and not sources.path(popular.file).is_file():
        yield Finding(("popular", "file"), f"{popular.file} is not there", "correct the path, or remove `popular`")
