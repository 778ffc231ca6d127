"""PyMeasure's own drivers, unmodified, against the simulated instruments."""

import math
import warnings
from typing import Any

import numpy as np
import pytest
from pymeasure.instruments.agilent import Agilent8257D, AgilentE4408B
from pymeasure.instruments.kepco import KepcoBOP3612
from pymeasure.instruments.keysight import KeysightE36312A
from pymeasure.instruments.lakeshore import LakeShore425


@pytest.fixture
def analyser(bench: Any) -> AgilentE4408B:
    return AgilentE4408B(bench.resource("analyser"), **bench.driver_arguments("analyser"))


@pytest.fixture
def generator(bench: Any) -> Agilent8257D:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # the stock driver's own
        return Agilent8257D(bench.resource("generator"), **bench.driver_arguments("generator"))


@pytest.fixture
def supply(bench: Any) -> KepcoBOP3612:
    return KepcoBOP3612(bench.resource("field"), visa_library=bench.library)


@pytest.fixture
def probe(bench: Any) -> LakeShore425:
    return LakeShore425(bench.resource("probe"), **bench.driver_arguments("probe"))


@pytest.fixture
def bias(bench: Any) -> KeysightE36312A:
    return KeysightE36312A(bench.resource("amplifier"), **bench.driver_arguments("amplifier"))


def wait(bench: Any, seconds: float) -> None:
    bench.laboratory.clock.sleep(seconds)


def test_analyser(bench: Any, analyser: AgilentE4408B) -> None:
    assert analyser.id.split(",")[1] == "N9000A"
    analyser.start_frequency = 4.3e9
    analyser.stop_frequency = 4.65e9
    assert (analyser.start_frequency, analyser.stop_frequency) == (4.3e9, 4.65e9)
    assert analyser.center_frequency == pytest.approx(4.475e9)
    analyser.frequency_points = 401
    assert analyser.frequency_points == 401
    assert isinstance(analyser.frequency_points, int)
    analyser.frequency_step = 1234567
    assert analyser.frequency_step == pytest.approx(1.23457e6)
    analyser.sweep_time = 0.0123
    assert analyser.sweep_time == pytest.approx(0.0123)
    assert analyser.frequencies[[0, -1]].tolist() == [4.3e9, 4.65e9]
    wait(bench, 1.0)
    trace = analyser.trace(1)
    assert trace.shape == (401,)
    assert np.all((trace > -120) & (trace < 20))
    frame = analyser.trace_df(1)
    assert list(frame) == ["Frequency (GHz)", "Peak (dB)"]
    assert analyser.complete == "1"
    assert int(analyser.status) & 4 == 0
    assert any("513" in option for option in analyser.options)
    assert analyser.check_errors() == []
    analyser.write(":FOO")
    (error,) = analyser.check_errors()
    assert error[0] == -113
    analyser.reset()
    analyser.clear()
    assert analyser.next_error[0] == 0


def test_generator(bench: Any, generator: Agilent8257D) -> None:
    assert generator.is_enabled is False
    generator.frequency = 4.888123456e9
    assert generator.frequency == 4.888123e9  # the driver sends seven digits
    generator.power = -10.123456
    assert generator.power == pytest.approx(-10.12)
    generator.start_frequency, generator.stop_frequency = 1e9, 3e9
    assert generator.center_frequency == 2e9
    generator.center_frequency = 4e9
    assert (generator.start_frequency, generator.stop_frequency) == (3e9, 5e9)
    generator.start_power, generator.stop_power = -10.5, -5
    assert (generator.start_power, generator.stop_power) == (-10.5, -5)
    generator.dwell_time, generator.step_points = 0.01, 101
    assert (generator.dwell_time, generator.step_points) == (0.01, 101)
    generator.enable()
    assert generator.is_enabled is True
    generator.enable_modulation()
    assert generator.has_modulation is True
    assert float(generator.ask(":LFO:AMPL?")) == 2.0
    assert generator.ask(":LFO:STAT?").strip() == "1"
    generator.config_amplitude_modulation(frequency=1e3, depth=50, shape="square")
    assert generator.has_amplitude_modulation is True
    assert generator.amplitude_depth == 50
    assert generator.amplitude_source == "internal"
    assert generator.internal_frequency == 1e3
    assert generator.internal_shape == "square"
    generator.disable_amplitude_modulation()
    generator.config_pulse_modulation(frequency=1e4, input="doublet")
    assert generator.has_pulse_modulation is True
    assert generator.pulse_source == "internal"
    assert generator.pulse_input == "doublet"
    assert generator.pulse_frequency == 1e4
    generator.disable_pulse_modulation()
    generator.config_low_freq_out("internal", 3)
    assert generator.low_freq_out_amplitude == 3
    assert generator.low_freq_out_source == "internal"
    generator.disable_low_freq_out()
    generator.config_step_sweep()
    generator.enable_retrace()
    generator.disable_retrace()
    generator.start_step_sweep()
    generator.stop_step_sweep()
    generator.single_sweep()
    assert generator.ask(":SYST:ERR?").strip() == '+0,"No error"'
    generator.shutdown()
    assert generator.is_enabled is False
    assert generator.has_modulation is False


