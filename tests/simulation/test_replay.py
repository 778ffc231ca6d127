"""Every string that the stock drivers send (recorded), and the commands that own drivers need."""

from collections.abc import Callable

import pytest

ANALYSER = """
:SENS:FREQ:STAR 2.400000e+09 Hz;|:SENS:FREQ:STAR?;|2.4e9
:SENS:FREQ:STOP 5.200000e+09 Hz;|:SENS:FREQ:STOP?;|5.2e9
:SENS:FREQ:CENT 4.888123e+09 Hz;|:SENS:FREQ:CENT?;|4.888123e9
:SENSe:SWEEp:POINts 401;|:SENSe:SWEEp:POINts?;|401
:SENS:FREQ:CENT:STEP:INCR 1.23457e+06 Hz;|:SENS:FREQ:CENT:STEP:INCR?;|1.23457e6
:SENS:SWE:TIME 1.23e-02;|:SENS:SWE:TIME?;|1.23e-2
:INST:SEL SA|:INST:SEL?|SA
:INIT:CONT OFF;:ABOR|:INIT:CONT?|0
:FREQ:SPAN 1e8|:FREQ:SPAN?|1e8
:BAND 1 MHz|:BAND?|1e6
:BAND:AUTO ON|:BAND:AUTO?|1
:BAND:VID 300 kHz|:BAND:VID?|3e5
:BAND:VID:AUTO ON|:BAND:VID:AUTO?|1
:DET:TRAC1 AVER|:DET:TRAC1?|AVER
:DET:TRAC2 NEGative|:DET:TRAC2?|NEG
:POW:ATT 20|:POW:ATT?|20
:POW:ATT:AUTO ON|:POW:ATT:AUTO?|1
:DISP:WIND:TRAC:Y:RLEV -10|:DISP:WIND:TRAC:Y:RLEV?|-10
:DISP:WIND1:TRAC:Y:SCAL:RLEV -20 dBm|DISPlay:WINDow:TRACe:Y:RLEVel?|-20
:POW:GAIN ON|:POW:GAIN?|1
:POW:GAIN:BAND FULL|:POW:GAIN:BAND?|FULL
:TRAC1:TYPE AVER|:TRAC1:TYPE?|AVER
:TRAC1:TYPE MAXH|:TRACE1:TYPE?|MAXH
:AVER:COUN 10|:AVER:COUN?|10
:AVER:TYPE RMS|:AVER:TYPE?|RMS
:SWE:TIME:AUTO ON|:SWE:TIME:AUTO?|1
:SWE:TIME:AUTO:RUL ACC|:SWE:TIME:AUTO:RUL?|ACC
:SWE:TYPE FFT|:SWE:TYPE?|FFT
:SWE:TYPE:AUTO ON|:SWE:TYPE:AUTO?|1
:FORM REAL,32|:FORM?|REAL,32
:FORMat:TRACe:DATA ASCII;|:FORM?|ASC,8
:FORM INT,48|:FORM?|INT,32
:FORM:BORD SWAP|:FORM:BORD?|SWAP
:CALC:MARK1:X 4.4 GHz|:CALC:MARK1:X?|4.4e9
"""
GENERATOR = """
:POW -10.1235 dBm;|:POW?;|-10.12
:FREQ 4.888123e+09 Hz;|:FREQ?;|4.888123e9
:FREQ 4465000000.123|:FREQ?|4465000000.123
:SOUR:FREQ:STAR 1.000000e+09 Hz|:SOUR:FREQ:STAR?|1e9
:SOUR:FREQ:STOP 5.000000e+09 Hz|:SOUR:FREQ:STOP?|5e9
:SOUR:FREQ:CENT 3.000000e+09 Hz;|:SOUR:FREQ:CENT?|3e9
:SOUR:POW:STAR -1.050000e+01 dBm|:SOUR:POW:STAR?|-10.5
:SOUR:POW:STOP -1.000000e+00 dBm|:SOUR:POW:STOP?|-1
:SOUR:SWE:DWEL1 0.010|:SOUR:SWE:DWEL1?|0.01
:SOUR:SWE:POIN 101|:SOUR:SWE:POIN?|101
:OUTPUT ON;|:OUTPUT?|1
:OUTPUT OFF;|:OUTPUT?|0
:OUTPUT:MOD ON;|:OUTPUT:MOD?|1
:lfo:sour int; :lfo:ampl 2.0vp; :lfo:stat on;|:LFO:STAT?|1
:OUTPUT:MOD OFF;|:OUTP:MOD?|0
:lfo:stat off;|:lfo:stat?|0
:SOUR:AM:STAT ON|:SOUR:AM:STAT?|1
:SOUR:AM:DEPT 50|:SOUR:AM:DEPT?|50
:SOUR:AM:SOUR INT|:SOUR:AM:SOUR?|INT
:SOUR:AM:INT:FREQ 1000|:SOUR:AM:INT:FREQ?|1000
:SOUR:AM:INT:FUNC:SHAP SINE|:SOUR:AM:INT:FUNC:SHAP?|SINE
:SOUR:PULM:STAT ON|:SOUR:PULM:STAT?|1
:SOUR:PULM:SOUR INT|:SOUR:PULM:SOUR?|INT
:SOUR:PULM:SOUR:INT SQU|:SOUR:PULM:SOUR:INT?|SQU
:SOUR:PULM:INT:FREQ 1000|:SOUR:PULM:INT:FREQ?|1000
:SOUR:LFO:AMPL 1 VP|:SOUR:LFO:AMPL? |1
:SOUR:FREQ:MODE SWE;:SOUR:SWE:GEN STEP;:SOUR:SWE:MODE AUTO;|:FREQ:MODE?|SWE
:SOUR:LIST:RETR 0|:SOUR:LIST:RETR?|0
:SOUR:TSW|*OPC?|1
:SOUR:SWE:CONT:STAT ON|:SOUR:SWE:CONT:STAT?|1
:FREQ:MODE CW|:FREQ:MODE?|CW
:POW:MODE FIX|:POW:MODE?|FIX
:POW:ALC ON|:POW:ALC?|1
:POW:ATT:AUTO ON|:POW:ATT:AUTO?|1
:LIST:TYPE LIST;DWEL 0.01|:LIST:DWEL?|0.01
:LIST:FREQ 4.4e9,4.5e9|:LIST:FREQ:POIN?|2
:LIST:POW -10|:LIST:POW?|-10
:LIST:DWEL:TYPE LIST|:LIST:DWEL:TYPE?|LIST
:LIST:DIR UP|:LIST:DIR?|UP
:LIST:MODE AUTO|:LIST:MODE?|AUTO
:LIST:TRIG:SOUR IMM|:LIST:TRIG:SOUR?|IMM
:TRIG:SOUR BUS|:TRIG:SOUR?|BUS
:LIST:TYPE:LIST:INIT:PRES|:LIST:FREQ:POIN?|1
:OUTP:PROT:CLE|:OUTP?|0
:SYST:PON:TYPE PRES|:SYST:PON:TYPE?|PRES
:ROSC:SOUR:AUTO ON|:ROSC:SOUR?|EXT
"""
FIELD = """
FUNCtion:MODE CURR|FUNCtion:MODE?|1
VOLTage 5.5|VOLTage?|5.5
OUTPut 1|OUTPut?|1
CURRent 1.23457|CURRent?|1.2345
CURRent 1e-05|CURRent?|0
OUTPut 0|OUTPut?|0
FUNCtion:MODE VOLT|FUNCtion:MODE?|0
CURR:RANG 1|CURR:RANG?|1
CURR:MODE FIX|CURR:MODE?|FIX
SYSTem:BEEP|*OPC?|1
SYST:REM 1|*OPC?|1
*WAI|*TST?|0
"""
PROBE = """
UNIT 2|UNIT?|2
RANGE 3|RANGE?|3
RDGMODE 1,0,1|RDGMODE?|1,0,1
RDGMODE 2,1,2|RDGMODE?|2,1,2
AUTO 1|AUTO?|1
AUTO 0|AUTO?|0
AUTO|AUTO?|1
ZPROBE|REL?|0
REL 1|REL?|1
REL 0|TYPE?|40
ALARM 1,1,0.01,0.05,1,0,0|ALARM?|1,1,+010.000E-03,+050.000E-03,1,0,0
RELAY 2,1|RELAY? 2|1
"""
AMPLIFIER = """
VOLT 5, (@1)|VOLT? (@1)|5
CURR 0.5, (@1)|CURR? (@1)|0.5
OUTPut 1, (@1)|OUTPut? (@1)|1
OUTPut 0, (@1)|OUTP? (@1)|0
VOLT:PROT 5.5, (@1)|VOLT:PROT? (@1)|5.5
CURR:PROT:STAT ON, (@1)|CURR:PROT:STAT? (@1)|1
CURR:PROT:DEL 0.05, (@1)|CURR:PROT:DEL? (@1)|0.05
CURR:PROT:DEL:STAR CCTR, (@1)|CURR:PROT:DEL:STAR? (@1)|CCTR
OUTP:PROT:CLE (@1)|VOLT:PROT:TRIP? (@1)|0
VOLT:PROT:CLE (@1)|CURR:PROT:TRIP? (@1)|0
OUTP:DEL:RISE 0.1, (@2)|OUTP:DEL:RISE? (@2)|0.1
OUTP:DEL:FALL 0.1, (@2)|OUTP:DEL:FALL? (@2)|0.1
OUTP:PON:STAT RST|OUTP:PON:STAT?|RST
APPL CH1,5,0.5|APPL? CH1|"5.000000,0.500000"
INST:NSEL 2|INST?|CH2
VOLT 3|VOLT? (@2)|3
INST CH1|INST:NSEL?|1
"""


