"""The simulated laboratory against its command protocol."""

import pytest
from pymeasure.test import expected_protocol

from drivers.magnonlab import SimulatedLaboratory


def test_number(check_set, check_get, check_refused):
    check_set(SimulatedLaboratory, "number", 17, "LAB:NUMB 17")
    check_get(SimulatedLaboratory, "number", "LAB:NUMB?", "17", 17)
    for bad in (-1, 2**31, 1.5, float("nan")):
        check_refused(SimulatedLaboratory, "number", bad, "measurement number")


@pytest.mark.parametrize(
    ("path", "message", "reply", "value"),
    [
        ("time", "LAB:TIME?", "12.25", 12.25),
        ("seed", "LAB:SEED?", "7", 7),
        ("pace", "LAB:PACE?", "virtual", "virtual"),
        ("pace", "LAB:PACE?", "REAL\n", "real"),
        ("harm", "LAB:HARM?", "0", []),
        ("harm", "LAB:HARM?", '0,""', []),
        ("harm", "LAB:HARM?", '1,"analyser input at 31 dBm"', ["analyser input at 31 dBm"]),
        (
            "harm",
            "LAB:HARM?",
            '2,"analyser at 31 dBm, limit 30 dBm", "DIAG:TST? with magnet"',
            ["analyser at 31 dBm, limit 30 dBm", "DIAG:TST? with magnet"],
        ),
    ],
)
def test_queries(check_get, path, message, reply, value):
    check_get(SimulatedLaboratory, path, message, reply, value)


@pytest.mark.parametrize("reply", ['2,"one"', "", "none"])
def test_a_harm_that_does_not_add_up_is_an_error(reply):
    with (
        expected_protocol(SimulatedLaboratory, [("LAB:HARM?", reply)]) as laboratory,
        pytest.raises(ConnectionError),
    ):
        _ = laboratory.harm


def test_an_unknown_pace_is_an_error():
    with (
        expected_protocol(SimulatedLaboratory, [("LAB:PACE?", "fast")]) as laboratory,
        pytest.raises(ConnectionError, match="VIRTUAL, REAL"),
    ):
        _ = laboratory.pace


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("time", 12.5, "LAB:TIME 12.500000000"),
        ("seed", 7, "LAB:SEED 7"),
        ("pace", "real", "LAB:PACE REAL"),
    ],
)
def test_settings(check_set, path, value, message):
    check_set(SimulatedLaboratory, path, value, message)


@pytest.mark.parametrize(
    ("path", "value", "match"),
    [
        ("time", -1.0, "laboratory time"),
        ("time", float("nan"), "laboratory time"),
        ("seed", 0.5, "seed must be a whole number"),
        ("pace", "fast", "pace 'fast'"),
    ],
)
def test_bad_settings_are_refused(check_refused, path, value, match):
    check_refused(SimulatedLaboratory, path, value, match)


def test_commands():
    with expected_protocol(
        SimulatedLaboratory, [("LAB:NUMB:AUTO", None), ("LAB:HARM:CLE", None)]
    ) as laboratory:
        laboratory.count_alone()
        laboratory.clear_harm()


ARMED = "kind=timeout,role=analyser,at=17,count=1,command=:TRAC?,duration_s=60.0"


def test_a_fault_is_armed():
    with expected_protocol(
        SimulatedLaboratory,
        [
            (
                '*CLS;:LAB:FAUL:ADD "kind=timeout,role=analyser,at=17,command=:TRAC?";:SYST:ERR?',
                '0,"No error"',
            ),
            ("LAB:FAUL:CLE", None),
        ],
    ) as laboratory:
        laboratory.add_fault("timeout", "analyser", at=17, command=":TRAC?")
        laboratory.clear_faults()


def test_a_fault_that_is_refused_is_told():
    with (
        expected_protocol(
            SimulatedLaboratory,
            [
                (
                    '*CLS;:LAB:FAUL:ADD "kind=timeout,role=analyzer";:SYST:ERR?',
                    "-224,\"Illegal parameter value;role: 'analyzer'; allowed: analyser\"",
                )
            ],
        ) as laboratory,
        pytest.raises(ValueError, match="refuses 'kind=timeout,role=analyzer': role: 'analyzer'"),
    ):
        laboratory.add_fault("timeout", "analyzer")


@pytest.mark.parametrize("command", ['MEAS"', "MEAS\n*RST", "MEAS\xb5"])
def test_a_fault_that_cannot_be_said(command):
    with (
        expected_protocol(SimulatedLaboratory, []) as laboratory,
        pytest.raises(ValueError, match="no fault can be worded"),
    ):
        laboratory.add_fault("timeout", "field", command=command)


def test_faults_are_listed():
    with expected_protocol(
        SimulatedLaboratory,
        [
            ("LAB:FAUL?", f'2,"{ARMED},occasions=20,fired=1","kind=nan_trace,role=analyser"'),
            ("LAB:FAUL:LOG?", f'1,"{ARMED},message=17,number=-1,time_s=1.250000"'),
            ("LAB:FAUL:LOG?", "0"),
            ("LAB:FAUL?", '2,"kind=nan_trace,role=analyser"'),
        ],
    ) as laboratory:
        first, second = laboratory.faults
        assert first["command"] == ":TRAC?"
        assert (first["at"], first["occasions"], first["fired"]) == ("17", "20", "1")
        assert second == {"kind": "nan_trace", "role": "analyser"}
        (happened,) = laboratory.faults_happened
        assert (happened["message"], happened["number"], happened["time_s"]) == (
            "17", "-1", "1.250000",
        )  # fmt: skip
        assert laboratory.faults_happened == []
        with pytest.raises(ConnectionError, match="announced 2 entries but named 1"):
            _ = laboratory.faults


def test_it_is_a_clock():
    with expected_protocol(
        SimulatedLaboratory,
        [("LAB:TIME?", "3.5"), ("LAB:WAIT 0.012000000;*OPC?", "1")],
        connection_attributes={"timeout": 2000},
    ) as laboratory:
        assert laboratory.now() == 3.5
        laboratory.sleep(0.012)
        laboratory.sleep(0)


def test_long_waits_are_cut_into_pieces_shorter_than_the_timeout():
    with expected_protocol(
        SimulatedLaboratory,
        [
            ("LAB:WAIT 0.500000000;*OPC?", "1"),
            ("LAB:WAIT 0.500000000;*OPC?", "1"),
            ("LAB:WAIT 0.250000000;*OPC?", "1"),
        ],
        connection_attributes={"timeout": 1000.0},
    ) as laboratory:
        laboratory.sleep(1.25)


def test_without_a_timeout_one_piece_will_do():
    with expected_protocol(
        SimulatedLaboratory,
        [("LAB:WAIT 3600.000000000;*OPC?", "1")],
        connection_attributes={"timeout": None},
    ) as laboratory:
        laboratory.sleep(3600)


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf")])
def test_a_bad_wait_is_refused(seconds):
    with (
        expected_protocol(SimulatedLaboratory, []) as laboratory,
        pytest.raises(ValueError, match="wait must"),
    ):
        laboratory.sleep(seconds)


def test_a_wait_that_is_not_confirmed_is_an_error():
    with (
        expected_protocol(
            SimulatedLaboratory,
            [("LAB:WAIT 0.100000000;*OPC?", "0")],
            connection_attributes={"timeout": 2000},
        ) as laboratory,
        pytest.raises(ConnectionError, match="expected 1 from"),
    ):
        laboratory.sleep(0.1)
