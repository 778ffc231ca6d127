"""What is recorded comes back exactly."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import numpy as np
import pytest

from magnon_lab.runs import EvaluationRow, RunError, RunFile, StepRow
from magnon_lab.runs.schema import PHASES

FIGURES = (
    "loss_kind",
    "accuracy",
    "learning_rate",
    "perturbation",
    "gradient_snr",
    "clip_penalty",
    "cosine",
    "bench_time_s",
    "time",
    "ring_measurements",
)


@pytest.fixture
def reopened() -> Iterator[Callable[[RunFile], RunFile]]:
    """Open a run once more, for reading."""
    with ExitStack() as stack:
        yield lambda run: stack.enter_context(RunFile.open(run.folder))


def test_a_step_comes_back_with_all_its_figures(run, reopened):
    seconds = {phase: index / 10 for index, phase in enumerate(PHASES)}
    row = StepRow(
        step=0,
        ring_measurements=96,
        loss=np.float32(0.1),
        loss_kind="measured unperturbed",
        accuracy=0.75,
        learning_rate=1e-3,
        perturbation=0.05,
        gradient_snr=2.5,
        clip_penalty=0.01,
        cosine=0.9,
        bench_time_s=12.5,
        measurements={"training": 64, "validation": np.int64(32)},
        seconds=seconds,
        time=1000.25,
    )
    run.record_step(row)
    run.record_step(StepRow(step=1, ring_measurements=97))
    with reopened(run) as reader:
        steps = reader.steps()
        for name in FIGURES:
            assert steps[name][0] == getattr(row, name)
        assert steps["loss"][0] == float(np.float32(0.1))
        for phase, value in seconds.items():
            assert steps[f"seconds_{phase}"][0] == value
            assert np.isnan(steps[f"seconds_{phase}"][1])
        assert np.isnan(steps["loss"][1])
        assert steps["loss_kind"][1] == ""
        assert steps["step"].dtype == np.int64
        assert reader.step_measurements(0) == {"training": 64, "validation": 32}
        with pytest.raises(RunError, match="no step 9"):
            reader.step_measurements(9)


def test_steps_can_be_read_on_and_thinned(run):
    for step in range(10):
        run.record_step(StepRow(step=step, ring_measurements=step))
    assert run.steps(after=6)["step"].tolist() == [7, 8, 9]
    assert run.steps(every=4)["step"].tolist() == [0, 4, 8]
    assert run.steps(after=99)["loss"].shape == (0,)


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ({"step": -1, "ring_measurements": 0}, "step -1"),
        ({"step": 0, "ring_measurements": -1}, "-1 ring measurements"),
        ({"step": 0, "ring_measurements": 0, "seconds": {"wait": 1.0}}, r"phase \['wait'\]"),
    ],
)
def test_a_step_that_cannot_be_is_refused(values, match):
    with pytest.raises(ValueError, match=match):
        StepRow(**values)


def test_evaluations_come_back_in_order(run, reopened):
    confusion = np.array([[3, 1], [0, 4]])
    late = EvaluationRow(step=5, split="test", loss=0.2, accuracy=0.9, n=8, confusion=confusion)
    early = EvaluationRow(step=5, split="validation", loss=float("nan"), accuracy=0.8, n=4, time=1)
    run.record_step(StepRow(step=5, ring_measurements=1), evaluations=[early])
    run.record_evaluation(late)
    found = reopened(run).evaluations()
    assert [row.split for row in found] == ["validation", "test"]
    assert np.isnan(found[0].loss)
    assert found[0].confusion is None
    assert (found[1].step, found[1].loss, found[1].accuracy, found[1].n) == (5, 0.2, 0.9, 8)
    np.testing.assert_array_equal(found[1].confusion, confusion)


def test_measurements_come_back_to_the_last_bit(run, make_block, reopened):
    block = make_block(first=3, n=4)
    run.record_step(StepRow(step=2, ring_measurements=4), measurements=block)
    run.record_measurements(make_block(first=0, n=3, purpose="calibration"))
    found = reopened(run).measurements()
    assert found["number"].tolist() == list(range(7))
    assert found["step"].tolist() == [-1, -1, -1, 2, 2, 2, 2]
    assert found["purpose"].tolist() == ["calibration"] * 3 + ["training"] * 4
    assert found["traces_dbm"].dtype == np.float32
    for column in ("requested", "realised", "traces_dbm", "flags", "bench_time_s"):
        np.testing.assert_array_equal(found[column][3:], getattr(block, column))


def test_measurements_can_be_chosen(run, make_block):
    run.record_measurements([make_block(0, 5), make_block(5, 5, purpose="evaluation")])
    read = run.measurements
    assert read(first=2, last=4)["number"].tolist() == [2, 3, 4]
    assert read(purpose="evaluation")["number"].tolist() == [5, 6, 7, 8, 9]
    assert read(newest=3)["number"].tolist() == [7, 8, 9]
    assert list(read(columns=["flags", "number"])) == ["flags", "number"]
    none = read(first=100)
    assert none["requested"].shape == (0, 2)
    assert none["traces_dbm"].shape == (0, 0)
    assert none["purpose"].shape == (0,)
    with pytest.raises(RunError, match=r"no column \['colour'\]"):
        read(columns=["colour"])


def test_knobs_of_different_blocks_share_the_columns(run, make_block):
    run.record_measurements(make_block(0, 2, knobs=("field_mt",)))
    run.record_measurements(make_block(2, 2, knobs=("attenuation_db", "field_mt")))
    assert run.knobs() == ("field_mt", "attenuation_db")
    requested = run.measurements()["requested"]
    assert np.isnan(requested[:2, 1]).all()
    np.testing.assert_array_equal(requested[2:, 1], [2.0, 3.0])
    np.testing.assert_array_equal(requested[:, 0], [0.0, 1.0, 2 + 1 / 7, 3 + 1 / 7])


@pytest.mark.parametrize(("keep", "kept"), [("all", [0, 1, 2, 3, 4]), (2, [0, 2, 4]), ("none", [])])
def test_keep_is_about_traces_alone(runs, make_block, keep, kept):
    with runs.create("train", {}, "", 0, True, keep=keep) as run:
        run.start()
        run.record_measurements(make_block(0, 5))
        found = run.measurements()
        assert run.info()["keep"] == keep
        assert run.counts() == {"training": 5}
        assert found["number"].tolist() == [0, 1, 2, 3, 4]
        with_trace = (
            np.flatnonzero(np.isfinite(found["traces_dbm"]).all(axis=1)).tolist()
            if found["traces_dbm"].size
            else []
        )
        assert with_trace == kept


def test_measurements_without_traces(run, make_block):
    run.record_measurements(make_block(0, 3, traces_dbm=None))
    assert run.measurements()["traces_dbm"].shape == (3, 0)


def test_traces_of_different_lengths_are_read_apart(run, make_block):
    run.record_measurements([make_block(0, 2, points=5), make_block(2, 2, points=7)])
    with pytest.raises(RunError, match=r"traces of \[5, 7\] points"):
        run.measurements()
    assert run.measurements(first=2)["traces_dbm"].shape == (2, 7)


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ({"flags": [0]}, "flags of 5 measurements"),
        ({"requested": np.zeros((5, 3))}, r"requested .* has shape \(5, 3\), not \(5, 2\)"),
        ({"realised": np.zeros(5)}, "realised"),
        ({"traces_dbm": np.zeros((4, 11))}, r"traces_dbm .* not \(5, points\)"),
        ({"bench_time_s": np.zeros((5, 1))}, "bench_time_s"),
        ({"numbers": [0, 1, 2, 3, 3]}, "unique"),
        ({"numbers": [-1, 1, 2, 3, 4]}, "from 0 up"),
    ],
)
def test_a_block_that_does_not_fit_together_is_refused_whole(run, make_block, wrong, match):
    with pytest.raises(ValueError, match=match):
        run.record_step(
            StepRow(step=0, ring_measurements=5),
            measurements=[make_block(100, 2), make_block(**wrong)],
            checkpoint=b"state",
        )
    assert run.steps()["step"].size == 0
    assert run.measurements()["number"].size == 0
    assert run.counts() == {}
    assert run.last_checkpoint() is None


def test_what_is_recorded_again_replaces_and_is_counted_once(run, make_block):
    for loss in (0.5, 0.25):
        run.record_step(
            StepRow(step=1, ring_measurements=5, loss=loss),
            evaluations=[EvaluationRow(step=1, split="test", loss=loss, accuracy=0, n=1)],
            measurements=make_block(0, 5),
            checkpoint=str(loss).encode(),
        )
    assert run.steps()["loss"].tolist() == [0.25]
    assert [row.loss for row in run.evaluations()] == [0.25]
    assert run.measurements()["number"].tolist() == [0, 1, 2, 3, 4]
    assert run.last_checkpoint() == (1, b"0.25")
    assert run.counts() == {"training": 5}


def test_checkpoints_are_exact_and_the_last_ones_stay(runs, reopened):
    states = [bytes(range(256)) * 40 + bytes([step]) for step in range(6)]
    with runs.create("train", {}, "", 0, True, checkpoints_kept=2) as run:
        run.start()
        assert run.last_checkpoint() is None
        for step, state in enumerate(states):
            run.record_step(StepRow(step=step, ring_measurements=0), checkpoint=state)
        run.record_step(StepRow(step=6, ring_measurements=0))
        assert run.checkpoint_steps() == [4, 5]
        with reopened(run) as reader:
            assert reader.last_checkpoint() == (5, states[5])


def test_the_journal_keeps_its_order_and_data(run, reopened):
    run.event("output", "intent", "switch RF on", {"power_dbm": np.float64(-10)})
    run.event("output", "outcome", "RF is on")
    run.event("limit", "outcome", "refused", {"value": float("inf")})
    events = reopened(run).events()
    assert [(event.kind, event.phase) for event in events] == [
        ("output", "intent"),
        ("output", "outcome"),
        ("limit", "outcome"),
    ]
    assert events[0].data == {"power_dbm": -10.0}
    assert events[1].data == {}
    assert events[2].data == {"value": float("inf")}
    assert [event.message for event in run.events("limit")] == ["refused"]
    assert events[0].time <= events[2].time


def test_data_that_has_no_form_is_named(run):
    with pytest.raises(RunError, match="event data cannot be written to a run file"):
        run.event("x", "intent", "y", {"thing": object()})
    assert run.events() == []


def test_identities_and_frequencies(run, reopened):
    frequencies = np.linspace(4.3e9, 4.65e9, 401)
    assert run.frequencies_hz is None
    run.set_frequencies(frequencies)
    run.set_identities({"analyser": "Keysight,N9000B,1,2"})
    with reopened(run) as reader:
        np.testing.assert_array_equal(reader.frequencies_hz, frequencies)
        assert reader.info()["identities"] == {"analyser": "Keysight,N9000B,1,2"}


def test_a_commit_is_on_the_disk_when_it_returns(run):
    assert run._database.row("PRAGMA synchronous") == (2,)
    assert run._database.row("PRAGMA journal_mode") == ("wal",)


def test_the_order_of_a_batch_is_kept(run, make_block, reopened):
    run.record_measurements([make_block(0, 3, place=[2, 0, 1]), make_block(3, 2)])
    with reopened(run) as reader:
        assert reader.measurements(columns=["place"])["place"].tolist() == [2, 0, 1, -1, -1]
    with pytest.raises(ValueError, match="place of 3 measurements must be each of 0 to n - 1"):
        run.record_measurements(make_block(5, 3, place=[0, 1, 3]))
    assert run.counts() == {"training": 5}


def test_a_list_tells_the_test_accuracy_of_the_last_evaluation(run, runs):
    run.record_step(StepRow(step=1, ring_measurements=4, accuracy=0.5))
    assert np.isnan(runs.list()[0].test_accuracy)
    for step, split, accuracy in ((1, "test", 0.7), (2, "test", 0.9), (3, "validation", 0.1)):
        run.record_evaluation(EvaluationRow(step=step, split=split, loss=1, accuracy=accuracy, n=9))
    found = runs.list()[0]
    assert (found.accuracy, found.test_accuracy) == (0.5, 0.9)
