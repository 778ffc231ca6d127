"""What is held can be changed between measurements, under the same limits as a start."""

import pytest

from magnon_lab.bench import Bench, LimitError


def test_what_is_held_anew_is_made_by_the_next_measurement_and_stays(bench, wire) -> None:
    assert bench.start(drive=False)
    bench.hold({"field_mt": 90.0, "drive_power_dbm": -20.0}, drive=False)
    assert bench.readback()["field_mt"] == pytest.approx(92.0, abs=1.0)  # nothing is sent yet
    bench.measure([[20.0]], ("attenuation_db",))
    found = bench.readback()
    assert found["field_mt"] == pytest.approx(90.0, abs=1.0)
    assert found["drive_power_dbm"] == -20.0
    wire.clear()
    bench.measure([[20.0]], ("attenuation_db",))
    assert wire.values("field", "CURR") == []  # the field is not approached once more
    assert bench.held["field_mt"] == 90.0


def test_what_breaks_a_limit_is_refused_and_nothing_is_changed(bench) -> None:
    assert bench.start(drive=False)
    before = bench.held
    with pytest.raises(LimitError, match=r"outside limits\.field_mt"):
        bench.hold({"attenuation_db": 20.0, "field_mt": 151.0}, drive=False)
    assert bench.held == before


def test_the_drive_and_the_reference_count_for_what_may_be_held(edited, manager) -> None:
    changes = {
        "path.amplifier.input_max_dbm": -9.0,
        "reference": {"every": 10, "drive_power_dbm": 0.0},
    }
    with Bench(edited(changes)) as bench:
        bench.hold({"attenuation_db": 15.0, "drive_power_dbm": -60.0}, drive=False)
        bench.hold({"attenuation_db": 30.0, "drive_power_dbm": -60.0}, drive=True)
        # What is held would do; the reference's own drive would not, so near the threshold.
        with pytest.raises(LimitError, match=r"drive_power_dbm = 0 dBm .* on the amplifier input"):
            bench.hold({"attenuation_db": 15.0}, drive=True)
        assert bench.held["attenuation_db"] == 30.0
