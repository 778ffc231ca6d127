"""One holder a bench, whoever it is and however it ends."""

import json
import os
import signal

import pytest

from magnon_lab.bench import Bench, BenchFile, BenchHeldError, write_served_bench
from magnon_lab.bench.byhand import check_bench, make_safe
from magnon_lab.simulation import serve, shipped_definition

from .guarding import Run, alive, gone_within, is_safe, waited


@pytest.fixture(autouse=True)
def _own_locks(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("MAGNON_LAB_LOCKS", str(tmp_path / "locks"))


def test_a_second_is_told_who_holds_the_bench(run, served) -> None:
    one = run()
    told = rf"run 3f2a \(process {one.process.pid} on .*, since 2"
    with pytest.raises(BenchHeldError, match=told), Bench(served):
        pass
    with pytest.raises(BenchHeldError, match=told):
        check_bench(served)


def test_the_lock_is_on_the_instruments_not_on_the_file(run, served, tmp_path) -> None:
    run()
    other = tmp_path / "another.yaml"
    other.write_text(served.text.replace("TCPIP::", "tcpip0::"))
    with pytest.raises(BenchHeldError, match="run 3f2a"), Bench(BenchFile.load(other)):
        pass


def test_a_lock_ends_with_its_holder(run, served) -> None:
    one = run()
    one.end()
    assert gone_within(one.guard, 10.0)
    lock = Bench(served).custody.lock
    assert lock is not None
    assert lock.holder() is None
    lock.acquire("the next")
    lock.release()


def test_a_bench_is_not_taken_while_its_guard_makes_it_safe(shipped, server, tmp_path) -> None:
    gone = serve(shipped_definition(), seed=4)
    path = tmp_path / "served.yaml"
    write_served_bench(shipped, gone.resources, path)
    with path.open("a") as file:
        file.write("guard: {give_up_s: 600}\n")
    one = Run(path, 60.0)
    gone.close()
    one.end()
    lock = Bench(BenchFile.load(path)).custody.lock
    assert lock is not None

    def guard_has_it() -> bool:
        holder = lock.holder()
        return holder is not None and holder.pid == one.guard

    assert waited(guard_has_it, 3.0)
    os.kill(one.guard, signal.SIGTERM)  # as `bench safe` does when it takes too long
    assert waited(lambda: lock.holder() is None, 10.0)


@pytest.mark.parametrize("words", [(60.0,), (60.0, "deaf")])
def test_make_safe_ends_whoever_holds_the_bench(run, served, server, words) -> None:
    one = run(*words)
    told: list[str] = []
    outcomes = make_safe(served, tell=told.append, ask_s=1.0)
    assert all(outcome.ok for outcome in outcomes)
    assert is_safe(server)
    assert told[0].startswith("asking run 3f2a")
    assert (len(told) > 1) == ("deaf" in words)
    assert one.process.wait(5.0) < 0
    assert not alive(one.guard) or gone_within(one.guard, 5.0)


def test_a_lock_says_who_in_json(served, tmp_path) -> None:
    lock = Bench(served).custody.lock
    assert lock is not None
    lock.acquire("bench set")
    texts = {path.read_text() for path in (tmp_path / "locks").iterdir()}
    assert len(texts) == 1
    said = json.loads(texts.pop())
    assert (said["pid"], said["what"]) == (os.getpid(), "bench set")
    lock.release()
