"""A procedure's parameters as a form: headings, texts, what is wrong with them, an estimate."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from pymeasure.experiment import (
    BooleanParameter,
    FloatParameter,
    IntegerParameter,
    ListParameter,
    Parameter,
    Procedure,
    VectorParameter,
)

from magnon_lab.bench import BenchError, BenchFile
from magnon_lab.gui.model.form_text import estimate_text, number_text, range_text
from magnon_lab.runs import RunError, RunsFolder
from procedures import ProcedureNotFoundError, load_procedure
from procedures.base import Held, RingProcedure
from procedures.concerns import Concerns
from procedures.context import Context
from procedures.parameters import allowed

Texts = Mapping[str, str]
"""What stands in the fields, by the parameter's name."""

FIRST_GROUP = "Settings"
"""The heading of what a procedure puts under none."""

WHOLE = ""
"""Where a problem stands that is of no single field."""


@dataclass(frozen=True)
class Field:
    """One parameter: what it is called, and what it takes.

    `kind`: "number", "whole", "choice", "yes", "vector" or "text". `left`: it may be left empty for
    the bench file to say. `default`: the text that it begins with.
    """

    name: str
    label: str
    kind: str
    unit: str
    range: str
    description: str
    default: str
    left: bool
    parameter: Parameter = field(repr=False, compare=False)
    choices: tuple[str, ...] = ()
    meanings: Mapping[str, str] = field(default_factory=dict)

    def text(self, value: Any) -> str:
        """Return the text that stands for a value; empty for none."""
        if value is None or (isinstance(value, float) and math.isnan(value)):
            return ""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return str(value)
        return number_text(value)

    def value(self, text: str) -> Any:
        """Return the value that a text says, None where it is left to the bench file.

        Raises `ValueError` that says what is taken.
        """
        if not text.strip() and self.left:
            return None
        try:
            value = self.parameter.convert(text.strip() if self.kind != "text" else text)
        except (ValueError, TypeError, IndexError) as error:
            raise ValueError(f"{self.label} takes {self.takes}") from error
        if isinstance(value, float) and not math.isfinite(value) and not self.left:
            raise ValueError(f"{self.label} takes {self.takes}")
        return None if isinstance(value, float) and math.isnan(value) else value

    @property
    def takes(self) -> str:
        """What it takes, in words."""
        return f"{allowed(self.parameter)}, or nothing" if self.left else allowed(self.parameter)

    @property
    def tip(self) -> str:
        """What it means, what it takes, and what it is called on the command line."""
        lines = [self.description, f"Takes {self.takes}."]
        if self.default:
            lines.append(f"Default: {self.default}{f' {self.unit}' if self.unit else ''}.")
        lines.append(f"On the command line: -p {self.name}=…")
        return "\n".join(line for line in lines if line)


@dataclass(frozen=True)
class Hint:
    """What an empty field comes to, in a word and a sentence; `of_use`: whether it can be set."""

    short: str = ""
    long: str = ""
    of_use: bool = True


