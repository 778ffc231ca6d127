"""Faults of instruments during a batch: what is tried again, what is not, what it says."""

import numpy as np
import pytest

from magnon_lab.bench import (
    FLAG_OVERLOAD,
    FLAG_RETRIED,
    Bench,
    BenchError,
    InstrumentError,
    MeasurementFailedError,
    OutputLostError,
)
from magnon_lab.simulation.errors import ScpiError

ROWS = np.array([[-10.0, 4.465e9, 11.0], [-20.0, 4.46e9, 12.5], [-15.0, 4.47e9, 14.0]])


@pytest.fixture
def journal() -> list[tuple]:
    return []


@pytest.fixture
def started(edited, manager, wire, journal):
    quick = {f"roles.{role}.timeout_s": 0.3 for role in ("analyser", "generator", "attenuator")}
    with Bench(edited(quick), seed=1, journal=lambda *entry: journal.append(entry)) as bench:
        bench.start()
        journal.clear()
        yield bench


@pytest.fixture(scope="module")
def undisturbed(shipped) -> np.ndarray:
    """What no fault disturbed, from a laboratory of its own."""
    with Bench(shipped, seed=1) as bench:
        bench.start()
        return bench.measure(ROWS).traces_dbm


def fault(wire, text: str) -> None:
    wire.laboratory.faults.add(text)


TRANSIENT = [
    "kind=dropped,role=analyser,at=1",
    "kind=garbled,role=generator,at=2",
    "kind=partial,role=analyser,at=2",
    "kind=duplicate,role=attenuator,at=3",
    "kind=stale,role=attenuator,at=4",
    "kind=cut,role=analyser,at=2",
    "kind=points,role=analyser,at=2",
    "kind=nan_trace,role=analyser,at=3",
    "kind=lost,role=attenuator,at=4",
    "kind=lost,role=generator,at=2",
    "kind=lost,role=analyser,at=3",
    "kind=stuck,role=attenuator,at=3,duration_s=0.05",
    "kind=power_cycle,role=analyser,at=2",
    "kind=stuck,role=analyser,command=*OPC?,at=2,duration_s=0.05",
]


@pytest.mark.parametrize("text", TRANSIENT)
def test_a_fault_that_passes_costs_a_try_and_nothing_else(
    started, wire, journal, undisturbed, text
) -> None:
    fault(wire, text)
    taken = started.measure(ROWS)
    assert taken.complete
    assert taken.numbers.tolist() == [0, 1, 2]
    np.testing.assert_array_equal(taken.requested, ROWS)
    np.testing.assert_allclose(taken.realised, ROWS, rtol=1e-9)
    # the same measurement, whichever try: the noise goes by its number
    np.testing.assert_allclose(taken.traces_dbm, undisturbed, atol=0.5)
    told = [message for kind, phase, message, _ in journal if kind == "retry"]
    assert "try 1 of 3" in told[0]
    assert set(taken.flags.tolist()) == {0, FLAG_RETRIED}


def test_a_fault_that_stays_ends_in_standby_with_what_was_measured(started, wire) -> None:
    fault(wire, "kind=nan_trace,role=analyser,at=3,count=1000")
    with pytest.raises(
        MeasurementFailedError, match="try 3 of 3 of measurement 2 failed"
    ) as caught:
        started.measure(ROWS)
    taken = caught.value.taken
    assert taken.stopped == "fault"
    assert taken.numbers.tolist() == [0, 1]
    values = {role: one.values for role, one in wire.laboratory.instruments.items()}
    assert values["attenuator"]["attenuation"] == 60.0
    assert not values["generator"]["output"]
    assert values["field"]["output"]
    assert any(values["amplifier"]["output"].values())
    assert not started.started
    wire.laboratory.faults.clear()
    started.start()
    assert started.measure(ROWS).complete


def test_where_standby_cannot_be_confirmed_everything_goes_off(started, wire) -> None:
    fault(wire, "kind=dropped,role=generator,at=2,count=100000")
    with pytest.raises(MeasurementFailedError, match="generator"):
        started.measure(ROWS)
    values = {role: one.values for role, one in wire.laboratory.instruments.items()}
    assert not values["field"]["output"]
    assert not any(values["amplifier"]["output"].values())
    wire.laboratory.faults.clear()


def test_retries_are_as_many_as_the_bench_file_says(edited, manager, wire) -> None:
    with Bench(edited({"retries": 0}), seed=1) as bench:
        bench.start()
        fault(wire, "kind=nan_trace,role=analyser,at=1")
        with pytest.raises(MeasurementFailedError, match="try 1 of 1"):
            bench.measure(ROWS)


def test_a_stop_between_two_tries_ends_the_batch(started, wire) -> None:
    fault(wire, "kind=nan_trace,role=analyser,at=2,count=1000")
    asked = []

    def should_stop() -> bool:
        asked.append(1)
        return len(asked) > 3  # before rows 1 and 2, and after the first failed try

    taken = started.measure(ROWS, should_stop=should_stop)
    assert taken.stopped == "stop"
    assert taken.numbers.tolist() == [0]


def test_an_overload_is_not_tried_again(started, wire) -> None:
    fault(wire, "kind=overload,role=analyser,at=2")
    taken = started.measure(ROWS)
    assert taken.stopped == "overload"
    assert taken.flags.tolist() == [0, FLAG_OVERLOAD]


