"""Bytes and seconds of an update: a million addresses and 50,000 rules, of which 1 % change.

    PYTHONPATH=src:tests python bench/databases.py [--activation] [FOLDER_OF_SHARED_DATA]

With `--activation`, as root: seconds of test and activation on a real SVM, and the packets lost meanwhile.

Without shared data the names and rules are made up.
"""

import itertools
import lzma
import random
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from database_repos import Publisher
from hyperward.databases.client.fetch import fetch_version
from hyperward.databases.client.metadata import init_trust
from hyperward.databases.store import open_store
from hyperward.lab.plan import OUT, plan_lab
from hyperward.lab.topology import Lab
from svm_databases import Databases, rule
from svm_fixtures import Svm, running_svm
from svm_traffic import stream

HOSTS, RULES, CHANGED = 1_000_000, 50_000, 0.01
PATIENCE = 900
"""Seconds for one change at most."""


@contextmanager
def timed(what: str) -> Iterator[None]:
    """Print how long it takes."""
    start = time.perf_counter()
    yield
    print(f"{what:<40} {time.perf_counter() - start:6.1f} s")


def hosts(data: Path) -> list[str]:
    """Return names, real ones where there are."""
    path = data / "addresses" / "benign-tranco-1m-2025-01.txt.xz"
    if not path.exists():
        chance = random.Random(1)  # noqa: S311 - names, not secrets
        letters = "abcdefghijklmnopqrstuvwxyz0123456789"
        return ["".join(chance.choices(letters, k=chance.randrange(4, 18))) + ".example" for _ in range(HOSTS)]
    return lzma.decompress(path.read_bytes()).decode().split()[:HOSTS]


def rules(data: Path) -> list[str]:
    """Return rules, real ones where there are."""
    lines: list[str] = []
    for name in ("et-open-2025-07-28.tar.xz", "et-open-2017-03-10.tar.gz"):
        path = data / "rules" / name
        if not path.exists():
            return [f'alert tcp any any -> any any (msg:"rule {n}"; content:"{n:x}"; sid:{n};)' for n in range(RULES)]
        with tarfile.open(path) as archive:
            for member in archive:
                content = archive.extractfile(member) if member.name.endswith(".rules") else None
                lines += content.read().decode("utf-8", "replace").split("\n") if content else []
    return [line for line in dict.fromkeys(lines) if "sid:" in line][:RULES]


def changed(lines: list[str], fresh: Iterator[str]) -> list[str]:
    """Return the lines with 1 % of them, spread over the whole, replaced by others."""
    chance = random.Random(2)  # noqa: S311 - a choice of lines
    lines = list(lines)
    for number in chance.sample(range(len(lines)), int(len(lines) * CHANGED)):
        lines[number] = next(fresh)
    return lines


def published(folder: Path, data: Path) -> Publisher:
    """Return a publisher with the content as version 1 in the folder `first`, and with one more of each after it."""
    publisher = Publisher(folder)
    (folder / "root.json").write_bytes(publisher.initialise())
    names, lines = hosts(data)[:HOSTS], rules(data)[:RULES]
    publisher.publish(1, names, lines)
    print(f"{len(names)} addresses, {len(lines)} rules published")
    return publisher


def show(what: str, done: dict[str, object], lost: int) -> None:
    """Print one change."""
    print(f"{what}: test {done['test_seconds']} s, activation {done['activation_seconds']} s, {lost} packets lost")


def activation(data: Path) -> None:
    """Bring two versions into force on an SVM in namespaces of its own: needs root and the engine.

    They differ in one rule and one address. A numbered stream runs through the protected port meanwhile.
    """
    with tempfile.TemporaryDirectory() as base, Lab(plan_lab("hwbench", vms=1)) as lab:
        folder = Path(base)
        publisher = published(folder / "publisher", data)
        with running_svm(lab, folder) as svm:
            measure(svm, publisher, data)


def measure(svm: Svm, publisher: Publisher, data: Path) -> None:
    """Bring both versions into force, then the first one again."""
    databases = Databases(svm, patience=PATIENCE)
    svm.configure(scanners=1)
    svm.inventory("vm1")
    svm.policies(
        {
            "name": "Both",
            "assign": {"names": ["vm1"]},
            "intrusion_prevention": {"enabled": True},
            "web_addresses": {"enabled": True},
        }
    )
    svm.start()
    databases.trust(publisher.folder / "root.json")
    source = publisher.repository.folder
    show("from the starter content to version 1", databases.update(source), 0)
    names, lines = hosts(data)[:HOSTS], rules(data)[:RULES]
    publisher.publish(2, [*names[1:], "added.example"], [*lines[1:], rule("/added", 84279001)])
    with stream(svm.lab, OUT, "vm1") as numbered:
        done = databases.update(source)
    show("from version 1 to 2", done, len(numbered.lost))
    with stream(svm.lab, OUT, "vm1") as numbered:
        done = databases.rollback()
    show("back to version 1", done, len(numbered.lost))


def main() -> None:
    """Publish and fetch two versions, or bring them into force."""
    arguments = [argument for argument in sys.argv[1:] if argument != "--activation"]
    data = Path(arguments[0] if arguments else "/nonexistent")
    if "--activation" in sys.argv:
        activation(data)
    else:
        transfers(data)


def transfers(data: Path) -> None:
    """Publish and fetch two versions."""
    names, signatures = hosts(data), rules(data)
    # the replaced ones come from the same lists: the text of a real update compresses like its list
    spare = int(len(names) * CHANGED) + 1
    names, other = names[:-spare], names[-spare:]
    revised = itertools.count(1)
    fresh_rules = (line.replace("; rev:", f"; metadata:revision {next(revised)}; rev:") for line in signatures[::7])
    with tempfile.TemporaryDirectory() as base:
        folder = Path(base)
        publisher = Publisher(folder / "publisher")
        init_trust(folder / "trust", publisher.initialise())
        source = str(publisher.repository.folder)
        contents = [publisher.content(names, signatures)]
        contents.append(publisher.content(changed(names, iter(other)), changed(signatures, fresh_rules)))
        print(f"{len(names)} addresses, {len(signatures)} rules")
        with timed("publish version 1"):
            first = publisher.stage(1, contents[0])
            publisher.advance()
        with timed("fetch version 1 whole"):
            fetched = fetch_version(folder / "trust", source, folder / "cache")
        store, _ = open_store(folder / "store")
        with timed("take version 1 into the store"):
            store.add(fetched.manifest, fetched.files)
        whole = fetched.bytes_moved
        with timed("publish version 2 with its delta"):
            second = publisher.stage(2, contents[1])
            publisher.advance()
        with timed("fetch version 2 by delta"):
            fetched = fetch_version(folder / "trust", source, folder / "cache")
        print(f"version 1: {first.packed_bytes} bytes packed, {whole} moved")
        print(f"version 2: delta {second.delta_bytes.get(1)} bytes, {fetched.bytes_moved} moved in all")
        print(f"moved / whole: {fetched.bytes_moved / whole:.2%}")


if __name__ == "__main__":
    main()
