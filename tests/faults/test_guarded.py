"""Real guards of real runs make the bench safe that their run could not make safe."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from magnon_lab.bench import BenchFile, write_served_bench
from magnon_lab.bench.benchfile import shipped_path
from magnon_lab.cli.run import use_compilation_cache
from magnon_lab.runs import RunsFolder
from magnon_lab.simulation import LaboratoryServer, serve, shipped_definition

from .laboratory import is_safe

SWEEP = (
    "attenuation_from_db=13",
    "attenuation_to_db=12",
    "attenuation_step_db=0.5",
    "drive_on=true",
)
SILENT_S = 5.0
"""The fault lasts longer than the run tries, by the wall."""


@pytest.fixture(scope="module")
def server() -> Iterator[LaboratoryServer]:
    use_compilation_cache()
    with serve(shipped_definition(), seed=4) as server:
        yield server


@pytest.fixture
def bench(server: LaboratoryServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A bench file that points to the server, and waits for no answer for long."""
    monkeypatch.setenv("MAGNON_LAB_LOCKS", str(tmp_path / "locks"))
    path = tmp_path / "served.yaml"
    write_served_bench(BenchFile.load(shipped_path()), server.resources, path)
    text = path.read_text().replace("    resource:", "    timeout_s: 0.3\n    resource:")
    path.write_text(text + "guard: {longest_pause_s: 1}\n")
    return path


def safe_now(server: LaboratoryServer) -> bool:
    server.laboratory.clock.sleep(1.0)
    return is_safe(server.laboratory, server.laboratory.clock.now())


@pytest.mark.parametrize(
    ("fault", "step"),
    [
        ("kind=hang,role=amplifier,command=OUTP,at=2", "amplifier bias off"),
        ("kind=cut,role=generator,command=:OUTP,at=3", "generator off"),
        ("kind=hang,role=field,command=OUTP,at=2", "field supply off"),
    ],
)
def test_what_the_run_could_not_switch_off_its_guard_does(
    server: LaboratoryServer, bench: Path, tmp_path: Path, fault: str, step: str
) -> None:
    server.laboratory.faults.clear()
    server.laboratory.faults.add(f"{fault},duration_s={SILENT_S}")
    words = ["run", "gain_sweep", "--json", "--bench", bench, "--runs", tmp_path]
    words += [word for one in SWEEP for word in ("-p", one)]
    # Into files: the guard, which outlives the run, has them open as well.
    with (tmp_path / "stdout").open("w") as stdout, (tmp_path / "stderr").open("w") as stderr:
        done = subprocess.run(
            [sys.executable, "-m", "magnon_lab.cli", *map(str, words)],
            stdout=stdout,
            stderr=stderr,
            check=False,
        )
    told = json.loads((tmp_path / "stdout").read_text().splitlines()[-1])
    assert (told["status"], done.returncode) == ("finished", 1), told["message"]
    assert "THE BENCH MAY STILL BE ON (" in told["message"]
    assert f"{step}: " in told["message"]
    assert "its guard goes on trying" in told["message"]
    with RunsFolder(tmp_path).find("latest") as run:
        assert run.info()["message"] == told["message"]
        until = time.monotonic() + 60.0
        while not any(event.message == "the bench is safe" for event in run.events("guard")):
            assert time.monotonic() < until, (tmp_path / "stderr").read_text()
            time.sleep(0.05)
        failed = [event.message for event in run.events("safe") if event.data.get("ok") is False]
        assert any(message.startswith(f"{step}: FAILED") for message in failed)
    assert safe_now(server)
    assert server.laboratory.plant.harm == []
