"""Trace, waterfall, knobs, predictions, gradient and time, as a person looks at them."""

from __future__ import annotations

import csv
import dataclasses
from pathlib import Path

import numpy as np
import pyqtgraph as pg
import pytest
from PyQt6.QtCore import QPointF, Qt
from PyQt6.QtGui import QImage
from PyQt6.QtWidgets import QApplication

from magnon_lab.gui import theme
from magnon_lab.gui.docks.confusion import ConfusionDock
from magnon_lab.gui.docks.dock import Dock
from magnon_lab.gui.docks.gradient import GradientDock
from magnon_lab.gui.docks.knobs import KnobsDock
from magnon_lab.gui.docks.loss import LossDock
from magnon_lab.gui.docks.phases import PhasesDock
from magnon_lab.gui.docks.trace import TraceDock
from magnon_lab.gui.docks.twin import TwinDock
from magnon_lab.gui.docks.waterfall import WaterfallDock
from magnon_lab.gui.model.run_view import RunView
from magnon_lab.gui.model.snapshot import Snapshot

from .trained_runs import HZ, LINES_HZ, look, new_run, on_twin, read, spectrum, sweep, train

KINDS = (
    LossDock, TraceDock, WaterfallDock, KnobsDock, ConfusionDock, GradientDock, PhasesDock,
    TwinDock,
)  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Snapshot:
    with new_run(tmp_path_factory.mktemp("runs"), steps=40) as run:
        train(run, range(1, 41), batch=8)
        on_twin(run, skills=(None, 0.9, 0.4), anew=2)
        return read(run)


@pytest.fixture(scope="module")
def swept(tmp_path_factory) -> Snapshot:
    with new_run(tmp_path_factory.mktemp("runs"), procedure="gain_sweep") as run:
        sweep(run, np.arange(20.0, 9.9, -0.5).tolist())
        return read(run)


@pytest.fixture
def show(qtbot):
    def made(kind: type[Dock], *snapshots: Snapshot, size=(640, 400)) -> Dock:
        dock = kind()
        qtbot.addWidget(dock)
        dock.resize(*size)
        dock.show()
        qtbot.waitExposed(dock)
        dock.show_runs(snapshots)
        for _ in range(3):
            QApplication.processEvents()  # knobs come one by one
        return dock

    return made


@pytest.mark.parametrize("kind", KINDS)
def test_every_dock_says_why_it_is_empty(show, kind, tmp_path):
    dock = show(kind)
    assert "No run is chosen" in dock.empty.text()
    for status in ("running", "finished"):
        for procedure in ("train", "gain_sweep"):
            dock.show_runs([Snapshot(Path("x"), id="x", procedure=procedure, status=status)])
            assert dock.empty.isVisible()
            assert "\n" in dock.empty.text()  # what is, and what to do
    dock.export_data(tmp_path / "nothing.csv")
    assert (tmp_path / "nothing.csv").exists()


@pytest.mark.parametrize("kind", [TraceDock, WaterfallDock])
def test_a_run_that_keeps_no_traces_says_so(show, kind):
    none = Snapshot(Path("x"), id="x", procedure="train", info={"keep": "none"})
    assert "keeps no traces" in show(kind, none).empty.text()


@pytest.mark.parametrize("kind", KINDS)
def test_every_dock_draws_only_what_is_new_and_follows_the_theme(show, kind, trained, monkeypatch):
    dock = show(kind, trained)
    assert not dock.empty.isVisible()
    assert dock.values.text()
    rounds = []
    draw = dock.draw
    monkeypatch.setattr(dock, "draw", lambda: (rounds.append(1), draw()))
    dock.show_runs([trained])
    dock.show_runs([dataclasses.replace(trained, eta_s=5.0)])
    assert rounds == []
    application = QApplication.instance()
    assert isinstance(application, QApplication)
    for name in ("dark", "light"):
        theme.Theme(application, name)
        dock.retheme()
        ground = dock.canvas.backgroundBrush().color().name()
        assert ground == theme.colours().raised
    assert len(rounds) == 2


@pytest.mark.parametrize("kind", KINDS)
def test_every_dock_exports_figure_and_data(show, kind, trained, tmp_path):
    dock = show(kind, trained)
    for name in ("figure.png", "figure.svg"):
        dock.export_figure(tmp_path / name)
        assert (tmp_path / name).stat().st_size > 2000
    dock.export_data(tmp_path / "data.csv")
    lines = (tmp_path / "data.csv").read_text(encoding="utf-8").splitlines()
    assert "SIMULATED BENCH" in lines[1]
    rows = list(csv.reader(lines[2:]))
    assert len(rows) > 5
    assert {len(row) for row in rows} == {len(rows[0])}
    dock.copy_figure()
    clipboard = QApplication.clipboard()
    assert clipboard is not None
    assert not clipboard.image().isNull()
    assert QImage(str(tmp_path / "figure.png")).width() >= 1200


