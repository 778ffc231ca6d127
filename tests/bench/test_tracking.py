"""Drive frequencies as detunings from a mode that drifts, found by the reference measurements."""

import numpy as np
import pytest

from magnon_lab.bench import Bench, BenchFileError, InstrumentError, LimitError

KNOBS = ("drive_power_dbm", "drive_frequency_hz")
ROWS = np.array([[-10.0, 4.465e9], [-5.0, 4.46e9], [-10.0, 4.47e9], [-20.0, 4.455e9]])
MODE_HZ = 4.4711e9
TRACK = {
    "reference.every": 4,
    "reference.attenuation_db": 8.0,
    "reference.drive_power_dbm": -60.0,
    "reference.track": {"mode_hz": MODE_HZ, "within_hz": 4e6},
}
HOLD = {"attenuation_db": 12.0}
MHZ_PER_MT = 28.0  # about; of a film in its plane it is a little more


def drift(manager, field_mt: float) -> None:
    manager.visalib.laboratory.faults.add(f"kind=drift,quantity=field_mt,jump={field_mt}")
    manager.visalib.laboratory.instruments["field"].receive(_Nobody(), "*ESE?")


class _Nobody:
    def deliver(self, *_: object) -> None:
        """Hear nothing."""


def batches(bench: Bench, *which: int) -> list:
    return [bench.measure(ROWS, KNOBS, numbers=4 * n + np.arange(4)) for n in which]


def test_drive_frequencies_go_with_the_mode(edited, manager, wire) -> None:
    references = []
    with Bench(edited(TRACK), seed=3) as bench:
        bench.on_reference = references.append
        bench.start(HOLD)
        before = batches(bench, 0)[0]
        assert abs(before.shift_hz) < 0.5e6
        drift(manager, 0.05)
        batches(bench, 1)  # its reference notices; from the next batch on it counts
        wire.clear()
        after = batches(bench, 2)[0]
    moved_hz = after.shift_hz - before.shift_hz
    assert moved_hz == pytest.approx(0.05 * MHZ_PER_MT * 1e6, rel=0.35)
    sent = wire.values("generator", ":FREQ")
    assert sent[0] == 4.465e9  # the reference's own stays where it is
    np.testing.assert_allclose(sent[1:], ROWS[:, 1] + after.shift_hz, atol=1e-3)
    np.testing.assert_array_equal(after.requested, ROWS)
    np.testing.assert_allclose(after.realised, ROWS, atol=0.01)  # as detunings they did not move
    peaks = bench.frequencies_hz[after.traces_dbm.argmax(axis=1)]
    np.testing.assert_allclose(peaks, ROWS[:, 1] + after.shift_hz, atol=1.0e6)
    assert [one.numbers[0] for one in references] == [-1, -5, -9]


def test_what_is_held_goes_with_the_mode_too(edited, manager, wire) -> None:
    with Bench(edited(TRACK), seed=3) as bench:
        bench.start(HOLD | {"drive_frequency_hz": 4.465e9})
        drift(manager, -0.05)
        taken = bench.measure([[-10.0]], ("drive_power_dbm",))
        assert taken.shift_hz < -1e6
        assert bench.readback()["drive_frequency_hz"] == pytest.approx(4.465e9 + taken.shift_hz)


def test_a_batch_after_a_resume_has_the_shift_that_it_would_have_had(edited, manager) -> None:
    told = []
    with Bench(edited(TRACK), seed=3, journal=lambda *entry: told.append(entry)) as bench:
        bench.start(HOLD)
        through = batches(bench, 0, 1, 2)[2]
    found = {data["number"]: data["mode_hz"] for kind, *_, data in told if kind == "mode"}
    assert sorted(found) == [0, 4, 8]
    with Bench(edited(TRACK), seed=3) as bench:
        bench.references.mode_hz = found[4]
        bench.start(HOLD)
        resumed = batches(bench, 2)[0]
    assert resumed.shift_hz == through.shift_hz != 0.0
    np.testing.assert_array_equal(resumed.realised, through.realised)
    np.testing.assert_array_equal(resumed.traces_dbm, through.traces_dbm)


def test_after_standby_the_mode_is_looked_for_at_once(edited, manager) -> None:
    with Bench(edited(TRACK | {"reference.every": 1000}), seed=3) as bench:
        bench.start(HOLD)
        before = batches(bench, 0)[0]
        bench.standby()
        drift(manager, 0.05)
        bench.start(HOLD)
        after = batches(bench, 1)[0]
    assert after.shift_hz - before.shift_hz > 1e6


def test_a_mode_that_is_lost_is_told_and_nothing_stays_on(edited, manager) -> None:
    wrong = TRACK | {"reference.track": {"mode_hz": 4.4655e9, "within_hz": 2e6}}
    with Bench(edited(wrong), seed=3) as bench:
        bench.start(HOLD)
        with pytest.raises(InstrumentError, match=r"does not stand out within .* 4\.465500 GHz"):
            batches(bench, 0)
        assert not bench.started
        assert all(outcome.ok for outcome in bench.outcomes)


def test_a_shift_out_of_the_limits_is_refused_before_it_is_sent(edited, manager, wire) -> None:
    near = TRACK | {
        "limits.drive_frequency_hz": [4.0e9, 4.471e9],
        "knobs": {"drive_frequency_hz": {"from": 4.45e9, "to": 4.47e9}},
    }
    with Bench(edited(near), seed=3) as bench:
        bench.start(HOLD)
        drift(manager, 0.05)
        with pytest.raises(
            LimitError, match=r"4\.471e\+09|4471000000 Hz; it goes with the tracked mode, which is"
        ):
            batches(bench, 0)
        assert max(wire.values("generator", ":FREQ")) <= 4.471e9


def test_bad_keys_are_told(edited) -> None:
    with pytest.raises(BenchFileError, match=r"reference\.track\.within_hz \(Hz\): missing"):
        edited({"reference": {"every": 4, "track": {"mode_hz": 4.47e9}}})
