"""Outputs on and off, and benches found in each state that hurts."""

import numpy as np
import pytest
import pyvisa
from pyvisa.constants import StatusCode

from magnon_lab.bench import (
    Bench,
    BenchError,
    ConnectionFailed,
    InstrumentError,
    LimitError,
    MeasurementFailedError,
    check_bench,
    make_safe,
)

ROW = [[-10.0, 4.465e9, 12.0]]
STEPS = [
    "attenuator to maximum",
    "generator off",
    "amplifier bias off",
    "field to zero",
    "current and field read back",
    "field supply off",
]


def is_safe(laboratory) -> bool:
    """Ask the simulated instruments themselves, not the bench."""
    values = {role: instrument.values for role, instrument in laboratory.instruments.items()}
    off = not (
        values["generator"]["output"]
        or values["field"]["output"]
        or any(values["amplifier"]["output"].values())
    )
    return off and values["attenuator"]["attenuation"] == 60.0


@pytest.fixture
def harmless(wire):
    """Check at the end that nothing was damaged, reset, or sent out of its limits."""
    yield
    assert [entry.text for entry in wire.laboratory.plant.harm] == []
    assert not [message for message in wire.sent() if "*RST" in message or "DIAG" in message]
    for role, pattern, low, high in (
        ("generator", ":POW", -60, 10),
        ("generator", ":FREQ", 4.0e9, 5.2e9),
        ("attenuator", "SETATT", 5, 60),
        ("field", "CURRent", 0, 150 / 35),
        ("field", "VOLTage", 0, 20),
        ("amplifier", r"VOLT(?!:)", 0, 12.5),
    ):
        values = wire.values(role, pattern)
        assert all(low - 1e-6 <= value <= high + 1e-6 for value in values), (role, values)


pytestmark = pytest.mark.usefixtures("harmless")


def profile(manager, name: str) -> None:
    with manager.open_resource("TCPIP::sim-laboratory::hislip0::INSTR") as laboratory:
        laboratory.write(f":LAB:PROF {name}")
        assert laboratory.query(":SYST:ERR?").startswith(("0", "+0"))


def test_opening_asks_and_switches_nothing(bench, wire) -> None:
    assert sorted(bench.identities()) == sorted(wire.laboratory.instruments)
    assert all(line.ok for line in bench.check())
    assert not wire.values("attenuator", "SETATT")
    changed = [m for m in wire.sent() if ("OUT" in m and "?" not in m) or m.startswith("CURR")]
    assert changed == []
    assert bench.harm() == ()


def test_start_is_the_mirror_image_of_safe(bench, wire) -> None:
    bench.start({"attenuation_db": 12.0})
    order = []
    for _, role, way, data in wire.laboratory.plant.wire:
        text = data.decode("latin-1").strip()
        if way == "<" and text.startswith((":SETATT", "OUTP", ":OUTP")) and "?" not in text:
            order.append((role, text))
    assert order == [
        ("attenuator", ":SETATT=60.00"),
        ("generator", ":OUTP 0"),
        ("generator", ":OUTPUT:MOD OFF;"),
        ("field", "OUTPut 1"),
        ("amplifier", "OUTP 1, (@2)"),
        ("generator", ":OUTP 1"),
        ("attenuator", ":SETATT=12.00"),
    ]
    assert [outcome.name for outcome in bench.safe()] == STEPS
    assert all(outcome.ok for outcome in bench.outcomes)
    assert is_safe(wire.laboratory)


def test_safe_reads_back_what_it_did(bench) -> None:
    bench.start()
    readback = {name: value for o in bench.safe() for name, value in o.readback.items()}
    assert readback["attenuation_db"] == 60.0
    assert readback["drive_power_dbm"] == -60.0
    assert readback["amplifier_current_a"] == pytest.approx(0.0, abs=1e-3)
    assert readback["field_current_a"] == pytest.approx(0.0, abs=5e-3)
    assert readback["field_mt"] == pytest.approx(0.0, abs=0.2)
    assert readback["field_output_on"] == 0.0


def test_safe_may_be_called_any_number_of_times(bench, wire) -> None:
    for _ in range(3):
        assert all(outcome.ok for outcome in bench.safe())
    assert is_safe(wire.laboratory)


