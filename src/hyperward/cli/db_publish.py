"""`hyperward db keys|init|build|sign|refresh|rotate|mirror`: the publishing side of application databases."""

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hyperward.cli.output import add_row, print_json, print_text, show, table
from hyperward.cli.paths import JsonOption

if TYPE_CHECKING:
    from hyperward.databases.build.publish import Publication, Signing
    from hyperward.databases.repository.advance import Missing

_Keys = Annotated[Path, typer.Option("--keys", help="Folder with ROLE.key files.")]
_Out = Annotated[Path, typer.Option("--out", help="Folder of the repository.")]
_Passphrase = Annotated[
    Path | None, typer.Option("--passphrase-file", help="File whose first line encrypts the private keys.")
]
_Time = Annotated[str | None, typer.Option("--time", help="Time of the build, UTC; else SOURCE_DATE_EPOCH, else now.")]
_RootDays = Annotated[int, typer.Option(help="Days after which the root has to be renewed.")]
_TargetsDays = Annotated[int, typer.Option(help="Days after which a version has to be signed again.")]
_SnapshotDays = Annotated[int, typer.Option(help="The same for the snapshot.")]
_TimestampDays = Annotated[int, typer.Option(help="Days after which readers miss a sign of life.")]


def keys(
    out: Annotated[Path, typer.Option("--out", help="Folder for the keys; it is made.")],
    role: Annotated[list[str] | None, typer.Option(help="Only this role; may be repeated.")] = None,
    name: Annotated[str, typer.Option(help="Whose key it is, where a role has several: ROLE-NAME.key.")] = "",
    passphrase_file: _Passphrase = None,
) -> None:
    """Make signing keys: root, targets, snapshot, timestamp. Keep root and targets offline."""
    from hyperward.databases.repository.keys import create_key
    from hyperward.databases.repository.roles import ROLES
    from hyperward.errors import InputError

    roles = role or list(ROLES)
    if unknown := set(roles) - set(ROLES):
        raise InputError(
            f"no such role: {', '.join(sorted(unknown))}", where="--role", hint=f"roles: {', '.join(ROLES)}"
        )
    out.mkdir(mode=0o700, parents=True, exist_ok=True)
    passphrase = _passphrase(passphrase_file)
    for one in roles:
        path = out / f"{one}{f'-{name}' if name else ''}.key"
        print_text(f"{path}: {create_key(path, passphrase).keyid[:16]}")
    if not passphrase:
        print_text("The keys are not encrypted; --passphrase-file would. Whoever reads them can sign databases.")


def init(
    out: _Out,
    keys: _Keys,
    *,
    threshold: Annotated[int, typer.Option(help="So many keys of a role must sign, where it has several.")] = 1,
    time: _Time = None,
    root_days: _RootDays = 365,
    passphrase_file: _Passphrase = None,
) -> None:
    """Make a repository: its first root, signed, and an empty first version."""
    from hyperward.databases.build.publish import build_time, key_files
    from hyperward.databases.repository.advance import advance
    from hyperward.databases.repository.folder import Repository
    from hyperward.databases.repository.keys import load_public, load_signer
    from hyperward.databases.repository.roles import ROLES, Expiry, RoleKeys
    from hyperward.databases.repository.trust import stage_first_root

    files = key_files(keys)
    publics = {role: tuple(map(load_public, sorted(keys.glob(f"{role}*.pub")))) for role in ROLES}
    roles = {role: RoleKeys(found, min(threshold, len(found))) for role, found in publics.items() if found}
    repository, now, expiry = Repository(out), build_time(time), Expiry(root=root_days)
    signers = [load_signer(path, _passphrase(passphrase_file)) for path in files]
    stage_first_root(repository, roles, now=now, expiry=expiry)
    advanced = advance(repository, signers, now=now, expiry=expiry)
    _tell_missing(advanced.missing)
    if not advanced.missing:
        print_text(f"{out}: a repository. SVMs trust it by {out / 'metadata' / '1.root.json'}: hyperward db trust FILE")


