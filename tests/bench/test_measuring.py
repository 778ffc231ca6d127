"""Measurements on the simulated laboratory, end to end through drivers and VISA."""

import itertools

import numpy as np
import pytest

from magnon_lab.bench import (
    FLAG_OVERLOAD,
    FLAG_RETRIED,
    FLAG_UNLEVELLED,
    Bench,
    BenchError,
    InstrumentError,
    LimitError,
)

ROWS = np.array([[-10.0, 4.465e9, 11.1], [-20.0, 4.46e9, 12.6], [-20.0, 4.46e9, 14.0]])
KNOBS = ("drive_power_dbm", "drive_frequency_hz", "attenuation_db")


@pytest.fixture
def started(bench, wire) -> Bench:
    assert bench.start()
    wire.clear()
    return bench


def test_a_batch_gives_traces_with_what_was_asked_and_what_was_made(started) -> None:
    taken = started.measure(ROWS, numbers=[7, 8, 9])
    assert taken.complete
    assert taken.knobs == KNOBS
    assert taken.traces_dbm.shape == (3, 401)
    assert taken.traces_dbm.dtype == np.float32
    np.testing.assert_array_equal(taken.requested, ROWS)
    np.testing.assert_array_equal(taken.realised[:, 2], [11.0, 12.5, 14.0])  # steps of 0.25 dB
    np.testing.assert_allclose(taken.realised[:, :2], ROWS[:, :2], rtol=1e-9)
    np.testing.assert_array_equal(taken.numbers, [7, 8, 9])
    np.testing.assert_array_equal(taken.frequencies_hz, started.frequencies_hz)
    assert not taken.flags.any()
    # each took at least its settling (drive and attenuation) by the laboratory's clock
    assert (np.diff(taken.bench_time_s) > [0.022, 0.010]).all()
    assert taken.times_s["settle"] == pytest.approx(2 * 0.012 + 3 * 0.01)
    assert 0 < taken.times_s["sweep"] <= taken.times_s["total"]
    peak = started.frequencies_hz[taken.traces_dbm.argmax(axis=1)]
    assert np.abs(peak - ROWS[:, 1]).max() < 2e6  # the tone stands where it was put


def test_few_messages_make_a_measurement(started, wire) -> None:
    started.measure(ROWS[:1])
    wire.clear()
    started.measure(ROWS[1:2])
    sent = wire.sent()
    # after a batch three outputs are asked whether they are on, the attenuator where it is, four
    # instruments whether they restarted
    assert len(sent) == 10 + 3 + 1 + 4, sent
    assert wire.sent("generator") == [
        ":FREQ 4460000000.000;:POW -20.000;:FREQ?;:POW?;:STAT:QUES:POW:COND?;:SYST:ERR?",
        ":OUTP?",
        "*ESR?",
    ]
    assert wire.sent("attenuator") == [
        *(":SETATT=60.00", ":ATT?", ":SETATT=12.50", ":ATT?"),
        ":ATT?",
    ]
    assert wire.sent("analyser")[1] == ":FORM REAL,32;:FORM:BORD SWAP;:TRAC? TRACE1"


def test_only_what_changes_is_sent(started, wire) -> None:
    started.measure(ROWS[:1])
    wire.clear()
    started.measure(np.repeat(ROWS[:1], 3, axis=0))
    # each batch sends its knobs once, so that it depends on nothing that was before
    assert [message[:5] for message in wire.sent("generator")] == [":FREQ", ":OUTP", "*ESR?"]
    assert wire.sent("field") == ["OUTPut?", "*ESR?"]
    assert wire.sent("amplifier") == ["OUTP? (@2)", "*ESR?"]
    assert wire.values("attenuator", "SETATT") == [60.0, 11.0] * 3


def test_without_reset_the_loop_stays_closed_between_measurements(edited, manager, wire) -> None:
    with Bench(edited({"reset_ring": False})) as bench:
        bench.start()
        wire.clear()
        bench.measure(np.repeat(ROWS[:1], 3, axis=0))
        assert wire.values("attenuator", "SETATT") == [11.0]


def test_without_reset_no_state_in_between_has_more_gain_and_drive_than_both(
    edited, manager, wire
) -> None:
    with Bench(edited({"reset_ring": False})) as bench:
        bench.start()
        bench.measure([[-30.0, 4.46e9, 11.0]])
        wire.clear()
        bench.measure([[0.0, 4.46e9, 14.0], [-30.0, 4.46e9, 11.0]])
        order = [role for _, role, way, data in wire.laboratory.plant.wire
                 if way == "<" and (b"SETATT" in data or b":POW " in data)]  # fmt: skip
        # more attenuation comes before more drive, less drive before less attenuation
        assert order == ["attenuator", "generator", "generator", "attenuator"]


