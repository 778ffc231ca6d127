"""The table of runs as a person uses it."""

from __future__ import annotations

import numpy as np
import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtGui import QDesktopServices, QGuiApplication
from PyQt6.QtWidgets import QFileDialog, QLineEdit

from magnon_lab.gui.lists import Lists
from magnon_lab.gui.model.exporting import FORMATS
from magnon_lab.gui.model.runs_list import RunRow, RunsList
from magnon_lab.gui.panels.runs import RunsPanel
from magnon_lab.gui.panels.runs_table import COLUMNS, NOTE, PORTION, ROW, RUN, STATUS, TAGS
from magnon_lab.runs import RunFile

from .listed_runs import make_run, write

LONG_MS = 20_000


@pytest.fixture
def runs(tmp_path):
    return tmp_path / "runs"


@pytest.fixture
def panel(qtbot, runs) -> RunsPanel:
    made = RunsPanel(runs)
    made.resize(1100, 300)
    qtbot.addWidget(made)
    made.show()
    return made


@pytest.fixture
def look(panel, runs):
    found = RunsList(runs)
    return lambda: panel.set_rows(found.refresh())


def shown(panel: RunsPanel, column: int = STATUS) -> list[str]:
    proxy = panel.proxy
    return [proxy.index(row, column).data() for row in range(proxy.rowCount())]


def press(panel: RunsPanel, qtbot, key: Qt.Key, modifier=Qt.KeyboardModifier.NoModifier) -> None:
    panel.table.setFocus()
    qtbot.keyClick(panel.table, key, modifier)


def test_an_empty_folder_says_what_to_do(panel, look):
    look()
    assert panel.pages.currentWidget() is panel.empty
    assert "Start" in panel.empty.text()
    assert not panel.has_runs()


def test_the_newest_run_comes_first_and_keeps_its_line(panel, runs, look):
    make_run(runs, "finished", seed=1)
    look()
    panel.table.selectRow(0)
    (first,) = panel.selected()
    make_run(runs, "running", seed=2)
    look()
    assert panel.has_runs()
    assert panel.selected() == [first]
    assert set(shown(panel)) == {"finished", "running"}


def test_a_run_is_opened_by_return_and_by_a_double_click(panel, runs, look, qtbot):
    folder = make_run(runs, "finished")
    look()
    panel.table.selectRow(0)
    with qtbot.waitSignal(panel.opened, timeout=LONG_MS) as opened:
        press(panel, qtbot, Qt.Key.Key_Return)
    assert opened.args == [folder]
    where = panel.table.visualRect(panel.proxy.index(0, RUN)).center()
    with qtbot.waitSignal(panel.opened, timeout=LONG_MS):
        qtbot.mouseClick(panel.table.viewport(), Qt.MouseButton.LeftButton, pos=where)
        qtbot.mouseDClick(panel.table.viewport(), Qt.MouseButton.LeftButton, pos=where)


def test_words_find_runs_and_escape_finds_all_again(panel, runs, look, qtbot):
    make_run(runs, "finished", task="digits")
    make_run(runs, "failed")
    look()
    qtbot.keyClicks(panel.search, "spirals fail")
    assert shown(panel) == ["failed"]
    qtbot.keyClicks(panel.search, "xyz")
    assert "No run holds" in panel.empty.text()
    assert panel.pages.currentWidget() is panel.empty
    qtbot.keyClick(panel.search, Qt.Key.Key_Escape)
    assert len(shown(panel)) == 2


def test_columns_are_sorted_by_what_they_mean(panel, runs, look):
    for steps in (2, 9, 4):
        make_run(runs, "finished", steps=steps, seed=steps)
    look()
    loss = [column.title for column in COLUMNS].index("Loss")
    panel.table.sortByColumn(loss, Qt.SortOrder.AscendingOrder)
    assert shown(panel, loss) == ["0.1111", "0.25", "0.5"]


