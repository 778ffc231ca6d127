"""A comparison as one picture: test accuracy against ring measurements, a panel for each task."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from magnon_lab.runs.comparing import ALONG, Group
from magnon_lab.runs.errors import RunError, told
from magnon_lab.runs.files import replacing
from magnon_lab.runs.plot import BLUE, GREEN, ORANGE, PURPLE, RED

COLOURS = (BLUE, ORANGE, GREEN, RED, PURPLE, "#56B4E9", "#000000", "#F0E442")
MARKERS = "os^vDP*"

PANEL = "task"
"""What each panel is for; where it does not vary there is one panel."""


def comparison_png(groups: Sequence[Group], path: Path | str) -> Path:
    """Draw groups into a PNG file and return its path.

    Each point is the mean over seeds, its bar the standard deviation. What takes no ring
    measurement is drawn as a line across. Raises `RunError` if there is nothing to draw.
    """
    if not groups:
        raise RunError("nothing to compare: no training here has ended with a test")
    path = Path(path)
    panels: dict[str, list[Group]] = {}
    for group in groups:
        panels.setdefault(str(group.values.get(PANEL, "")), []).append(group)
    lines = list(dict.fromkeys(_line(group) for group in groups))
    across = min(len(panels), 3)
    down = -(-len(panels) // across)
    figure = Figure(figsize=(4.6 * across + 2.2, 3.8 * down), dpi=130, layout="constrained")
    axes = np.ravel(figure.subplots(down, across, squeeze=False))
    for one, (panel, of_panel) in zip(axes, panels.items(), strict=False):
        _panel(one, of_panel, lines)
        one.set_title(panel)
    for one in axes[len(panels) :]:
        one.set_axis_off()
    handles = {
        label: handle
        for one in axes
        for handle, label in zip(*one.get_legend_handles_labels(), strict=True)
    }
    ordered = [line for line in lines if line in handles]
    figure.legend(
        [handles[line] for line in ordered], ordered, loc="outside right upper", fontsize=8
    )
    with told(path), replacing(path) as temporary:
        figure.savefig(temporary, format="png")
    return path


def _line(group: Group) -> str:
    told = [
        str(value) if name == "case" else f"{name.replace('_', ' ')} {value}"
        for name, value in group.values.items()
        if name not in (PANEL, *ALONG)
    ]
    return ", ".join(told) or "all"


def _panel(axes: Axes, groups: Sequence[Group], lines: Sequence[str]) -> None:
    for index, line in enumerate(lines):
        colour, marker = COLOURS[index % len(COLOURS)], MARKERS[index % len(MARKERS)]
        mine = sorted(
            (group for group in groups if _line(group) == line), key=lambda group: group.learning
        )
        measured = [group for group in mine if group.learning]
        if measured:
            axes.errorbar(
                [group.learning for group in measured],
                [group.accuracy for group in measured],
                [np.nan_to_num(group.spread) for group in measured],
                color=colour,
                marker=marker,
                ms=5,
                lw=1.2,
                capsize=2,
                label=line,
            )
        for group in mine:
            if not group.learning:
                axes.axhline(group.accuracy, color=colour, ls="--", lw=1.2, label=line)
                half = np.nan_to_num(group.spread)
                axes.axhspan(
                    group.accuracy - half, group.accuracy + half, color=colour, alpha=0.12, lw=0
                )
    if any(group.learning for group in groups):
        axes.set_xscale("log")
    axes.set(xlabel="Ring measurements for learning", ylabel="Test accuracy")
    axes.grid(alpha=0.3, which="both")
