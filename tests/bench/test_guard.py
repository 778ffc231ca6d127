"""Real processes, really killed: what is on at a served bench goes off."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from magnon_lab.bench import Bench, BenchFile, GuardLostError, write_served_bench
from magnon_lab.bench import guard as guard_module
from magnon_lab.bench.byhand import make_safe
from magnon_lab.bench.guard import Guard
from magnon_lab.simulation import serve, shipped_definition

from .guarding import Run, alive, children, full_pipe, gone_within, is_safe, outputs, waited


@pytest.fixture(autouse=True)
def _own_locks(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("MAGNON_LAB_LOCKS", str(tmp_path / "locks"))


def test_a_killed_run_leaves_a_safe_bench_within_five_seconds(run, server) -> None:
    one = run()
    assert all(on for name, on in outputs(server).items() if name != "loop")
    one.process.send_signal(signal.SIGKILL)
    assert waited(lambda: is_safe(server), 5.0), outputs(server)  # a virtual ramp takes no time
    assert gone_within(one.guard, 5.0)


def test_a_run_that_hangs_is_ended_and_the_bench_made_safe(run, server) -> None:
    one = run(0.3, "deaf")
    assert one.process.wait(10.0) == -signal.SIGKILL
    assert waited(lambda: is_safe(server), 5.0), outputs(server)


def test_a_stopped_run_hangs_too(run, server) -> None:
    one = run(3.0)  # long enough that it is stopped before it is ended, also on a busy machine
    one.process.send_signal(signal.SIGSTOP)
    assert one.process.wait(10.0) == -signal.SIGKILL
    assert waited(lambda: is_safe(server), 5.0), outputs(server)


def test_a_run_that_says_how_long_it_takes_is_left_alone(run, server) -> None:
    one = run(60.0)
    time.sleep(1.5)
    assert one.process.poll() is None
    assert not is_safe(server)


@pytest.mark.parametrize("how", ["killed", "hung"])
def test_a_guard_acts_though_nobody_takes_what_it_tells(run, server, how) -> None:
    read, write = full_pipe()
    try:
        one = run(0.3, "deaf", stderr=write) if how == "hung" else run(stderr=write)
        if how == "killed":
            one.process.send_signal(signal.SIGKILL)
        assert one.process.wait(10.0) == -signal.SIGKILL
        assert waited(lambda: is_safe(server), 5.0), outputs(server)
        assert gone_within(one.guard, 10.0)
    finally:
        os.close(read)
        os.close(write)


@pytest.mark.parametrize("found_by", ["its silence", "a pipe that it does not empty"])
def test_a_guard_that_hangs_is_replaced(served, tmp_path, monkeypatch, found_by) -> None:
    monkeypatch.setattr(guard_module, "SILENT_S", 2.0 if found_by == "its silence" else 1000.0)
    with Bench(served) as bench:
        bench.start()
        guard = bench.custody.guard
        assert guard is not None
        first = guard.pid
        os.kill(first, signal.SIGSTOP)
        if found_by != "its silence":
            for _ in range(100):
                guard.report_to(tmp_path / ("x" * 3000))
        assert waited(lambda: guard.pid != first, 20.0)
        assert not alive(first)
        assert bench.measure([[-10.0, 4.465e9, 12.0]]).complete
    assert all(outcome.ok for outcome in bench.outcomes)


def test_nothing_is_measured_while_no_guard_stands(served, monkeypatch) -> None:
    monkeypatch.setattr(guard_module, "REPLACED_S", 0.5)
    with Bench(served) as bench:
        bench.start()
        guard = bench.custody.guard
        assert guard is not None
        guard.command = (sys.executable, "-c", "import time; time.sleep(600)")
        os.kill(guard.pid, signal.SIGKILL)
        with pytest.raises(GuardLostError):
            bench.measure([[-10.0, 4.465e9, 12.0]] * 200)
        assert not bench.started
    assert all(outcome.ok for outcome in bench.outcomes)


def test_a_guard_that_comes_to_stand_after_a_hand_over_acts(served, server) -> None:
    guard = Guard(served)
    guard.start()
    guard.require()
    server.laboratory.instruments["attenuator"].values["attenuation"] = 30.0
    first = guard.pid
    watch = "magnon_lab.bench.watch"
    code = f"import runpy, time; time.sleep(1); runpy.run_module('{watch}', run_name='__main__')"
    guard.command = (sys.executable, "-c", code)
    os.kill(first, signal.SIGKILL)
    assert waited(lambda: any(pid != first for pid in children(os.getpid())), 5.0)
    guard.hand_over()
    assert waited(lambda: is_safe(server), 20.0), outputs(server)
    assert gone_within(guard.pid, 10.0)


def test_a_file_named_like_a_library_in_the_current_folder_is_no_library(
    served, tmp_path, monkeypatch
) -> None:
    (tmp_path / "yaml.py").write_text("raise SystemExit('a stranger')")
    monkeypatch.chdir(tmp_path)
    guard = Guard(served)
    guard.start()
    guard.require()
    guard.release()


def test_a_killed_guard_is_replaced_and_the_next_one_does_its_duty(run, server, served) -> None:
    one = run()
    os.kill(one.guard, signal.SIGKILL)
    successor = 0

    def replaced() -> bool:
        nonlocal successor
        listed = Path(f"/proc/{one.process.pid}/task/{one.process.pid}/children").read_text()
        # started by a thread: look for whoever has the run as its parent
        found = [int(pid) for pid in listed.split()] or children(one.process.pid)
        successor = next((pid for pid in found if pid != one.guard and alive(pid)), 0)
        return bool(successor)

    assert waited(replaced, 2.0)
    time.sleep(1.0)  # it comes to stand
    assert not is_safe(server)
    one.process.send_signal(signal.SIGKILL)
    assert waited(lambda: is_safe(server), 5.0), outputs(server)
    assert gone_within(successor, 5.0)


def test_a_run_that_dies_while_its_next_guard_starts_leaves_a_safe_bench(run, server) -> None:
    one = run()
    os.kill(one.guard, signal.SIGKILL)
    assert waited(lambda: any(pid != one.guard for pid in children(one.process.pid)), 2.0)
    one.process.send_signal(signal.SIGKILL)  # before it stands, which takes a busy machine long
    assert waited(lambda: is_safe(server), 20.0), outputs(server)


@pytest.mark.parametrize("following", ["bench safe", "the next run"])
def test_run_and_guard_gone_at_once_leave_all_as_it_was_until_the_next_command(
    run, server, served, following
) -> None:
    one = run()
    one.process.send_signal(signal.SIGSTOP)  # it starts no other guard
    os.kill(one.guard, signal.SIGKILL)
    one.process.send_signal(signal.SIGKILL)
    one.process.wait()
    assert gone_within(one.guard, 5.0)
    time.sleep(1.0)
    assert all(on for name, on in outputs(server).items() if name != "loop")  # nobody acts
    lock = Bench(served).custody.lock
    assert lock is not None
    assert lock.holder() is None  # nor is anybody kept from acting
    harm = len(server.laboratory.plant.harm)
    if following == "bench safe":
        assert all(outcome.ok for outcome in make_safe(served))
    else:
        with Bench(served) as bench:
            assert bench.start()  # takes the magnet over where it stands
            assert bench.measure([[-10.0, 4.465e9, 12.0]]).complete
    assert is_safe(server)
    assert len(server.laboratory.plant.harm) == harm


def test_ctrl_c_in_the_terminal_passes_the_guard_by(run, server) -> None:
    one = run()
    os.kill(one.guard, signal.SIGINT)
    os.kill(one.guard, signal.SIGHUP)
    assert os.getsid(one.guard) == one.guard  # a session of its own
    assert not gone_within(one.guard, 0.5)


def test_an_orderly_end_releases_the_guard_which_touches_nothing(served, server) -> None:
    with Bench(served) as bench:
        bench.start()
        guard = bench.custody.guard
        assert guard is not None
        pid = guard.pid
        bench.safe()
        before = len(server.laboratory.plant.wire)
    assert gone_within(pid, 2.0)
    sent = list(server.laboratory.plant.wire)[before:]
    assert len([entry for entry in sent if b"SETATT" in entry[3]]) <= 1  # leaving: safe once more


def test_nothing_is_switched_on_without_a_guard(served, server) -> None:
    broken = (sys.executable, "-c", "print('no room for a guard')")
    with Bench(served, guard_command=broken) as bench:
        with pytest.raises(GuardLostError, match="no room for a guard"):
            bench.start()
        with pytest.raises(GuardLostError, match="Nothing is switched on"):
            bench.set("drive_power_dbm", -20.0)
    assert is_safe(server)


def test_a_run_whose_guard_cannot_be_replaced_learns_it_with_its_next_beat(served) -> None:
    with Bench(served) as bench:
        bench.start()
        assert bench.custody.guard is not None
        bench.custody.guard.command = ("/nonexistent/guard",)
        os.kill(bench.custody.guard.pid, signal.SIGKILL)

        def lost() -> bool:
            try:
                bench.beat("measure", 60.0)
            except GuardLostError:
                return True
            return False

        assert waited(lost, 2.0)
        with pytest.raises(GuardLostError):
            bench.measure([[-10.0, 4.465e9, 12.0]])
        assert not bench.started
    assert all(outcome.ok for outcome in bench.outcomes)


def test_a_replacement_that_is_killed_as_it_starts_is_replaced_too(served, tmp_path) -> None:
    starts = tmp_path / "starts"
    code = (
        "import os, signal, sys\n"
        f"open({str(starts)!r}, 'a').write('.')\n"
        f"number = os.path.getsize({str(starts)!r})\n"
        "number == 2 and os.kill(os.getpid(), signal.SIGKILL)\n"
        "os.execv(sys.executable, [sys.executable, '-m', 'magnon_lab.bench.watch'])\n"
    )
    with Bench(served, guard_command=(sys.executable, "-c", code)) as bench:
        bench.start()
        guard = bench.custody.guard
        assert guard is not None
        first = guard.pid
        os.kill(first, signal.SIGKILL)
        assert waited(lambda: guard.pid != first and alive(guard.pid), 30.0)
        bench.beat("measure", 60.0)
        assert len(starts.read_text()) == 3
    assert all(outcome.ok for outcome in bench.outcomes)


def test_a_run_that_switched_nothing_on_leaves_the_bench_as_it_was_found(served, server) -> None:
    code = """
