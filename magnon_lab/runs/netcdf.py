"""Arrays as a netCDF file: the classic format, which SciPy writes without further packages.

Its numbers have 32 bits or are floating, its texts are characters along a dimension of their own,
which xarray joins again.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

AXES: Mapping[str, tuple[str, ...]] = {
    "steps": ("step",),
    "evaluations": ("evaluation",),
    "measurements": ("measurement",),
    "measurements_requested": ("measurement", "knob"),
    "measurements_realised": ("measurement", "knob"),
    "measurements_traces_dbm": ("measurement", "point"),
    "frequencies_hz": ("point",),
    "knobs": ("knob",),
    "confusion": ("true_class", "answered_class"),
}
"""Names of the dimensions, by the name of an array or by what stands before its first _."""

UNITS = {"dbm": "dBm", "db": "dB", "hz": "Hz", "s": "s", "mt": "mT", "v": "V"}
"""Units, by how the name of an array ends."""


def write(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays by name; those without dimensions become attributes of the whole.

    Empty ones are left out: the format takes a length of 0 for one that is to grow.
    """
    from scipy.io import netcdf_file

    with netcdf_file(path, "w", version=2) as file:
        for name in (name for name, array in arrays.items() if not array.ndim):
            setattr(file, name, _attribute(arrays[name]))
        for name, array in arrays.items():
            if not array.ndim or not array.size:
                continue
            axes = AXES.get(name) or AXES[name.partition("_")[0]]
            values = _stored(array)
            if values.dtype.kind == "S":
                axes = (*axes, f"{name}_length")
            for axis, size in zip(axes, values.shape, strict=True):
                if axis not in file.dimensions:
                    file.createDimension(axis, size)
            variable = file.createVariable(name, values.dtype, axes)
            variable[:] = values
            if values.dtype.kind == "S":
                variable._Encoding = "utf-8"
            elif unit := UNITS.get(name.rpartition("_")[2]):
                variable.units = unit


def _attribute(array: NDArray[Any]) -> Any:
    value = array.item()
    return value if isinstance(value, str | float) else int(value)


def _stored(array: NDArray[Any]) -> NDArray[Any]:
    """Return an array in one of the types that the format has."""
    if array.dtype.kind == "U":
        texts = np.char.encode(array, "utf-8")
        length = max(1, texts.dtype.itemsize)
        return texts.astype(f"S{length}").view("S1").reshape(*array.shape, length)
    if array.dtype.kind in "iub":
        small = np.iinfo(np.int32)
        fits = not array.size or (array.min() >= small.min and array.max() <= small.max)
        return array.astype(np.int32 if fits else np.float64)
    return array
