"""A run file read for the windows, while it is written."""

from __future__ import annotations

import math
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from magnon_lab.gui.model.run_view import TRY_AGAIN_S, RunView
from magnon_lab.runs import EvaluationRow, MeasurementBlock

from .trained_runs import (
    HIGH,
    HZ,
    KNOBS,
    LOW,
    look,
    loss_at,
    new_run,
    read,
    spectrum,
    sweep,
    train,
)


def test_everything_of_a_training_is_there(tmp_path):
    with new_run(tmp_path, steps=40, estimator="pgt") as run:
        train(run, range(1, 21))
        found = read(run)
        assert found.id == run.id
        assert (found.status, found.procedure, found.simulated) == ("running", "train", True)
        assert found.error == ""
        assert found.complete
        assert (found.steps, found.part_done) == (20, 0.5)
        assert found.ring_measurements == 80 + 10  # with references
        assert found.bench_time_s == 40.0
        assert found.loss_kind == "measured unperturbed"
        loss = found.curves["loss"]
        assert loss.mean == pytest.approx([loss_at(step) for step in range(1, 21)])
        assert loss.x["ring_measurements"].tolist() == list(range(4, 84, 4))
        assert loss.x["bench_time_s"].tolist() == list(range(2, 42, 2))
        assert "cosine" not in found.curves
        assert found.curves["seconds_sweep"].mean == pytest.approx(np.full(20, 0.4))
        scores = found.evaluations["validation"]
        assert scores.x["step"].tolist() == [5, 10, 15, 20]
        assert scores.x["ring_measurements"].tolist() == [20, 40, 60, 80]
        assert scores.loss == pytest.approx([0.4, 0.2, 2 / 15, 0.1])
        assert found.confusion is not None
        assert (found.confusion.split, found.confusion.step) == ("validation", 20)
        assert found.confusion.counts[3, 3:5].tolist() == [20, 1]
        assert found.confusion.labels == tuple("0123456789")
        assert found.bench.reference_level_dbm == 0
        assert found.bench.knobs["drive_frequency_hz"] == (4.45e9, 4.48e9)
        assert found.bench.limits["attenuation_db"] == (5, 60)


def test_the_newest_trace_tells_its_settings_flags_and_lines(tmp_path):
    with new_run(tmp_path) as run:
        train(run, range(1, 4), flags=1)
        trace = read(run).trace
        assert trace is not None
        assert (trace.number, trace.purpose, trace.overload) == (11, "training", True)
        assert (trace.unlevelled, trace.retried) == (False, False)
        assert trace.trace_dbm.tolist() == spectrum(level_db=0.11).tolist()
        assert trace.frequencies_hz.tolist() == HZ.tolist()
        assert trace.settings["field_mt"] == 92.0  # held
        assert LOW[0] <= trace.settings["drive_power_dbm"] <= HIGH[0]
        assert [round(peak.frequency_hz / 1e6) for peak in trace.peaks] == [4400, 4460, 4550]


def test_knob_use_counts_what_was_asked_for_and_what_was_clipped(tmp_path):
    with new_run(tmp_path) as run:
        train(run, range(1, 31), batch=40)
        found = read(run)
        asked = run.measurements(columns=("number", "requested"))
        training = asked["requested"][asked["number"] >= 0]
        assert [use.quantity for use in found.knob_use] == list(KNOBS)
        for column, use in enumerate(found.knob_use):
            values = training[:, column]
            assert use.counts.sum() == len(values) == 1200
            assert use.at_low == pytest.approx(np.mean(values == LOW[column]))
            assert use.at_high == pytest.approx(np.mean(values == HIGH[column]))
            assert use.at_low > 0.05
            assert use.recent.sum() == 1000
            assert use.recent_at_high == pytest.approx(np.mean(values[-1000:] == HIGH[column]))
            assert use.knob == (LOW[column], HIGH[column])
            assert (use.counts == np.histogram(values, use.edges)[0]).all()


def test_a_knob_that_is_stepped_gets_a_bin_a_step(tmp_path):
    with new_run(tmp_path, procedure="gain_sweep") as run:
        values = np.arange(20, 4.9, -0.25)
        sweep(run, values)
        (use,) = read(run).knob_use
        assert use.edges[0] <= 5.0
        assert use.edges[-1] >= 60.0  # beyond the knob's range, within the limits
        assert math.isnan(use.at_low)  # swept over, not clipped
        assert use.counts.sum() == len(values)


