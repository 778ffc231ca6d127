import json

import numpy as np
import pytest
import yaml

from magnon_lab.bench import (
    QUANTITIES,
    BenchError,
    BenchFile,
    BenchFileError,
    Knob,
    LimitError,
    json_schema,
    write_served_bench,
)
from magnon_lab.ring import QUANTITIES as RING_QUANTITIES


def test_bench_and_ring_speak_of_the_same_quantities() -> None:
    assert QUANTITIES == RING_QUANTITIES


def test_the_shipped_file_describes_the_simulated_ring(shipped) -> None:
    assert shipped.simulated
    assert shipped.quantities == QUANTITIES
    assert shipped.knobs["attenuation_db"] == Knob(10.0, 15.0, 0.25)
    assert shipped.knobs["drive_frequency_hz"] == Knob(4.45e9, 4.48e9, 0.0)
    assert list(shipped.knobs) == ["drive_power_dbm", "drive_frequency_hz", "attenuation_db"]
    assert shipped.hold == {"field_mt": 92.0, "amplifier_voltage_v": 12.0}
    assert shipped.frequencies_hz.shape == (shipped.readout.points,)
    assert shipped.visa_library.endswith("/sim_instruments.yaml@magnon")
    assert shipped.visa_library.startswith("/")


def test_a_file_is_looked_for_where_it_is_documented(shipped, tmp_path, monkeypatch) -> None:
    monkeypatch.delenv("MAGNON_LAB_BENCH", raising=False)
    monkeypatch.chdir(tmp_path)
    assert BenchFile.load().name == "simulated ring"
    (tmp_path / "bench.yaml").write_text(shipped.text.replace("simulated ring", "mine"))
    assert BenchFile.load().name == "mine"
    other = tmp_path / "other.yaml"
    other.write_text(shipped.text.replace("simulated ring", "named"))
    monkeypatch.setenv("MAGNON_LAB_BENCH", str(other))
    assert BenchFile.load().name == "named"
    with pytest.raises(BenchFileError, match=r"absent\.yaml cannot be read"):
        BenchFile.load(tmp_path / "absent.yaml")


def test_an_unknown_key_is_answered_with_the_nearest_right_one_and_its_line(shipped) -> None:
    text = shipped.text.replace("  drive_power_dbm: {from: -30", "  drive_power: {from: -30")
    line = next(n for n, row in enumerate(text.splitlines(), 1) if "drive_power: {" in row)
    with pytest.raises(BenchFileError) as caught:
        BenchFile.parse(text, "mine.yaml")
    message = str(caught.value)
    assert message.startswith(f"mine.yaml, line {line}: knobs.drive_power: unknown key")
    assert "did you mean 'drive_power_dbm'?" in message
    with pytest.raises(BenchFileError, match=r"did you mean 'mt_per_a'\?"):
        BenchFile.parse(shipped.text.replace("mt_per_a", "mt_pr_a"))


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        (
            "limits.drive_power_dbm",
            [10, -60],
            r"limits.drive_power_dbm = \[10, -60\] \(dBm\): allowed: two numbers, the lower first",
        ),
        ("limits.attenuation_db", 5, r"limits.attenuation_db = 5 \(dB\): allowed: two numbers"),
        ("limits.attenuation_db", [5], r"limits.attenuation_db = \[5\] \(dB\): allowed: two num"),
        ("limits.analyser_input_dbm", float("inf"), r"= inf \(dBm\): allowed: a finite number"),
        ("limits.field_slew_mt_per_s", 0, r"field_slew_mt_per_s = 0 \(mT/s\): allowed: above 0"),
        ("readout.points", 401.5, r"readout.points = 401.5: allowed: a whole number"),
        ("readout.rbw_hz", "1 MHz", r"readout.rbw_hz = '1 MHz' \(Hz\): allowed: a number"),
        ("readout.rbw_hz", True, r"readout.rbw_hz = True \(Hz\): allowed: a number"),
        ("readout.detector", "mean", r"detector = 'mean': allowed: 'average', 'peak' or 'sample'"),
        ("readout.stop_hz", 4.2e9, r"stop_hz = 4200000000.0 \(Hz\): allowed: above readout.start"),
        ("roles.field.mt_per_a", 0, r"roles.field.mt_per_a = 0.0 \(mT/A\): allowed: any number bu"),
        ("roles.field.ramp_step_s", 0.01, r"ramp_step_s = 0.01 \(s\): allowed: 0.025 or more"),
        ("roles.analyser.driver", "os.system", r"driver = 'os.system': allowed: module:Class"),
        ("knobs.attenuation_db.to", 70, r"knobs.attenuation_db.to = 70.0 \(dB\): allowed: within "),
        ("knobs.attenuation_db.to", 9, r"knobs.attenuation_db.to = 9.0 \(dB\): allowed: above kno"),
        ("hold.field_mt", 151, r"hold.field_mt = 151.0 \(mT\): allowed: within limits.field_mt"),
        (
            "limits.field_mt",
            [50, 150],
            r"field_mt = \[50.0, 150.0\] \(mT\): allowed: a range with 0",
        ),
        ("limits.field_mt", [0, 200], r"field_mt\[1\] = 200.0 \(mT\): allowed: at most 175 mT"),
        ("roles.amplifier.voltage_v", 13, r"amplifier.voltage_v = 13.0 \(V\): allowed: within lim"),
        (
            "roles.amplifier.expected_current_a",
            [0.25, 0.7],
            r"expected_current_a = \[0.25, 0.7\] \(A\): allowed: at most current_limit_a, 0.6 A",
        ),
        ("path.cables_db", "some", r"path.cables_db.value = 'some' \(dB\): allowed: a number"),
    ],
)
def test_a_wrong_value_is_told_with_key_value_unit_and_what_is_allowed(
    edited, key, value, expected
) -> None:
    with pytest.raises(BenchFileError, match=expected):
        edited({key: value})


