"""What stands between the digital blocks: the ring, what is left of it, and nothing of it."""

import json

import numpy as np
import pytest
import yaml

from magnon_lab.bench import BenchFile
from magnon_lab.bench.benchfile import shipped_path
from procedures.reservoirs import RESERVOIRS
from procedures.training import make_reservoir

KNOBS = ("drive_power_dbm", "drive_frequency_hz", "attenuation_db")
HELD = {
    "drive_power_dbm": -10.0,
    "drive_frequency_hz": 4.465e9,
    "attenuation_db": 10.5,
    "field_mt": 92.0,
    "amplifier_voltage_v": 12.0,
}


def reservoir(kind, names=KNOBS, path=None, held=HELD):
    return make_reservoir(kind, BenchFile.load(path or shipped_path()), names, held, 0, None)


def peaks_dbm(kind, powers_dbm, attenuation_db=10.5):
    """Return the highest line at each drive power, in the middle of the knobs' box otherwise."""
    rows = [[power, 4.465e9, attenuation_db] for power in powers_dbm]
    measured = reservoir(kind)(np.array(rows), np.arange(len(rows)))
    return measured.traces.max(axis=1)


def test_a_linear_ring_follows_every_decibel():
    rises = np.diff(peaks_dbm("linear_ring", [-30.0, -20.0, -10.0, 0.0, 5.0]))
    np.testing.assert_allclose(rises, [10.0, 10.0, 10.0, 5.0], atol=0.05)


def test_the_amplifier_alone_saturates_and_the_film_does_more():
    weak, strong = peaks_dbm("amplifier_only", [-30.0, 5.0])
    assert strong - weak < 30.0
    # Weak drives do not know of either; strong ones tell the whole ring from its parts.
    rings = {kind: peaks_dbm(kind, [-45.0, 5.0]) for kind in ("model", "amplifier_only")}
    assert abs(rings["model"][0] - rings["amplifier_only"][0]) < 0.3
    traces = [
        reservoir(kind)(np.array([[-5.0, 4.465e9, 10.5]]), np.arange(1)).traces[0]
        for kind in ("model", "amplifier_only", "linear_ring")
    ]
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert np.abs(traces[one] - traces[other]).max() > 1.0


def test_a_linear_ring_that_would_oscillate_is_refused(tmp_path):
    data = yaml.safe_load(shipped_path().read_text())
    data["knobs"]["attenuation_db"]["from"] = 6.0
    data["visa_library"] = f"{shipped_path().parent / 'sim_instruments.yaml'}@magnon"
    path = tmp_path / "edited.yaml"
    path.write_text(yaml.safe_dump(data))
    with pytest.raises(ValueError, match=r"attenuation_db reaches down to 6 dB, the threshold is"):
        reservoir("linear_ring", path=path)
    with pytest.raises(ValueError, match="reservoir: a linear ring has no answer"):
        reservoir("linear_ring", KNOBS[:1], held={**HELD, "attenuation_db": 5.0})


def test_those_that_measure_nothing_hand_the_knobs_on():
    for kind in ("none", "mlp"):
        through = reservoir(kind)
        settings = np.array([[-30.0, 4.48e9, 12.5]])
        np.testing.assert_allclose(through(settings, np.arange(1)).traces, [[-1.0, 1.0, 0.0]])


@pytest.mark.parametrize("kind", [kind for kind in RESERVOIRS if kind != "bench"])
def test_a_network_trains_through_each(by_command, kind):
    # Backpropagation through a ring takes long to compile; what is left of one is like the whole.
    estimator, copies = ("exact", 1) if kind in ("model", "none", "mlp") else ("input", 2)
    told = by_command(
        *("run", "train", "-p", "task=parity2", "-p", f"reservoir={kind}", "-p", "steps=2"),
        *("-p", f"estimator={estimator}", "-p", "batch_size=4", "-p", "shots=1"),
        *("-p", "budget=0"),
    )
    assert told["status"] == "finished"
    measured = 64 + 2 * 4 * copies + 400
    assert told["ring_measurements"] == (0 if kind in ("none", "mlp") else measured)


def test_a_digital_network_wants_its_exact_gradient_and_is_not_judged_through_the_ring(by_command):
    options = ("-p", "task=parity2", "-p", "steps=2", "-p", "shots=1", "-p", "budget=0")
    refused = by_command("run", "train", *options, "-p", "reservoir=mlp", code=2)
    assert "does not train a digital network" in refused["message"]
    by_command("run", "train", *options, "-p", "reservoir=mlp", "-p", "estimator=exact")
    assert by_command("run", "evaluate")["samples"] == 400
    refused = by_command("run", "evaluate", "-p", "reservoir=model", code=2)
    assert "'model' does not fit run" in refused["message"]


@pytest.mark.parametrize("estimator", ["ridge", "frozen"])
def test_a_readout_stays_within_its_budget(by_command, estimator):
    told = by_command(
        *("run", "train", "-p", "task=parity2", "-p", "reservoir=model", "-p", "shots=1"),
        *("-p", f"estimator={estimator}", "-p", "budget=400"),
    )
    assert told["ring_measurements"] == 400 + 400


@pytest.fixture
def by_command(tmp_path):
    """Return what a command tells as JSON, in this process."""
    from typer.testing import CliRunner

    from magnon_lab.cli.app import app

    def run(*words, code=0):
        result = CliRunner().invoke(app, [*words, "--json", "--runs", str(tmp_path / "runs")])
        assert result.exit_code == code, result.output
        return json.loads(result.stdout.strip().splitlines()[-1])

    return run
