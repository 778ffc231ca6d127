"""One holder a bench, whoever it is and however it ends."""

import json
import os
import signal

import pytest

from magnon_lab.bench import (
    Bench,
    BenchError,
    BenchFile,
    BenchHeldError,
    BenchLock,
    custody,
    write_served_bench,
)
from magnon_lab.bench import lock as lock_module
from magnon_lab.bench.byhand import check_bench, make_safe
from magnon_lab.bench.lock import LockLostError
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


def test_a_lock_whose_file_is_removed_is_lost_and_the_bench_made_safe(
    served, server, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(custody, "CONFIRM_S", 0.0)
    with Bench(served) as bench:
        bench.start()
        for path in (tmp_path / "locks").iterdir():
            path.unlink()
        with pytest.raises(LockLostError, match="was removed or replaced"):
            bench.measure([[-10.0, 4.465e9, 12.0]])
        assert is_safe(server)
        lock = BenchLock(bench.custody.lock.resources)
        lock.acquire("another")  # this is what makes it lost
        with pytest.raises(LockLostError):
            bench.start()
        lock.release()


def test_a_file_that_is_replaced_between_opening_and_locking_is_not_the_lock(
    tmp_path, monkeypatch
) -> None:
    real, times = lock_module.fcntl.flock, []

    def flock(descriptor: int, how: int) -> None:
        if not times:
            for path in (tmp_path / "locks").iterdir():
                path.unlink()
        times.append(how)
        real(descriptor, how)

    monkeypatch.setattr(lock_module.fcntl, "flock", flock)
    one = BenchLock(["GPIB::6::INSTR"])
    one.acquire("one")
    one.confirm()
    with pytest.raises(BenchHeldError, match="held by one"):
        BenchLock(["GPIB::6::INSTR"]).acquire("two")
    one.release()


def test_a_lock_in_use_does_not_look_old(served, tmp_path) -> None:
    with Bench(served) as bench:
        (path, *_) = (tmp_path / "locks").iterdir()
        os.utime(path, (0, 0))
        bench.beat("pause", 60.0)
        assert path.stat().st_mtime > 0


def test_all_users_of_a_machine_look_for_locks_in_one_folder(monkeypatch, tmp_path) -> None:
    monkeypatch.delenv("MAGNON_LAB_LOCKS")
    shared = tmp_path / "run" / "lock"
    monkeypatch.setattr(lock_module, "SHARED", shared)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert str(lock_module._folder()) == "/var/tmp/magnon-lab"
    shared.mkdir(parents=True)
    assert str(lock_module._folder()) == "/var/tmp/magnon-lab"  # only one user's
    shared.chmod(0o1777)
    assert lock_module._folder() == shared / "magnon-lab"


def test_a_folder_that_cannot_hold_locks_is_told(tmp_path) -> None:
    (tmp_path / "locks").write_text("a file")
    with pytest.raises(BenchError, match=r"cannot be taken: .*MAGNON_LAB_LOCKS name another"):
        BenchLock(["GPIB::6::INSTR"]).acquire("one")


def test_a_lock_says_who_in_json(served, tmp_path) -> None:
    lock = Bench(served).custody.lock
    assert lock is not None
    lock.acquire("bench set")
    texts = {path.read_text() for path in (tmp_path / "locks").iterdir()}
    assert len(texts) == 1
    said = json.loads(texts.pop())
    assert (said["pid"], said["what"]) == (os.getpid(), "bench set")
    lock.release()
