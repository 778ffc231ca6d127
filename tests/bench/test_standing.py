"""Slow knobs that stand where they are to be: read back for each batch, settled only if moved."""

import numpy as np
import pytest

from magnon_lab.bench import FLAG_RETRIED, Bench

KNOBS = ("drive_power_dbm", "field_mt", "amplifier_voltage_v")
ROWS = np.array([[-10.0, 93.0, 11.5], [-20.0, 93.0, 11.5]])
HIGHER = ROWS + np.array([0.0, 0.5, 0.0])
HOLD = {"attenuation_db": 12.0, "drive_frequency_hz": 4.465e9}


@pytest.fixture
def started(bench) -> Bench:
    bench.start(HOLD)
    bench.measure(ROWS, KNOBS)
    return bench


def spent_s(bench: Bench, rows: np.ndarray) -> float:
    before_s = bench.clock.now()
    assert bench.measure(rows, KNOBS).complete
    return bench.clock.now() - before_s


def test_what_stands_is_not_settled_for_again(started, wire) -> None:
    moved_s = spent_s(started, HIGHER)
    wire.clear()
    stands_s = spent_s(started, HIGHER)
    assert moved_s - stands_s > 0.5
    assert wire.values("field", "CURRent") == []
    assert wire.sent("probe").count("RDGFIELD?") == 1  # but it is read back, once a batch
    biased_s = spent_s(started, HIGHER + np.array([0.0, 0.0, 0.1]))
    assert biased_s - stands_s == pytest.approx(0.2, abs=0.01)


def test_a_batch_realises_the_same_whether_its_knobs_stood_or_moved(shipped, edited) -> None:
    for bench_file in (shipped, edited({}, remove=("roles.probe",))):
        with Bench(bench_file, seed=7) as bench:
            bench.start(HOLD)
            bench.measure(ROWS, KNOBS, numbers=[0, 1])
            stood = bench.measure(ROWS, KNOBS, numbers=[2, 3])
        with Bench(bench_file, seed=7) as bench:  # as after a resume
            bench.start(HOLD)
            moved = bench.measure(ROWS, KNOBS, numbers=[2, 3])
        np.testing.assert_array_equal(stood.realised, moved.realised)
        np.testing.assert_array_equal(stood.traces_dbm, moved.traces_dbm)


def test_after_standby_it_is_settled_for_again(started, wire) -> None:
    started.standby()
    started.start(HOLD | {"field_mt": 93.0, "amplifier_voltage_v": 11.5})
    wire.clear()
    assert started.measure(ROWS, KNOBS).complete  # the start has settled
    assert wire.values("field", "CURRent") == []
    started.standby()
    started.start(HOLD)  # at 92 mT
    assert spent_s(started, ROWS) > 0.7


def test_after_a_fault_it_is_settled_for_again(started, wire) -> None:
    stands_s = spent_s(started, ROWS)
    wire.laboratory.faults.add("kind=nan_trace,role=analyser,at=1")
    before_s = started.clock.now()
    taken = started.measure(ROWS, KNOBS)
    assert taken.flags.tolist() == [FLAG_RETRIED, 0]
    assert started.clock.now() - before_s > stands_s + 0.5


def test_a_field_that_somebody_turned_is_brought_back(started, manager, wire) -> None:
    with manager.open_resource("GPIB::6::INSTR") as supply:
        supply.write("CURR 2.6")
    wire.clear()
    taken = started.measure(ROWS, KNOBS)
    np.testing.assert_allclose(taken.realised[:, 1], 93.0, atol=0.3)
    assert wire.values("field", "CURRent")[-1] == pytest.approx(93.0 / 35, abs=1e-5)


def test_references_do_not_settle_for_what_is_held(edited, manager, wire) -> None:
    spent = {}
    for every in (1, 1000):
        block = {"reference.every": every, "reference.attenuation_db": 14.0}
        with Bench(edited(block), seed=1) as bench:
            bench.start(HOLD)
            bench.measure([[-10.0]] * 2, ("drive_power_dbm",))
            before_s = bench.clock.now()
            bench.measure([[-10.0]] * 8, ("drive_power_dbm",))
            spent[every] = bench.clock.now() - before_s
    assert (spent[1] - spent[1000]) / 8 < 0.3
