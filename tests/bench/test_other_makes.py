"""Instruments of other makes, with PyMeasure's own drivers, against their command protocol."""

import numpy as np
import pytest

from magnon_lab.bench import InstrumentError

APSIN = "pymeasure.instruments.anapico:APSIN12G"
FSW = "pymeasure.instruments.rohdeschwarz:FSW"
FSL = "pymeasure.instruments.rohdeschwarz:FSL"
NO_ERROR = ("SYST:ERR?", '0,"No error"')


def test_an_anapico_is_asked_for_the_state_that_its_driver_cannot_tell(playing) -> None:
    pairs = [("OUTP:STAT 1", None), ("OUTP:STAT?", "1"), NO_ERROR]
    pairs += [("OUTP:STAT 0", None), *[("OUTP:STAT?", "1")] * 2]
    with playing("generator", APSIN, pairs) as generator:
        generator.switch(True)
        with pytest.raises(InstrumentError, match="RF was switched off but reads on"):
            generator.switch(False)


def test_an_anapico_is_set_and_read_back(playing) -> None:
    pairs = [
        ("SOUR:FREQ:CW 4.465000e+09Hz;", None),
        ("SOUR:POW:LEV:IMM:AMPL -10dBm;", None),
        NO_ERROR,
        ("SOUR:POW:LEV:IMM:AMPL?;", "-10.0"),
        ("SOUR:FREQ:CW?;", "4465000000"),
    ]
    with playing("generator", APSIN, pairs) as generator:
        assert generator.set(-10.0, 4.465e9) == (-10.0, 4.465e9, False)


def configured(rbw: str = "1000000.0") -> list[tuple[str, str | None]]:
    return [
        ("INIT:CONT 0", None),
        ("ABOR", None),
        ("INP:ATT 20.0", None),
        ("DISP:TRAC:Y:RLEV 0.00", None),
        ("FREQ:STAR 4300000000.0", None),
        ("FREQ:STOP 4650000000.0", None),
        ("FREQ:STAR 4300000000.0", None),
        ("SWE:POIN 401", None),
        ("BAND:RES 1000000.0", None),
        ("BAND:VID 1000000.0", None),
        ("SWE:TIME:AUTO ON", None),
        ("DISP:TRAC:MODE WRIT", None),
        ("DET RMS", None),
        ("FREQ:STAR?", "4300000000"),
        ("FREQ:STOP?", "4650000000"),
        ("SWE:POIN?", "401"),
        ("BAND:RES?", rbw),
        ("BAND:VID?", "1000000"),
        ("INP:ATT?", "20"),
        ("DISP:TRAC:Y:RLEV?", "0"),
        ("SWE:TIME?", "5.0"),
        NO_ERROR,
    ]


@pytest.mark.parametrize("driver", [FSW, FSL])
def test_a_rohde_schwarz_analyser_is_set_up_and_read_back(playing, driver) -> None:
    with playing("analyser", driver, configured()) as analyser:
        analyser.configure(analyser.model.readout)
        assert analyser.sweep_s == 5.0
        assert analyser.session.timeout_s == 12.0  # one message waits for the sweep
    expected = r"readout\.rbw_hz was set to 1000000 Hz but reads back as 500000 Hz"
    with (
        playing("analyser", driver, configured("500000")) as analyser,
        pytest.raises(InstrumentError, match=expected),
    ):
        analyser.configure(analyser.model.readout)


@pytest.mark.parametrize(
    ("condition", "overload"), [("0", False), ("2", False), ("1", True), ("4", True), ("8", True)]
)
def test_a_rohde_schwarz_sweep_comes_with_its_overload_bits(playing, condition, overload) -> None:
    pairs = [("INIT;*OPC?", "1"), ("STAT:QUES:POW:COND?", condition), NO_ERROR]
    levels = np.full(401, -80.0, dtype=np.float32)
    with playing("analyser", FSW, pairs) as analyser:
        analyser._trace = lambda _: levels
        taken = analyser.sweep()
    assert taken.overload is overload
    np.testing.assert_array_equal(taken.trace_dbm, levels)


@pytest.mark.parametrize("levels", [np.zeros(400), np.full(401, np.nan)])
def test_a_trace_that_does_not_fit_is_refused(playing, levels) -> None:
    pairs = [("INIT;*OPC?", "1"), ("STAT:QUES:POW:COND?", "0"), NO_ERROR]
    with playing("analyser", FSW, pairs) as analyser:
        analyser._trace = lambda _: levels
        with pytest.raises(InstrumentError, match="expected a trace of 401 levels"):
            analyser.sweep()


def test_a_block_is_read_as_such(playing) -> None:
    asked = []

    def query(message, **how):
        asked.append((message, how["datatype"], how["is_big_endian"]))
        return np.zeros(401, dtype=np.float32)

    with playing("analyser", FSW, []) as analyser:
        analyser.session.instrument.adapter.connection.query_binary_values = query
        assert analyser._trace(analyser.session.instrument).shape == (401,)
    assert asked == [("FORM REAL,32;:TRAC? TRACE1", "f", False)]
