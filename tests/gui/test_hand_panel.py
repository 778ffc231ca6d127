"""Hand mode as a person uses it: typing, sliding, clicking, against a run that is one."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PyQt6.QtCore import QPoint, QPointF, Qt
from PyQt6.QtGui import QWheelEvent
from PyQt6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from magnon_lab.gui.model.run_view import RunView
from magnon_lab.gui.panels.hand import WIDE_PX, HandPanel
from magnon_lab.runs import RunFile, RunsFolder

from .bench_runs import HELD, SHIPPED, Recorded

LEFT = Qt.MouseButton.LeftButton
LONG_MS = 60_000

Process = subprocess.Popen[bytes]


@pytest.fixture
def panel(qtbot: QtBot) -> HandPanel:
    shown = HandPanel(SHIPPED)
    qtbot.addWidget(shown)
    shown.resize(800, 700)
    with qtbot.waitExposed(shown):
        shown.show()
    return shown


def type_into(qtbot: QtBot, panel: HandPanel, quantity: str, text: str) -> None:
    """Type a number over the one in a box, and press Enter."""
    box = panel.rows[quantity].box
    box.setFocus()
    box.selectAll()
    qtbot.keyClicks(box, text)
    qtbot.keyClick(box, Qt.Key.Key_Return)


def asked(run: Recorded, qtbot: QtBot, count: int = 1) -> list[dict[str, object]]:
    """Return what the panel has asked of a run by now."""
    with RunFile.open(run.run.folder) as reader:
        qtbot.waitUntil(lambda: len(reader.requests()) >= count, timeout=LONG_MS)
        return [request.data for request in reader.requests() if request.kind == "set"]


def test_while_it_is_off_the_panel_says_what_starting_does(panel: HandPanel, qtbot: QtBot) -> None:
    assert "safe at its end" in panel.headline.text()
    assert not any(row.isEnabled() for row in panel.rows.values())
    assert panel.rows["field_mt"].box.value() == 92.0
    panel.interval.setValue(0.25)
    panel.idle.setValue(15)
    qtbot.mouseClick(panel.drive, LEFT, pos=QPoint(8, panel.drive.height() // 2))
    with qtbot.waitSignal(panel.start_asked) as started:
        qtbot.mouseClick(panel.start_button, LEFT)
    assert started.args == [{"interval_s": "0.25", "idle_min": "15", "drive_on": "True"}]


def test_another_run_on_the_bench_is_named_and_not_disturbed(
    panel: HandPanel, tmp_path: Path
) -> None:
    train = Recorded(tmp_path, "train")
    panel.show_run(train.snapshot())
    assert train.run.id in panel.headline.text()
    assert not panel.start_button.isEnabled()
    train.quiet()
    train.run.finish("finished")
    panel.show_run(train.snapshot())
    assert panel.start_button.isEnabled()


def test_enter_set_and_the_slider_ask_for_what_the_box_says(
    panel: HandPanel, qtbot: QtBot, tmp_path: Path
) -> None:
    hand = Recorded(tmp_path)
    hand.sweep(**HELD)
    panel.show_run(hand.snapshot())
    row = panel.rows["attenuation_db"]
    assert row.box.value() == 60.0
    type_into(qtbot, panel, "attenuation_db", "12.5")
    assert asked(hand, qtbot, 1) == [{"attenuation_db": 12.5}]
    frequency = panel.rows["drive_frequency_hz"]
    frequency.box.setValue(4.47)
    assert frequency.button.text() == "Set *"  # not asked yet
    qtbot.mouseClick(frequency.button, LEFT)
    assert frequency.button.text() == "Set"
    assert asked(hand, qtbot, 2)[1] == {"drive_frequency_hz": pytest.approx(4.47e9)}
    row.slider.setFocus()
    for _ in range(4):  # four steps of the instrument, asked for once it stands still
        qtbot.keyClick(row.slider, Qt.Key.Key_Left)
    assert asked(hand, qtbot, 3)[2] == {"attenuation_db": 11.5}
    qtbot.mouseClick(panel.drive, LEFT, pos=QPoint(8, panel.drive.height() // 2))
    assert asked(hand, qtbot, 4)[3] == {"drive": True}


def test_a_number_beyond_a_limit_is_shown_at_its_field_and_never_made_another(
    panel: HandPanel, qtbot: QtBot, tmp_path: Path
) -> None:
    hand = Recorded(tmp_path)
    hand.sweep(**HELD)
    panel.show_run(hand.snapshot())
    row = panel.rows["attenuation_db"]
    row.box.setFocus()
    row.box.selectAll()
    qtbot.keyClicks(row.box, "3")
    assert row.box.property("wrong") == "true"
    assert row.note.text() == "outside its limits, 5 to 60 dB"
    qtbot.keyClick(row.box, Qt.Key.Key_Return)
    assert asked(hand, qtbot) == [{"attenuation_db": 3.0}]
    why = "attenuation_db = 3 dB is outside limits.attenuation_db, 5 to 60 dB"
    hand.answer(1, {"attenuation_db": 3.0}, why)
    panel.show_run(hand.snapshot())
    qtbot.waitUntil(lambda: row.note.text() == f"refused: {why}", timeout=LONG_MS)
    assert row.note.property("kind") == "wrong"
    assert row.box.value() == 3.0  # to be mended
    # Keys step within the limits.
    row.box.setValue(5.25)
    for _ in range(3):
        qtbot.keyClick(row.box, Qt.Key.Key_Down)
    assert row.box.value() == 5.0


def test_what_is_being_typed_stays_while_the_run_tells_more(
    panel: HandPanel, qtbot: QtBot, tmp_path: Path
) -> None:
    hand = Recorded(tmp_path)
    hand.sweep(**HELD)
    panel.show_run(hand.snapshot())
    box = panel.rows["field_mt"].box
    box.setFocus()
    box.selectAll()
    qtbot.keyClicks(box, "90.")
    hand.sweep(**HELD | {"field_mt": 91.0})
    panel.show_run(hand.snapshot())
    qtbot.keyClicks(box, "5")
    assert box.value() == 90.5
    attenuation = panel.rows["attenuation_db"].box
    hand.sweep(**HELD | {"attenuation_db": 20.0})  # another window turned it
    panel.show_run(hand.snapshot())
    assert attenuation.value() == 20.0


def test_the_wheel_turns_nothing_that_was_not_chosen(panel: HandPanel, tmp_path: Path) -> None:
    hand = Recorded(tmp_path)
    hand.sweep(**HELD)
    panel.show_run(hand.snapshot())
    row = panel.rows["field_mt"]
    panel.stop_button.setFocus()
    for widget in (row.box, row.slider):
        middle = QPointF(widget.rect().center())
        turn = QWheelEvent(
            middle,
            QPointF(widget.mapToGlobal(widget.rect().center())),
            QPoint(0, 120),
            QPoint(0, 120),
            Qt.MouseButton.NoButton,
            Qt.KeyboardModifier.NoModifier,
            Qt.ScrollPhase.NoScrollPhase,
            False,
        )
        QApplication.sendEvent(widget, turn)
    assert row.box.value() == 92.0
    assert row.button.text() == "Set"


def test_a_pause_is_told_and_can_be_ended_here(
    panel: HandPanel, qtbot: QtBot, tmp_path: Path
) -> None:
    hand = Recorded(tmp_path)
    hand.sweep(**HELD)
    hand.run.pause("the analyser's input was overdriven at attenuation_db = 5")
    panel.show_run(hand.snapshot())
    assert "overdriven" in panel.headline.text()
    assert panel.headline.property("kind") == "wrong"
    qtbot.mouseClick(panel.resume_button, LEFT)
    with RunFile.open(hand.run.folder) as reader:
        qtbot.waitUntil(lambda: bool(reader.requests()), timeout=LONG_MS)
        assert [request.kind for request in reader.requests()] == ["resume"]
    hand.run.resume()
    panel.show_run(hand.snapshot())
    assert not panel.resume_button.isVisible()


def test_markers_max_hold_and_reference_by_keys_and_clicks(
    panel: HandPanel, qtbot: QtBot, tmp_path: Path
) -> None:
    trace = np.full(401, -70.0, np.float32)
    trace[200], trace[100] = -20.0, -30.0
    hand, dock = Recorded(tmp_path), panel.sweep
    assert not dock.isVisible()
    hand.sweep(trace, **HELD)
    panel.show_run(hand.snapshot())
    assert dock.isVisible()
    panel.activateWindow()
    dock.canvas.setFocus()
    qtbot.waitUntil(dock.canvas.hasFocus)
    qtbot.keyClick(dock.canvas, Qt.Key.Key_P)
    assert dock.readout.text().startswith("Marker 4.475000 GHz, -20.00 dBm")
    qtbot.keyClick(dock.canvas, Qt.Key.Key_D)
    assert dock.delta.isChecked()
    dock.place_box.setFocus()
    qtbot.keyClick(dock.place_box, Qt.Key.Key_Up)
    assert "Δ +0.875 MHz, -50.00 dB" in dock.readout.text()
    qtbot.mouseClick(dock.hold, LEFT)
    hand.sweep(np.full(401, -75.0, np.float32), **HELD)
    panel.show_run(hand.snapshot())
    assert dock.held.getData()[1][200] == -20.0
    assert dock.live.getData()[1][200] == -75.0
    reference = tmp_path / "reference.csv"
    dock.save_reference(reference)
    dock.clear_reference()
    assert dock.kept.getData()[1] is None or not len(dock.kept.getData()[1])
    dock.load_reference(reference)
    assert dock.kept.getData()[1][0] == -75.0
    assert "reference.csv" in dock.legend.text()
    dock.load_reference(tmp_path / "missing.csv")
    assert "is no reference" in dock.message.text()
    data, figure = tmp_path / "data.csv", tmp_path / "figure.png"
    dock.export_data(data)
    dock.export_figure(figure)
    lines = [line for line in data.read_text().splitlines() if not line.startswith("#")]
    assert lines[0] == "frequency_hz,power_dbm,max_hold_dbm,reference_dbm"
    assert "SIMULATED BENCH" in data.read_text()
    assert figure.stat().st_size > 5000


def test_it_fits_beside_the_cards_and_uses_more_room(panel: HandPanel, tmp_path: Path) -> None:
    assert panel.minimumSizeHint().width() <= 290
    hand = Recorded(tmp_path)
    hand.sweep(**HELD)
    panel.show_run(hand.snapshot())
    for width, way in ((290, Qt.Orientation.Vertical), (WIDE_PX, Qt.Orientation.Horizontal)):
        panel.resize(width, 600)
        QApplication.processEvents()
        assert panel.split.orientation() == way
        for row in panel.rows.values():
            for part in (row.box, row.button, row.slider):
                assert part.geometry().right() <= row.width()
    for row in panel.rows.values():
        for part in (row.box, row.slider, row.button, row.found):
            assert part.toolTip()
            assert part.accessibleName()


@pytest.fixture
def running(tmp_path: Path) -> Iterator[tuple[Callable[[], RunView | None], Process]]:
    """Run hand mode in a process of its own; its run can be viewed once it sweeps."""
    words = ["run", "hand", "--runs", str(tmp_path), "-p", "interval_s=0.1", "-p", "idle_min=1"]
    process = subprocess.Popen(
        [sys.executable, "-m", "magnon_lab.cli", *words, "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    views: list[RunView] = []

    def view() -> RunView | None:
        found = RunsFolder(tmp_path).list()
        if not views and found and found[-1].ring_measurements:
            views.append(RunView(found[-1].folder))
        return views[0] if views else None

    yield view, process
    process.kill()  # if it still works, the test has failed
    process.communicate()
    for opened in views:
        opened.close()


def test_a_person_turns_knobs_of_a_run_that_works(
    panel: HandPanel, qtbot: QtBot, running: tuple[Callable[[], RunView | None], Process]
) -> None:
    find, process = running
    qtbot.waitUntil(lambda: find() is not None, timeout=LONG_MS)
    view = find()
    assert view is not None

    def until(holds: Callable[[], bool]) -> None:
        def look() -> bool:
            view.look(1.0)
            panel.show_run(view.snapshot)
            return holds()

        qtbot.waitUntil(look, timeout=LONG_MS)

    attenuation = panel.rows["attenuation_db"]
    until(lambda: attenuation.found.text() == "reads 60 dB")
    type_into(qtbot, panel, "attenuation_db", "12.1")
    until(lambda: attenuation.found.text() == "reads 12 dB")  # the nearest of its steps
    until(lambda: attenuation.note.text().startswith("set at"))
    type_into(qtbot, panel, "field_mt", "151")
    field = panel.rows["field_mt"]
    until(lambda: field.note.text().startswith("refused: field_mt = 151 mT is outside limits"))
    assert panel.view.run is not None
    assert panel.view.run.status == "running"
    type_into(qtbot, panel, "drive_power_dbm", "-10")
    until(lambda: "the drive is off" in panel.rows["drive_power_dbm"].note.text())
    qtbot.mouseClick(panel.drive, LEFT, pos=QPoint(8, panel.drive.height() // 2))
    until(lambda: panel.drive_note.text().startswith("set at"))
    until(lambda: bool(panel.sweep.sweep.level_dbm.max() > -45.0))  # the tone stands in the trace
    panel.sweep.to_peak()
    assert panel.sweep.sweep.marker_hz == pytest.approx(4.465e9, abs=1e6)
    with qtbot.waitSignal(panel.stop_asked) as stopped:
        qtbot.mouseClick(panel.stop_button, LEFT)
    with RunFile.open(stopped.args[0]) as run:
        run.request("stop")
    until(lambda: view.snapshot.status == "finished")
    assert process.wait(30) == 0
    assert panel.start_button.isVisible()
    assert panel.sweep.isVisible()  # the last sweep stays, to be read and saved
