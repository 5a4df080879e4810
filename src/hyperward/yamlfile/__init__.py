"""Strict YAML files: one bounded document, read into a frozen model, every problem with file, line, column and key.

A configuration file is hostile until it is proven otherwise. What is refused and why: anchors and aliases (a small
file could grow without bound), tags, directives and several documents (nobody needs them here), duplicate keys (one of
the two would be ignored silently), invisible characters. Scalars follow the core of YAML 1.2: only `true` and `false`
are booleans, only decimal digits are numbers, so `on`, `52:54:00:12:34:56` or `1:2001219:5` are text.

`read_text` is the only function here that touches a file; `parse` and everything behind it are pure.
"""

from hyperward.yamlfile.document import Document, parse
from hyperward.yamlfile.limits import Limits
from hyperward.yamlfile.model import FileModel
from hyperward.yamlfile.problems import FileErrors, KeyPath, Problem
from hyperward.yamlfile.source import read_text

__all__ = ["Document", "FileErrors", "FileModel", "KeyPath", "Limits", "Problem", "parse", "read_text"]
