"""`magnon-lab bench fault`: let something go wrong in a served laboratory, to see what follows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from magnon_lab.cli.options import BenchOption, JsonOption, out, print_json, told

if TYPE_CHECKING:
    from magnon_lab.bench import BenchFile
    from magnon_lab.bench.session import Session


def fault(
    kind: Annotated[
        str | None,
        typer.Argument(help="timeout, hang, cut, trip, ...; without it, faults are listed."),
    ] = None,
    role: Annotated[str | None, typer.Option("--role", help="Of the instrument.")] = None,
    at: Annotated[int | None, typer.Option("--at", help="At the n-th occasion from now.")] = None,
    probability: Annotated[
        float | None, typer.Option("--probability", help="Of each occasion, 0 to 1.")
    ] = None,
    count: Annotated[int | None, typer.Option("--count", help="How often at most.")] = None,
    duration: Annotated[
        float | None, typer.Option("--duration", metavar="S", help="How long, in seconds.")
    ] = None,
    command: Annotated[
        str | None, typer.Option("--command", metavar="HEADER", help="Only at these messages.")
    ] = None,
    measurement: Annotated[
        int | None, typer.Option("--measurement", metavar="N", help="Only in this measurement.")
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Of what is by chance.")] = None,
    key: Annotated[
        list[str] | None,
        typer.Option("-k", "--key", metavar="NAME=VALUE", help="A further key, as quantity=..."),
    ] = None,
    clear: Annotated[
        bool, typer.Option("--clear", help="First disarm all faults and end those that last.")
    ] = False,
    bench: BenchOption = None,
    as_json: JsonOption = False,
) -> None:
    """Arm a fault in a laboratory that `bench serve` serves, and list the faults.

    Kinds and their keys stand at the head of sim_instruments.yaml. Nothing of this exists on a real
    bench.
    """
    from magnon_lab.bench import BenchFile
    from magnon_lab.cli.errors import BadInputError

    with told(as_json):
        given: dict[str, Any] = {
            "at": at,
            "probability": probability,
            "count": count,
            "duration_s": duration,
            "command": command,
            "measurement": measurement,
            "seed": seed,
        }
        for text in key or ():
            name, separator, value = text.partition("=")
            if not separator:
                raise BadInputError(f"--key {text!r}; allowed: name=value")
            given[name] = value
        given = {name: value for name, value in given.items() if value is not None}
        if kind is None and (given or role is not None):
            raise BadInputError("no kind of fault was given")
        session = _session(BenchFile.load(bench))
        refused = ""
        try:
            with session as laboratory:
                if clear:
                    laboratory.clear_faults()
                if kind is not None:
                    refused = _arm(laboratory, kind, role or "", given)
                armed, happened = laboratory.faults, laboratory.faults_happened
        finally:
            session.close()
        if refused:
            raise BadInputError(refused)
        if as_json:
            print_json({"armed": armed, "happened": happened})
            return
        for title, entries in (("armed", armed), ("happened", happened)):
            for entry in entries:
                words = " ".join(f"{name}={value}" for name, value in entry.items())
                out.print(f"{title}: {words}", markup=False)
            if not entries:
                out.print(f"{title}: none")


def _arm(laboratory: Any, kind: str, role: str, keys: dict[str, Any]) -> str:
    """Arm a fault; return why it was refused, nothing if it was not."""
    try:
        laboratory.add_fault(kind, role, **keys)
    except ValueError as error:
        return str(error)
    return ""


def _session(bench_file: BenchFile) -> Session:
    """Return a session with a served laboratory. Raises `BadInputError` if there is none."""
    from magnon_lab.bench.session import Session
    from magnon_lab.cli.errors import BadInputError

    role = bench_file.model.roles.laboratory
    if role is None:
        raise BadInputError(f"bench file {bench_file.path}: there is no simulated laboratory")
    if bench_file.in_process:
        raise BadInputError(
            f"bench file {bench_file.path}: its laboratory lives inside the program that uses it; "
            "serve it (magnon-lab bench serve --write-bench FILE), or write the fault into "
            "`laboratory: faults:` of its definition file"
        )
    return Session("laboratory", role, bench_file.visa_library)