@pytest.mark.parametrize("kind", KINDS)
def test_every_control_can_be_reached_and_says_what_it_does(show, kind, trained):
    dock = show(kind, trained)
    for index in range(dock.tools.count()):
        widget = dock.tools.itemAt(index).widget()
        if widget is None or type(widget).__name__ == "QLabel":
            continue
        assert widget.toolTip(), widget
        assert widget.accessibleName() or widget.text(), widget
        assert widget.focusPolicy() & Qt.FocusPolicy.TabFocus, widget
    assert dock.canvas.toolTip()
    assert dock.minimumSizeHint().width() < 400  # at 1366 pixels docks are narrow


# Trace


def curve(dock: TraceDock, key: str) -> tuple[np.ndarray, np.ndarray] | None:
    item = dock.items._items.get(key)
    return None if item is None else item[1].getOriginalDataset()


def test_the_trace_is_shown_with_limits_modes_and_drive(show, trained, qtbot):
    dock = show(TraceDock, trained)
    x, y = curve(dock, "trace")
    assert x == pytest.approx(HZ / 1e9)
    assert y == pytest.approx(spectrum(level_db=3.19))
    assert curve(dock, "level")[1].tolist() == [0, 0]  # the bench file's reference level
    lines = [f"{line / 1e9:.4f}" for line in LINES_HZ]
    qtbot.waitUntil(lambda: [one.toPlainText() for one in dock.labels if one.isVisible()] == lines)
    drive = dock.items._items["drive"][1]
    assert drive.value() == trained.trace.settings["drive_frequency_hz"] / 1e9
    assert drive.label.toPlainText().startswith("drive 4.4")
    assert "loop attenuation" in dock.values.text()
    assert "92 mT" in dock.values.text()


def test_modes_are_marked_only_if_wanted(show, trained, qtbot):
    dock = show(TraceDock, trained)
    qtbot.keyClick(dock.modes, Qt.Key.Key_Space)
    assert not any(label.isVisible() for label in dock.labels)
    assert len(dock.marks.data) == 0


def test_max_hold_takes_every_trace_in_and_begins_anew(show, qtbot, tmp_path):
    with new_run(tmp_path) as run:
        view = RunView(run.folder)
        sweep(run, [10.0, 5.0, 10.0])  # the strongest is not the newest
        dock = show(TraceDock, look(view))
        qtbot.keyClick(dock.max_hold, Qt.Key.Key_Space)
        assert curve(dock, "hold")[1] == pytest.approx(spectrum(level_db=-5.0))
        qtbot.mouseClick(dock.anew, Qt.MouseButton.LeftButton)
        assert curve(dock, "hold")[1] == pytest.approx(spectrum(level_db=-10.0))
        qtbot.keyClick(dock.max_hold, Qt.Key.Key_Space)
        assert curve(dock, "hold") is None
        view.close()


def test_a_trace_is_kept_to_compare_with(show, trained, swept, qtbot):
    dock = show(TraceDock, swept)
    qtbot.mouseClick(dock.keep, Qt.MouseButton.LeftButton)
    dock.show_runs([trained])
    assert curve(dock, "reference")[1] == pytest.approx(swept.trace.trace_dbm)
    assert "reference: measurement 20" in dock.legend.text().replace("&nbsp;", " ")
    dock.crosshair.put(4.46)
    assert "dB against the reference" in dock.values.text()
    assert "4.46" in dock.values.text()
    qtbot.mouseClick(dock.drop, Qt.MouseButton.LeftButton)
    assert curve(dock, "reference") is None
    assert not dock.drop.isVisible()


def test_overload_is_told_in_words(show, trained):
    dock = show(TraceDock, trained)
    assert not dock.message.isVisible()
    trace = dataclasses.replace(trained.trace, overload=True, unlevelled=True)
    dock.show_runs([dataclasses.replace(trained, trace=trace)])
    assert dock.message.isVisible()
    assert "Overload: the analyser's input was overdriven" in dock.message.text()
    assert "Unlevelled" in dock.message.text()


# Waterfall


def test_traces_are_rows_over_what_was_swept(show, swept, trained):
    dock = show(WaterfallDock, swept)
    assert dock.plot.getAxis("left").labelText == "Loop attenuation (dB)"
    image = dock.image.image
    assert image.shape == (21, len(HZ))
    assert image[0] == pytest.approx(swept.waterfall.image_dbm[-1])  # the smallest value below
    rect = dock.image.mapRectToParent(dock.image.boundingRect())
    assert (rect.top(), rect.bottom()) == pytest.approx((9.75, 20.25))
    assert (rect.left(), rect.right()) == pytest.approx((4.3, 4.65), abs=1e-3)
    dock.show_runs([trained])
    assert dock.plot.getAxis("left").labelText == "Measurement"
    rect = dock.image.mapRectToParent(dock.image.boundingRect())
    assert (rect.top(), rect.bottom()) == pytest.approx((63.5, 319.5))


