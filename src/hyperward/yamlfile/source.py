"""Reading a text file that anybody may have put there."""

import os
import re
import stat
from pathlib import Path

from hyperward.yamlfile.problems import FileErrors, Problem

# Controls except tab and line ends, the other Unicode line ends, direction overrides, BOMs, noncharacters: none of them
# is visible in an editor, and line numbers or names would not be what the reader sees.
HIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ufffe\uffff\ud800-\udfff]"
)

_LINE_END = re.compile("\r\n|\r|\n")
_UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")
_UTF8_BOM = b"\xef\xbb\xbf"


def read_text(path: Path, *, max_bytes: int) -> str:
    """Return the text of a regular UTF-8 file.

    Never blocks on a FIFO or device, and never reads more than `max_bytes` + 1 bytes.

    Args:
        path: the file; symbolic links are followed.
        max_bytes: the largest size that is read, in bytes.

    Raises:
        FileErrors: the file is missing, unreadable, not a regular file, too large, or not plain UTF-8 text.
    """
    content = _read(path, max_bytes)
    name = str(path)
    if content.startswith(_UTF8_BOM):
        raise _whole_file(name, "starts with a byte order mark", "save it as UTF-8 without BOM")
    if content.startswith(_UTF16_BOMS):
        raise _whole_file(name, "is UTF-16, not UTF-8 text", "save it as UTF-8")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line, column = _position(content[: error.start].decode("utf-8"))
        problem = Problem(
            name, line, column, "", f"byte 0x{content[error.start]:02x} is not UTF-8", "save it as UTF-8 text"
        )
        raise FileErrors([problem]) from error
    refuse_hidden(text, name)
    return text


def refuse_hidden(text: str, name: str) -> None:
    """Refuse text with characters that no editor shows.

    Raises:
        FileErrors: names the first such character.
    """
    found = HIDDEN.search(text)
    if found:
        line, column = _position(text[: found.start()])
        what = f"invisible character U+{ord(found.group()):04X}"
        raise FileErrors([Problem(name, line, column, "", what, "remove it; the file must be plain text")])


def _read(path: Path, max_bytes: int) -> bytes:
    try:
        # O_NONBLOCK: opening a FIFO without a writer returns at once instead of hanging.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except FileNotFoundError as error:
        raise _whole_file(str(path), "no such file", "create it or correct the path") from error
    except PermissionError as error:
        raise _whole_file(str(path), "permission denied", "make it readable for the user that runs this") from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise _whole_file(str(path), f"cannot be opened: {reason}", "give a readable file") from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            kind = "a folder" if stat.S_ISDIR(status.st_mode) else "a pipe, socket or device"
            raise _whole_file(str(path), f"is {kind}, not a file", "give a regular file")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            content = file.read(max_bytes + 1)
    except OSError as error:
        raise _whole_file(str(path), f"cannot be read: {error.strerror}", "") from error
    finally:
        os.close(descriptor)
    if len(content) > max_bytes:
        size = max(status.st_size, len(content))
        raise _whole_file(str(path), f"has {size} bytes, more than the {max_bytes} allowed", "make it smaller")
    return content


def _whole_file(name: str, what: str, hint: str) -> FileErrors:
    return FileErrors([Problem(name, 0, 0, "", what, hint)])


def _position(before: str) -> tuple[int, int]:
    """Return line and column, from 1, of the character after `before`."""
    line, start = 1, 0
    for end in _LINE_END.finditer(before):
        line, start = line + 1, end.end()
    return line, len(before) - start + 1
