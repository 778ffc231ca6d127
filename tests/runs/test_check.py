"""Looking through a run file: what is sound, what is not, and that nothing is changed."""

import io
import os
import sqlite3

import numpy as np
import pytest

from magnon_lab.runs import EvaluationRow, RunFile, StepRow, schema
from magnon_lab.runs.check import check


def state(step: int) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, parameters=np.arange(50) + step)
    return buffer.getvalue()


@pytest.fixture
def whole(run, make_block):
    """The path of a sound run file with something of everything."""
    run.set_frequencies(np.linspace(4e9, 5e9, 11))
    for step in range(1, 4):
        confusion = np.array([[3, 1], [0, 6]])
        run.record_step(
            StepRow(step=step, ring_measurements=5 * step, time=1e9 + step),
            [EvaluationRow(step=step, split="test", loss=0, accuracy=1, n=10, confusion=confusion)],
            make_block(5 * step, 5),
            state(step),
        )
    run.record_measurements(make_block(20, 4, purpose="evaluation"))
    run.finish("finished")
    run.close()
    return run.folder / "run.sqlite"


def wrong(path) -> str:
    return "\n".join(f"{one.what}: {one.text}" for one in check(path) if not one.ok)


def change(path, *statements) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    for statement in statements:
        connection.execute(statement)
    connection.close()


def test_a_sound_run_file_is_told_with_what_is_in_it(whole):
    before = whole.read_bytes()
    findings = check(whole.parent)
    assert all(one.ok for one in findings)
    text = "\n".join(f"{one.what}: {one.text}" for one in findings)
    for said in (
        str(whole),
        "train, finished, simulated bench",
        "steps: 3, from 1 to 3",
        "training: 15, 15 with their trace",
        "evaluation: 4, 4 with their trace",
        "traces of 11 points",
        "evaluations: 3, the last on test",
        "checkpoints: of steps 1, 2, 3",
    ):
        assert said in text
    assert whole.read_bytes() == before


def test_a_run_that_has_only_begun_is_sound(run):
    findings = check(run.folder)
    assert all(one.ok for one in findings)
    assert ("steps", True, "none") in findings


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("DELETE FROM steps WHERE step = 2", "steps: 2, from 1 to 3: some are missing"),
        ("UPDATE counts SET measured = 30 WHERE purpose = 'training'", "training: 15, 15 with"),
        ("DELETE FROM counts", "but counted otherwise"),
        ("DELETE FROM measurements WHERE number = 7", "training: 14, 14 with their trace, but"),
        ("UPDATE measurements SET trace = zeroblob(8) WHERE number = 7", "1 of another length"),
        ("UPDATE measurements SET realised = zeroblob(8) WHERE number = 7", "1 do not fit"),
        ("UPDATE measurements SET step = 9 WHERE number = 7", "1 belong to steps that are not"),
        ("UPDATE evaluations SET n = 11 WHERE step = 2", "do not agree: test at step 2"),
        ("UPDATE checkpoints SET state = x'00' WHERE step = 3", "not readable: 3"),
    ],
)
def test_what_does_not_fit_is_named(whole, statement, said):
    change(whole, statement)
    assert said in wrong(whole)


def test_a_flipped_bit_in_a_checkpoint_is_found(whole):
    connection = sqlite3.connect(whole)
    (data,) = connection.execute("SELECT state FROM checkpoints WHERE step = 3").fetchone()
    damaged = bytearray(data)
    damaged[200] ^= 1
    connection.execute("UPDATE checkpoints SET state = ? WHERE step = 3", (bytes(damaged),))
    connection.commit()
    connection.close()
    assert "not readable: 3" in wrong(whole)


def test_a_clock_that_was_set_back_is_told_and_no_fault(whole):
    change(whole, "UPDATE steps SET time = time - 3600 WHERE step > 1")
    assert wrong(whole) == ""
    [steps] = [one for one in check(whole) if one.what == "steps"]
    assert "the clock was set back 1 times" in steps.text


def test_damage_to_pages_is_found(whole):
    data = bytearray(whole.read_bytes())
    page = schema.PAGE_SIZE
    data[3 * page : 4 * page] = os.urandom(page)
    whole.write_bytes(data)
    assert wrong(whole)


def test_a_truncated_file_and_none_at_all(whole, tmp_path):
    with whole.open("r+b") as file:
        file.truncate(whole.stat().st_size // 2)
    assert "is truncated" in wrong(whole)
    assert "does not exist" in wrong(tmp_path / "nowhere")


def test_a_run_at_work_can_be_looked_through(run, make_block):
    run.record_step(StepRow(step=1, ring_measurements=5), measurements=make_block(0, 5))
    with RunFile.open(run.folder) as viewer:
        assert viewer.status == "running"
        assert wrong(run.folder) == ""
        run.record_step(StepRow(step=2, ring_measurements=10), measurements=make_block(5, 5))
        assert viewer.summary().steps == 2