def test_the_whole_run_can_be_shown(show, trained, qtbot):
    dock = show(WaterfallDock, trained)
    qtbot.keyClick(dock.which, Qt.Key.Key_Down)
    assert dock.waterfall is trained.overview
    assert dock.waterfall.numbers[0] == 0
    assert "320" not in dock.values.text()
    assert "0 to 319" in dock.values.text()


def test_colours_follow_the_traces_until_a_range_is_typed(show, swept, trained, qtbot):
    dock = show(WaterfallDock, swept)
    low, high = swept.waterfall.levels_dbm
    assert dock.bar.levels() == (np.floor(low), np.ceil(high))
    dock.low.setFocus()
    dock.low.selectAll()
    qtbot.keyClicks(dock.low, "-95")
    qtbot.keyClick(dock.low, Qt.Key.Key_Return)
    assert dock.bar.levels()[0] == -95
    assert not dock.automatic.isChecked()
    assert dock.image.levels[0] == -95
    dock.show_runs([trained])
    assert dock.bar.levels()[0] == -95
    qtbot.keyClick(dock.automatic, Qt.Key.Key_Space)
    assert dock.bar.levels()[0] == np.floor(trained.waterfall.levels_dbm[0])
    dock.bar.setLevels((-70, -40))
    dock.bar.sigLevelsChangeFinished.emit(dock.bar)
    assert (dock.low.value(), dock.high.value()) == (-70, -40)
    assert not dock.automatic.isChecked()


def test_the_waterfall_is_read_with_the_mouse(show, swept, qtbot):
    dock = show(WaterfallDock, swept)
    qtbot.wait(50)
    position = dock.plot.vb.mapViewToScene(QPointF(4.46, 15.0))
    dock._moved(position)
    dock.crosshair._moved((position,))
    assert "15 dB" in dock.values.text()
    assert "GHz" in dock.values.text()
    assert "dBm" in dock.values.text()


def test_uneven_values_are_told_row_by_row(show, swept):
    values = swept.waterfall.values.copy()
    values[0] += 3.0
    uneven = dataclasses.replace(swept.waterfall, values=values)
    dock = show(WaterfallDock, dataclasses.replace(swept, waterfall=uneven))
    axis = dock.rows_axis
    assert axis.tickStrings([0, 1, 20, 21, 0.5], 1, 1) == ["10", "10.5", "23", "", ""]


# Knobs, predictions, gradient, time


def test_knobs_are_shown_against_their_range(show, trained):
    dock = show(KnobsDock, trained)
    assert [one.plot.getAxis("bottom").labelText for one in dock.histograms] == [
        "Drive power (dBm)",
        "Drive frequency (GHz)",
        "Loop attenuation (dB)",
    ]
    for one, use in zip(dock.histograms, trained.knob_use, strict=True):
        x, y = one.bars.getOriginalDataset()
        assert y.sum() == pytest.approx(100)
        assert len(x) == len(y) + 1
        assert f"{100 * use.at_low:.1f} %" in one.plot.titleLabel.text
    ends = [line.value() for line in dock.histograms[1].ends if line.isVisible()]
    assert ends == pytest.approx([4.45, 4.48, 4.0, 5.2])
    assert "at -30 dBm" in dock.values.text()


def test_knobs_stand_below_one_another_where_there_is_no_room(show, trained):
    dock = show(KnobsDock, trained, size=(300, 500))
    places = {one.plot.pos().y() for one in dock.histograms}
    assert len(places) == 3
    dock.resize(900, 500)
    assert len({one.plot.pos().y() for one in dock.histograms}) <= 3
    assert dock._across == 3


def test_predictions_are_counts_and_shares(show, trained, qtbot):
    dock = show(ConfusionDock, trained, size=(900, 700))
    n = 10
    assert dock.texts[0].toPlainText().split("\n") == ["40", "98 %"]
    assert dock.image.image[9, 9] == pytest.approx(100)
    assert "validation after step 40" in dock.values.text()
    qtbot.keyClick(dock.shares, Qt.Key.Key_Space)
    assert dock.texts[n + 1].toPlainText() == "40"
    dock._y = 3.1
    dock.crosshair.put(4.2)
    assert "true 3, answered 4: 1 of 41 (2.4 %)" in dock.values.text()


