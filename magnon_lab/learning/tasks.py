"""Tasks: the shipped ones, and a user's own data."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits

from magnon_lab.learning import userdata
from magnon_lab.learning.names import TASKS
from magnon_lab.learning.userdata import TaskError

Features = NDArray[np.float32]
Labels = NDArray[np.int32]


__all__ = ["Task", "TaskError", "make_task"]


class Task(NamedTuple):
    """A classification: x (n, features) float32, y (n,) int32 in 0..classes-1, in three splits."""

    name: str
    x_train: Features
    y_train: Labels
    x_validation: Features
    y_validation: Labels
    x_test: Features
    y_test: Labels
    classes: tuple[str, ...]

    @property
    def inputs(self) -> int:
        """The number of features."""
        return int(self.x_train.shape[1])


def make_task(name_or_path: str | Path, seed: int = 0, *, label: str = "label") -> Task:
    """Return a shipped task by name, or the user's data from an `.npz` (x, y) or `.csv` file.

    `seed` makes spirals and splits a user's data; digits are split the same way always. `label`
    names the CSV's label column. Raises `TaskError` that names the file and what is wrong in it.
    """
    if name_or_path == "digits":
        return _digits()
    if name_or_path == "spirals":
        return _spirals(seed)
    path = Path(name_or_path)
    if path.suffix.lower() not in (".npz", ".csv"):
        raise TaskError(
            f"task {str(name_or_path)!r} is not known; known are {', '.join(TASKS)}, "
            "or give a file of your own, .npz or .csv"
        )
    if not path.is_file():
        raise TaskError(f"task file {path} does not exist")
    if path.suffix.lower() == ".npz":
        x, y, names = userdata.read_npz(path)
    else:
        x, y, names = userdata.read_csv(path, label)
    userdata.check(path, x, y, names)
    classes, y = np.unique(y, return_inverse=True)
    cuts = userdata.split(y, seed)
    width = x[cuts[0]].std(axis=0)
    x = (x - x[cuts[0]].mean(axis=0)) / np.where(width > 0.0, width, 1.0)
    return _task(path.stem, x, y, cuts, tuple(str(one) for one in classes))


def _digits() -> Task:
    """1200 train, 200 validation, 397 test; the split is fixed so that figures can be compared."""
    x, y = load_digits(return_X_y=True)
    x = x / 16.0
    order = np.random.default_rng(0).permutation(len(x))
    cuts = (order[:1200], order[1200:1400], order[1400:])
    middle, width = x[cuts[0]].mean(axis=0), x[cuts[0]].std()
    return _task("digits", (x - middle) / width, y, cuts, tuple(str(digit) for digit in range(10)))


def _spirals(seed: int) -> Task:
    """Two evenly dense spirals of one turn: 600 train, 200 validation, 400 test."""
    rng = np.random.default_rng(seed)
    n = 1200
    y = np.arange(n) % 2
    radius = np.sqrt(rng.uniform(0.0, 1.0, n)) * 0.95 + 0.05
    angle = 2.0 * np.pi * radius + np.pi * y
    x = np.stack((radius * np.cos(angle), radius * np.sin(angle)), axis=1)
    x = (x + rng.normal(0.0, 0.02, x.shape)) / 0.5
    order = rng.permutation(n)
    return _task("spirals", x, y, (order[:600], order[600:800], order[800:]), ("inner", "outer"))


def _task(
    name: str,
    x: NDArray[np.float64],
    y: NDArray[np.int64],
    cuts: tuple[NDArray[np.int64], ...],
    classes: tuple[str, ...],
) -> Task:
    x32, y32 = x.astype(np.float32), y.astype(np.int32)
    train, validation, test = cuts
    return Task(
        name,
        *(x32[train], y32[train], x32[validation], y32[validation], x32[test], y32[test]),
        classes,
    )