def build(
    config: Annotated[Path, typer.Option("--config", help="The file of sources.")],
    out: _Out,
    keys: _Keys,
    *,
    version: Annotated[int | None, typer.Option(help="Number; else the one after the latest.")] = None,
    time: _Time = None,
    cache: Annotated[Path | None, typer.Option(help="Keeps what was fetched; else OUT.sources beside OUT.")] = None,
    engine: Annotated[str, typer.Option(help="The Suricata binary.")] = "suricata",
    targets_days: _TargetsDays = 90,
    snapshot_days: _SnapshotDays = 30,
    timestamp_days: _TimestampDays = 7,
    passphrase_file: _Passphrase = None,
    json: JsonOption = False,
) -> None:
    """Fetch all sources, build a version, sign it and publish it in the repository folder."""
    from hyperward.cli.progress import progress
    from hyperward.databases.build.publish import publish
    from hyperward.databases.repository.folder import Repository
    from hyperward.databases.sources.config import load_sources
    from hyperward.errors import InputError

    binary = shutil.which(engine)
    if binary is None:
        raise InputError("the program is not there", where=engine, hint="install Suricata, or name it with --engine")
    sources = load_sources(config)
    signing = _signing(
        keys, passphrase_file, time, targets=targets_days, snapshot=snapshot_days, timestamp=timestamp_days
    )
    with progress() as said:
        publication = publish(
            sources,
            Repository(out),
            signing,
            engine=Path(binary),
            cache=cache or out.with_name(f"{out.name}.sources"),
            report=said.bytes_of,
            progress=said.items_of,
            version=version,
        )
    if json:
        print_json(_as_json(publication))
        return
    _print(publication, out)


def sign(out: _Out, keys: _Keys, time: _Time = None, passphrase_file: _Passphrase = None) -> None:
    """Add signatures to what waits for them, and publish it once there are enough."""
    from hyperward.databases.repository.advance import advance
    from hyperward.databases.repository.folder import Repository
    from hyperward.databases.repository.keys import load_signer

    signing = _signing(keys, passphrase_file, time)
    signers = [load_signer(path, signing.passphrase) for path in signing.keys]
    advanced = advance(Repository(out), signers, now=signing.now, expiry=signing.expiry)
    _tell_missing(advanced.missing)
    print_text(f"{out}: published {', '.join(advanced.published) or 'nothing yet'}")


def refresh(
    out: _Out,
    keys: _Keys,
    *,
    time: _Time = None,
    snapshot_days: _SnapshotDays = 30,
    timestamp_days: _TimestampDays = 7,
    passphrase_file: _Passphrase = None,
) -> None:
    """Sign snapshot and timestamp again, so that readers know that there is nothing else."""
    from hyperward.databases.repository.advance import advance
    from hyperward.databases.repository.folder import Repository
    from hyperward.databases.repository.keys import load_signer

    signing = _signing(keys, passphrase_file, time, snapshot=snapshot_days, timestamp=timestamp_days)
    signers = [load_signer(path, signing.passphrase) for path in signing.keys]
    renew = ("snapshot", "timestamp")
    advanced = advance(Repository(out), signers, now=signing.now, expiry=signing.expiry, renew=renew)
    _tell_missing(advanced.missing)
    print_text(f"{out}: published {', '.join(advanced.published) or 'nothing'}")


def rotate(
    out: _Out,
    keys: _Keys,
    *,
    role: Annotated[str, typer.Option(help="root, targets, snapshot or timestamp.")],
    public: Annotated[list[Path], typer.Option(help="A .pub file of the role's keys from now on; may be repeated.")],
    threshold: Annotated[int, typer.Option(help="So many of them must sign.")] = 1,
    old_keys_lost: Annotated[
        bool, typer.Option("--old-keys-lost", help="Do not wait for signatures of keys that the role had.")
    ] = False,
    time: _Time = None,
    passphrase_file: _Passphrase = None,
) -> None:
    """Give a role other keys. Readers follow by themselves; the keys of the root must sign."""
    from hyperward.databases.repository.advance import advance
    from hyperward.databases.repository.folder import Repository
    from hyperward.databases.repository.keys import load_public, load_signer
    from hyperward.databases.repository.roles import RoleKeys
    from hyperward.databases.repository.trust import stage_next_root

    repository, signing = Repository(out), _signing(keys, passphrase_file, time)
    signers = [load_signer(path, signing.passphrase) for path in signing.keys]
    changed = {role: RoleKeys(tuple(map(load_public, public)), threshold)}
    stage_next_root(repository, changed, now=signing.now, expiry=signing.expiry)
    advanced = advance(repository, signers, now=signing.now, expiry=signing.expiry, old_keys_lost=old_keys_lost)
    _tell_missing(advanced.missing)
    print_text(f"{out}: published {', '.join(advanced.published) or 'nothing yet'}")


