"""Rules from files, folders and archives."""

import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from hyperward.errors import InputError
from hyperward.ips.rules import archive
from hyperward.ips.rules.limits import Limits
from hyperward.ips.rules.lines import rules_of
from hyperward.ips.rules.rule import LocatedRule, RuleProblem

_DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class SourceRules:
    """What was read.

    Attributes:
        rules: in the order of files and lines, commented-out ones included.
        problems: lines that are neither rule nor comment.
    """

    rules: tuple[LocatedRule, ...]
    problems: tuple[RuleProblem, ...]


def read_rules(paths: Iterable[Path], limits: Limits = _DEFAULT_LIMITS) -> SourceRules:
    """Read rule files, folders (every `*.rules` below) and archives (`.tar.gz`, `.tar.xz`, `.tar`, `.zip`).

    A rule of a folder is reported as `FOLDER:name/inside`, one of an archive as `ARCHIVE:member`.

    Args:
        paths: the sources; the limits hold for each of them.
        limits: upper bounds.

    Raises:
        InputError: a source is missing, unreadable, above a limit, hostile, or holds no rule file.
    """
    rules: list[LocatedRule] = []
    problems: list[RuleProblem] = []
    for path in paths:
        for count, found in enumerate(_source(path, limits), 1):
            if count > limits.rules:
                raise InputError(f"more than {limits.rules} rules", where=str(path), hint="split the source")
            if isinstance(found, RuleProblem):
                problems.append(found)
            else:
                rules.append(found)
    return SourceRules(tuple(rules), tuple(problems))


def _source(path: Path, limits: Limits) -> Iterator[LocatedRule | RuleProblem]:
    try:
        files = 0
        for name, content in _files(path, limits):
            files += 1
            yield from rules_of(content, name)
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", where=str(path), hint="check the path") from None
    if not files:
        raise InputError("no .rules file in it", where=str(path), hint="name a rule file, a folder or an archive")


def _files(path: Path, limits: Limits) -> Iterator[tuple[str, bytes]]:
    if path.is_dir():
        yield from _folder(path, limits)
    elif path.name.lower().endswith(archive.SUFFIXES):
        for name, content in archive.rule_files(path, limits):
            yield f"{path.name}:{name}", content
    else:
        yield path.name, _read(path, limits)


def _folder(path: Path, limits: Limits) -> Iterator[tuple[str, bytes]]:
    names = []
    for number, found in enumerate(path.rglob("*.rules"), 1):
        if number > limits.members:
            raise InputError(f"more than {limits.members} rule files", where=str(path), hint="split the folder")
        names.append(found)
    total = 0
    for found in sorted(names):
        content = _read(found, limits)
        total += len(content)
        if total > limits.total_bytes:
            raise InputError(f"more than {limits.total_bytes} bytes of rules", where=str(path), hint="split the folder")
        yield f"{path.name}:{found.relative_to(path).as_posix()}", content


def _read(path: Path, limits: Limits) -> bytes:
    if not stat.S_ISREG(path.stat().st_mode):
        raise InputError("not a regular file", where=str(path), hint="name a rule file, a folder or an archive")
    with path.open("rb") as file:
        content = file.read(limits.file_bytes + 1)
    if len(content) > limits.file_bytes:
        raise InputError(
            f"larger than {limits.file_bytes} bytes", where=str(path), hint="split the file, or check what it is"
        )
    return content