def test_what_is_switched_is_told_before_and_after(shipped, manager) -> None:
    journal = []
    with Bench(shipped, journal=lambda *entry: journal.append(entry)) as bench:
        bench.start()
    kinds = {kind for kind, *_ in journal}
    assert kinds == {"output", "ramp", "safe"}
    for before, after in zip(journal[::2], journal[1::2], strict=True):
        assert (before[0], before[1], after[1]) == (after[0], "intent", "outcome")
    assert ("ramp", "intent", "field to 92 mT", {"field_mt": 92.0}) in journal


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, ZeroDivisionError])
def test_leaving_makes_safe_whatever_happened(shipped, manager, wire, error) -> None:
    def interrupted(*_: object) -> None:
        raise error

    def work() -> None:
        with Bench(shipped) as bench:
            bench.start()
            bench.measure(ROW, on_measurement=interrupted)

    with pytest.raises(error):
        work()
    assert is_safe(wire.laboratory)


def test_a_start_that_fails_half_way_leaves_the_bench_safe(edited, manager, wire) -> None:
    window = {"roles.amplifier.expected_current_a": [0.45, 0.55]}  # it draws 0.38 A
    with Bench(edited(window)) as bench:
        with pytest.raises(InstrumentError, match="outside expected_current_a"):
            bench.start()
        assert is_safe(wire.laboratory)
        assert not bench.started
        assert wire.laboratory.plant.magnet.field(wire.laboratory.clock.now()) < 0.2


def test_a_start_can_be_stopped_while_the_magnet_ramps(bench, wire) -> None:
    assert bench.start(should_stop=lambda: len(wire.values("field", "CURRent")) > 20) is False
    assert is_safe(wire.laboratory)
    assert max(wire.values("field", "CURRent")) < 1.0


def test_a_start_out_of_limits_is_refused_before_anything_is_sent(bench, wire) -> None:
    wire.clear()
    with pytest.raises(LimitError, match="field_mt = 200 mT is outside"):
        bench.start({"field_mt": 200.0})
    with pytest.raises(BenchError, match="'field' cannot be held: this bench has drive_power_dbm"):
        bench.start({"field": 92.0})
    assert wire.sent() == []


def test_standby_keeps_field_and_bias(bench, wire) -> None:
    bench.start()
    bench.measure(ROW)
    assert [outcome.ok for outcome in bench.standby()] == [True, True]
    values = {role: i.values for role, i in wire.laboratory.instruments.items()}
    assert values["attenuator"]["attenuation"] == 60.0
    assert not values["generator"]["output"]
    assert values["field"]["output"]
    assert values["amplifier"]["output"][2]
    wire.clear()
    bench.start()  # the magnet is there already
    assert wire.values("field", "CURRent") == []
    assert bench.measure(ROW).complete


def test_a_bench_may_be_left_in_standby_or_as_it_is(shipped, manager, wire) -> None:
    with Bench(shipped, leave="standby") as bench:
        bench.start()
    assert wire.laboratory.instruments["field"].values["output"]
    assert not wire.laboratory.instruments["generator"].values["output"]
    with Bench(shipped, leave="unchanged") as bench:
        assert bench.readback()["field_mt"] == pytest.approx(92.0, abs=0.3)
        wire.clear()
    assert wire.sent() == []


def test_after_an_error_a_bench_is_safe_and_not_in_standby(shipped, manager, wire) -> None:
    def work() -> None:
        with Bench(shipped, leave="standby") as bench:
            bench.start()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()
    assert is_safe(wire.laboratory)


@pytest.mark.parametrize("name", ["magnet_on", "bias_on", "left_running"])
def test_a_bench_found_running_is_taken_over_without_a_jump(shipped, manager, wire, name) -> None:
    profile(manager, name)
    with Bench(shipped) as bench:
        bench.start()
        assert bench.readback()["field_mt"] == pytest.approx(92.0, abs=0.3)
        currents = [2.6 if name == "left_running" else 3.0 if name == "magnet_on" else 0.0]
        currents += wire.values("field", "CURRent")
        assert np.abs(np.diff(currents)).max() <= 20 * 0.05 / 35 * 1.001
        assert "OUTPut 0" not in wire.sent("field")
    assert is_safe(wire.laboratory)


