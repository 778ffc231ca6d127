"""`magnon-lab gui`: the windows."""

from __future__ import annotations

from typing import Annotated

import typer

from magnon_lab.cli.options import DEFAULT_RUNS, BenchOption, RunsOption, told


def gui(
    run: Annotated[
        str | None,
        typer.Argument(metavar="[RUN]", help="A run to open: latest, an id, or a path."),
    ] = None,
    runs: RunsOption = DEFAULT_RUNS,
    bench: BenchOption = None,
) -> None:
    """Open the window: launch, watch and steer runs. They go on when it is closed."""
    with told(as_json=False):
        from magnon_lab.gui.app import main
        from magnon_lab.runs import RunsFolder

        folder = None if run is None else RunsFolder(runs).path_of(run)
        raise typer.Exit(main(runs.resolve(), bench, folder))
