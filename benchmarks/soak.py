"""Kill a run on a served bench, again and again: is it safe, is anything lost, does it go on.

A laboratory is served by another process. A training runs on it and is disturbed again and again,
seeded: the run is killed (SIGKILL), its guard is killed, both are killed at once, a viewer of it
(the window, or `watch`) is killed, or the connection of an instrument is cut. After a kill of the
run the time until every output is off and the loop is open is taken, what the run file held before
is compared with what it holds after, and the run is resumed. Where both are killed nobody is left
to act, unless the run had started another guard in time: then `magnon-lab bench safe` is what makes
it safe. On a virtual clock the field's ramp takes no time; with `--pace real` it takes its own, and
5 s beside it are allowed.

    python benchmarks/soak.py [--kills 20] [--seed 0] [--pace virtual] [--keep FOLDER]
"""

import argparse
import json
import math
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pyvisa

from magnon_lab.bench import BenchFile
from magnon_lab.runs import RunFile, RunsFolder

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

GOAL_S = 5.0
CLI = (sys.executable, "-m", "magnon_lab.cli")
VIEWERS = {"the window": ("gui",), "watch": ("watch",)}
TRAINING = (
    "task=spirals", "estimator=input", "batch_size=2", "shots=1", "calibration=4",
    "budget=100000000",
)  # fmt: skip


class Laboratory:
    """The served instruments, asked by sessions of our own."""

    def __init__(self, resources: dict[str, str]) -> None:
        self._manager = pyvisa.ResourceManager("@py")
        self._resources = resources

    def ask(self, role: str, message: str) -> str:
        """Return what one instrument answers."""
        with self._manager.open_resource(
            self._resources[role], read_termination="\n", write_termination="\n"
        ) as one:
            return str(one.query(message)).strip()

    def safe(self) -> bool:
        """Return whether every output is off and the loop open."""
        on = (("generator", ":OUTP?"), ("amplifier", "OUTP? (@2)"), ("field", "OUTP?"))
        return float(self.ask("attenuator", "ATT?")) == 60.0 and all(
            float(self.ask(role, question)) == 0 for role, question in on
        )


def waited(happened: Callable[[], object], seconds: float) -> float:
    """Return after how many seconds it happened; raise `TimeoutError` if it did not."""
    began = time.monotonic()
    while not happened():
        if time.monotonic() - began > seconds:
            raise TimeoutError(f"not within {seconds:g} s")
        time.sleep(0.02)
    return time.monotonic() - began


def guard_of(pid: int) -> int:
    """Return the process id of a run's guard, 0 if there is none."""
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
            command = (entry.parent / "cmdline").read_bytes()
        except OSError:
            continue
        if int(fields[1]) == pid and b"magnon_lab.cli.guard" in command and fields[0] != "Z":
            return int(entry.parent.name)
    return 0


