"""A run in formats that other programs read."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from magnon_lab.runs.errors import RunError, told
from magnon_lab.runs.files import replacing
from magnon_lab.runs.reading import MEASUREMENT_COLUMNS, RunReader


def export(run: RunReader, path: Path | str, file_format: str) -> list[Path]:
    """Write a run to `path` and return the files written.

    file_format "csv": `path` is a folder, made if need be, that gets steps.csv, evaluations.csv and
    measurements.csv (settings, not traces), each headed by comment lines with #. "npz": `path` is
    a file for numpy.load with everything, traces included. "nc": the same under the same names as
    netCDF, for xarray and others. All say whether the bench was simulated. Raises `RunError` for
    an unknown format or a path that cannot be written.
    """
    writers: dict[str, Callable[[RunReader, Path], list[Path]]] = {
        "csv": _csv,
        "npz": _npz,
        "nc": _nc,
    }
    if file_format not in writers:
        raise RunError(f"no export format {file_format!r}: known are {', '.join(sorted(writers))}")
    path = Path(path)
    with told(path):
        return writers[file_format](run, path)


def _csv(run: RunReader, folder: Path) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    info = run.info()
    knobs = run.knobs()
    steps = run.steps()
    found = run.measurements(
        columns=tuple(name for name in MEASUREMENT_COLUMNS if name != "traces_dbm")
    )
    settings = {
        f"{kind} {knob}": found[kind][:, column]
        for column, knob in enumerate(knobs)
        for kind in ("requested", "realised")
    }
    plain = {name: values for name, values in found.items() if values.ndim == 1}
    evaluations = [
        (row.step, row.split, row.loss, row.accuracy, row.n, json.dumps(_listed(row.confusion)))
        for row in run.evaluations()
    ]
    tables: list[tuple[str, Sequence[str], Iterable[Sequence[Any]]]] = [
        ("steps.csv", list(steps), _rows(steps)),
        (
            "evaluations.csv",
            ("step", "split", "loss", "accuracy", "n", "confusion"),
            evaluations,
        ),
        ("measurements.csv", list(plain | settings), _rows(plain | settings)),
    ]
    written = []
    for name, header, rows in tables:
        with (
            replacing(folder / name) as temporary,
            temporary.open("w", newline="", encoding="utf-8") as file,
        ):
            file.write(f"# Magnon Lab, run {info['id']}, procedure {info['procedure']}\n")
            file.write(f"# bench: {_bench(info)}\n")
            writer = csv.writer(file)
            writer.writerow(header)
            writer.writerows(rows)
        written.append(folder / name)
    return written


def _npz(run: RunReader, path: Path) -> list[Path]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, allow_pickle=False, **_arrays(run))
    return [path]


def _nc(run: RunReader, path: Path) -> list[Path]:
    from magnon_lab.runs.netcdf import write  # brings scipy

    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        write(temporary, _arrays(run))
    return [path]


def _arrays(run: RunReader) -> dict[str, NDArray[Any]]:
    """Return everything that a run holds, as arrays by name."""
    info = run.info()
    arrays: dict[str, NDArray[Any]] = {
        f"steps_{name}": values for name, values in run.steps().items()
    }
    arrays |= {f"measurements_{name}": values for name, values in run.measurements().items()}
    evaluations = run.evaluations()
    arrays["evaluations_split"] = np.array([row.split for row in evaluations], dtype=np.str_)
    for name in ("step", "loss", "accuracy", "n"):
        arrays[f"evaluations_{name}"] = np.array([getattr(row, name) for row in evaluations])
    for index, row in enumerate(evaluations):
        if row.confusion is not None:
            arrays[f"confusion_{index}"] = row.confusion
    frequencies = run.frequencies_hz
    if frequencies is not None:
        arrays["frequencies_hz"] = frequencies
    arrays["knobs"] = np.array(run.knobs(), dtype=np.str_)
    arrays["simulated"] = np.array(info["simulated"])
    arrays["bench_kind"] = np.array(_bench(info))
    arrays["info"] = np.array(json.dumps(info))
    return arrays


def _bench(info: dict[str, Any]) -> str:
    return "simulated" if info["simulated"] else "real instruments"


def _listed(confusion: NDArray[np.int64] | None) -> Any:
    return None if confusion is None else confusion.tolist()


def _rows(columns: dict[str, NDArray[Any]]) -> Iterable[Sequence[Any]]:
    """Return the rows of a table of columns, as plain Python values with all their digits."""
    return zip(*(values.tolist() for values in columns.values()), strict=True)
