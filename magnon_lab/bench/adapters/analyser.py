"""Spectrum analysers of the Keysight X-series."""

from __future__ import annotations

from typing import ClassVar

from magnon_lab.bench.adapters.base import Adapter, reference_of
from magnon_lab.bench.errors import InstrumentError, ReadBackError
from magnon_lab.bench.quantities import unit_of
from magnon_lab.bench.roles import Found, Reference, Sweep
from magnon_lab.bench.schema import Readout, Role


class KeysightAnalyser(Adapter[Role]):
    """An analyser whose driver takes a sweep with its status and errors in one go (`acquire`)."""

    needs: ClassVar[tuple[str, ...]] = (
        "acquire",
        "stop_sweeping",
        "window",
        "points",
        "resolution_bandwidth",
        "video_bandwidth",
        "attenuation",
        "reference_level",
        "preamplifier_enabled",
        "sweep_duration",
    )
    event_status = True
    sweep_s = 0.0
    _tells_sweeps = _tells_ends = False  # some firmware may not

    def connect(self) -> Found:
        """See `Instrument`."""
        identity = self.identity()
        with self.session as analyser:
            start, stop, *_ = analyser.window
            attenuation = analyser.attenuation
        return Found(
            identity,
            f"{start / 1e9:.6g} to {stop / 1e9:.6g} GHz, input attenuation {attenuation:g} dB",
        )

    def reference(self) -> Reference | None:
        """See `Instrument`."""
        if not hasattr(self.session.driver, "reference_unlocked"):
            return None
        with self.session as analyser:
            return reference_of(analyser.reference_source, analyser.reference_unlocked)

    def configure(self, readout: Readout) -> None:
        """See `Analyser`."""
        with self.session as analyser:
            analyser.stop_sweeping()
            # What protects the input comes first.
            analyser.attenuation = readout.input_attenuation_db
            analyser.preamplifier_enabled = False
            analyser.reference_level = readout.reference_level_dbm
            # In this order each is inside what the other allows, wherever they stood before.
            analyser.start_frequency = readout.start_hz
            analyser.stop_frequency = readout.stop_hz
            analyser.start_frequency = readout.start_hz
            analyser.points = readout.points
            analyser.resolution_bandwidth = readout.rbw_hz
            analyser.video_bandwidth = readout.vbw_hz
            analyser.sweep_time_auto = True
            analyser.trace_1.type = "write"
            analyser.trace_1.detector = readout.detector
            start, stop, *_ = analyser.window
            found = {
                "start_hz": start,
                "stop_hz": stop,
                "points": analyser.points,
                "rbw_hz": analyser.resolution_bandwidth,
                "vbw_hz": analyser.video_bandwidth,
                "input_attenuation_db": analyser.attenuation,
                "reference_level_dbm": analyser.reference_level,
            }
            states = {
                "continuous sweeping": (False, analyser.continuous),
                "preamplifier": (False, analyser.preamplifier_enabled),
                "type of trace 1": ("write", analyser.trace_1.type),
                "readout.detector": (readout.detector, analyser.trace_1.detector),
            }
            self.sweep_s = float(analyser.sweep_duration)
        self.check_errors()
        for key, value in found.items():
            asked = float(getattr(readout, key))
            self.verify(f"readout.{key}", asked, value, 1e-6 * abs(asked) + 1e-6, unit_of(key))
        for what, (wanted, state) in states.items():
            if state != wanted:
                raise ReadBackError(
                    f"{self.session.told()}: {what} was set to {wanted!r} but reads back as "
                    f"{state!r}"
                )
        # One message waits for the sweep to end, so it must be allowed to.
        self.session.allow(2 * self.sweep_s + 2)

    def sweep(self) -> Sweep:
        """See `Analyser`."""
        with self.session as analyser:
            taken = analyser.acquire()
        self.refuse(taken.errors)
        if self._tells_sweeps and not taken.swept:
            raise InstrumentError(
                f"{self.session.told()}: no sweep was made; the trace that it sent is an older one"
            )
        if self._tells_ends and taken.sweeping:
            raise InstrumentError(
                f"{self.session.told()}: it said that the sweep was over while it still swept"
            )
        self._tells_sweeps, self._tells_ends = taken.swept, not taken.sweeping
        if len(taken.trace) != self.model.readout.points:
            raise InstrumentError(
                f"{self.session.told()}: a trace of {len(taken.trace)} points instead of "
                f"readout.points, {self.model.readout.points}; was it turned by hand?"
            )
        return Sweep(taken.trace, taken.overload)
