"""What is known of a bench without asking it."""

from __future__ import annotations

import dataclasses
import math
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from magnon_lab.gui.model.bench_view import BenchView, Card, age
from magnon_lab.gui.model.gauge import quantity_gauge, tolerance

from .bench_runs import HELD, SERVED, SHIPPED, Recorded

CHECK = {
    "ok": False,
    "lines": [
        {
            "role": "generator",
            "ok": True,
            "text": "Keysight,E8257D,1,1: RF off, -135 dBm at 20 GHz",
        },
        {"role": "amplifier", "ok": True, "text": "Keysight,E36312A,1: output 2 on, 12 V, 0.380 A"},
        {"role": "field", "ok": True, "text": "KEPCO,1: output off, mode VOLT, -0.000 A"},
        {"role": "probe", "ok": False, "text": "probe (LakeShore425 at ASRL5::INSTR): no answer"},
        {"role": "bench file", "ok": True, "text": "note: something"},
    ],
}
READINGS = {
    "bench": "simulated ring",
    "quantities": [
        {"quantity": "drive_power_dbm", "readback": -135.0},
        {"quantity": "drive_frequency_hz", "readback": 20e9},
        {"quantity": "attenuation_db", "readback": 60.0},
        {"quantity": "field_mt", "readback": 0.02},
        {"quantity": "amplifier_voltage_v", "readback": 12.0},
    ],
}
SAFE_STEPS = [
    {
        "name": "attenuator to maximum",
        "ok": True,
        "text": "60 dB",
        "readback": {"attenuation_db": 60.0},
    },
    {"name": "generator off", "ok": True, "text": "RF off", "readback": {"drive_power_dbm": -60.0}},
    {
        "name": "amplifier bias off",
        "ok": True,
        "text": "off",
        "readback": {"amplifier_current_a": 0.0},
    },
    {"name": "field to zero", "ok": True, "text": "zero", "readback": {}},
    {"name": "field supply off", "ok": True, "text": "off", "readback": {"field_mt": 0.02}},
]


def cards(view: BenchView) -> dict[str, Card]:
    return {card.role: card for card in view.cards()}


def values(view: BenchView) -> dict[str, float]:
    return {name: view.gauge(name).value for name in SHIPPED.quantities}


def test_before_anything_is_asked_the_cards_tell_limits_and_what_to_do() -> None:
    view = BenchView(SHIPPED)
    assert view.headline().startswith("Not asked yet: Check bench")
    found = cards(view)
    assert list(found) == [
        "generator",
        "attenuator",
        "analyser",
        "field",
        "amplifier",
        "laboratory",
    ]
    assert {card.link.word for card in found.values()} == {"not asked"}
    [gauge] = found["attenuator"].gauges
    assert (gauge.low, gauge.high, gauge.knob) == (5.0, 60.0, SHIPPED.knobs["attenuation_db"])
    assert math.isnan(gauge.value)
    assert gauge.nearness == "unknown"


def test_a_check_tells_who_answers_and_readings_what_they_make() -> None:
    view = BenchView(SHIPPED)
    view.take_check(CHECK, now=1000.0)
    assert view.headline(now=1120.0) == "Checked 2 min ago"
    found = cards(view)
    assert found["generator"].link.word == "answers"
    assert found["generator"].output is False
    assert found["amplifier"].output is True
    # The gaussmeter is on the magnet's card, and its trouble is the card's.
    assert found["field"].link.word == "trouble"
    assert "no answer" in found["field"].link.text
    view.take_readings(READINGS, now=1010.0)
    assert values(view)["field_mt"] == 0.02
    assert view.headline(now=1010.0) == "Shown: as asked, just now"
    # A tone of 20 GHz that is switched off is beyond no limit that matters.
    assert {one.nearness for one in cards(view)["generator"].gauges} == {"inside"}


def test_a_run_tells_what_it_holds_and_what_its_newest_measurement_read(tmp_path: Path) -> None:
    run, view = Recorded(tmp_path, "train"), BenchView(SHIPPED)
    run.switch_on(drive=True)
    run.sweep(drive_power_dbm=-10.0, attenuation_db=12.1, found={"attenuation_db": 12.0})
    view.take_run(run.snapshot())
    assert view.headline() == f"Run {run.run.id} has the bench"
    assert values(view) == HELD | {
        "drive_power_dbm": -10.0,
        "attenuation_db": 12.0,
        "field_mt": 91.85,
    }
    assert view.gauge("attenuation_db").asked == 12.1
    assert view.gauge("field_mt").asked == 92.0
    found = cards(view)
    assert found["generator"].output is True
    assert found["amplifier"].facts == ("draws 0.380 A, 0.25 to 0.5 A expected",)
    assert found["analyser"].facts[-1].startswith("highest -70.0 dBm")
    assert all(card.link.word == "answers" for card in found.values())
    assert not any(card.wrong for card in found.values())


