"""The states of a run, and who may change them."""

import json
import os
import subprocess
import sys

import pytest

from magnon_lab.runs import EvaluationRow, RunError, RunFile, StepRow, provenance
from magnon_lab.runs.provenance import Process

WRITER = """
import sys
from magnon_lab.runs import RunFile
run = RunFile.open(sys.argv[1], write=True)
run.start()
print("started", flush=True)
sys.stdin.read()
"""


def pretend(run, process, heartbeat=None):
    """Let the run file say that another process runs it."""
    with run._database.transaction() as connection:
        connection.execute("UPDATE run SET process = ?", (json.dumps(process),))
        if heartbeat is not None:
            connection.execute("UPDATE run SET heartbeat = ?", (heartbeat,))


def test_the_usual_way(queued):
    assert queued.status == "queued"
    assert queued.info()["started"] is None
    queued.start()
    assert queued.status == "running"
    queued.pause()
    assert queued.status == "paused"
    queued.resume()
    assert queued.status == "running"
    queued.finish("finished", "done", {"accuracy": 0.9})
    info = queued.info()
    assert info["status"] == "finished"
    assert info["message"] == "done"
    assert info["summary"] == {"accuracy": 0.9}
    assert info["created"] <= info["started"] <= info["ended"]


@pytest.mark.parametrize("end", ["finished", "stopped", "aborted", "failed"])
@pytest.mark.parametrize("paused", [False, True])
def test_every_end(run, end, paused):
    if paused:
        run.pause()
    run.finish(end)
    assert run.status == end


@pytest.mark.parametrize("end", ["queued", "running", "paused", "interrupted", "over"])
def test_what_is_no_end(run, end):
    with pytest.raises(RunError, match=f"cannot end as '{end}'"):
        run.finish(end)
    assert run.status == "running"


def test_ways_that_no_run_goes(queued):
    with pytest.raises(RunError, match="is queued: it cannot become paused"):
        queued.pause()
    with pytest.raises(RunError, match="is queued: it cannot become finished"):
        queued.finish("finished")
    with pytest.raises(RunError, match="only a paused run resumes"):
        queued.resume()
    queued.start()
    queued.finish("finished")
    with pytest.raises(RunError, match="is finished: it cannot become running"):
        queued.start()
    with pytest.raises(RunError, match="is finished: it cannot become failed"):
        queued.finish("failed")


@pytest.mark.parametrize("end", ["stopped", "aborted", "failed"])
def test_what_ended_before_its_time_goes_on(run, end):
    run.record_step(StepRow(step=0, ring_measurements=1), checkpoint=b"s")
    started = run.info()["started"]
    run.finish(end, "why")
    run.close()
    with RunFile.open(run.folder, write=True) as again:
        again.start()
        info = again.info()
        assert (info["status"], info["ended"], info["message"]) == ("running", None, "")
        assert info["started"] == started
        assert again.last_checkpoint() == (0, b"s")


def test_nothing_is_recorded_outside_a_run(queued, make_block):
    for record in (
        lambda: queued.record_step(StepRow(step=0, ring_measurements=0)),
        lambda: queued.record_measurements(make_block()),
        lambda: queued.record_evaluation(
            EvaluationRow(step=0, split="test", loss=0, accuracy=0, n=1)
        ),
    ):
        with pytest.raises(RunError, match="is queued: nothing can be recorded"):
            record()


def test_the_guard_may_speak_after_the_end(run):
    run.finish("failed")
    run.event("guard", "outcome", "bench is safe")
    assert [event.kind for event in run.events()] == ["guard"]


def test_the_guard_may_speak_beside_the_process_that_writes(run):
    with RunFile.open(run.folder) as guard:
        guard.event("guard", "outcome", "run hangs")
    run.event("state", "outcome", "goes on")
    assert [event.kind for event in run.events()] == ["guard", "state"]


def test_a_reader_cannot_write(run, make_block):
    with (
        RunFile.open(run.folder) as reader,
        pytest.raises(RunError, match="opened for reading only"),
    ):
        reader.record_measurements(make_block())


