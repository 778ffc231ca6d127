"""The saturated and the driven ring against its closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from magnon_lab.ring import film, loop, measurement

LONG = {"warm_up_trips": 3000, "record_trips": 64}


class Saturation:
    """The closed forms of one mode, in mW at the amplifier's input.

    Loss in neper a trip and nonlinear phase in rad grow, for weak saturation, as the power.
    """

    def __init__(self, ring, mode_hz: float, gain_db: float) -> None:
        p = ring.parameters
        self.gain = gain_db / 20 * np.log(10)
        self.attenuation_db = ring.attenuation_for(gain_db, mode_hz)
        a = p.amplifier
        passed = a.gain_db - 6.0 - self.attenuation_db
        self.launched = 10 ** (passed / 10)  # at the film's cable, small signal
        self.phase = float(film.nonlinearity(p, np.float64(ring.field_mt), np)) * self.launched
        if not p.film.nonlinear:
            self.phase = 0.0
        self.amplifier_loss = 0.5 * 10 ** ((a.gain_db - a.saturated_dbm) / 10) * a.saturates
        self.film_loss = p.film.nonlinear_damping * abs(self.phase)
        self.slope = self.amplifier_loss + self.film_loss  # s_r
        # I = (G/8.686)/s_r to first order; both saturations are 1/sqrt(1 + 2 x), hence exactly so:
        self.power_mw = np.expm1(2 * self.gain) / (2 * self.slope)
        self.alpha = abs(self.phase) / self.slope


def amplifier_input_mw(power_out_mw: float, p) -> float:
    """What a saturating amplifier was given, from what it gives."""
    small = power_out_mw / 10 ** (p.amplifier.gain_db / 10)
    saturated = power_out_mw / 10 ** (p.amplifier.saturated_dbm / 10)
    return small / (1 - saturated * p.amplifier.saturates)


FILM_ALONE = {"amplifier": {"saturates": False}}
AMPLIFIER_ALONE = {"film": {"nonlinear": False}}


@pytest.mark.parametrize("gain_db", [0.05, 0.1, 0.2])
@pytest.mark.parametrize("blocks", [{}, FILM_ALONE, AMPLIFIER_ALONE])
def test_one_mode_saturates_where_loss_meets_gain(experiment, line, gain_db, blocks) -> None:
    ring = experiment(numerics=LONG, **blocks)
    mode = ring.mode_near(4.477e9)
    form = Saturation(ring, mode, gain_db)
    start = ring.one_mode(mode, form.power_mw * form.launched)
    _, growth, power = line(ring.follow(form.attenuation_db, start)[0])
    assert growth * ring.trip_s(mode) == pytest.approx(0, abs=1e-4)
    assert amplifier_input_mw(power, ring.parameters) == pytest.approx(form.power_mw, rel=0.01)
    assert form.power_mw == pytest.approx(form.gain / form.slope, rel=1.1 * form.gain)


@pytest.mark.parametrize(
    ("wave", "field_mt", "sign"), [("MSSW", 92.0, -1), ("BVMSW", 92.0, -1), ("FVMSW", 300.0, 1)]
)
def test_a_stronger_line_moves_as_the_nonlinear_shift_says(
    experiment, line, wave, field_mt, sign
) -> None:
    """Df = N I tau_eff/(2 pi T_R): down for MSSW and BVMSW, up for FVMSW."""
    ring = experiment(
        field_mt,
        film={"wave": wave},
        # Not for long: BVMSW and FVMSW are unstable against modulation, side modes come up.
        numerics={"warm_up_trips": 50, "reference_field_mt": field_mt},
    )
    modes = ring.modes_hz()
    losses = [-ring.attenuation_for(0.0, mode) for mode in modes]
    mode = modes[np.argmin(losses)]
    moved = []
    for gain_db in (0.01, 0.05):
        form = Saturation(ring, mode, gain_db)
        start = ring.one_mode(mode, form.power_mw * form.launched)
        wave_form, _ = ring.follow(form.attenuation_db, start)
        frequency, _, power = line(wave_form)
        launched = power * 10 ** (-(form.attenuation_db + 6.0) / 10)
        phase = float(film.nonlinearity(ring.parameters, np.float64(field_mt), np)) * launched
        predicted = phase / (2 * np.pi * ring.trip_s(mode))
        moved.append((frequency - mode, predicted))
    (weak, weak_form), (strong, strong_form) = moved
    assert np.sign(strong - weak) == sign
    assert strong - weak == pytest.approx(strong_form - weak_form, rel=0.02)


def test_injection_locks_within_the_closed_form(experiment, line) -> None:
    """Half range r/(2 pi T_R) sqrt(1 + alpha^2), r = s/a; plain Adler would lack the root."""
    ring = experiment(numerics={**LONG, "warm_up_trips": 8000})
    mode = ring.mode_near(4.477e9)
    form = Saturation(ring, mode, 0.2)
    start = ring.one_mode(mode, form.power_mw * form.launched)
    free, state = ring.follow(form.attenuation_db, start)
    free_hz, _, power = line(free)
    ratio = 0.002  # far below the gain in neper, as the form wants
    drive_dbm = 10 * np.log10(amplifier_input_mw(power, ring.parameters) * ratio**2) + 10.0
    half = ratio / (2 * np.pi * ring.trip_s(mode)) * np.sqrt(1 + form.alpha**2)
    assert form.alpha > 1.5  # so that the test tells the form from Adler's

    def locked(detuning_hz: float) -> bool:
        drive = free_hz + detuning_hz
        wave, _ = ring.follow(form.attenuation_db, state, drive_dbm, drive)
        return abs(line(wave)[0] - drive) < 0.02 * half

    edges = []
    for side in (-1, 1):
        inside, outside = 0.0, 2.0
        while outside - inside > 0.02:
            middle = (inside + outside) / 2
            inside, outside = (
                (middle, outside) if locked(side * middle * half) else (inside, middle)
            )
        edges.append(inside)
    assert np.mean(edges) == pytest.approx(1.0, abs=0.04)


def test_idler_grows_as_pump_squared_times_signal(experiment) -> None:
    """Four-wave mixing: 2 dB of idler per dB of pump, 1 dB per dB of signal."""
    ring = experiment()
    p = ring.parameters
    pump, signal = (ring.mode_near(f) for f in (4.467e9, 4.477e9))
    g = loop.geometry(p)
    edge = measurement.reference_hz(p)

    def idler_mw(pump_dbm: float, signal_dbm: float) -> float:
        with jax.enable_x64(True):
            wave, _ = ring.follow(60.0)
            time = np.arange((g.warm_up + g.record) * g.block) / wave.sample_hz
            tone = 10 ** (signal_dbm / 20) * np.exp(2j * np.pi * (signal - wave.middle_hz) * time)
            added = np.stack([tone.real, tone.imag]).reshape(2, -1, g.block).swapaxes(0, 1)
            numbers = (pump_dbm, pump - edge, 10.0, 92.0, 35.0, 20.0)
            setting = loop.Setting(*(jnp.float64(number) for number in numbers))
            record, _ = loop.run(p, setting, loop.reset_state(p, np.float64), jnp.asarray(added))
            record = np.asarray(record)
        envelope = record[0] + 1j * record[1]
        window = np.kaiser(len(envelope), 25)
        place = 2j * np.pi * (2 * pump - signal - wave.middle_hz) / wave.sample_hz
        tuned = np.exp(-place * np.arange(len(envelope)))
        return float(np.abs(np.sum(window * envelope * tuned) / window.sum()) ** 2)

    def db(value: float) -> float:
        return 10 * np.log10(value)

    weak = idler_mw(-65.0, -90.0)
    assert db(idler_mw(-64.0, -90.0) / weak) == pytest.approx(2.0, abs=0.05)
    assert db(idler_mw(-65.0, -89.0) / weak) == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize(
    ("wave", "field_mt", "breaks"),
    [("MSSW", 92.0, False), ("BVMSW", 92.0, True), ("FVMSW", 300.0, True)],
)
def test_only_waves_whose_shift_and_dispersion_oppose_break_up(
    experiment, wave, field_mt, breaks
) -> None:
    """Lighthill's criterion: N and d2 omega/dk2 of opposite sign make a line unstable."""
    ring = experiment(field_mt, film={"wave": wave}, numerics={"reference_field_mt": field_mt})
    modes = ring.modes_hz()
    mode = modes[np.argmax([ring.attenuation_for(0.0, mode) for mode in modes])]
    form = Saturation(ring, mode, 0.2)
    start = ring.one_mode(mode, form.power_mw * form.launched)
    envelope = np.abs(ring.follow(form.attenuation_db, start)[0].envelope)
    assert (np.ptp(envelope) > 0.5 * envelope.mean()) == breaks
