"""Remove what no reader can still ask for."""

from typing import Any

from tuf.api.metadata import Metadata

from hyperward.databases.repository.folder import Repository
from hyperward.databases.repository.trust import refuse_while_staged


def prune(repository: Repository, *, keep: int) -> int:
    """Keep the current version and those before it, and remove the rest; return the bytes removed.

    A reader that began before the last publishing still finds what it began with while `keep` is 2 or more. Deltas to
    the next version start from what is kept. Roots always stay: a reader follows them one by one.

    Args:
        repository: the folder.
        keep: targets metadata versions to keep, at least 1.

    Raises:
        InputError: the repository is damaged, or a version waits for signatures: its files are not to be removed.
        SystemFault: a file cannot be removed.
    """
    with repository.working():
        refuse_while_staged(repository)
        current = repository.current()
        if current.targets is None or current.snapshot is None:
            return 0
        last = current.targets.signed.version
        kept = [number for number in repository.numbers("targets") if number <= last][-max(1, keep) :]
        names, metadata_kept = set(), {current.snapshot.signed.version}
        for number in kept:
            targets: Metadata[Any] = repository.numbered("targets", number)
            names |= {target.get_prefixed_paths()[0] for target in targets.signed.targets.values()}
        doomed = [
            repository.metadata / f"{number}.targets.json"
            for number in repository.numbers("targets")
            if number not in kept
        ]
        for number in repository.numbers("snapshot"):
            snapshot: Metadata[Any] = repository.numbered("snapshot", number)
            if number not in metadata_kept and snapshot.signed.meta["targets.json"].version not in kept:
                doomed.append(repository.metadata / f"{number}.snapshot.json")
        doomed += [
            path
            for path in sorted(repository.targets.rglob("*"))
            if path.is_file() and path.relative_to(repository.targets).as_posix() not in names
        ]
        freed = 0
        for path in doomed:
            freed += path.stat().st_size
            repository.disk.remove(path)
        return freed
