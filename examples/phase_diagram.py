"""Draw what the simulated ring does: regimes against loop gain, locking, idlers, waves and modes.

Writes the pictures of docs/physics.md and prints where the regimes begin.

    python examples/phase_diagram.py [--out docs/pictures]
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import matplotlib

matplotlib.use("Agg")  # pictures are written, never shown
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap

from magnon_lab.ring import (
    Imperfections,
    Readout,
    RingModel,
    RingParameters,
    RingState,
    Waveform,
    waves,
)
from magnon_lab.ring import film as film_room
from magnon_lab.ring.parameters import Film

FIELD_MT, VOLTAGE_V = 92.0, 12.0
REGIMES = ("no output", "one line", "sidebands", "comb", "chaos")
REGIME_COLOURS = ListedColormap(["#d9d9d9", "#56b4e9", "#009e73", "#e69f00", "#d55e00"])
SPAN = Readout(
    start_hz=4.35e9,
    stop_hz=4.65e9,
    points=1501,
    rbw_hz=1e5,
    vbw_hz=1e4,
    detector="peak",
    input_attenuation_db=0.0,
)
AXIS_GHZ = np.linspace(SPAN.start_hz, SPAN.stop_hz, SPAN.points) / 1e9


def ring(warm_up_trips: int, record_trips: int, noise: bool = True) -> RingModel:
    """Return the default ring, followed for longer than a measurement needs."""
    numerics = {"warm_up_trips": warm_up_trips, "record_trips": record_trips}
    return RingModel(
        RingParameters.from_mapping({"numerics": numerics}),
        Imperfections(amplifier_noise=noise, analyser_noise=noise),
        seed=1,
    )


def setting(
    attenuation_db: float, drive_dbm: float = -np.inf, drive_hz: float = 4.4855e9
) -> np.ndarray:
    """Return a setting (5,) at the working field."""
    return np.array([drive_dbm, drive_hz, attenuation_db, FIELD_MT, VOLTAGE_V])


def lines_and_floor(wave: Waveform) -> tuple[int, float]:
    """Return how many lines stand within 40 dB of the highest, and the median level in dBc."""
    count = len(wave.envelope)
    power = np.abs(np.fft.fft(wave.envelope * np.blackman(count))) ** 2
    level = 10 * np.log10(np.fft.fftshift(power / power.max()) + 1e-20)
    frequency = wave.middle_hz + np.fft.fftshift(np.fft.fftfreq(count)) * wave.sample_hz
    inside = level[(frequency > 4.42e9) & (frequency < 4.60e9)]
    width = 12  # bins: the window's main lobe and a little
    tops = [
        place
        for place in np.flatnonzero(level > -40)
        if level[place] == level[max(place - width, 0) : place + width + 1].max()
    ]
    return len(tops), float(np.median(inside))


def regime(wave: Waveform) -> int:
    """Return the index in `REGIMES` of what leaves the amplifier."""
    if np.mean(np.abs(wave.envelope) ** 2) < 1.0:  # 20 dB below the saturated amplifier
        return 0
    lines, floor = lines_and_floor(wave)
    if lines == 1:
        return 1
    if floor > -85:
        return 4
    return 2 if lines <= 8 else 3


@dataclass
class Walk:
    """The ring while its gain was raised step by step."""

    attenuation_db: np.ndarray
    traces_dbm: np.ndarray
    regimes: np.ndarray


def raise_gain(model: RingModel, keep: bool) -> Walk:
    """Lower the attenuation, on one ring that goes on or on one reset before each measurement."""
    steps = np.arange(10.0, 3.99, -0.05)
    started = model.threshold_attenuation_db(FIELD_MT) - 0.25
    state, shown, kinds = model.reset_state(), [], []
    for number, attenuation in enumerate(steps):
        row = setting(attenuation)
        if keep and attenuation < started < steps[max(number - 1, 0)]:
            # Just above threshold a drive, shown nowhere, chooses the mode that the ring keeps.
            _, state = model.waveform(setting(attenuation, -10.0), number, state=state)
        start = state if keep else model.reset_state()
        wave, state = model.waveform(row, number, state=start)
        trace, _ = model.trace_from(start, row, SPAN, number)
        shown.append(trace.trace_dbm)
        kinds.append(regime(wave))
    return Walk(steps, np.array(shown), np.array(kinds))


def draw_map(axes: Axes, walk: Walk, title: str) -> None:
    """Draw traces against attenuation, their regimes as a strip at the left."""
    # The highest of three points each: else a line is thinner than a pixel.
    held = walk.traces_dbm[:, :1500].reshape(len(walk.traces_dbm), -1, 3).max(axis=2)
    image = axes.pcolormesh(
        AXIS_GHZ[1:1500:3], walk.attenuation_db, held, vmin=-95, vmax=0, shading="nearest"
    )
    axes.set_title(title)
    axes.set_xlabel("frequency (GHz)")
    axes.figure.colorbar(image, ax=axes, label="analyser (dBm, RBW 100 kHz)", pad=0.02)
    strip = axes.inset_axes((-0.09, 0, 0.05, 1), sharey=axes)
    strip.pcolormesh(
        [0, 1],
        walk.attenuation_db,
        walk.regimes[:, None] * np.ones((1, 2)),
        cmap=REGIME_COLOURS,
        vmin=-0.5,
        vmax=4.5,
        shading="nearest",
    )
    strip.set_xticks([])
    strip.set_ylabel("attenuation (dB)")
    strip.set_ylim(walk.attenuation_db.max(), walk.attenuation_db.min())
    axes.tick_params(labelleft=False)


def draw_regimes(folder: Path) -> None:
    """Regimes against loop gain: maps on a ring that goes on and on one reset each time, traces."""
    model = ring(1000, 256)
    threshold = model.threshold_attenuation_db(FIELD_MT)
    kept, reset = raise_gain(model, keep=True), raise_gain(model, keep=False)
    figure, (left, middle, right) = plt.subplots(
        1, 3, figsize=(17, 7.5), layout="constrained", width_ratios=(1, 1, 0.9)
    )
    draw_map(left, kept, "gain raised on one ring that goes on")
    draw_map(middle, reset, "ring reset before each measurement")
    for axes in (left, middle):
        axes.axhline(threshold, color="white", lw=0.8, ls="--")
    print(f"threshold {threshold:.2f} dB of attenuation; loop gain at which a regime is first met:")
    for row, name in enumerate(REGIMES):
        met = np.flatnonzero(kept.regimes == row)
        if not len(met):
            continue
        first = kept.attenuation_db[met[0]]
        print(f"  {name:<10} {threshold - first:+.2f} dB (attenuation {first:.2f} dB)")
        sample = met[len(met) // 2]
        gain = threshold - kept.attenuation_db[sample]
        right.plot(
            AXIS_GHZ,
            kept.traces_dbm[sample] - 110 * row,
            lw=0.6,
            color=REGIME_COLOURS.colors[row] if row else "0.4",
        )
        right.annotate(
            f"{name}, loop gain {gain:+.2f} dB", (4.352, 2 - 110 * row), va="bottom", fontsize=10
        )
    right.set(
        xlim=(4.35, 4.65), ylim=(-550, 30), xlabel="frequency (GHz)", title="a trace of each regime"
    )
    right.set_yticks([-110 * row - low for row in range(5) for low in (0, 80)])
    right.set_yticklabels(["0", "-80"] * 5)
    right.set_ylabel("analyser (dBm), each lowered by 110 dB")
    figure.savefig(folder / "phase-diagram.png", dpi=80)
    plt.close(figure)


def free_running(model: RingModel, attenuation_db: float) -> tuple[float, float, RingState]:
    """Return frequency in Hz, power in mW behind the amplifier, and state of a free line."""
    row = setting(attenuation_db, -30.0)
    _, state = model.waveform(row)
    for number in range(4):  # lets the drive's trace die away
        wave, state = model.waveform(setting(attenuation_db), number, state=state)
    turning = np.polyfit(np.arange(len(wave.envelope)), np.unwrap(np.angle(wave.envelope)), 1)[0]
    frequency = wave.middle_hz + turning * wave.sample_hz / (2 * np.pi)
    return frequency, float(np.mean(np.abs(wave.envelope) ** 2)), state


def locking_half_range_hz(
    model: RingModel, attenuation_db: float, drive_dbm: np.ndarray
) -> tuple[np.ndarray, float]:
    """Return `r/(2 pi T_R) sqrt(1 + alpha^2)` in Hz for drives in dBm, and alpha."""
    p = model.parameters
    gain_db = model.loop_gain_db(setting(attenuation_db))
    passive_db = p.wiring.attenuator_loss_db + p.wiring.cables_db + attenuation_db
    launched = 10 ** ((p.amplifier.gain_db - passive_db) / 10)
    phase = abs(float(film_room.nonlinearity(p, np.float64(FIELD_MT), np))) * launched
    slope = 0.5 * 10 ** ((p.amplifier.gain_db - p.amplifier.saturated_dbm) / 10)
    slope += p.film.nonlinear_damping * phase
    power_mw = np.expm1(gain_db / 10 * np.log(10)) / (2 * slope)
    ratio = np.sqrt(10 ** ((drive_dbm - p.wiring.injection_coupler_db) / 10) / power_mw)
    trip, alpha = float(film_room.trip_s(p, FIELD_MT, np)), phase / slope
    return ratio / (2 * np.pi * trip) * np.sqrt(1 + alpha**2), alpha


def draw_locking(folder: Path) -> None:
    """Locking: traces against drive frequency, and the locked region against drive power."""
    attenuation = 8.75
    model = ring(5000, 1024, noise=False)
    frequency, _, state = free_running(model, attenuation)
    figure, (left, right) = plt.subplots(1, 2, figsize=(15, 6), layout="constrained")

    detunings = np.linspace(-4e5, 4e5, 81)
    narrow = Readout(
        start_hz=frequency - 8e5,
        stop_hz=frequency + 8e5,
        points=401,
        rbw_hz=1.5e4,
        vbw_hz=1.5e4,
        detector="peak",
        input_attenuation_db=0.0,
    )
    shown = []
    for number, detuning in enumerate(detunings):
        row = setting(attenuation, -45.0, frequency + detuning)
        shown.append(model.trace_from(state, row, narrow, number)[0].trace_dbm)
    axis = (np.linspace(narrow.start_hz, narrow.stop_hz, narrow.points) - frequency) / 1e3
    image = left.pcolormesh(
        axis, detunings / 1e3, np.array(shown), vmin=-75, vmax=-10, shading="nearest"
    )
    figure.colorbar(image, ax=left, label="analyser (dBm, RBW 15 kHz)", pad=0.02)
    left.set(
        xlabel="frequency from the free line (kHz)",
        ylabel="drive from the free line (kHz)",
        title="drive of -45 dBm swept across the line, loop gain +0.24 dB",
    )

    powers = np.arange(-75.0, -34.9, 2.5)
    half, alpha = locking_half_range_hz(model, attenuation, powers)
    places = np.linspace(-1.6, 1.6, 65)
    locked = np.zeros((len(powers), len(places)))
    for row, power in enumerate(powers):
        for column, place in enumerate(places):
            drive = frequency + place * half[row]
            wave, _ = model.waveform(setting(attenuation, power, drive), state=state)
            samples = np.arange(len(wave.envelope))
            turning = 2 * np.pi * (drive - wave.middle_hz) / wave.sample_hz * samples
            slip = np.unwrap(np.angle(wave.envelope)) - turning
            locked[row, column] = np.ptp(slip) < 0.3
    colours = ListedColormap(["#f0f0f0", "#56b4e9"])
    right.pcolormesh(places, powers, locked, cmap=colours, shading="nearest")
    for sign in (-1, 1):
        named = sign > 0
        right.axvline(sign, color="#d55e00", label="closed form" if named else None)
        adler = sign / np.sqrt(1 + alpha**2)
        right.axvline(adler, color="0.3", ls=":", label="plain Adler" if named else None)
    right.set(
        xlabel="drive from the free line, in half ranges of the closed form",
        ylabel="drive power (dBm)",
        title=f"blue: locked; the half range is {half[0] / 1e3:.0f} to {half[-1] / 1e3:.0f} kHz",
    )
    right.legend(loc="upper left")
    figure.savefig(folder / "locking.png", dpi=80)
    plt.close(figure)


def draw_idlers(folder: Path) -> None:
    """A drive beside the ring's own line: idlers, then a comb at their spacing, then one line."""
    model = ring(1500, 256)
    attenuation = 7.0
    frequency, _, state = free_running(model, attenuation)
    drive = frequency + 12.5e6
    powers = np.arange(-50.0, 10.1, 0.5)
    shown = np.array(
        [
            model.trace_from(state, setting(attenuation, power, drive), SPAN, number)[0].trace_dbm
            for number, power in enumerate(powers)
        ]
    )
    figure, axes = plt.subplots(figsize=(9, 6), layout="constrained")
    held = shown[:, :1500].reshape(len(shown), -1, 3).max(axis=2)
    image = axes.pcolormesh(AXIS_GHZ[1:1500:3], powers, held, vmin=-95, vmax=0, shading="nearest")
    figure.colorbar(image, ax=axes, label="analyser (dBm, RBW 100 kHz)", pad=0.02)
    axes.set(
        xlabel="frequency (GHz)",
        ylabel="drive power (dBm)",
        title=f"drive at {drive / 1e9:.4f} GHz beside the line, attenuation {attenuation:g} dB",
    )
    figure.savefig(folder / "idlers.png", dpi=80)
    plt.close(figure)


