"""Ask and tell over one state: purity, exact resume, counting, evaluation, and the errors."""

import jax
import numpy as np
import pytest
from analytic import AnalyticReservoir
from trainings import blobs, small_trainer

from magnon_lab.learning.loop import evaluate, train
from magnon_lab.learning.state import state_to_bytes
from magnon_lab.learning.trainer import state_from_bytes

pytestmark = pytest.mark.usefixtures("quick_compile")

RESERVOIR = AnalyticReservoir(noise_db=0.1)


@pytest.mark.parametrize("name", ["pgt", "input"])
def test_a_resumed_trainer_goes_on_to_the_last_bit(name):
    trainer = small_trainer(RESERVOIR, name)
    halfway = train(trainer, RESERVOIR, steps=3)
    stored = state_to_bytes(halfway)
    through = state_to_bytes(train(trainer, RESERVOIR, steps=4, state=halfway))
    fresh = small_trainer(RESERVOIR, name)
    resumed = train(fresh, RESERVOIR, steps=4, state=state_from_bytes(fresh, stored))
    assert state_to_bytes(resumed) == through


def test_ask_and_tell_leave_the_state_as_it_was_and_repeat_to_the_last_bit():
    trainer = small_trainer(RESERVOIR)
    state = train(trainer, RESERVOIR, steps=1)
    before = state_to_bytes(state)
    first, second = trainer.ask(state), trainer.ask(state)
    np.testing.assert_array_equal(first.settings, second.settings)
    measured = RESERVOIR(first.settings, first.numbers)
    one, two = trainer.tell(state, first, measured)[0], trainer.tell(state, first, measured)[0]
    assert state_to_bytes(one) == state_to_bytes(two)
    assert state_to_bytes(state) == before


def test_requests_are_physical_float64_within_the_knobs_and_on_their_grids():
    trainer = small_trainer(RESERVOIR)
    state = train(trainer, RESERVOIR, steps=2)
    settings = trainer.ask(state).settings
    assert settings.dtype == np.float64
    for column, knob in zip(settings.T, RESERVOIR.knobs, strict=True):
        assert column.min() >= knob.low
        assert column.max() <= knob.high
    quarters = settings[:, 2] / 0.25
    np.testing.assert_array_equal(quarters, np.round(quarters))