class Form:
    """The form of a procedure at a bench file, for a folder of runs.

    `reference`, `by_hand`: as `load_procedure` takes them, whose `ProcedureNotFoundError` is
    raised. The script of a user is read anew each time.
    """

    def __init__(
        self,
        reference: str,
        bench_file: BenchFile | None,
        runs: Path,
        by_hand: bool = False,
    ) -> None:
        self.reference = reference
        self.bench_file = bench_file
        self.runs = runs
        self.cls = _load(reference, by_hand)
        self.fields = {
            name: self._field(name, parameter) for name, parameter in _parameters(self.cls).items()
        }

    @property
    def guarded(self) -> bool:
        """Whether it runs on our bench, under its limits."""
        return issubclass(self.cls, RingProcedure)

    @property
    def summary(self) -> str:
        """What the procedure does, in a sentence."""
        return (self.cls.__doc__ or "").strip().partition("\n")[0]

    @cached_property
    def groups(self) -> dict[str, tuple[Field, ...]]:
        """The fields by their heading, in order."""
        headings: Mapping[str, tuple[str, ...]] = getattr(self.cls, "groups", {})
        grouped = {name for names in headings.values() for name in names}
        rest = tuple(one for name, one in self.fields.items() if name not in grouped)
        found = {FIRST_GROUP: rest} if rest else {}
        for heading, names in headings.items():
            if here := tuple(self.fields[name] for name in names if name in self.fields):
                found[heading] = here
        return found

    def _field(self, name: str, parameter: Parameter) -> Field:
        kinds = (
            (FloatParameter, "number"),
            (IntegerParameter, "whole"),
            (BooleanParameter, "yes"),
            (ListParameter, "choice"),
            (VectorParameter, "vector"),
        )
        kind = next((kind for cls, kind in kinds if isinstance(parameter, cls)), "text")
        low, high = getattr(parameter, "minimum", None), getattr(parameter, "maximum", None)
        held = isinstance(parameter, Held)
        if held and self.bench_file is not None:
            low, high = self.bench_file.limits.ranges.get(name, (low, high))
        blank = Field("", "", kind, "", "", "", "", False, parameter)
        meanings: Mapping[str, Mapping[str, str]] = getattr(self.cls, "meanings", {})
        unit = str(getattr(parameter, "units", None) or "")
        description = str(parameter.description or "")
        return Field(
            name=name,
            label=parameter.name,
            kind=kind,
            unit=unit,
            range="" if low is None or high is None else range_text(low, high),
            description=description.replace("nan: as the bench file holds it", "").strip()
            + (" Empty: as the bench file holds it." if held else ""),
            default="" if parameter.default is None else blank.text(parameter.default),
            left=held,
            parameter=parameter,
            choices=tuple(str(one) for one in getattr(parameter, "choices", None) or ()),
            meanings=meanings.get(name, {}),
        )

    # Texts and values

    def defaults(self) -> dict[str, str]:
        """Return the texts that the form begins with."""
        return {name: one.default for name, one in self.fields.items()}

    def texts(self, values: Mapping[str, Any]) -> tuple[dict[str, str], list[str]]:
        """Return the texts for values of a preset or a past run, and the names not known here.

        A held quantity that is as this bench file holds it stays empty.
        """
        texts = self.defaults()
        held = self._held_by_file()
        for name, value in values.items():
            one = self.fields.get(name)
            if one is not None:
                same = one.left and isinstance(value, int | float) and held.get(name) == value
                texts[name] = "" if same else one.text(value)
        return texts, [name for name in values if name not in self.fields]

    def values(self, texts: Texts) -> dict[str, Any]:
        """Return the values that differ from the defaults. Raises `ValueError` for a wrong text."""
        found = {}
        for name, one in self.fields.items():
            value = one.value(texts[name])
            if value is not None and value != one.parameter.default:
                found[name] = value
        return found

    def changed(self, texts: Texts) -> dict[str, str]:
        """Return the texts, as a command line takes them, that differ from the defaults."""
        return {name: str(value) for name, value in self.values(texts).items()}

    def is_changed(self, name: str, text: str) -> bool:
        """Return whether the text of one field says something else than its default."""
        try:
            value = self.fields[name].value(text)
        except ValueError:
            return True
        default = self.fields[name].parameter.default
        return value is not None and value != default

    def hint(self, name: str, texts: Texts) -> Hint:
        """Return what an empty field of a held quantity comes to."""
        one, bench_file = self.fields[name], self.bench_file
        if not one.left or bench_file is None:
            return Hint()
        if name not in bench_file.quantities:
            return Hint("(none)", "This bench has no instrument for it.", of_use=False)
        turned = [part.strip() for part in texts.get("knobs", "").split(",")]
        knob = bench_file.knobs.get(name)
        if getattr(self.cls, "reads_runs", False):
            return Hint("(as trained)", "Empty: as in the training.")
        if name in turned and knob is not None:
            told = range_text(knob.low, knob.high)
            return Hint("(turned)", f"Turned by the network: {told} {one.unit}.")
        if name in bench_file.hold:
            value = number_text(bench_file.hold[name])
            return Hint(f"({value})", f"Empty: {value} {one.unit}, as the bench file holds it.")
        value = number_text(bench_file.idle(name))
        return Hint(f"({value})", f"Empty: {value} {one.unit}, where it does least.")

    def _held_by_file(self) -> dict[str, float]:
        bench_file = self.bench_file
        if bench_file is None or not self.guarded:
            return {}
        return {name: bench_file.idle(name) for name in bench_file.quantities} | bench_file.hold

    def shown(self, texts: Texts) -> set[str]:
        """Return the names of the fields to show.

        `concerns` and PyMeasure's `group_by` hide what is of no use, but nothing that differs from
        its default: it would be sent unseen.
        """
        concerns: Concerns = getattr(self.cls, "concerns", {})
        values = {}
        for name, one in self.fields.items():
            try:
                values[name] = one.value(texts[name])
            except ValueError:
                values[name] = None
        return {
            name
            for name, one in self.fields.items()
            if self.is_changed(name, texts[name])
            or all(
                other not in values or _holds(condition, values[other])
                for other, condition in {**concerns.get(name, {}), **one.parameter.group_by}.items()
            )
        }

    # What is wrong, and what it will take

    def check(self, texts: Texts) -> dict[str, str]:
        """Return what is wrong, in words, by field; what concerns no single one under `WHOLE`."""
        problems: dict[str, str] = {}
        for name, one in self.fields.items():
            try:
                value = one.value(texts[name])
            except ValueError as error:
                problems[name] = str(error)
                continue
            if (value in (None, "") and one.parameter.default is None) or (
                value is None and not one.left
            ):
                problems[name] = f"{one.label} must be given: it takes {one.takes}"
        if not self.guarded:
            return problems
        if self.bench_file is None:
            return problems | {WHOLE: "There is no bench file that could be used"}
        procedure = self._procedure({**texts, **dict.fromkeys(problems, "")})
        for name in problems:
            setattr(procedure, name, self.fields[name].parameter.default)
        try:
            procedure.check()
        except Exception as error:  # a script that is not ours may raise anything
            problems.setdefault(self.field_of(str(error), texts), str(error))
        return problems

    def estimate(self, texts: Texts) -> str:
        """Return about what a run will take; may read runs, so it may take a while.

        Raises `ValueError`, `RunError` or `BenchError` for what cannot work.
        """
        if not self.guarded or self.bench_file is None:
            return "How long it takes is not known: it opens its instruments by itself."
        procedure = self._procedure(texts)
        found = procedure.estimate()
        if found is None:
            return "How long it takes is not known."
        silent = not procedure.uses_bench
        return estimate_text(found.measurements, found.bench_time_s, silent)

    def _procedure(self, texts: Texts) -> RingProcedure:
        assert self.bench_file is not None
        procedure = self.cls()
        assert isinstance(procedure, RingProcedure)
        for name, one in self.fields.items():
            if texts[name].strip() or one.kind == "text":
                value = one.value(texts[name])
                if value is not None:
                    procedure.set_parameters({name: value})
        procedure.context = Context(bench_file=self.bench_file, runs=RunsFolder(self.runs))
        return procedure

    def field_of(self, message: str, texts: Texts) -> str:
        """Return the field that a refusal is about, `WHOLE` where none can be told.

        Messages name the parameter that they are about first, or give it as `name = value`.
        """
        names = "|".join(re.escape(name) for name in sorted(self.fields, key=len, reverse=True))
        for pattern in (rf"^\W*(?:parameter\W+)?({names})\b", rf"\b({names})\s*[=:]"):
            if names and (found := re.search(pattern, message)):
                return found.group(1)
        for name, one in self.fields.items():
            if one.kind == "text" and len(texts[name]) > 3 and texts[name] in message:
                return name
        return WHOLE


