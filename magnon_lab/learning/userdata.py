"""A user's own data: read, checked, standardised and split, with errors that name the place."""

from __future__ import annotations

import csv
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

FEWEST_PER_CLASS = 5  # so that each split can hold each class


class TaskError(ValueError):
    """A task that does not exist, or data that cannot be learned from."""


def read_npz(
    path: Path,
) -> tuple[NDArray[np.float64], NDArray[np.int64], list[str], tuple[int, ...]]:
    """Return x (n, columns), y (n,), the columns' names and a sample's shape.

    From an archive with keys x and y; a sample with more than one axis is laid out in columns.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            missing = [key for key in ("x", "y") if key not in archive.files]
            if missing:
                raise TaskError(
                    f"{path}: key {missing[0]!r} is missing; it needs 'x' (n, features) and "
                    f"'y' (n,), it has {', '.join(archive.files) or 'none'}"
                )
            x, y = archive["x"], archive["y"]
    except (zipfile.BadZipFile, OSError, EOFError, ValueError) as error:
        if isinstance(error, TaskError):
            raise
        raise TaskError(f"{path}: cannot be read as an .npz archive of arrays: {error}") from error
    for key, array in (("x", x), ("y", y)):
        if array.dtype.kind not in "biuf":
            raise TaskError(f"{path}: {key} holds {array.dtype}, numbers are needed")
    if x.ndim < 2:
        raise TaskError(f"{path}: x has shape {x.shape}; needs (n, features)")
    shape = x.shape[1:]
    x = x.reshape(len(x), -1).astype(np.float64)
    if y.shape != (len(x),):
        raise TaskError(f"{path}: y has shape {y.shape}; x {x.shape} needs y ({len(x)},)")
    return x, _labels(path, y), [f"column {i + 1}" for i in range(x.shape[1])], shape


def read_csv(path: Path, label: str) -> tuple[NDArray[np.float64], NDArray[np.int64], list[str]]:
    """Return x (n, columns), y (n,) and the columns' names from a CSV with a header line."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = [row for row in csv.reader(file) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise TaskError(f"{path}: cannot be read as CSV: {error}") from error
    if not rows:
        raise TaskError(f"{path}: is empty; needs a header line and one line a sample")
    header = [name.strip() for name in rows[0]]
    if label not in header:
        raise TaskError(
            f"{path}: has no label column {label!r}; its columns are {', '.join(header)}"
        )
    values = np.empty((len(rows) - 1, len(header)))
    for number, row in enumerate(rows[1:], start=1):
        if len(row) != len(header):
            raise TaskError(
                f"{path}: row {number} has {len(row)} entries, the header has {len(header)}"
            )
        for place, text in enumerate(row):
            try:
                values[number - 1, place] = float(text)
            except ValueError:
                raise TaskError(
                    f"{path}: row {number}, column {header[place]!r}: {text!r} is not a number"
                ) from None
    place = header.index(label)
    y = _labels(path, values[:, place])
    names = [f"column {name!r}" for name in header if name != label]
    return np.delete(values, place, axis=1), y, names


def _labels(path: Path, y: NDArray[Any]) -> NDArray[np.int64]:
    wrong = np.flatnonzero(~np.isfinite(y) | (y != np.round(y)))
    if len(wrong):
        raise TaskError(
            f"{path}: label of row {wrong[0] + 1} is {y[wrong[0]]}; labels are whole numbers, "
            "one a class"
        )
    return y.astype(np.int64)


def check(path: Path, x: NDArray[np.float64], y: NDArray[np.int64], names: list[str]) -> None:
    """Refuse data that cannot be learned from; raises `TaskError`."""
    if x.shape[1] == 0:
        raise TaskError(f"{path}: has labels but no feature")
    wrong = np.argwhere(~np.isfinite(x))
    if len(wrong):
        row, column = wrong[0]
        raise TaskError(
            f"{path}: row {row + 1}, {names[column]} is {x[row, column]}; "
            f"{len(wrong)} of {x.size} values are not finite"
        )
    classes, counts = np.unique(y, return_counts=True)
    if len(classes) < 2:
        raise TaskError(
            f"{path}: holds {len(classes)} class, a classification needs at least 2"
            + (f" (every label is {classes[0]})" if len(classes) else "")
        )
    if counts.min() < FEWEST_PER_CLASS:
        raise TaskError(
            f"{path}: class {classes[counts.argmin()]} has {counts.min()} samples; "
            f"training, validation and test need at least {FEWEST_PER_CLASS} a class"
        )


def split(
    y: NDArray[np.int64], seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return row numbers: 65 % train, 15 % validation, 20 % test, each class in each split."""
    rows = np.arange(len(y))
    classes = len(np.unique(y))
    test = max(round(0.2 * len(y)), classes)
    validation = max(round(0.15 * len(y)), classes)
    rest, tested = train_test_split(rows, test_size=test, stratify=y, random_state=seed)
    trained, validated = train_test_split(
        rest, test_size=validation, stratify=y[rest], random_state=seed
    )
    return trained, validated, tested
