"""The queue as a person keeps it."""

from __future__ import annotations

import os
import signal

import pytest
from PyQt6.QtCore import QModelIndex, Qt

from magnon_lab.bench.benchfile import shipped_path
from magnon_lab.gui.panels.queue import QueuePanel
from magnon_lab.gui.panels.queue_table import STATUS
from magnon_lab.runs.queue import Queue

LONG_MS = 20_000
BENCH = shipped_path()
NONE, ALT = Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.AltModifier


@pytest.fixture
def panel(qtbot, tmp_path) -> QueuePanel:
    made = QueuePanel(tmp_path)
    made.resize(1100, 300)
    qtbot.addWidget(made)
    made.show()
    return made


@pytest.fixture
def queue(tmp_path):
    with Queue(tmp_path) as opened:
        yield opened


@pytest.fixture
def three(panel):
    for seed in range(3):
        assert panel.add("train", {"seed": str(seed)}, BENCH)
    return panel


def numbers(panel: QueuePanel) -> list[int]:
    return [entry.entry for entry in panel.model.entries]


def press(panel: QueuePanel, qtbot, key: Qt.Key, modifier=NONE) -> None:
    panel.table.setFocus()
    qtbot.keyClick(panel.table, key, modifier)


def test_an_empty_queue_says_what_to_do(panel):
    assert panel.pages.currentWidget() is panel.empty
    assert "Queue" in panel.empty.text()
    assert not panel.start.isEnabled()
    assert "Nothing waits" in panel.start.toolTip()


def test_what_is_queued_waits_with_its_bench(three, queue):
    entry = queue.entry(2)
    assert (entry.procedure, entry.parameters) == ("train", {"seed": "1"})
    assert entry.bench == str(BENCH.resolve())
    assert "Work it off (3)" in three.start.text().replace("&", "")


def test_a_script_is_queued_by_its_whole_path(panel, queue, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    panel.add("mine.py:Mine", {}, BENCH)
    assert queue.entry(1).procedure == f"{tmp_path / 'mine.py'}:Mine"


def test_keys_move_an_entry(three, qtbot, queue):
    three.select(3)
    press(three, qtbot, Qt.Key.Key_Up, ALT)
    assert numbers(three) == [1, 3, 2]
    press(three, qtbot, Qt.Key.Key_Up, ALT)
    assert [one.entry for one in queue.entries()] == [3, 1, 2]
    assert not three.acts["up"].isEnabled()
    press(three, qtbot, Qt.Key.Key_Down, ALT)
    assert numbers(three) == [1, 3, 2]
    assert three.current().entry == 3


@pytest.mark.parametrize(
    ("number", "row", "order"),
    [
        (1, 3, [2, 3, 1]),
        (1, 2, [2, 1, 3]),
        (3, 0, [3, 1, 2]),
        (3, -1, [1, 2, 3]),
        (2, 2, [1, 2, 3]),
    ],
)
def test_an_entry_is_dragged_to_another_place(three, number, row, order):
    model = three.model
    dragged = model.mimeData([model.index(model.row_of(number), 0)])
    model.dropMimeData(dragged, Qt.DropAction.MoveAction, row, 0, QModelIndex())
    assert numbers(three) == order


def test_an_entry_is_changed_in_the_form(three, qtbot, queue):
    three.select(2)
    with qtbot.waitSignal(three.edited, timeout=LONG_MS) as edited:
        press(three, qtbot, Qt.Key.Key_F2)
    assert edited.args[0].entry == 2
    assert three.save(2, {"seed": "7"})
    assert queue.entry(2).parameters == {"seed": "7"}


def test_an_entry_is_duplicated_and_removed(three, qtbot):
    three.select(1)
    press(three, qtbot, Qt.Key.Key_D, Qt.KeyboardModifier.ControlModifier)
    assert numbers(three) == [1, 2, 3, 4]
    three.select(2)
    press(three, qtbot, Qt.Key.Key_Delete)
    assert numbers(three) == [1, 3, 4]


def test_why_an_entry_failed_can_be_read_and_it_can_be_retried(three, qtbot, queue):
    queue.claim(1)
    message = "InstrumentError: " + "the analyser did not answer within 3 s; " * 5
    queue.ended(1, "failed", 1, message)
    three.set_entries(queue.entries())
    three.select(1)
    assert message in three.told.message
    assert message not in three.told.text()  # it takes one line, until it is clicked
    qtbot.mouseClick(three.told, Qt.MouseButton.LeftButton)
    assert message in three.told.text()
    assert not three.acts["edit"].isEnabled()
    assert not three.acts["resume"].isEnabled()  # it never had a run
    press(three, qtbot, Qt.Key.Key_Y, Qt.KeyboardModifier.ControlModifier)
    assert queue.entry(1).status == "queued"
    assert not three.told.isVisible()


def test_a_run_of_an_entry_goes_on(three, queue):
    queue.claim(1)
    queue.began(1, "some-run")
    queue.ended(1, "aborted", 4, "aborted on request")
    three.set_entries(queue.entries())
    three.select(1)
    three.acts["resume"].trigger()
    assert (queue.entry(1).status, queue.entry(1).resume) == ("queued", True)
    assert three.model.index(0, 2).data() == "resume train"


def test_an_entry_has_a_policy_of_its_own(three, queue):
    three.select(1)
    three.acts["go-on"].trigger()
    assert queue.entry(1).on_failure == "go-on"


def test_the_queue_is_started_by_a_policy(three, qtbot):
    three.policy.setCurrentIndex(1)
    with qtbot.waitSignal(three.started, timeout=LONG_MS) as started:
        qtbot.mouseClick(three.start, Qt.MouseButton.LeftButton)
    assert started.args == ["go-on"]
    three.set_working(True)
    assert "Stop" in three.start.text()
    with qtbot.waitSignal(three.stopped, timeout=LONG_MS):
        qtbot.mouseClick(three.start, Qt.MouseButton.LeftButton)
    three.set_working(False, "it failed")
    assert "it failed" in three.told.message


def test_a_queue_that_another_window_started_can_be_stopped(three, qtbot, queue):
    queue.claim(1)  # by this process, which then is the worker
    heard = []
    before = signal.signal(signal.SIGINT, lambda number, frame: heard.append(number))
    try:
        three.set_entries(queue.entries())
        assert three.model.index(0, STATUS).data() == "running"
        assert "Stop" in three.start.text()
        qtbot.mouseClick(three.start, Qt.MouseButton.LeftButton)
        qtbot.waitUntil(lambda: heard == [signal.SIGINT], timeout=LONG_MS)
    finally:
        signal.signal(signal.SIGINT, before)
    assert queue.worker().pid == os.getpid()
    assert not three.acts["remove"].isEnabled()


def test_a_change_that_comes_too_late_is_told(three, queue):
    three.select(1)
    queue.remove(1)
    three.acts["duplicate"].trigger()
    assert "has no entry 1" in three.told.message


def test_what_is_selected_stays_so(three, queue):
    three.select(2)
    queue.move(2, 1)
    three.set_entries(queue.entries())
    assert three.current().entry == 2
