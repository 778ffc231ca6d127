"""What was acknowledged stays, whatever happens to the process that wrote it."""

import shutil
import subprocess
import sys
import threading

import numpy as np
import pytest

from magnon_lab.runs import RunError, RunFile, StepRow

WRITER = """
import sys
import numpy as np
from magnon_lab.runs import EvaluationRow, MeasurementBlock, RunFile, StepRow
run = RunFile.open(sys.argv[1], write=True)
run.start()
for step in range(100000):
    numbers = np.arange(20 * step, 20 * (step + 1))
    block = MeasurementBlock(
        numbers=numbers, purpose="training", knobs=("attenuation_db",),
        requested=numbers[:, None] / 8, realised=numbers[:, None] / 4,
        traces_dbm=np.full((20, 101), step, dtype="f4"),
        flags=np.zeros(20), bench_time_s=numbers * 0.1,
    )
    row = StepRow(step=step, ring_measurements=20 * (step + 1), loss=1 / (step + 1))
    evaluation = EvaluationRow(step=step, split="test", loss=0, accuracy=1, n=1)
    run.record_step(row, [evaluation], block, b"%d " % step * 3000)
    print(step, flush=True)
"""


def check_consistent(run: RunFile) -> int:
    """Check that each step is there with all that belongs to it; return their number."""
    steps = run.steps()["step"]
    count = len(steps)
    np.testing.assert_array_equal(steps, np.arange(count))
    assert [row.step for row in run.evaluations()] == list(range(count))
    found = run.measurements()
    np.testing.assert_array_equal(found["number"], np.arange(20 * count))
    np.testing.assert_array_equal(found["step"], np.arange(20 * count) // 20)
    assert run.counts() == ({"training": 20 * count} if count else {})
    if count:
        np.testing.assert_array_equal(found["traces_dbm"][:, 0], found["step"])
        assert run.last_checkpoint() == (count - 1, b"%d " % (count - 1) * 3000)
        assert len(run.checkpoint_steps()) == min(3, count)
    return count


def test_a_killed_run_keeps_every_acknowledged_step(queued):
    folder = queued.folder
    queued.close()
    child = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder)], stdout=subprocess.PIPE, text=True
    )
    acknowledged = -1
    with child:
        for line in child.stdout:
            acknowledged = int(line)
            if acknowledged == 25:
                child.kill()
                break
        # What was said before the signal arrived counts as well.
        for line in child.stdout:
            acknowledged = int(line)
    with RunFile.open(folder) as run:
        assert run.status == "interrupted"
        count = check_consistent(run)
        # The step being written may or may not have made it.
        assert count in (acknowledged + 1, acknowledged + 2)
    with RunFile.open(folder, write=True) as run:
        run.start()
        run.record_step(StepRow(step=count, ring_measurements=20 * count))
        assert len(run.steps()["step"]) == count + 1


@pytest.fixture
def half_written(tmp_path, queued, make_block):
    """A run's file and log as a crash of the machine would leave them."""
    queued.start()
    for step in range(4):
        queued.record_step(
            StepRow(step=step, ring_measurements=20 * (step + 1)),
            measurements=make_block(20 * step, 20, points=101),
        )
    crashed = tmp_path / "crashed"
    crashed.mkdir()
    for name in ("run.sqlite", "run.sqlite-wal"):
        shutil.copy(queued.folder / name, crashed / name)
    return crashed


@pytest.mark.parametrize("part", np.linspace(0, 1, 12).tolist())
def test_a_log_cut_anywhere_leaves_whole_steps(half_written, part):
    log = half_written / "run.sqlite-wal"
    size = log.stat().st_size
    assert size > 100_000
    with log.open("r+b") as file:
        file.truncate(int(part * size))
    if part == 0:
        log.unlink()
    with RunFile.open(half_written) as run:
        steps = run.steps()["step"].tolist()
        assert steps == list(range(len(steps)))
        assert len(run.measurements()["number"]) == 20 * len(steps)
        if part == 1:
            assert len(steps) == 4


@pytest.mark.parametrize("where", [0.3, 0.6, 0.95])
def test_a_log_with_a_flipped_bit_leaves_whole_steps(half_written, where):
    log = half_written / "run.sqlite-wal"
    data = bytearray(log.read_bytes())
    data[int(where * len(data))] ^= 1
    log.write_bytes(data)
    with RunFile.open(half_written) as run:
        steps = run.steps()["step"].tolist()
        assert len(steps) < 4
        assert len(run.measurements()["number"]) == 20 * len(steps)