@pytest.mark.parametrize("name", ["open_loop_gain", "drive_on"])
def test_a_bench_that_could_wake_dangerously_is_not_started(shipped, manager, wire, name) -> None:
    profile(manager, name)
    with Bench(shipped) as bench:
        assert [line.role for line in bench.check() if not line.ok] == [
            "attenuator" if name == "open_loop_gain" else "generator"
        ]
        with pytest.raises(
            InstrumentError, match=r"the bench is not started\. .*after a power cut"
        ):
            bench.start()
    assert is_safe(wire.laboratory)


@pytest.mark.parametrize("name", ["magnet_on", "bias_on", "left_running", "open_loop_gain"])
def test_a_bench_found_running_can_be_made_safe_from_outside(shipped, manager, wire, name) -> None:
    profile(manager, name)
    assert all(outcome.ok for outcome in make_safe(shipped))
    assert is_safe(wire.laboratory)
    assert wire.laboratory.plant.magnet.field(wire.laboratory.clock.now()) < 0.2


@pytest.mark.parametrize("volts", [5.0, -5.0])
def test_a_supply_found_in_voltage_mode_comes_down_before_it_is_switched(
    shipped, manager, wire, volts
) -> None:
    with manager.open_resource("GPIB::6::INSTR") as supply:
        for message in ("FUNC:MODE VOLT", "CURR 4", f"VOLT {volts}", "OUTP 1"):
            supply.write(message)
    with manager.open_resource("TCPIP::sim-laboratory::hislip0::INSTR") as laboratory:
        assert laboratory.query(":LAB:WAIT 2;*OPC?").strip() == "1"
    now = wire.laboratory.clock.now()
    assert abs(wire.laboratory.plant.magnet.current(now)) == pytest.approx(2.5, abs=0.01)
    wire.clear()
    with Bench(shipped) as bench:
        bench.start()
        assert bench.readback()["field_mt"] == pytest.approx(92.0, abs=0.3)
        voltages = np.array([volts, *wire.values("field", "VOLTage")[:-1]])
        assert np.abs(np.diff(voltages)).max() < 0.1  # 2 ohm: less than 50 mA a step
    wire.clear()


def test_a_supply_that_still_carries_current_is_left_on_and_reported(
    bench, wire, monkeypatch, caplog
) -> None:
    bench.start()
    monkeypatch.setattr(bench.stand.field, "current_a", lambda moved=True: 2.6)
    monkeypatch.setattr(bench.stand.probe, "field_mt", lambda twice=False: 91.0)
    outcomes = {outcome.name: outcome for outcome in bench.safe()}
    assert [name for name in STEPS if not outcomes[name].ok] == STEPS[4:]
    assert outcomes["current and field read back"].readback["field_current_a"] == 2.6
    assert "OUTPUT LEFT ON, 2.600 A still flow" in outcomes["field supply off"].text
    assert wire.laboratory.instruments["field"].values["output"]  # left on, held
    assert "bench NOT safe: field supply off" in caplog.text
    monkeypatch.undo()


def test_one_instrument_out_of_reach_does_not_keep_the_others_from_safe(
    shipped, edited, manager, wire
) -> None:
    profile(manager, "left_running")
    gone = edited({"roles.generator.resource": "TCPIP::elsewhere::hislip0::INSTR"})
    outcomes = {outcome.name: outcome for outcome in make_safe(gone)}
    assert [name for name in STEPS if not outcomes[name].ok] == ["generator off"]
    assert "generator (KeysightE8257D at TCPIP::elsewhere::hislip0::INSTR) cannot be reached" in (
        outcomes["generator off"].text
    )
    lines = {line.role: line for line in check_bench(gone)}
    assert [role for role, line in lines.items() if not line.ok] == ["generator"]
    with pytest.raises(ConnectionFailed, match="Check that it is on and connected"), Bench(gone):
        pytest.fail("must not open")
    make_safe(shipped)
    assert is_safe(wire.laboratory)