def test_a_sweep_is_told_from_a_training(tmp_path):
    with new_run(tmp_path, procedure="gain_sweep") as run:
        sweep(run, [20.0, 19.0, 18.0, 17.0])
        found = read(run)
        assert found.waterfall is not None
        assert found.waterfall.swept == "attenuation_db"
        assert found.waterfall.values.tolist() == [20, 19, 18, 17]
        assert found.waterfall.image_dbm[:, 0] - spectrum()[0] == pytest.approx(
            [-20, -19, -18, -17]
        )
        assert found.curves == {}
        assert found.bench_time_s == pytest.approx(0.3)
    with new_run(tmp_path) as run:
        train(run, range(1, 4))
        waterfall = read(run).waterfall
        assert waterfall is not None
        assert waterfall.swept == ""
        assert waterfall.numbers.tolist() == list(range(12))


def test_drift_is_what_the_references_tell(tmp_path):
    with new_run(tmp_path) as run:
        train(run, range(1, 51), batch=8)
        drift = read(run).drift
        assert drift is not None
        assert drift.number.tolist() == list(range(0, 400, 8))
        assert drift.bench_time_s.tolist() == list(range(0, 200, 4))
        assert drift.level_dbm - drift.level_dbm[0] == pytest.approx(0.01 * drift.number, abs=0.05)
        shift_hz = drift.mode_hz - drift.mode_hz[0]
        assert shift_hz == pytest.approx(1e4 * drift.number, abs=4e5)  # between points of the trace
        first, last = spectrum(), spectrum(shift_hz=1e4 * 392, level_db=3.92)
        assert drift.deviation_db[0] == 0
        assert drift.deviation_db[-1] == pytest.approx(
            np.sqrt(np.mean((last - first) ** 2)), rel=1e-5
        )


@pytest.mark.parametrize("keep", [3, "none"])
def test_only_traces_that_are_kept_are_shown(tmp_path, keep):
    with new_run(tmp_path, keep=keep) as run:
        train(run, range(1, 21), batch=40)
        found = read(run)
        assert sum(found.knob_use[0].counts) == 800
        if keep == "none":
            assert (found.trace, found.waterfall, found.drift) == (None, None, None)
            return
        assert found.trace is not None
        assert found.waterfall is not None
        assert found.overview is not None
        assert found.trace.number == 798
        assert found.waterfall.numbers.tolist() == list(range(33, 801, 3))
        assert len(found.overview.numbers) == 256
        assert found.overview.numbers[[0, -1]].tolist() == [0, 798]
        assert (found.overview.numbers % 3 == 0).all()


def test_a_view_follows_a_run_and_tells_when_nothing_is_new(tmp_path):
    with new_run(tmp_path, steps=30) as run:
        view = RunView(run.folder)
        look(view)
        assert not view.look()
        before = view.snapshot
        for last in (3, 4, 15, 30):
            train(run, range(1 if last == 3 else view.snapshot.steps + 1, last + 1))
            assert view.look()
            found = look(view)
            assert found is not before
            assert found.steps == last
            assert found.curves["loss"].mean == pytest.approx(
                [loss_at(step) for step in range(1, last + 1)]
            )
            assert found.trace is not None
            assert found.trace.number == 4 * last - 1
            assert found.knob_use[0].counts.sum() == 4 * last
            assert not view.look()
        run.finish("finished", summary={"baselines": {"ridge": {"accuracy": 0.8}, "none": 0.7}})
        found = look(view)
        assert (found.status, found.part_done) == ("finished", 1.0)
        assert found.baselines == {"ridge": {"accuracy": 0.8}, "none": {"accuracy": 0.7}}
        assert math.isnan(found.eta_s)
        view.close()


def test_parts_that_did_not_change_are_the_very_same(tmp_path):
    with new_run(tmp_path) as run:
        train(run, range(1, 11))
        view = RunView(run.folder)
        before = look(view)
        run.event("note", "outcome", "nothing of data")
        after = look(view)
        assert after.events[-1].message == "nothing of data"
        for name in ("curves", "trace", "waterfall", "knob_use", "drift", "evaluations"):
            assert getattr(after, name) is getattr(before, name)
        view.close()


def test_a_run_that_goes_on_from_before_is_read_anew(tmp_path):
    with new_run(tmp_path) as run:
        train(run, range(1, 21))
        view = RunView(run.folder)
        look(view)
        run.rewind(10, 40, ())
        train(run, range(11, 13), offset=7.0)
        found = look(view)
        assert found.steps == 12
        assert found.curves["loss"].mean[-2:] == pytest.approx([loss_at(11) + 7, loss_at(12) + 7])
        assert found.evaluations["validation"].x["step"].tolist() == [5, 10]
        assert found.knob_use[0].counts.sum() == 48
        assert found.waterfall is not None
        assert found.waterfall.numbers[-1] == 47
        view.close()


