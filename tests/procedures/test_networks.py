"""Networks that go through the ring several times, or token by token, from the command line."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from magnon_lab.cli.app import app
from magnon_lab.runs import RunsFolder


@pytest.fixture
def command(tmp_path):
    def run(*words):
        words = [*map(str, words), "--json", "--runs", str(tmp_path / "runs")]
        result = CliRunner().invoke(app, words)
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout.strip().splitlines()[-1])

    return run


@pytest.fixture
def small_task(tmp_path):
    """Sequences of 3 tokens of 2 numbers, told apart by their first token."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, 3, 2)), np.arange(60) % 2
    x[:, 0, 0] += 3.0 * y
    np.savez(tmp_path / "sequences.npz", x=x, y=y)
    return tmp_path / "sequences.npz"


@pytest.mark.parametrize(("network", "each"), [("two_pass", 2 * 2), ("transformer", 2 * 3)])
def test_it_trains_is_evaluated_and_counts(command, small_task, tmp_path, network, each):
    words = ("-p", "reservoir=model", "-p", "shots=2", "-p", "batch_size=4", "-p", "budget=0")
    words += ("-p", f"task={small_task}", "-p", f"network={network}", "-p", "steps=2")
    told = command("run", "train", *words, "-p", "estimator=pgt", "-p", "validate_every=2")
    # Two sides of a direction; 9 samples to validate on, 12 to test on.
    assert told["ring_measurements"] == 64 + (2 * 2 * 4 + 9 + 12) * each
    again = command("run", "evaluate")
    assert again["ring_measurements"] == 12 * each
    assert again["accuracy"] == pytest.approx(told["accuracy"], abs=0.1)
    with RunsFolder(tmp_path / "runs").find(told["run"]) as run:
        numbers = run.measurements(columns=("number", "purpose"))
    np.testing.assert_array_equal(numbers["number"], np.arange(told["ring_measurements"]))
