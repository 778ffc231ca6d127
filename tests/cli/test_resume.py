"""A run that was killed becomes what it would have been; one at a changed bench is refused."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pymeasure.experiment import Results
from typer.testing import CliRunner

from magnon_lab.bench.benchfile import shipped_path
from magnon_lab.cli.app import app
from magnon_lab.runs import RunFile, RunsFolder
from procedures.train import Train

from ..serving import Served, changed_bench
from .asking import ask_at, benchmark, bystander, differences
from .conftest import Command

Words = tuple[str, ...]

REFERENCE = """
reference:
  every: 7
  attenuation_db: 8.0       # the ring oscillates
  drive_power_dbm: -60.0
  track: {mode_hz: 4.4711e9, within_hz: 4.0e6}
"""


def _alone(command: Command, runs: Path, *words: object) -> RunFile:
    """Make a training that is left alone."""
    told = command("run", "train", "--runs", runs, "--json", *words)
    assert told.code == 0, told.stderr
    return RunsFolder(runs).find("latest")


def _aborted(command: Command, runs: Path, *words: object) -> str:
    """Make a training that is aborted after some steps; return its id."""
    with bystander(ask_at(runs, 2, "abort")):
        told = command("run", "train", "--runs", runs, "--json", *words)
    assert told.code == 4
    return str(told.json["run"])


def test_killed_at_random_steps_it_becomes_the_same_to_the_last_bit(
    command: Command, tmp_path: Path, train: Words
) -> None:
    chance = random.Random(3)
    kills = sorted(chance.sample(range(9), 2))
    alone = _alone(command, tmp_path / "alone", *train)
    run = benchmark.killed_and_resumed(tmp_path / "killed", train, kills, chance)
    assert differences(alone, run) == []
    assert len(run.events("resume")) == len(kills)
    assert len(run.events("process")) == len(kills) + 1
    data = Results.load(str(run.csv_path), Train).data
    assert data["Step"].tolist() == list(range(1, 11))
    np.testing.assert_array_equal(data["Loss"], run.steps()["loss"])


def test_a_twin_too_becomes_the_same_to_the_last_bit(
    command: Command, tmp_path: Path, train: Words
) -> None:
    words = (*train, "-p", "estimator=twin_first", "-p", "budget=60", "-p", "steps=0")
    words += ("-p", "validate_every=0", "-p", "twin_steps=50")
    alone = _alone(command, tmp_path / "alone", *words)
    told = [event.data for event in alone.events("twin")]
    assert len(told) == len(alone.steps()["step"]) == 5
    assert [len(one["validation_loss"]) for one in told] == [10] * 5
    runs = tmp_path / "aborted"
    identity = _aborted(command, runs, *words)
    assert command("resume", identity, "--runs", runs, "--json").code == 0
    with RunsFolder(runs).find(identity) as run:
        assert differences(alone, run) == []


def test_killed_on_a_served_bench_too(
    command: Command, served: Served, tmp_path: Path, train: Words
) -> None:
    bench = tmp_path / "with_references.yaml"
    bench.write_text(served.bench.read_text() + REFERENCE)
    words = (*train, "--bench", bench)
    alone = _alone(command, tmp_path / "alone", *words)
    run = benchmark.killed_and_resumed(tmp_path / "killed", words, [4], random.Random(5))
    assert differences(alone, run) == []
    found = [(event.data["number"], event.data["mode_hz"]) for event in run.events("mode")]
    assert len(set(found)) < len(found)  # looked for anew after the kill,
    assert len(dict(found)) == len(set(found))  # and found where it was


def test_slow_knobs_at_their_ends_do_not_remember(
    command: Command, tmp_path: Path, train: Words, bench_with_all_knobs: Path
) -> None:
    # So wild a learning rate leads to the ends, where settings repeat and nothing has to move.
    words = (
        *train,
        "--bench",
        bench_with_all_knobs,
        "-p",
        "knobs=field_mt, amplifier_voltage_v",
        "-p",
        "optimiser=sgd",
    )
    words += ("-p", "learning_rate=2", "-p", "drive_frequency_hz=4.46e9")
    words += ("-p", "attenuation_db=12", "-p", "steps=6")
    alone = _alone(command, tmp_path / "alone", *words)
    runs = tmp_path / "aborted"
    identity = _aborted(command, runs, *words)
    told = command("resume", identity, "--runs", runs, "--json")
    assert told.code == 0, told.stderr
    with RunsFolder(runs).find(identity) as run:
        assert differences(alone, run) == []


def test_a_run_without_steps_goes_on_from_its_beginning(
    command: Command, tmp_path: Path, train: Words
) -> None:
    alone = _alone(command, tmp_path / "alone", *train)
    with alone, RunsFolder(tmp_path / "alone").find("latest") as _:
        configuration, bench = alone.info()["configuration"], alone.info()["bench"]
        early = RunsFolder(tmp_path / "early").create("train", configuration, bench, 0, True)
        early.start()
        early.finish("aborted")
        early.close()
        told = command("resume", "latest", "--runs", tmp_path / "early", "--json")
        assert told.code == 0, told.stderr
        with RunsFolder(tmp_path / "early").find("latest") as run:
            assert differences(alone, run) == []


def test_what_has_finished_is_not_resumed(command: Command, tmp_path: Path, train: Words) -> None:
    _alone(command, tmp_path, *train, "-p", "steps=1").close()
    told = command("resume", "latest", "--runs", tmp_path, "--json")
    assert told.code == 1
    assert "is finished: there is nothing to resume" in told.json["message"]


@pytest.fixture(scope="module")
def aborted_once(tmp_path_factory: pytest.TempPathFactory, train: Words) -> Path:
    """A training that was aborted, in its folder of runs."""
    runs = tmp_path_factory.mktemp("aborted")
    with bystander(ask_at(runs, 2, "abort")):
        CliRunner().invoke(app, ["run", "train", "--runs", str(runs), *train])
    return runs


@pytest.fixture
def aborted(aborted_once: Path, tmp_path: Path) -> Path:
    """A folder of runs with an aborted training in it."""
    return Path(shutil.copytree(aborted_once, tmp_path / "runs"))


def _limits(text: str) -> str:
    return text.replace("field_mt: [0, 150]", "field_mt: [0, 120]")


def _knobs(text: str) -> str:
    return text.replace("attenuation_db: {from: 10, to: 15}", "attenuation_db: {from: 11, to: 15}")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_limits, ["limits.field_mt", "[0.0, 150.0]", "[0.0, 120.0]"]),
        (_knobs, ["knobs.attenuation_db.from", "10.0", "11.0"]),
    ],
)
def test_a_changed_bench_is_refused_with_both_named(
    command: Command,
    tmp_path: Path,
    aborted: Path,
    change: Callable[[str], str],
    said: list[str],
) -> None:
    changed = changed_bench(tmp_path, change)
    words = ("resume", "latest", "--runs", aborted, "--bench", changed, "--json")
    refused = command(*words)
    assert refused.code == 2
    for word in (*said, str(changed), "--accept-changed"):
        assert word in refused.json["message"]
    with RunsFolder(aborted).find("latest") as run:
        assert run.status == "aborted"
        assert run.events("resume") == []
    accepted = command(*words, "--accept-changed")
    assert accepted.code == 0, accepted.stderr
    with RunsFolder(aborted).find("latest") as run:
        [event] = run.events("changed")
        assert all(word in event.data["changes"][0] for word in said)
        assert run.info()["bench"] == changed.read_text()
        assert event.data["bench"] == shipped_path().read_text()


def test_another_instrument_is_refused_with_both_named(
    command: Command, tmp_path: Path, aborted: Path
) -> None:
    with RunsFolder(aborted).find("latest") as run:
        before = run.info()["identities"]["generator"]
    library = tmp_path / "others.yaml"
    text = (shipped_path().parent / "sim_instruments.yaml").read_text()
    serial = before.split(",")[2]
    assert serial in text
    library.write_text(text.replace(serial, "XX99999999"))
    shipped = shipped_path().parent / "sim_instruments.yaml"
    bench = changed_bench(tmp_path, lambda text: text.replace(str(shipped), str(library)))
    words = ("resume", "latest", "--runs", aborted, "--bench", bench, "--json")
    refused = command(*words)
    assert refused.code == 2
    for word in ("generator", before, "XX99999999", "--accept-changed"):
        assert word in refused.json["message"]
    with RunsFolder(aborted).find("latest") as run:
        assert run.status == "aborted"
    assert command(*words, "--accept-changed").code == 0


def test_other_data_are_refused(command: Command, tmp_path: Path, train: Words) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 3)).astype(np.float32)
    path = tmp_path / "mine.npz"
    np.savez(path, x=x, y=(x[:, 0] > 0).astype(int))
    identity = _aborted(command, tmp_path / "runs", *train, "-p", f"task={path}")
    np.savez(path, x=x + 1e-3, y=(x[:, 0] > 0).astype(int))
    told = command("resume", identity, "--runs", tmp_path / "runs", "--json")
    assert told.code == 1
    assert str(path) in told.json["message"]
    assert "not the data" in told.json["message"]
