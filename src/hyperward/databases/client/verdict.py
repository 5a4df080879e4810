"""From what the TUF library refuses to the name of the attack, as one line. Pure."""

from typing import Final

from tuf.api import exceptions

from hyperward.databases import errors
from hyperward.errors import HyperwardError

_STAYS: Final = "the active version stays"
_TELL: Final = f"{_STAYS}; tell the publisher, or use another source"
_VERDICTS: Final[tuple[tuple[type[Exception], type[HyperwardError], str, str], ...]] = (
    (
        exceptions.UnsignedMetadataError,
        errors.WrongKeyError,
        "{file} is not signed by the keys that this installation trusts ({error})",
        f"{_STAYS}; check that the source belongs to the trusted root",
    ),
    (
        exceptions.ExpiredMetadataError,
        errors.FrozenError,
        "{error}: what the source offers is out of date, held back or no longer kept up",
        f"{_STAYS}; check this machine's clock, or have the publisher refresh the repository",
    ),
    (
        exceptions.DownloadLengthMismatchError,
        errors.EndlessError,
        "{file} is longer than it may be ({error})",
        _TELL,
    ),
    (
        exceptions.LengthOrHashMismatchError,
        errors.TamperedError,
        "{file} is not the file that was signed ({error})",
        _TELL,
    ),
    (
        exceptions.DownloadHTTPError,
        errors.SourceFault,
        "there is no {file}",
        "check the address; a mirror may be copied in part, try again later",
    ),
    (Exception, errors.TamperedError, "{file} is no metadata ({error})", _TELL),
)


def verdict(error: Exception, file: str, place: str) -> HyperwardError:
    """Return what an error of the library means.

    Args:
        error: that it raised.
        file: the metadata file at hand, `timestamp.json`, `3.targets.json`.
        place: the source.
    """
    text = str(error)
    if isinstance(error, exceptions.BadVersionNumberError):
        if _goes_back(file, text):
            return errors.RolledBackError(
                f"{file} is older than what was seen before ({text})", where=place, hint=_TELL
            )
        return errors.MixedError(f"{file} is of another version ({text})", where=place, hint=_TELL)
    if "missing info" in text:
        return errors.RolledBackError(f"{file} lacks what was there before ({text})", where=place, hint=_TELL)
    kind, what, hint = next(row[1:] for row in _VERDICTS if isinstance(error, row[0]))
    return kind(what.format(file=file, error=text), where=place, hint=hint)


def _goes_back(file: str, text: str) -> bool:
    # a snapshot is refused for going back in what it lists ("Expected targets.json version"), or for not being the one
    # that the timestamp names ("Expected snapshot version")
    return file == "timestamp.json" or (file.endswith("snapshot.json") and "Expected snapshot" not in text)