def mirror(
    source: Annotated[str, typer.Option("--from", help="Address or folder of the repository.")],
    out: Annotated[Path, typer.Option("--out", help="Folder of the mirror.")],
    *,
    root: Annotated[Path | None, typer.Option(help="Its N.root.json, the first time.")] = None,
    proxy: Annotated[str, typer.Option(help="http://HOST:PORT")] = "",
    json: JsonOption = False,
) -> None:
    """Copy a repository with its signatures, verified, so that SVMs can fetch from the copy."""
    import msgspec

    from hyperward.cli.progress import progress
    from hyperward.databases.client.http import HttpOptions
    from hyperward.databases.client.metadata import init_trust
    from hyperward.databases.client.mirror import mirror as copy

    state = out.with_name(f"{out.name}.mirror")
    if root is not None:
        init_trust(state / "trust", root.read_bytes())
    with progress() as said:
        done = copy(
            state / "trust", source, out, state / "cache", progress=said.bytes_of, options=HttpOptions(proxy=proxy)
        )
    if json:
        print_json(msgspec.to_builtins(done))
        return
    print_text(
        f"{out}: {done.files} files, {done.copied} copied, {done.bytes_moved} bytes moved, {done.removed} removed"
    )


def _signing(
    keys: Path, passphrase: Path | None, time: str | None, *, targets: int = 90, snapshot: int = 30, timestamp: int = 7
) -> "Signing":
    from hyperward.databases.build.publish import Signing, build_time, key_files
    from hyperward.databases.repository.roles import Expiry

    expiry = Expiry(targets=targets, snapshot=snapshot, timestamp=timestamp)
    return Signing(key_files(keys), _passphrase(passphrase), build_time(time), expiry)


def _passphrase(path: Path | None) -> bytes:
    from hyperward.errors import InputError

    if path is None:
        return b""
    line = path.read_bytes()[:4096].split(b"\n")[0]
    if not line:
        raise InputError("the first line is empty", where=str(path), hint="write the passphrase there")
    return line


def _tell_missing(missing: "tuple[Missing, ...]") -> None:
    for one in missing:
        print(f"waits: {one}; hyperward db sign", file=sys.stderr)  # noqa: T201 - a note beside the answer


def _as_json(publication: "Publication") -> dict[str, object]:
    staged = publication.staged
    return {
        "version": publication.built.manifest.version if staged else None,
        "unchanged": staged is None,
        "sources": [
            {name: getattr(one, name) for name in ("id", "kind", "used", "refused", "demoted", "moved", "stale")}
            for one in publication.built.results
        ],
        "packed_bytes": staged.packed_bytes if staged else 0,
        "delta_bytes": {str(base): size for base, size in staged.delta_bytes.items()} if staged else {},
        "waits_for": [str(one) for one in publication.missing],
    }


def _print(publication: "Publication", out: Path) -> None:
    made = table("Sources", ("source", "kind", "used", "refused", "demoted", "fetched bytes", "remark"))
    for one in publication.built.results:
        remark = f"content of the last build: {one.stale}" if one.stale else ""
        add_row(made, one.id, one.kind, str(one.used), str(one.refused), str(one.demoted), str(one.moved), remark)
    show(made)
    _tell_missing(publication.missing)
    if publication.staged is None:
        print_text(f"{out}: nothing changed since the latest version; none was made")
        return
    staged = publication.staged
    done = "waits for signatures" if publication.missing else "published"
    deltas = ", ".join(f"from {base}: {size} bytes" for base, size in sorted(staged.delta_bytes.items())) or "none"
    print_text(f"{out}: version {staged.manifest.version} {done}; {staged.packed_bytes} bytes whole; deltas {deltas}")
