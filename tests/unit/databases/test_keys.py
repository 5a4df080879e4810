"""Signing keys as files."""

import stat
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from hyperward.databases.repository.keys import create_key, load_public, load_signer
from hyperward.errors import InputError, SystemFault


@pytest.mark.parametrize("passphrase", [b"", b"secret words"])
def test_a_key_there_and_back(tmp_path: Path, passphrase: bytes) -> None:
    path = tmp_path / "targets"
    public = create_key(path, passphrase)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_signer(path, passphrase).public_key.keyid == public.keyid
    assert load_public(path) == load_public(tmp_path / "targets.pub") == public
    assert (b"ENCRYPTED" in path.read_bytes()) == bool(passphrase)


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    create_key(tmp_path / "root")
    with pytest.raises(InputError, match="there is a key already"):
        create_key(tmp_path / "root")
    with pytest.raises(SystemFault, match="cannot be written"):
        create_key(tmp_path / "missing" / "root")


def test_passphrases(tmp_path: Path) -> None:
    create_key(tmp_path / "closed", b"right")
    create_key(tmp_path / "open")
    with pytest.raises(InputError, match="passphrase is wrong"):
        load_signer(tmp_path / "closed", b"wrong")
    with pytest.raises(InputError, match="needs its passphrase"):
        load_signer(tmp_path / "closed")
    with pytest.raises(InputError, match="not encrypted"):
        load_signer(tmp_path / "open", b"right")


def test_what_is_no_key(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(b"rubbish")
    path.chmod(0o600)
    with pytest.raises(InputError, match="this is no key"):
        load_signer(path)
    path.write_bytes(generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with pytest.raises(InputError, match="not Ed25519"):
        load_signer(path)
    path.chmod(0o640)
    with pytest.raises(InputError, match=r"others than its owner .*chmod 600"):
        load_signer(path)
    with pytest.raises(InputError, match="cannot be read"):
        load_signer(tmp_path / "missing")


def test_what_is_no_public_key(tmp_path: Path) -> None:
    public, path = create_key(tmp_path / "key"), tmp_path / "key.pub"
    other = create_key(tmp_path / "other")
    path.write_bytes(msgspec.json.encode(msgspec.structs.replace(public, public=other.public)))
    with pytest.raises(InputError, match="id does not belong to it"):
        load_public(path)
    path.write_bytes(msgspec.json.encode(msgspec.structs.replace(public, public="00")))
    with pytest.raises(InputError, match="no Ed25519 key"):
        load_public(path)
    path.write_bytes(b"{}")
    with pytest.raises(InputError, match="no public key"):
        load_public(path)
    with pytest.raises(InputError, match="cannot be read"):
        load_public(tmp_path / "missing.pub")
