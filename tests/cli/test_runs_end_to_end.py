from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pymeasure.experiment import Results

from magnon_lab.ring import RingModel, RingParameters
from magnon_lab.runs import RunsFolder
from procedures.spectrum import Spectrum

from .conftest import Command

TRAIN = ["-p", "task=spirals", "-p", "estimator=input", "-p", "batch_size=8", "-p", "steps=4"]


def test_spectrum_is_recorded_and_opens_in_pymeasure(command: Command, tmp_path: Path) -> None:
    told = command("run", "spectrum", "--runs", tmp_path, "--json", "-p", "repeats=3")
    assert told.code == 0
    assert told.json["status"] == "finished"
    assert told.json["ring_measurements"] == 3
    run = RunsFolder(tmp_path).find(told.json["run"])
    info = run.info()
    assert info["simulated"] is True
    assert info["configuration"]["field_mt"] == 92.0
    assert "N9000" in info["identities"]["analyser"]
    measured = run.measurements()
    assert measured["traces_dbm"].shape == (3, 401)
    data = Results.load(str(run.csv_path), Spectrum).data
    np.testing.assert_allclose(data["Power (dBm)"][:401], measured["traces_dbm"][0], rtol=1e-5)
    steps = [event.message for event in run.events("safe") if event.phase == "outcome"]
    assert [step.partition(":")[0] for step in steps[-6:]] == [
        "attenuator to maximum",
        "generator off",
        "amplifier bias off",
        "field to zero",
        "current and field read back",
        "field supply off",
    ]
    assert not any("FAILED" in step for step in steps)


def test_gain_sweep_finds_the_threshold_of_the_closed_form(
    command: Command, tmp_path: Path
) -> None:
    told = command(
        "run", "gain_sweep", "--runs", tmp_path, "--json", "-p", "attenuation_from_db=12"
    )
    assert told.code == 0
    expected = RingModel(RingParameters()).threshold_attenuation_db(92.0, 12.0)
    assert told.json["threshold_attenuation_db"] == pytest.approx(expected, abs=0.5)
    picture = tmp_path / "sweep.png"
    assert command("runs", "plot", "latest", "--runs", tmp_path, "-o", picture).code == 0
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_training_through_visa_is_recorded_whole(command: Command, tmp_path: Path) -> None:
    told = command("run", "train", "--runs", tmp_path, "--json", *TRAIN)
    assert told.code == 0
    assert told.json["status"] == "finished"
    run = RunsFolder(tmp_path).find("latest")
    counts = run.counts()
    assert counts["calibration"] == 64
    assert counts["training"] == 4 * 2 * 8 * 4  # steps, sides, samples, shots
    assert sum(counts.values()) == told.json["ring_measurements"]
    assert len(run.steps()["loss"]) == 4
    assert np.all(np.isfinite(run.steps()["loss"]))
    measured = run.measurements(columns=("step", "purpose", "realised", "traces_dbm"))
    assert np.isfinite(measured["traces_dbm"]).all()
    attenuation_db = measured["realised"][:, run.knobs().index("attenuation_db")]
    np.testing.assert_allclose(attenuation_db * 4, np.round(attenuation_db * 4))
    [final] = run.evaluations()
    assert final.split == "test"
    shown = command("runs", "list", "--runs", tmp_path).stdout
    assert "step accuracy" in shown.replace("\n", " ")
    assert "test accuracy" in shown.replace("\n", " ")
    (listed,) = command("runs", "list", "--runs", tmp_path, "--json").json
    assert listed["test_accuracy"] == final.accuracy
    assert f"{final.accuracy:.6g}" in shown
    order = run.measurements(columns=("place", "bench_time_s"), purpose="calibration")
    np.testing.assert_array_equal(order["place"], np.argsort(np.argsort(order["bench_time_s"])))
    assert final.accuracy == told.json["accuracy"]
    assert run.last_checkpoint() is not None
    again = command("run", "evaluate", "--runs", tmp_path, "--json", "-p", f"trained={run.id}")
    assert again.code == 0
    assert again.json["accuracy"] == pytest.approx(told.json["accuracy"], abs=0.03)
    assert again.json["ring_measurements"] == final.n * 4
    for one in (run, RunsFolder(tmp_path).find(again.json["run"])):
        (data,) = one.events("data")
        assert data.data["classes"] == ["inner", "outer"]


def test_same_seed_gives_the_same_numbers_to_the_last_bit(command: Command, tmp_path: Path) -> None:
    runs = []
    for _ in range(2):
        told = command("run", "train", "--runs", tmp_path, "--json", *TRAIN, "-p", "seed=3")
        runs.append(RunsFolder(tmp_path).find(told.json["run"]))
    for column in ("loss", "accuracy", "gradient_snr"):
        np.testing.assert_array_equal(runs[0].steps()[column], runs[1].steps()[column])
    first, second = (run.measurements(columns=("realised", "traces_dbm")) for run in runs)
    np.testing.assert_array_equal(first["traces_dbm"], second["traces_dbm"])
    np.testing.assert_array_equal(first["realised"], second["realised"])
    assert runs[0].last_checkpoint() == runs[1].last_checkpoint()


@pytest.mark.parametrize("knob", ["field_mt", "amplifier_voltage_v"])
def test_each_quantity_may_be_a_knob(
    command: Command, tmp_path: Path, bench_with_all_knobs: Path, knob: str
) -> None:
    told = command(
        *("run", "train", "--runs", tmp_path, "--bench", bench_with_all_knobs, "--json", *TRAIN),
        *("-p", f"knobs={knob},drive_power_dbm", "-p", "drive_frequency_hz=4.46e9"),
        *("-p", "attenuation_db=12", "-p", "steps=1", "-p", "batch_size=2", "-p", "shots=1"),
        *("-p", "calibration=4"),
    )
    assert told.code == 0, told.stderr
    run = RunsFolder(tmp_path).find("latest")
    assert run.knobs()[0] == knob
    turned = run.measurements(columns=("realised",))["realised"][:, 0]
    assert len(np.unique(np.round(turned, 3))) > 2


def test_in_silico_and_without_ring(command: Command, tmp_path: Path) -> None:
    for reservoir, measured in (("model", True), ("none", False)):
        told = command(
            *("run", "train", "--runs", tmp_path, "--json", *TRAIN),
            *("-p", f"reservoir={reservoir}", "-p", "estimator=exact"),
        )
        assert told.code == 0
        assert (told.json["ring_measurements"] > 0) is measured


def test_list_show_export(command: Command, tmp_path: Path) -> None:
    assert "no runs" in command("runs", "list", "--runs", tmp_path).stdout
    told = command("run", "spectrum", "--runs", tmp_path, "--json")
    assert told.json["run"] in command("runs", "list", "--runs", tmp_path).stdout
    shown = command("runs", "show", "latest", "--runs", tmp_path).stdout
    assert "simulated" in shown
    assert "field supply off" in shown
    target = tmp_path / "all.npz"
    assert command("runs", "export", "latest", "--runs", tmp_path, "-o", target).code == 0
    with np.load(target) as exported:
        assert exported["measurements_traces_dbm"].shape == (1, 401)
