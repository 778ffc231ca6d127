"""The queue as a list that outlives its workers."""

import json
import os
import sqlite3
import subprocess
import sys
import threading

import pytest

from magnon_lab.runs import RunError
from magnon_lab.runs.provenance import Process
from magnon_lab.runs.queue import QUEUE_NAME, Queue

ADDER = """
import sys
from magnon_lab.runs.queue import Queue
for index in range(10):
    with Queue(sys.argv[1]) as queue:
        queue.add("train", {"seed": index}, "/bench.yaml")
"""


@pytest.fixture
def queue(tmp_path):
    with Queue(tmp_path / "runs") as queue:
        yield queue


def add(queue, *names, **more):
    return [queue.add(name, {"seed": 1}, "/bench.yaml", **more).entry for name in names]


def order(queue):
    return [entry.procedure for entry in queue.entries()]


def pretend_dead_worker(queue, number):
    gone = json.dumps(["elsewhere", 1, 1])
    with queue._database.transaction() as connection:
        connection.execute("UPDATE entries SET process = ? WHERE entry = ?", (gone, number))


def test_what_was_added_is_there_for_whoever_opens_it(queue):
    entry = queue.add("train", {"seed": 3, "hidden": "8, 8"}, "/bench.yaml", "go-on", "/data")
    with Queue(queue.runs) as again:
        [found] = again.entries()
    assert found == entry
    assert (found.procedure, found.parameters) == ("train", {"seed": 3, "hidden": "8, 8"})
    assert (found.bench, found.on_failure, found.folder) == ("/bench.yaml", "go-on", "/data")
    assert (found.status, found.run, found.place) == ("queued", None, 1)


@pytest.mark.parametrize(
    ("name", "place", "expected"),
    [("a", 3, "bca"), ("c", 1, "cab"), ("b", 2, "abc"), ("a", 99, "bca"), ("c", -5, "cab")],
)
def test_moving(queue, name, place, expected):
    numbers = dict(zip("abc", add(queue, *"abc"), strict=True))
    queue.move(numbers[name], place)
    assert "".join(order(queue)) == expected
    assert [entry.place for entry in queue.entries()] == [1, 2, 3]


def test_remove_duplicate_edit(queue):
    first, second = add(queue, "a", "b", on_failure="go-on")
    queue.edit(first, {"seed": 7}, on_failure="stop")
    third = queue.duplicate(first)
    queue.remove(second)
    assert [(one.entry, one.parameters["seed"]) for one in queue.entries()] == [
        (first, 7),
        (third.entry, 7),
    ]
    assert third.on_failure == "stop"
    assert queue.edit(third.entry, bench="/other.yaml").bench == "/other.yaml"


def test_an_entry_is_claimed_once(queue):
    [number] = add(queue, "a")
    with Queue(queue.runs) as other:
        assert queue.claim(number)
        assert not other.claim(number)
        assert other.entry(number).status == "running"
        for refused in (other.remove, other.edit, other.retry):
            with pytest.raises(RunError, match="is running: it cannot be"):
                refused(number)


def test_how_it_ended_is_kept_and_it_can_wait_again(queue):
    [number] = add(queue, "a")
    queue.claim(number)
    queue.began(number, "some-run")
    queue.ended(number, "failed", 1, "why")
    entry = queue.entry(number)
    assert (entry.status, entry.run, entry.exit_code) == ("failed", "some-run", 1)
    assert (entry.message, entry.started <= entry.ended) == ("why", True)
    with pytest.raises(RunError, match="is failed: it cannot be edited"):
        queue.edit(number, {"seed": 2})
    again = queue.retry(number)
    assert (again.status, again.run, again.resume, again.message) == ("queued", None, False, "")
    assert queue.claim(number)


