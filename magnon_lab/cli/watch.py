"""`magnon-lab watch RUN`: how any run gets on, from its run file alone."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Group
from rich.live import Live
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from magnon_lab.cli.options import (
    DEFAULT_RUNS,
    JsonOption,
    RunArgument,
    RunsOption,
    err,
    out,
    print_json,
    told,
)

if TYPE_CHECKING:
    from magnon_lab.runs import RunFile

#: How often (s) the run file is read, and how often a plain line is written.
LOOK_S, LINE_S = 0.5, 5.0

#: States in which more is to come.
AT_WORK = ("queued", "running", "paused")

#: Most points that are kept of a curve.
POINTS = 2_000

FIGURES = {
    "loss": "loss",
    "accuracy": "accuracy",
    "learning_rate": "learning rate",
    "gradient_snr": "gradient SNR",
    "bench_time_s": "bench time (s)",
}

BARS = "▁▂▃▄▅▆▇█"


class Curves:
    """Figures of the steps so far: thinned out as they get many, read as they come."""

    def __init__(self, run: RunFile) -> None:
        self._run = run
        self._every = max(1, math.ceil(run.summary().steps / POINTS))
        self.last: dict[str, Any] = {}
        self.values: dict[str, list[float]] = {"loss": [], "accuracy": []}

    def read(self) -> None:
        """Take in the steps that came since the last time."""
        after = int(self.last.get("step", -1))
        new = self._run.steps(after=after, every=self._every if after < 0 else 1)
        if not len(new["step"]):
            return
        self.last = {name: column[-1].item() for name, column in new.items()}
        for name, kept in self.values.items():
            kept.extend(new[name].tolist())
            while len(kept) > POINTS:
                del kept[::2]


def watch(run: RunArgument, runs: RunsOption = DEFAULT_RUNS, as_json: JsonOption = False) -> None:
    """Show how a run gets on until it ends; it runs on whether it is watched or not.

    Ctrl-C ends the watching alone.
    """
    from magnon_lab.runs import RunsFolder

    with told(as_json), RunsFolder(runs).find(run) as found:
        curves = Curves(found)
        with contextlib.suppress(KeyboardInterrupt):
            if out.is_terminal and not as_json:
                _live(found, curves)
            else:
                _lines(found, curves)
        curves.read()
        if as_json:
            print_json({"run": found.id, "status": found.status, **curves.last})


def _live(run: RunFile, curves: Curves) -> None:
    with Live(console=out, auto_refresh=False) as live:
        while True:
            status = run.status
            curves.read()
            live.update(_picture(run, curves), refresh=True)
            if status not in AT_WORK:
                return
            time.sleep(LOOK_S)


def _lines(run: RunFile, curves: Curves) -> None:
    """Write a line now and then, and at the first, the last and each change of the status."""
    before, wrote = "", -math.inf
    while True:
        status = run.status
        curves.read()
        if status != before or time.monotonic() - wrote > LINE_S:
            err.print(f"{status}  {_figures(run, curves)}".rstrip(), markup=False)
            before, wrote = status, time.monotonic()
        if status not in AT_WORK:
            return
        time.sleep(LOOK_S)


def _picture(run: RunFile, curves: Curves) -> Group:
    info = run.info()
    head = f"{run.id}  {info['status']}" + (f": {info['message']}" if info["message"] else "")
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    width = max(20, out.width - 40)
    for name, values in curves.values.items():
        if np.isfinite(values).any():
            table.add_row(name, f"{curves.last[name]:.4g}", sparkline(values, width))
    for name, text in (
        ("measured", ", ".join(f"{purpose} {n}" for purpose, n in run.counts().items())),
        ("figures", _figures(run, curves)),
    ):
        table.add_row(name, "", text)
    for one in run.evaluations()[-3:]:
        table.add_row(f"{one.split}, step {one.step}", "", f"accuracy {one.accuracy:.4g}")
    parts: list[Any] = [Text(head, style="bold")]
    if info["simulated"]:
        parts.append(Text("simulated bench", style="black on yellow"))
    done = run.part_done()
    if done is not None:
        parts.append(Padding(ProgressBar(total=1.0, completed=done), 0))  # a line of its own
    lines = [f"{one.kind}: {one.message}" for one in run.events(newest=3)]
    return Group(*parts, table, Text("\n".join(lines), style="dim"))


def _figures(run: RunFile, curves: Curves) -> str:
    """Return the newest figures in one line."""
    measured = sum(run.counts().values())
    words = [f"measured {measured}"] if measured else []
    if curves.last:
        words.insert(0, f"step {curves.last['step']}")
    for name, label in FIGURES.items():
        value = curves.last.get(name, math.nan)
        if math.isfinite(value):
            words.append(f"{label} {value:.4g}")
    return "  ".join(words)


def sparkline(values: Sequence[float], width: int) -> str:
    """Return a curve as one line of at most `width` block characters, the mean of each part."""
    finite = np.array([value for value in values if math.isfinite(value)])
    if not len(finite):
        return ""
    means = np.array([part.mean() for part in np.array_split(finite, min(width, len(finite)))])
    low, high = float(means.min()), float(means.max())
    scale = (len(BARS) - 1) / (high - low) if high > low else 0.0
    return "".join(BARS[round((value - low) * scale)] for value in means.tolist())
