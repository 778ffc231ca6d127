"""The plant: what cables, magnet, film and amplifier do between the instruments."""

import hashlib
import json
import math
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from functools import lru_cache, partial
from typing import Any, NamedTuple, Protocol

import numpy as np

from magnon_lab.simulation.clock import Clock
from magnon_lab.simulation.errors import DefinitionError
from magnon_lab.simulation.magnet import Coil, Magnet
from magnon_lab.simulation.wire_log import ENTRIES, WireLog

_OWN_COUNT = 1 << 31  # numbers that no run uses: the plant's own count of sweeps starts here


class RingTrace(Protocol):
    """What the ring model gives for one sweep."""

    @property
    def trace_dbm(self) -> np.ndarray:
        """Levels in dBm, shape (points,)."""

    @property
    def input_dbm(self) -> float:
        """Total power at the analyser's connector in dBm."""

    @property
    def overload(self) -> bool:
        """Whether the analyser's mixer or converter is over its range."""


class Ring(Protocol):
    """The part of the ring model that the simulated analyser needs."""

    def trace(self, setting: Any, readout: Any, number: int, time_s: float = 0.0) -> RingTrace:
        """Return the trace of one measurement."""


@dataclass(frozen=True)
class Readout:
    """What the analyser is set to, in the ring model's words."""

    start_hz: float
    stop_hz: float
    points: int
    rbw_hz: float
    vbw_hz: float
    detector: str
    input_attenuation_db: float
    reference_level_dbm: float


@dataclass(frozen=True)
class AmplifierLoad:
    """The loop amplifier as its supply sees it: current over voltage, on one channel.

    I(V) = `current_a` (1 - exp(-(V - Von)/Vs)) / (1 - exp(-(Vn - Von)/Vs)) above `turn_on_v`:
    `current_a` at the nominal voltage, flattening as a self-biased stage does.
    """

    channel: int = 2
    nominal_v: float = 12.0
    current_a: float = 0.38
    turn_on_v: float = 2.5
    scale_v: float = 4.0
    settle_s: float = 0.06

    def current(self, voltage_v: float) -> float:
        """Return the current in amperes that flows at a voltage."""
        if voltage_v <= self.turn_on_v:
            return 1e-4 * max(voltage_v, 0.0)

        def shape(v: float) -> float:
            return 1 - math.exp(-(v - self.turn_on_v) / self.scale_v)

        return self.current_a * shape(voltage_v) / shape(self.nominal_v)

    def voltage(self, current_a: float, highest_v: float) -> float:
        """Return the voltage at which a supply limited to `current_a` ends up."""
        low, high = 0.0, highest_v
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if self.current(middle) < current_a else (low, middle)
        return low


@dataclass(frozen=True)
class Truth:
    """The plant's truth beside coil, amplifier and ring: what the bench file can only believe."""

    drive_settle_s: float = 0.010
    probe_offset_mt: float = 0.0
    probe_noise_mt: float = 0.002
    supply_noise: float = 2e-4
    harmful_current_a: float = 0.1
    seconds_per_number: float = 0.05


class Settling:
    """A value that an instrument changes and that takes effect at a later time."""

    def __init__(self, value: float) -> None:
        self._old = self._new = value
        self._since = 0.0

    def change(self, value: float, since_s: float, now_s: float) -> None:
        """Set a new value that holds from `since_s` on."""
        self._old = self.at(now_s)
        self._new, self._since = value, since_s

    def settle(self) -> None:
        """Let the last value set be in effect."""
        self._old = self._new

    def at(self, time_s: float) -> float:
        """Return the value in effect."""
        return self._new if time_s >= self._since else self._old


class Drift(NamedTuple):
    """What a fault adds to a quantity: a jump, and a rate from one time to another."""

    jump: float
    rate_per_s: float
    since_s: float
    until_s: float

    def at(self, time_s: float) -> float:
        """Return what is added at a time."""
        if time_s < self.since_s:
            return 0.0
        return self.jump + self.rate_per_s * (min(time_s, self.until_s) - self.since_s)


class Harm(NamedTuple):
    """One thing that would have damaged a real bench."""

    time_s: float
    text: str


