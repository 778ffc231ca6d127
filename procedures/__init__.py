"""Experiments of the bench as PyMeasure procedures, one file each.

This page names them without importing any, so that a menu or `--help` opens in a blink.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from pathlib import Path

from pymeasure.experiment import Procedure

PROCEDURES: dict[str, str] = {
    "spectrum": "procedures.spectrum:Spectrum",
    "gain_sweep": "procedures.gain_sweep:GainSweep",
    "train": "procedures.train:Train",
    "evaluate": "procedures.evaluate:Evaluate",
    "hand": "procedures.hand:Hand",
}


class ProcedureNotFoundError(ValueError):
    """A name or a path that leads to no PyMeasure procedure."""


def load_procedure(reference: str, *, by_hand: bool = False) -> type[Procedure]:
    """Return the procedure class that `reference` names.

    `reference` is a name of `PROCEDURES`, or `path/to/file.py`, or `path/to/file.py:Class` where a
    script holds several. A script is executed, so it must be given `by_hand`, or have been before
    (see `consent`). Raises `ProcedureNotFoundError`.
    """
    if reference in PROCEDURES:
        module, _, name = PROCEDURES[reference].partition(":")
        found = getattr(importlib.import_module(module), name)
        assert issubclass(found, Procedure)
        return found
    file, _, name = reference.partition(":")
    if not file.endswith(".py"):
        raise ProcedureNotFoundError(
            f"procedure {reference!r} is not known; known are {', '.join(PROCEDURES)}, "
            "or give a script of your own as path/to/file.py or path/to/file.py:Class"
        )
    return _from_script(Path(file), name, by_hand)


def _from_script(path: Path, name: str, by_hand: bool) -> type[Procedure]:
    from procedures import consent

    if not path.is_file():
        raise ProcedureNotFoundError(f"script {path} does not exist")
    try:
        source = path.read_bytes()
    except OSError as error:
        raise ProcedureNotFoundError(f"script {path} cannot be read: {error.strerror}") from error
    if by_hand:
        consent.take(path, source)
    elif not consent.is_taken(path, source):
        raise ProcedureNotFoundError(
            f"script {path} was not executed: a file names it, and you have not given it by hand, "
            f"or it has changed since. If you trust it: magnon-lab procedures show {path}"
        )
    module_name = f"magnon_lab_script_{path.stem}"
    spec = importlib.util.spec_from_file_location(module_name, path)
    assert spec is not None  # its name ends in .py
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module  # PyMeasure looks a procedure's module up by its name
    try:
        exec(compile(source, str(path), "exec"), vars(module))  # just what was looked at
    except Exception as error:  # anything at all may be wrong in a script that is not ours
        raise ProcedureNotFoundError(
            f"script {path} failed while it was read: {type(error).__name__}: {error}"
        ) from error
    own = {
        key: value
        for key, value in vars(module).items()
        if inspect.isclass(value)
        and issubclass(value, Procedure)
        and value.__module__ == module_name
    }
    if name:
        if name not in own:
            raise ProcedureNotFoundError(
                f"script {path} has no PyMeasure procedure {name!r}; "
                f"it has {', '.join(own) or 'none'}"
            )
        return own[name]
    if len(own) != 1:
        raise ProcedureNotFoundError(
            f"script {path} holds no class derived from pymeasure.experiment.Procedure"
            if not own
            else f"script {path} holds several procedures; name one: "
            + ", ".join(f"{path}:{key}" for key in own)
        )
    return next(iter(own.values()))
