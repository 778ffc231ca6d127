"""The ring model of a simulated laboratory, for training in silico."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from magnon_lab.bench import BenchFile, BenchFileError
from magnon_lab.bench.benchfile import shipped_path

if TYPE_CHECKING:
    from magnon_lab.ring import Readout, RingModel


def laboratory_path(bench_file: BenchFile) -> Path:
    """Return the file of the laboratory that a simulated bench file names, else the shipped one."""
    file, _, _ = bench_file.visa_library.rpartition("@")
    return Path(file) if file else shipped_path().parent / "sim_instruments.yaml"


def load_ring(bench_file: BenchFile, seed: int) -> tuple[RingModel, Readout]:
    """Return the ring that the bench's laboratory holds, and the analyser's settings.

    On a real bench it is the shipped ring. Raises `BenchFileError` where the laboratory's file
    cannot be read, and `ValueError` for a key or value that the ring does not take.
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
    model = RingModel(
        RingParameters.from_mapping(block.get("ring")),
        imperfections=Imperfections.from_mapping(block.get("imperfections")),
        seed=seed,
    )
    readout = bench_file.readout.model_dump(exclude={"bins"})
    return model, Readout.from_mapping(readout)
