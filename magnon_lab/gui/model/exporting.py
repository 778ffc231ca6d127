"""Runs written for other programs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from magnon_lab.runs import RunFile
from magnon_lab.runs.export import export

FORMATS = {
    "NumPy archive, traces included (*.npz)": "npz",
    "netCDF for xarray, traces included (*.nc)": "nc",
    "CSV tables in a folder (*)": "csv",
    "Picture (*.png)": "png",
}
"""What can be written, as a file dialog names it."""


def export_runs(folders: Sequence[Path], path: Path, chosen: str) -> list[tuple[Path, Path]]:
    """Write runs in one of `FORMATS`; several go into the folder `path`, by their ids.

    Returns the folder of each run with what was written of it. Raises `RunError`.
    """
    kind = FORMATS[chosen]
    suffix = "" if kind == "csv" else f".{kind}"
    done = []
    for folder in folders:
        with RunFile.open(folder) as run:
            goal = path if len(folders) == 1 else path / run.id
            if suffix and goal.suffix != suffix:
                goal = goal.with_name(goal.name + suffix)
            if kind == "png":
                from magnon_lab.runs.plot import run_png  # brings matplotlib

                run_png(run, goal)
            else:
                export(run, goal, kind)
            done.append((folder, goal))
    return done
