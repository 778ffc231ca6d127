"""`magnon-lab procedures`: what can be run, and with which parameters."""

from __future__ import annotations

import inspect
from typing import Annotated, Any

import typer
from rich.table import Table

from magnon_lab.cli.options import JsonOption, out, print_json, told

app = typer.Typer(help="What can be run, and with which parameters.", no_args_is_help=True)


def _first_line(thing: object) -> str:
    return (inspect.getdoc(thing) or "").partition("\n")[0]


@app.command("list")
def list_procedures(as_json: JsonOption = False) -> None:
    """List the procedures that come with the program."""
    from procedures import PROCEDURES, load_procedure

    with told(as_json):
        lines = {name: _first_line(load_procedure(name)) for name in PROCEDURES}
        if as_json:
            print_json(lines)
            return
        table = Table("procedure", "what it does", box=None)
        for name, text in lines.items():
            table.add_row(name, text)
        out.print(table)


@app.command("show")
def show(
    procedure: Annotated[str, typer.Argument(help="A name, or path/to/file.py[:Class].")],
    as_json: JsonOption = False,
) -> None:
    """Show the parameters of a procedure: name, default, unit, what is allowed, meaning."""
    from procedures import load_procedure
    from procedures.parameters import allowed

    with told(as_json):
        cls = load_procedure(procedure, by_hand=True)
        parameters: dict[str, Any] = cls()._parameters
        if as_json:
            print_json(
                {
                    name: {
                        "name": parameter.name,
                        "default": parameter.default,
                        "units": getattr(parameter, "units", None),
                        "allowed": allowed(parameter),
                        "description": parameter.description,
                    }
                    for name, parameter in parameters.items()
                }
            )
            return
        out.print(_first_line(cls), style="bold")
        table = Table("parameter", "default", "allowed", "meaning", box=None)
        for name, parameter in parameters.items():
            table.add_row(
                name, str(parameter), allowed(parameter), parameter.description or parameter.name
            )
        out.print(table)
