"""What the lab's servers send: a body of any length with a known checksum, and an SSH key exchange offer."""

import hashlib
import struct
from functools import cache

BLOCK_SIZE = 1024 * 1024
MAX_BODY = 4 * 1024**3
SSH_BANNER = b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3"
_LINE = b"%021d hyperward\n"  # 32 bytes


@cache
def block() -> bytes:
    """Return 1 MiB of numbered lines: harmless text, and a lost, doubled or moved piece changes the checksum."""
    return b"".join(_LINE % number for number in range(BLOCK_SIZE // 32))


@cache
def body_sha256(size: int) -> str:
    """Return the SHA-256, in hexadecimal, of a body of `size` bytes: the block over and over, cut at the end."""
    digest = hashlib.sha256()
    whole, rest = divmod(size, BLOCK_SIZE)
    for _ in range(whole):
        digest.update(block())
    digest.update(block()[:rest])
    return digest.hexdigest()


def ssh_kexinit() -> bytes:
    """Return an unencrypted SSH_MSG_KEXINIT packet (RFC 4253, sections 6 and 7.1): a server's answer to a banner."""
    ciphers, macs, none = b"aes128-ctr", b"hmac-sha2-256", b"none"
    lists = (b"curve25519-sha256", b"ssh-ed25519", ciphers, ciphers, macs, macs, none, none, b"", b"")
    payload = b"\x14" + bytes(range(16)) + b"".join(struct.pack(">I", len(item)) + item for item in lists) + bytes(5)
    padding = 8 - (5 + len(payload)) % 8
    padding += 8 if padding < 4 else 0  # noqa: PLR2004 - RFC 4253 asks for at least four bytes
    return struct.pack(">IB", 1 + len(payload) + padding, padding) + payload + bytes(padding)
