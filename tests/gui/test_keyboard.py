"""All of the main window by keys alone, and in words for who does not see it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PyQt6.QtCore import QSettings, Qt
from PyQt6.QtWidgets import (
    QAbstractButton,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QLineEdit,
    QSlider,
    QTabBar,
    QTableView,
    QWidget,
)
from pytestqt.qtbot import QtBot

from magnon_lab.bench import BenchFile
from magnon_lab.gui.actions import ACTIONS
from magnon_lab.gui.main_window import MainWindow
from magnon_lab.gui.settings import Settings
from magnon_lab.gui.theme import THEMES, Theme, colours

CONTROLS = (QAbstractButton, QAbstractSpinBox, QComboBox, QLineEdit, QSlider, QTableView)


def opened(folder: Path) -> MainWindow:
    """Open a window that remembers in `folder`."""
    application = QApplication.instance()
    assert isinstance(application, QApplication)
    settings = Settings(QSettings(str(folder / "w.ini"), QSettings.Format.IniFormat))
    window = MainWindow(
        folder / "runs", BenchFile.load(None), settings, Theme(application, "light")
    )
    window.show()
    return window


@pytest.fixture(scope="module")
def shared(qapp: QApplication, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MainWindow]:
    """Open one window for all that leave it as it was."""
    folder = tmp_path_factory.mktemp("window")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
        window = opened(folder)
        window.welcome(False)
        yield window
        window.close()


@pytest.fixture
def window(qtbot: QtBot, shared: MainWindow) -> MainWindow:
    qtbot.waitExposed(shared)
    shared.activateWindow()
    return shared


@pytest.fixture
def own(qtbot: QtBot, tmp_path: Path) -> MainWindow:
    """Open a window for a single test."""
    window = opened(tmp_path)
    qtbot.addWidget(window)
    qtbot.waitExposed(window)
    return window


def own_controls(window: MainWindow) -> list[QWidget]:
    """Return what can be operated in our panels and docks, without parts of Qt's own widgets."""
    found = []
    for widget in window.findChildren(QWidget):
        parent = widget.parent()
        inner = isinstance(parent, QComboBox | QAbstractSpinBox | QLineEdit | QTableView | QTabBar)
        of_qt = widget.objectName().startswith("qt_") or type(widget).__name__.startswith("QDock")
        if isinstance(widget, CONTROLS) and not inner and not of_qt:
            found.append(widget)
    return found


def test_every_control_says_what_it_is_for(window: MainWindow) -> None:
    controls = own_controls(window)
    assert len(controls) > 60
    mute = [
        f"{type(one).__name__} {one.accessibleName() or getattr(one, 'text', str)()!r}"
        for one in controls
        if not one.toolTip() and not isinstance(one, QTableView)
    ]
    assert mute == []


def test_every_control_can_be_reached_with_tab(window: MainWindow) -> None:
    deaf = [
        f"{type(one).__name__} {one.accessibleName() or getattr(one, 'text', str)()!r}"
        for one in own_controls(window)
        if not one.focusPolicy() & Qt.FocusPolicy.TabFocus
    ]
    assert deaf == []


def test_every_action_has_a_name_and_what_it_does(window: MainWindow) -> None:
    shortcuts = [what.shortcut for what in ACTIONS if what.shortcut]
    assert len(shortcuts) == len(set(shortcuts))
    for what in ACTIONS:
        if what.name:
            action = window.actions_[what.name]
            assert action.toolTip()
            assert "&" in action.text()


@pytest.mark.parametrize(
    ("key", "place"),
    [(1, "form"), (3, "cards"), (4, "table"), (5, "entries"), (6, "log")],
)
def test_a_key_goes_to_each_pane(window: MainWindow, qtbot: QtBot, key: int, place: str) -> None:
    window.activateWindow()
    qtbot.keyClick(window, getattr(Qt.Key, f"Key_{key}"), Qt.KeyboardModifier.ControlModifier)
    panel = window._docks[place].widget()
    assert panel is not None
    assert panel.isVisible()
    focused = window.focusWidget()
    assert focused is not None
    assert focused is panel or panel.isAncestorOf(focused)


def test_f6_goes_round_the_panes(window: MainWindow, qtbot: QtBot) -> None:
    seen = set()
    for _ in range(6):
        qtbot.keyClick(window, Qt.Key.Key_F6)
        focused = window.focusWidget()
        for name, dock in window._docks.items():
            if focused is not None and dock.isAncestorOf(focused):
                seen.add(name)
    assert seen == {"form", "cards", "table", "entries", "log"}


def test_f1_lists_the_keys_and_escape_closes_them(window: MainWindow, qtbot: QtBot) -> None:
    qtbot.keyClick(window, Qt.Key.Key_F1)
    [box] = [one for one in window.children() if type(one).__name__ == "QMessageBox"]
    assert "Ctrl+Return" in box.text()
    qtbot.keyClick(box, Qt.Key.Key_Escape)
    assert not box.isVisible()


@pytest.mark.parametrize("name", THEMES)
def test_each_theme_is_taken_on_and_remembered(own: MainWindow, name: str) -> None:
    window = own
    window._use_theme(name)
    assert window._settings.theme == name
    window_colour = window.palette().window().color().name()
    assert window_colour == colours().background


def test_the_layout_is_remembered(own: MainWindow, qtbot: QtBot, tmp_path: Path) -> None:
    window = own
    window._docks["log"].hide()
    loss, waterfall = (window.live.docks[name][1] for name in ("LossDock", "WaterfallDock"))
    loss.log_y.setChecked(True)
    loss.smooth.setValue(20)
    loss.axis.setCurrentIndex(0)
    waterfall.low.setValue(-95)
    window.close()
    again = opened(tmp_path)
    qtbot.addWidget(again)
    assert not again._docks["log"].isVisible()
    loss, waterfall = (again.live.docks[name][1] for name in ("LossDock", "WaterfallDock"))
    assert (loss.log_y.isChecked(), loss.smooth.value(), loss.axis_name) == (True, 20, "step")
    assert (waterfall.automatic.isChecked(), waterfall.low.value()) == (False, -95)
    again.actions_["reset"].trigger()
    assert again._docks["log"].isVisibleTo(again)
