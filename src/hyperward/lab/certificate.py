"""The certificate of the lab's outside host: made when a lab starts, for the lab's names, self-signed."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

KEY_BITS = 2048
"""RSA: busybox, which the QEMU VM asks with, knows no other key that every client here knows too."""
_VALID = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """Where certificate and key of a lab are; `folder` is the lab's."""

    folder: Path

    @property
    def certificate(self) -> Path:
        """In PEM; clients that check certificates are given it as their authority."""
        return self.folder / "server.crt"

    @property
    def key(self) -> Path:
        """In PEM, without a password."""
        return self.folder / "server.key"


def write_certificate(files: CertificateFiles, names: Iterable[str], addresses: Iterable[str]) -> None:
    """Make a key and a certificate for these names and addresses, valid from yesterday for a month.

    Raises:
        OSError: the folder cannot be written.
    """
    key = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Hyperward lab")])
    now = datetime.now(UTC)
    subjects: list[x509.GeneralName] = [x509.DNSName(one) for one in names]
    subjects += [x509.IPAddress(ip_address(one)) for one in addresses]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + _VALID)
        .add_extension(x509.SubjectAlternativeName(subjects), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    files.key.touch(0o600)
    files.key.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    files.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
