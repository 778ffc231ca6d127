"""Runs that tell of a bench, written as a run's process writes them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from magnon_lab.bench import BenchFile
from magnon_lab.bench.benchfile import shipped_path
from magnon_lab.gui.model.run_view import RunView
from magnon_lab.gui.model.snapshot import Snapshot
from magnon_lab.runs import MeasurementBlock, RunFile, RunsFolder

SHIPPED = BenchFile.load(shipped_path())
SERVED = BenchFile.parse(
    SHIPPED.text.replace("visa_library: sim_instruments.yaml@magnon", "visa_library: '@py'")
)
"""The same instruments, in processes of their own."""

HELD = {
    "drive_power_dbm": -60.0,
    "drive_frequency_hz": 4.465e9,
    "attenuation_db": 60.0,
    "field_mt": 92.0,
    "amplifier_voltage_v": 12.0,
}
IDENTITIES = {
    "analyser": "Keysight,N9000A,1,1",
    "generator": "Keysight,E8257D,1,1",
    "attenuator": "RCDAT,1",
    "field": "KEPCO,1",
    "probe": "LSCI,MODEL425,1",
    "amplifier": "Keysight,E36312A,1,1",
    "laboratory": "Magnon Lab,1",
}


class Recorded:
    """A run that is written step by step, and read as a window reads it."""

    def __init__(
        self,
        folder: Path,
        procedure: str = "hand",
        bench: BenchFile = SHIPPED,
        identities: Mapping[str, str] = IDENTITIES,
        **parameters: Any,
    ) -> None:
        configuration = HELD | {"idle_min": 30.0, "drive_on": False} | parameters
        runs = RunsFolder(folder)
        self.run: RunFile = runs.create(procedure, configuration, bench.text, 0, True)
        self.run.set_identities(identities)
        self.run.set_frequencies(bench.frequencies_hz)
        self.run.start()
        self.view = RunView(self.run.folder)
        self.number = 0

    def switch_on(self, drive: bool = False) -> None:
        """Journal a start of the bench."""
        self.output("attenuator to maximum: 60 dB", attenuation_db=60.0)
        self.output("generator off: RF off, -60 dBm", drive_power_dbm=-60.0)
        self.output("field supply on: done")
        self.run.event("ramp", "outcome", "field reads 91.850 mT", {"field_mt": 91.85})
        self.output(
            "amplifier bias on: 12 V, 0.380 A", amplifier_voltage_v=12.0, amplifier_current_a=0.38
        )
        if drive:
            self.output("generator on: done")

    def output(self, message: str, **data: float) -> None:
        """Journal that an output was switched."""
        self.run.event("output", "intent", message.partition(":")[0])
        self.run.event("output", "outcome", message, data)

    def quiet(self, kind: str = "safe", failed: str = "") -> None:
        """Journal a way to standby or to the safe state; the step `failed` fails."""
        steps: dict[str, dict[str, float]] = {
            "attenuator to maximum": {"attenuation_db": 60.0},
            "generator off": {"drive_power_dbm": -60.0},
        }
        if kind != "standby":
            steps |= {
                "amplifier bias off": {"amplifier_current_a": 0.0},
                "field to zero": {},
                "current and field read back": {"field_current_a": 0.0, "field_mt": 0.07},
                "field supply off": {"field_output_on": 0.0},
            }
        for name, readback in steps.items():
            ok = name != failed
            text = f"{name}: {'' if ok else 'FAILED, '}told"
            self.run.event(kind, "outcome", text, {"ok": ok, **(readback if ok else {})})

    def sweep(
        self,
        trace_dbm: np.ndarray | None = None,
        flags: int = 0,
        found: Mapping[str, float] | None = None,
        **requested: float,
    ) -> None:
        """Record a measurement that set these quantities, and read them back as `found`."""
        read = requested | dict(found or {})
        points = SHIPPED.readout.points
        trace = np.full(points, -70.0, np.float32) if trace_dbm is None else trace_dbm
        self.run.record_measurements(
            MeasurementBlock(
                numbers=[self.number],
                purpose="hand",
                knobs=tuple(requested),
                requested=np.array([list(requested.values())]),
                realised=np.array([[read.get(name, math.nan) for name in requested]]),
                traces_dbm=trace[None],
                flags=[flags],
                bench_time_s=[float(self.number)],
            )
        )
        self.number += 1

    def answer(self, request: int, asked: Mapping[str, Any], why: str = "") -> None:
        """Journal what came of a request."""
        told = {"requests": [request], "asked": dict(asked), "ok": not why}
        if why:
            self.run.event("set", "outcome", f"refused: {why}", told | {"why": why})
        else:
            self.run.event("set", "outcome", "reads", told | {"found": dict(asked)})

    def snapshot(self) -> Snapshot:
        """Return the run as it is now."""
        while self.view.look(1.0):
            pass
        return self.view.snapshot