def test_tags_and_note_are_written_in_their_place(panel, runs, look, qtbot):
    folder = make_run(runs, "finished")
    look()
    panel.table.selectRow(0)
    press(panel, qtbot, Qt.Key.Key_F2)
    editor = panel.table.findChild(QLineEdit)
    qtbot.keyClicks(editor, "one dB high")
    with qtbot.waitSignal(panel.touched, timeout=LONG_MS):
        qtbot.keyClick(editor, Qt.Key.Key_Return)
    look()
    assert shown(panel, NOTE) == ["one dB high"]
    panel.table.selectRow(0)
    press(panel, qtbot, Qt.Key.Key_F2, Qt.KeyboardModifier.ShiftModifier)
    editor = panel.table.findChildren(QLineEdit)[-1]
    editor.selectAll()
    qtbot.keyClicks(editor, "cold, film B")
    with qtbot.waitSignal(panel.touched, timeout=LONG_MS):
        qtbot.keyClick(editor, Qt.Key.Key_Return)
    look()
    assert shown(panel, TAGS) == ["cold, film B"]
    with RunFile.open(folder) as run:
        assert run.annotations() == (("cold", "film B"), "one dB high")


@pytest.mark.parametrize(
    ("status", "able"),
    [
        ("running", {"pause", "stop", "abort"}),
        ("paused", {"resume", "stop", "abort"}),
        ("interrupted", {"resume"}),
        ("failed", {"resume"}),
        ("finished", set()),
    ],
)
def test_only_what_makes_sense_can_be_asked(panel, runs, look, status, able):
    make_run(runs, status)
    look()
    panel.table.selectRow(0)
    kinds = ("pause", "resume", "stop", "abort")
    assert {kind for kind in kinds if panel.acts[kind].isEnabled()} == able


@pytest.mark.parametrize("kind", ["pause", "stop", "abort"])
def test_a_request_reaches_the_run(panel, runs, look, kind):
    folder = make_run(runs, "running")
    look()
    panel.table.selectRow(0)
    panel.acts[kind].trigger()
    with RunFile.open(folder) as run:
        assert [one.kind for one in run.pending_requests()] == [kind]
    assert folder.name in panel.told.message


def test_a_paused_run_is_asked_to_go_on_and_one_that_ended_is_resumed(panel, runs, look, qtbot):
    paused = make_run(runs, "paused", message="the analyser's input was overdriven")
    look()
    panel.table.selectRow(0)
    assert "overdriven" in panel.told.message
    with qtbot.assertNotEmitted(panel.resumed):
        panel.acts["resume"].trigger()
    with RunFile.open(paused) as run:
        assert [one.kind for one in run.pending_requests()] == ["resume"]
    ended = make_run(runs, "interrupted")
    look()
    panel.select(ended)
    with qtbot.waitSignal(panel.resumed, timeout=LONG_MS) as resumed:
        panel.acts["resume"].trigger()
    assert resumed.args == [ended.name]


def test_a_request_that_comes_too_late_is_told(panel, runs, look):
    folder = make_run(runs, "running")
    look()
    panel.table.selectRow(0)
    make_run(runs, "finished")

    write(folder, status="finished")
    panel.acts["stop"].trigger()
    assert "there is nobody to stop it" in panel.told.message


def test_several_runs_are_compared(panel, runs, look, qtbot):
    folders = {make_run(runs, "finished", seed=seed) for seed in range(3)}
    look()
    assert not panel.acts["compare"].isEnabled()
    panel.table.selectAll()
    with qtbot.waitSignal(panel.compared, timeout=LONG_MS) as compared:
        panel.acts["compare"].trigger()
    assert set(compared.args[0]) == folders


def test_a_run_is_duplicated_into_the_form(panel, runs, look, qtbot):
    make_run(runs, "finished", task="digits")
    look()
    panel.table.selectRow(0)
    with qtbot.waitSignal(panel.duplicated, timeout=LONG_MS) as duplicated:
        press(panel, qtbot, Qt.Key.Key_D, Qt.KeyboardModifier.ControlModifier)
    procedure, values = duplicated.args
    assert (procedure, values["task"], values["field_mt"]) == ("train", "digits", 92.0)


