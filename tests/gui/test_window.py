"""A person at the main window, at a simulated bench that another process serves."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from PyQt6.QtWidgets import QMessageBox
from pytestqt.qtbot import QtBot

from magnon_lab.gui.model import presets
from magnon_lab.gui.model.presets import FIRST
from magnon_lab.gui.model.runs_list import UNREADABLE
from magnon_lab.runs import RunsFolder

from ..serving import Served, serve
from .acting import TRAINING, WALK, Person, alive, end, window_process


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Serve one laboratory for all: each run leaves it safe."""
    with serve(tmp_path_factory.mktemp("laboratory"), "virtual") as laboratory:
        yield laboratory


@pytest.fixture
def person(qtbot: QtBot, tmp_path: Path, served: Served) -> Iterator[Person]:
    """Sit a person down at a bench that is served by another process."""
    person = Person(qtbot, tmp_path, served)
    yield person
    person.window.close()
    for run in RunsFolder(person.runs).list():
        if run.status in ("running", "paused"):
            with RunsFolder(person.runs).find(run.id) as found:
                end(int(found.info()["process"]["pid"]))
                person.until(lambda found=found: found.status not in ("running", "paused"))


def test_the_first_start_trains_with_one_button_and_is_steered_by_keys(
    person: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = person.window
    (tmp_path / f"{FIRST}.yaml").write_text(yaml.safe_dump({"procedure": "train", **TRAINING}))
    monkeypatch.setattr(presets, "_examples", lambda: tmp_path)  # what begins to learn sooner
    assert window.first.isVisible()
    assert window.banner.isVisible()
    person.click(window.first.button)
    person.until(lambda: window.live.isVisible() and person.shown() == "running")
    person.until(lambda: window.live.snapshots[0].steps > 3)
    assert not window.first.isVisible()
    assert window.live.snapshots[0].simulated
    person.press("Ctrl+P")
    person.until(lambda: person.shown() == "paused")
    person.press("Ctrl+R")
    person.until(lambda: person.shown() == "running")
    person.press("Ctrl+T")
    person.until(lambda: person.shown() == "stopped")
    person.until(window.actions_["resume"].isEnabled)
    assert not window.actions_["pause"].isEnabled()
    with RunsFolder(person.runs).find("latest") as run:
        assert [request.kind for request in run.requests()] == ["pause", "resume", "stop"]
        assert run.evaluations()[-1].split == "test"


def test_wrong_input_is_told_at_its_field(person: Person) -> None:
    window = person.window
    window.welcome(False)
    person.press("Ctrl+N")
    rows, start = window.launch.view.rows, window.launch.start_button
    person.type_into("shots", "0")
    person.until(lambda: rows["shots"].problem.isVisible())
    assert "1" in rows["shots"].problem.text()
    assert not start.isEnabled()
    person.type_into("shots", "2")
    person.until(lambda: not rows["shots"].problem.text())
    person.type_into("field_mt", "900")  # within the parameter's range, not within the bench's
    person.until(lambda: rows["field_mt"].problem.text())
    assert "150" in rows["field_mt"].problem.text()
    person.press("Ctrl+Return")
    assert RunsFolder(person.runs).list() == []
    person.type_into("field_mt", "90")
    person.until(start.isEnabled)


def test_what_only_the_run_can_know_is_told_at_its_field(person: Person) -> None:
    values = {**TRAINING, "task": "digits", "batch_size": "1300", "budget": "20000"}
    person.fill("train", values)
    person.until(person.window.launch.start_button.isEnabled)
    person.press("Ctrl+Return")
    problem = person.window.launch.view.rows["batch_size"].problem
    person.until(problem.text)
    assert "1300" in problem.text()
    assert RunsFolder(person.runs).list() == []


def test_a_queue_of_three_of_which_one_fails(person: Person, tmp_path: Path) -> None:
    window = person.window
    window.welcome(False)
    script = tmp_path / "fails.py"
    script.write_text(
        "from pymeasure.experiment import Procedure\n\n\nclass Fails(Procedure):\n"
        "    DATA_COLUMNS = ['Turn']\n\n    def execute(self):\n"
        "        raise RuntimeError('the pump has stopped')\n"
    )
    for procedure, values in ((WALK, {}), (f"{script}:Fails", {}), (WALK, {})):
        assert window.launch.choose(procedure, by_hand=True)
        window.launch.load(procedure, values)
        person.until(window.launch.queue_button.isEnabled)
        person.press("Ctrl+Shift+Return")
    person.until(lambda: len(window.queue.model.entries) == 3)
    window.queue.policy.setCurrentIndex(window.queue.policy.findData("go-on"))
    person.click(window.queue.start)
    person.until(
        lambda: (
            [one.status for one in window.queue.model.entries] == ["finished", "failed", "finished"]
        )
    )
    person.until(lambda: not window.processes.at_work)
    window.queue.select(window.queue.model.entries[1].entry)
    assert "the pump has stopped" in window.queue.told.text()
    person.until(lambda: len(person.listed()) == 3)


def test_closed_and_opened_again_while_the_run_goes_on(person: Person) -> None:
    pid = person.start()
    person.window.close()
    steps = person.row().steps
    person.until(lambda: person.row().steps > steps + 5)
    assert alive(pid)
    window = person.open_window()
    assert not window.first.isVisible()
    person.until(window.runs.proxy.rowCount)
    window.runs.table.selectRow(0)
    window.runs.acts["open"].trigger()
    person.until(lambda: person.shown() == "running" and window.live.snapshots[0].steps > steps)
    person.abort()
    person.until(lambda: person.shown() == "aborted")


def test_two_windows_on_one_run(person: Person) -> None:
    person.start()
    first = person.window
    second = person.open_window()
    second.open_run(person.row().folder)
    person.until(lambda: person.shown() == "running")
    person.press("Ctrl+P", second)
    for window in (first, second):
        person.until(lambda window=window: window.live.snapshots[0].status == "paused")
    person.press("Ctrl+Shift+A", first)
    for window in (first, second):
        person.until(lambda window=window: window.live.snapshots[0].status == "aborted")
    first.close()


def test_a_killed_run_is_shown_as_interrupted_and_resumes(person: Person) -> None:
    pid = person.start()
    person.until(lambda: person.shown() == "running")
    os.kill(pid, signal.SIGKILL)
    person.until(lambda: person.shown() == "interrupted")
    window = person.window
    person.until(window.actions_["resume"].isEnabled)
    person.until(lambda: person.listed()[0].status == "interrupted")
    steps = person.row().steps
    person.press("Ctrl+R")
    person.until(lambda: person.shown() == "running" and person.row().steps > steps)
    person.abort()
    person.until(lambda: person.shown() == "aborted")


@pytest.fixture
def change_bench(served: Served) -> Iterator[Callable[[], None]]:
    """Let a test change the bench file, which is put back at its end."""
    text = served.bench.read_text()

    def change() -> None:
        data = yaml.safe_load(text)
        data["settle"]["drive_s"] *= 2
        served.bench.write_text(yaml.safe_dump(data))

    yield change
    served.bench.write_text(text)


def test_a_run_goes_on_at_a_changed_bench_only_if_that_is_accepted(
    person: Person, change_bench: Callable[[], None]
) -> None:
    person.start()
    person.until(lambda: person.shown() == "running")
    window, role = person.window, QMessageBox.ButtonRole
    person.abort()
    person.until(window.actions_["resume"].isEnabled)
    change_bench()
    for chosen, status in ((role.RejectRole, "aborted"), (role.AcceptRole, "running")):
        window.actions_["resume"].trigger()
        person.until(lambda: window.findChildren(QMessageBox))
        [box] = window.findChildren(QMessageBox)
        assert "settle.drive_s: " in box.text()
        assert "--accept" not in box.text()
        person.click(next(one for one in box.buttons() if box.buttonRole(one) == chosen))
        person.until(lambda: not window.findChildren(QMessageBox))
        person.until(lambda status=status: person.shown() == status)
    person.abort()
    person.until(lambda: person.shown() == "aborted")


def test_a_killed_window_leaves_the_run(person: Person, tmp_path: Path) -> None:
    pid = person.start()
    other = window_process(person.runs, person.served.bench, tmp_path / "other")
    try:
        time.sleep(2.0)  # until it has opened and looks at the run, on most machines
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()
    steps = person.row().steps
    person.until(lambda: person.row().steps > steps + 5)
    assert alive(pid)
    person.abort()
    person.until(lambda: person.shown() == "aborted")


def test_make_safe_while_the_run_hangs(person: Person) -> None:
    pid = person.start()
    person.until(lambda: person.shown() == "running")
    os.kill(pid, signal.SIGSTOP)
    try:
        window = person.window
        person.click(window.bench.safe_button)
        person.until(lambda: "Safe" in window.bench.report.text())
        assert window.bench.report.isVisible()
        assert "FAILED" not in window.bench.report.text()
    finally:
        if alive(pid):
            os.kill(pid, signal.SIGCONT)
    person.until(lambda: not alive(pid))


def test_an_unreadable_run_is_shown_with_the_reason(person: Person) -> None:
    broken = person.runs / "2026-01-01-000000-train-abcdef"
    broken.mkdir(parents=True)
    (broken / "run.sqlite").write_bytes(b"no database at all, whatever it is called")
    window = person.window
    person.until(person.listed)
    assert person.listed()[0].status == UNREADABLE
    window.open_run(broken)
    person.until(lambda: "no run file" in window.run_line.text())
