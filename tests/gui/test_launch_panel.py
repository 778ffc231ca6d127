"""The form as a person fills it in: typed, tabbed, clicked."""

from __future__ import annotations

import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QFileDialog, QLabel

from magnon_lab.bench import BenchFile
from magnon_lab.bench.benchfile import shipped_path
from magnon_lab.gui.model.presets import Presets
from magnon_lab.gui.panels.launch import LaunchPanel
from magnon_lab.runs.queue import Queue

LONG_MS = 20_000
BENCH = BenchFile.load(shipped_path())


@pytest.fixture
def panel(qtbot, tmp_path) -> LaunchPanel:
    made = LaunchPanel(BENCH, tmp_path / "runs", presets=Presets(tmp_path / "presets"))
    made.resize(320, 640)
    qtbot.addWidget(made)
    made.show()
    return made


@pytest.fixture
def fill(panel, qtbot):
    """Put a text into a field, key by key."""

    def put(name: str, text: str) -> None:
        widget = panel.view.rows[name].input
        widget.setFocus()
        widget.selectAll()
        qtbot.keyClicks(widget, text)

    return put


def problem(panel: LaunchPanel, name: str) -> str:
    row = panel.view.rows[name]
    assert row.problem.isVisibleTo(panel) == bool(row.problem.text())
    return row.problem.text()


def estimated(panel: LaunchPanel, qtbot) -> str:
    qtbot.waitUntil(lambda: panel.estimate.text() not in ("", "…"), timeout=LONG_MS)
    return panel.estimate.text()


def test_what_is_typed_is_started(panel, qtbot, fill):
    fill("task", "spirals")
    fill("batch_size", "8")
    with qtbot.waitSignal(panel.start, timeout=LONG_MS) as started:
        qtbot.mouseClick(panel.start_button, Qt.MouseButton.LeftButton)
    assert started.args == ["train", {"task": "spirals", "batch_size": "8"}]
    with qtbot.waitSignal(panel.queue, timeout=LONG_MS) as queued:
        qtbot.mouseClick(panel.queue_button, Qt.MouseButton.LeftButton)
    assert queued.args == started.args


def test_what_is_wrong_is_said_where_it_is_and_nothing_starts(panel, qtbot, fill):
    fill("shots", "40000")
    assert problem(panel, "shots") == "Shots takes a whole number from 1 to 1000"
    assert panel.view.rows["shots"].input.property("wrong") == "true"
    assert not panel.start_button.isEnabled()
    assert "Shots takes a whole number" in panel.start_button.toolTip()
    assert "Shots is wrong" in panel.wrong.text()
    with qtbot.assertNotEmitted(panel.start):
        panel.press_start()
    fill("shots", "4")
    assert problem(panel, "shots") == ""
    assert panel.start_button.isEnabled()
    assert not panel.wrong.isVisible()


def test_a_limit_of_the_bench_is_said_at_its_field(panel, fill):
    fill("field_mt", "151")
    assert "outside limits.field_mt, 0 to 150 mT" in problem(panel, "field_mt")
    fill("field_mt", "150")
    assert problem(panel, "field_mt") == ""


def test_a_link_leads_to_what_is_wrong(panel, qtbot, fill):
    fill("seed", "x")
    section = panel.view.rows["seed"].section
    qtbot.mouseClick(section.button, Qt.MouseButton.LeftButton)
    assert not panel.view.rows["seed"].input.isVisible()
    assert "1 wrong" in section.button.text()
    panel.wrong.linkActivated.emit("seed")
    assert panel.view.rows["seed"].input.isVisible()
    qtbot.waitUntil(lambda: panel.focusWidget() is panel.view.rows["seed"].input)


def test_what_it_takes_is_said_before_it_starts(panel, qtbot, fill):
    assert estimated(panel, qtbot).startswith("About 3\u202f590 ring measurements, about ")
    fill("budget", "1000")
    assert panel.estimate.text() == "…"
    assert "About 2\u202f590" in estimated(panel, qtbot)
    fill("budget", "10")
    qtbot.waitUntil(lambda: "do not pay" in problem(panel, "budget"), timeout=LONG_MS)
    assert not panel.start_button.isEnabled()
    assert not panel.estimate.isVisible()


def test_what_a_run_refuses_is_said_at_its_field_until_it_is_changed(panel, fill):
    fill("task", "/data/own.csv")
    panel.show_refusal("task file /data/own.csv does not exist")
    assert problem(panel, "task") == "task file /data/own.csv does not exist"
    assert panel.focusWidget() is panel.view.rows["task"].input
    fill("task", "/data/other.csv")
    assert problem(panel, "task") == ""


