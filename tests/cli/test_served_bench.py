from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import pyvisa

from magnon_lab.runs import RunsFolder

from ..serving import Served
from .conftest import Command


def _ask(served: Served, role: str, query: str) -> str:
    manager = pyvisa.ResourceManager("@py")
    try:
        with manager.open_resource(
            served.resources[role], read_termination="\n", write_termination="\n"
        ) as instrument:
            return str(instrument.query(query)).strip()
    finally:
        manager.close()


def _assert_safe(served: Served) -> None:
    assert float(_ask(served, "attenuator", "ATT?")) == 60.0
    assert _ask(served, "generator", ":OUTP?") == "0"
    assert _ask(served, "amplifier", "OUTP? (@2)") == "0"
    assert _ask(served, "field", "OUTP?") == "0"
    assert abs(float(_ask(served, "field", "MEAS:CURR?"))) < 0.05
    assert _ask(served, "laboratory", "LAB:HARM?").startswith("0")


def test_limits_by_hand_and_safe(served_in_real_time: Served, command: Command) -> None:
    served = served_in_real_time
    bench = ("--bench", served.bench, "--json")
    assert command("bench", "check", *bench).code == 0
    assert command("bench", "set", "field_mt", "10", *bench).code == 0
    assert abs(float(_ask(served, "field", "MEAS:CURR?"))) > 0.2
    assert command("bench", "set", "drive_power_dbm", "20", *bench).code == 3
    assert _ask(served, "generator", ":OUTP?") == "0"
    assert len(command("bench", "trace", *bench).json["trace_dbm"]) == 401
    assert command("bench", "safe", *bench).code == 0
    _assert_safe(served)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGHUP, 1)])
def test_a_ramp_by_hand_that_is_cut_short_says_what_stays_on(
    served_in_real_time: Served, number: int, code: int
) -> None:
    served = served_in_real_time
    words = ["bench", "set", "field_mt", "140", "--bench", str(served.bench)]  # for seven seconds
    process = subprocess.Popen(
        [sys.executable, "-m", "magnon_lab.cli", *words], stderr=subprocess.PIPE, text=True
    )
    until = time.monotonic() + 30
    while float(_ask(served, "field", "CURR?")) < 0.3 and time.monotonic() < until:
        time.sleep(0.05)
    process.send_signal(number)
    _, told = process.communicate(timeout=10)
    assert process.returncode == code
    assert "stopped on the way at field_mt = " in told
    assert "is ON: magnon-lab bench safe" in told
    assert 0.3 <= float(_ask(served, "field", "CURR?")) < 3.0
    assert _ask(served, "field", "OUTP?") == "1"


@pytest.mark.parametrize(
    ("number", "again", "status", "code"),
    [
        (signal.SIGINT, False, "stopped", 130),
        (signal.SIGINT, True, "aborted", 130),
        (signal.SIGTERM, False, "aborted", 4),
        (signal.SIGHUP, False, "aborted", 4),
    ],
)
def test_signals_end_a_run_with_the_bench_safe(
    served: Served, tmp_path: Path, number: signal.Signals, again: bool, status: str, code: int
) -> None:
    runs = tmp_path / "runs"
    words = ["run", "train", "--json", "--runs", runs, "--bench", served.bench]
    words += ["-p", "task=spirals", "-p", "estimator=input", "-p", "batch_size=2"]
    words += ["-p", "budget=50000", "-p", "calibration=4", "-p", "shots=1"]
    process = subprocess.Popen(
        [sys.executable, "-m", "magnon_lab.cli", *map(str, words)],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        deadline = time.monotonic() + 60
        while not (found := RunsFolder(runs).list()) or found[0].steps < 2:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
        process.send_signal(number)
        if again:
            time.sleep(0.3)
            process.send_signal(number)
        stdout, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    told = json.loads(stdout.strip().splitlines()[-1])
    assert told["status"] == status
    assert process.returncode == code
    run = RunsFolder(runs).find("latest")
    assert run.status == status
    assert sum(run.counts().values()) == told["ring_measurements"]
    _assert_safe(served)