def lines(role: str, table: str) -> list[tuple[str, str, str, str]]:
    rows = [row.split("|") for row in table.strip("\n").split("\n")]
    return [(role, *row) for row in rows]  # type: ignore[misc]


@pytest.mark.parametrize(
    ("role", "table"),
    [
        ("analyser", ANALYSER),
        ("generator", GENERATOR),
        ("field", FIELD),
        ("probe", PROBE),
        ("amplifier", AMPLIFIER),
    ],
)
def test_recorded_strings(talk: Callable[[str, str], str], role: str, table: str) -> None:
    for _, command, query, expected in lines(role, table):
        assert talk(role, command) == "", command
        reply = talk(role, query)
        try:
            assert float(reply) == pytest.approx(float(expected), rel=1e-9, abs=5e-4), command
        except ValueError:
            assert reply == expected, command
        if role != "probe":
            assert talk(role, "SYST:ERR?").endswith('0,"No error"'), command


@pytest.mark.parametrize(
    ("role", "query", "pattern"),
    [
        ("analyser", "*OPT?", '"513,P13,PFR"'),
        ("analyser", ":INST:CAT?", '"SA 1"'),
        ("analyser", ":CONF?", "SAN"),
        ("analyser", ":CONF:CAT?", '"SAN"'),
        ("analyser", ":SYST:VERS?", "1999.0"),
        ("analyser", ":SYST:ERR:NEXT?", '+0,"No error"'),
        ("generator", ":STAT:QUES:POW:COND?", "0"),
        ("field", "SYST:ERR?", '0,"No error"'),
        ("probe", "*IDN?", "LSCI,MODEL425,4250022,1.0"),
        ("laboratory", "LAB:PACE?", "VIRTUAL"),
        ("laboratory", "LAB:HARM?", "0"),
    ],
)
def test_replies(talk: Callable[[str, str], str], role: str, query: str, pattern: str) -> None:
    assert talk(role, query) == pattern


def test_watchdog_is_absent(talk: Callable[[str, str], str]) -> None:
    assert talk("amplifier", "OUTP:PROT:WDOG?") == ""
    assert talk("amplifier", "SYST:ERR?").startswith("-113,")