REFUSALS = (ValueError, RunError, BenchError, ProcedureNotFoundError)
"""What `Form` raises for something that the user gave."""


def _load(reference: str, by_hand: bool) -> type[Procedure]:
    try:
        return load_procedure(reference, by_hand=by_hand)
    except SystemExit as error:  # a script that ends itself must not end the window
        raise ProcedureNotFoundError(
            f"script {reference} ends the program when it is read (exit code {error.code})"
        ) from error


def _holds(condition: Any, value: Any) -> bool:
    """Return whether a condition of PyMeasure's `group_by` holds; one that fails hides nothing."""
    if not callable(condition):
        return bool(value == condition)
    try:
        return bool(condition(value))
    except Exception:  # of a script that is not ours, for a value that may be wrong
        return True


def _parameters(cls: type[Procedure]) -> dict[str, Parameter]:
    """Return the parameters by name in the order in which they are written down."""
    try:
        found: dict[str, Parameter] = cls()._parameters
    except Exception as error:  # a script that is not ours may do anything when it is made
        raise ProcedureNotFoundError(
            f"{cls.__name__} cannot be made: {type(error).__name__}: {error}"
        ) from error
    written = [name for one in reversed(cls.__mro__) for name in vars(one)]
    return dict(sorted(found.items(), key=lambda item: written.index(item[0])))
