"""Print the one-line apt source of RELEASE-backports, beside the archive that this machine already uses.

Reads /etc/apt/sources.list and sources.list.d (one-line and deb822 form), finds the entry that serves RELEASE with
component main, and keeps its address, its transport and its key. Exit code 1 when none is configured.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

APT = Path("/etc/apt")


def one_line_entries(text: str) -> Iterator[tuple[str, str, str]]:
    """Yield (address, options, suite) of every `deb` line that has component main."""
    for line in text.splitlines():
        match = re.match(r"\s*deb\s+(\[[^\]]*\]\s+)?(\S+)\s+(\S+)\s+(.*)", line)
        if match and "main" in match[4].split():
            yield match[2], (match[1] or "").strip(), match[3]


def deb822_entries(text: str) -> Iterator[tuple[str, str, str]]:
    """Yield (address, options, suite) of every enabled `Types: deb` stanza that has component main."""
    for stanza in re.split(r"\n\s*\n", text):
        fields: dict[str, str] = {}
        name = ""
        for line in stanza.splitlines():
            if line.startswith("#"):
                continue
            if line[:1].isspace():
                fields[name] = f"{fields.get(name, '')} {line.strip()}"
            elif ":" in line:
                name, value = line.split(":", 1)
                name = name.strip().lower()
                fields[name] = value.strip()
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() in {"no", "false"}:
            continue
        if "main" not in fields.get("components", "").split():
            continue
        key = fields.get("signed-by", "").strip()
        options = f"[signed-by={key}]" if key.startswith("/") else ""
        for address in fields.get("uris", "").split():
            for suite in fields.get("suites", "").split():
                yield address, options, suite


def main(release: str) -> int:
    """Print the source line for the backports of `release`; return the exit code."""
    files = [APT / "sources.list", *sorted((APT / "sources.list.d").glob("*.list"))]
    entries = [e for f in files if f.is_file() for e in one_line_entries(f.read_text(errors="replace"))]
    for file in sorted((APT / "sources.list.d").glob("*.sources")):
        entries += deb822_entries(file.read_text(errors="replace"))
    for address, options, suite in entries:
        if suite == release:
            print(" ".join(["deb", *([options] if options else []), address, f"{release}-backports", "main"]))
            return 0
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