def test_every_mistake_is_told_at_once(edited) -> None:
    with pytest.raises(BenchFileError) as caught:
        edited({"readout.points": 0, "settle.drive_s": -1, "hold.field_mt": "x"})
    assert len(str(caught.value).splitlines()) == 3


def test_what_is_needed_must_be_there(edited) -> None:
    with pytest.raises(BenchFileError, match=r"limits.analyser_input_dbm \(dBm\): missing"):
        edited({}, remove=("limits.analyser_input_dbm",))
    with pytest.raises(BenchFileError, match=r"limits.field_mt \(mT\): missing, and needed for th"):
        edited({}, remove=("limits.field_mt",))
    with pytest.raises(BenchFileError, match=r"hold.field_mt: roles has no field"):
        edited({}, remove=("roles.field",))


def test_a_bench_may_lack_magnet_and_supply(edited) -> None:
    gone = ("roles.field", "roles.probe", "roles.amplifier", "hold", "limits.field_mt")
    gone += ("limits.field_slew_mt_per_s", "limits.amplifier_voltage_v")
    bench_file = edited({}, remove=gone)
    assert bench_file.quantities == QUANTITIES[:3]
    assert bench_file.hold == {}


def test_numbers_and_keys_that_yaml_would_misread(shipped) -> None:
    assert "from: 4.45e9" in shipped.text  # YAML 1.1 takes this for text
    assert shipped.knobs["drive_frequency_hz"].low == 4.45e9
    twice = shipped.text.replace("  field_mt: [0, 150]", "  field_mt: [0, 150]\n  field_mt: [0, 1]")
    with pytest.raises(BenchFileError, match="key 'field_mt' stands here twice"):
        BenchFile.parse(twice)
    with pytest.raises(BenchFileError, match="not valid YAML"):
        BenchFile.parse("name: [")
    with pytest.raises(BenchFileError, match="must be a mapping"):
        BenchFile.parse("just text")


def test_a_figure_of_the_path_may_tell_its_date_and_method(edited) -> None:
    told = {"value": 19.2, "date": "2025-11-03", "method": "network analyser, 92 mT"}
    bench_file = edited({"path.film_insertion_loss_db": told})
    assert float(bench_file.model.path.film_insertion_loss_db) == 19.2


