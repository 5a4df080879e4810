"""Fuzz target: archives of rules, and the rules in them."""

import gzip
import io
import lzma
import tarfile
import zipfile

from hyperward.errors import InputError
from hyperward.ips.rules.archive import rule_files
from hyperward.ips.rules.limits import Limits
from hyperward.ips.rules.lines import rules_of
from hyperward.ips.rules.rule import RuleProblem
from scratch_file import ScratchFile

_TAR, _ZIP = ScratchFile("feed.tar.gz"), ScratchFile("feed.zip")
_LIMITS = Limits(file_bytes=4096, total_bytes=20_000, archive_bytes=1 << 16, members=8)
_RULE = b'alert tcp any any -> any any (msg:"x"; content:"a|3b|\\"b"; sid:1; rev:2; metadata:a b, c d;)\n'
_FILES = {
    "rules/a.rules": _RULE + b"# alert udp any any -> any 53 (sid:2;)\ndrop ip any any -> any any \\\n (sid:3;)\n",
    "rules/LICENSE": b"words",
    "b.rules": b"pass ip $HOME_NET any <> [1.1.1.1,!2.2.2.2] 80:90 (sid:4;)",
}


def _tar(form: int) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=form) as archive:
        for name, content in _FILES.items():
            info = tarfile.TarInfo(name if form != tarfile.PAX_FORMAT else f"{'long/' * 25}{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        link = tarfile.TarInfo("link.rules")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    return raw.getvalue()[: -(raw.tell() % 10240 or 8192)] + bytes(1024)


def _zip(method: int) -> bytes:
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w", method) as archive:
        for name, content in _FILES.items():
            archive.writestr(zipfile.ZipInfo(name), content, method)
        archive.comment = b"feed"
    return raw.getvalue()


TOKENS = (
    b"../",
    b"/etc/",
    b"\x00" * 512,
    b".rules",
    b"\xff\xff\xff\xff",
    b"PK\x01\x02",
    b"PK\x03\x04",
    b"PK\x05\x06",
    b"PK\x06\x06",
    b"PK\x06\x07",
    b"\x00\x08",
    b"00000000000",
    b"77777777777",
    b"\x80\x00\x00\x00\x00\x00\x00\x01",
    b"30 path=../x\n",
    b"20 size=99999999999\n",
    b"GNU.sparse.map=0,1",
    b"(",
    b";)",
    b'"',
    b"\\\n",
)
SEEDS = (
    _tar(tarfile.USTAR_FORMAT),
    _tar(tarfile.GNU_FORMAT),
    _tar(tarfile.PAX_FORMAT),
    gzip.compress(_tar(tarfile.USTAR_FORMAT), mtime=0),
    lzma.compress(_tar(tarfile.GNU_FORMAT)),
    _zip(zipfile.ZIP_STORED),
    _zip(zipfile.ZIP_DEFLATED),
    _zip(zipfile.ZIP_BZIP2),
    _zip(zipfile.ZIP_LZMA),
    b"".join(_FILES.values()),
)


def target(data: bytes) -> None:
    """Read the bytes as each kind of archive and as a rule file: refused, or files and rules within their bounds."""
    for file in (_TAR, _ZIP):
        found: list[tuple[str, bytes]] = []
        try:
            found.extend(rule_files(file.write(data), _LIMITS))
        except InputError as error:
            if not str(error).isprintable():
                raise AssertionError("the refusal shows what cannot be printed") from error
        sizes = [len(content) for _, content in found]
        if len(found) > _LIMITS.members or max(sizes, default=0) > _LIMITS.file_bytes:
            raise AssertionError("more comes out than is allowed")
        if sum(sizes) > _LIMITS.total_bytes or any(".." in name.split("/") for name, _ in found):
            raise AssertionError("more comes out than is allowed, or leaves the folder")
        for name, content in found:
            _read_rules(content, name)
    _read_rules(data, "own.rules")


def _read_rules(content: bytes, name: str) -> None:
    lines = content.count(b"\n") + 1
    for found in rules_of(content, name):
        if not 1 <= found.line <= lines:
            raise AssertionError(f"{found} is on no line")
        if not isinstance(found, RuleProblem) and not 0 <= found.rule.id.sid < 1 << 32:
            raise AssertionError(f"{found} has no number that the engine takes")
