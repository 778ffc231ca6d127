"""The size of a perturbation against noise that is known."""

import jax.numpy as jnp
import numpy as np
import pytest
from analytic import KNOBS, AnalyticReservoir
from trainings import small_trainer

from magnon_lab.learning.adapting import CLEAR, LARGEST, SMALLEST, adapted
from magnon_lab.learning.estimators import make_estimator
from magnon_lab.learning.loop import train
from magnon_lab.learning.reservoir import Knob
from magnon_lab.learning.state import state_to_bytes
from magnon_lab.learning.trainer import state_from_bytes

pytestmark = pytest.mark.usefixtures("quick_compile")

SMOOTH = tuple(Knob(knob.name, knob.low, knob.high) for knob in KNOBS)


def test_a_size_stays_where_changes_are_clear_enough_and_goes_there_from_elsewhere():
    assert adapted(1.3, jnp.asarray(CLEAR)) == pytest.approx(1.3)
    factor = 1.0
    for _ in range(60):  # clarity goes with the square of the size
        factor = adapted(factor, jnp.asarray(CLEAR * 4.0 * factor**2))
    assert float(factor) == pytest.approx(0.5, rel=1e-3)
    assert 1.0 < float(adapted(1.0, jnp.asarray(-0.5))) < 1.5
    assert float(adapted(LARGEST, jnp.asarray(0.0))) == pytest.approx(LARGEST)
    assert float(adapted(SMALLEST, jnp.asarray(1e9))) == pytest.approx(SMALLEST)
    assert float(adapted(0.7, jnp.asarray(jnp.nan))) == pytest.approx(0.7)


def test_repeated_calibrations_tell_the_noise():
    reservoir = AnalyticReservoir(SMOOTH, noise_db=0.5)
    trainer = small_trainer(reservoir, "trace", adapt_size=True, calibration=64)
    state = trainer.init()
    request = trainer.ask(state)
    np.testing.assert_array_equal(request.settings[-16:], request.settings[:16])
    measured = reservoir(request.settings, request.numbers)
    state, _ = trainer.tell(state, request, measured)
    many = reservoir(np.tile(request.settings[:1], (400, 1)), np.arange(1000, 1400))
    spread = np.asarray(trainer.features.scaled(jnp.asarray(many.traces), state.scale)).var(axis=0)
    assert float(state.scale.noise) == pytest.approx(float(spread.mean()), rel=0.5)


@pytest.mark.parametrize("name", ["trace", "input", "pgt"])
def test_the_size_grows_in_much_noise_and_shrinks_in_little(name):
    def size(noise_db):
        reservoir = AnalyticReservoir(SMOOTH, noise_db=noise_db)
        trainer = small_trainer(reservoir, make_estimator(name), adapt_size=True)
        reports = []
        train(trainer, reservoir, steps=12, on_step=lambda _, report: reports.append(report))
        return reports[-1].perturbation / trainer.estimator.size

    assert size(0.02) < 0.5
    assert size(6.0) > 1.5


def test_without_being_asked_the_size_stays_and_nothing_is_measured_twice():
    reservoir = AnalyticReservoir(SMOOTH, noise_db=3.0)
    trainer = small_trainer(reservoir, "trace")
    calibration = trainer.ask(trainer.init()).settings
    assert len(np.unique(calibration, axis=0)) == len(calibration)
    state = train(trainer, reservoir, steps=5)
    assert float(state.factor) == 1.0


def test_an_adapted_size_goes_on_to_the_last_bit():
    reservoir = AnalyticReservoir(SMOOTH, noise_db=3.0)
    trainer = small_trainer(reservoir, "trace", adapt_size=True)
    halfway = train(trainer, reservoir, steps=3)
    assert float(halfway.factor) != 1.0
    through = state_to_bytes(train(trainer, reservoir, steps=3, state=halfway))
    fresh = small_trainer(reservoir, "trace", adapt_size=True)
    resumed = state_from_bytes(fresh, state_to_bytes(halfway))
    assert state_to_bytes(train(fresh, reservoir, steps=3, state=resumed)) == through
