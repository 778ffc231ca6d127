"""The ring model of a simulated laboratory, for training in silico."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import yaml

from magnon_lab.bench import BenchFile, BenchFileError
from magnon_lab.bench.benchfile import shipped_path
from magnon_lab.learning.reservoir import Knob

if TYPE_CHECKING:
    from magnon_lab.ring import Readout, RingModel


def laboratory_path(bench_file: BenchFile) -> Path:
    """Return the file of the laboratory that a simulated bench file names, else the shipped one."""
    file, _, _ = bench_file.visa_library.rpartition("@")
    return Path(file) if file else shipped_path().parent / "sim_instruments.yaml"


SWITCHED_OFF: dict[str, tuple[str, ...]] = {
    "model": (),
    "linear_ring": ("film", "amplifier"),
    "amplifier_only": ("film",),
}
"""Which nonlinearities a ring in silico does without, by the reservoir's name."""

ABOVE_ALL_DBM = 200.0


def load_ring(bench_file: BenchFile, seed: int, kind: str = "model") -> tuple[RingModel, Readout]:
    """Return the ring that the bench's laboratory holds, and the analyser's settings.

    On a real bench it is the shipped ring. `kind` is one of `SWITCHED_OFF`; a linear ring knows no
    saturation, so the analyser's reference level is put where it cuts nothing off. Raises
    `BenchFileError` where the laboratory's file cannot be read, and `ValueError` for a key or value
    that the ring does not take.
    """
    from magnon_lab.ring import Imperfections, Readout, RingModel, RingParameters  # brings JAX

    path = laboratory_path(bench_file)
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        block = content["laboratory"]
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError) as error:
        raise BenchFileError(
            f"{path} holds no `laboratory:` to train in silico: {error}"
        ) from error
    off = SWITCHED_OFF[kind]
    model = RingModel(
        RingParameters.from_mapping(block.get("ring")).without(
            film="film" in off, amplifier="amplifier" in off
        ),
        imperfections=Imperfections.from_mapping(block.get("imperfections")),
        seed=seed,
    )
    readout = bench_file.readout.model_dump(exclude={"bins"})
    if kind == "linear_ring":
        readout["reference_level_dbm"] = ABOVE_ALL_DBM
    return model, Readout.from_mapping(readout)


def check_below_threshold(
    model: RingModel, knobs: tuple[Knob, ...], held: Mapping[str, float]
) -> None:
    """Refuse settings at which a linear ring would oscillate: its power would grow without end.

    Raises `ValueError` that names the attenuation, and the least that would do.
    """
    ends = {knob.name: (knob.low, knob.high) for knob in knobs}

    def span(name: str) -> tuple[float, float]:
        return ends.get(name) or (held[name], held[name])

    low, high = span("field_mt")
    _, voltage = span("amplifier_voltage_v")  # the gain rises with it
    least = max(
        model.threshold_attenuation_db(field, voltage)
        for field in np.linspace(low, high, 21 if high > low else 1)
    )
    lowest = span("attenuation_db")[0]
    if lowest <= least:
        raise ValueError(
            f"reservoir: a linear ring has no answer where it oscillates; attenuation_db reaches "
            f"down to {lowest:g} dB, the threshold is {least:.2f} dB"
        )
