"""Sorts rules into classes by the table `data/classes.toml`. The table decides, this file only looks rows up."""

import fnmatch
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from hyperward.errors import InputError
from hyperward.ips.rules.classes import RuleClass
from hyperward.ips.rules.data import class_table_path
from hyperward.ips.rules.rule import LocatedRule
from hyperward.ips.rules.shape import shape_of

_FEED = re.compile(r"(?:ET|ETPRO|GPL|HYPERWARD) ([A-Za-z0-9_.]+) ")
_FILE_PREFIX = re.compile(r"(?:emerging|etpro|et)[-_]", re.IGNORECASE)
_SETS = ("category", "classtype", "severity", "confidence", "shape")


class Traits(NamedTuple):
    """What rows ask about, except the name. Few rules differ in all of them, so rows are looked up once per value."""

    category: str
    classtype: str
    severity: str
    confidence: str
    shape: str


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table; an empty condition fits everything."""

    rule_class: RuleClass
    reason: str
    category: frozenset[str] = frozenset()
    classtype: frozenset[str] = frozenset()
    severity: frozenset[str] = frozenset()
    confidence: frozenset[str] = frozenset()
    shape: frozenset[str] = frozenset()
    message: re.Pattern[str] | None = None

    def fits(self, traits: Traits) -> bool:
        """Tell whether everything but the name fits."""
        return all(not getattr(self, name) or getattr(traits, name) in getattr(self, name) for name in _SETS)


class Classification(NamedTuple):
    """The class of a rule and why. `known` is False when no row fitted."""

    rule_class: RuleClass
    reason: str
    known: bool


_UNKNOWN = Classification(RuleClass.INFO, "no row of the class table fits", known=False)
"""Report, never act: an unknown feed must not cut traffic before somebody has looked at it."""


@dataclass(frozen=True)
class ClassTable:
    """The rows with a memory of which of them fit which traits."""

    rows: tuple[Row, ...]
    _fitting: dict[Traits, tuple[Row, ...]] = field(default_factory=dict, compare=False, repr=False)

    def classify(self, located: LocatedRule) -> Classification:
        """Return the class of a rule."""
        traits = traits_of(located)
        rows = self._fitting.get(traits)
        if rows is None:
            rows = self._fitting[traits] = tuple(row for row in self.rows if row.fits(traits))
        for row in rows:
            if row.message is None or row.message.match(located.rule.msg):
                return Classification(row.rule_class, row.reason, known=True)
        return _UNKNOWN


def traits_of(located: LocatedRule) -> Traits:
    """Return what the table asks about a rule."""
    rule = located.rule
    severity = confidence = ""
    for key, value in rule.metadata:
        if key == "signature_severity":
            severity = value.lower()
        elif key == "confidence":
            confidence = value.lower()
    return Traits(_category(rule.msg, located.file), rule.classtype, severity, confidence, shape_of(rule))


def _category(msg: str, file: str) -> str:
    if feed := _FEED.match(msg):
        return feed[1].upper()
    if msg.startswith("SURICATA "):
        return "SURICATA"
    if " HUNT " in msg:
        return "HUNTING"
    return _file_category(file)


@cache
def _file_category(file: str) -> str:
    stem = PurePosixPath(file.rpartition(":")[2]).name.partition(".")[0]
    return _FILE_PREFIX.sub("", stem, count=1).upper()


def parse_class_table(text: str, where: str) -> ClassTable:
    """Read a class table from TOML.

    Raises:
        InputError: not TOML, an unknown key, class or type; the message names the row.
    """
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"not TOML ({error})", where=where) from None
    rows = content.get("row")
    if set(content) != {"row"} or not isinstance(rows, list):
        raise InputError("holds something else than [[row]] tables", where=where)
    return ClassTable(tuple(_row(row, f"{where}, row {number}") for number, row in enumerate(rows, 1)))


def _row(row: Mapping[str, object], where: str) -> Row:
    unknown = set(row) - {"class", "reason", "message", *_SETS}
    if unknown:
        raise InputError(f"unknown key {min(unknown)!r}", where=where)
    if row.get("class") not in set(RuleClass):
        raise InputError(f"unknown class {row.get('class')!r}", where=where, hint=f"one of {', '.join(RuleClass)}")
    reason = row.get("reason")
    if not isinstance(reason, str) or not reason:
        raise InputError("no reason", where=where)
    sets = {name: frozenset(_strings(row, name, where)) for name in _SETS}
    masks = _strings(row, "message", where)
    message = re.compile("|".join(fnmatch.translate(mask.lower()) for mask in masks), re.IGNORECASE) if masks else None
    return Row(RuleClass(str(row["class"])), reason, message=message, **sets)


def _strings(row: Mapping[str, object], name: str, where: str) -> Sequence[str]:
    value = row.get(name, [])
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise InputError(f"{name} is not a list of texts", where=where)
    return value


@cache
def default_class_table() -> ClassTable:
    """Return the table that is shipped."""
    return load_class_table(class_table_path())


def load_class_table(path: Path) -> ClassTable:
    """Return the table of a file.

    Raises:
        InputError: the file cannot be read or is wrong.
    """
    try:
        return parse_class_table(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot be read ({error})", where=str(path)) from None
