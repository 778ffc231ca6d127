import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from magnon_lab.bench.errors import ReadBackError
from magnon_lab.bench.ramp import descend, legs, points, ramp


class Source:
    """A field source that remembers when it was set to what."""

    def __init__(self, start_mt: float) -> None:
        self.time_s = 0.0
        self.steps = [(0.0, start_mt)]

    def field_set_mt(self) -> float:
        return self.steps[-1][1]

    def step_to(self, field_mt: float) -> None:
        self.steps.append((self.time_s, field_mt))

    def now(self) -> float:
        return self.time_s

    def sleep(self, seconds: float) -> None:
        self.time_s += seconds


def run(source: Source, target_mt: float, **changes: object) -> bool:
    options = {"slew_mt_per_s": 20.0, "step_s": 0.05, "approach_mt": 2.0, "low_mt": 0.0}
    return ramp(source, source, target_mt, **(options | changes))


@settings(derandomize=True, deadline=None)
@given(st.floats(0, 150), st.floats(0, 150), st.floats(0.1, 100), st.floats(0.025, 0.5))
def test_a_ramp_ends_at_its_target_and_never_exceeds_the_slew_limit(
    start, target, slew, step_s
) -> None:
    source = Source(start)
    assert run(source, target, slew_mt_per_s=slew, step_s=step_s)
    steps = source.steps
    assert steps[-1][1] == target
    assert all(0 <= field <= 150 for _, field in steps)
    for (_, before), (_, after) in itertools.pairwise(steps):
        assert abs(after - before) <= slew * step_s * (1 + 1e-6)
    # Every step waits, the first too: whatever was set before the ramp has stood by then.
    times = [at for at, _ in steps]
    assert all(b - a >= step_s * (1 - 1e-9) for a, b in itertools.pairwise(times))


def test_a_target_is_always_approached_from_below() -> None:
    assert legs(0, 92, 2, 0) == [92]
    assert legs(95, 92, 2, 0) == [90, 92]
    assert legs(91, 92, 2, 0) == [92]
    assert legs(5, 1, 2, 0) == [0, 1]  # not below the limit
    assert legs(50, 0, 0, 0) == [0]
    source = Source(95.0)
    run(source, 92.0)
    fields = [field for _, field in source.steps]
    assert min(fields) == 90.0
    assert fields[-1] == 92.0
    assert fields[-2] < 92.0


def test_no_move_needs_no_step() -> None:
    assert list(points(92.0, [92.0], 1.0)) == []


def test_a_ramp_can_be_stopped_where_it_is() -> None:
    source = Source(0.0)
    assert not run(source, 92.0, should_stop=lambda: len(source.steps) > 10)
    assert source.field_set_mt() == pytest.approx(10.0)


class Deaf(Source):
    """A source whose set points read back wrong from the n-th on."""

    def __init__(self, field_mt: float, deaf_from: int, lost: bool) -> None:
        super().__init__(field_mt)
        self.deaf_from, self.lost, self.asked = deaf_from, lost, []

    def step_to(self, field_mt: float) -> None:
        self.asked.append(field_mt)
        deaf = len(self.asked) >= self.deaf_from
        if not (deaf and self.lost):
            super().step_to(field_mt)
        if deaf:
            raise ReadBackError(f"{field_mt:.1f} mT reads back wrong")


@pytest.mark.parametrize("lost", [False, True])
def test_a_ramp_down_goes_on_past_what_reads_back_wrong(lost) -> None:
    source = Deaf(10.0, 4, lost)
    wrong = descend(source, source, 10.0, slew_mt_per_s=20.0, step_s=0.05)
    assert wrong == "6.0 mT reads back wrong"
    assert source.asked == [9.0, 8.0, 7.0, 6.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0, 0.0]
    assert source.time_s == pytest.approx(0.05 * len(source.asked))


def test_a_ramp_down_sets_zero_also_where_nothing_flows() -> None:
    source = Source(0.0)
    assert descend(source, source, 0.0, slew_mt_per_s=20.0, step_s=0.05) == ""
    assert len(source.steps) == 2  # one where it began, one sent
