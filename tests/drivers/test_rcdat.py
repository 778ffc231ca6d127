"""The programmable attenuators against their text protocol."""

import pytest
from pymeasure.test import expected_protocol

from drivers.minicircuits import RC4DAT, RCDAT, RCDATError

MODEL = (":MN?", "MN=RCDAT-6000-90")


@pytest.mark.parametrize(
    ("path", "message", "reply", "value"),
    [
        ("model", ":MN?", "MN=RCDAT-6000-90\r", "RCDAT-6000-90"),
        ("model", ":MN?", "RCDAT-6000-90", "RCDAT-6000-90"),
        ("serial_number", ":SN?", "SN=11501150004", "11501150004"),
        ("serial_number", ":SN?", "11501150004", "11501150004"),
        ("firmware", ":FIRMWARE?", "FIRMWARE=B1", "B1"),
        ("firmware", ":FIRMWARE?", "B1\r", "B1"),
        ("attenuation", ":ATT?", "12.25\r", 12.25),
        ("startup_mode", ":STARTUPATT:INDICATOR?", "L", "last"),
        ("startup_mode", ":STARTUPATT:INDICATOR?", "f", "fixed"),
        ("startup_mode", ":STARTUPATT:INDICATOR?", "N", "default"),
        ("startup_attenuation", ":STARTUPATT:VALUE?", "90.0", 90.0),
    ],
)
def test_queries(check_get, path, message, reply, value):
    check_get(RCDAT, path, message, reply, value)


def test_identity():
    with expected_protocol(
        RCDAT, [MODEL, (":SN?", "SN=11501150004"), (":FIRMWARE?", "B1")]
    ) as attenuator:
        assert attenuator.id == "Mini-Circuits,RCDAT-6000-90,11501150004,B1"


@pytest.mark.parametrize(
    ("model", "maximum"),
    [
        ("RCDAT-6000-90", 90),
        ("RCDAT-4000-120", 120),
        ("RUDAT-13G-60", 60),
        ("RCDAT-6000-63.75", 63.75),
    ],
)
def test_range_comes_from_the_model_and_is_asked_once(model, maximum):
    with expected_protocol(RCDAT, [(":MN?", f"MN={model}")]) as attenuator:
        assert attenuator.maximum_attenuation == maximum
        assert attenuator.maximum_attenuation == maximum


def test_a_model_without_range_is_an_error():
    with (
        expected_protocol(RCDAT, [(":MN?", "MN=RCDAT-X")]) as attenuator,
        pytest.raises(ConnectionError, match="does not name its range"),
    ):
        _ = attenuator.maximum_attenuation


def test_setting_checks_the_reply():
    with expected_protocol(RCDAT, [MODEL, (":SETATT=12.25", "1\r")]) as attenuator:
        attenuator.attenuation = 12.25


@pytest.mark.parametrize(
    ("reply", "code", "match"),
    [
        ("0", 0, "failed"),
        ("2", 2, "now at maximum attenuation"),
        (
            "-99 Unrecognized Command. MN:RCDAT-6000-90 SN:11407310057",
            -99,
            "Unrecognized Command",
        ),
        (
            "-99 Unrecognized Command. Model: RCDAT-6000-90  SN=11407310057",
            -99,
            "Unrecognized Command",
        ),
    ],
)
def test_refusals_are_told_by_their_code(reply, code, match):
    with (
        expected_protocol(RCDAT, [MODEL, (":SETATT=12.25", reply)]) as attenuator,
        pytest.raises(RCDATError, match=match) as raised,
    ):
        attenuator.attenuation = 12.25
    assert raised.value.code == code


def test_a_stale_reply_is_not_taken_for_a_code():
    with (
        expected_protocol(RCDAT, [MODEL, (":SETATT=12.25", "12.25")]) as attenuator,
        pytest.raises(ConnectionError, match=r"expected 0, 1 or 2 as reply, got '12\.25'"),
    ):
        attenuator.attenuation = 12.25


@pytest.mark.parametrize(
    ("value", "match"),
    [
        (-0.25, "attenuation -0.25 dB is outside 0 to 90 dB"),
        (90.25, "attenuation 90.25 dB is outside"),
        (12.3, "attenuation 12.3 dB is no multiple of 0.25 dB"),
        (float("nan"), "attenuation must be finite, not nan dB"),
        (float("inf"), "attenuation must be finite"),
    ],
)
def test_what_it_cannot_make_is_refused_before_it_is_sent(value, match):
    with expected_protocol(RCDAT, [MODEL]) as attenuator:
        assert attenuator.maximum_attenuation == 90
        with pytest.raises(ValueError, match=match):
            attenuator.attenuation = value
        with pytest.raises(ValueError, match=f"start-up {match}"):
            attenuator.startup_attenuation = value


