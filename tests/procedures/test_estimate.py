"""What a run is said to take before it begins, beside what it then takes."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from magnon_lab.bench import BenchFile, LimitError
from magnon_lab.bench.benchfile import shipped_path
from magnon_lab.learning.tasks import make_task
from magnon_lab.runs import RunsFolder
from procedures import PROCEDURES, load_procedure
from procedures.base import RingProcedure
from procedures.context import Context
from procedures.estimate import SIZES, sample_shape, split_sizes, sweep_s


@pytest.fixture
def bench_file() -> BenchFile:
    return BenchFile.load(shipped_path())


@pytest.fixture
def made(bench_file, tmp_path):
    def make(name: str, **values) -> RingProcedure:
        procedure = load_procedure(name)()
        procedure.set_parameters(values)
        procedure.context = Context(bench_file=bench_file, runs=RunsFolder(tmp_path))
        return procedure

    return make


@pytest.mark.parametrize("name", PROCEDURES)
def test_every_parameter_stands_under_one_heading_at_most(name):
    cls = load_procedure(name)
    grouped = [one for names in cls.groups.values() for one in names]
    assert len(grouped) == len(set(grouped))
    assert set(grouped) <= set(cls()._parameters)


def test_every_parameter_of_a_training_stands_under_a_heading():
    cls = load_procedure("train")
    assert {one for names in cls.groups.values() for one in names} == set(cls()._parameters)


def test_what_choices_mean_is_said_of_choices_that_there_are():
    parameters = load_procedure("train")()._parameters
    for name, meanings in load_procedure("train").meanings.items():
        if name != "task":
            assert set(meanings) == set(parameters[name].choices)


@pytest.mark.parametrize("task", SIZES)
def test_sizes_are_those_of_the_tasks(task):
    found = make_task(task)
    assert SIZES[task] == (len(found.x_train), len(found.x_validation), len(found.x_test))
    assert sample_shape(task) == found.shape


@pytest.mark.parametrize("x", [np.zeros((30, 4)), np.zeros((30, 5, 2))])
def test_shapes_of_own_data_are_those_of_its_samples(x, tmp_path):
    np.savez(tmp_path / "own.npz", x=x, y=np.arange(30) % 3)
    assert sample_shape(str(tmp_path / "own.npz")) == x.shape[1:]
    np.savetxt(tmp_path / "own.csv", np.zeros((30, 4)), header="a,b,c,label", delimiter=",")
    assert sample_shape(str(tmp_path / "own.csv")) == (3,)


def test_sizes_of_own_data_are_about_those_of_its_splits(tmp_path):
    x, y = np.random.default_rng(0).normal(size=(200, 3)), np.arange(200) % 4
    np.savez(tmp_path / "own.npz", x=x, y=y)
    rows = "".join(f"{a},{b},{c},{d}\n" for (a, b, c), d in zip(x, y, strict=True))
    (tmp_path / "own.csv").write_text("a,b,c,label\n" + rows)
    for name in ("own.npz", "own.csv"):
        path = str(tmp_path / name)
        found = make_task(path)
        assert split_sizes(path) == (len(found.x_train), len(found.x_validation), len(found.x_test))


@pytest.mark.parametrize("task", ["digit", "nowhere.csv"])
def test_a_task_that_there_is_not_is_named(task):
    with pytest.raises(ValueError, match=rf"^task .*{task}"):
        split_sizes(task)


def test_a_training_takes_calibration_steps_validation_and_the_test(made):
    values = {"task": "spirals", "shots": 3, "batch_size": 5, "steps": 40, "budget": 0}
    train = made("train", estimator="pgt", validate_every=10, **values)
    # Two sides of one direction a step; 200 samples to validate on, 400 to test on.
    expected = 64 + 40 * 2 * 5 * 3 + 4 * 200 * 3 + 400 * 3
    assert train.estimate().measurements == expected


def test_a_training_takes_no_longer_than_its_time_limit_and_the_test(made):
    values = {"task": "spirals", "estimator": "input", "budget": 20_000}
    whole = made("train", **values).estimate()
    each_s = whole.bench_time_s / whole.measurements
    found = made("train", time_limit=2.0, **values).estimate()
    assert found.bench_time_s == pytest.approx(120 + 400 * 4 * each_s)
    assert found.measurements == pytest.approx(found.bench_time_s / each_s, abs=1)
    assert made("train", time_limit=1000.0, **values).estimate() == whole


def test_a_training_in_rounds_takes_its_budget_and_the_test(made):
    train = made("train", task="digits", estimator="twin_first", shots=4, budget=500)
    assert train.estimate().measurements == 500 + 397 * 4


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"budget": 0, "steps": 5}, "budget: 0 leaves 'twin_first' nothing to measure with"),
        ({"validate_every": 2}, "validate_every: 'twin_first' validates on its twin"),
    ],
)
def test_what_a_training_in_rounds_cannot_do_is_named(made, values, said):
    with pytest.raises(ValueError, match=said):
        made("train", estimator="twin_first", **values).check()


def test_a_training_within_a_budget_takes_no_more_than_it_and_the_test(made):
    train = made("train", task="spirals", estimator="pgt", shots=4, batch_size=8, budget=5000)
    assert 5000 - 64 < train.estimate().measurements - 400 * 4 <= 5000


@pytest.mark.parametrize(
    ("network", "task", "each"),
    [
        ("dense", "digit_rows", 3),
        ("two_pass", "spirals", 6),
        ("transformer", "digit_rows", 24),
        ("transformer", "parity5", 15),
    ],
)
def test_passes_and_tokens_count(made, network, task, each):
    values = {"task": task, "network": network, "shots": 3, "batch_size": 5}
    train = made("train", estimator="exact", steps=7, budget=0, **values)
    assert train.estimate().measurements == 64 + each * (7 * 5 + split_sizes(task)[2])


@pytest.mark.parametrize("name", ["ridge", "frozen"])
def test_a_readout_takes_as_many_samples_as_its_budget_pays_for(made, name):
    train = made("train", task="spirals", estimator=name, shots=2, budget=1000)
    assert train.spending().samples() == (1000 - 64) // 2 - 200
    assert train.estimate().measurements == 1000 + 400 * 2
    with pytest.raises(ValueError, match=r"^budget: 400 ring measurements do not pay for training"):
        made("train", task="spirals", estimator=name, shots=2, budget=400).estimate()


def test_a_readout_passes_all_splits_through_once(made):
    train = made("train", task="spirals", estimator="ridge", shots=2)
    assert train.estimate().measurements == 64 + 1200 * 2


def test_without_instruments_no_bench_time_is_used(made):
    assert made("train", reservoir="model").estimate().bench_time_s == 0
    for reservoir in ("none", "mlp"):
        assert made("train", reservoir=reservoir).estimate().measurements == 0


def test_a_budget_that_pays_for_no_step_is_refused_by_name(made):
    with pytest.raises(ValueError, match=r"^budget: 10 ring measurements"):
        made("train", budget=10).estimate()


def test_time_is_settling_and_sweeps(made, bench_file):
    few, many = (made("gain_sweep", attenuation_step_db=step).estimate() for step in (1, 0.25))
    assert (few.measurements, many.measurements) == (16, 61)
    each_s = (many.bench_time_s - few.bench_time_s) / 45
    assert bench_file.model.settle.attenuation_s + sweep_s(bench_file) < each_s < 0.1


def test_a_swept_end_beyond_a_limit_is_refused_by_its_own_name(made):
    with pytest.raises(LimitError, match=r"^attenuation_to_db: attenuation_db = 1 dB"):
        made("gain_sweep", attenuation_to_db=1).check()


def test_evaluating_takes_the_split_of_the_trained_run(made, tmp_path):
    with RunsFolder(tmp_path).create(
        "train",
        {"task": "spirals", "shots": 4, "reservoir": "bench", "knobs": "attenuation_db"},
        "",
        0,
        True,
    ) as run:
        run.start()
        with run._database.transaction() as connection:
            connection.execute("INSERT INTO checkpoints VALUES (1, 0, x'00')")
    assert made("evaluate").estimate().measurements == 400 * 4
    assert made("evaluate", split="train").estimate().measurements == 600 * 4


def test_a_form_is_filled_and_checked_without_jax():
    code = (
        "import sys\n"
        "from procedures import load_procedure\n"
        "from procedures.context import Context\n"
        "from magnon_lab.bench import BenchFile\n"
        "from magnon_lab.runs import RunsFolder\n"
        "one = load_procedure('train')()\n"
        f"one.context = Context(BenchFile.load({str(shipped_path())!r}), RunsFolder('nowhere'))\n"
        "one.check(); one.estimate()\n"
        "assert not {'jax', 'sklearn', 'optax'} & set(sys.modules)\n"
    )
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", code], check=True, cwd=root)