def test_ids_are_copied(panel, runs, look, qtbot):
    folder = make_run(runs, "finished")
    look()
    panel.table.selectRow(0)
    press(panel, qtbot, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    assert QGuiApplication.clipboard().text() == folder.name


def test_the_folder_is_opened_outside(panel, runs, look, monkeypatch):
    folder = make_run(runs, "finished")
    look()
    panel.table.selectRow(0)
    opened = []
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: not opened.append(url))
    panel.acts["reveal"].trigger()
    assert [url.toLocalFile() for url in opened] == [str(folder.resolve())]


def test_a_run_is_exported_beside_the_window(panel, runs, look, qtbot, tmp_path, monkeypatch):
    folder = make_run(runs, "finished")
    look()
    panel.table.selectRow(0)
    goal = str(tmp_path / "mine.npz")
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (goal, next(iter(FORMATS))))
    with qtbot.waitSignal(panel.exported, timeout=LONG_MS) as exported:
        panel.acts["export"].trigger()
    assert exported.args[0] == folder
    assert np.load(goal)["steps_loss"][-1] == 0.25
    assert "Written" in panel.told.message


def test_an_export_that_fails_is_told(panel, runs, look, qtbot, tmp_path):
    make_run(runs, "finished")
    look()
    panel.table.selectRow(0)
    (tmp_path / "file").touch()
    panel.export_to(panel.selected(), tmp_path / "file" / "x.npz", next(iter(FORMATS)))
    qtbot.waitUntil(lambda: "Not exported" in panel.told.message, timeout=LONG_MS)


def test_a_broken_run_is_shown_with_its_reason_and_cannot_be_steered(panel, runs, look):
    folder = make_run(runs, "finished")
    (folder / "run.sqlite").write_bytes(b"")
    look()
    panel.table.selectRow(0)
    assert shown(panel) == ["unreadable"]
    assert "is empty" in panel.told.message
    assert not panel.acts["duplicate"].isEnabled()
    assert not panel.proxy.index(0, NOTE).flags() & Qt.ItemFlag.ItemIsEditable


def test_a_run_is_selected_as_soon_as_it_is_listed(panel, runs, look):
    make_run(runs, "finished", seed=1)
    look()
    folder = make_run(runs, "running", seed=2)
    panel.select(folder)
    assert panel.selected() == []
    look()
    assert [row.folder for row in panel.selected()] == [folder]


def test_many_runs_come_in_portions_the_newest_first(panel, runs, qtbot):
    many = [RunRow(runs / str(n), str(n), "finished", created=n) for n in range(2 * PORTION + 1)]
    panel.select(many[0].folder)
    panel.set_rows(many)
    assert panel.model.rowCount() == PORTION
    assert panel.proxy.index(0, RUN).data(ROW) is many[-1]
    fewer = many[1:]
    panel.set_rows(fewer)
    panel.set_rows(many)
    qtbot.waitUntil(lambda: panel.model.rowCount() == len(many), timeout=LONG_MS)
    assert [row.folder for row in panel.selected()] == [many[0].folder]
    assert panel.proxy.index(len(many) - 1, RUN).data(ROW) is many[0]


def test_a_list_follows_the_folder(panel, runs, qtbot):
    lists = Lists(runs, look_s=0.05)
    try:
        lists.changed.connect(lambda found: panel.set_rows(found.rows, found.error))
        folder = make_run(runs, "running")
        qtbot.waitUntil(lambda: shown(panel) == ["running"], timeout=LONG_MS)

        write(folder, status="failed", message="no answer")
        qtbot.waitUntil(lambda: shown(panel) == ["failed"], timeout=LONG_MS)
    finally:
        lists.close()


def test_every_control_is_named_and_explained(panel):
    for action in panel.acts.values():
        assert action.toolTip()
    for widget in (panel.search, panel.table):
        assert widget.accessibleName()
    assert all(column.tip for column in COLUMNS)
