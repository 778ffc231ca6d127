"""The log as a person reads it."""

from __future__ import annotations

import logging
import threading

import pytest
from PyQt6.QtCore import Qt

from magnon_lab.gui.panels.log import KEPT, PROGRAM, LogPanel
from magnon_lab.gui.theme import colours
from magnon_lab.runs import Event

LONG_MS = 20_000


def event(number: int, kind: str = "output", message: str = "", **data) -> Event:
    return Event(1e9 + number, kind, "outcome", message or f"line {number}", data)


@pytest.fixture
def panel(qtbot):
    made = LogPanel()
    made.resize(800, 260)
    qtbot.addWidget(made)
    made.show()
    yield made
    made.close_log()


def messages(panel: LogPanel) -> list[str]:
    return [panel.model.index(row, 3).data() for row in range(panel.model.rowCount())]


def test_without_a_run_it_says_what_to_do(panel):
    assert panel.pages.currentWidget() is panel.empty
    assert "Select a run" in panel.empty.text()


def test_the_newest_comes_first_and_what_is_selected_stays(panel):
    panel.set_events([event(number) for number in range(5)])
    assert messages(panel)[:2] == ["line 4", "line 3"]
    panel.table.selectRow(2)
    panel.set_events([event(number) for number in range(3, 8)])  # the oldest have gone
    assert messages(panel) == [f"line {number}" for number in (7, 6, 5, 4, 3)]
    panel.table.selectRow(1)
    panel.set_events([event(number) for number in range(4, 9)])
    assert panel.table.currentIndex().siblingAtColumn(3).data() == "line 6"


def test_a_kind_and_words_find_lines(panel, qtbot):
    panel.set_events([event(1), event(2, "retry", "no answer"), event(3, "ramp", "field to 92 mT")])
    qtbot.keyClicks(panel.kind, "retry")
    assert messages(panel) == ["no answer"]
    panel.kind.setCurrentIndex(0)
    qtbot.keyClicks(panel.search, "92 field")
    assert messages(panel) == ["field to 92 mT"]
    qtbot.keyClicks(panel.search, "x")
    assert "No line" in panel.empty.text()


def test_a_kind_that_is_chosen_stays_when_another_run_lacks_it(panel):
    panel.set_events([event(1, "retry", "no answer")])
    panel.kind.setCurrentIndex(panel.kind.findData("retry"))
    panel.set_events([event(2)])
    assert panel.kind.currentData() == "retry"
    assert messages(panel) == []


def test_what_went_wrong_stands_out(panel):
    panel.set_events([event(1), event(2, "safe", "field to zero: no answer", ok=False)])
    colour = panel.model.index(0, 3).data(Qt.ItemDataRole.ForegroundRole)
    assert colour.name() == colours().error
    assert panel.model.index(1, 3).data(Qt.ItemDataRole.ForegroundRole) is None


def test_a_long_line_is_read_whole(panel):
    panel.set_events([event(1, message="a line that goes on and on " * 12)])
    panel.table.selectRow(0)
    assert panel.whole.isVisible()
    assert panel.whole.text().startswith("a line that goes on")


def test_the_program_speaks_here_too_from_any_thread(panel, qtbot):
    panel.source.setCurrentIndex(panel.source.findData(PROGRAM))
    log = logging.getLogger("magnon_lab.gui.somewhere")
    thread = threading.Thread(target=lambda: log.warning("the list of runs is slow"))
    thread.start()
    thread.join()
    qtbot.waitUntil(lambda: messages(panel) == ["the list of runs is slow"], timeout=LONG_MS)
    panel.close_log()
    log.warning("nobody listens")
    qtbot.wait(20)
    assert len(messages(panel)) == 1


def test_a_program_that_says_much_does_not_fill_the_memory(panel, qtbot):
    log = logging.getLogger("magnon_lab.gui.somewhere")
    for number in range(KEPT + 50):
        log.warning("line %d", number)
    panel.source.setCurrentIndex(panel.source.findData(PROGRAM))
    assert len(messages(panel)) == KEPT
    assert messages(panel)[0] == f"line {KEPT + 49}"
