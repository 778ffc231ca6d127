"""Sweeps, settings, data and status of the simulated N9000A."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

Talk = Callable[[str, str], str]
SETUP = (
    ":INIT:CONT OFF;:FREQ:STAR 4.3e9;:FREQ:STOP 4.65e9;:SWE:POIN 351;:BAND 1e6;:BAND:VID 1e6;"
    ":DET:TRAC1 AVER;:POW:ATT 20"
)


@pytest.fixture
def ask(talk: Talk) -> Callable[[str], str]:
    assert talk("analyser", SETUP) == ""
    return lambda message: talk("analyser", message)


def trace(reply: str) -> np.ndarray:
    return np.array([float(v) for v in reply.split(",")])


def numbers(reply: str) -> list[float]:
    return [float(v) for v in reply.split(";")]


# Frequency axis


@pytest.mark.parametrize(
    ("message", "axis"),
    [
        (":FREQ:CENT 4.5e9", (4.325e9, 4.675e9, 4.5e9, 0.35e9)),
        (":FREQ:SPAN 1e8", (4.425e9, 4.525e9, 4.475e9, 1e8)),
        (":FREQ:STAR 4.4e9", (4.4e9, 4.65e9, 4.525e9, 0.25e9)),
        (":FREQ:STOP 4.2e9", (4.2e9 - 10, 4.2e9, 4.2e9 - 5, 10)),
        (":FREQ:STAR 5e9", (5e9, 5e9 + 10, 5e9 + 5, 10)),
        (":FREQ:SPAN:FULL", (0, 13.6e9, 6.8e9, 13.6e9)),
        (":FREQ:SPAN 0", (4.475e9, 4.475e9, 4.475e9, 0)),
        (":FREQ:CENT 13.59e9", (13.58e9, 13.6e9, 13.59e9, 2e7)),
    ],
)
def test_start_stop_centre_span_hang_together(
    ask: Callable[[str], str], message: str, axis: tuple[float, ...]
) -> None:
    ask(message)
    assert numbers(ask(":FREQ:STAR?;STOP?;CENT?;SPAN?")) == pytest.approx(axis)


def test_frequency_beyond_the_option_is_clipped_with_an_error(ask: Callable[[str], str]) -> None:
    ask(":FREQ:STOP 20 GHz")
    assert float(ask(":FREQ:STOP?")) == 13.6e9
    assert ask("SYST:ERR?").startswith('-222,"Data out of range')


# Bandwidths, time, attenuation


def test_automatic_bandwidths_follow_the_span(ask: Callable[[str], str]) -> None:
    ask(":BAND:AUTO ON;:BAND:VID:AUTO ON;:FREQ:SPAN 106e6")
    assert numbers(ask(":BAND?;:BAND:VID?")) == [1e6, 1e6]
    ask(":BAND 980 kHz")
    assert numbers(ask(":BAND?;:BAND:AUTO?;:BAND:VID?")) == [1e6, 0, 1e6]
    ask(":BAND:VID:RAT 0.1")
    assert float(ask(":BAND:VID?")) == pytest.approx(1e5)


@pytest.mark.parametrize(
    ("span", "rbw", "vbw", "kind", "time_s"),
    [
        (350e6, 1e6, 1e6, "SWE", 1e-3),  # below the shortest sweep
        (100e6, 100e3, 10e3, "SWE", 2.5 * 100e6 / (100e3 * 10e3)),
        (10e6, 1e3, 1e3, "FFT", 1.5e-3 + 0.02),
        (30e6, 1e3, 1e3, "FFT", 4.5e-3 + 0.02),
    ],
)
def test_sweep_time(
    ask: Callable[[str], str], span: float, rbw: float, vbw: float, kind: str, time_s: float
) -> None:
    ask(f":FREQ:SPAN {span};:BAND {rbw};:BAND:VID {vbw};:SWE:TYPE:AUTO OFF;:SWE:TYPE {kind}")
    assert float(ask(":SWE:TIME?")) == pytest.approx(time_s)
    ask(":SWE:TIME:AUTO:RUL ACC")
    assert float(ask(":SWE:TIME?")) == pytest.approx(3 * time_s)


def test_the_faster_sweep_type_is_automatic(ask: Callable[[str], str]) -> None:
    assert ask(":SWE:TYPE?") == "SWE"
    ask(":FREQ:SPAN 10e6;:BAND 1e3;:BAND:VID 1e3")
    assert ask(":SWE:TYPE?") == "FFT"


def test_a_sweep_too_fast_is_uncalibrated(ask: Callable[[str], str]) -> None:
    ask(":BAND 10e3;:BAND:VID 10e3;:SWE:TYPE SWE;:SWE:TIME 1 ms")
    assert ask(":STAT:QUES:INT:UNC:COND?;:STAT:QUES:INT:COND?").split(";")[0] == "1"
    assert int(ask(":STAT:QUES:INT:COND?")) & 8
    assert int(ask(":STAT:QUES:COND?")) & 512
    ask(":SWE:TIME:AUTO ON")
    assert ask(":STAT:QUES:INT:UNC:COND?") == "0"


@pytest.mark.parametrize(("asked", "made"), [(14, 10), (16, 20), (30, 30), (70, 50)])
def test_attenuation_goes_in_steps_of_ten(
    ask: Callable[[str], str], asked: float, made: float
) -> None:
    ask(f":POW:ATT {asked}")
    assert float(ask(":POW:ATT?")) == made
    assert ask("SYST:ERR?").startswith("-222" if asked > 50 else "+0")


def test_fine_attenuation_needs_its_option(ask: Callable[[str], str], laboratory: Any) -> None:
    ask(":POW:ATT:STEP 2")
    assert ask("SYST:ERR?").startswith("-221")
    analyser = laboratory.instruments["analyser"]
    analyser.settings = {**analyser.settings, "options": "513,FSA"}
    ask(":POW:ATT 13.9 dB")
    assert float(ask(":POW:ATT?")) == 14


def test_preamplifier_needs_its_option(ask: Callable[[str], str], laboratory: Any) -> None:
    ask(":POW:GAIN ON")
    assert ask(":POW:GAIN?;:SYST:ERR?") == '1;+0,"No error"'
    analyser = laboratory.instruments["analyser"]
    analyser.settings = {**analyser.settings, "options": "513"}
    ask(":POW:GAIN OFF;:POW:GAIN ON")
    assert ask(":POW:GAIN?;:SYST:ERR?").startswith("0;-241")


def test_automatic_attenuation_follows_the_reference_level(ask: Callable[[str], str]) -> None:
    ask(":POW:ATT:AUTO ON;:DISP:WIND:TRAC:Y:RLEV 15")
    assert ask(":POW:ATT?") == "30"
    ask(":DISP:WIND:TRAC:Y:RLEV -40")
    assert ask(":POW:ATT?") == "10"


def test_what_the_ring_model_is_asked(ask: Callable[[str], str], ring: Any) -> None:
    ask(":DISP:WIND:TRAC:Y:RLEV -5;:DET:TRAC1 POS;:INIT;*WAI")
    readout = ring.calls[-1].readout
    assert (readout.start_hz, readout.stop_hz, readout.points) == (4.3e9, 4.65e9, 351)
    assert (readout.rbw_hz, readout.vbw_hz, readout.detector) == (1e6, 1e6, "peak")
    assert (readout.input_attenuation_db, readout.reference_level_dbm) == (20, -5)


# Sweeps


def test_single_sweep_takes_its_time(ask: Callable[[str], str], laboratory: Any) -> None:
    ask(":SWE:TIME 0.5")
    before = laboratory.clock.now()
    assert ask(":INIT;*OPC?") == "1"
    assert laboratory.clock.now() - before == pytest.approx(0.505, abs=0.01)


def test_trace_during_a_sweep_is_new_and_old(
    ask: Callable[[str], str], laboratory: Any, ring: Any
) -> None:
    ask(":INIT;*OPC?")
    old = trace(ask(":TRAC? TRACE1"))
    laboratory.plant.put("attenuation_db", 0.0, 0.0)
    ask(":SWE:TIME 1;:INIT")
    laboratory.clock.sleep(0.5)
    mixed = trace(ask(":TRAC? TRACE1"))
    ask("*OPC?")
    new = trace(ask(":TRAC? TRACE1"))
    swept = int(np.argmax(mixed != new))
    assert 100 < swept < 250
    assert np.array_equal(mixed[:swept], new[:swept])
    assert np.array_equal(mixed[swept:], old[swept:])


def test_abort_leaves_an_incomplete_trace_and_completes(ask: Callable[[str], str]) -> None:
    ask(":INIT;*OPC?;:SWE:TIME 100;:INIT")
    assert int(ask(":STAT:OPER:COND?")) & 8
    assert ask(":ABOR;*OPC?") == "1"
    assert ask(":STAT:OPER:COND?") == "0"


def test_initiating_again_restarts(ask: Callable[[str], str], laboratory: Any) -> None:
    ask(":SWE:TIME 1;:INIT")
    laboratory.clock.sleep(0.6)
    before = laboratory.clock.now()
    ask(":INIT;*OPC?")
    assert laboratory.clock.now() - before == pytest.approx(1.005, abs=0.02)


def test_opc_by_polling(ask: Callable[[str], str]) -> None:
    ask("*CLS;:SWE:TIME 2;:INIT;*OPC")
    polls = 0
    while not int(ask("*ESR?")) & 1:
        polls += 1
        assert polls < 60
    assert polls > 2
    assert ask("*OPC?") == "1"


def test_average_runs_a_set_of_sweeps(ask: Callable[[str], str], ring: Any) -> None:
    ask(":TRAC1:TYPE AVER;:AVER:COUN 8;:AVER:TYPE LOG")
    before = len(ring.calls)
    ask(":INIT;*OPC?")
    assert len(ring.calls) == before + 8
    averaged = trace(ask(":TRAC? TRACE1"))
    ask(":TRAC1:TYPE WRIT;:INIT;*OPC?")
    single = trace(ask(":TRAC? TRACE1"))
    flat = slice(0, 60)
    assert np.std(averaged[flat]) < 0.6 * np.std(single[flat])


@pytest.mark.parametrize(("kind", "sign"), [("MAXH", 1), ("MINH", -1)])
def test_holding_keeps_extremes(ask: Callable[[str], str], kind: str, sign: int) -> None:
    ask(f":TRAC2:TYPE {kind};:AVER:COUN 6;:DET:TRAC2 AVER;:INIT;*OPC?")
    held, last = trace(ask(":TRAC? TRACE2")), trace(ask(":TRAC? TRACE1"))
    assert np.all(sign * (held - last) >= 0)
    assert np.any(held != last)


def test_continuous_sweeps_show_the_plant_as_it_stands(
    ask: Callable[[str], str], laboratory: Any
) -> None:
    laboratory.plant.magnet.force_current(0.0, 92 / 34.95, 36)
    laboratory.clock.sleep(5)
    ask(":INIT:CONT ON")
    laboratory.clock.sleep(0.1)
    closed = trace(ask(":TRAC? TRACE1"))
    laboratory.plant.put("attenuation_db", 0.0, 0.0)
    laboratory.clock.sleep(0.1)
    opened = trace(ask(":TRAC? TRACE1"))
    assert opened.max() > closed.max() + 10


def test_trace_numbers(ask: Callable[[str], str]) -> None:
    for word, code in (("TRACE7", -224), ("FOO", -141)):
        ask(f":TRAC? {word}")
        assert ask("SYST:ERR?").startswith(f"{code},")
    ask(":TRAC9:TYPE WRIT")
    assert ask("SYST:ERR?").startswith("-114")


def test_changing_points_clears_the_traces(ask: Callable[[str], str]) -> None:
    ask(":INIT;*OPC?")
    assert ask(":STAT:QUES:INT:COND?") == "0"
    ask(":SWE:POIN 101")
    assert int(ask(":STAT:QUES:INT:COND?")) & 4096
    assert set(trace(ask(":TRAC? TRACE1"))) == {-200.0}


def test_bus_trigger(ask: Callable[[str], str], ring: Any) -> None:
    ask(":TRIG:SOUR BUS")
    before = len(ring.calls)
    ask(":INIT")
    assert (ask(":STAT:OPER:COND?"), len(ring.calls)) == ("32", before)
    ask("*TRG")
    assert ask("*OPC?") == "1"
    assert len(ring.calls) == before + 1


# Overload and harm


def test_overload_bits(ask: Callable[[str], str], ring: Any) -> None:
    ring.overload = True
    ask(":INIT;*OPC?")
    assert int(ask(":STAT:QUES:INT:COND?")) & (16 | 32)
    assert int(ask(":STAT:QUES:COND?")) & 512
    assert ask(":STAT:QUES:POW:COND?") == "0"
    ask(":ABOR")
    assert not int(ask(":STAT:QUES:INT:COND?")) & (16 | 32)


def test_too_much_power_does_harm(ask: Callable[[str], str], ring: Any, laboratory: Any) -> None:
    ring.extra_input_dbm = 31.0
    ask(":INIT;*OPC?")
    assert ask(":STAT:QUES:POW:COND?") == "64"
    assert "31.0 dBm" in laboratory.plant.harm[0].text


# Markers and settings


def test_markers(ask: Callable[[str], str], laboratory: Any) -> None:
    laboratory.plant.put("attenuation_db", 0.0, 0.0)
    laboratory.plant.magnet.force_current(0.0, 92 / 34.95, 36)
    laboratory.clock.sleep(5)
    ask(":INIT;*OPC?;:CALC:MARK1:MAX")
    levels = trace(ask(":TRAC? TRACE1"))
    axis = np.linspace(4.3e9, 4.65e9, 351)
    assert float(ask(":CALC:MARK1:X?")) == pytest.approx(axis[levels.argmax()])
    assert float(ask(":CALC:MARK1:Y?")) == pytest.approx(levels.max())
    assert ask(":CALC:MARK1:STAT?") == "1"
    ask(":CALC:MARK1:MAX:NEXT")
    assert ask("SYST:ERR?").startswith("780")
    ask(":CALC:MARK1:CENT")
    assert float(ask(":FREQ:CENT?")) == pytest.approx(axis[levels.argmax()])
    ask(":CALC:MARK2:MIN;:CALC:MARK:AOFF")
    assert ask(":CALC:MARK2:STAT?") == "0"


def test_power_up_reset_and_preset(talk: Talk) -> None:
    assert talk("analyser", ":INIT:CONT?;:SWE:POIN?;:POW:ATT?;:POW:GAIN?") == "1;1001;10;0"
    assert int(talk("analyser", "*ESR?")) == 128
    assert talk("analyser", "*ESR?") == "0"
    talk("analyser", ":SWE:POIN 11;*RST")
    assert talk("analyser", ":INIT:CONT?;:SWE:POIN?") == "0;1001"
    talk("analyser", ":SYST:PRES")
    assert talk("analyser", ":INIT:CONT?") == "1"


def test_save_and_recall(ask: Callable[[str], str]) -> None:
    ask("*SAV 3;:SWE:POIN 7;*RCL 3")
    assert ask(":SWE:POIN?") == "351"
    ask("*RCL 4")
    assert ask("SYST:ERR?").startswith("-224")


def test_alignment_takes_seconds(ask: Callable[[str], str], laboratory: Any) -> None:
    before = laboratory.clock.now()
    ask(":CAL")
    assert ask(":STAT:OPER:COND?") == "1"
    assert ask("*OPC?") == "1"
    assert laboratory.clock.now() - before > 7