def test_the_same_seed_number_and_settings_give_the_same_trace(shipped, manager) -> None:
    taken = []
    for seed in (5, 5, 6):
        with Bench(shipped, seed=seed) as bench:
            bench.start()
            taken.append(bench.measure(ROWS, numbers=[3, 1, 2]))
    np.testing.assert_array_equal(taken[0].traces_dbm, taken[1].traces_dbm)
    np.testing.assert_array_equal(taken[0].bench_time_s, taken[1].bench_time_s)
    assert (taken[0].traces_dbm != taken[2].traces_dbm).any()


def test_numbers_count_on_by_themselves(started) -> None:
    assert started.measure(ROWS).numbers.tolist() == [0, 1, 2]
    assert started.measure(ROWS, numbers=[10, 20, 30]).numbers.tolist() == [10, 20, 30]
    assert started.measure(ROWS[:1]).numbers.tolist() == [31]


def test_a_batch_can_be_stopped_before_each_measurement(started) -> None:
    calls = itertools.count()
    taken = started.measure(ROWS, should_stop=lambda: next(calls) >= 2)
    assert not taken.complete
    assert taken.stopped == "stop"
    for array in (taken.requested, taken.realised, taken.traces_dbm, taken.flags, taken.numbers):
        assert len(array) == 2
    assert len(started.measure(ROWS, should_stop=lambda: True).numbers) == 0


def test_each_measurement_is_told_as_it_comes(started) -> None:
    seen = []
    taken = started.measure(ROWS, on_measurement=lambda *told: seen.append(told))
    assert [index for index, _, _ in seen] == [0, 1, 2]
    for (_, trace, flags), row in zip(seen, taken.traces_dbm, strict=True):
        np.testing.assert_array_equal(trace, row)
        assert flags == 0


def test_other_quantities_stay_as_they_are_held(started) -> None:
    started.start({"drive_frequency_hz": 4.47e9, "attenuation_db": 13.0, "field_mt": 91.0})
    taken = started.measure([[-20.0]], ("drive_power_dbm",))
    peak = started.frequencies_hz[taken.traces_dbm[0].argmax()]
    assert abs(peak - 4.47e9) < 1e6
    assert started.readback()["attenuation_db"] == 13.0
    assert started.readback()["field_mt"] == pytest.approx(91.0, abs=0.3)


def test_every_quantity_can_be_a_knob(started, wire) -> None:
    knobs = (*KNOBS, "field_mt", "amplifier_voltage_v")
    rows = [[-20.0, 4.46e9, 12.0, 91.0, 11.0], [-20.0, 4.46e9, 12.0, 90.0, 11.5]]
    taken = started.measure(rows, knobs)
    np.testing.assert_allclose(taken.realised[:, 3], [91.0, 90.0], atol=0.3)
    np.testing.assert_allclose(taken.realised[:, 4], [11.0, 11.5], atol=1e-3)
    # the lower field first, and always from below: down to 2 mT under the target, and up
    assert taken.order.tolist() == [1, 0]
    currents = wire.values("field", "CURRent")
    assert min(currents) == pytest.approx(88.0 / 35, abs=1e-5)
    assert currents[-1] == pytest.approx(91.0 / 35, abs=1e-5)
    assert currents[-2] < currents[-1]


def test_the_field_never_moves_faster_than_its_limit(started, wire) -> None:
    started.set("field_mt", 60.0)
    steps = [
        (time_s, float(data.split()[1]) * 35)
        for time_s, role, way, data in wire.laboratory.plant.wire
        if role == "field" and way == "<" and data.startswith(b"CURRent ")
    ]
    assert len(steps) > 30
    for (t0, b0), (t1, b1) in itertools.pairwise(steps):
        assert t1 - t0 >= 0.05
        assert abs(b1 - b0) / (t1 - t0) <= 20.0


def test_a_ramp_can_be_stopped_and_the_next_goes_on_from_there(started) -> None:
    calls = itertools.count()
    taken = started.measure([[100.0]], ("field_mt",), should_stop=lambda: next(calls) > 4)
    assert taken.stopped == "stop"
    assert 92.0 < started.readback()["field_mt"] < 99.0
    assert started.measure([[93.0]], ("field_mt",)).complete