def test_what_a_run_refuses_as_a_whole_is_said_above_the_buttons(panel, fill):
    panel.show_refusal("TCPIP::x is held by run 3: wait for it to end")
    assert "held by run 3" in panel.wrong.text()
    assert panel.start_button.isEnabled()
    fill("shots", "5")
    assert not panel.wrong.isVisible()


def test_what_blocks_a_start_is_said_and_the_queue_still_takes_it(panel):
    panel.set_blocked("the bench is being made safe")
    assert not panel.start_button.isEnabled()
    assert "being made safe" in panel.start_button.toolTip()
    assert panel.queue_button.isEnabled()
    panel.set_blocked("")
    assert panel.start_button.isEnabled()


def test_words_find_a_parameter(panel, qtbot):
    qtbot.keyClicks(panel.search, "optimiser")
    shown = [name for name, row in panel.view.rows.items() if row.input.isVisibleTo(panel)]
    assert shown == ["optimiser"]
    assert not panel.view.rows["task"].section.isVisibleTo(panel)
    panel.search.clear()
    assert panel.view.rows["task"].input.isVisibleTo(panel)


def test_changed_parameters_stand_out(panel, fill):
    row = panel.view.rows["shots"]
    assert not row.label.font().bold()
    fill("shots", "5")
    assert row.label.font().bold()
    assert "1 changed" in row.section.button.text()


def test_a_choice_is_explained_and_is_not_turned_by_scrolling_past(panel, qtbot):
    estimator = panel.view.rows["estimator"].input
    meaning = estimator.itemData(estimator.findText("trace"), Qt.ItemDataRole.ToolTipRole)
    assert "whole change of the trace" in meaning
    estimator.setFocus()
    qtbot.keyClicks(estimator, "input")
    assert panel.view.texts()["estimator"] == "input"


def test_every_input_can_be_reached_by_tab_and_is_named(panel, qtbot):
    for name, row in panel.view.rows.items():
        assert row.input.focusPolicy() & Qt.FocusPolicy.TabFocus, name
        assert row.input.accessibleName()
        assert row.input.toolTip()
    panel.view.rows["task"].input.setFocus()
    qtbot.keyClick(panel.view.rows["task"].input, Qt.Key.Key_Tab)
    assert panel.focusWidget() is panel.view.rows["reservoir"].input


def test_the_field_at_work_is_explained(panel, qtbot):
    panel.view.rows["penalty"].input.setFocus()
    qtbot.waitUntil(lambda: "Weight of leaving" in panel.help.text())


# Procedures


def test_another_procedure_has_another_form(panel, qtbot):
    panel.procedure.names.setFocus()
    panel.procedure.names.lineEdit().selectAll()
    qtbot.keyClicks(panel.procedure.names, "gain_sweep")
    qtbot.keyClick(panel.procedure.names, Qt.Key.Key_Return)
    assert "attenuation_from_db" in panel.view.rows
    assert "Lower the attenuation" in panel.summary.text()
    assert "About 61 ring measurements" in estimated(panel, qtbot)


def test_what_other_runs_must_be_there_for_is_said(panel, qtbot):
    panel.choose("evaluate")
    qtbot.waitUntil(lambda: "holds no training" in problem(panel, "trained"), timeout=LONG_MS)
    assert not panel.start_button.isEnabled()


def test_a_script_of_the_users_is_warned_of_and_started(panel, qtbot, tmp_path, monkeypatch):
    path = tmp_path / "mine.py"
    path.write_text(
        "from pymeasure.experiment import IntegerParameter, Procedure\n"
        "class Mine(Procedure):\n"
        "    points = IntegerParameter('Points', default=3, minimum=1, maximum=9)\n"
    )
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(path), ""))
    qtbot.mouseClick(panel.procedure.script, Qt.MouseButton.LeftButton)
    assert "no limit of the bench file is checked" in panel.summary.text()
    with qtbot.waitSignal(panel.start, timeout=LONG_MS) as started:
        panel.press_start()
    assert started.args == [str(path), {}]