def test_text_is_refused():
    with expected_protocol(RCDAT, []) as attenuator, pytest.raises(TypeError, match="'12'"):
        attenuator.attenuation = "12"


@pytest.mark.parametrize(("wanted", "made"), [(12.3, 12.25), (12.4, 12.5), (-0.1, 0), (90.1, 90)])
def test_set_attenuation_takes_the_next_step_and_reads_it_back(wanted, made):
    with expected_protocol(
        RCDAT, [MODEL, (f":SETATT={made:.2f}", "1"), (":ATT?", f"{made}")]
    ) as attenuator:
        assert attenuator.set_attenuation(wanted) == made


@pytest.mark.parametrize("wanted", [-0.2, 90.2, float("nan"), float("inf")])
def test_set_attenuation_does_not_clamp(wanted):
    with expected_protocol(RCDAT, [MODEL]) as attenuator:
        assert attenuator.maximum_attenuation
        with pytest.raises(ValueError, match=r"outside 0 to 90 dB|finite"):
            attenuator.set_attenuation(wanted)


@pytest.mark.parametrize("reply", ["", "\r", "off", "nan"])
def test_an_attenuation_that_is_no_number_is_an_error(reply):
    pairs = [(":ATT?", reply)] if reply.strip() else [(":ATT?", reply), (None, ""), (None, "")]
    with expected_protocol(RCDAT, pairs) as attenuator, pytest.raises(ConnectionError):
        _ = attenuator.attenuation


def test_the_blank_greeting_is_skipped():
    with expected_protocol(RCDAT, [(":ATT?", "\r"), (None, "12.25\r")]) as attenuator:
        assert attenuator.attenuation == 12.25


def test_startup():
    with expected_protocol(
        RCDAT,
        [
            (":STARTUPATT:INDICATOR:F", "1"),
            MODEL,
            (":STARTUPATT:VALUE:90.00", "1"),
            (":LASTATT:STORE:INITIATE", "1"),
        ],
    ) as attenuator:
        attenuator.startup_mode = "fixed"
        attenuator.startup_attenuation = 90
        attenuator.store_attenuation()
        with pytest.raises(ValueError, match="start-up mode 'first' is not one of"):
            attenuator.startup_mode = "first"


def test_a_refused_startup_mode_is_an_error():
    with (
        expected_protocol(RCDAT, [(":STARTUPATT:INDICATOR:L", "0")]) as attenuator,
        pytest.raises(RCDATError, match="failed"),
    ):
        attenuator.startup_mode = "last"


@pytest.mark.parametrize(
    ("more", "safe"),
    [
        ([("L")], False),
        ([("N")], True),
        (["F", (":STARTUPATT:VALUE?", "90"), MODEL], True),
        (["F", (":STARTUPATT:VALUE?", "0"), MODEL], False),
    ],
)
def test_starts_at_maximum(more, safe):
    mode, *pairs = more
    with expected_protocol(RCDAT, [(":STARTUPATT:INDICATOR?", mode), *pairs]) as attenuator:
        assert attenuator.starts_at_maximum is safe


def ok(*commands):
    return [(command, "1") for command in commands]


def test_hop():
    with expected_protocol(
        RCDAT,
        [
            MODEL,
            *ok(
                ":HOP:POINTS:2",
                ":HOP:POINT:1",
                ":HOP:ATT:10.00",
                ":HOP:DWELL_UNIT:U",
                ":HOP:DWELL:600",
                ":HOP:POINT:2",
                ":HOP:ATT:20.25",
                ":HOP:DWELL_UNIT:U",
                ":HOP:DWELL:700",
                ":HOP:DIRECTION:2",
                ":HOP:MODE:ON",
                ":HOP:MODE:OFF",
            ),
        ],
    ) as attenuator:
        attenuator.configure_hop([10, 20.25], [600, 700], unit="us", direction="both")
        attenuator.start_program("hop")
        attenuator.stop_program()
        attenuator.stop_program()


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (([10], [1, 2]), "1 attenuations but 2 dwell times"),
        (([], []), "number of hop points 0"),
        (([100], [1]), "attenuation 100 dB"),
        (([10], [0.5]), "dwell time"),
        (([10], [1], "h"), "dwell unit 'h'"),
        (([10], [1], "ms", "up"), "hop direction 'up'"),
    ],
)
def test_a_bad_hop_is_refused_before_anything_is_sent(arguments, match):
    with expected_protocol(RCDAT, [MODEL]) as attenuator:
        assert attenuator.maximum_attenuation
        with pytest.raises(ValueError, match=match):
            attenuator.configure_hop(*arguments)


