"""The command `magnon-lab` and its groups."""

from __future__ import annotations

from typing import Annotated

import typer

from magnon_lab import __version__
from magnon_lab.cli import bench, campaign, gui, procedures, queue, run, runs, steer, watch

app = typer.Typer(
    name="magnon-lab",
    help="Run the bench of a magnonic auto-oscillation ring, and train networks through it.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)
app.command("gui")(gui.gui)
app.command("run")(run.run)
app.command("pause")(steer.pause)
app.command("stop")(steer.stop)
app.command("abort")(steer.abort)
app.command("set")(steer.set_quantity)
app.command("resume")(steer.resume)
app.command("watch")(watch.watch)
app.command("campaign")(campaign.campaign)
app.add_typer(runs.app, name="runs")
app.add_typer(queue.app, name="queue")
app.add_typer(bench.app, name="bench")
app.add_typer(procedures.app, name="procedures")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Run the bench of a magnonic auto-oscillation ring, and train networks through it."""
