"""Tasks: the shipped ones, and a user's own data."""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer, load_digits, load_wine

from magnon_lab.learning import userdata
from magnon_lab.learning.names import TASKS, parity_bits
from magnon_lab.learning.userdata import TaskError

Features = NDArray[np.float32]
Labels = NDArray[np.int32]


__all__ = ["Task", "TaskError", "make_task"]


class Task(NamedTuple):
    """A classification: x float32, y (n,) int32 in 0..classes-1, in three splits.

    x is (n, features), or (n, tokens, features) where samples are sequences.
    """

    name: str
    x_train: Features
    y_train: Labels
    x_validation: Features
    y_validation: Labels
    x_test: Features
    y_test: Labels
    classes: tuple[str, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of a sample: (features,) or (tokens, features)."""
        return tuple(self.x_train.shape[1:])

    @property
    def inputs(self) -> int:
        """The number of features, of all tokens together."""
        return math.prod(self.shape)


def make_task(name_or_path: str | Path, seed: int = 0, *, label: str = "label") -> Task:
    """Return a shipped task by name, or the user's data from an `.npz` (x, y) or `.csv` file.

    `seed` makes spirals and parities and splits small data sets and a user's data; digits are split
    the same way always. `label` names the CSV's label column; an x (n, tokens, features) in an
    `.npz` keeps its tokens. Raises `TaskError` that names the file and what is wrong in it.
    """
    name = str(name_or_path)
    if name in ("digits", "digit_rows"):
        return _digits(name)
    if name == "spirals":
        return _spirals(seed)
    if (bits := parity_bits(name)) is not None:
        return _parity(name, bits, seed)
    if name in ("wine", "breast_cancer"):
        found = load_wine() if name == "wine" else load_breast_cancer()
        classes = tuple(str(one) for one in found.target_names)
        return _standardised(name, found.data, found.target, classes, seed)
    path = Path(name_or_path)
    if path.suffix.lower() not in (".npz", ".csv"):
        raise TaskError(
            f"task {name!r} is not known; known are {', '.join(TASKS)}, "
            "or give a file of your own, .npz or .csv"
        )
    if not path.is_file():
        raise TaskError(f"task file {path} does not exist")
    if path.suffix.lower() == ".npz":
        x, y, names, shape = userdata.read_npz(path)
    else:
        x, y, names = userdata.read_csv(path, label)
        shape = x.shape[1:]
    userdata.check(path, x, y, names)
    told, y = np.unique(y, return_inverse=True)
    task = _standardised(path.stem, x, y, tuple(str(one) for one in told), seed)
    return task._replace(
        x_train=task.x_train.reshape(-1, *shape),
        x_validation=task.x_validation.reshape(-1, *shape),
        x_test=task.x_test.reshape(-1, *shape),
    )


def _standardised(
    name: str,
    x: NDArray[np.float64],
    y: NDArray[np.int64],
    classes: tuple[str, ...],
    seed: int,
) -> Task:
    """Split by `seed`, and give each feature of the training samples mean 0 and width 1."""
    cuts = userdata.split(y, seed)
    width = x[cuts[0]].std(axis=0)
    x = (x - x[cuts[0]].mean(axis=0)) / np.where(width > 0.0, width, 1.0)
    return _task(name, x, y, cuts, classes)


def _digits(name: str) -> Task:
    """1200 train, 200 validation, 397 test; the split is fixed so that figures can be compared."""
    x, y = load_digits(return_X_y=True)
    x = x / 16.0
    order = np.random.default_rng(0).permutation(len(x))
    cuts = (order[:1200], order[1200:1400], order[1400:])
    middle, width = x[cuts[0]].mean(axis=0), x[cuts[0]].std()
    x = (x - middle) / width
    if name == "digit_rows":
        x = x.reshape(-1, 8, 8)
    return _task(name, x, y, cuts, tuple(str(digit) for digit in range(10)))


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


def _parity(name: str, bits: int, seed: int) -> Task:
    """Noisy corners of a cube, all alike often: 600 train, 200 validation, 400 test.

    No straight cut tells odd from even: one fitted by its likelihood is right about half the time.
    """
    rng = np.random.default_rng(seed)
    n = 1200
    corner = np.arange(n) % 2**bits
    ones = corner[:, None] >> np.arange(bits) & 1
    x = 2.0 * ones - 1.0 + rng.normal(0.0, 0.15, ones.shape)
    order = rng.permutation(n)
    cuts = (order[:600], order[600:800], order[800:])
    return _task(name, x, ones.sum(axis=1) % 2, cuts, ("even", "odd"))


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
