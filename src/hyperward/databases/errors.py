"""Why a version was refused or could not be had: one class for each reason that events and tests tell apart."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hyperward.errors import InputError, SystemFault


class UntrustedError(InputError):
    """What the source offers must not be used. Nothing was changed."""


class WrongKeyError(UntrustedError):
    """Arbitrary software: not signed by enough of the keys that this installation trusts."""


class TamperedError(UntrustedError):
    """Bytes are not those that were signed, or no metadata at all."""


class RolledBackError(UntrustedError):
    """The source offers less than what was seen there before."""


class FrozenError(UntrustedError):
    """What the source offers has expired: it is held back, or its publisher is."""


class MixedError(UntrustedError):
    """Parts of different versions."""


class EndlessError(UntrustedError):
    """More bytes than were signed, on the wire or when expanded."""


class IncompatibleError(InputError):
    """The version needs a later Hyperward."""


class NothingPublishedError(InputError):
    """The repository is in order, but has no version yet."""


class SourceFault(SystemFault):
    """The source cannot be reached, or does not have the file. The next try goes on where this one ended."""


class SlowSourceFault(SourceFault):
    """The source sends too slowly."""


class SpaceFault(SystemFault):
    """No room on this machine."""


class BusyFault(SystemFault):
    """Another process works on the same folder."""


class DamagedError(InputError):
    """A version or ledger on this machine's disk is not what was written."""


@contextmanager
def disk_faults(where: Path) -> Iterator[None]:
    """Turn what the operating system says about the disk into one clear line.

    Raises:
        SpaceFault: no room, or the quota is used up.
        SystemFault: anything else.
    """
    try:
        yield
    except OSError as error:
        place = str(error.filename or where)
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise SpaceFault("there is no room on the disk", where=place, hint="make room and try again") from None
        raise SystemFault(f"the disk refuses ({error.strerror or error})", where=place) from None
