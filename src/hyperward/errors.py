"""The error tree. Two levels: `HyperwardError`, and below it the kinds that callers tell apart.

Every error says what is wrong, where, and what to do, so that the command line can print it as one clear line.
"""

from collections.abc import Callable


class HyperwardError(Exception):
    """A failure that the user can understand and act on.

    Args:
        what: what is wrong, as one sentence without a full stop.
        where: the file with line, interface, command or setting concerned; empty when there is none.
        hint: what to do about it; empty when there is nothing to be done.
    """

    exit_code = 1

    def __init__(self, what: str, *, where: str = "", hint: str = "") -> None:
        self.what = what
        self.where = where
        self.hint = hint
        super().__init__(self.line())

    def __reduce__(self) -> tuple[Callable[..., "HyperwardError"], tuple[type["HyperwardError"], str, str, str]]:
        """Pickle with all parts, so that an error keeps them on its way out of a child process."""
        return _rebuilt, (type(self), self.what, self.where, self.hint)

    def line(self) -> str:
        """Return the error as one line, `where: what; hint`, with what cannot be printed escaped.

        Parts of it come from hostile files, and terminals obey control characters.
        """
        text = f"{self.where}: {self.what}" if self.where else self.what
        text = " ".join((f"{text}; {self.hint}" if self.hint else text).split())
        return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)


class InputError(HyperwardError):
    """A file, option or value from outside is wrong. Nothing was changed. Exit code 2."""

    exit_code = 2


class SystemFault(HyperwardError):  # noqa: N818 - "SystemError" is taken by Python
    """The machine lacks something: root, a kernel feature, a program, an interface. Exit code 1."""


class EngineFault(HyperwardError):  # noqa: N818 - reads as what it is: the engine failed, not our input
    """The IPS engine did not start, did not answer or refused a command. Exit code 1."""


def _rebuilt(kind: type[HyperwardError], what: str, where: str, hint: str) -> HyperwardError:
    error = kind.__new__(kind)
    HyperwardError.__init__(error, what, where=where, hint=hint)
    return error
