"""Processes that switch a served bench on, with their guards, and what is on there."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

RUN = """
import sys, time, signal
from magnon_lab.bench import Bench, BenchFile
bench_file = BenchFile.load(sys.argv[1])
with Bench(bench_file, what="run 3f2a") as bench:
    bench.start()
    bench.beat("measure", float(sys.argv[2]))
    if "deaf" in sys.argv:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print(bench.custody.guard.pid, flush=True)
    if "gone" in sys.argv:
        while bench.custody.guard.pid:
            time.sleep(0.05)
            bench.beat("measure", 60.0)
    time.sleep(600)
"""


class Run:
    """A process that has switched a bench on, with its guard."""

    def __init__(self, bench: Path, *words: object, stderr: int = subprocess.DEVNULL) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", RUN, str(bench), *map(str, words)],
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
        assert self.process.stdout is not None
        self.guard = int(self.process.stdout.readline())

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


def full_pipe() -> tuple[int, int]:
    """Return the two ends of a pipe that nobody empties, and that blocks who writes to it."""
    read, write = os.pipe()
    os.set_blocking(write, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(write, bytes(1 << 16))
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(write, b"0")
    os.set_blocking(write, True)
    return read, write


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def gone_within(pid: int, seconds: float) -> bool:
    return waited(lambda: not alive(pid), seconds)


def waited(happened: Callable[[], bool], seconds: float) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if happened():
            return True
        time.sleep(0.02)
    return happened()


def outputs(server) -> dict[str, bool]:
    values = {role: one.values for role, one in server.laboratory.instruments.items()}
    return {
        "drive": values["generator"]["output"],
        "bias": any(values["amplifier"]["output"].values()),
        "field": values["field"]["output"],
        "loop": values["attenuator"]["attenuation"] != 60.0,
    }


def is_safe(server) -> bool:
    return not any(outputs(server).values())


def children(pid: int) -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found.append(int(entry.parent.name))
    return found