def test_the_split_of_predictions_is_chosen(show, trained, qtbot):
    one = trained.confusions["validation"]
    other = dataclasses.replace(one, split="test", step=50)
    both = dataclasses.replace(trained, confusions={"validation": one, "test": other})
    dock = show(ConfusionDock, both)
    assert dock.confusion is other
    dock.split.setFocus()
    qtbot.keyClick(dock.split, Qt.Key.Key_Down)
    assert dock.confusion is one
    assert "validation after step 40" in dock.values.text()


def test_gradient_and_drift_hide_what_is_not_known(show, trained, swept):
    dock = show(GradientDock, trained)
    visible = {name for name, panel in dock.panels.items() if panel.isVisible()}
    assert visible == {"gradient_snr", "perturbation"}  # there is no exact gradient to compare with
    assert all(panel.isVisible() for panel in dock.drifts.values())
    shift = dock.items._items[(trained.folder, "mode_hz")][1].getOriginalDataset()[1]
    assert shift[0] == 0
    assert shift[-1] == pytest.approx((trained.drift.mode_hz[-1] - trained.drift.mode_hz[0]) / 1e6)
    assert "drift since the first reference +3.1" in dock.values.text()
    dock.show_runs([dataclasses.replace(trained, drift=None)])
    assert not any(panel.isVisible() for panel in dock.drifts.values())
    dock.show_runs([swept])
    assert "reference" in dock.empty.text()


def test_panels_share_the_axis_of_the_first_that_is_shown(show, trained, qtbot):
    curves = {"perturbation": trained.curves["perturbation"]}
    dock = show(GradientDock, dataclasses.replace(trained, curves=curves))
    panel = dock.panels["perturbation"]
    qtbot.waitUntil(lambda: panel.vb.viewRange()[0][1] > 39)
    dock.show_runs([trained])
    snr = dock.panels["gradient_snr"]
    snr.setXRange(3, 7, padding=0)
    assert panel.vb.viewRange()[0] == pytest.approx([3, 7], abs=0.2)
    dock.fit()
    qtbot.waitUntil(lambda: panel.vb.viewRange()[0][1] > 39)


def test_time_is_stacked_and_shared_out(show, trained):
    dock = show(PhasesDock, trained)
    assert dock.shares() == pytest.approx(
        {"ask": 0.1, "settle": 0.2, "sweep": 0.4, "transfer": 0.1, "tell": 0.2}
    )
    assert dock.seconds()["sweep"] == pytest.approx(16.0)
    top = dock.areas["tell"].getOriginalDataset()[1]
    assert top == pytest.approx(np.ones(40))
    assert not dock.areas["write"].isVisible()
    assert dock.words[2].toPlainText() == "40.0"
    assert dock.words[5].toPlainText() == "not known"
    assert "sweep 16 s" in dock.values.text()
    dock.crosshair.put(20.0)
    assert "step 20" in dock.values.text()
    assert "sweep 400 ms" in dock.values.text()


def test_a_twin_is_set_beside_what_was_measured(show, trained):
    dock = show(TwinDock, trained)
    x, y = curve(dock, ("loss", "twin"))
    assert x == pytest.approx([0.5, 1, 1.5, 2, 2.5, 3])
    assert y == pytest.approx([1.0, 0.5, 0.5, 0.25, 1 / 3, 1 / 6])
    x, y = curve(dock, ("loss", "measured"))  # the first round measures no sample
    assert x[1:].tolist() == [1, 2]
    assert y[1:] == pytest.approx([0.5, 0.4])
    assert curve(dock, "skill")[1][1:].tolist() == [0.9, 0.4]
    assert "given up in round 3" in dock.message.text()
    assert "measured loss 0.4 (the twin expected 0.3)" in dock.values.text()
    dock.crosshair.put(0.1)
    assert dock.values.text().startswith("round 1 ")
    assert "skill" not in dock.values.text()


def test_numbers_on_axes_are_plain(qtbot, show, trained):
    axis = show(LossDock, trained).panels["loss"].getAxis("left")
    assert axis.tickStrings([0, 1e6, 2e6], 1, 1e6) == [
        "0",
        "1\u202f000\u202f000",
        "2\u202f000\u202f000",
    ]
    assert axis.tickStrings([0.002, 0.004], 1, 0.002) == ["0.002", "0.004"]
    assert axis.tickStrings([1e-9, 2e-9], 1, 1e-9) == ["1e-09", "2e-09"]
    axis.setLogMode(y=True)
    assert axis.tickStrings([0, np.log10(2), np.log10(3), 1, -3, 6], 1, None) == [
        "1", "2", "", "10", "0.001", "1e6",
    ]  # fmt: skip
    assert isinstance(axis, pg.AxisItem)