def test_a_procedure_that_there_is_not_is_refused_and_nothing_is_lost(panel, qtbot, fill):
    fill("shots", "7")
    panel.procedure.names.setFocus()
    panel.procedure.names.lineEdit().selectAll()
    qtbot.keyClicks(panel.procedure.names, "trian")
    qtbot.keyClick(panel.procedure.names, Qt.Key.Key_Return)
    assert "'trian' is not known" in panel.wrong.text()
    assert not panel.start_button.isEnabled()
    panel.procedure.names.lineEdit().selectAll()
    qtbot.keyClicks(panel.procedure.names, "train")
    qtbot.keyClick(panel.procedure.names, Qt.Key.Key_Return)
    assert panel.view.texts()["shots"] == "7"
    assert panel.start_button.isEnabled()


# Presets, past runs, entries of the queue


def test_a_preset_is_kept_chosen_and_deleted(panel, qtbot, fill):
    fill("batch_size", "5")
    names = panel.presets.names
    names.setFocus()
    qtbot.keyClicks(names, "mine")
    qtbot.mouseClick(panel.presets.save, Qt.MouseButton.LeftButton)
    assert "Kept as preset mine" in panel.told.text()
    panel.presets.defaults.trigger()
    assert panel.view.texts()["batch_size"] == "32"
    names.setFocus()
    qtbot.keyClicks(names, "mine")
    qtbot.keyClick(names, Qt.Key.Key_Return)
    assert panel.view.texts()["batch_size"] == "5"
    panel.presets.delete.trigger()
    assert names.findText("mine") == -1
    assert "is deleted" in panel.told.text()


def test_a_shipped_preset_fills_the_form_and_stays(panel, qtbot):
    names = panel.presets.names
    names.setFocus()
    qtbot.keyClicks(names, "spirals-input")
    assert not panel.presets.save.isEnabled()
    assert not panel.presets.delete.isEnabled()
    qtbot.keyClick(names, Qt.Key.Key_Return)
    assert panel.view.texts()["estimator"] == "input"
    assert "Filled from spirals-input" in panel.told.text()


def test_a_wrong_form_is_not_kept(panel, qtbot, fill):
    fill("shots", "x")
    qtbot.keyClicks(panel.presets.names, "mine")
    qtbot.mouseClick(panel.presets.save, Qt.MouseButton.LeftButton)
    assert "Not kept: Shots takes" in panel.told.text()


def test_a_past_run_fills_the_form(panel):
    panel.load("train", {"task": "spirals", "shots": 2, "gone": 1}, "As run abc")
    assert panel.view.texts()["shots"] == "2"
    assert panel.told.text() == "As run abc; train has no gone: left out"


def test_an_entry_of_the_queue_is_changed_in_the_form(panel, qtbot, tmp_path, fill):
    with Queue(tmp_path) as queue:
        entry = queue.add("train", {"shots": "2"}, "bench.yaml")
    panel.edit_entry(entry)
    assert panel.start_button.text() == "Save entry 1"
    assert not panel.queue_button.isVisible()
    fill("shots", "3")
    with (
        qtbot.assertNotEmitted(panel.start),
        qtbot.waitSignal(panel.saved, timeout=LONG_MS) as saved,
    ):
        qtbot.mouseClick(panel.start_button, Qt.MouseButton.LeftButton)
    assert saved.args == [1, {"shots": "3"}]
    assert panel.start_button.text() == "Start"


def test_an_entry_may_be_left_as_it_is(panel, qtbot, tmp_path):
    with Queue(tmp_path) as queue:
        panel.edit_entry(queue.add("train", {"shots": "2"}, "bench.yaml"))
    qtbot.mouseClick(panel.cancel_button, Qt.MouseButton.LeftButton)
    assert panel.start_button.text() == "Start"
    assert panel.queue_button.isVisible()


@pytest.mark.parametrize("height", [560, 1200])
def test_nothing_is_wider_than_the_panel(panel, qtbot, fill, height):
    panel.resize(300, height)
    fill("shots", "x")
    qtbot.wait(50)
    whole = panel.view.widget()
    assert whole.width() <= panel.view.viewport().width()
    for label in whole.findChildren(QLabel):
        if label.isVisible():
            assert label.mapTo(whole, label.rect().topRight()).x() <= whole.width()


def test_a_script_that_a_file_names_is_not_executed(panel, tmp_path):
    mark, script = tmp_path / "executed", tmp_path / "stranger.py"
    script.write_text(f"import pathlib; pathlib.Path({str(mark)!r}).touch()\n")
    panel.load(str(script), {})
    panel.procedure.names.lineEdit().editingFinished.emit()
    panel.press_start()
    assert "was not executed" in panel._no_form
    assert not mark.exists()
