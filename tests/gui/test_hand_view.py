"""Hand mode without a window: what came of requests, and what is done with a sweep."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from magnon_lab.gui.model.gauge import quantity_gauge
from magnon_lab.gui.model.hand_view import HandView, Note, Row, ask, step_of
from magnon_lab.gui.model.sweep import Reference, Sweep
from magnon_lab.runs import RunError

from .bench_runs import HELD, SHIPPED, Recorded

GRID_HZ = SHIPPED.frequencies_hz


def row(view: HandView, quantity: str = "attenuation_db") -> Row:
    return next(one for one in view.rows if one.gauge.quantity == quantity)


def trace(*lines: tuple[int, float]) -> np.ndarray:
    """Return a trace of -70 dBm with lines at these points."""
    made = np.full(len(GRID_HZ), -70.0, np.float32)
    for at, level_dbm in lines:
        made[at - 1 : at + 2] = level_dbm - 20
        made[at] = level_dbm
    return made


def test_a_row_has_limits_and_steps_of_its_instrument() -> None:
    view = HandView(SHIPPED)
    attenuation = row(view)
    assert (attenuation.gauge.low, attenuation.gauge.high) == (5.0, 60.0)
    assert (attenuation.step, attenuation.decimals) == (0.25, 2)
    frequency = row(view, "drive_frequency_hz")
    assert (frequency.gauge.unit, frequency.decimals) == ("GHz", 6)
    assert frequency.step == pytest.approx(0.0005)  # 30 MHz of the knob in about 100 steps
    assert view.begin("field_mt") == 92.0
    assert view.begin("drive_frequency_hz") == pytest.approx(4.465)
    assert step_of(quantity_gauge(SHIPPED, "field_mt"), 0.0) == 2.0  # no knob: 150 mT


def test_only_a_living_run_in_hand_mode_can_be_asked(tmp_path: Path) -> None:
    view = HandView(SHIPPED)
    assert view.headline().startswith("Hand mode is off")
    train = Recorded(tmp_path, "train")
    view.take(train.snapshot())
    assert view.run is None
    assert f"Run {train.run.id} has the bench" in view.headline(train.snapshot())
    hand = Recorded(tmp_path)
    view.take(hand.snapshot())
    assert view.run is not None
    hand.run.finish("finished")
    view.take(hand.snapshot())
    assert view.run is None


def test_a_request_is_followed_from_being_asked_to_being_turned(tmp_path: Path) -> None:
    hand, view = Recorded(tmp_path), HandView(SHIPPED)
    hand.sweep(**HELD)
    view.take(hand.snapshot())
    assert row(view).note == Note()
    view.asking({"attenuation_db": 12.1})
    assert row(view).note.sign == "waiting"
    view.take(hand.snapshot())
    assert row(view).note.sign == "waiting"
    request = ask(hand.run.folder, "set", {"attenuation_db": 12.1})
    view.asked({"attenuation_db": 12.1}, request)
    asked = {"requests": [request], "asked": {"attenuation_db": 12.1}}
    hand.run.event("set", "intent", "attenuation_db = 12.1 dB", asked)
    view.take(hand.snapshot())
    assert row(view).note.text == "turning …"
    hand.answer(request, {"attenuation_db": 12.1})
    hand.sweep(**HELD | {"attenuation_db": 12.1}, found={"attenuation_db": 12.0})
    view.take(hand.snapshot())
    done = row(view)
    assert done.note.sign == "ok"
    assert (done.gauge.asked, done.gauge.found) == (12.1, 12.0)


def test_a_refusal_stands_at_its_row_whoever_asked(tmp_path: Path) -> None:
    hand, view = Recorded(tmp_path), HandView(SHIPPED)
    hand.answer(7, {"field_mt": 200.0, "attenuation_db": 3.0}, "field_mt = 200 mT is outside")
    view.take(hand.snapshot())
    for quantity in ("field_mt", "attenuation_db"):
        assert row(view, quantity).note == Note("refused", "refused: field_mt = 200 mT is outside")
    assert row(view, "drive_power_dbm").note == Note()


def test_an_answer_to_somebody_else_does_not_end_the_waiting(tmp_path: Path) -> None:
    hand, view = Recorded(tmp_path), HandView(SHIPPED)
    view.take(hand.snapshot())
    view.asking({"attenuation_db": 12.0})
    view.asked({"attenuation_db": 12.0}, 5)
    hand.answer(4, {"attenuation_db": 20.0})
    view.take(hand.snapshot())
    assert row(view).note.sign == "waiting"
    hand.answer(5, {"attenuation_db": 12.0})
    view.take(hand.snapshot())
    assert row(view).note.sign == "ok"


def test_a_request_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    hand, view = Recorded(tmp_path), HandView(SHIPPED)
    view.take(hand.snapshot())
    hand.run.finish("finished")
    view.asking({"attenuation_db": 12.0})
    with pytest.raises(RunError, match="is finished") as refused:
        ask(hand.run.folder, "set", {"attenuation_db": 12.0})
    view.failed({"attenuation_db": 12.0}, str(refused.value))
    assert row(view).note.sign == "refused"


def test_the_drive_follows_what_was_asked_of_it(tmp_path: Path) -> None:
    hand, view = Recorded(tmp_path, drive_on=True), HandView(SHIPPED)
    view.take(hand.snapshot())
    assert view.drive_on
    hand.answer(1, {"drive": False})
    view.take(hand.snapshot())
    assert not view.drive_on
    hand.answer(2, {"drive": True}, "could put 12 dBm on the amplifier input")
    hand.answer(3, {"drive_power_dbm": -10.0})
    view.take(hand.snapshot())
    assert not view.drive_on
    assert view.drive_note.sign == "refused"
    assert row(view, "drive_power_dbm").note.text.endswith("the drive is off")


def test_in_a_pause_what_is_asked_waits_and_the_reason_is_told(tmp_path: Path) -> None:
    hand, view = Recorded(tmp_path), HandView(SHIPPED)
    hand.run.pause("the analyser's input was overdriven")
    told = {"requests": [1], "asked": {"attenuation_db": 50.0}}
    hand.run.event("set", "intent", "attenuation_db = 50 dB", told)
    view.take(hand.snapshot())
    assert row(view).note.text == "accepted, turned when the run goes on"
    assert "overdriven" in view.headline()


def test_when_it_ends_by_itself_is_told(tmp_path: Path) -> None:
    hand, view = Recorded(tmp_path, idle_min=20.0), HandView(SHIPPED)
    started = hand.run.info()["started"]
    view.take(hand.snapshot())
    assert view.ends_at == pytest.approx(started + 1200)
    assert "in 20 min, and makes the bench safe" in view.headline(now=started)
    hand.answer(1, {"attenuation_db": 20.0})
    view.take(hand.snapshot())
    assert view.ends_at == pytest.approx(hand.run.events("set")[-1].time + 1200)


# The sweep


def test_the_maximum_is_held_from_when_it_is_asked_for(tmp_path: Path) -> None:
    hand, sweep = Recorded(tmp_path), Sweep()
    hand.sweep(trace((50, -20.0)), **HELD)
    assert sweep.take(hand.snapshot())
    assert not sweep.take(hand.snapshot())
    sweep.hold_max(True)
    for at, level_dbm in ((100, -30.0), (100, -40.0), (200, -25.0)):
        hand.sweep(trace((at, level_dbm)), **HELD)
        assert sweep.take(hand.snapshot())
    held = sweep.max_hold_dbm
    assert held is not None
    assert held[[50, 100, 200]].tolist() == [-20.0, -30.0, -25.0]
    sweep.hold_max(False)
    assert sweep.max_hold_dbm is None
    other = Recorded(tmp_path)
    sweep.hold_max(True)
    other.sweep(trace((300, -10.0)), **HELD)
    sweep.take(other.snapshot())
    assert sweep.max_hold_dbm is not None
    assert sweep.max_hold_dbm[200] == -70.0  # of another run nothing is held


def test_markers_find_lines_and_measure_between_them(tmp_path: Path) -> None:
    hand, sweep = Recorded(tmp_path), Sweep()
    assert not sweep.to_next(0)
    assert sweep.readout() == ""
    hand.sweep(trace((60, -30.0), (200, -20.0), (300, -40.0)), **HELD)
    sweep.take(hand.snapshot())
    sweep.to_peak()
    assert sweep.marker_hz == GRID_HZ[200]
    sweep.set_delta(True)
    assert sweep.to_next(0)
    assert sweep.marker_hz == GRID_HZ[60]
    assert sweep.readout().endswith("Δ -122.5 MHz, -10.00 dB")
    assert not sweep.to_next(-1)
    assert sweep.to_next(1)
    assert sweep.to_next(1)
    assert sweep.marker_hz == GRID_HZ[300]
    assert not sweep.to_next(1)
    sweep.place(4.4e9)
    assert sweep.marker_hz == pytest.approx(4.4e9, abs=0.5e6)
    sweep.set_delta(False)
    assert math.isnan(sweep.delta_hz)
    assert sweep.span() == "Span 350 MHz around 4.475 GHz, 401 points 875 kHz apart"


def test_a_reference_is_kept_saved_and_loaded(tmp_path: Path) -> None:
    hand, sweep = Recorded(tmp_path), Sweep()
    hand.sweep(trace((60, -30.0)), **HELD)
    sweep.take(hand.snapshot())
    sweep.keep_reference()
    assert sweep.reference is not None
    path = tmp_path / "reference.csv"
    sweep.reference.save(path)
    assert "# SIMULATED BENCH" in path.read_text()
    assert hand.run.id in path.read_text()
    loaded = Reference.load(path)
    assert loaded.simulated
    np.testing.assert_array_equal(loaded.level_dbm, sweep.reference.level_dbm)
    np.testing.assert_array_equal(loaded.frequencies_hz, GRID_HZ)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("frequency_hz,power_dbm\n", "holds no trace"),
        ("1e9,-70\n2e9,much\n", "line 2: '2e9,much'"),
        ("2e9,-70\n1e9,-70\n", "must rise"),
        ("1e9,-70\n2e9,nan\n", "finite"),
    ],
)
def test_what_is_no_reference_is_refused_with_the_line(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=why):
        Reference.load(path)
