"""Hand mode: what is asked is turned under all limits, and nothing else happens."""

from __future__ import annotations

import json
import math
import time
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from magnon_lab.bench import Bench, InstrumentError
from magnon_lab.cli.app import app
from magnon_lab.runs import RunFile
from procedures.hand import understood

from .conftest import HandRun, Operator, wait_for


def states(run: RunFile, *kinds: str) -> list[str]:
    """Return what was done to outputs and the field, in its order."""
    found = [event for event in run.events() if event.phase == "outcome" and event.kind in kinds]
    return [event.message.partition(":")[0] for event in found]


def safe_at_the_end(run: RunFile) -> bool:
    last = run.events()[-1]
    return last.kind == "safe" and all(event.data["ok"] for event in run.events("safe")[1::2])


def test_what_is_asked_is_turned_read_back_and_recorded(by_hand: HandRun) -> None:
    def act(operator: Operator) -> None:
        first = operator.sweeps()
        assert first["attenuation_db"] == (60.0, 60.0)
        answer = operator.set(attenuation_db=12.1)
        assert answer["ok"]
        assert answer["found"] == {"attenuation_db": 12.0}
        found = operator.sweeps()
        assert found["attenuation_db"] == (12.1, 12.0)
        assert found["field_mt"][0] == 92.0
        assert found["field_mt"][1] == pytest.approx(92.0, abs=1.0)
        assert found["amplifier_voltage_v"] == (12.0, 12.0)
        assert operator.set(field_mt=90.0, attenuation_db=14.0)["ok"]
        found = operator.sweeps()
        assert found["field_mt"][1] == pytest.approx(90.0, abs=1.0)
        assert found["attenuation_db"] == (14.0, 14.0)
        operator.run.request("stop")

    outcome, run = by_hand(act)
    with run:
        assert (outcome.status, outcome.exit_code) == ("finished", 0)
        assert outcome.summary["requests_followed"] == 2
        assert outcome.summary["ring_measurements"] == run.counts()["hand"]
        assert safe_at_the_end(run)
        # The field is ramped when it is asked for, and stands between the sweeps.
        targets = [e.data["field_mt"] for e in run.events("ramp") if e.phase == "intent"]
        assert targets == [92.0, 90.0]
        assert set(run.measurements()["purpose"]) == {"hand"}


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"attenuation_db": 3.0}, "outside limits.attenuation_db, 5 to 60 dB"),
        ({"field_mt": 90.0, "drive_power_dbm": 11.0}, "outside limits.drive_power_dbm"),
        ({"attenuation_db": "12"}, "is not a number"),
        ({"attenuation_db": True}, "is not a number"),
        ({"gain_db": 12.0}, "'gain_db' cannot be set"),
        ({"drive": "on"}, "true or false"),
        ({}, "names nothing"),
    ],
)
def test_what_may_not_be_is_refused_with_the_reason(
    by_hand: HandRun, asked: dict[str, Any], why: str
) -> None:
    def act(operator: Operator) -> None:
        before = operator.sweeps()
        answer = operator.set(**asked)
        assert answer["ok"] is False
        assert answer["asked"] == asked
        assert why in answer["why"]
        after = operator.sweeps(2)
        assert {name: after[name][0] for name in operator.run.knobs()} == {
            name: before[name][0] for name in operator.run.knobs()
        }
        operator.run.request("stop")

    outcome, run = by_hand(act)
    with run:
        assert outcome.status == "finished"
        assert outcome.summary["requests_refused"] == 1


def test_a_linked_limit_counts_the_drive_only_when_it_is_on(
    by_hand: HandRun, edited_bench: Any
) -> None:
    def act(operator: Operator) -> None:
        operator.sweeps()
        assert operator.set(attenuation_db=20.0, drive_power_dbm=0.0)["ok"]
        refused = operator.set(drive=True)
        assert "on the amplifier input, above path.amplifier.input_max_dbm" in refused["why"]
        assert operator.set(drive=True, drive_power_dbm=-20.0)["ok"]
        assert not operator.set(drive_power_dbm=0.0)["ok"]
        operator.run.request("stop")

    bench = edited_bench({"path.amplifier.input_max_dbm": -12.0})
    outcome, run = by_hand(act, bench=bench)
    with run:
        assert outcome.status == "finished"
        assert states(run, "output").count("generator on") == 1


