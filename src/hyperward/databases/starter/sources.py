"""The starter content as sources of `hyperward db build`: a repository of one's own to begin with."""

import shutil
from pathlib import Path

from hyperward.databases.starter import CATEGORIES, LICENCE, addresses_path
from hyperward.errors import SystemFault
from hyperward.ips.rules.data import starter_rules_path

_HEAD = """# Sources of `hyperward db build`: the content that Hyperward brings along. Add your own beside it.
label: Starter content
sources:
- {id: starter, kind: rules, from: rules, licence: LICENCE, title: Starter rules}
"""


def write_starter_sources(folder: Path) -> Path:
    """Write rules, lists and a file of sources that names them; return that file.

    Args:
        folder: made where it is missing; files of the same names are replaced.

    Raises:
        SystemFault: it cannot be written.
    """
    lines = [_HEAD.replace("LICENCE", LICENCE)]
    try:
        for part in ("rules", "addresses"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        rules = starter_rules_path()
        for path in sorted(rules.rglob("*.rules")) if rules.is_dir() else [rules]:
            shutil.copyfile(path, folder / "rules" / path.name)
        for category in CATEGORIES:
            shutil.copyfile(addresses_path(category), folder / "addresses" / f"{category}.txt")
            lines.append(
                f"- {{id: starter-{category}, kind: addresses, from: addresses/{category}.txt, category: {category}, "
                f"format: plain, folders: true, licence: {LICENCE}, title: Test addresses}}\n"
            )
        file = folder / "SOURCES.yaml"
        file.write_text("".join(lines), encoding="utf-8")
    except OSError as error:
        what = f"cannot be written ({error.strerror})"
        raise SystemFault(what, where=str(error.filename or folder), hint="check the folder") from None
    return file
