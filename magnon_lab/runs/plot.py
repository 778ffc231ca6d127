"""A run as one picture: learning curves of a training, traces of anything else."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from magnon_lab.runs.errors import RunError, told
from magnon_lab.runs.files import replacing
from magnon_lab.runs.reading import RunReader

#: Okabe and Ito's palette, which colour-blind readers can tell apart.
BLUE, ORANGE, GREEN, RED, PURPLE = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7"
SPLITS = {"train": ORANGE, "training": ORANGE, "validation": GREEN, "test": RED}
LABELS = {
    "drive_power_dbm": "Drive power (dBm)",
    "drive_frequency_hz": "Drive frequency (Hz)",
    "attenuation_db": "Loop attenuation (dB)",
    "field_mt": "Bias field (mT)",
    "amplifier_voltage_v": "Amplifier voltage (V)",
}

#: More steps or traces than these are thinned out before they are drawn.
MOST_STEPS, MOST_TRACES = 20_000, 2_000


def run_png(run: RunReader, path: Path | str) -> Path:
    """Draw a run into a PNG file and return its path.

    A run with steps is drawn as loss and accuracy against ring measurements, with its evaluations
    and the baselines of its summary: `summary["baselines"]` maps names to an accuracy (0..1), or
    to a mapping with `accuracy` and `loss`. Else its traces are drawn: over one another where one
    setting was measured, as an image with the peak power beside it where a knob was swept.
    Raises `RunError` if nothing was recorded yet, or the file cannot be written.
    """
    path = Path(path)
    summary = run.summary()
    info = run.info()
    figure = Figure(figsize=(9, 7), dpi=150, layout="constrained")
    if summary.steps:
        _learning(figure, run, info, every=math.ceil(summary.steps / MOST_STEPS))
    else:
        _traces(figure, run, info)
    _title(figure, info)
    with told(path), replacing(path) as temporary:
        figure.savefig(temporary, format="png")
    return path


def _title(figure: Figure, info: Mapping[str, Any]) -> None:
    estimator = info["configuration"].get("estimator")
    task = info["configuration"].get("task")
    parts = [info["procedure"], *(str(part) for part in (estimator, task) if part)]
    figure.suptitle(
        f"{' · '.join(parts)}\n{info['id']} · {info['status']} · seed {info['seed']}", fontsize=11
    )
    if info["simulated"]:
        figure.text(
            0.995,
            0.985,
            "SIMULATED BENCH",
            ha="right",
            va="top",
            fontsize=10,
            fontweight="bold",
            bbox={"facecolor": ORANGE, "edgecolor": "none", "boxstyle": "round"},
        )


def _learning(figure: Figure, run: RunReader, info: Mapping[str, Any], every: int) -> None:
    """Draw loss above accuracy, both against ring measurements."""
    steps = run.steps(every=every)
    evaluations = run.evaluations()
    measured = run.measured_at(evaluation.step for evaluation in evaluations)
    baselines = info["summary"].get("baselines", {})
    panels: NDArray[Any] = figure.subplots(2, 1, sharex=True)
    for axes, figure_of_merit, label in (
        (panels[0], "loss", "Loss"),
        (panels[1], "accuracy", "Accuracy"),
    ):
        kinds = sorted({kind for kind in steps["loss_kind"].tolist() if kind})
        name = "of the step" + (f" ({', '.join(kinds)})" if kinds and label == "Loss" else "")
        values = steps[figure_of_merit]
        if np.isfinite(values).any():
            axes.plot(steps["ring_measurements"], values, color=BLUE, lw=1, label=name)
        for split in dict.fromkeys(evaluation.split for evaluation in evaluations):
            of_split = [evaluation for evaluation in evaluations if evaluation.split == split]
            axes.plot(
                [measured[evaluation.step] for evaluation in of_split],
                [getattr(evaluation, figure_of_merit) for evaluation in of_split],
                color=SPLITS.get(split, PURPLE),
                marker="o",
                ms=4,
                lw=1.2,
                label=split,
            )
        for index, (baseline, found) in enumerate(sorted(baselines.items())):
            value = found.get(figure_of_merit) if isinstance(found, Mapping) else found
            if value is not None and (isinstance(found, Mapping) or label == "Accuracy"):
                style = ("--", ":", "-.")[index % 3]
                axes.axhline(value, color="0.3", ls=style, lw=1, label=f"baseline {baseline}")
        axes.set_ylabel(label)
        axes.grid(alpha=0.3)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(fontsize=8)
    _log_if_wide(panels[0], steps["loss"])
    panels[1].set_ylim(0, 1.02)
    panels[1].set_xlabel("Ring measurements")


def _log_if_wide(axes: Axes, values: NDArray[np.float64]) -> None:
    finite = values[np.isfinite(values)]
    if len(finite) and finite.min() > 0 and finite.max() / finite.min() > 20:
        axes.set_yscale("log")


def _traces(figure: Figure, run: RunReader, info: Mapping[str, Any]) -> None:
    """Draw traces over one another, or as an image over what was swept."""
    found = run.measurements(
        columns=("number", "requested", "realised", "traces_dbm"), newest=10 * MOST_TRACES
    )
    kept = np.flatnonzero(np.isfinite(found["traces_dbm"]).any(axis=1))
    if not len(kept):
        raise RunError(f"run {run.id} has neither steps nor traces to draw yet")
    kept = kept[:: math.ceil(len(kept) / MOST_TRACES)]
    traces = found["traces_dbm"][kept]
    frequencies = run.frequencies_hz
    if frequencies is not None and len(frequencies) == traces.shape[1]:
        x, x_label = frequencies / 1e9, "Frequency (GHz)"
    else:
        x, x_label = np.arange(traces.shape[1], dtype=np.float64), "Point"
    # What was asked for tells what was swept: a read-back varies by itself.
    asked = found["requested"][kept]
    swept = [i for i in range(asked.shape[1]) if len(np.unique(asked[:, i])) > 1]
    if not swept:
        _overlay(figure, x, x_label, traces)
        return
    name, values = "", found["number"][kept].astype(np.float64)
    if len(swept) == 1 and np.isfinite(found["realised"][kept, swept[0]]).all():
        name, values = run.knobs()[swept[0]], found["realised"][kept, swept[0]]
    _image(figure, x, x_label, values, LABELS.get(name, name or "Measurement"), traces)
    threshold = info["summary"].get("threshold_attenuation_db")
    if name == "attenuation_db" and threshold is not None:
        for axes in figure.axes[:2]:
            axes.axhline(threshold, color=RED, ls="--", lw=1)
        figure.axes[1].set_title(f"threshold {threshold:.3g} dB", fontsize=9, color=RED)


def _overlay(
    figure: Figure, x: NDArray[np.float64], x_label: str, traces: NDArray[np.float32]
) -> None:
    """Draw traces over one another with their mean."""
    axes = figure.subplots()
    axes.plot(x, traces.T, color=BLUE, lw=0.7, alpha=max(0.1, 1 / len(traces)))
    if len(traces) > 1:
        mean = traces.mean(axis=0, dtype=np.float64)
        axes.plot(x, mean, color=RED, lw=1.2, label=f"mean of {len(traces)} traces (dB)")
        axes.legend(fontsize=8)
    axes.set(xlabel=x_label, ylabel="Power (dBm)")
    axes.grid(alpha=0.3)


def _image(
    figure: Figure,
    x: NDArray[np.float64],
    x_label: str,
    values: NDArray[np.float64],
    label: str,
    traces: NDArray[np.float32],
) -> None:
    """Draw traces as an image over a swept value, with the peak power beside it."""
    order = np.argsort(values, kind="stable")
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(3, 1))
    # One row a value: repeats of a value are averaged, since an image has one row for each.
    rows, inverse = np.unique(values[order], return_inverse=True)
    sums = np.zeros((len(rows), traces.shape[1]))
    np.add.at(sums, inverse, traces[order])
    image = left.pcolormesh(
        x,
        rows,
        sums / np.bincount(inverse)[:, None],
        shading="nearest",
        cmap="viridis",
        rasterized=True,
    )
    figure.colorbar(image, ax=left, location="bottom", label="Power (dBm)", aspect=40)
    left.set(xlabel=x_label, ylabel=label)
    right.plot(traces[order].max(axis=1), values[order], color=BLUE, marker=".", ms=3, lw=1)
    right.set(xlabel="Peak power (dBm)")
    right.grid(alpha=0.3)
