"""Reference measurements between the others, and a warm-up that ends by itself."""

import numpy as np
import pytest

from magnon_lab.bench import Bench, BenchFileError, InstrumentError, LimitError

ROWS = np.array([[-10.0, 4.465e9, 11.0], [-20.0, 4.46e9, 12.5]] * 5)
REFERENCE = {
    "reference.every": 4, "reference.attenuation_db": 12.0, "reference.drive_power_dbm": -15.0,
    "reference.drive_frequency_hz": 4.46e9,
}  # fmt: skip
SINGING = {
    "reference.every": 4,
    "reference.attenuation_db": 8.0,
    "reference.drive_power_dbm": -60.0,
}
"""A ring a decibel above its threshold: one of its modes oscillates."""


def measured(bench_file, batches):
    references = []
    with Bench(bench_file, seed=2) as bench:
        bench.on_reference = references.append
        bench.start()
        taken = [bench.measure(ROWS[part], numbers=np.arange(10)[part]) for part in batches]
    return references, np.concatenate([one.traces_dbm for one in taken])


def test_every_so_many_measurements_a_reference_is_taken(edited, manager) -> None:
    references, _ = measured(edited(REFERENCE), [slice(None)])
    assert [one.numbers.tolist() for one in references] == [[-1], [-5], [-9]]
    for one in references:
        settings = dict(zip(one.knobs, one.requested[0], strict=True))
        assert settings["attenuation_db"] == 12.0
        assert settings["field_mt"] == 92.0  # as held
        assert one.traces_dbm.shape == (1, 401)
    peaks = [one.traces_dbm[0].max() for one in references]
    assert np.ptp(peaks) < 1.0  # always the same but for the noise


def test_references_go_by_the_number_so_that_a_resumed_run_takes_the_same(edited, manager) -> None:
    at_once, _ = measured(edited(REFERENCE), [slice(None)])
    in_parts, _ = measured(edited(REFERENCE), [slice(0, 3), slice(3, 10)])
    assert [one.numbers[0] for one in at_once] == [one.numbers[0] for one in in_parts]


def test_what_is_measured_between_them_is_the_same(edited, manager) -> None:
    _, without = measured(edited({}), [slice(None)])
    _, with_them = measured(edited(REFERENCE), [slice(None)])
    np.testing.assert_allclose(with_them, without, atol=1.0)
    assert np.median(np.abs(with_them - without)) < 0.05


def test_a_reference_is_under_the_limits_too(edited, manager) -> None:
    with Bench(edited(REFERENCE | {"reference.drive_power_dbm": 11.0})) as bench:
        with pytest.raises(LimitError, match="drive_power_dbm = 11 dBm is outside"):
            bench.start()
        assert not bench.started
    with pytest.raises(BenchFileError, match=r"reference\.every"):
        edited({"reference.every": 0})


def test_a_warm_up_ends_when_the_mode_stands_still(edited, manager) -> None:
    journal = []
    warm = SINGING | {"reference.warm_up": {"hz": 1e5, "every_s": 2.0}}
    with Bench(edited(warm), seed=2, journal=lambda *entry: journal.append(entry)) as bench:
        assert bench.start()
        told = [message for kind, phase, message, _ in journal if kind == "warm-up"]
        assert len(told) == 2
        assert "mode at 4.47" in told[1]


def test_a_ring_that_does_not_come_to_stand_is_refused(edited, manager, monkeypatch) -> None:
    moving = iter(np.arange(4.45e9, 4.5e9, 1e6))
    monkeypatch.setattr("magnon_lab.bench.reference._peak_hz", lambda *asked: next(moving))
    warm = REFERENCE | {"reference.warm_up": {"hz": 1e5, "every_s": 2.0, "at_most_s": 20.0}}
    with Bench(edited(warm), seed=2) as bench:
        with pytest.raises(InstrumentError, match=r"not warmed up within .*at_most_s, 20 s"):
            bench.start()
        assert all(outcome.ok for outcome in bench.outcomes)


def test_the_drives_own_line_is_not_taken_for_a_mode(edited, manager) -> None:
    # Below threshold nothing stands out but the drive, which never moves.
    warm = REFERENCE | {"reference.warm_up": {"hz": 1e5, "every_s": 2.0, "at_most_s": 20.0}}
    with (
        Bench(edited(warm), seed=2) as bench,
        pytest.raises(InstrumentError, match=r"not warmed up within .* or does no mode stand out"),
    ):
        bench.start()


class Beats:
    """A `should_stop` that keeps when it was asked, by the bench's clock, and stops in time."""

    def __init__(self, bench: Bench, stop_s: float = np.inf) -> None:
        self.bench, self.stop_s = bench, stop_s
        self.at_s = [bench.clock.now()]

    def __call__(self) -> bool:
        self.at_s.append(self.bench.clock.now())
        return self.at_s[-1] > self.stop_s

    @property
    def longest_silence_s(self) -> float:
        return float(np.diff([*self.at_s, self.bench.clock.now()]).max())


def test_a_warm_up_beats_also_between_its_references(edited, manager) -> None:
    warm = {"reference.warm_up": {"hz": 1e6, "every_s": 60.0, "at_most_s": 3600.0}}
    with Bench(edited(SINGING | warm), seed=2) as bench:
        beats = Beats(bench)
        assert bench.start(should_stop=beats)
        assert beats.at_s[-1] - beats.at_s[0] > 120.0
        assert beats.longest_silence_s < 10.0
        bench.standby()
        stopped = Beats(bench, bench.clock.now() + 30.0)
        assert not bench.start(should_stop=stopped)
        assert stopped.longest_silence_s < 10.0
        assert bench.clock.now() < stopped.stop_s + 40.0  # the way to the safe state is in it


def test_a_reference_whose_field_is_elsewhere_beats_and_hears_a_stop(edited, manager) -> None:
    away = REFERENCE | {"reference.field_mt": 20.0, "limits.field_slew_mt_per_s": 1.0}
    with Bench(edited(away), seed=2) as bench:
        references = []
        bench.on_reference = references.append
        bench.start()
        beats = Beats(bench)
        assert bench.measure(ROWS[:1], should_stop=beats).complete
        assert len(references) == 1
        assert beats.at_s[-1] - beats.at_s[0] > 100.0  # there and back
        assert beats.longest_silence_s < 10.0
        bench.measure(ROWS[1:4])
        stopped = bench.measure(ROWS[4:5], should_stop=Beats(bench, bench.clock.now() + 20.0))
        assert stopped.stopped == "stop"
        assert len(stopped.numbers) == 0
        assert len(references) == 1  # none that was not measured