import os, sys
from magnon_lab.bench import Bench, BenchFile
bench = Bench(BenchFile.load(sys.argv[1])).__enter__()
bench.custody.guard._ready.wait(30)
print(bench.custody.guard.pid, flush=True)
os._exit(1)
"""
    server.laboratory.instruments["attenuator"].values["attenuation"] = 30.0
    done = subprocess.run(
        [sys.executable, "-c", code, str(served.path)], capture_output=True, text=True, check=False
    )
    assert gone_within(int(done.stdout), 5.0)
    assert done.stderr == ""
    assert server.laboratory.instruments["attenuator"].values["attenuation"] == 30.0


def test_an_in_process_laboratory_needs_neither_guard_nor_lock(shipped) -> None:
    with Bench(shipped) as bench, Bench(shipped) as other:
        assert bench.custody.guard is None
        assert other.custody.lock is None
        assert not bench.guarded


def test_the_guard_tries_again_until_the_instruments_answer(shipped, tmp_path) -> None:
    first = serve(shipped_definition(), seed=4)
    ports = {role: int(name.split("::")[2]) for role, name in first.resources.items()}
    path = tmp_path / "served.yaml"
    write_served_bench(shipped, first.resources, path)
    with path.open("a") as file:
        file.write("guard: {timeout_s: 0.5, give_up_s: 30, longest_pause_s: 0.5}\n")
    one = Run(path, 60.0)
    first.close()
    one.end()
    time.sleep(1.0)
    assert alive(one.guard)
    second = serve(shipped_definition(), ports=ports, seed=4)
    try:
        values = second.laboratory.instruments["attenuator"].values
        values["attenuation"] = 5.0
        assert gone_within(one.guard, 15.0)
        assert values["attenuation"] == 60.0
    finally:
        second.close()


def test_a_guard_gives_up_in_the_end(shipped, tmp_path) -> None:
    gone = serve(shipped_definition(), seed=4)
    path = tmp_path / "served.yaml"
    write_served_bench(shipped, gone.resources, path)
    with path.open("a") as file:
        file.write("guard: {give_up_s: 0.5}\n")
    gone.close()
    (tmp_path / "record").mkdir()
    guard = Guard(BenchFile.load(path))
    guard.start()
    guard.require()
    guard.report_to(tmp_path / "record")
    pid = guard.pid
    guard.hand_over()
    assert gone_within(pid, 30.0)
    told = (tmp_path / "record" / "guard.log").read_text()
    assert "GIVEN UP" in told
    assert "cannot be reached" in told
