"""A run taken back to where it goes on: nothing is there twice, nothing earlier is touched."""

import subprocess
import sys

import numpy as np
import pytest

from magnon_lab.runs import EvaluationRow, RunError, RunFile, StepRow
from magnon_lab.runs.check import check


def record(run, make_block, steps, purpose="training"):
    for step in steps:
        evaluation = EvaluationRow(step=step, split="validation", loss=1, accuracy=0.5, n=2)
        run.record_step(
            StepRow(step=step, ring_measurements=5 * step, loss=1 / step),
            [evaluation],
            make_block(5 * (step - 1), 5, purpose=purpose),
            b"state %d" % step,
        )


@pytest.fixture
def ended(run, make_block):
    """A run that made three steps, then an evaluation, part of a step, and was asked to pause."""
    record(run, make_block, (1, 2, 3))
    run.record_measurements(make_block(15, 8, purpose="evaluation"))
    run.record_evaluation(EvaluationRow(step=3, split="test", loss=0.25, accuracy=0.75, n=8))
    run.record_measurements(make_block(23, 2))
    run.request("pause")
    run.finish("stopped", summary={"accuracy": 0.75})
    run.start()
    return run


def test_what_came_after_the_checkpoint_is_taken_away_and_told(ended):
    taken = ended.rewind(3, 15, ("test",))
    assert taken["steps"] == 0
    assert taken["measurements"] == {"evaluation": 8, "training": 2}
    [evaluation] = taken["evaluations"]
    assert (evaluation["split"], evaluation["accuracy"]) == ("test", 0.75)
    assert [request["kind"] for request in taken["requests"]] == ["pause"]
    assert ended.counts() == {"training": 15}
    assert ended.measurements()["number"].tolist() == list(range(15))
    assert [(one.step, one.split) for one in ended.evaluations()] == [
        (1, "validation"),
        (2, "validation"),
        (3, "validation"),
    ]
    assert ended.last_checkpoint() == (3, b"state 3")
    assert ended.pending_requests() == []
    assert ended.info()["summary"] == {}
    [event] = ended.events("resume")
    assert event.data == taken


def test_back_to_an_earlier_step_and_forward_again(ended, make_block):
    taken = ended.rewind(1, 5, ("test",))
    assert taken["steps"] == 2
    assert ended.steps()["step"].tolist() == [1]
    assert ended.last_checkpoint() == (1, b"state 1")
    record(ended, make_block, (2, 3))
    assert ended.counts() == {"training": 15}
    assert all(one.ok or one.what == "checkpoints" for one in check(ended.folder))


def test_back_to_the_beginning(ended):
    ended.rewind(0, 0, ("test",))
    assert ended.steps()["step"].size == 0
    assert ended.measurements()["number"].size == 0
    assert ended.counts() == {}
    assert ended.last_checkpoint() is None
    assert ended.evaluations() == []


def test_references_go_with_the_measurements_that_they_stand_before(run, make_block):
    record(run, make_block, (1, 2))
    for number in (0, 4, 5, 8):
        reference = make_block(0, 1, purpose="reference", numbers=np.array([-1 - number]))
        run.record_measurements(reference)
    taken = run.rewind(1, 5)
    assert taken["measurements"] == {"reference": 2, "training": 5}
    assert run.measurements(purpose="reference")["number"].tolist() == [-5, -1]
    assert run.counts() == {"reference": 2, "training": 5}


def test_a_run_that_does_not_run_is_not_taken_back(queued):
    with pytest.raises(RunError, match="is queued: nothing can be recorded"):
        queued.rewind(0, 0)


@pytest.mark.parametrize("part", [slice(0, 3), slice(2, 5), slice(4, 5)])
def test_measurements_recorded_again_are_counted_once(run, make_block, part):
    keep_some = make_block(0, 5)
    run.record_measurements(keep_some)
    again = np.arange(5)[part]
    run.record_measurements(make_block(int(again[0]), len(again), purpose="evaluation"))
    counts = {"training": 5 - len(again), "evaluation": len(again)}
    assert {name: count for name, count in run.counts().items() if count} == {
        name: count for name, count in counts.items() if count
    }
    assert all(one.ok for one in check(run.folder) if one.what == "measurements")


STARTER = """
import sys
from magnon_lab.runs import RunError, RunFile
run = RunFile.open(sys.argv[1], write=True)
print("open", flush=True)
sys.stdin.readline()
try:
    run.start()
    print("started", flush=True)
except RunError as error:
    print(error, flush=True)
sys.stdin.readline()
"""


def test_of_two_that_start_a_run_at_once_one_is_refused(ended):
    ended.finish("aborted")
    ended.close()
    children = [
        subprocess.Popen(
            [sys.executable, "-c", STARTER, str(ended.folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for child in children:
        assert child.stdout.readline() == "open\n"
    for child in children:
        child.stdin.write("go\n")
        child.stdin.flush()
    said = sorted(child.stdout.readline() for child in children)
    for child in children:
        child.communicate("end\n")
    assert said[1] == "started\n"
    assert "is running in process" in said[0]
    with RunFile.open(ended.folder) as run:
        assert run.status == "interrupted"
