"""What each kind of error means to whoever called: a message on stderr and an exit code."""

from __future__ import annotations

import enum

from magnon_lab.bench import BenchError, BenchFileError, LimitError
from magnon_lab.runs import RunError
from procedures import ProcedureNotFoundError


class Failure(enum.IntEnum):
    """Exit codes of every command."""

    NONE = 0
    FAILED = 1
    BAD_INPUT = 2
    REFUSED = 3
    INTERRUPTED = 4
    CTRL_C = 130


class BadInputError(ValueError):
    """Something that the user typed or a file of the user's is wrong."""


def exit_code_of(error: BaseException | None) -> Failure:
    """Return the exit code that tells this error."""
    match error:
        case KeyboardInterrupt():
            return Failure.CTRL_C
        case LimitError():
            return Failure.REFUSED
        case BadInputError() | BenchFileError() | ProcedureNotFoundError():
            return Failure.BAD_INPUT
        case _:
            return Failure.FAILED


#: Errors whose message says all there is to say: they are shown without a traceback.
EXPECTED = (
    BadInputError,
    BenchError,
    BenchFileError,
    ProcedureNotFoundError,
    RunError,
    KeyboardInterrupt,
)