@pytest.mark.parametrize("role", ["amplifier", "field"])
def test_a_tripped_supply_is_not_tried_again(started, wire, role) -> None:
    fault(wire, f"kind=trip,role={role},at=1")
    with pytest.raises(BenchError, match=f"{role}.*off although it was switched on") as caught:
        started.measure(ROWS)
    assert isinstance(caught.value, OutputLostError)
    assert not started.started


@pytest.mark.parametrize("role", ["amplifier", "field"])
def test_what_an_output_went_off_in_is_no_measurement(started, wire, role) -> None:
    def trip(index, trace, flags) -> None:
        if index == 1:
            wire.laboratory.instruments[role].trip("current")

    with pytest.raises(OutputLostError, match=role):
        started.measure(ROWS, on_measurement=trip)


@pytest.mark.parametrize("row", [1, 2])
def test_what_an_attenuator_moved_in_is_measured_anew(
    started, wire, undisturbed, monkeypatch, row
) -> None:
    analyser, attenuator = (wire.laboratory.instruments[r] for r in ("analyser", "attenuator"))
    receive, swept = analyser.receive, []

    def moved_before_the_sweep(client, message: str) -> None:
        swept.extend([message] if ":INIT" in message else [])
        if len(swept) == row + 1 and ":INIT" in message:
            attenuator.power_up()
            attenuator.cut()
        receive(client, message)

    monkeypatch.setattr(analyser, "receive", moved_before_the_sweep)
    taken = started.measure(ROWS)
    assert taken.flags.tolist() == [FLAG_RETRIED * (index in (row, row + 1)) for index in range(3)]
    np.testing.assert_allclose(taken.traces_dbm, undisturbed, atol=0.5)


def test_a_power_cycle_between_batches_is_noticed_and_set_up_again(
    started, wire, journal, undisturbed
) -> None:
    fault(wire, "kind=power_cycle,role=analyser,at=1")
    taken = started.measure(ROWS)
    assert taken.complete
    assert taken.flags[0] == FLAG_RETRIED
    np.testing.assert_allclose(taken.traces_dbm, undisturbed, atol=0.5)


def test_an_analyser_that_woke_with_the_same_points_spoils_the_batch(
    started, wire, journal
) -> None:
    """Nothing but the event status register tells: the trace has the right length."""
    analyser = wire.laboratory.instruments["analyser"]
    woken = []

    def wake(index, trace, flags) -> None:
        if not woken:
            woken.append(index)
            analyser.report_power_on()

    taken = started.measure(ROWS, on_measurement=wake)
    assert taken.flags.tolist() == [FLAG_RETRIED] * 3
    assert any("restarted during the batch" in entry[2] for entry in journal)


@pytest.mark.parametrize(
    ("command", "what"),
    [
        (":INIT:CONT", "continuous sweeping was set to False but reads back as True"),
        (":DET:TRAC", "readout.detector was set to 'average' but reads back as 'normal'"),
        (":TRAC:TYPE", "type of trace 1 was set to 'write' but reads back as 'average'"),
        (":POW:GAIN", "preamplifier was set to False but reads back as True"),
    ],
)
def test_an_analyser_that_is_not_set_up_is_not_measured_with(
    edited, manager, wire, command, what
) -> None:
    analyser = wire.laboratory.instruments["analyser"]
    for message in (":INIT:CONT ON", ":TRAC:TYPE AVER", ":POW:GAIN ON"):
        for step in analyser.compile(message).steps:
            step()
    fault(wire, f"kind=lost,role=analyser,command={command}")
    with Bench(edited({}), seed=1) as bench, pytest.raises(InstrumentError, match=what):
        bench.start()


def test_an_error_of_whoever_was_there_before_is_none_of_ours(shipped, manager, wire) -> None:
    for role in ("analyser", "generator", "field", "amplifier"):
        wire.laboratory.instruments[role].error(ScpiError(-113))
    with Bench(shipped, seed=1) as bench:
        assert bench.start()


@pytest.mark.parametrize(
    ("quantity", "role", "what"),
    [
        ("drive_power_dbm", "generator", "power"),
        ("drive_frequency_hz", "generator", "frequency"),
        ("attenuation_db", "attenuator", "attenuation"),
    ],
)
@pytest.mark.parametrize("tolerance", [None, 0.5])
def test_how_far_a_read_back_may_be_off_is_the_bench_file_s_word(
    edited, manager, wire, monkeypatch, quantity, role, what, tolerance
) -> None:
    changes = {"retries": 0} if tolerance is None else {f"tolerance.{quantity}": tolerance}
    with Bench(edited(changes), seed=1) as bench:
        bench.start()
        adapter = bench.stand.adapters[role]
        real = adapter.verify

        def off(which: str, asked: float, found: float, allowed: float, unit: str) -> None:
            real(which, asked, found + 0.3 * (which == what), allowed, unit)

        monkeypatch.setattr(adapter, "verify", off)
        if tolerance is not None:
            assert bench.measure(ROWS).complete
            return
        with pytest.raises(MeasurementFailedError, match=rf"{what} was set to .* but reads back"):
            bench.measure(ROWS)
        monkeypatch.undo()
