"""Partners of a perturbation are measured next to each other, whatever order saves time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from magnon_lab.cli.launch import Terms, launch
from magnon_lab.cli.parameters import build_procedure
from magnon_lab.runs import RunFile
from procedures import load_procedure


def test_partners_stay_together_though_the_field_is_a_knob(
    tmp_path: Path, edited_bench: Callable[[Mapping[str, object]], Path]
) -> None:
    knobs = {"drive_power_dbm": {"from": -30, "to": 5}, "field_mt": {"from": 85, "to": 100}}
    values = {
        "task": "spirals", "knobs": "drive_power_dbm, field_mt", "estimator": "input",
        "batch_size": 6, "shots": 2, "calibration": 4, "steps": 1, "budget": 0,
        "attenuation_db": 12.0, "drive_frequency_hz": 4.46e9,
    }  # fmt: skip
    outcome = launch(
        build_procedure(load_procedure("train"), values),
        name="train",
        bench_path=edited_bench({"knobs": knobs}),
        runs_path=tmp_path / "runs",
        terms=Terms(),
    )
    with RunFile.open(outcome.run.folder) as run:
        found = run.measurements(purpose="training")
    assert len(found["number"]) == 6 * 2 * 2
    order = np.argsort(found["bench_time_s"])
    partner_of = (found["number"] - found["number"].min()) // 2
    assert (np.diff(order) != 1).any()  # it was ordered
    np.testing.assert_array_equal(partner_of[order][0::2], partner_of[order][1::2])
