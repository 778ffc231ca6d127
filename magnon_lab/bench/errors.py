"""What can go wrong at a bench, told so that whoever stands there knows what to do."""

from __future__ import annotations


class BenchError(Exception):
    """Anything the bench refuses or fails at."""


class BenchFileError(BenchError):
    """The bench file is wrong; the message names key, value, unit and what is allowed."""


class CustodyError(BenchError):
    """What keeps the bench for this process alone, or safe without it, is lost."""


class LimitError(BenchError):
    """A setting was refused before anything was sent; nothing has changed at the bench."""


class ConnectionFailed(BenchError):  # noqa: N818  # ConnectionError is taken, by Python
    """An instrument cannot be reached."""


class InstrumentError(BenchError):
    """An instrument answered with an error, not as asked, or not at all."""


class ReadBackError(InstrumentError):
    """A setting was sent, but reads back as something else."""


class OutputLostError(InstrumentError):
    """An output is off that was switched on: nothing to try again, someone must look."""
