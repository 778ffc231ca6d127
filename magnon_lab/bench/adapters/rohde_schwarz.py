"""Spectrum analysers of Rohde & Schwarz's FS series, with PyMeasure's own drivers."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from magnon_lab.bench.adapters.base import Adapter, number, read_errors, reference_of
from magnon_lab.bench.errors import InstrumentError
from magnon_lab.bench.quantities import unit_of
from magnon_lab.bench.roles import Found, Reference, Sweep
from magnon_lab.bench.schema import Readout, Role

DETECTORS = {"average": "RMS", "peak": "POS", "sample": "SAMP"}

OVERLOADS = 1 | 4 | 8
"""STAT:QUES:POW:COND? of FSW and FSV: RF overload, IF overload, input protection tripped."""

NO_REFERENCE = 256
"""STAT:QUES:FREQ:COND? of FSL and FSW: an external reference is chosen but cannot be used."""


class RohdeSchwarzAnalyser(Adapter[Role]):
    """An FSL, FSW or FSV; what the stock driver has no attribute for is sent as SCPI."""

    needs: ClassVar[tuple[str, ...]] = (
        "freq_start",
        "freq_stop",
        "res_bandwidth",
        "video_bandwidth",
        "attenuation",
        "continuous_sweep_enabled",
        "trace_mode",
    )
    event_status = True
    sweep_s = 0.0

    def connect(self) -> Found:
        """See `Instrument`."""
        identity = self.identity()
        with self.session as analyser:
            start, stop = analyser.freq_start, analyser.freq_stop
            attenuation = number(analyser.attenuation, "attenuation")
        return Found(
            identity,
            f"{start / 1e9:.6g} to {stop / 1e9:.6g} GHz, input attenuation {attenuation:g} dB",
        )

    def reference(self) -> Reference | None:
        """See `Instrument`."""
        with self.session as analyser:
            source = analyser.ask("ROSC:SOUR?")
            missing = int(analyser.ask("STAT:QUES:FREQ:COND?")) & NO_REFERENCE
        return reference_of(source, missing)

    def configure(self, readout: Readout) -> None:
        """See `Analyser`."""
        with self.session as analyser:
            analyser.continuous_sweep_enabled = False
            analyser.write("ABOR")
            analyser.attenuation = readout.input_attenuation_db  # what protects comes first
            analyser.write(f"DISP:TRAC:Y:RLEV {readout.reference_level_dbm:.2f}")
            analyser.freq_start = readout.start_hz
            analyser.freq_stop = readout.stop_hz
            analyser.freq_start = readout.start_hz
            analyser.write(f"SWE:POIN {readout.points}")
            analyser.res_bandwidth = readout.rbw_hz
            analyser.video_bandwidth = readout.vbw_hz
            analyser.sweep_time = "AUTO"
            analyser.trace_mode = "WRIT"
            analyser.write(f"DET {DETECTORS[readout.detector]}")
            found = {
                "start_hz": analyser.freq_start,
                "stop_hz": analyser.freq_stop,
                "points": float(analyser.ask("SWE:POIN?")),
                "rbw_hz": analyser.res_bandwidth,
                "vbw_hz": analyser.video_bandwidth,
                "input_attenuation_db": analyser.attenuation,
                "reference_level_dbm": float(analyser.ask("DISP:TRAC:Y:RLEV?")),
            }
            self.sweep_s = number(analyser.sweep_time, "sweep time")
        self.check_errors()
        for key, value in found.items():
            asked = float(getattr(readout, key))
            tolerance = 1e-6 * abs(asked) + 1e-6
            self.verify(f"readout.{key}", asked, number(value, key), tolerance, unit_of(key))
        self.session.allow(2 * self.sweep_s + 2)

    def sweep(self) -> Sweep:
        """See `Analyser`."""
        with self.session as analyser:
            if analyser.ask("INIT;*OPC?").strip() != "1":
                raise ConnectionError("expected 1 from *OPC?")
            overload = bool(int(analyser.ask("STAT:QUES:POW:COND?")) & OVERLOADS)
            trace = self._trace(analyser)
            errors = read_errors(analyser)
        self.refuse(errors)
        points = self.model.readout.points
        if trace.shape != (points,) or not np.isfinite(trace).all():
            raise InstrumentError(
                f"{self.session.told()}: expected a trace of {points} levels, got {trace.size} of "
                f"which {int(np.isfinite(trace).sum())} are numbers"
            )
        return Sweep(trace, overload)

    def _trace(self, analyser: Any) -> Any:
        # As a block: the stock driver's text is slow, and is an empty array if it starts with '#'.
        return analyser.adapter.connection.query_binary_values(
            "FORM REAL,32;:TRAC? TRACE1", datatype="f", is_big_endian=False, container=np.ndarray
        )