def test_the_drive_is_switched_with_the_loop_open(by_hand: HandRun) -> None:
    tone = slice(185, 194)  # around 4.465 GHz, of 401 points from 4.3 to 4.65 GHz

    def act(operator: Operator) -> None:
        assert operator.set(attenuation_db=15.0, drive_power_dbm=-10.0)["ok"]
        quiet = float(operator.sweeps()["trace"][tone].max())
        assert operator.set(drive=True)["ok"]
        loud = float(operator.sweeps()["trace"][tone].max())
        assert loud > quiet + 20
        assert operator.set(drive=False)["ok"]
        assert float(operator.sweeps()["trace"][tone].max()) < quiet + 10
        operator.run.request("stop")

    outcome, run = by_hand(act)
    with run:
        assert outcome.status == "finished"
        done = states(run, "output")
        at = done.index("generator on")
        assert "attenuator to maximum" in done[at - 9 : at]
        assert run.measurements(newest=1)["realised"][0, 2] == 15.0


def test_a_pause_is_standby_and_what_is_asked_meanwhile_comes_after_it(by_hand: HandRun) -> None:
    def act(operator: Operator) -> None:
        assert operator.set(attenuation_db=12.0)["ok"]
        operator.run.request("pause")
        operator.becomes("paused")
        assert states(operator.run, "standby") == ["attenuator to maximum", "generator off"]
        operator.accepted(attenuation_db=13.0)
        assert operator.set(attenuation_db=4.0)["ok"] is False
        assert not any(e.data.get("found") == {"attenuation_db": 13.0} for e in told(operator))
        operator.run.request("resume")
        wait_for(lambda: told(operator)[-1].data.get("found") == {"attenuation_db": 13.0})
        assert operator.sweeps()["attenuation_db"] == (13.0, 13.0)
        operator.run.request("stop")

    def told(operator: Operator) -> list[Any]:
        return operator.run.events("set")

    outcome, run = by_hand(act)
    with run:
        assert outcome.status == "finished"
        assert safe_at_the_end(run)


@pytest.mark.parametrize(("kind", "status"), [("stop", "finished"), ("abort", "aborted")])
def test_a_pause_that_is_ended_switches_nothing_on_again(
    by_hand: HandRun, kind: str, status: str
) -> None:
    def act(operator: Operator) -> None:
        operator.sweeps()
        operator.run.request("pause")
        operator.becomes("paused")
        operator.run.request(kind)

    outcome, run = by_hand(act)
    with run:
        assert outcome.status == status
        kinds = [event.kind for event in run.events()]
        assert "output" not in kinds[kinds.index("standby") :]
        assert safe_at_the_end(run)


@pytest.mark.parametrize("paused", [False, True])
def test_a_forgotten_hand_mode_ends_and_leaves_the_bench_safe(
    by_hand: HandRun, paused: bool
) -> None:
    def act(operator: Operator) -> None:
        wait_for(operator.run.counts)
        if paused:
            operator.run.request("pause")

    outcome, run = by_hand(act, {"idle_min": 0.03, "interval_s": 3600})
    with run:
        assert (outcome.status, outcome.exit_code) == ("finished", 0)
        [event] = run.events("idle")
        assert event.message.startswith("no request for 0.03 min")
        assert bool(run.events("standby")) is paused
        assert safe_at_the_end(run)


def test_each_request_starts_the_idle_time_anew(by_hand: HandRun) -> None:
    def act(operator: Operator) -> None:
        for attenuation_db in (20.0, 21.0, 22.0):
            assert operator.set(attenuation_db=attenuation_db)["ok"]
            time.sleep(1.1)

    outcome, run = by_hand(act, {"idle_min": 0.05})
    with run:
        assert outcome.status == "finished"
        [event] = run.events("idle")
        last = [event for event in run.events("set") if event.phase == "intent"][-1]
        assert event.time - last.time == pytest.approx(3.0, abs=0.8)


def test_an_overdriven_analyser_pauses_and_goes_on_at_what_is_asked_then(
    by_hand: HandRun, edited_bench: Any
) -> None:
    def act(operator: Operator) -> None:
        operator.run.request("set", {"attenuation_db": 5.0})
        operator.becomes("paused")
        assert "overdriven" in operator.run.info()["message"]
        operator.accepted(attenuation_db=50.0)
        operator.run.request("resume")
        assert operator.sweeps(2)["attenuation_db"] == (50.0, 50.0)
        assert operator.run.status == "running"
        operator.run.request("stop")

    outcome, run = by_hand(act, bench=edited_bench({"readout.reference_level_dbm": -40.0}))
    with run:
        assert outcome.status == "finished"
        assert len([event for event in run.events("pause") if event.phase == "outcome"]) == 1


