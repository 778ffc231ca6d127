"""What the table of runs reads, and when it reads it again; without Qt."""

from __future__ import annotations

import math
import threading

import numpy as np
import pytest

from magnon_lab.gui.model.exporting import FORMATS, export_runs
from magnon_lab.gui.model.lister import Lister
from magnon_lab.gui.model.log_lines import of_event
from magnon_lab.gui.model.runs_list import RunsList, duration, figure, tags_of
from magnon_lab.runs import Event, RunFile
from magnon_lab.runs.queue import Queue

from .listed_runs import make_run, write

STATES = ("finished", "stopped", "aborted", "failed", "running", "paused", "interrupted")


@pytest.fixture
def runs(tmp_path):
    return tmp_path / "runs"


def test_a_row_says_what_a_run_is(runs):
    folder = make_run(runs, "running", estimator="input")
    with RunFile.open(folder) as run:
        run.annotate(tags=["cold"], note="one dB high")
    (row,) = RunsList(runs).refresh()
    assert (row.folder, row.status, row.task, row.estimator) == (
        folder,
        "running",
        "spirals",
        "input",
    )
    assert (row.loss, row.accuracy, row.part_done) == (0.25, 0.4, 0.4)
    assert (row.tags, row.note, row.simulated) == (("cold",), "one dB high", True)
    assert row.duration_s >= 0


@pytest.mark.parametrize("status", STATES)
def test_a_status_says_what_may_be_asked(runs, status):
    make_run(runs, status)
    (row,) = RunsList(runs).refresh()
    assert row.status == status
    assert row.may("pause") == (status == "running")
    assert row.may("stop") == row.may("abort") == (status in ("running", "paused"))
    assert row.may("resume") == (status not in ("running", "finished"))


def test_a_run_that_ended_without_a_checkpoint_cannot_go_on(runs):
    make_run(runs, "stopped", procedure="hand", checkpoint=None)
    make_run(runs, "paused", procedure="hand", checkpoint=None)
    stopped, paused = RunsList(runs).refresh()
    assert not stopped.may("resume")
    assert paused.may("resume")


def test_a_run_that_was_judged_is_shown_by_that(runs):
    make_run(runs, "finished", summary={"loss": 0.2, "accuracy": 0.93, "split": "test"})
    (row,) = RunsList(runs).refresh()
    assert (row.loss, row.accuracy, row.split, row.part_done) == (0.2, 0.93, "test", 1.0)


def test_only_what_changed_or_lives_is_read_again(runs):
    folders = [make_run(runs, status) for status in ("finished", "failed", "running")]
    found = RunsList(runs)
    found.refresh()
    assert found.read == 3
    found.refresh()
    assert found.read == 4  # the one that runs
    with RunFile.open(folders[0]) as run:
        run.annotate(note="looked at")
    assert found.refresh()[0].note == "looked at"
    assert found.read == 6


def test_a_run_whose_process_is_gone_is_noticed_without_a_word_in_its_file(runs):
    folder = make_run(runs, "running")
    found = RunsList(runs)
    assert found.refresh()[0].status == "running"
    write(folder, heartbeat=0.0)
    assert found.refresh()[0].status == "interrupted"


def test_a_run_that_cannot_be_read_is_shown_with_the_reason(runs):
    make_run(runs, "finished")
    broken = make_run(runs, "finished")
    (broken / "run.sqlite").write_bytes(b"not a database, but long enough to have a header")
    row = next(row for row in RunsList(runs).refresh() if row.folder == broken)
    assert row.status == "unreadable"
    assert "no run file of Magnon Lab" in row.message
    assert math.isfinite(row.created)
    assert row.matches("unreadable")


def test_a_search_goes_through_everything(runs):
    make_run(runs, "failed", message="InstrumentError: no answer", budget=3000)
    (row,) = RunsList(runs).refresh()
    for words in ("failed", "SPIRALS pgt", "budget=3000", "no answer", row.id[-6:], "simulated"):
        assert row.matches(words)
    assert not row.matches("spirals digits")


def test_a_folder_that_is_not_there_holds_no_runs(runs):
    assert RunsList(runs).refresh() == ()


def test_a_thread_tells_of_changes_of_runs_and_queue(runs):
    told = threading.Semaphore(0)
    lister = Lister(runs, told.release, look_s=0.02)
    try:
        assert told.acquire(timeout=20)
        assert lister.listing.rows == ()
        make_run(runs, "finished")
        while not lister.listing.rows:
            assert told.acquire(timeout=20)
        with Queue(runs) as queue:
            queue.add("train", {"seed": 1}, "bench.yaml")
        while not lister.listing.entries:
            assert told.acquire(timeout=20)
        assert lister.listing.entries[0].parameters == {"seed": 1}
        assert not lister.listing.error
    finally:
        lister.close()


def test_a_queue_that_cannot_be_read_is_told_beside_what_was_known(runs):
    make_run(runs, "finished")
    told = threading.Semaphore(0)
    lister = Lister(runs, told.release, look_s=0.02)
    try:
        assert told.acquire(timeout=20)
        (runs / "queue.sqlite").write_bytes(b"x" * 200)
        while not lister.listing.error:
            assert told.acquire(timeout=20)
        assert "queue.sqlite" in lister.listing.error
        assert len(lister.listing.rows) == 1
    finally:
        lister.close()


def test_runs_are_written_for_other_programs(runs, tmp_path):
    folders = [make_run(runs, "finished") for _ in range(2)]
    archive, _, tables, _ = FORMATS
    ((_, path),) = export_runs(folders[:1], tmp_path / "one", archive)
    assert path.name == "one.npz"
    assert np.load(path)["steps_loss"][-1] == 0.25
    written = export_runs(folders, tmp_path / "all", tables)
    assert [folder for folder, _ in written] == folders
    assert all((path / "steps.csv").is_file() for _, path in written)


def test_texts_of_the_table():
    assert tags_of(" cold, film B,,cold ") == ("cold", "film B")
    assert (figure(math.nan), figure(0.123456)) == ("", "0.1235")
    assert (duration(math.nan), duration(3723)) == ("", "1:02:03")


@pytest.mark.parametrize(
    ("event", "level"),
    [
        (Event(0, "safe", "outcome", "field to zero: no answer", {"ok": False}), "error"),
        (Event(0, "safe", "outcome", "field to zero: done", {"ok": True}), ""),
        (Event(0, "stuck", "outcome", "aborted; measure has not got on", {}), "error"),
        (Event(0, "retry", "outcome", "try 1 of 3 failed: no answer", {}), "warning"),
        (Event(0, "set", "outcome", "refused: field_mt = 200 mT", {}), "warning"),
        (Event(0, "ramp", "intent", "field to 92 mT", {}), ""),
    ],
)
def test_what_somebody_should_know_of_stands_out_in_the_log(event, level):
    assert of_event(event).level == level