@pytest.mark.parametrize(
    "row",
    [
        [20.0, 4.465e9, 12.0],
        [-10.0, 3.9e9, 12.0],
        [-10.0, 4.465e9, 4.75],
        [-10.0, 4.465e9, 61.0],
        [np.nan, 4.465e9, 12.0],
        [-10.0, np.inf, 12.0],
    ],
)
def test_nothing_of_a_batch_is_sent_if_any_of_it_is_refused(started, wire, row) -> None:
    with pytest.raises(LimitError, match=r"setting 4 of 4"):
        started.measure([*ROWS, row])
    assert wire.sent() == []
    assert started.measure(ROWS).complete  # a refusal changes nothing


def test_a_linked_limit_is_refused_before_anything_is_sent(edited, manager, wire) -> None:
    with Bench(edited({"path.amplifier.input_max_dbm": -8.0})) as bench:
        bench.start()
        wire.clear()
        with pytest.raises(LimitError, match=r"on the amplifier input, above path\.amplifier"):
            bench.measure([[4.0, 4.465e9, 10.0]])
        assert wire.sent() == []
        bench.set("attenuation_db", 10.0)  # a limit linked with what is held, too
        wire.clear()
        with pytest.raises(LimitError, match="on the amplifier input"):
            bench.measure([[4.0]], ("drive_power_dbm",))
        assert wire.sent() == []


def test_what_does_not_fit_is_told(started) -> None:
    with pytest.raises(BenchError, match=r"settings of shape \(1, 2\) do not fit the knobs"):
        started.measure([[1.0, 2.0]])
    with pytest.raises(BenchError, match="is no quantity of a bench"):
        started.measure([[1.0]], ("power",))
    with pytest.raises(BenchError, match="1 settings need as many numbers"):
        started.measure(ROWS[:1], numbers=[1, 2])
    started.start(drive=False)
    with pytest.raises(BenchError, match="was started without"):
        started.measure(ROWS)
    assert started.measure([[12.0]], ("attenuation_db",)).complete
    started.safe()
    with pytest.raises(BenchError, match="is not started"):
        started.measure(ROWS)


def test_an_overload_is_flagged_and_ends_the_batch_in_standby(edited, manager) -> None:
    with Bench(edited({"readout.reference_level_dbm": -40})) as bench:
        bench.start()
        taken = bench.measure([[-60.0, 4.46e9, 40.0], [5.0, 4.465e9, 12.0], [5.0, 4.465e9, 13.0]])
        assert taken.stopped == "overload"
        assert taken.flags.tolist() == [0, FLAG_OVERLOAD]
        assert bench.readback()["attenuation_db"] == 60.0
        assert not bench.stand.generator.is_on()
        assert bench.stand.field.is_on()
        with pytest.raises(BenchError, match="not started"):
            bench.measure(ROWS)


def test_a_tone_that_is_not_levelled_is_flagged(started, monkeypatch) -> None:
    generator = started.stand.generator
    real = generator.set
    monkeypatch.setattr(generator, "set", lambda *asked: real(*asked)._replace(unlevelled=True))
    taken = started.measure(ROWS)
    assert taken.flags.tolist() == [FLAG_UNLEVELLED] * 3


def test_an_error_of_an_instrument_is_noticed_and_the_measurement_made_anew(
    started, manager, wire
) -> None:
    with manager.open_resource("TCPIP::sim-generator::hislip0::INSTR") as generator:
        generator.write(":NONSENSE 1")
    taken = started.measure(ROWS)
    assert taken.complete
    assert taken.flags.tolist() == [FLAG_RETRIED, 0, 0]


@pytest.mark.parametrize("role", ["generator", "field", "amplifier"])
def test_an_output_that_went_off_is_noticed(started, wire, role) -> None:
    values = wire.laboratory.instruments[role].values
    values["output"] = {1: 0, 2: 0, 3: 0} if role == "amplifier" else False
    expected = rf"{role} .*: its output is off although it was switched on: has a protection"
    with pytest.raises(InstrumentError, match=expected):
        started.measure(ROWS)
    assert not started.started


def test_an_analyser_turned_by_hand_is_noticed_and_set_up_again(started, manager) -> None:
    with manager.open_resource("TCPIP::sim-analyser::hislip0::INSTR") as analyser:
        analyser.write(":SWE:POIN 201")
    taken = started.measure(ROWS)
    assert taken.flags.tolist() == [FLAG_RETRIED, 0, 0]
    assert taken.traces_dbm.shape == (3, 401)
