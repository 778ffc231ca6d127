"""Every estimator through the same tests, and what a setting that makes no sense is told."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from analytic import AnalyticReservoir
from trainings import small_trainer

from magnon_lab.learning.estimator import losses
from magnon_lab.learning.estimators import make_estimator
from magnon_lab.learning.inputs import ExactGradient
from magnon_lab.learning.loop import evaluate, train
from magnon_lab.learning.state import state_to_bytes
from magnon_lab.learning.trainer import state_from_bytes

pytestmark = pytest.mark.usefixtures("quick_compile")

BATCH, SHOTS = 16, 2
RESERVOIR = AnalyticReservoir(noise_db=0.1)


class TwoRequests(ExactGradient):
    """Measures twice a step, a plain pass and one more, and keeps what the first one told."""

    def init(self, problem, network):
        """A place for the first loss, and which request comes next."""
        return {"first": jnp.zeros(()), "stage": jnp.zeros((), jnp.int32)}

    def stage(self, state):
        return int(state["stage"])

    def ask(self, problem, view, stage):
        inputs = super().ask(problem, view._replace(state=()), 0)
        return inputs if stage == 0 else jnp.concatenate((inputs, inputs))

    def tell(self, problem, view, answer, stage):
        n = len(view.x) * problem.shots
        if stage == 0:
            features = answer.features.reshape(len(view.x), problem.shots, -1)
            first = jnp.mean(losses(jax.vmap(view.network.post)(features), view.y))
            return {"first": first, "stage": jnp.ones((), jnp.int32)}, None
        half = type(answer)(*(part[:n] for part in answer))
        _, gradient = super().tell(problem, view._replace(state=()), half, 0)
        done = {"first": jnp.zeros(()), "stage": jnp.zeros((), jnp.int32)}
        return done, gradient._replace(loss=view.state["first"])


# estimator, ring measurements a sample and shot in one step
CASES = {
    "pgt, one-sided, N = 3": (make_estimator("pgt", count=3, sides=1), 4),
    "pgt, post-layer read again": (make_estimator("pgt", post_count=8), 2),
    "spsa": (make_estimator("spsa"), 2),
    "pgt_pre": (make_estimator("pgt_pre", directions="gaussian"), 2),
    "input": (make_estimator("input"), 2),
    "trace": (make_estimator("trace", count=3), 6),
    "twin": (make_estimator("twin", capacity=64), 1),
    "twin_pgt": (make_estimator("twin_pgt", capacity=64), 2),
    "two requests a step": (TwoRequests(), 3),
}


@pytest.fixture(scope="module", params=list(CASES))
def case(request):
    estimator, passes = CASES[request.param]
    reports = []
    trainer = small_trainer(RESERVOIR, estimator, batch_size=BATCH, shots=SHOTS)
    asked = []
    state = trainer.init()
    while len(reports) < 3:
        before = state_to_bytes(state)
        query = trainer.ask(state)
        asked.append(query)
        measured = RESERVOIR(query.settings, query.numbers)
        state, report = trainer.tell(state, query, measured)
        again = trainer.tell(state_from_bytes(trainer, before), query, measured)[0]
        assert state_to_bytes(again) == state_to_bytes(state)
        if report is not None:
            reports.append(report)
    return trainer, passes, asked, state, reports


def test_it_counts_what_it_measures(case):
    _, passes, asked, state, reports = case
    assert reports[-1].measurements["training"] == 3 * passes * BATCH * SHOTS
    assert sum(len(query.numbers) for query in asked) == sum(state.measurements.values())
    assert {query.purpose for query in asked} == {"calibration", "training"}


def test_it_asks_for_what_the_instruments_can_make(case):
    _, _, asked, _, _ = case
    for query in asked:
        for column, knob in zip(query.settings.T, RESERVOIR.knobs, strict=True):
            assert knob.low <= column.min() <= column.max() <= knob.high
        np.testing.assert_array_equal(query.settings[:, 2] % 0.25, 0.0)


def test_its_report_tells_plain_numbers(case):
    _, _, _, _, reports = case
    for report in reports:
        assert 0.0 < report.loss < 5.0
        assert 0.0 <= report.accuracy <= 1.0
        assert np.isfinite(report.gradient_snr)
        assert report.loss_kind.startswith("measured")
        assert all(
            isinstance(value, (float, int, str, dict)) for value in report._asdict().values()
        )


def test_it_moves_the_parameters_and_keeps_them_finite(case):
    trainer, _, _, state, _ = case
    start = jax.tree.leaves(trainer.init().parameters)
    for before, after in zip(start, jax.tree.leaves(state.parameters), strict=True):
        assert np.isfinite(np.asarray(after)).all()
        assert not np.array_equal(before, after)


@pytest.mark.parametrize(
    ("name", "settings", "steps"),
    [
        ("input", {}, 80),
        ("twin", {"capacity": 96}, 30),
        ("pgt", {"post_count": 64}, 120),
    ],
)
def test_it_learns(name, settings, steps):
    trainer = small_trainer(RESERVOIR, (name, settings), rate=0.05, batch_size=16)
    state = train(trainer, RESERVOIR, steps=steps)
    assert evaluate(trainer, RESERVOIR, state, "test")[1].accuracy >= 0.8


def test_the_size_shrinks_by_spalls_sequence_or_not_at_all(case):
    _, _, _, _, reports = case
    size, decay = (getattr(case[0].estimator, name, np.nan) for name in ("size", "size_decay"))
    told = [report.perturbation for report in reports]
    np.testing.assert_allclose(told, size / np.arange(1, 4) ** decay, rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("newton", {}, "estimator 'newton' is not known; known are pgt, spsa"),
        ("pgt", {"width": 1}, "takes no setting 'width'; it takes what, read"),
        ("twin", {"capacity": 0}, "capacity: 0 rows are too few"),
        ("exact", {"count": 2}, "takes no setting 'count'; it takes none"),
        ("twin_pgt", {"read": "loss"}, "twin_pgt moves what: 'inputs' and reads read: 'trace'"),
        ("input", {"count": 0}, "count: 0 directions"),
        ("input", {"count": 1.5}, "count: 1.5 directions"),
        ("input", {"sides": 3}, "sides: 3 is not 1 or 2"),
        ("input", {"size": 0.0}, "size: 0.0 is not a positive number"),
        ("input", {"size": float("nan")}, "size: nan"),
        ("input", {"directions": "left"}, "directions: 'left' is not one of rademacher"),
        ("pgt", {"read": "trace"}, "read: 'trace' needs what: 'inputs'"),
        ("pgt", {"size_decay": 2.0}, "size_decay: 2.0 is outside 0 to 1"),
        ("pgt", {"post_count": -1}, "post_count: -1"),
    ],
)
def test_a_setting_that_makes_no_sense_is_named(name, settings, message):
    with pytest.raises(ValueError, match=message):
        make_estimator(name, **settings)