def test_how_near_a_limit_counts_towards_harm_only() -> None:
    def nearness(quantity: str, value: float) -> str:
        return quantity_gauge(SHIPPED, quantity, found=value).nearness

    assert nearness("attenuation_db", 60.0) == "inside"
    assert nearness("attenuation_db", 6.0) == "near"
    assert nearness("attenuation_db", 5.0) == "at"
    assert nearness("attenuation_db", 4.75) == "beyond"
    assert nearness("drive_power_dbm", -60.0) == nearness("drive_power_dbm", -135.0) == "inside"
    assert nearness("drive_power_dbm", 9.0) == "near"
    assert nearness("field_mt", -0.02) == "inside"
    assert nearness("field_mt", 150.5) == "beyond"


def test_a_read_back_that_is_too_far_off_is_told(tmp_path: Path) -> None:
    assert tolerance(SHIPPED, "field_mt") == 1.0
    assert tolerance(SHIPPED, "attenuation_db") == 0.125
    assert math.isnan(tolerance(SHIPPED, "drive_power_dbm"))
    run, view = Recorded(tmp_path), BenchView(SHIPPED)
    run.sweep(**HELD, found={"field_mt": 90.9})
    view.take_run(run.snapshot())
    assert cards(view)["field"].wrong == ("Bias field reads 90.9 mT, but 92 mT was set",)
    run.sweep(**HELD, found={"field_mt": 91.1})
    view.take_run(run.snapshot())
    assert cards(view)["field"].wrong == ()


def test_what_an_instrument_could_not_do_is_told(tmp_path: Path) -> None:
    run, view = Recorded(tmp_path), BenchView(SHIPPED)
    run.sweep(**HELD, flags=1 | 2)
    view.take_run(run.snapshot())
    assert "OVERDRIVEN" in cards(view)["analyser"].wrong[0]
    assert "NOT LEVELLED" in cards(view)["generator"].wrong[0]
    run.run.pause("field (KepcoBOP3612 at GPIB::6::INSTR) cannot be reached: time-out")
    view.take_run(run.snapshot())
    assert cards(view)["field"].link.state == "trouble"
    assert cards(view)["generator"].link.state == "answers"


def test_the_power_at_the_nodes_is_that_of_the_linked_limits(tmp_path: Path) -> None:
    run, view = Recorded(tmp_path), BenchView(SHIPPED)
    run.switch_on(drive=True)
    run.sweep(**HELD | {"drive_power_dbm": 5.0, "attenuation_db": 15.0})
    view.take_run(run.snapshot())
    nodes = {
        node.name: float(node.power_dbm[0])
        for node in SHIPPED.limits.linked.nodes(np.array([5.0]), np.array([15.0]))
    }
    found = cards(view)
    for role in ("amplifier", "attenuator", "analyser"):
        gauge = found[role].gauges[-1]
        assert gauge.found == nodes[f"{role} input"]
        assert gauge.range_text.startswith("at most")
        assert "loop gain" in " ".join(gauge.details())
    run.output("generator off: RF off", drive_power_dbm=-60.0)
    run.sweep(**HELD | {"attenuation_db": 20.0})
    view.take_run(run.snapshot())
    assert (
        cards(view)["amplifier"].gauges[-1].text(cards(view)["amplifier"].gauges[-1].value)
        == "none"
    )


def test_a_pause_shows_standby_and_its_end_what_goes_on(tmp_path: Path) -> None:
    run, view = Recorded(tmp_path), BenchView(SHIPPED)
    run.switch_on(drive=True)
    run.sweep(**HELD | {"attenuation_db": 12.0, "drive_power_dbm": -10.0})
    run.quiet("standby")
    run.run.pause("paused on request")
    view.take_run(run.snapshot())
    assert view.headline().endswith("has the bench, paused")
    assert values(view) == HELD
    assert cards(view)["generator"].output is False
    assert cards(view)["amplifier"].output is True
    run.run.resume()
    run.switch_on(drive=True)
    run.sweep(**HELD | {"attenuation_db": 13.0, "drive_power_dbm": -10.0})
    view.take_run(run.snapshot())
    assert values(view)["attenuation_db"] == 13.0
    assert cards(view)["generator"].output is True