def test_a_retry_may_go_on_with_its_run(queue):
    [number] = add(queue, "a")
    with pytest.raises(RunError, match="is queued: it cannot be retried"):
        queue.retry(number)
    queue.claim(number)
    queue.ended(number, "failed", 2, "")
    with pytest.raises(RunError, match="had no run yet"):
        queue.retry(number, resume=True)
    queue.began(number, "some-run")
    entry = queue.retry(number, resume=True)
    assert (entry.status, entry.run, entry.resume) == ("queued", "some-run", True)
    queue.claim(number)
    queue.ended(number, "finished", 0, "")
    with pytest.raises(RunError, match="has finished: there is nothing to resume"):
        queue.retry(number, resume=True)


def test_an_entry_whose_worker_is_gone_is_interrupted(queue, runs):
    [number] = add(queue, "a")
    queue.claim(number)
    pretend_dead_worker(queue, number)
    assert queue.entry(number).status == "interrupted"
    assert queue.retry(number).status == "queued"


def test_an_entry_shows_the_status_of_its_run(queue, runs):
    [number] = add(queue, "train")
    queue.claim(number)
    with runs.create("train", {}, "", 0, True) as run:
        queue.began(number, run.id)
        run.start()
        run.pause()
        assert queue.entry(number).status == "paused"
        with pytest.raises(RunError, match="is paused: it cannot be removed"):
            queue.remove(number)
        run.finish("aborted")
        assert queue.entry(number).status == "aborted"


def test_mistakes(queue):
    with pytest.raises(RunError, match=r"queue\.sqlite has no entry 7"):
        queue.entry(7)
    with pytest.raises(RunError, match="on_failure: 'dance' is not one of stop, go-on"):
        add(queue, "a", on_failure="dance")
    with pytest.raises(RunError, match="parameters cannot be written"):
        queue.add("a", {"seed": object()}, "/bench.yaml")
    assert queue.entries() == []


def test_several_processes_add_at_once_to_a_queue_that_none_has_made(tmp_path):
    words = [sys.executable, "-c", ADDER, str(tmp_path / "runs")]
    children = [subprocess.Popen(words) for _ in range(3)]
    assert [child.wait() for child in children] == [0, 0, 0]
    with Queue(tmp_path / "runs") as queue:
        assert sorted(entry.place for entry in queue.entries()) == list(range(1, 31))
    # Nothing that it was made of is left.
    assert {path.name for path in (tmp_path / "runs").iterdir()} == {QUEUE_NAME}


def test_several_workers_never_claim_the_same(queue):
    numbers = add(queue, *"abcdefgh")
    claimed: list[int] = []

    def work() -> None:
        with Queue(queue.runs) as mine:
            claimed.extend(number for number in numbers if mine.claim(number))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(claimed) == numbers


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"hello", "is no queue"), (b"", "is empty")],
)
def test_a_queue_that_is_none(tmp_path, content, said):
    (tmp_path / QUEUE_NAME).write_bytes(content)
    with pytest.raises(RunError, match=said):
        Queue(tmp_path)
    assert (tmp_path / QUEUE_NAME).read_bytes() == content


def test_a_newer_queue_is_left_untouched(queue):
    queue.close()
    connection = sqlite3.connect(queue.path)
    connection.execute("PRAGMA user_version = 9")
    connection.close()
    before = queue.path.read_bytes()
    with pytest.raises(RunError, match="newer Magnon Lab"):
        Queue(queue.runs)
    assert queue.path.read_bytes() == before


def test_a_run_file_is_no_queue(run, tmp_path):
    os.link(run.folder / "run.sqlite", tmp_path / QUEUE_NAME)
    run.close()
    with pytest.raises(RunError, match="no queue of Magnon Lab"):
        Queue(tmp_path)


def test_this_process_is_alive(queue):
    [number] = add(queue, "a")
    queue.claim(number)
    (process,) = queue._database.row("SELECT process FROM entries")
    assert Process(*json.loads(process)) == Process.this()
    assert queue.entry(number).status == "running"


def test_the_process_that_works_the_queue_off_is_known_while_it_does(tmp_path):
    with Queue(tmp_path) as queue:
        number = queue.add("train", {}, "bench.yaml").entry
        assert queue.worker() is None
        queue.claim(number)
        assert queue.worker() == Process.this()
        queue.ended(number, "finished", 0, "")
        assert queue.worker() is None