def draw_waves(folder: Path) -> None:
    """Dispersion of the three waves; the driven ring below threshold against the field."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(14, 5.5), layout="constrained")
    k = np.linspace(1.0, 4e4, 400)
    for wave, field, colour in (
        ("MSSW", 92.0, "#0072b2"),
        ("BVMSW", 92.0, "#d55e00"),
        ("FVMSW", 300.0, "#009e73"),
    ):
        film = Film.model_validate({"wave": wave})
        frequency = waves.frequency_hz(film, k, field, np) / 1e9
        left.plot(k / 1e4, frequency, color=colour, label=f"{wave}, {field:g} mT")
    left.axhspan(4.45, 4.48, color="0.85", label="usual drive frequencies")
    left.set(xlabel="|k| (10 000 /m)", ylabel="frequency (GHz)", title="dispersion, 7.7 um film")
    left.legend()

    model = RingModel()
    readout = Readout(points=41, rbw_hz=8e6, vbw_hz=8e6, detector="peak")
    fields, drives = np.linspace(91.5, 92.5, 51), np.linspace(4.45e9, 4.48e9, 301)
    answer = np.empty((len(fields), len(drives)))
    for row, field in enumerate(fields):
        rows = np.tile([-45.0, 0.0, 10.0, field, VOLTAGE_V], (len(drives), 1))
        rows[:, 1] = drives
        answer[row] = model.traces(rows, readout, np.arange(len(drives))).max(axis=1)
        for mode in model.mode_frequencies_hz(field):
            if drives[0] < mode < drives[-1]:
                right.plot(mode / 1e9, field, ".", color="white", ms=2)
    image = right.pcolormesh(drives / 1e9, fields, answer, shading="nearest")
    figure.colorbar(image, ax=right, label="line at the analyser (dBm)", pad=0.02)
    right.set(
        xlabel="drive frequency (GHz)",
        ylabel="field (mT)",
        title="driven ring 1 dB below threshold; dots: k L + 2 pi f tau_e = 2 pi p",
    )
    figure.savefig(folder / "waves.png", dpi=80)
    plt.close(figure)


def main() -> None:
    """Draw all pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    shipped = Path(__file__).parent.parent / "docs" / "pictures"
    parser.add_argument("--out", type=Path, default=shipped, help="folder for the pictures")
    folder = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    for draw in (draw_regimes, draw_locking, draw_idlers, draw_waves):
        draw(folder)
    print(f"pictures in {folder}")


if __name__ == "__main__":
    main()
