"""The bench's cards, as a person sees and presses them."""

from __future__ import annotations

from pathlib import Path

import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from magnon_lab.gui.panels.bench import BenchPanel
from magnon_lab.gui.panels.limit_bar import LimitBar
from magnon_lab.gui.theme import Theme

from .bench_runs import HELD, SERVED, SHIPPED, Recorded
from .test_bench_view import CHECK, READINGS, SAFE_STEPS

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def panel(qtbot: QtBot) -> BenchPanel:
    shown = BenchPanel(SERVED)
    qtbot.addWidget(shown)
    shown.resize(280, 620)
    with qtbot.waitExposed(shown):
        shown.show()
    return shown


def text_of(card: QWidget) -> str:
    from PyQt6.QtWidgets import QLabel

    return " ".join(label.text() for label in card.findChildren(QLabel) if label.isVisible())


def test_make_safe_is_one_click_and_tells_each_step(panel: BenchPanel, qtbot: QtBot) -> None:
    with qtbot.waitSignal(panel.safe_asked):
        qtbot.mouseClick(panel.safe_button, LEFT)
    panel.show_busy("safe")
    assert panel.safe_button.text() == "Making safe …"
    assert panel.safe_button.isEnabled()  # it may be pressed again at any time
    assert not panel.report.isVisible()
    panel.show_safe({"ok": True, "steps": SAFE_STEPS})
    assert panel.report.isVisible()
    assert "Safe" in panel.report.text()
    for step in SAFE_STEPS:
        assert f"{step['name']}: {step['text']}" in panel.report.text()
    broken = [SAFE_STEPS[0] | {"ok": False, "text": "no <answer>"}, *SAFE_STEPS[1:]]
    panel.show_safe({"ok": False, "steps": broken})
    assert "NOT SAFE" in panel.report.text()
    assert "FAILED</span> attenuator to maximum: no &lt;answer>" in panel.report.text()
    assert "attenuator to maximum failed" in panel.headline.text()


def test_make_safe_is_in_reach_at_any_size_and_with_any_number_of_cards(
    panel: BenchPanel, qtbot: QtBot
) -> None:
    for width, height in ((240, 300), (280, 700), (600, 1300)):
        panel.resize(width, height)
        QApplication.processEvents()
        assert panel.safe_button.isVisible()
        assert panel.safe_button.visibleRegion().boundingRect().height() >= 40
    assert panel.minimumSizeHint().width() <= 280


def test_everything_is_reached_by_keys_in_a_sane_order(panel: BenchPanel, qtbot: QtBot) -> None:
    panel.safe_button.setFocus()
    order = []
    for _ in range(4):
        focused = panel.focusWidget()
        assert focused is not None
        order.append(focused.accessibleName() or focused.text())
        qtbot.keyClick(focused, Qt.Key.Key_Tab)
    assert order == ["Make &safe", "&Check bench", "Han&d mode", "Cards of the bench"]
    for signal, button in (
        (panel.check_asked, panel.check_button),
        (panel.hand_asked, panel.hand_button),
    ):
        with qtbot.waitSignal(signal):
            qtbot.keyClick(button, Qt.Key.Key_Space)


def test_every_control_and_figure_explains_itself(panel: BenchPanel) -> None:
    for button in (panel.safe_button, panel.check_button, panel.hand_button):
        assert button.toolTip()
    for role, card in panel.cards.items():
        assert card.accessibleName()
        assert card.link.toolTip() == "not asked yet"
        for gauge in card.gauges:
            assert "Limits: " in gauge.toolTip(), role
    bars = panel.findChildren(LimitBar)
    assert all(bar.accessibleName() and bar.accessibleDescription() for bar in bars)
    tip = panel.cards["attenuator"].gauges[0].toolTip()
    assert "A network may turn it from 10 to 15 dB, in steps of 0.25 dB" in tip


def test_a_check_puts_lights_on_and_says_why_one_is_red(panel: BenchPanel) -> None:
    assert "not asked" in text_of(panel.cards["generator"])
    panel.show_busy("check")
    assert not panel.check_button.isEnabled()
    panel.show_check(CHECK)
    assert panel.check_button.isEnabled()
    panel.show_readings(READINGS)
    assert "answers" in text_of(panel.cards["generator"])
    assert "trouble" in text_of(panel.cards["field"])
    assert "no answer" in panel.cards["field"].link.toolTip()
    assert "60 dB" in text_of(panel.cards["attenuator"])
    panel.show_check({"message": "GPIB::6::INSTR is held by run 3f2a (process 7 on here)"})
    assert panel.message.isVisible()
    assert "held by run 3f2a" in panel.message.text()
    panel.show_check(CHECK)
    assert not panel.message.isVisible()


def test_a_run_is_followed_and_its_differences_are_red(panel: BenchPanel, tmp_path: Path) -> None:
    run = Recorded(tmp_path, bench=SERVED)
    run.switch_on(drive=True)
    run.sweep(**HELD | {"attenuation_db": 12.0}, found={"field_mt": 90.5})
    panel.show_run(run.snapshot())
    assert run.run.id in panel.headline.text()
    assert "12 dB" in text_of(panel.cards["attenuator"])
    field = text_of(panel.cards["field"])
    assert "Bias field reads 90.5 mT, but 92 mT was set" in field
    assert panel.cards["field"].wrong.isVisible()
    assert panel.hand_button.isEnabled()  # hand mode itself has the bench
    train = Recorded(tmp_path, "train", bench=SERVED)
    panel.show_run(train.snapshot())
    assert not panel.hand_button.isEnabled()


def test_a_report_goes_once_something_is_on_again(panel: BenchPanel, tmp_path: Path) -> None:
    panel.show_safe({"ok": True, "steps": SAFE_STEPS})
    assert panel.report.isVisible()
    run = Recorded(tmp_path, bench=SERVED)
    panel.show_run(run.snapshot())
    assert not panel.report.isVisible()


def test_no_text_of_a_card_is_cut_at_280_pixels(panel: BenchPanel, tmp_path: Path) -> None:
    run = Recorded(tmp_path, bench=SERVED)
    run.switch_on(drive=True)
    run.sweep(**HELD | {"attenuation_db": 5.0, "drive_power_dbm": 9.9}, flags=3)
    panel.show_run(run.snapshot())
    QApplication.processEvents()
    for role, card in panel.cards.items():
        for label in (card.facts, card.wrong):
            assert label.height() >= label.heightForWidth(label.width()), role
        for gauge in card.gauges:
            for part in (gauge.name, gauge.value, gauge.limits):
                assert part.width() >= part.minimumSizeHint().width(), (role, part.text())


@pytest.mark.parametrize("name", ["light", "dark"])
def test_cards_take_on_the_colours_of_the_theme(qtbot: QtBot, tmp_path: Path, name: str) -> None:
    application = QApplication.instance()
    assert isinstance(application, QApplication)
    theme = Theme(application, "light")
    panel = BenchPanel(SHIPPED)
    qtbot.addWidget(panel)
    theme.changed.connect(panel.retheme)
    run = Recorded(tmp_path)
    run.sweep(**HELD | {"attenuation_db": 5.0})
    panel.show_run(run.snapshot())
    theme.set(name)
    from magnon_lab.gui.theme import colours

    assert colours().ok in panel.cards["attenuator"].link.text()
    assert colours().warning in panel.cards["attenuator"].gauges[0].value.text()
    panel.resize(300, 900)
    assert not panel.grab().isNull()
    theme.set("light")
