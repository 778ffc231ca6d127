"""The one state of a training, and its bytes."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from magnon_lab.learning.features import FeatureScale
from magnon_lab.learning.names import PURPOSES

FORMAT = 1


class TrainerState(NamedTuple):
    """All that a training knows; a pytree of arrays.

    parameters: the network's arrays. optimiser, estimator: their own states. scale: of the
    features. factor: 0-d float32, on the size of a perturbation. calibrated: 0-d bool, whether
    `scale` was measured. key: raw random key (2,) uint32. step: 0-d int32 optimiser steps done.
    cursor (2,) int32: epoch, and samples of it already used. next_number: 0-d int64, the next
    measurement's number. counts (purposes,) int64: measurements told, in the order of
    `names.PURPOSES`.
    """

    parameters: Any
    optimiser: Any
    estimator: Any
    scale: FeatureScale
    factor: NDArray[np.float32]
    calibrated: NDArray[np.bool_]
    key: NDArray[np.uint32]
    step: NDArray[np.int32]
    cursor: NDArray[np.int32]
    next_number: NDArray[np.int64]
    counts: NDArray[np.int64]

    @property
    def measurements(self) -> dict[str, int]:
        """Ring measurements so far by purpose."""
        return {name: int(n) for name, n in zip(PURPOSES, self.counts, strict=True)}

    def counted(self, purpose: str, count: int) -> TrainerState:
        """Return the state after `count` measurements for `purpose`."""
        counts = self.counts.copy()
        counts[PURPOSES.index(purpose)] += count
        return self._replace(
            counts=counts, next_number=np.asarray(self.next_number + count, np.int64)
        )


def state_to_bytes(state: TrainerState) -> bytes:
    """Return the state as bytes: an npz archive, no pickle, exact to the last bit."""
    leaves = jax.tree_util.tree_leaves_with_path(state)
    names = [jax.tree_util.keystr(path) for path, _ in leaves]
    header = np.frombuffer(json.dumps({"format": FORMAT, "leaves": names}).encode(), np.uint8)
    arrays = {f"leaf_{i:05d}": np.asarray(leaf) for i, (_, leaf) in enumerate(leaves)}
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, header=header, **arrays)
    return buffer.getvalue()


def restore(template: TrainerState, data: bytes) -> TrainerState:
    """Return the state that `data` holds, for a trainer whose states look like `template`.

    Raises `ValueError` where data are damaged, of another format, or of another training's shape.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            header = json.loads(archive["header"].tobytes())
            stored = [archive[f"leaf_{i:05d}"] for i in range(len(header["leaves"]))]
    except (zipfile.BadZipFile, KeyError, OSError, EOFError) as error:
        raise ValueError(f"the trainer's state cannot be read: {error}") from error
    if header["format"] != FORMAT:
        raise ValueError(
            f"the trainer's state has format {header['format']}, this version reads {FORMAT}"
        )
    expected, structure = jax.tree_util.tree_flatten_with_path(template)
    names = [jax.tree_util.keystr(path) for path, _ in expected]
    if names != header["leaves"]:
        other = sorted(set(names) ^ set(header["leaves"]))
        raise ValueError(
            f"the stored state is of another network, optimiser or estimator: {', '.join(other)}"
        )
    leaves: list[Any] = []
    for (path, leaf), array in zip(expected, stored, strict=True):
        if np.shape(leaf) != array.shape or np.asarray(leaf).dtype != array.dtype:
            raise ValueError(
                f"the stored state's {jax.tree_util.keystr(path)} is {array.dtype} {array.shape}, "
                f"this training's is {np.asarray(leaf).dtype} {np.shape(leaf)}"
            )
        leaves.append(jnp.asarray(array) if isinstance(leaf, jax.Array) else array)
    state: TrainerState = jax.tree_util.tree_unflatten(structure, leaves)
    return state
