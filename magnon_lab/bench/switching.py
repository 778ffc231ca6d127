"""Outputs on and off: start-up, standby and the safe state, which mirror one another.

RF off is not safe by itself: the ring rings on. So the loop is opened first, and closed last.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from magnon_lab.bench import roles
from magnon_lab.bench.errors import BenchError, InstrumentError, OutputLostError, ReadBackError
from magnon_lab.bench.session import Session
from magnon_lab.bench.stand import Stand
from magnon_lab.bench.steps import Step, StepError, StepOutcome, run_steps, signals_deferred
from magnon_lab.bench.turning import ShouldStop, Turner

Readback = tuple[str, dict[str, float]]


class Switching:
    """The three states of a bench's outputs."""

    def __init__(self, stand: Stand, turner: Turner) -> None:
        self.stand = stand
        self.turner = turner
        self.drive_on = False
        self._looked_after = False
        self._set_to_zero = False  # the magnet's set point, as read back

    def start(
        self, hold: Mapping[str, float], drive: bool, should_stop: ShouldStop | None = None
    ) -> bool:
        """Switch everything on at `hold` (every quantity), the loop closed last.

        Returns False if `should_stop` ended the field's ramp. Whatever raises, raises at once: the
        caller makes the bench safe.
        """
        stand, turner = self.stand, self.turner
        stand.refuse_hazards()
        self._told("attenuator to maximum", self._attenuator_to_maximum)
        self._told("generator off", self._generator_off)
        self._set_analyser_up()
        self._told("trial sweep", self._trial_sweep)
        self._told("generator made a plain source", stand.generator.prepare)
        if stand.field is not None:
            self.switch_field_on()
            if not turner.move_field(hold["field_mt"], should_stop):
                return False
        if stand.amplifier is not None:
            self._told("amplifier bias on", self._bias_on)
            if hold["amplifier_voltage_v"] != turner.requested.get("amplifier_voltage_v"):
                turner.bias(hold["amplifier_voltage_v"])
        turner.drive(hold["drive_power_dbm"], hold["drive_frequency_hz"])
        if drive:
            self.switch_drive_on()
        turner.attenuate(hold["attenuation_db"])
        return True

    def make_ready(self, quantity: str, value: float) -> None:
        """Switch on by hand what a quantity needs before it is turned, if it is off.

        The analyser is set up first: what it would see must find its input attenuation in place.
        """
        if not self._looked_after:
            self._set_analyser_up()
        if quantity == "field_mt":
            self.switch_field_on()
        elif quantity == "amplifier_voltage_v" and value > 0:
            if self.stand.amplifier is not None and not self.stand.amplifier.is_on():
                self._told("amplifier bias on", self._bias_on)
        elif quantity.startswith("drive_") and not self.drive_on:
            self._told("generator made a plain source", self.stand.generator.prepare)

    def verify(self) -> None:
        """Raise `OutputLostError` if an output that was switched on is off: a trip, or a hand.

        Raises `ReadBackError` for an attenuator that was moved by anyone else.
        """
        stand = self.stand
        outputs: list[tuple[str, roles.Switched | None]] = [
            ("field", stand.field),
            ("amplifier", stand.amplifier),
            ("generator", stand.generator if self.drive_on else None),
        ]
        for role, instrument in outputs:
            if instrument is not None and not instrument.is_on():
                raise OutputLostError(
                    f"{stand.sessions[role].told()}: its output is off although it was switched "
                    "on: has a protection tripped, or someone switched it off by hand?"
                )
        set_db = self.turner.realised.get("attenuation_db")
        if set_db is not None and (found_db := stand.attenuator.attenuation_db()) != set_db:
            raise ReadBackError(
                f"{stand.sessions['attenuator'].told()}: at {found_db:g} dB although {set_db:g} dB "
                "was read back when it was set"
            )

    def recover(self) -> None:
        """After a fault: believe nothing, open the loop, and set up again what is not switched.

        Everything else is sent again when it is turned next. Raises what went wrong once more,
        `OutputLostError` if an output is off by now.
        """
        stand, turner = self.stand, self.turner
        stand.journal("retry", "intent", "sessions opened and instruments set up anew", {})
        turner.forget()
        stand.reconnect()
        self._attenuator_to_maximum()
        self.verify()
        stand.generator.prepare()
        stand.analyser.configure(stand.model.readout)
        stand.journal("retry", "outcome", "instruments answer and are set up", {})

    def switch_drive_on(self) -> None:
        """Switch the generator's output on, at what it is set to."""
        if self.drive_on:
            return
        self._told("generator on", lambda: self.stand.generator.switch(True))
        self.drive_on = True
        self.turner.settle(self.stand.model.settle.drive_s)

    def switch_field_on(self) -> None:
        """Take the magnet's supply over, and switch it on at zero current if it is off."""
        if self.stand.field is not None:
            self._told("field supply taken over", self.stand.field.take_over)
            self._told("field supply on", self.stand.field.switch_on)

    def standby(self) -> list[StepOutcome]:
        """Open the loop and switch the drive off; field and bias stay."""
        with signals_deferred():
            return run_steps("standby", self._quiet_steps(), self.stand.journal)

    def safe(self) -> list[StepOutcome]:
        """Switch everything off, each step tried whatever the others did.

        Nothing is left out for what an instrument says of itself, which may be stale. A magnet's
        supply that still carries current is left on and held, and the last step says so: switched
        off, it would be a step to zero. One whose read-backs contradict each other is believed by
        majority (current, set point, probe), and its steps say that they are unsure.
        """
        with signals_deferred():
            outcomes = run_steps("safe", self._safe_steps(), self.stand.journal)
            self.turner.forget()
            return outcomes

    def safe_within_s(self) -> float:
        """Return how long all steps of the safe state may take together, in s."""
        return sum(step.timeout_s for step in self._safe_steps())

    def _quiet_steps(self) -> list[Step]:
        return [
            self._step("attenuator to maximum", "attenuator", self._attenuator_to_maximum),
            self._step("generator off", "generator", self._generator_off),
        ]

    def _safe_steps(self) -> list[Step]:
        steps = self._quiet_steps()
        if self.stand.amplifier is not None:
            steps.append(self._step("amplifier bias off", "amplifier", self._bias_off))
        if self.stand.field is not None:
            slew = self.stand.model.limits.field_slew_mt_per_s or 1.0
            limit = self.stand.model.limits.field_mt or (0.0, 0.0)
            # Real steps take longer than the ramp's own time: an exchange or two each.
            ramp_s = 2 * max(abs(limit[0]), abs(limit[1])) / slew
            steps += [
                self._step("field to zero", "field", self._field_to_zero, ramp_s),
                self._step("current and field read back", "field", self._field_read),
                self._step("field supply off", "field", self._field_off),
            ]
        return steps

    def _step(self, name: str, role: str, act: Callable[[], Readback], more_s: float = 0.0) -> Step:
        timeout_s = self.stand.model.safe.step_timeout_s + more_s
        sessions: list[Session] = [self.stand.sessions[role]]
        if role == "field" and "probe" in self.stand.sessions:
            sessions.append(self.stand.sessions["probe"])
        return Step(name, act, sessions, timeout_s)

    def _set_analyser_up(self) -> None:
        configure, readout = self.stand.analyser.configure, self.stand.model.readout
        self._told("analyser set up", lambda: configure(readout))
        self._looked_after = True

    def _attenuator_to_maximum(self) -> Readback:
        attenuator = self.stand.attenuator
        self.turner.doubt("attenuation_db")
        maximum_db = attenuator.maximum_db
        found_db = attenuator.set(maximum_db)
        self.turner.requested["attenuation_db"] = maximum_db
        self.turner.realised["attenuation_db"] = found_db
        readback = {"attenuation_db": found_db}
        if found_db != maximum_db:
            raise StepError(f"reads {found_db:g} dB instead of {maximum_db:g} dB", readback)
        return f"{found_db:g} dB", readback

    def _generator_off(self) -> Readback:
        generator = self.stand.generator
        self.turner.doubt("drive_power_dbm")
        low_dbm = self.stand.limits.ranges["drive_power_dbm"][0]
        try:
            generator.switch(False)
            self.drive_on = False
        finally:  # whatever came of it
            tone = generator.set(low_dbm, None)
        self.turner.requested["drive_power_dbm"] = low_dbm
        self.turner.realised["drive_power_dbm"] = tone.power_dbm
        return f"RF off, {tone.power_dbm:g} dBm", {"drive_power_dbm": tone.power_dbm}

    def _trial_sweep(self) -> Readback:
        # Before anything is on: an analyser that is not well says so now, and what a simulated
        # ring compiles is compiled.
        sweep, again = self.stand.analyser.sweep(), self.stand.analyser.sweep()
        self.stand.freshness.learn(sweep.trace_dbm, again.trace_dbm)
        highest_dbm = float(sweep.trace_dbm.max())
        if sweep.overload:
            raise InstrumentError("the analyser is overdriven although everything is off")
        return f"highest level {highest_dbm:.1f} dBm", {"highest_dbm": highest_dbm}

    def _bias_on(self) -> Readback:
        amplifier, config = self.stand.amplifier, self.stand.model.roles.amplifier
        assert amplifier is not None
        assert config is not None
        found_v = amplifier.switch_on()
        current_a = amplifier.current_a()
        self.turner.requested["amplifier_voltage_v"] = config.voltage_v
        self.turner.realised["amplifier_voltage_v"] = found_v
        readback = {"amplifier_voltage_v": found_v, "amplifier_current_a": current_a}
        return f"{found_v:g} V, {current_a:.3f} A", readback

    def _bias_off(self) -> Readback:
        amplifier, config = self.stand.amplifier, self.stand.model.roles.amplifier
        assert amplifier is not None
        assert config is not None
        amplifier.switch_off()
        self.turner.settle(self.stand.model.settle.amplifier_s)
        current_a = amplifier.current_a()
        readback = {"amplifier_current_a": current_a}
        if current_a > config.expected_current_a[0] / 10:
            raise StepError(f"output off, but {current_a:.3f} A still flow", readback)
        return f"output off, {current_a:.3f} A", readback

    def _field_to_zero(self) -> Readback:
        source = self.stand.field
        assert source is not None
        self._set_to_zero = False
        source.take_over()
        if not source.is_live():  # or it was in voltage mode, and came down already
            self._set_to_zero = True
            return "output is off", {}
        wrong = self.turner.field_down()
        if wrong:
            raise StepError(f"UNSURE, ramped down past what read back wrong: {wrong}", {})
        self._set_to_zero = True
        return "set current is zero", {}

    def _field_read(self) -> Readback:
        text, readback, witnesses = self._field_now()
        if self.stand.probe is not None and "field_mt" not in readback:
            raise StepError(text, readback)
        if all(witnesses.values()):
            return text, readback
        if self._can_go_off(witnesses):
            against = ", ".join(name for name, none in witnesses.items() if not none)
            raise StepError(f"UNSURE, {text}: {against} against the others", readback)
        raise StepError(f"{text}: current still flows", readback)

    def _field_off(self) -> Readback:
        source = self.stand.field
        assert source is not None
        text, readback, witnesses = self._field_now()
        if not self._can_go_off(witnesses):
            raise StepError(
                f"OUTPUT LEFT ON, {readback['field_current_a']:.3f} A still flow: switching off "
                "would be a step to zero",
                readback,
            )
        source.switch_off(whatever_reads=True)
        readback["field_output_on"] = float(source.is_on())
        if not witnesses["current"]:
            raise StepError(f"output off, UNSURE: {text} are read all the same", readback)
        return "output off", readback

    def _field_now(self) -> tuple[str, dict[str, float], dict[str, bool]]:
        """Return what current and field read, as text too, and who says that no current flows."""
        source, roles_ = self.stand.field, self.stand.model.roles
        assert source is not None
        assert roles_.field is not None
        current_a = source.current_a()
        text, readback = f"{current_a:.3f} A", {"field_current_a": current_a}
        witnesses = {
            "current": abs(current_a) <= roles_.field.near_zero_a,
            "set point": self._set_to_zero,
        }
        if self.stand.probe is not None and roles_.probe is not None:
            field_mt, failure = self._probed()
            if failure:
                text += f"; {failure}"
            else:
                readback["field_mt"] = field_mt
                text += f", {field_mt:.3f} mT"
                witnesses["probe"] = abs(field_mt) <= roles_.probe.tolerance_mt
        return text, readback, witnesses

    def _probed(self) -> tuple[float, str]:
        """Return what the probe reads, and why it does not."""
        failure = ""
        assert self.stand.probe is not None
        for _ in range(2):  # the second time in a session that was opened anew
            try:
                return self.stand.probe.field_mt(twice=True), ""
            except BenchError as error:
                failure = str(error)
        return math.nan, failure

    @staticmethod
    def _can_go_off(witnesses: Mapping[str, bool]) -> bool:
        """Return whether the supply may go off: a read-back may be stuck, but two are not.

        Without a probe the current alone has the word.
        """
        return sum(witnesses.values()) >= 2 if "probe" in witnesses else witnesses["current"]

    def _told(self, message: str, act: Callable[[], object]) -> None:
        self.stand.journal("output", "intent", message, {})
        result = act()
        text, data = result if isinstance(result, tuple) else ("done", {})
        self.stand.journal("output", "outcome", f"{message}: {text}", dict(data))
