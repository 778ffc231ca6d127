"""The plant: what cables, magnet, film and amplifier do between the instruments."""

import hashlib
import json
import math
import random
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

import numpy as np

from magnon_lab.simulation.clock import Clock
from magnon_lab.simulation.errors import DefinitionError
from magnon_lab.simulation.magnet import Coil, Magnet

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
        """Whether the input's mixer or converter is over its range."""


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
    settle_s: float = 0.015

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


class Settling:
    """A value that an instrument changes and that takes effect `delay_s` later."""

    def __init__(self, value: float) -> None:
        self._old = self._new = value
        self._since = 0.0

    def change(self, value: float, since_s: float, now_s: float) -> None:
        """Set a new value that holds from `since_s` on."""
        self._old = self.at(now_s)
        self._new, self._since = value, since_s

    def at(self, time_s: float) -> float:
        """Return the value in effect."""
        return self._new if time_s >= self._since else self._old


class Harm(NamedTuple):
    """One thing that would have damaged a real bench."""

    time_s: float
    text: str


class Plant:
    """State of everything that is not an instrument.

    Instruments write what they put out (`drive_*`, `attenuation_db`, `amplifier_voltage`, `magnet`)
    and ask for what they would see (`sweep`, `field_mt`).
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
        self.drive_power_dbm = Settling(-math.inf)
        self.drive_frequency_hz = Settling(1e9)
        self.attenuation_db = Settling(0.0)
        self.amplifier_voltage_v = Settling(0.0)
        self.harm: list[Harm] = []
        self.refreshers: list[Callable[[], None]] = []
        self._laboratory = laboratory
        self._ring = ring
        self._own_ring = ring is None
        self.seed = seed
        self.number: int | None = None
        self._sweeps = 0
        self._draws: Counter[str] = Counter()

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

    def record_harm(self, text: str) -> None:
        """Log something that would have damaged a real instrument."""
        self.harm.append(Harm(self.clock.now(), text))

    def gauss(self, who: str) -> float:
        """Return a normal deviate keyed by seed, measurement number and place in its sequence."""
        self._draws[who] += 1
        place = f"{self.seed}/{self.number}/{who}/{self._draws[who]}"
        return random.Random(place).gauss(0.0, 1.0)

    def setting(self, time_s: float) -> np.ndarray:
        """Return the ring's setting (5,): drive dBm and Hz, attenuation dB, field mT, bias V."""
        return np.array(
            [
                self.drive_power_dbm.at(time_s),
                self.drive_frequency_hz.at(time_s),
                self.attenuation_db.at(time_s),
                self.magnet.field(time_s),
                self.amplifier_voltage_v.at(time_s),
            ]
        )

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
        """Return what the analyser sees in a sweep that starts now."""
        for refresh in self.refreshers:
            refresh()
        now = self.clock.now()
        return self.ring.trace(self.setting(now), self._in_words_of_ring(readout), key, now)

    def _in_words_of_ring(self, readout: Readout) -> Any:
        return _ring_readout(readout) if self._own_ring else readout

    @property
    def ring(self) -> Ring:
        """The ring model, made when it is first needed (it brings JAX)."""
        if self._ring is None:
            blocks = [self._laboratory.get(key) or {} for key in ("ring", "imperfections")]
            self._ring = _ring_model(json.dumps(blocks, sort_keys=True), self.seed)
        return self._ring


@lru_cache(maxsize=64)
def _ring_readout(readout: Readout) -> Any:
    """Return the ring model's own readout; kept, since the model recognises what it knows."""
    from magnon_lab import ring

    return ring.Readout(**{f.name: getattr(readout, f.name) for f in fields(Readout)})


@lru_cache(maxsize=4)
def _ring_model(blocks: str, seed: int) -> Ring:
    """Return a ring model; kept, since it is a pure function that takes time to compile."""
    from magnon_lab.ring import Imperfections, RingModel, RingParameters

    parameters, imperfections = json.loads(blocks)
    try:
        model: Ring = RingModel(
            RingParameters.from_mapping(parameters),
            imperfections=Imperfections.from_mapping(imperfections),
            seed=seed,
        )
    except ValueError as error:
        raise DefinitionError(f"laboratory: {error}") from error
    return model


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