def test_two_readers_read_while_a_writer_writes(run, make_block):
    failures: list[BaseException] = []
    done = threading.Event()
    seen: list[list[int]] = [[], []]

    def read(into: list[int]) -> None:
        try:
            with RunFile.open(run.folder) as reader:
                while not done.is_set():
                    counts = len(reader.steps()["step"])
                    into.append(counts)
                    # Later by now, so at least as many as there were steps.
                    assert len(reader.measurements(columns=["number"])["number"]) >= 50 * counts
                into.append(len(reader.steps()["step"]))
        except BaseException as error:
            failures.append(error)
            raise

    readers = [threading.Thread(target=read, args=(into,)) for into in seen]
    for reader in readers:
        reader.start()
    for step in range(40):
        run.record_step(
            StepRow(step=step, ring_measurements=50 * (step + 1)),
            measurements=make_block(50 * step, 50, points=101),
        )
    done.set()
    for reader in readers:
        reader.join()
    assert not failures
    for into in seen:
        assert into == sorted(into)
        assert into[-1] == 40


def test_one_run_serves_several_threads(run):
    def work(kind: str) -> None:
        for index in range(25):
            run.event(kind, "outcome", str(index))
            run.heartbeat()
            assert run.status == "running"

    threads = [threading.Thread(target=work, args=(kind,)) for kind in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for kind in "abc":
        assert [event.message for event in run.events(kind)] == [str(i) for i in range(25)]


def test_an_interrupt_in_the_middle_of_a_record_leaves_nothing_of_it(run, make_block):
    class Interrupting(list):
        def __iter__(self):
            yield make_block(0, 5)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run.record_measurements(Interrupting())
    assert run.measurements()["number"].size == 0
    run.record_measurements(make_block(0, 5))
    assert run.measurements()["number"].size == 5


def test_an_error_while_rows_are_written_rolls_back(run, make_block, monkeypatch):
    block = make_block(0, 5)
    monkeypatch.setattr(run, "_kept", lambda numbers: np.ones(len(numbers) - 1, dtype=bool))
    with pytest.raises(ValueError, match="shorter"):
        run.record_step(StepRow(step=0, ring_measurements=5), measurements=block)
    monkeypatch.undo()
    assert run.steps()["step"].size == 0
    run.record_step(StepRow(step=0, ring_measurements=5), measurements=block)
    assert run.measurements()["number"].size == 5


def test_a_full_disk_is_told_and_what_was_recorded_stays(run, make_block):
    run.record_step(StepRow(step=0, ring_measurements=5), measurements=make_block(0, 5))
    (pages,) = run._database.row("PRAGMA page_count")
    run._database.rows(f"PRAGMA max_page_count = {pages + 1}")
    with pytest.raises(RunError, match=r"run\.sqlite cannot grow, the disk is full: free space"):
        run.record_step(
            StepRow(step=1, ring_measurements=500), measurements=make_block(5, 500, points=401)
        )
    assert run.steps()["step"].tolist() == [0]
    run._database.rows("PRAGMA max_page_count = 1000000")
    run.record_step(
        StepRow(step=1, ring_measurements=500), measurements=make_block(5, 500, points=11)
    )
    assert run.steps()["step"].tolist() == [0, 1]


LOOKER = """
import contextlib, sqlite3, sys
with contextlib.closing(sqlite3.connect(sys.argv[1])) as connection:
    print(*connection.execute("SELECT count(*) FROM steps").fetchone())
"""


def look_from_elsewhere(run: RunFile) -> int:
    """Open and close a run file as any tool would; return its steps."""
    words = [sys.executable, "-c", LOOKER, str(run.folder / "run.sqlite")]
    return int(subprocess.run(words, capture_output=True, text=True, check=True).stdout)


def test_a_run_file_opened_twice_in_one_process_keeps_its_log(runs, run):
    # A process that closes any handle of a file loses all its POSIX locks on it: whoever closes it
    # elsewhere would then take itself for the last one, and delete the log beneath the writer.
    with RunFile.open(run.folder) as viewer:
        for step in range(3):
            runs.list()
            assert look_from_elsewhere(run) == step
            run.record_step(StepRow(step=step, ring_measurements=0))
            assert len(viewer.steps()["step"]) == step + 1
        assert look_from_elsewhere(run) == 3