class Plant:
    """State of everything that is not an instrument.

    `inputs` are what instruments put out; `quantities` are what the definition file can bind a
    property to, each a function of laboratory time; `sweep` is what the analyser sees.
    """

    def __init__(
        self, clock: Clock, seed: int, laboratory: Mapping[str, Any], ring: Ring | None = None
    ) -> None:
        truth = dict(laboratory.get("plant") or {})
        self.clock = clock
        self.lock = threading.RLock()
        self.magnet = Magnet(_build(Coil, truth.pop("coil", {}), "plant.coil"))
        self.load = _build(AmplifierLoad, truth.pop("amplifier", {}), "plant.amplifier")
        self.truth = _build(Truth, truth, "plant")
        self.inputs = {
            "drive_power_dbm": Settling(-math.inf),
            "drive_frequency_hz": Settling(1e9),
            "attenuation_db": Settling(0.0),
            "amplifier_voltage_v": Settling(0.0),
        }
        self.quantities: dict[str, Callable[[float], float]] = {
            **{name: partial(self._input, name) for name in self.inputs},
            "supply_current_a": self.magnet.current,
            "supply_voltage_v": self.magnet.voltage,
            "field_mt": self._field,
            "amplifier_current_a": lambda time_s: self.load.current(
                self._input("amplifier_voltage_v", time_s)
            ),
        }
        self.drifts: dict[str, list[Drift]] = {}
        self.harm: list[Harm] = []
        self.wire = WireLog(_entries(laboratory.get("wire_log", ENTRIES)))
        self.refreshers: list[Callable[[], None]] = []
        self.seed = seed
        self.number: int | None = None
        self._ring, self._own_ring = ring, ring is None
        blocks = [laboratory.get(key) or {} for key in ("ring", "imperfections")]
        self._ring_blocks = json.dumps(blocks, sort_keys=True)
        if self._own_ring:
            _ring_parameters(self._ring_blocks)
        self._sweeps = 0
        self._draws: Counter[str] = Counter()

    def use_ring(self, ring: Ring) -> None:
        """Put another ring behind the instruments."""
        self._ring, self._own_ring = ring, False

    def rekey(self, seed: int) -> None:
        """Take another seed for all noise; counts start anew."""
        self.seed = seed
        if self._own_ring:
            self._ring = None
        self.set_number(None)

    def set_number(self, number: int | None) -> None:
        """Key the noise by a measurement number from now on, or by the plant's own count."""
        self.number = number
        self._sweeps = 0
        self._draws.clear()

    def put(self, quantity: str, value: float, settle_s: float) -> None:
        """Let an instrument put out a value that is there after `settle_s`."""
        now = self.clock.now()
        self.inputs[quantity].change(value, now + settle_s, now)

    def drift(self, quantity: str, jump: float, rate_per_s: float, duration_s: float) -> None:
        """Let a quantity be off by a jump from now on, and move on at a rate for a time."""
        now = self.clock.now()
        found = Drift(jump, rate_per_s, now, now + duration_s)
        self.drifts.setdefault(quantity, []).append(found)

    def drifted(self, quantity: str, time_s: float) -> float:
        """Return by how much faults have put a quantity off at a time."""
        return sum(d.at(time_s) for d in self.drifts.get(quantity, ())) if self.drifts else 0.0

    def _input(self, name: str, time_s: float) -> float:
        return self.inputs[name].at(time_s) + self.drifted(name, time_s)

    def _field(self, time_s: float) -> float:
        return self.magnet.field(time_s) + self.drifted("field_mt", time_s)

    def record_harm(self, text: str) -> None:
        """Log something that would have damaged a real instrument."""
        self.harm.append(Harm(self.clock.now(), text))

    def gauss(self, who: str) -> float:
        """Return a normal deviate keyed by seed, measurement number and place in its sequence."""
        self._draws[who] += 1
        place = f"{self.seed}/{self.number}/{who}/{self._draws[who]}"
        return random.Random(place).gauss(0.0, 1.0)

    def refresh(self) -> None:
        """Bring all instruments' outputs up to now."""
        for refresh in self.refreshers:
            refresh()

    def setting(self, time_s: float) -> np.ndarray:
        """Return the ring's setting (5,): drive dBm and Hz, attenuation dB, field mT, bias V."""
        power, frequency, attenuation, voltage = (self._input(n, time_s) for n in self.inputs)
        return np.array([power, frequency, attenuation, self._field(time_s), voltage])

    def next_key(self) -> int:
        """Return the number that keys the noise of the sweep that starts now.

        The first sweep of a measurement number has that number's noise, so a measurement can be
        repeated by its number; further ones have noise of their own, the same at each repetition.
        """
        repeat, self._sweeps = self._sweeps, self._sweeps + 1
        if self.number is None:
            return _OWN_COUNT + repeat % _OWN_COUNT
        if repeat == 0:
            return self.number
        digest = hashlib.sha256(f"{self.number}/{repeat}".encode()).digest()
        return _OWN_COUNT + int.from_bytes(digest[:4], "big") % _OWN_COUNT

    def sweep(self, readout: Readout, key: int) -> RingTrace:
        """Return what the analyser sees in a sweep that starts now.

        Drift goes by the measurement number, `seconds_per_number` apart, so that a measurement is
        reproduced by its number whenever it is repeated; without a number it goes by the clock.
        """
        self.refresh()
        now = self.clock.now()
        drift_s = now if self.number is None else self.number * self.truth.seconds_per_number
        return self.ring.trace(self.setting(now), self._words(readout), key, drift_s)

    def warm_up(self, readouts: Iterable[Mapping[str, Any]]) -> None:
        """Make the ring model and compile it for readouts, so that no client waits for it."""
        for values in readouts:
            try:
                readout = Readout(**values)
                self.ring.trace(self.setting(self.clock.now()), self._words(readout), 0)
            except (TypeError, ValueError) as error:
                raise DefinitionError(f"laboratory.warm_up: {error}") from error

    def _words(self, readout: Readout) -> Any:
        return _ring_readout(readout) if self._own_ring else readout

    @property
    def ring(self) -> Ring:
        """The ring model, made when it is first needed (it takes time to compile)."""
        if self._ring is None:
            self._ring = _ring_model(self._ring_blocks, self.seed)
        return self._ring


