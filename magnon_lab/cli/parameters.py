"""From a configuration file and `-p name=value` to a procedure with checked parameters."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pymeasure.experiment import Parameter, Procedure

from magnon_lab.cli.errors import BadInputError
from procedures.base import Held
from procedures.parameters import allowed


def read_configuration(path: Path) -> dict[str, Any]:
    """Return the mapping that a YAML configuration file holds: `procedure` and parameters.

    Raises `BadInputError` for a missing file, or one that is not a flat mapping in YAML.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInputError(f"configuration file {path}: cannot be read: {error}") from error
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise BadInputError(f"configuration file {path}: not valid YAML: {error}") from error
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise BadInputError(f"configuration file {path}: expected lines of the form `name: value`")
    return content


def read_assignments(assignments: Sequence[str]) -> dict[str, str]:
    """Return what `-p name=value` options say. Raises `BadInputError`."""
    result = {}
    for text in assignments:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise BadInputError(f"parameter {text!r}: expected name=value")
        result[name.strip()] = value.strip()
    return result


def asked_for(
    procedure: str | None, config: Path | None, assignments: Sequence[str]
) -> tuple[str, dict[str, Any]]:
    """Return which procedure is to be run, and with which values. Raises `BadInputError`."""
    values: dict[str, Any] = read_configuration(config) if config is not None else {}
    named = values.pop("procedure", None)
    name = procedure or named
    if name is None:
        raise BadInputError("no procedure: name one, or give --config a file with `procedure: …`")
    if procedure and named and procedure != named:
        raise BadInputError(f"procedure {procedure!r} was asked for, but {config} is for {named!r}")
    return name, values | read_assignments(assignments)


def build_procedure(cls: type[Procedure], values: Mapping[str, Any]) -> Procedure:
    """Return an instance of `cls` with `values` set and checked.

    Raises `BadInputError` naming the parameter, the value, its unit and what is allowed.
    """
    procedure = cls()
    parameters: dict[str, Parameter] = procedure._parameters
    for name, value in values.items():
        if name not in parameters:
            near = difflib.get_close_matches(name, parameters, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise BadInputError(
                f"parameter {name!r} is not known to {cls.__name__}{hint} "
                f"(it has {', '.join(parameters)})"
            )
        parameter = parameters[name]
        try:
            procedure.set_parameters({name: value})
        except (ValueError, TypeError) as error:
            raise BadInputError(_refusal(name, value, parameter)) from error
        number = getattr(procedure, name)
        left_to_bench = isinstance(parameter, Held) and math.isnan(number)
        if isinstance(number, float) and not math.isfinite(number) and not left_to_bench:
            raise BadInputError(_refusal(name, value, parameter))
    missing = [name for name in parameters if getattr(procedure, name) is None]
    if missing:
        raise BadInputError(f"{cls.__name__} needs {', '.join(missing)}: give -p {missing[0]}=…")
    return procedure


def _refusal(name: str, value: Any, parameter: Parameter) -> str:
    return f"parameter {name} = {value!r} is refused: {parameter.name} takes {allowed(parameter)}"
