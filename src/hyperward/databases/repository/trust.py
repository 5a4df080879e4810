"""Roots: the first one, and the next one with other keys."""

from collections.abc import Mapping
from datetime import datetime

from tuf.api.metadata import Metadata

from hyperward.databases.repository.folder import Repository
from hyperward.databases.repository.roles import ROLES, Expiry, RoleKeys, keys_of, root_of
from hyperward.errors import InputError


def stage_first_root(repository: Repository, roles: Mapping[str, RoleKeys], *, now: datetime, expiry: Expiry) -> None:
    """Stage the root of a repository that has none; `advance` signs and publishes it with an empty first version.

    Args:
        repository: an empty or missing folder.
        roles: the keys of each role.
        now: time of signing, UTC.
        expiry: how long it is valid.

    Raises:
        InputError: there is a repository already, or keys or thresholds do not fit.
        SystemFault: the folder cannot be written.
    """
    root = root_of(roles, version=1, expires=expiry.until("root", now))
    with repository.working():
        if repository.current().root or repository.staged("root"):
            raise InputError("there is a repository already", where=str(repository.folder), hint="use another folder")
        repository.stage("root", Metadata(root))


def stage_next_root(repository: Repository, changed: Mapping[str, RoleKeys], *, now: datetime, expiry: Expiry) -> None:
    """Stage a root with other keys for some roles, or with the same ones and a later expiry.

    Args:
        repository: with a root.
        changed: the keys of the roles that get others; the rest keep theirs.
        now: time of signing, UTC.
        expiry: how long it is valid.

    Raises:
        InputError: no repository, something is staged already, or keys or thresholds do not fit.
    """
    if unknown := set(changed) - set(ROLES):
        raise InputError(f"no such role: {', '.join(sorted(unknown))}", hint=f"roles are {', '.join(ROLES)}")
    with repository.working():
        current = repository.current().root
        if current is None:
            raise InputError("there is no repository", where=str(repository.folder), hint="initialise it first")
        refuse_while_staged(repository)
        roles = keys_of(current.signed) | dict(changed)
        root = root_of(roles, version=current.signed.version + 1, expires=expiry.until("root", now))
        repository.stage("root", Metadata(root))


def discard_staged(repository: Repository) -> tuple[str, ...]:
    """Forget what waits for signatures; return the roles that did."""
    with repository.working():
        found = tuple(role for role in ROLES if repository.staged(role))
        for role in ROLES:
            repository.disk.remove(repository.staging / f"{role}.json")
        return found


def refuse_while_staged(repository: Repository) -> None:
    """Refuse to stage anything beside what waits for signatures.

    Raises:
        InputError: a root or a version waits.
    """
    current = repository.current()
    for role in ("root", "targets"):
        staged, now = repository.staged(role), current.of(role)
        if staged and (now is None or staged.signed.version > now.signed.version):
            raise InputError(
                f"{role} version {staged.signed.version} still waits for signatures",
                where=str(repository.staging),
                hint="sign it, or discard it",
            )
