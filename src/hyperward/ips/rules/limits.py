"""How much a rule source may hold before it is refused. Rule feeds come from outside, so every size is bounded."""

from dataclasses import dataclass

MAX_RULE_BYTES = 8190
"""Longest rule that the engine reads: `DETECT_MAX_RULE_SIZE` (8192) of Suricata's `detect.h`, less newline and NUL."""

_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """Upper bounds for one source: a file, a folder or an archive.

    Attributes:
        file_bytes: size of one rule file.
        total_bytes: size of all files of the source together, expanded.
        archive_bytes: size of an archive on disk.
        members: files in a folder or archive, rule files or not.
        rules: rules of the source, commented-out ones included.
    """

    file_bytes: int = 64 * _MIB
    total_bytes: int = 512 * _MIB
    archive_bytes: int = 256 * _MIB
    members: int = 10_000
    rules: int = 500_000
