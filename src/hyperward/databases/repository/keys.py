"""Signing keys as files: Ed25519, PEM (PKCS #8), mode 0600, encrypted when there is a passphrase.

The public half lies beside it under the same name with `.pub` behind, for those who put it into a root.
"""

import os
import stat
from pathlib import Path
from typing import Final

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from securesystemslib.signer import CryptoSigner, SSlibKey

from hyperward.errors import InputError, SystemFault
from hyperward.fromjson import from_json

_LONGEST: Final = 16384


class PublicKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The public half: `keyid` is the SHA-256 of the key's TUF form; `public` 32 bytes in hexadecimal."""

    keyid: str
    public: str

    def tuf(self) -> SSlibKey:
        """Return the key as metadata holds it."""
        return SSlibKey(self.keyid, "ed25519", "ed25519", {"public": self.public})


def create_key(path: Path, passphrase: bytes = b"") -> PublicKey:
    """Make a key: the private half at `path`, the public one at `path` with `.pub` behind it.

    Args:
        path: must not exist.
        passphrase: encrypts the file; empty for a plain file, which only its owner can read.

    Raises:
        InputError: the file exists.
        SystemFault: it cannot be written.
    """
    private = Ed25519PrivateKey.generate()
    encryption = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
    key = _public(private)
    try:
        _write_fresh(path, pem, 0o600)
        _write_fresh(_public_path(path), msgspec.json.encode(key) + b"\n", 0o644)
    except FileExistsError as error:
        raise InputError("there is a key already", where=str(error.filename), hint="choose another name") from None
    except OSError as error:
        raise SystemFault(f"the key cannot be written ({error.strerror})", where=str(path)) from None
    return key


def load_signer(path: Path, passphrase: bytes = b"") -> CryptoSigner:
    """Return what signs with the key at `path`.

    Raises:
        InputError: no such file, no key, another kind of key, a wrong passphrase, or others can read the file.
    """
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise InputError("others than its owner can use this key", where=str(path), hint="chmod 600 it")
            pem = file.read(_LONGEST)
        private = load_pem_private_key(pem, passphrase or None)
    except OSError as error:
        raise InputError(f"the key cannot be read ({error.strerror})", where=str(path)) from None
    except TypeError:
        what = "the key is not encrypted, but a passphrase was given" if passphrase else "the key needs its passphrase"
        raise InputError(what, where=str(path)) from None
    except (ValueError, UnsupportedAlgorithm):
        what = "the passphrase is wrong, or this is no key" if passphrase else "this is no key"
        raise InputError(what, where=str(path), hint="give the private key file that was created") from None
    if not isinstance(private, Ed25519PrivateKey):
        raise InputError("the key is not Ed25519", where=str(path), hint="create one for this purpose")
    return CryptoSigner(private, _public(private).tuf())


def load_public(path: Path) -> PublicKey:
    """Return the public key of a `.pub` file, or of the private key file beside it.

    Raises:
        InputError: no such file, or not one.
    """
    path = path if path.suffix == ".pub" else _public_path(path)
    try:
        with path.open("rb") as file:
            key = from_json(file.read(_LONGEST), PublicKey)
    except OSError as error:
        raise InputError(f"the public key cannot be read ({error.strerror})", where=str(path)) from None
    except ValueError as error:
        raise InputError(f"this is no public key ({error})", where=str(path)) from None
    try:
        derived = SSlibKey.from_crypto(Ed25519PublicKey.from_public_bytes(bytes.fromhex(key.public)))
    except ValueError:
        raise InputError("this is no Ed25519 key", where=str(path)) from None
    if derived.keyid != key.keyid:
        raise InputError("the key's id does not belong to it", where=str(path), hint="get it again from its owner")
    return key


def _public(private: Ed25519PrivateKey) -> PublicKey:
    key = SSlibKey.from_crypto(private.public_key())
    return PublicKey(key.keyid, key.keyval["public"])


def _public_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.pub")


def _write_fresh(path: Path, content: bytes, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, mode)
        file.write(content)
        file.flush()
        os.fsync(descriptor)
