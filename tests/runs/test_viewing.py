"""A run file summed up for those who look at it."""

import math
from contextlib import closing

import numpy as np
import pytest

from magnon_lab.runs import EvaluationRow, MeasurementBlock, RunError, StepRow
from magnon_lab.runs.viewing import FIGURES, SPREAD, RunViewer, StepParts

LOSS, RATE = FIGURES.index("loss"), FIGURES.index("learning_rate")


@pytest.fixture
def losses() -> np.ndarray:
    found = np.random.default_rng(3).normal(size=60)
    found[17] = math.nan
    return found


@pytest.fixture
def viewer(run, losses):
    for step, loss in enumerate(losses):
        if step not in (30, 31, 32):  # steps need not be without a gap
            run.record_step(
                StepRow(
                    step=step, ring_measurements=8 * step, bench_time_s=0.25 * step, loss=loss,
                    learning_rate=0.1 / (1 + step),
                )
            )  # fmt: skip
    with closing(RunViewer.open(run.folder)) as found:
        yield found


@pytest.mark.parametrize("size", [1, 4, 7, 64])
@pytest.mark.parametrize(("first", "end"), [(0, 60), (5, 41), (29, 34), (30, 33)])
def test_parts_are_what_numpy_makes_of_the_steps(viewer, losses, first, end, size):
    steps = np.array([step for step in range(first, end) if step not in (30, 31, 32)], dtype=int)
    parts = viewer.step_parts(first, end, size)
    buckets = np.unique(steps // size)
    assert len(parts.last) == len(buckets)
    for at, bucket in enumerate(buckets):
        inside = steps[steps // size == bucket]
        known = losses[inside][np.isfinite(losses[inside])]
        assert (parts.last[at], parts.steps[at]) == (inside[-1], len(inside))
        assert parts.ring_measurements[at] == 8 * inside[-1]
        assert parts.bench_time_s[at] == 0.25 * inside[-1]
        expected = (known.min(), known.max(), known.mean()) if len(known) else (math.nan,) * 3
        found = (parts.low[at, LOSS], parts.high[at, LOSS], parts.mean[at, LOSS])
        assert found == pytest.approx(expected, nan_ok=True)
        assert parts.mean[at, RATE] == pytest.approx(np.mean(0.1 / (1 + inside)))
        assert math.isnan(parts.mean[at, FIGURES.index("cosine")])
    assert len(SPREAD) < len(FIGURES)


def test_steps_are_read_one_by_one_too(viewer, losses):
    rows = viewer.step_rows(10, 20, 4)
    assert rows.last.tolist() == [10, 11, 12, 13]
    assert rows.mean[:, LOSS] == pytest.approx(losses[10:14])
    assert rows.low is rows.mean
    assert viewer.step_rows(30, 33, 10).last.tolist() == []
    joined = StepParts.joined([rows, StepParts.none(), viewer.step_rows(58, 99, 9)])
    assert joined.last.tolist() == [10, 11, 12, 13, 58, 59]


def test_a_sample_spans_the_run(viewer):
    assert viewer.ends() == (0, 59)
    assert viewer.step_sample(0, 60, 3).last.tolist() == [0, 29, 59]
    assert len(viewer.step_sample(0, 60, 500).last) == 57


def test_an_empty_run_has_nothing_to_show(run):
    with closing(RunViewer.open(run.folder)) as viewer:
        assert viewer.ends() is None
        assert viewer.last_number() == -1
        assert (viewer.traces_kept(), viewer.loss_kind()) == (0, "")
        assert viewer.used()[0] == 0
        assert math.isnan(viewer.used()[1])
        assert math.isnan(viewer.eta_s())
        assert viewer.requested(0, 10) == {}
        assert viewer.scores(0) == viewer.traces([0]) == viewer.references(0, 9) == []


def test_what_was_asked_for_is_told_by_its_knobs(run, make_block):
    run.record_measurements(
        [make_block(first=0, n=5), make_block(first=5, n=3, knobs=("field_mt",))]
    )
    with closing(RunViewer.open(run.folder)) as viewer:
        found = viewer.requested(1, 6)
        assert set(found) == {("attenuation_db", "drive_power_dbm"), ("field_mt",)}
        assert np.sort(found["attenuation_db", "drive_power_dbm"][:, 0]).tolist() == [1, 2, 3, 4]
        assert np.sort(found[("field_mt",)][:, 0]).tolist() == [5, 6]


def test_traces_and_references_are_told_apart(run, make_block):
    reference = make_block(first=0, n=3)
    run.record_measurements(
        [
            make_block(first=0, n=5),
            MeasurementBlock(
                numbers=[-1, -9, -17], purpose="reference", knobs=reference.knobs,
                requested=reference.requested, realised=reference.realised,
                traces_dbm=reference.traces_dbm, flags=[0, 0, 0], bench_time_s=[0, 1, math.nan],
            ),
        ]
    )  # fmt: skip
    with closing(RunViewer.open(run.folder)) as viewer:
        rows = viewer.traces([3, 1, 99, -9])
        assert [row.number for row in rows] == [-9, 1, 3]
        assert rows[1].purpose == "training"
        assert rows[1].knobs == reference.knobs
        assert rows[1].requested == pytest.approx(np.asarray(reference.requested)[1])
        assert [row.number for row in viewer.references(0, 2)] == [-1, -9]
        (last,) = viewer.references(-9, 2)
        assert last.number == -17
        assert math.isnan(last.bench_time_s)
        assert viewer.last_number() == 4


def test_evaluations_are_placed_by_what_had_been_measured(run, viewer):
    counts = np.array([[3, 1], [0, 4]])
    for step, confusion in ((10, None), (31, counts), (99, None)):
        run.record_evaluation(
            EvaluationRow(step=step, split="test", loss=1.0, accuracy=0.5, n=8, confusion=confusion)
        )
    found = viewer.scores(11)
    assert [(row.step, row.ring_measurements) for row in found] == [(31, 232.0), (99, 472.0)]
    assert viewer.confusion(10, "test") is None
    assert viewer.confusion(31, "train") is None
    assert (viewer.confusion(31, "test") == counts).all()


def test_the_version_changes_with_what_others_write(run, viewer):
    before = viewer.version()
    assert viewer.version() == before
    run.event("note", "outcome", "one")
    assert viewer.version() != before
    ((key, event),) = viewer.events_after(0, 9)
    assert event.message == "one"
    assert viewer.events_after(key, 9) == []


def test_a_file_that_was_taken_away_is_missed(run, viewer):
    viewer.check_there()
    (run.folder / "run.sqlite").rename(run.folder / "elsewhere")
    with pytest.raises(RunError, match="is gone"):
        viewer.check_there()
    with pytest.raises(RunError, match="does not exist"):
        RunViewer.open(run.folder)


def test_infinite_figures_come_through(run):
    for step, loss in enumerate((1.0, math.inf, -math.inf)):
        run.record_step(StepRow(step=step, ring_measurements=0, loss=loss))
    with closing(RunViewer.open(run.folder)) as viewer:
        assert viewer.step_rows(0, 9, 9).mean[:, LOSS].tolist() == [1.0, math.inf, -math.inf]
        parts = viewer.step_parts(0, 2, 4)
        assert (parts.low[0, LOSS], parts.high[0, LOSS]) == (1.0, math.inf)