def test_an_end_shows_the_safe_state_and_how_old_that_is(tmp_path: Path) -> None:
    run, view = Recorded(tmp_path), BenchView(SERVED)
    run.run.set_bench(SERVED.text)
    run.switch_on(drive=True)
    run.sweep(**HELD | {"attenuation_db": 12.0})
    run.quiet()
    run.run.finish("finished")
    view.take_run(run.snapshot())
    assert view.live is None
    assert view.unsure == ""
    found = values(view)
    assert (found["field_mt"], found["amplifier_voltage_v"], found["attenuation_db"]) == (
        0.07,
        0.0,
        60.0,
    )
    told = view.headline(now=time.time() + 3 * 3600)
    assert told == f"Shown: as run {run.run.id} left it, 3 h ago"
    assert {cards(view)[role].output for role in ("generator", "field", "amplifier")} == {False}


def test_a_run_that_left_something_on_is_told_until_all_is_off(tmp_path: Path) -> None:
    run, view = Recorded(tmp_path, bench=SERVED), BenchView(SERVED)
    run.switch_on()
    run.sweep(**HELD)
    gone = dataclasses.replace(run.snapshot(), status="interrupted")
    view.take_run(gone)
    assert "may still be on" in view.headline()
    run.quiet("guard", failed="field supply off")
    view.take_run(dataclasses.replace(run.snapshot(), status="interrupted"))
    assert "NOT SAFE: field supply off failed" in view.headline()
    run.quiet("guard")
    view.take_run(dataclasses.replace(run.snapshot(), status="interrupted"))
    assert view.unsure == ""
    inside = BenchView(SHIPPED)  # a laboratory that ended with its run has nothing on
    inside.take_run(gone)
    assert inside.unsure == ""


def test_older_runs_and_other_benches_say_nothing(tmp_path: Path) -> None:
    old, view = Recorded(tmp_path / "a"), BenchView(SHIPPED)
    old.sweep(**HELD | {"attenuation_db": 11.0})
    old.quiet()
    old.run.finish("finished")
    view.take_readings(READINGS, now=time.time() + 10)
    view.take_run(old.snapshot())
    assert view.headline(time.time() + 10).startswith("Shown: as asked")
    other = Recorded(tmp_path / "b")
    other.run.set_bench(SHIPPED.text.replace("ASRL5::INSTR", "ASRL7::INSTR"))
    other.sweep(**HELD | {"attenuation_db": 11.0})
    in_silico = Recorded(tmp_path / "c", identities={})
    for run in (other, in_silico):
        view.take_run(run.snapshot())
        assert view.live is None
        assert values(view)["attenuation_db"] == 60.0


def test_make_safe_is_told_step_by_step_and_changes_what_is_shown(tmp_path: Path) -> None:
    run, view = Recorded(tmp_path, bench=SERVED), BenchView(SERVED)
    run.switch_on(drive=True)
    run.sweep(**HELD | {"attenuation_db": 12.0})
    view.take_run(run.snapshot())
    broken = [*SAFE_STEPS[:-1], SAFE_STEPS[-1] | {"ok": False, "text": "0.9 A still flow"}]
    report = view.take_safe({"ok": False, "steps": broken})
    assert not report.ok
    assert [step.ok for step in report.steps] == [True] * 4 + [False]
    view.take_run(None)
    assert "THE BENCH IS NOT SAFE: field supply off failed" in view.headline()
    report = view.take_safe({"ok": True, "steps": SAFE_STEPS})
    assert report.ok
    assert view.unsure == ""
    assert values(view) == HELD | {"field_mt": 0.02, "amplifier_voltage_v": 0.0}
    report = view.take_safe({"run": None, "status": "failed", "message": "held by another user"})
    assert (report.ok, report.message) == (False, "held by another user")


def test_a_laboratory_inside_another_process_is_not_called_safe(tmp_path: Path) -> None:
    run, view = Recorded(tmp_path), BenchView(SHIPPED)
    run.switch_on()
    run.sweep(**HELD | {"attenuation_db": 12.0})
    view.take_run(run.snapshot())
    report = view.take_safe({"ok": True, "steps": SAFE_STEPS})
    assert not report.ok
    assert f"run {run.run.id}, where no other can reach it: abort" in report.message
    assert values(view)["attenuation_db"] == 12.0


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0.0, "just now"), (40.0, "40 s ago"), (600.0, "10 min ago"), (9e4, "1 d ago")],
)
def test_ages_are_told_in_words(seconds: float, told: str) -> None:
    assert age(seconds) == told


def test_the_models_of_bench_and_hand_mode_know_no_qt() -> None:
    code = (
        "import sys, magnon_lab.gui.model.bench_view, magnon_lab.gui.model.hand_view, "
        "magnon_lab.gui.model.sweep; print([m for m in sys.modules if 'PyQt' in m or 'jax' == m])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
