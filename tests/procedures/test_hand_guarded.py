"""Hand mode on a bench that outlives it."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from magnon_lab.bench import Bench, BenchFile
from magnon_lab.runs import RunFile, RunsFolder

from ..serving import Served
from .conftest import Operator, wait_for


def test_a_hand_mode_that_is_killed_is_made_safe_by_its_guard(
    served: Served, tmp_path: Path
) -> None:
    runs = tmp_path / "runs"
    words = ["run", "hand", "--runs", runs, "--bench", served.bench, "-p", "interval_s=0.1"]
    process = subprocess.Popen(
        [sys.executable, "-m", "magnon_lab.cli", *map(str, words)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(lambda: RunsFolder(runs).list())
        with RunFile.open(RunsFolder(runs).path_of("latest")) as run:
            operator = Operator(run)
            operator.sweeps()
            assert operator.set(attenuation_db=12.0, drive_power_dbm=-10.0, drive=True)["ok"]
            assert operator.set(field_mt=95.0)["ok"]
            time.sleep(0.3)
            process.kill()
            wait_for(lambda: [e for e in run.events("guard") if e.message == "the bench is safe"])
            assert run.status == "interrupted"
    finally:
        process.kill()
        process.wait()
    # The guard gives the bench back once it is done.
    wait_for(lambda: _held_by_nobody(served.bench))
    with Bench(BenchFile.load(served.bench), leave="unchanged", guard_command=None) as bench:
        found = bench.readback()
        assert found["attenuation_db"] == 60.0
        assert abs(found["field_mt"]) < 1.0
        assert not bench.stand.generator.is_on()
        assert bench.harm() == ()


def _held_by_nobody(bench: Path) -> bool:
    lock = Bench(BenchFile.load(bench), guard_command=None).custody.lock
    return lock is not None and lock.holder() is None