def test_magnet_supply(bench: Any, supply: KepcoBOP3612) -> None:
    assert supply.id.startswith("KEPCO,BIT 4886 36-12")
    assert supply.output_enabled is False
    assert supply.operating_mode == "VOLT"
    supply.operating_mode = "CURR"
    assert supply.operating_mode == "CURR"
    supply.voltage_setpoint = 20
    assert supply.voltage_setpoint == pytest.approx(20, abs=2e-3)
    supply.output_enabled = True
    assert supply.output_enabled is True
    supply.current_setpoint = 1.23457
    assert supply.current_setpoint == pytest.approx(1.23457, abs=4e-4)
    wait(bench, 1.0)
    assert supply.current == pytest.approx(1.23457, abs=5e-3)
    assert supply.voltage == pytest.approx(2 * 1.23457, abs=2e-2)
    supply.current_setpoint = 1e-5
    supply.beep()
    supply.wait_to_continue()
    assert supply.confidence_test == 0
    wait(bench, 1.0)
    supply.output_enabled = False
    assert supply.check_errors() == []
    assert bench.laboratory.plant.harm == []
    assert supply.bop_test == 0
    assert "DIAG:TST?" in bench.laboratory.plant.harm[-1].text


def test_what_the_stock_supply_driver_does_with_nan(bench: Any, supply: KepcoBOP3612) -> None:
    supply.operating_mode = "CURR"
    supply.current_setpoint = math.nan
    assert supply.current_setpoint == -12


def test_gaussmeter(bench: Any, probe: LakeShore425) -> None:
    magnet = bench.laboratory.plant.magnet
    magnet.force_current(0.0, 2.0, 36)
    wait(bench, 5.0)
    truth_mt = magnet.field(bench.laboratory.clock.now())
    assert truth_mt == pytest.approx(2 * 34.95 - 0.05, abs=1e-6)
    scale = {"G": 10.0, "T": 1e-3, "Oe": 10.0, "A/m": 795.7747}
    for unit, per_mt in scale.items():
        probe.unit = unit
        assert probe.unit == unit
        wait(bench, 0.2)
        assert probe.field / per_mt == pytest.approx(truth_mt, abs=0.06)
    probe.range = 100
    assert probe.range == 350
    wait(bench, 0.2)
    assert probe.field == "OL"  # 70 mT are 700 G
    probe.auto_range()
    wait(bench, 0.2)
    probe.unit = "T"
    assert probe.field == pytest.approx(truth_mt * 1e-3, abs=6e-5)
    probe.dc_mode(wideband=False)
    assert probe.mode == (1, 0, 2)
    probe.ac_mode()
    assert probe.mode == (2, 1, 1)
    probe.dc_mode()
    mean, deviation = probe.measure(5)
    assert mean == pytest.approx(truth_mt * 1e-3, abs=6e-5)
    assert deviation < 1e-4
    assert bench.laboratory.instruments["probe"].hurried > 0  # the driver's 1 ms is too hasty


def test_bias_supply(bench: Any, bias: KeysightE36312A) -> None:
    assert bias.id.split(",")[1] == "E36312A"
    assert bias.ch_2.output_enabled is False
    bias.ch_2.voltage_setpoint = 12
    bias.ch_2.current_limit = 0.6
    assert (bias.ch_2.voltage_setpoint, bias.ch_2.current_limit) == (12, 0.6)
    bias.ch_2.output_enabled = True
    assert bias.ch_2.output_enabled is True
    wait(bench, 0.2)
    assert bias.ch_2.voltage == pytest.approx(12, abs=2e-3)
    assert 0.25 < bias.ch_2.current < 0.5
    assert bias.ch_1.output_enabled is False
    assert bias.ch_1.voltage == pytest.approx(0, abs=2e-3)
    with pytest.raises(ValueError, match="7"):
        bias.ch_1.voltage_setpoint = 7
    bias.ch_2.output_enabled = False
    assert bias.check_errors() == []
