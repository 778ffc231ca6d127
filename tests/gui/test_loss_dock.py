"""Loss and accuracy, as a person looks at them."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PyQt6.QtCore import QPointF, Qt
from PyQt6.QtGui import QImage
from PyQt6.QtSvg import QSvgRenderer
from PyQt6.QtWidgets import QDockWidget, QMainWindow

from magnon_lab.gui.docks.loss import LossDock
from magnon_lab.gui.model.snapshot import Snapshot

from .trained_runs import loss_at, many_steps, new_run, read, train


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> list[Snapshot]:
    """Two repeats and one other run, finished."""
    found = []
    for seed, rate, offset in ((0, 0.1, 0.0), (1, 0.1, 1.0), (0, 0.2, 5.0)):
        with new_run(tmp_path_factory.mktemp("runs"), seed=seed, rate=rate, steps=20) as run:
            train(run, range(1, 21), offset=offset)
            run.finish("finished", summary={"baselines": {"ridge": {"loss": 0.5, "accuracy": 0.9}}})
            found.append(read(run))
    return found


@pytest.fixture
def dock(qtbot) -> LossDock:
    made = LossDock()
    qtbot.addWidget(made)
    made.resize(640, 400)
    made.show()
    qtbot.waitExposed(made)
    return made


def drawn(dock: LossDock, run: Snapshot, what: str, figure: str = "loss"):
    """Return x and y of a curve, None where it is not drawn."""
    item = dock.items._items.get(((run.folder, figure), what))
    return None if item is None else item[1].getOriginalDataset()


def test_without_a_run_it_tells_what_to_do(dock):
    dock.show_runs([])
    assert "Start one" in dock.empty.text()
    assert dock.empty.isVisible()
    dock.show_runs([Snapshot(Path("x"))])
    assert dock.empty.text() == "Reading the run …"
    dock.show_runs([Snapshot(Path("x"), error="x/run.sqlite is damaged")])
    assert dock.empty.text() == "x/run.sqlite is damaged"
    for status, word in (("running", "No step yet"), ("failed", "ended before its first step")):
        dock.show_runs([Snapshot(Path("x"), id="x", procedure="train", status=status)])
        assert word in dock.empty.text()
    dock.show_runs([Snapshot(Path("x"), id="x", procedure="gain_sweep", status="running")])
    assert "has no steps" in dock.empty.text()


def test_a_run_is_drawn_with_evaluations_and_baselines(dock, trained):
    run = trained[0]
    dock.show_runs([run])
    assert not dock.empty.isVisible()
    x, y = drawn(dock, run, "raw")
    assert x.tolist() == list(range(4, 84, 4))  # ring measurements at first
    assert y == pytest.approx([loss_at(step) for step in range(1, 21)])
    x, y = drawn(dock, run, "validation", "accuracy")
    assert x.tolist() == [20, 40, 60, 80]
    assert y == pytest.approx(run.evaluations["validation"].accuracy)
    level = dock.items._items[(run.folder, "loss", "ridge")][1]
    assert level.value() == 0.5
    assert "measured unperturbed" in dock.legend.text().replace("&nbsp;", " ")
    assert "step 20" in dock.values.text()
    assert "validation" in dock.values.text()


def test_nothing_is_drawn_while_nothing_changes_or_nobody_looks(dock, trained, monkeypatch, qtbot):
    rounds = []
    draw = dock.draw
    monkeypatch.setattr(dock, "draw", lambda: (rounds.append(1), draw()))
    dock.show_runs([trained[0]])
    dock.show_runs([trained[0]])
    assert len(rounds) == 1
    dock.hide()
    dock.show_runs([trained[1]])
    assert len(rounds) == 1
    dock.show()
    qtbot.waitUntil(lambda: len(rounds) == 2)
    assert drawn(dock, trained[1], "raw") is not None
    assert drawn(dock, trained[0], "raw") is None


def test_a_picture_behind_another_tab_waits_until_it_is_in_front(trained, qtbot):
    window = QMainWindow()
    qtbot.addWidget(window)
    pictures, frames = [LossDock(), LossDock()], []
    for picture in pictures:
        frame = QDockWidget()
        frame.setWidget(picture)
        window.addDockWidget(Qt.DockWidgetArea.TopDockWidgetArea, frame)
        frames.append(frame)
    window.tabifyDockWidget(*frames)
    frames[0].raise_()
    window.show()
    qtbot.waitUntil(lambda: not pictures[0].visibleRegion().isEmpty())
    qtbot.waitUntil(lambda: pictures[1].visibleRegion().isEmpty())
    for picture in pictures:
        picture.show_runs([trained[0]])
    assert drawn(pictures[0], trained[0], "raw") is not None
    qtbot.wait(50)
    assert drawn(pictures[1], trained[0], "raw") is None
    frames[1].raise_()
    qtbot.waitUntil(lambda: drawn(pictures[1], trained[0], "raw") is not None)


def test_the_axis_is_chosen_with_keys(dock, trained, qtbot):
    dock.show_runs([trained[0]])
    qtbot.keyClick(dock.axis, Qt.Key.Key_Up)
    assert drawn(dock, trained[0], "raw")[0].tolist() == list(range(1, 21))
    assert dock.panels["accuracy"].getAxis("bottom").labelText == "Step"
    qtbot.keyClick(dock.axis, Qt.Key.Key_End)
    assert drawn(dock, trained[0], "raw")[0].tolist() == list(range(2, 42, 2))
    assert dock.panels["accuracy"].getAxis("bottom").labelText == "Bench time (s)"


def test_log_axes_are_for_the_loss_and_the_costs(dock, trained, qtbot):
    dock.show_runs([trained[0]])
    for box in (dock.log_x, dock.log_y):
        qtbot.keyClick(box, Qt.Key.Key_Space)
    loss, accuracy = dock.panels["loss"], dock.panels["accuracy"]
    assert [loss.getAxis(side).logMode for side in ("left", "bottom")] == [True, True]
    assert [accuracy.getAxis(side).logMode for side in ("left", "bottom")] == [False, True]
    assert dock.items._items[(trained[0].folder, "loss", "ridge")][1].value() == pytest.approx(
        np.log10(0.5)
    )


def test_smoothing_keeps_the_curve_as_it_is_in_sight(dock, trained, qtbot):
    dock.show_runs([trained[0]])
    for _ in range(2):
        qtbot.keyClick(dock.smooth, Qt.Key.Key_PageUp)
    assert dock.weight == pytest.approx(0.9)
    assert dock.weight_told.text() == "0.9"
    _, y = drawn(dock, trained[0], "smooth")
    assert y == pytest.approx(trained[0].curves["loss"].smoothed(0.9))
    assert drawn(dock, trained[0], "raw") is not None
    qtbot.keyClick(dock.smooth, Qt.Key.Key_Home)
    assert drawn(dock, trained[0], "smooth") is None


def test_repeats_are_drawn_as_a_band(dock, trained, qtbot):
    dock.show_runs(trained)
    words = dock.legend.text().replace("&nbsp;", " ")
    assert "rate 0.1: mean ± standard deviation of 2" in words
    assert "rate 0.2" in words
    key = (trained[0].folder, "loss", "band")
    _, mean = dock.items._items[(key, "mean")][1].getOriginalDataset()
    assert mean[0] == pytest.approx(loss_at(1) + 0.5)
    assert drawn(dock, trained[0], "raw") is None
    assert drawn(dock, trained[2], "raw") is not None
    qtbot.keyClick(dock.bands, Qt.Key.Key_Space)
    assert drawn(dock, trained[0], "raw") is not None
    assert (key, "mean") not in dock.items._items
    dock.show_runs([trained[2]])
    assert not dock.bands.isVisible()
    assert drawn(dock, trained[0], "raw") is None


def test_the_reading_line_goes_with_keys_and_mouse(dock, trained, qtbot):
    dock.show_runs([trained[0]])
    qtbot.wait(50)
    dock.canvas.setFocus()
    qtbot.keyClick(dock.canvas, Qt.Key.Key_Right)
    assert dock.crosshair.x is not None
    before, told = dock.crosshair.x, dock.values.text()
    assert "step 10 " in told or "step 11 " in told
    qtbot.keyClick(dock.canvas, Qt.Key.Key_Right, Qt.KeyboardModifier.ControlModifier)
    assert dock.crosshair.x > before
    assert dock.values.text() != told
    dock.crosshair._moved((QPointF(-5, -5),))
    assert dock.crosshair.x is None
    panel = dock.panels["loss"]
    dock.crosshair._moved((panel.vb.mapViewToScene(QPointF(40, 2)),))
    assert "step 10 " in dock.values.text()


def test_a_part_in_view_asks_for_detail(dock, qtbot, tmp_path):
    with new_run(tmp_path) as run:
        many_steps(run, 1, 5000)
        dock.show_runs([read(run)])
    asked = []
    dock.zoomed.connect(lambda *range_: asked.append(range_))
    dock.axis.setCurrentIndex(0)
    qtbot.wait(300)
    dock.panels["accuracy"].setXRange(1000, 1200, padding=0)
    qtbot.waitUntil(lambda: len(asked) == 1)
    assert asked == [("step", 1000, 1200)]
    qtbot.wait(300)
    assert len(asked) == 1
    dock.canvas.setFocus()
    qtbot.keyClick(dock.canvas, Qt.Key.Key_Home)
    qtbot.waitUntil(lambda: len(asked) == 2)
    assert asked[1] == ("step", -np.inf, np.inf)


def test_figure_and_data_are_exported(dock, trained, tmp_path):
    dock.show_runs(trained[:2])
    dock.bands.setChecked(False)
    png, svg, table = (tmp_path / name for name in ("a.png", "a.svg", "a.csv"))
    dock.export_figure(png)
    dock.export_figure(svg)
    dock.export_data(table)
    image = QImage(str(png))
    assert image.width() >= 1200
    assert len({image.pixel(x, image.height() // 3) for x in range(image.width())}) > 2
    assert QSvgRenderer(str(svg)).isValid()
    assert "SIMULATED BENCH" in svg.read_text(encoding="utf-8")
    assert dock.caption.text == ""  # on the screen it is told elsewhere
    lines = table.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "# Magnon Lab: Loss and accuracy"
    assert trained[0].id in lines[1]
    assert "SIMULATED BENCH" in lines[1]
    rows = list(csv.DictReader(line for line in lines if not line.startswith("#")))
    losses = [row for row in rows if row["run"] == trained[1].id and row["series"] == "loss"]
    assert [float(row["mean"]) for row in losses] == pytest.approx(
        trained[1].curves["loss"].mean.tolist()
    )
    assert [int(row["step"]) for row in losses] == list(range(1, 21))
    assert sum(row["series"] == "validation accuracy" for row in rows) == 8


def test_what_cannot_be_written_is_said_in_place(dock, trained, tmp_path, monkeypatch):
    dock.show_runs([trained[0]])
    path = str(tmp_path / "no" / "where.csv")
    name = "magnon_lab.gui.docks.dock.QFileDialog.getSaveFileName"
    monkeypatch.setattr(name, lambda *_: (path, ""))
    dock._save("CSV table (*.csv)", ".csv")
    assert "cannot be written" in dock.message.text()
    assert dock.message.isVisible()


def test_an_error_is_told_above_what_was_known(dock, trained):
    from dataclasses import replace

    dock.show_runs([replace(trained[0], error="run.sqlite is gone")])
    assert dock.message.text() == "run.sqlite is gone"
    assert drawn(dock, trained[0], "raw") is not None
    dock.show_runs([trained[0]])
    assert not dock.message.isVisible()


def test_every_control_has_a_name_a_tooltip_and_the_keyboard(dock):
    for box in (dock.axis, dock.log_x, dock.log_y, dock.smooth, dock.bands):
        assert box.toolTip()
        assert box.accessibleName() or box.text()
        assert box.focusPolicy() & Qt.FocusPolicy.TabFocus
    assert dock.canvas.toolTip()