def test_a_dead_process_leaves_an_interrupted_run(run):
    child = subprocess.Popen([sys.executable, "-c", ""])
    process = Process(Process.this().host, child.pid, None)
    child.wait()
    pretend(run, process)
    assert run.status == run.info()["status"] == run.summary().status == "interrupted"


def test_a_run_whose_process_died_before_it_began_is_interrupted(queued, runs):
    pretend(queued, Process.this()._replace(started=-1))
    assert queued.status == runs.list()[0].status == "interrupted"
    with pytest.raises(RunError, match="is interrupted: there is nobody to stop it"):
        queued.request("stop")


def test_another_process_with_the_same_number_is_not_it(run):
    this = Process.this()
    pretend(run, this._replace(started=(this.started or 0) + 1))
    assert run.status == "interrupted"


@pytest.mark.parametrize(
    ("age", "status"), [(10, "running"), (1000, "interrupted"), (-30, "running")]
)
def test_on_another_machine_the_heartbeat_decides(run, age, status):
    now = run.info()["heartbeat"]
    pretend(run, ("elsewhere", 1, 1), now - age)
    assert run.status == status


def test_an_ended_run_is_not_interrupted(run):
    run.finish("stopped")
    pretend(run, ("elsewhere", 1, 1), 0.0)
    assert run.status == "stopped"


def test_a_live_process_keeps_others_from_writing(queued):
    folder = queued.folder
    queued.close()
    child = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with child:
        assert child.stdout.readline() == "started\n"
        with RunFile.open(folder) as reader:
            assert reader.status == "running"
            assert reader.info()["process"]["pid"] == child.pid
        with pytest.raises(RunError, match=f"is running in process {child.pid} on"):
            RunFile.open(folder, write=True)
        child.stdin.close()
        child.wait()
    with RunFile.open(folder, write=True) as run:
        assert run.status == "interrupted"
        run.start()
        assert run.status == "running"
        assert run.info()["process"]["pid"] == os.getpid()


def test_a_zombie_has_ended():
    child = subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE)
    started = provenance._started(child.pid)
    process = Process(Process.this().host, child.pid, started)
    child.stdout.read()  # ends when the process has; it is not reaped yet
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not process.alive(0.0, 0.0)
    child.stdout.close()
    child.wait()


def test_heartbeats_are_written_at_most_once_a_second(run, monkeypatch):
    written = []
    monkeypatch.setattr(run, "_set", lambda **values: written.append(values))
    now = [1000.0]
    monkeypatch.setattr("magnon_lab.runs.runfile.time.monotonic", lambda: now[0])
    for at in (1000.0, 1000.5, 1000.9, 1001.1, 1001.2, 1003.0):
        now[0] = at
        run.heartbeat()
    assert len(written) == 3


def test_a_heartbeat_tells_the_time(run):
    pretend(run, Process.this(), 5.0)
    run.heartbeat()
    assert run.info()["heartbeat"] > 1e9


# Requests


def test_requests_are_asked_by_readers_and_taken_up_by_the_run(run):
    with RunFile.open(run.folder) as viewer:
        first, second = viewer.request("pause"), viewer.request("stop")
    assert [(request.id, request.kind) for request in run.pending_requests()] == [
        (first, "pause"),
        (second, "stop"),
    ]
    run.take_up(first)
    assert [request.kind for request in run.pending_requests()] == ["stop"]
    taken = run.requests()[0]
    assert taken.taken >= taken.time
    with pytest.raises(RunError, match=f"no pending request {first}"):
        run.take_up(first)
    assert run.request("abort") == second + 1


def test_requests_that_nobody_would_follow_are_refused(run):
    with pytest.raises(RunError, match="knows no request 'dance'"):
        run.request("dance")
    run.finish("finished")
    with pytest.raises(RunError, match="is finished: there is nobody to stop it"):
        run.request("stop")