@lru_cache(maxsize=64)
def _ring_readout(readout: Readout) -> Any:
    """Return the ring model's own readout; kept, since the model recognises what it knows."""
    from magnon_lab import ring

    return ring.Readout(**{f.name: getattr(readout, f.name) for f in fields(Readout)})


@lru_cache(maxsize=8)
def _ring_parameters(blocks: str) -> tuple[Any, Any]:
    """Return the ring's parameters and imperfections; raise `DefinitionError`."""
    from magnon_lab.ring import Imperfections, RingParameters

    ring, imperfections = json.loads(blocks)
    place = "ring"
    try:
        parameters = RingParameters.from_mapping(ring)
        place = "imperfections"
        return parameters, Imperfections.from_mapping(imperfections)
    except ValueError as error:
        raise DefinitionError(f"laboratory.{place}: {error}") from error


@lru_cache(maxsize=4)
def _ring_model(blocks: str, seed: int) -> Ring:
    """Return a ring model; kept, since it is a pure function."""
    from magnon_lab.ring import RingModel

    parameters, imperfections = _ring_parameters(blocks)
    model: Ring = RingModel(parameters, imperfections=imperfections, seed=seed)
    return model


def _entries(value: Any) -> int | None:
    """Return how many entries the wire log keeps, None for all."""
    if value == "all":
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise DefinitionError(
            f"laboratory.wire_log: {value!r} entries; allowed: a whole number from 0, or all"
        )
    return value


def _build(kind: type[Any], values: Mapping[str, Any] | None, place: str) -> Any:
    values = values or {}
    known = {f.name for f in fields(kind)}
    for key, value in values.items():
        if key not in known:
            raise DefinitionError(
                f"laboratory.{place}: unknown key {key!r}; known: {sorted(known)}"
            )
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise DefinitionError(f"laboratory.{place}.{key}: {value!r} is not a number")
        if not math.isfinite(value):
            raise DefinitionError(f"laboratory.{place}.{key}: {value!r} is not finite")
    return kind(**values)
