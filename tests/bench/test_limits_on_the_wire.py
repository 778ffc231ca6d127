"""Whatever is asked for, and whatever fails: what goes over the wires stays within all limits."""

import contextlib
import re
from collections.abc import Iterator

import numpy as np
import pytest
import pyvisa
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from magnon_lab.bench import Bench, BenchError, BenchFile
from magnon_lab.simulation.wire_log import WireLog

NUMBER = r"[ =]*(-?(?:[\d.]+(?:[eE][-+]?\d+)?|nan|inf))"
SENT = {
    "drive_power_dbm": ("generator", r":POW(?!:)" + NUMBER),
    "drive_frequency_hz": ("generator", r":FREQ(?!:)" + NUMBER),
    "attenuation_db": ("attenuator", r"SETATT" + NUMBER),
    "field_a": ("field", r"CURR(?:ent)?(?!:)" + NUMBER),
    "amplifier_voltage_v": ("amplifier", r"VOLT(?!:)" + NUMBER),
}
SWITCHED = {
    "generator": r"^:OUTP(?:UT)? (\w+)",
    "field": r"^OUTP(?:ut)? (\w+)",
    "amplifier": r"^OUTP(?:ut)? (\w+)",
}
MT_PER_A = 35.0


class Replay:
    """The state of the outputs as the wires told it, checked after every message."""

    def __init__(self, bench_file: BenchFile) -> None:
        self.limits = bench_file.limits
        self.slew = bench_file.model.limits.field_slew_mt_per_s
        self.now = {"drive_power_dbm": -60.0, "attenuation_db": 60.0, "field_a": 0.0}
        self.on = dict.fromkeys(SWITCHED, False)
        self.field_s = -1e9

    def take(self, time_s: float, role: str, text: str) -> None:
        for quantity, (who, pattern) in SENT.items():
            if who == role:
                for found in re.findall(pattern, text, re.IGNORECASE):
                    self.set(quantity, float(found), time_s)
        switched = re.search(SWITCHED.get(role, r"^$"), text, re.IGNORECASE)
        if switched:
            on = switched.group(1).upper() in ("1", "ON")
            if role == "field" and self.on["field"] and not on:
                assert abs(self.now["field_a"]) < 0.05, "switched off while current flows"
            self.on[role] = on
        self.check_linked()

    def set(self, quantity: str, value: float, time_s: float) -> None:
        assert np.isfinite(value), (quantity, value)
        if quantity == "field_a":
            low, high = self.limits.ranges["field_mt"]
            assert low - 1e-3 <= value * MT_PER_A <= high + 1e-3, value
            step_mt = abs(value - self.now["field_a"]) * MT_PER_A
            if self.on["field"] and step_mt > 1e-3:
                assert step_mt <= self.slew * (time_s - self.field_s) * 1.001 + 1e-3, (
                    step_mt, time_s - self.field_s,
                )  # fmt: skip
            self.field_s = time_s
        else:
            low, high = self.limits.ranges[quantity]
            assert low - 1e-9 <= value <= high + 1e-9, (quantity, value)
        self.now[quantity] = value

    def check_linked(self) -> None:
        power = self.now["drive_power_dbm"] if self.on["generator"] else -np.inf
        attenuation = np.array([self.now["attenuation_db"]])
        for node in self.limits.linked.nodes(np.array([power]), attenuation):
            assert node.power_dbm[0] <= node.limit_dbm + 0.1, (node, self.now)


@contextlib.contextmanager
def watched(bench_file: BenchFile) -> Iterator[tuple[pyvisa.ResourceManager, WireLog]]:
    manager = pyvisa.ResourceManager(bench_file.visa_library)
    plant = manager.visalib.laboratory.plant
    plant.wire = log = WireLog(None)
    try:
        yield manager, log
    finally:
        if manager.visalib.resource_manager is manager:
            manager.close()


RANGES = {
    "drive_power_dbm": (-60.0, 10.0),
    "drive_frequency_hz": (4.0e9, 5.2e9),
    "attenuation_db": (5.0, 60.0),
    "field_mt": (0.0, 150.0),
    "amplifier_voltage_v": (0.0, 12.5),
}