def test_an_evaluation_made_anew_replaces_the_old_one(tmp_path):
    with new_run(tmp_path) as run:
        view = RunView(run.folder)
        for loss in (3.0, 1.0):
            run.record_evaluation(
                EvaluationRow(step=0, split="test", loss=loss, accuracy=math.nan, n=9, time=loss)
            )
            scores = look(view).evaluations["test"]
            assert scores.loss.tolist() == [loss]
            assert not view.look()  # though its accuracy is NaN, which equals nothing
        assert look(view).confusions == {}
        view.close()


def test_a_run_whose_process_was_killed_is_shown_as_interrupted(tmp_path):
    code = (
        "import sys, time; from magnon_lab.runs import RunsFolder\n"
        "run = RunsFolder(sys.argv[1]).create('train', {}, '', 0, True); run.start()\n"
        "print(run.folder, flush=True); time.sleep(60)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    view = RunView(Path(process.stdout.readline().strip()))
    assert look(view).status == "running"
    process.kill()
    process.wait()
    process.stdout.close()
    assert view.look()  # nothing was written
    assert view.snapshot.status == "interrupted"
    assert view.snapshot.info["status"] == "interrupted"
    view.close()


def test_what_cannot_be_read_is_told_and_tried_again(tmp_path, monkeypatch):
    run = new_run(tmp_path)
    folder, away = run.folder, tmp_path / "away"
    train(run, range(1, 4))
    view = RunView(tmp_path / "nowhere")
    assert view.look()
    assert "does not exist" in view.snapshot.error
    assert not view.look()
    view = RunView(folder)
    look(view)
    shutil.copytree(folder, away)
    (folder / "run.sqlite").unlink()
    assert view.look()
    assert "is gone" in view.snapshot.error
    assert view.snapshot.steps == 3  # what is known stays
    assert not view.behind
    run.close()
    shutil.rmtree(folder)
    shutil.copytree(away, folder)
    later = time.monotonic() + 2 * TRY_AGAIN_S
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert view.look()
    assert view.snapshot.error == ""
    view.close()


def test_a_bench_file_that_is_none_hides_nothing_else(tmp_path):
    with new_run(tmp_path) as run:
        train(run, range(1, 3))
        run.set_bench("limits: [unclosed")
        found = read(run)
        assert math.isnan(found.bench.reference_level_dbm)
        assert found.knob_use[0].knob is None
        assert found.knob_use[0].counts.sum() == 8
        run.set_bench(
            "readout: {reference_level_dbm: -1.0e+1}\nknobs: nonsense\nlimits: {a: [2, 1]}"
        )
        facts = read(run).bench
        assert (facts.reference_level_dbm, facts.knobs, facts.limits) == (-10, {}, {})


def test_class_names_are_used_where_the_run_tells_them(tmp_path):
    with new_run(tmp_path) as run:
        run.event("data", "outcome", "data", {"classes": ["left", "right"]})
        run.record_evaluation(
            EvaluationRow(
                step=1, split="test", loss=1, accuracy=1, n=2, confusion=np.eye(2, dtype=int)
            )
        )
        confusion = read(run).confusion
        assert confusion is not None
        assert confusion.labels == ("left", "right")


def test_traces_of_another_length_begin_an_image_of_their_own(tmp_path):
    with new_run(tmp_path, procedure="spectrum") as run:
        for number, points in enumerate((401, 401, 401, 3000)):
            run.record_measurements(
                MeasurementBlock(
                    numbers=[number], purpose="measurement", knobs=("field_mt",), flags=[0],
                    requested=[[92.0]], realised=[[92.0]], bench_time_s=[math.nan],
                    traces_dbm=np.arange(float(points))[None],
                )
            )  # fmt: skip
        found = read(run)
        assert found.waterfall is not None
        assert found.trace is not None
        assert len(found.trace.trace_dbm) == 3000
        assert found.waterfall.numbers.tolist() == [3]
        assert found.waterfall.image_dbm.shape == (1, 1500)  # of two neighbours the higher
        assert found.waterfall.image_dbm[0, :3].tolist() == [1, 3, 5]


def test_a_diverged_run_is_read_to_its_end(tmp_path):
    with new_run(tmp_path) as run:
        train(run, range(1, 4))
        with run._database.transaction() as connection:
            connection.execute("UPDATE steps SET loss = 9e999 WHERE step = 3")
        loss = read(run).curves["loss"]
        assert len(loss.mean) == 3
        assert not math.isfinite(loss.mean[-1])
        assert loss.mean[:2] == pytest.approx([loss_at(1), loss_at(2)])
