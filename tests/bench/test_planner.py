"""The order that settles least, alone and on the simulated laboratory."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from magnon_lab.bench import Bench, BenchFile
from magnon_lab.bench.planner import plan, settling_s

KNOBS = ("drive_power_dbm", "attenuation_db", "field_mt")


def rows_of(seed: int, count: int, low_mt: float = 60.0, high_mt: float = 120.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.column_stack(
        [
            rng.uniform(-30, 5, count),
            rng.uniform(10, 15, count),
            rng.uniform(low_mt, high_mt, count),
        ]
    )


def test_slow_knobs_turn_least_and_the_field_rises(shipped) -> None:
    rows = rows_of(0, 64)
    order = plan(shipped.model, KNOBS, rows, {})
    assert sorted(order.tolist()) == list(range(64))
    assert (np.diff(rows[order, 2]) >= 0).all()
    slower = settling_s(shipped.model, KNOBS, rows, {})
    assert settling_s(shipped.model, KNOBS, rows[order], {}) < slower / 2.5


def test_equal_fields_are_measured_together(shipped) -> None:
    rows = rows_of(1, 40)
    rows[:, 2] = np.tile([90.0, 92.0, 91.0, 93.0], 10)
    order = plan(shipped.model, KNOBS, rows, {})
    assert (np.diff(rows[order, 2]) != 0).sum() == 3


def test_without_a_slow_knob_the_given_order_stays(shipped) -> None:
    rows = rows_of(2, 50)
    rows[:, 2] = 92.0
    np.testing.assert_array_equal(plan(shipped.model, KNOBS, rows, {}), np.arange(50))


def test_where_the_ring_remembers_the_given_order_stays(edited) -> None:
    model = edited({"reset_ring": False}).model
    np.testing.assert_array_equal(plan(model, KNOBS, rows_of(3, 50), {}), np.arange(50))


@given(st.integers(0, 10_000), st.integers(1, 12), st.integers(1, 4), st.booleans())
def test_partners_stay_together(seed, groups, size, shuffled) -> None:
    rng = np.random.default_rng(seed)
    centres = rows_of(seed, groups)
    rows = np.repeat(centres, size, axis=0) + rng.normal(0, 0.1, (groups * size, 3))
    label = np.repeat(np.arange(groups), size)
    if shuffled:
        mixed = rng.permutation(len(rows))
        rows, label = rows[mixed], label[mixed]
    order = plan(BenchFile.load().model, KNOBS, rows, {}, label)
    assert sorted(order.tolist()) == list(range(len(rows)))
    changes = (np.diff(label[order]) != 0).sum()
    assert changes == groups - 1


def test_the_estimate_is_what_the_bench_spends(edited, manager) -> None:
    bench_file = edited({"reset_ring": False, "roles.field.ramp_step_s": 0.025})
    rows = rows_of(4, 6, 88.0, 100.0)
    with Bench(bench_file, seed=1) as bench:
        bench.start()
        before = bench.clock.now()
        bench.measure(rows, KNOBS)
        spent_s = bench.clock.now() - before
        sweeps_s = 6 * bench.stand.analyser.sweep_s
    estimate_s = settling_s(bench_file.model, KNOBS, rows, {"field_mt": 92.0})
    assert spent_s == pytest.approx(estimate_s + sweeps_s, rel=0.3)


def test_results_come_in_the_order_asked_and_are_the_same(edited, manager) -> None:
    rows = rows_of(5, 12, 90.0, 96.0)
    planned, one_by_one = [], []
    with Bench(edited({}), seed=3) as bench:
        bench.start()
        planned = bench.measure(rows, KNOBS)
    with Bench(edited({}), seed=3) as bench:
        bench.start()
        one_by_one = [bench.measure(rows[at : at + 1], KNOBS, numbers=[at]) for at in range(12)]
    assert (np.diff(planned.order) != 1).any()
    np.testing.assert_array_equal(planned.requested, rows)
    np.testing.assert_array_equal(planned.numbers, np.arange(12))
    alone = np.concatenate([one.traces_dbm for one in one_by_one])
    # the magnet's time constant leaves a trace of its own, far below a bin's noise
    np.testing.assert_allclose(planned.traces_dbm, alone, atol=1.0)
    assert np.median(np.abs(planned.traces_dbm - alone)) < 0.02


def test_a_batch_cut_short_gives_what_was_measured_in_the_order_asked(bench) -> None:
    bench.start()
    rows = rows_of(6, 6, 90.0, 96.0)
    calls = []
    taken = bench.measure(
        rows, KNOBS, on_measurement=lambda *told: calls.append(told[0]),
        should_stop=lambda: len(calls) >= 3,
    )  # fmt: skip
    assert taken.stopped == "stop"
    assert taken.numbers.tolist() == sorted(calls)
    np.testing.assert_array_equal(taken.requested, rows[sorted(calls)])
    np.testing.assert_array_equal(np.argsort(rows[calls, 2]), [0, 1, 2])
