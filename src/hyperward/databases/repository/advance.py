"""Bring what is staged to the readers, as far as signatures allow.

One function does it for a first root, a version, a rotation of keys and a refresh alike, and can be called again at
any time with further keys, after a power cut too: what is staged stays until the readers have all of it. Readers see
nothing before `timestamp.json` is replaced, or the next root appears:

- A version: targets, snapshot, then the timestamp. Each file before that has a number that no reader asks for yet.
- Other keys: everything is signed by old and fresh keys, so that it holds under both roots; the timestamp is replaced,
  and the next root comes last. At every step in between a reader gets a whole, trusted repository.
- Other keys while the old ones are lost: the root comes first, since nothing else would hold under the old one; for
  that moment a reader is refused, keeps what it has, and succeeds when it comes again.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from securesystemslib.signer import Signer
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, Targets, Timestamp

from hyperward.databases.repository.folder import Repository, to_bytes
from hyperward.databases.repository.roles import Expiry
from hyperward.errors import InputError

_BELOW_ROOT: Final = ("targets", "snapshot", "timestamp")
_FIRST: Final[dict[str, Callable[[], Any]]] = {"targets": Targets, "snapshot": Snapshot, "timestamp": Timestamp}


@dataclass(frozen=True, slots=True)
class Missing:
    """Signatures that a staged file still needs: `count` of the keys named in `keyids`."""

    role: str
    count: int
    keyids: tuple[str, ...]

    def __str__(self) -> str:
        """Return it as a sentence for people."""
        keys = ", ".join(keyid[:12] for keyid in self.keyids)
        return f"{self.role} needs {self.count} more signature{'s' * (self.count > 1)} of the keys {keys}"


@dataclass(frozen=True, slots=True)
class Advance:
    """What became of it: the roles that readers have now, and what the staged rest waits for."""

    published: tuple[str, ...]
    missing: tuple[Missing, ...] = ()


def advance(
    repository: Repository,
    signers: Sequence[Signer],
    *,
    now: datetime,
    expiry: Expiry,
    renew: Collection[str] = (),
    old_keys_lost: bool = False,
) -> Advance:
    """Sign what is staged, and publish it when it is complete.

    Args:
        repository: the folder.
        signers: the keys at hand, of any role.
        now: time of signing, UTC; nothing else tells the time.
        expiry: how long metadata made here is valid.
        renew: roles below root to sign afresh although nothing changed.
        old_keys_lost: do not ask for signatures of keys that the staged root no longer names, but for the root itself.

    Raises:
        InputError: the repository is damaged.
        BusyFault: somebody else works on it.
        SpaceFault, SystemFault: the disk is full or broken. Calling again goes on.
    """
    with repository.working():
        return _Run(repository, signers, now=now, expiry=expiry, lost=old_keys_lost).go(frozenset(renew))


class _Run:
    def __init__(
        self, repository: Repository, signers: Sequence[Signer], *, now: datetime, expiry: Expiry, lost: bool
    ) -> None:
        self._repository = repository
        self._signers = signers
        self._now = now
        self._expiry = expiry
        self._current = repository.current()
        before, root = self._current.root, repository.staged("root")
        self._root = root if root and (before is None or root.signed.version > before.signed.version) else None
        self._judges = tuple(one.signed for one in (before if not (self._root and lost) else None, self._root) if one)
        """The roots under which everything below must hold."""

    def go(self, renew: frozenset[str]) -> Advance:
        if not self._judges:
            return Advance(())
        if self._root and (missing := self._sign_root(self._root)):
            return Advance((), missing)
        ready: dict[str, Metadata[Any]] = {}
        for role in _BELOW_ROOT:
            metadata = self._wanted(role, ready, renew)
            if metadata is None:
                continue
            missing = self._sign(role, metadata, self._judges)
            self._repository.stage(role, metadata)
            if missing:
                return Advance((), missing)
            ready[role] = metadata
        return Advance(self._write(ready))

    def _sign_root(self, root: Metadata[Root]) -> tuple[Missing, ...]:
        """Return what the root lacks under the keys of the one before, and under its own."""
        judges = [root.signed]
        if self._current.root and self._current.root.signed.version < root.signed.version:
            judges.insert(0, self._current.root.signed)
        missing = self._sign("root", root, judges)
        self._repository.stage("root", root)
        return missing

    def _wanted(self, role: str, ready: dict[str, Metadata[Any]], renew: frozenset[str]) -> Metadata[Any] | None:
        """Return the metadata of a role that is to be signed, None when readers have the right one."""
        before = self._current.of(role)
        number = before.signed.version + 1 if before else 1
        below = {"snapshot": "targets", "timestamp": "snapshot"}.get(role, "")
        meta = _meta(ready[below]) if below in ready else None
        staged = self._repository.staged(role)
        if staged and staged.signed.version == number and self._usable(role, staged, before, meta):
            return staged
        holds = before is not None and not self._missing(role, before, self._judges)
        if holds and meta is None and role not in renew:
            return None
        signed = deepcopy(before.signed) if before else _FIRST[role]()
        signed.version = number
        signed.expires = self._expiry.until(role, self._now)
        if meta is not None:
            _name(signed, meta)
        return Metadata(signed)

    def _usable(self, role: str, staged: Metadata[Any], before: Metadata[Any] | None, meta: MetaFile | None) -> bool:
        """Return whether what was staged earlier is still what is wanted."""
        if role != "targets":
            expected = _named(before.signed) if meta is None and before else meta
            return not staged.signed.is_expired(self._now) and bool(_named(staged.signed) == expected)
        if staged.signed.is_expired(self._now):
            raise InputError(
                "the staged version has expired while it waited for signatures",
                where=str(self._repository.staging),
                hint="discard it and publish it again",
            )
        return True

    def _sign(self, role: str, metadata: Metadata[Any], judges: Sequence[Root]) -> tuple[Missing, ...]:
        named = {keyid for root in judges for keyid in root.roles[role].keyids}
        for signer in self._signers:
            if signer.public_key.keyid in named:
                metadata.sign(signer, append=True)
        return self._missing(role, metadata, judges)

    def _missing(self, role: str, metadata: Metadata[Any], judges: Iterable[Root]) -> tuple[Missing, ...]:
        payload, found = metadata.signed_bytes, []
        for root in judges:
            result = root.get_verification_result(role, payload, metadata.signatures)
            if result.missing:
                found.append(Missing(role, result.missing, tuple(sorted(result.unsigned))))
        return tuple(dict.fromkeys(found))

    def _write(self, ready: dict[str, Metadata[Any]]) -> tuple[str, ...]:
        repository, disk = self._repository, self._repository.disk
        root = {"root": self._root} if self._root else {}
        ordered = ready | root if len(self._judges) > 1 else root | ready
        for role, metadata in ordered.items():
            name = "timestamp.json" if role == "timestamp" else f"{metadata.signed.version}.{role}.json"
            disk.write(repository.metadata / name, (to_bytes(metadata),))
        for role in ("root", *_BELOW_ROOT):
            disk.remove(repository.staging / f"{role}.json")
        return tuple(ordered)


def _meta(metadata: Metadata[Any]) -> MetaFile:
    raw = to_bytes(metadata)
    return MetaFile.from_data(metadata.signed.version, raw, ["sha256"])


def _named(signed: Snapshot | Timestamp) -> MetaFile:
    return signed.meta["targets.json"] if isinstance(signed, Snapshot) else signed.snapshot_meta


def _name(signed: Snapshot | Timestamp, meta: MetaFile) -> None:
    if isinstance(signed, Snapshot):
        signed.meta["targets.json"] = meta
    else:
        signed.snapshot_meta = meta