@pytest.mark.parametrize(
    ("estimator", "rows"),
    [
        ("pgt_pre", 2),
        ("trace", 2),
        (("input", {"count": 3, "sides": 1}), 4),  # a base and its three moves
        (("pgt", {"count": 2, "sides": 1}), 3),
    ],
)
def test_what_is_compared_is_asked_for_together(estimator, rows):
    trainer = small_trainer(RESERVOIR, estimator)
    state = trainer.init()
    calibration = trainer.ask(state)
    assert calibration.groups is None
    measured = RESERVOIR(calibration.settings, calibration.numbers)
    state, _ = trainer.tell(state, calibration, measured)
    request = trainer.ask(state)
    np.testing.assert_array_equal(request.groups, np.arange(len(request.numbers)) // rows)
    assert len(request.numbers) % rows == 0
    between = trainer.encoding.unit(request.settings).reshape(-1, rows, len(RESERVOIR.knobs))
    within = np.abs(np.diff(between, axis=1)).max()
    assert within < 0.6 * np.abs(np.diff(between, axis=0)).max()  # partners are near each other
    assert all(one.groups is None for one in trainer.evaluate_ask(state, "test"))


def test_numbers_run_on_and_every_measurement_is_counted_by_its_purpose():
    trainer = small_trainer(RESERVOIR)
    state = trainer.init()
    used = []
    for _ in range(3):
        request = trainer.ask(state)
        used.append(request.numbers)
        state, _ = trainer.tell(state, request, RESERVOIR(request.settings, request.numbers))
    state, _ = evaluate(trainer, RESERVOIR, state, "validation")
    state, _ = evaluate(trainer, RESERVOIR, state, "test")
    assert state.measurements == {
        "calibration": 16,
        "training": 2 * 16 * 2 * 2,
        "validation": 24 * 2,
        "evaluation": 24 * 2,
        "reference": 0,
    }
    used = np.concatenate(used)
    np.testing.assert_array_equal(used, np.arange(len(used)))
    assert int(state.next_number) == sum(state.measurements.values())


def test_an_epoch_uses_each_sample_once_and_the_next_comes_in_another_order():
    task = blobs()
    trainer = small_trainer(RESERVOIR, "exact", task=task, shots=1)
    state = train(trainer, RESERVOIR, steps=0)
    seen = []
    for _ in range(6):
        view = trainer._view(trainer._moving(state))
        seen.append(np.asarray(view.x))
        state = train(trainer, RESERVOIR, steps=1, state=state)
    first, second = np.concatenate(seen[:3]), np.concatenate(seen[3:])
    assert not np.array_equal(first, second)
    for epoch in (first, second):
        np.testing.assert_array_equal(np.sort(epoch, axis=0), np.sort(task.x_train, axis=0))


def test_an_evaluation_counts_right_answers_and_confusions():
    trainer = small_trainer(RESERVOIR, "exact", rate=0.1)
    state = train(trainer, RESERVOIR, steps=60)
    _, evaluation = evaluate(trainer, RESERVOIR, state, "test")
    assert evaluation.accuracy > 0.8
    assert evaluation.n == evaluation.confusion.sum() == 24
    assert evaluation.accuracy == pytest.approx(np.trace(evaluation.confusion) / 24)
    chunks = list(trainer.evaluate_ask(state, "test", rows=7))
    assert [len(one.numbers) for one in chunks] == [6] * 8


def test_a_report_tells_what_was_measured():
    trainer = small_trainer(RESERVOIR, ("input", {"sides": 1, "size": 0.2}), compare_exact=True)
    reports = []
    train(trainer, RESERVOIR, steps=3, on_step=lambda state, report: reports.append(report))
    last = reports[-1]
    assert last.step == 3
    assert last.ring_measurements == 16 + 3 * 16 * 2 * 2
    assert last.loss_kind == "measured at the base"
    assert last.perturbation == pytest.approx(0.2)
    assert last.learning_rate == pytest.approx(0.02)
    assert 0.0 < last.loss < 3.0
    assert np.isfinite(last.gradient_snr)
    assert -1.0 <= last.cosine <= 1.0


def test_what_does_not_answer_the_request_is_refused():
    trainer = small_trainer(RESERVOIR)
    state = train(trainer, RESERVOIR, steps=0)
    state = train(trainer, RESERVOIR, steps=1)
    request = trainer.ask(state)
    measured = RESERVOIR(request.settings, request.numbers)
    with pytest.raises(ValueError, match=r"do not answer a request"):
        trainer.tell(state, request, measured._replace(traces=measured.traces[1:]))
    broken = measured.traces.copy()
    broken[5, 7] = np.nan
    with pytest.raises(ValueError, match=f"number {request.numbers[5]} has a value"):
        trainer.tell(state, request, measured._replace(traces=broken))


def test_a_stored_state_of_another_training_is_refused():
    data = state_to_bytes(small_trainer(RESERVOIR).init())
    with pytest.raises(
        ValueError, match=r"weight is float32 \(6, 2\), this training's is float32 \(3, 2\)"
    ):
        state_from_bytes(small_trainer(RESERVOIR, shots=1), data)
    with pytest.raises(ValueError, match="cannot be read"):
        state_from_bytes(small_trainer(RESERVOIR), data[: len(data) // 2])


def test_a_state_is_stored_without_pickle():
    data = state_to_bytes(train(small_trainer(RESERVOIR), RESERVOIR, steps=1))
    assert data[:2] == b"PK"
    assert b"pickle" not in data


def test_compiling_ahead_measures_nothing_and_changes_nothing():
    trainer = small_trainer(RESERVOIR)
    trainer.compile()
    with jax.log_compiles(False):
        state = train(trainer, RESERVOIR, steps=2)
    fresh = train(small_trainer(RESERVOIR), RESERVOIR, steps=2)
    assert state_to_bytes(state) == state_to_bytes(fresh)


def test_a_batch_larger_than_the_data_is_refused():
    with pytest.raises(ValueError, match="batch_size: 100 is outside 1 to 48"):
        small_trainer(RESERVOIR, batch_size=100)


def test_the_exact_gradient_is_refused_on_a_reservoir_without_a_model():
    class Bench:
        knobs = RESERVOIR.knobs
        frequencies_hz = RESERVOIR.frequencies_hz
        memoryless = True

        def __call__(self, settings, numbers):
            raise AssertionError

    with pytest.raises(ValueError, match="differentiable reservoir"):
        small_trainer(Bench(), "exact")
