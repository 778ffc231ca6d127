import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from magnon_lab.bench import BenchError, LimitError
from magnon_lab.bench.limits import Limits
from magnon_lab.bench.linked import LinkedLimits


def powers(linked: LinkedLimits, drive_dbm: float, attenuation_db: float) -> dict[str, float]:
    nodes = linked.nodes(np.array([drive_dbm]), np.array([attenuation_db]))
    return {node.name: float(node.power_dbm[0]) for node in nodes}


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("quantity", ["drive_power_dbm", "attenuation_db", "field_mt"])
def test_what_is_not_finite_is_refused_above_every_driver(shipped, quantity, bad) -> None:
    with pytest.raises(LimitError, match=f"{quantity} = .* is not a finite number"):
        shipped.check_settings({quantity: bad})


def test_a_batch_is_refused_by_its_first_bad_row(shipped) -> None:
    rows = np.array([[0.0, 12.0], [5.0, 12.0], [11.0, 12.0], [np.nan, 12.0]])
    names = ("drive_power_dbm", "attenuation_db")
    with pytest.raises(LimitError, match=r"nan dBm \(setting 4 of 4\) is not a finite"):
        shipped.limits.check_rows(names, rows, {})
    with pytest.raises(
        LimitError,
        match=r"drive_power_dbm = 11 dBm \(setting 3 of 3\) is outside limits.drive_power_dbm,",
    ):
        shipped.limits.check_rows(names, rows[:3], {})
    shipped.limits.check_rows(names, rows[:2], {})


def test_the_safe_direction_is_always_allowed(shipped) -> None:
    limits = shipped.limits
    with pytest.raises(LimitError):
        limits.check({"attenuation_db": 90.0})
    limits.attenuation_max_db = 90.0
    limits.check({"attenuation_db": 90.0})
    with pytest.raises(LimitError):
        limits.check({"attenuation_db": 89.0})
    limits.drive_power_min_dbm = -135.0
    limits.check({"drive_power_dbm": -135.0})


def test_a_quantity_without_an_instrument_is_refused(edited) -> None:
    gone = ("roles.field", "roles.probe", "hold", "limits.field_mt", "limits.field_slew_mt_per_s")
    bench_file = edited({}, remove=gone)
    with pytest.raises(BenchError, match="field_mt: this bench has no instrument that makes it"):
        bench_file.check_settings({"field_mt": 10.0})


def test_below_minus_3_db_waves_add_up_with_the_regenerative_gain(shipped) -> None:
    linked = shipped.limits.linked
    # 35 - 5 - 20 - 1 - 15 = -6 dB of loop gain, a drive so weak that nothing saturates
    found = powers(linked, -60.0, 15.0)
    amplifier_in = -60 - 10 - 20 * math.log10(1 - 10 ** (-6 / 20))
    assert found["amplifier input"] == pytest.approx(amplifier_in, abs=1e-12)
    assert found["attenuator input"] == pytest.approx(amplifier_in + 35, abs=1e-12)
    assert found["analyser input"] == pytest.approx(amplifier_in + 35 - 20, abs=1e-12)


def test_above_minus_3_db_saturation_is_what_bounds(shipped) -> None:
    linked = shipped.limits.linked
    # 10 dB: loop gain -1 dB; what comes round is 20 - 5 - 10 - 1 - 20 = -16 dBm, plus the tone
    found = powers(linked, 5.0, 10.0)
    both = 20 * math.log10(10 ** (-16 / 20) + 10 ** ((5 - 10) / 20))
    assert found["amplifier input"] == pytest.approx(both, abs=1e-12)
    assert found["attenuator input"] == 20.0
    assert found["analyser input"] == 0.0
    silent = powers(linked, -math.inf, 5.0)  # it rings by itself: no drive, saturated all the same
    assert silent["amplifier input"] == pytest.approx(-11.0)
    assert silent["attenuator input"] == 20.0


def test_without_drive_and_below_threshold_there_is_nothing(shipped) -> None:
    assert set(powers(shipped.limits.linked, -math.inf, 20.0).values()) == {-math.inf}


@pytest.fixture(scope="module")
def linked(shipped) -> LinkedLimits:
    return shipped.limits.linked


@settings(derandomize=True, deadline=None)
@given(
    st.floats(-60, 10),
    st.floats(5, 60),
    st.floats(0, 20),
    st.floats(0, 20),
)
def test_more_attenuation_or_less_drive_never_makes_a_node_hotter(
    linked, drive_dbm, attenuation_db, less, more
) -> None:
    before = powers(linked, drive_dbm, attenuation_db)
    after = powers(linked, drive_dbm - less, attenuation_db + more)
    assert all(after[name] <= before[name] + 1e-9 for name in before)


def test_a_linked_limit_is_refused_with_its_calculation(edited) -> None:
    bench_file = edited({"limits.analyser_input_dbm": -5, "path.amplifier.input_max_dbm": -8})
    with pytest.raises(LimitError) as caught:
        bench_file.check_settings({"drive_power_dbm": 5.0, "attenuation_db": 10.0})
    message = str(caught.value)
    assert (
        "drive_power_dbm = 5 dBm with attenuation_db = 10 dB could put -2.84 dBm on the amplif"
        in (message)
    )
    assert "above path.amplifier.input_max_dbm, -8 dBm" in message
    assert "loop gain -1 dB is above -3 dB, so saturation alone bounds it" in message
    with pytest.raises(LimitError, match=r"on the analyser input, above limits.analyser_input_dbm"):
        bench_file.check_settings({"drive_power_dbm": -20.0, "attenuation_db": 10.0})
    with pytest.raises(LimitError, match=r"loop gain -6 dB raises drive 3 dBm - injection coupler"):
        bench_file.check_settings({"drive_power_dbm": 3.0, "attenuation_db": 15.0})


def test_a_drive_that_is_off_counts_as_none(edited) -> None:
    bench_file = edited({"path.amplifier.input_max_dbm": -8})
    setting = {"drive_power_dbm": 5.0, "attenuation_db": 10.0}
    bench_file.check_settings(setting, drive=False)
    with pytest.raises(LimitError):
        bench_file.check_settings(setting)


def test_linked_limits_see_what_is_held(edited) -> None:
    limits: Limits = edited({"path.amplifier.input_max_dbm": -8}).limits
    row = np.array([[5.0]])
    limits.check_rows(("drive_power_dbm",), row, {})  # nothing is known of the loop
    with pytest.raises(LimitError, match="attenuation_db = 12 dB"):
        limits.check_rows(("drive_power_dbm",), row, {"attenuation_db": 12.0})