class Soak:
    """One run, disturbed and resumed."""

    def __init__(self, folder: Path, bench: Path, laboratory: Laboratory, ramp_s: float) -> None:
        self.folder, self.bench, self.laboratory = folder, bench, laboratory
        self.allowed_s = GOAL_S + ramp_s
        self.longest_s = 0.0
        self.log = (folder / "soak.log").open("ab")
        self.process = self.start("run", "train", "--bench", str(bench), *self.parameters())
        waited(lambda: RunsFolder(folder / "runs").list(), 120)
        self.run: RunFile = RunsFolder(folder / "runs").find("latest")

    @staticmethod
    def parameters() -> list[str]:
        """Return the words of a long training."""
        return [word for one in TRAINING for word in ("-p", one)]

    def start(self, *words: str, runs: bool = True) -> subprocess.Popen[bytes]:
        """Start a command of ours, on the runs of this soak."""
        command = [*CLI, *words, *(("--runs", str(self.folder / "runs")) if runs else ())]
        return subprocess.Popen(command, stdout=self.log, stderr=self.log)

    def steps(self) -> int:
        """Return how many steps the run file holds."""
        return len(self.run.steps()["step"])

    def goes_on(self, more: int = 2) -> None:
        """Wait until the run has made some more steps."""
        until = self.steps() + more
        waited(lambda: self.steps() >= until or self.process.poll() is not None, 120)
        if self.process.poll() is not None:
            raise RuntimeError(f"the run ended by itself with code {self.process.returncode}")

    def kill_run(self) -> str:
        """Kill the run; return what came of it. Raises for a bench that is not safe in time."""
        steps, measured = self.steps(), sum(self.run.counts().values())
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        safe_s = waited(self.laboratory.safe, 60.0)
        lost = max(0, steps - self.steps()) + max(0, measured - sum(self.run.counts().values()))
        self.process = self.start("resume", self.run.id)
        self.goes_on()
        self.longest_s = max(self.longest_s, safe_s)
        if lost or safe_s > self.allowed_s:
            raise RuntimeError(f"{lost} rows lost, safe after {safe_s:.2f} s")
        return f"safe after {safe_s:.2f} s, 0 rows lost of {steps} steps, resumed"

    def kill_both(self) -> str:
        """Kill run and guard at once: what holds then, and that `bench safe` mends it."""
        steps, measured = self.steps(), sum(self.run.counts().values())
        os.kill(guard_of(self.process.pid), signal.SIGKILL)
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        try:
            told = f"another guard made it safe after {waited(self.laboratory.safe, GOAL_S):.2f} s"
        except TimeoutError:
            code = self.start("bench", "safe", "--bench", str(self.bench), runs=False).wait(60)
            if code or not self.laboratory.safe():
                raise RuntimeError(f"bench safe ended with {code}, and all is not off") from None
            told = "nobody acted, `bench safe` made it safe"
        lost = max(0, steps - self.steps()) + max(0, measured - sum(self.run.counts().values()))
        self.process = self.start("resume", self.run.id)
        self.goes_on()
        if lost:
            raise RuntimeError(f"{lost} rows lost")
        return f"{told}, 0 rows lost of {steps} steps, resumed"

    def kill_guard(self) -> str:
        """Kill the guard; the run must have another, and go on."""
        guard = guard_of(self.process.pid)
        os.kill(guard, signal.SIGKILL)
        new_s = waited(lambda: guard_of(self.process.pid) not in (0, guard), 10.0)
        self.goes_on()
        return f"another started after {new_s:.2f} s, the run goes on"

    def kill_viewer(self, viewer: str, after_s: float) -> str:
        """Kill what looks at the run, while it opens or reads; the run must not notice."""
        steps, pid = self.steps(), self.process.pid
        one = self.start(*VIEWERS[viewer], self.run.id)
        time.sleep(after_s)
        one.kill()
        one.wait()
        self.goes_on()
        if self.process.pid != pid or self.steps() < steps:
            raise RuntimeError("the run noticed")
        return f"{viewer} killed after {after_s:.1f} s, the run goes on"

    def cut(self, role: str) -> str:
        """Cut an instrument's connection; the run must open it anew, and go on."""
        self.laboratory.ask("laboratory", f'LAB:FAUL:ADD "kind=cut,role={role},at=1";*OPC?')
        self.goes_on()
        return f"{role} opened anew, the run goes on"


def main() -> int:
    """Disturb, print, and tell by the exit code whether all went well."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pace", choices=("virtual", "real"), default="virtual")
    parser.add_argument("--keep", type=Path, help="folder for the runs, kept afterwards")
    asked = parser.parse_args()
    chance = random.Random(asked.seed)
    with ExitStack() as stack:
        folder = asked.keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        bench = folder / "served.yaml"
        server = subprocess.Popen(
            [*CLI, "bench", "serve", "--json", "--pace", asked.pace, "--write-bench", str(bench)],
            stdout=subprocess.PIPE,
        )
        stack.callback(server.terminate)
        assert server.stdout is not None
        laboratory = Laboratory(json.loads(server.stdout.readline()))
        served = BenchFile.load(bench)
        ramp_s = served.hold["field_mt"] / (served.model.limits.field_slew_mt_per_s or math.inf)
        soak = Soak(folder, bench, laboratory, 0.0 if asked.pace == "virtual" else ramp_s)
        stack.callback(lambda: soak.process.kill())
        soak.goes_on()
        targets: Counter[str] = Counter()
        for number in range(1, asked.kills + 1):
            time.sleep(chance.uniform(0.0, 1.5))
            target = chance.choice(("run", "run", "guard", "both", "viewer", "connection"))
            targets[target] += 1
            if target == "run":
                told = soak.kill_run()
            elif target == "guard":
                told = soak.kill_guard()
            elif target == "both":
                told = soak.kill_both()
            elif target == "viewer":
                told = soak.kill_viewer(chance.choice(tuple(VIEWERS)), chance.uniform(0.3, 4.0))
            else:
                told = soak.cut(chance.choice(("analyser", "generator", "attenuator")))
            print(f"{number:4} {target:10} {told}", flush=True)
        soak.process.terminate()
        code = soak.process.wait(60)
        harm = laboratory.ask("laboratory", "LAB:HARM?")
        good = laboratory.safe() and code == 4 and harm.startswith("0")
        print(
            f"{targets}, safe after {soak.longest_s:.2f} s at most, {soak.allowed_s:.2f} s allowed"
        )
        print(f"ended with code {code}, damage {harm}: {'all well' if good else 'NOT well'}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
