"""What an error means to the user: the first of our own, or the machine's refusal as one."""

import os

from hyperward.errors import HyperwardError, SystemFault


def explain(error: BaseException) -> HyperwardError | None:
    """Return the error as one that can be printed as a line; None for a fault of the program itself.

    Args:
        error: what came up; of a group of tasks the first that can be explained counts.
    """
    if isinstance(error, HyperwardError):
        return error
    if isinstance(error, BaseExceptionGroup):
        return next((known for known in map(explain, error.exceptions) if known is not None), None)
    if isinstance(error, OSError):
        names = [os.fsdecode(name) for name in (error.filename, error.filename2) if isinstance(name, str | bytes)]
        what = error.strerror or str(error) or type(error).__name__
        return SystemFault(
            what, where=" and ".join(names), hint="repeat the command with --debug before it for details"
        )
    return None
