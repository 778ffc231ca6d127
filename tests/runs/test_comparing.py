"""Runs beside one another: groups of repeats, their mean and spread, and the table."""

import math

import pytest

from magnon_lab.runs import EvaluationRow, RunsFolder, StepRow
from magnon_lab.runs.comparing import (
    CAMPAIGN,
    Member,
    groups_of,
    markdown,
    member_of,
    partner,
    spread,
    table_of,
)
from magnon_lab.runs.comparison_plot import comparison_png
from magnon_lab.runs.errors import RunError


def member(accuracy, case="", learning=100, **configuration):
    return Member("id", "", case, configuration, accuracy, learning, 50, 1.5, math.nan)


def test_repeats_differ_in_their_seed_alone():
    groups = groups_of(
        [
            member(0.5, task="digits", seed=0),
            member(0.7, task="digits", seed=1),
            member(0.9, task="spirals", seed=0),
        ]
    )
    assert [dict(group.values) for group in groups] == [{"task": "digits"}, {"task": "spirals"}]
    assert groups[0].accuracy == pytest.approx(0.6)
    assert groups[0].spread == pytest.approx(0.1 * math.sqrt(2.0))
    assert groups[0].error == pytest.approx(0.1)
    assert math.isnan(groups[1].spread)


def test_a_case_stands_for_what_it_is_made_of():
    groups = groups_of(
        [
            member(0.5, "pgt", estimator="pgt", rate=0.1, budget=20000, seed=0),
            member(0.4, "pgt", estimator="pgt", rate=0.1, budget=3000, seed=0),
            member(0.6, "input", estimator="input", rate=0.2, budget=3000, seed=0),
            member(0.7, "none", estimator="exact", rate=0.2, budget=0, seed=0),
        ]
    )
    told = [tuple(group.values.items()) for group in groups]
    assert told == [
        (("case", "pgt"), ("budget", 3000)),
        (("case", "pgt"), ("budget", 20000)),
        (("case", "input"), ("budget", 3000)),
        (("case", "none"), ("budget", 0)),
    ]
    pgt, _, other, none = groups
    assert partner(other, groups, "pgt") is pgt
    assert partner(pgt, groups, "none") is none  # which needs no budget
    assert partner(none, groups, "pgt") is None  # of which there are two


def test_differences_carry_the_error_of_both():
    first = [member(value, "ring", seed=seed) for seed, value in enumerate((0.9, 1.0))]
    second = [member(value, "none", seed=seed) for seed, value in enumerate((0.4, 0.6))]
    head, rows = table_of(groups_of(first + second), against="none")
    assert head == [
        "case",
        "ring measurements",
        "test accuracy",
        "seeds",
        "learner s",
        "more than none",
    ]
    error = math.hypot(0.05, 0.1)
    assert rows[0] == ["ring", "100", "0.950 ± 0.071", "2", "1.5", f"+0.450 ± {error:.3f}"]
    assert rows[1][-1] == ""
    assert markdown(["a", "b"], [["1", "2"]]) == "| a | b |\n| --- | --- |\n| 1 | 2 |"


def test_the_spread_is_that_of_a_sample():
    assert spread([1.0, 2.0, 3.0]) == pytest.approx(1.0)
    assert math.isnan(spread([1.0]))


@pytest.fixture
def trained(tmp_path):
    def make(seed, accuracy, status="finished", split="test"):
        folder = RunsFolder(tmp_path / "runs")
        with folder.create("train", {"task": "digits", "seed": seed}, "", seed, True) as run:
            run.start()
            run.event(CAMPAIGN, "outcome", "", {"campaign": "all", "case": "pgt", "bench": "near"})
            run.record_step(
                StepRow(
                    step=1,
                    ring_measurements=150,
                    measurements={"training": 100, "calibration": 50},
                    seconds={"ask": 0.25, "tell": 0.5, "sweep": 7.0},
                )
            )
            run.record_evaluation(
                EvaluationRow(step=1, split="test", loss=0.1, accuracy=accuracy, n=10)
            )
            run.finish(status, "", {"accuracy": accuracy, "split": split})
            return member_of(run)

    return make


def test_a_run_tells_what_it_is_in_a_comparison(trained):
    found = trained(0, 0.8)
    assert (found.campaign, found.case, found.accuracy) == ("all", "pgt", 0.8)
    assert found.configuration == {"bench": "near", "task": "digits", "seed": 0}
    assert found.seconds == pytest.approx(0.75)


def test_a_run_without_a_test_at_its_end_is_not_compared(trained):
    assert trained(0, 0.8, status="stopped") is None
    assert trained(0, 0.8, split="validation") is None


def test_a_picture_is_drawn_of_what_there_is(tmp_path):
    groups = groups_of(
        [
            member(0.5 + 0.1 * seed, case, learning, task=task, budget=learning, seed=seed)
            for case, learning in (("pgt", 1000), ("pgt", 5000), ("none", 0))
            for task in ("digits", "spirals", "parity", "wine")
            for seed in (0, 1)
        ]
    )
    path = comparison_png(groups, tmp_path / "picture.png")
    assert path.read_bytes().startswith(b"\x89PNG")
    with pytest.raises(RunError, match="nothing to compare"):
        comparison_png([], tmp_path / "none.png")