def value_of(quantity: str) -> st.SearchStrategy[float]:
    low, high = RANGES[quantity]
    inside = st.floats(low, high)
    beyond = st.sampled_from([low - 1, high + 1, -high, np.nan, np.inf, -np.inf, 1e300])
    return st.one_of(inside, inside, inside, st.sampled_from([low, high]), beyond)


settings_of = st.dictionaries(st.sampled_from(list(RANGES)), st.none(), max_size=5).flatmap(
    lambda chosen: st.fixed_dictionaries({name: value_of(name) for name in chosen})
)
faults = st.tuples(
    st.sampled_from(
        ["dropped", "garbled", "partial", "duplicate", "stale", "lost", "cut", "power_cycle",
         "stuck", "timeout"]
    ),
    st.sampled_from(["analyser", "generator", "attenuator", "field", "probe", "amplifier"]),
    st.integers(1, 40),
)  # fmt: skip
actions = st.one_of(
    st.tuples(st.just("start"), settings_of),
    st.tuples(st.just("measure"), st.lists(settings_of, min_size=1, max_size=3)),
    st.tuples(st.just("set"), st.sampled_from(list(RANGES)).flatmap(
        lambda name: st.tuples(st.just(name), value_of(name)))),
    st.tuples(st.just("fault"), faults),
    st.tuples(st.sampled_from(["standby", "safe"]), st.none()),
)  # fmt: skip


def do(bench: Bench, manager: pyvisa.ResourceManager, action: str, what) -> None:
    if action == "start":
        bench.start(what)
    elif action == "measure":
        names = tuple(what[0])
        bench.measure([[row.get(name, 1e9) for name in names] for row in what], names)
    elif action == "set":
        bench.set(*what)
    elif action == "fault":
        kind, role, at = what
        lasting = ",duration_s=5" if kind in ("stuck", "timeout") else ""
        manager.visalib.laboratory.faults.add(f"kind={kind},role={role},at={at}{lasting}")
    else:
        getattr(bench, action)()


START = ("start", {"attenuation_db": 11.0})


@settings(
    max_examples=50,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(st.booleans(), st.lists(actions, min_size=1, max_size=7))
@example(True, [("fault", ("lost", "field", 30)), ("measure", [{"field_mt": 60.0}])])
@example(True, [("fault", ("power_cycle", "generator", 3)), ("set", ("drive_power_dbm", 10.0))])
@example(True, [("set", ("attenuation_db", 5.0)), ("set", ("drive_power_dbm", 10.0))])
@example(False, [("set", ("drive_power_dbm", 10.0)), ("set", ("attenuation_db", 5.0))])
@example(False, [("set", ("field_mt", 150.0)), ("safe", None)])
def test_no_limit_is_ever_exceeded_on_the_wire(started: bool, sequence: list) -> None:
    bench_file = BenchFile.load()
    with watched(bench_file) as (manager, log):
        with Bench(bench_file, seed=1) as bench:
            for action, what in [START, *sequence] if started else sequence:
                with contextlib.suppress(BenchError):
                    do(bench, manager, action, what)
        assert log.dropped == 0
        replay = Replay(bench_file)
        for entry in log:
            if entry.way == "<":
                replay.take(entry.time_s, entry.role, entry.text.strip())
        harm = [entry.text for entry in manager.visalib.laboratory.plant.harm]
    assert harm == []


def test_the_replay_would_notice(shipped) -> None:
    replay = Replay(shipped)
    replay.take(0.0, "field", "OUTPut 1")
    replay.take(0.0, "field", "CURRent 0.028571")
    with pytest.raises(AssertionError):
        replay.take(0.01, "field", "CURRent 0.085714")  # 2 mT in 10 ms
    for role, text in (
        ("generator", ":FREQ 4460000000.000;:POW 10.500;:FREQ?"),
        ("generator", ":POW nan"),
        ("attenuator", ":SETATT=4.00"),
        ("amplifier", "VOLT 13.000, (@2)"),
        ("field", "CURRent -0.1"),
    ):
        with pytest.raises(AssertionError):
            Replay(shipped).take(0.0, role, text)