def test_a_read_back_that_fails_is_tried_again_and_then_pauses(
    by_hand: HandRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, broken = Bench.readback, [1]

    def readback(bench: Bench) -> dict[str, float]:
        if bench.started and broken[0]:
            broken[0] -= 1
            raise InstrumentError("probe: no answer")
        return real(bench)

    monkeypatch.setattr(Bench, "readback", readback)

    def act(operator: Operator) -> None:
        wait_for(lambda: operator.run.counts().get("hand", 0) >= 3)
        realised = operator.run.measurements(last=1)["realised"]
        assert math.isnan(realised[0, 0])
        assert not math.isnan(realised[1, 0])
        broken[0] = 100
        operator.becomes("paused")
        assert "probe: no answer" in operator.run.info()["message"]
        broken[0] = 0
        operator.run.request("resume")
        assert not math.isnan(operator.sweeps()["field_mt"][1])
        operator.run.request("stop")

    outcome, run = by_hand(act)
    with run:
        assert outcome.status == "finished"
        assert len(run.events("retry")) == 1 + 3
        assert safe_at_the_end(run)


def test_only_the_traces_that_are_wanted_are_kept(by_hand: HandRun) -> None:
    def act(operator: Operator) -> None:
        operator.sweeps(5)
        operator.run.request("stop")

    outcome, run = by_hand(act, {"keep_each": 3})
    with run:
        assert outcome.status == "finished"
        kept = ~np.isnan(run.measurements()["traces_dbm"]).any(axis=1)
        assert kept.tolist() == [number % 3 == 0 for number in range(len(kept))]


def test_a_procedure_that_follows_no_such_request_says_so(by_hand: HandRun) -> None:
    def act(operator: Operator) -> None:
        answer = operator.set(attenuation_db=12.0)
        assert answer["ok"] is False
        assert "magnon-lab run hand does" in answer["why"]
        operator.run.request("stop")

    outcome, run = by_hand(act, {"repeats": 100_000}, name="spectrum")
    with run:
        assert outcome.status == "stopped"
        [request] = [one for one in run.requests() if one.kind == "set"]
        assert request.taken is not None


def test_a_request_names_quantities_by_number_and_the_drive_by_truth() -> None:
    assert understood({"field_mt": 3}) == ({"field_mt": 3.0}, None)
    assert understood({"drive": False, "attenuation_db": 7.5}) == ({"attenuation_db": 7.5}, False)
    with pytest.raises(ValueError, match=r"'foo' cannot be set"):
        understood({"foo": 1.0})


def test_the_command_line_asks_and_tells_what_came_of_it(by_hand: HandRun) -> None:
    def act(operator: Operator) -> None:
        def asked(*words: str) -> tuple[int, dict[str, Any]]:
            run = operator.run.folder
            options = ["--runs", str(run.parent), "--json"]
            result = CliRunner().invoke(app, ["set", *options, run.name, *words])
            return result.exit_code, json.loads(result.stdout.splitlines()[-1])

        operator.sweeps()
        code, told = asked("attenuation_db", "12.5")
        assert (code, told["turned"]) == (0, True)
        assert told["read_back"] == {"attenuation_db": 12.5}
        assert asked("drive_power_dbm", "--", "-20")[1]["read_back"] == {"drive_power_dbm": -20.0}
        assert asked("drive", "on")[1]["requested"] == {"drive": True}
        code, told = asked("field_mt", "151")
        assert code == 3
        assert "outside limits.field_mt, 0 to 150 mT" in told["message"]
        assert asked("field", "90")[0] == asked("field_mt", "much")[0] == 2
        assert asked("drive", "maybe")[0] == 2
        operator.run.request("pause")
        operator.becomes("paused")
        code, told = asked("attenuation_db", "14")
        assert (code, told["turned"]) == (0, False)
        operator.run.request("stop")
        operator.becomes("finished")
        code, told = asked("attenuation_db", "14")
        assert code == 1
        assert "is finished" in told["message"]

    outcome, _ = by_hand(act)
    assert outcome.status == "finished"