def test_sweep():
    with expected_protocol(
        RCDAT,
        [
            MODEL,
            *ok(
                ":SWEEP:START:10.00",
                ":SWEEP:STOP:20.00",
                ":SWEEP:STEPSIZE:0.25",
                ":SWEEP:DWELL:5",
                ":SWEEP:MODE:ON",
            ),
        ],
    ) as attenuator:
        attenuator.configure_sweep(10, 20, 0.25, 5)
        attenuator.start_program("sweep")


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ((-1, 20, 1, 5), "sweep start -1 dB"),
        ((10, 91, 1, 5), "sweep stop 91 dB"),
        ((10, 20, 0.3, 5), "sweep step 0.3 dB is no multiple"),
        ((10, 20, 0, 5), "sweep step must not be 0 dB"),
        ((10, 20, 1, 0), "dwell time 0 is outside"),
    ],
)
def test_a_bad_sweep_is_refused_before_anything_is_sent(arguments, match):
    with expected_protocol(RCDAT, [MODEL]) as attenuator:
        assert attenuator.maximum_attenuation
        with pytest.raises(ValueError, match=match):
            attenuator.configure_sweep(*arguments)


def test_an_unknown_program_is_refused():
    with expected_protocol(RCDAT, []) as attenuator, pytest.raises(ValueError, match="'jump'"):
        attenuator.start_program("jump")


def test_shutdown_is_maximum_attenuation():
    with expected_protocol(RCDAT, [MODEL, (":SETATT=90.00", "1"), (":ATT?", "90.0")]) as attenuator:
        attenuator.shutdown()
        assert attenuator.isShutdown


def test_shutdown_that_does_not_reach_maximum_is_an_error():
    with (
        expected_protocol(RCDAT, [MODEL, (":SETATT=90.00", "1"), (":ATT?", "3")]) as attenuator,
        pytest.raises(ConnectionError, match="reads 3 dB instead of maximum attenuation, 90 dB"),
    ):
        attenuator.shutdown()


def test_shutdown_sets_maximum_even_if_a_running_program_will_not_stop():
    with expected_protocol(
        RCDAT,
        [
            (":SWEEP:MODE:ON", "1"),
            (":SWEEP:MODE:OFF", "0"),
            MODEL,
            (":SETATT=90.00", "1"),
            (":ATT?", "90.0"),
        ],
    ) as attenuator:
        attenuator.start_program("sweep")
        with pytest.raises(RCDATError, match="failed"):
            attenuator.shutdown()


FOUR = (":MN?", "MN=RC4DAT-6G-95")


def test_channels():
    with expected_protocol(
        RC4DAT,
        [
            FOUR,
            ("CHAN:1:SETATT:12.25", "1"),
            ("CHAN:4:ATT?", "30.5"),
            ("CHAN:2:SETATT:95.00", "2"),
        ],
    ) as attenuator:
        attenuator.ch_1.attenuation = 12.25
        assert attenuator.ch_4.attenuation == 30.5
        with pytest.raises(ValueError, match="outside 0 to 95 dB"):
            attenuator.ch_2.attenuation = 95.25
        with pytest.raises(RCDATError, match="beyond the range"):
            attenuator.ch_2.attenuation = 95


def test_shutdown_of_channels():
    sets = [(f"CHAN:{n}:SETATT:95.00", "1") for n in (1, 2, 3, 4)]
    with expected_protocol(
        RC4DAT, [FOUR, *sets, *((f"CHAN:{n}:ATT?", "95") for n in (1, 2, 3, 4))]
    ) as attenuator:
        attenuator.shutdown()
    replies = {1: "95", 2: "95", 3: "0", 4: "95"}
    with (
        expected_protocol(
            RC4DAT, [FOUR, *sets, *((f"CHAN:{n}:ATT?", reply) for n, reply in replies.items())]
        ) as attenuator,
        pytest.raises(ConnectionError, match=r"not at maximum attenuation: \[3\]"),
    ):
        attenuator.shutdown()