def test_settings_can_be_refused_without_a_bench(shipped) -> None:
    shipped.check_settings({"drive_power_dbm": 0.0, "attenuation_db": 12.0, "field_mt": 92.0})
    with pytest.raises(LimitError, match=r"field_mt = 200 mT is outside limits.field_mt, 0 to 150"):
        shipped.check_settings({"field_mt": 200.0})
    with pytest.raises(BenchError, match="'field_t' is no quantity of a bench"):
        shipped.check_settings({"field_t": 0.1})


def test_what_is_not_held_idles_where_it_does_least(shipped) -> None:
    assert shipped.idle("drive_power_dbm") == -60
    assert shipped.idle("attenuation_db") == 60
    assert shipped.idle("drive_frequency_hz") == 4.465e9
    assert shipped.idle("field_mt") == 0


def test_notes_tell_what_is_not_wrong_but_should_be_known(edited) -> None:
    assert edited({}).notes() == ["loop gain over the knob's range: -6 to -1 dB"]
    assert any(
        "narrow lines can be missed" in note for note in edited({"readout.points": 51}).notes()
    )
    low = edited({"hold.field_mt": 80})
    assert any("three-wave processes, which the ring model lacks" in note for note in low.notes())
    fragile = edited({"path.amplifier.input_max_dbm": -20})
    assert any("corner of the knobs' ranges will be refused" in note for note in fragile.notes())


def test_the_step_may_be_told_where_the_driver_has_none(edited) -> None:
    assert edited({"roles.attenuator.step_db": 1.0}).knobs["attenuation_db"].step == 1.0


def test_the_schema_knows_every_key_of_the_shipped_file(shipped) -> None:
    schema = json_schema()
    json.dumps(schema)

    def known(node, value, path) -> None:
        if "$ref" in node:
            node = schema["$defs"][node["$ref"].rpartition("/")[2]]
        if "anyOf" in node and isinstance(value, dict):
            options = [o for o in node["anyOf"] if "$ref" in o or "properties" in o]
            return known(options[0], value, path)
        if isinstance(value, dict):
            for key, inner in value.items():
                assert key in node["properties"], (path, key)
                known(node["properties"][key], inner, (*path, key))
        return None

    known(schema, yaml.safe_load(shipped.text), ())


def test_a_served_bench_differs_in_library_and_resources_alone(shipped, tmp_path) -> None:
    resources = {role: f"TCPIP::127.0.0.1::{5000 + n}::SOCKET" for n, role in enumerate(
        shipped.model.roles.present())}  # fmt: skip
    write_served_bench(shipped, resources, tmp_path / "served.yaml")
    served = BenchFile.load(tmp_path / "served.yaml")
    assert served.visa_library == "@py"
    ours, theirs = shipped.model.model_dump(), served.model.model_dump()
    assert {r: v["resource"] for r, v in theirs["roles"].items() if v} == resources
    for model in (ours, theirs):
        del model["visa_library"]
        for role in model["roles"].values():
            del role["resource"]
    assert ours == theirs
    np.testing.assert_array_equal(served.frequencies_hz, shipped.frequencies_hz)
    del resources["probe"]
    with pytest.raises(BenchFileError, match="no resource is served for the role probe"):
        write_served_bench(shipped, resources, tmp_path / "less.yaml")


def test_a_driver_from_anywhere_else_is_refused(edited) -> None:
    from magnon_lab.bench import Bench

    for driver, expected in {
        "os:system": "allowed: a module of drivers or pymeasure.instruments",
        "drivers_of_mine:Thing": "allowed: a module of drivers or pymeasure.instruments",
        "pymeasure.adapters:VISAAdapter": "allowed: a module of",
        "drivers.keysight:KeysightN900": "did you mean drivers.keysight:KeysightN9000",
        "drivers.keysight:Acquisition": "allowed: a PyMeasure Instrument in drivers.keysight",
        "drivers.nowhere:Thing": "No module named 'drivers.nowhere'",
        "pymeasure.instruments.agilent:AgilentE4408B": r"it lacks acquire, .* or freq_start",
    }.items():
        with pytest.raises(BenchFileError, match=expected):
            Bench(edited({"roles.analyser.driver": driver}))
