"""Traces that were not measured: told by noise, where there is noise."""

import numpy as np
import pytest

from magnon_lab.bench import Bench, InstrumentError, MeasurementFailedError
from magnon_lab.bench.freshness import Freshness

ROWS = np.array([[-10.0, 4.465e9, 11.0], [-20.0, 4.46e9, 12.5], [-15.0, 4.47e9, 14.0]])
QUIET = np.full(5, -90.0, dtype=np.float32)
NOISY = QUIET + np.arange(5, dtype=np.float32)


def test_a_real_analyser_is_never_without_noise() -> None:
    fresh = Freshness(noisy=True)
    with pytest.raises(InstrumentError, match="two sweeps gave the same trace"):
        fresh.learn(QUIET, QUIET.copy())
    fresh.learn(QUIET, NOISY)
    fresh.require(1, NOISY)
    with pytest.raises(InstrumentError, match="measurement 2 is that of 1 to the last bit"):
        fresh.require(2, NOISY.copy())
    with pytest.raises(InstrumentError, match="measurement 2 is that of 1 to the last bit"):
        fresh.require(2, NOISY.copy())
    fresh.require(2, QUIET)


def test_the_same_measurement_made_anew_may_be_the_same() -> None:
    fresh = Freshness(noisy=True)
    fresh.require(1, NOISY)
    fresh.require(1, NOISY.copy())


def test_a_simulated_ring_may_be_without_noise() -> None:
    fresh = Freshness(noisy=False)
    fresh.learn(QUIET, QUIET.copy())
    fresh.require(1, NOISY)
    fresh.require(2, NOISY.copy())
    fresh.learn(QUIET, NOISY)
    with pytest.raises(InstrumentError):
        fresh.require(3, NOISY.copy())
    with pytest.raises(InstrumentError):
        fresh.learn(QUIET, QUIET.copy())


def test_a_trace_that_stands_still_is_no_measurement(shipped, manager, wire) -> None:
    with Bench(shipped, seed=1) as bench:
        bench.start()
        wire.laboratory.faults.add("kind=stuck,role=analyser,command=:TRAC?,at=2")
        with pytest.raises(MeasurementFailedError, match="is that of 1 to the last bit") as caught:
            bench.measure(ROWS)
        assert caught.value.taken.numbers.tolist() == [0, 1]
        with pytest.raises(InstrumentError, match="two sweeps gave the same trace"):
            bench.start()
        wire.laboratory.faults.clear()
        bench.start()
        assert bench.measure(ROWS).complete