def test_after_a_time_out_that_stays_the_bench_is_in_standby_and_the_session_new(
    bench, wire, monkeypatch
) -> None:
    bench.start()
    before = bench.stand.sessions["analyser"].instrument

    def late(*_: object) -> None:
        raise pyvisa.VisaIOError(StatusCode.error_timeout)

    with monkeypatch.context() as patch:
        patch.setattr(type(before), "acquire", late)
        with pytest.raises(
            MeasurementFailedError, match=r"try 3 of 3 .*analyser .*: no answer within .*anew"
        ):
            bench.measure(ROW)
    values = {role: one.values for role, one in wire.laboratory.instruments.items()}
    assert values["attenuator"]["attenuation"] == 60.0
    assert not values["generator"]["output"]
    assert values["field"]["output"]  # the magnet keeps its history
    assert not bench.started
    assert bench.stand.sessions["analyser"].instrument is not before
    bench.start()
    assert bench.measure(ROW).complete


def test_a_probe_far_from_the_field_set_is_believed_not_the_supply(bench, monkeypatch) -> None:
    monkeypatch.setattr(bench.stand.probe, "field_mt", lambda: 60.0)
    with pytest.raises(
        InstrumentError, match=r"the probe reads 60\.000 mT, further off than roles"
    ):
        bench.start()


def test_a_supply_at_its_compliance_is_noticed(edited, manager, wire) -> None:
    with (
        Bench(edited({"roles.field.compliance_v": 2.0})) as bench,  # 2 ohm: 1 A, 35 mT
        pytest.raises(InstrumentError, match="is the supply at its compliance voltage"),
    ):
        bench.start()
    assert is_safe(wire.laboratory)


def test_knobs_are_turned_by_hand_under_all_limits(bench, wire) -> None:
    assert bench.set("attenuation_db", 20.1) == 20.0
    assert wire.laboratory.instruments["field"].values["output"] == 0
    with pytest.raises(LimitError, match="drive_frequency_hz = 20000000000 Hz is outside limits"):
        bench.set("drive_power_dbm", -10.0)  # as it was found
    assert bench.set("amplifier_voltage_v", 0.0) == 0.0
    assert not bench.stand.amplifier.is_on()
    calls = iter(range(1000))
    assert bench.set("field_mt", 92.0, should_stop=lambda: next(calls) > 10) < 15.0
    assert bench.set("field_mt", 92.0) == pytest.approx(92.0, abs=0.3)
    assert bench.set("amplifier_voltage_v", 12.0) == 12.0
    assert bench.set("drive_frequency_hz", 4.465e9) == 4.465e9
    assert not bench.stand.generator.is_on()
    assert bench.set("drive_power_dbm", -10.0) == -10.0
    assert bench.stand.generator.is_on()
    frequencies, trace = bench.trace()
    assert abs(frequencies[trace.argmax()] - 4.465e9) < 1e6
    with pytest.raises(LimitError):
        bench.set("attenuation_db", 4.0)
    with pytest.raises(BenchError, match="'power' is no quantity"):
        bench.set("power", 4.0)
    shown = {line.quantity: line for line in bench.show()}
    assert shown["drive_power_dbm"].readback == -10.0
    assert shown["drive_power_dbm"].limits == (-60.0, 10.0)
    assert shown["attenuation_db"].knob.step == 0.25
    assert shown["field_mt"].unit == "mT"


def test_nothing_is_switched_on_by_hand_on_a_bench_that_must_not_be_started(
    bench, manager, wire
) -> None:
    profile(manager, "open_loop_gain")
    bench.check()
    with pytest.raises(InstrumentError, match="the bench is not started"):
        bench.set("field_mt", 10.0)
    assert not wire.laboratory.instruments["field"].values["output"]
    assert bench.set("attenuation_db", 30.0) == 30.0  # the loop may be opened all the same


def test_the_analyser_is_protected_before_anything_is_switched_on_by_hand(bench, wire) -> None:
    bench.set("drive_frequency_hz", 4.465e9)
    bench.safe()
    with Bench(bench.bench_file, leave="unchanged") as another:
        wire.clear()
        another.set("drive_power_dbm", -20.0)
    sent = wire.sent()
    order = [sent.index(message) for message in (":POW:ATT 20", ":OUTPUT:MOD OFF;", ":OUTP 1")]
    assert order == sorted(order)
