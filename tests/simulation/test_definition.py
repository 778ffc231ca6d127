"""The definition file: what stock pyvisa-sim makes of it, and how mistakes in it are told."""

import re
from pathlib import Path
from typing import Any

import pytest
import pyvisa
import yaml

from magnon_lab.simulation import DefinitionError, Laboratory, load, shipped_definition
from magnon_lab.simulation.definition import ROLES, typed
from magnon_lab.simulation.scpi import Call

SHIPPED = shipped_definition()


@pytest.fixture(scope="module")
def plain() -> pyvisa.ResourceManager:
    manager = pyvisa.ResourceManager(f"{SHIPPED}@sim")
    yield manager
    manager.close()


@pytest.mark.parametrize("role", ROLES)
def test_stock_pyvisa_sim_answers_statically(plain: pyvisa.ResourceManager, role: str) -> None:
    device = load(SHIPPED).devices[role]
    end = "\r\n" if role == "attenuator" else "\n"
    instrument = plain.open_resource(device.resource, write_termination="\n", read_termination=end)
    try:
        if role == "attenuator":
            assert instrument.query("MN?") == "MN=RCDAT-6000-60"
            assert instrument.query("SETATT=12.25") == "1"
            assert instrument.query("ATT?") == "12.25"
        else:
            assert instrument.query("*IDN?").count(",") == 3
    finally:
        instrument.close()


def test_stock_pyvisa_sim_keeps_set_values(plain: pyvisa.ResourceManager) -> None:
    generator = plain.open_resource(
        load(SHIPPED).devices["generator"].resource, write_termination="\n", read_termination="\n"
    )
    generator.write(":FREQ 4465000000.0")
    assert float(generator.query(":FREQ?")) == 4.465e9
    generator.write(":FOO 1")
    assert generator.query(":SYST:ERR?").startswith("-113")
    generator.close()


def test_every_form_in_pyvisa_sims_keys_is_a_command_of_ours(ring: Any) -> None:
    """The static `q` lines and our headers must say the same."""
    laboratory = Laboratory.from_file(SHIPPED, ring=ring)
    for instrument in laboratory.instruments.values():
        for prop in instrument.definition.properties:
            for pattern, query in prop.patterns:
                line = pattern.replace("{ch_id}", "1")
                example = {
                    "boolean": "1",
                    "text": "1",
                    "choice": prop.choices[:1] and prop.choices[0],
                }
                line = line.replace("{}", str(example.get(prop.kind) or "1"))
                (call,) = instrument._grammar.parse(line)
                assert isinstance(call, Call), (line, call)
                target = getattr(call.target, "query" if query else "set", call.target)
                assert (target if isinstance(target, type(prop)) else call.target) is prop, line
                assert call.query is query


def test_every_header_is_documented_once() -> None:
    """The head of the file explains each of our keys."""
    head = SHIPPED.read_text(encoding="utf-8").split("\nspec:")[0]
    for key in ("laboratory:", "protocols:", "role:", "scpi:", "plant:", "beyond:", "call:"):
        assert re.search(rf"^#\s+{key}", head, re.MULTILINE), key


def test_typed_values() -> None:
    tree = {"a": ["1", "1.5e9", "true", "x"], "b": {"c": "null", "d": "-3"}}
    assert typed(tree) == {"a": [1, 1.5e9, True, "x"], "b": {"c": None, "d": -3}}


def edited(tmp_path: Path, old: str, new: str) -> Path:
    text = SHIPPED.read_text(encoding="utf-8")
    assert text.count(old) >= 1
    path = tmp_path / "edited.yaml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("mt_per_a: 34.95", "mt_per_amp: 34.95", "mt_per_amp.*known.*mt_per_a"),
        ("mt_per_a: 34.95", "mt_per_a: strong", "mt_per_a.*'strong' is not a number"),
        ("mt_per_a: 34.95", "mt_per_a: nan", "mt_per_a.*not finite"),
        ("pace: virtual", "pace: brisk", "pace.*'brisk'.*virtual.*real"),
        ("  seed: 2506", "  sead: 2506", "unknown key 'sead'"),
        ("profile: cold", "profile: warm", "profile.*'warm'"),
        ("role: analyser", "role: oracle", "role 'oracle'"),
        ("get: get_start,", "get: get_strat,", "'analyser', 'start'.*no 'get_strat'"),
        ("plant: field_mt", "plant: field_t", "RDGFIELD.*no 'field_t'.*field_mt"),
        ("{default: 1001, scpi:", "{default: lots, scpi:", "'points'.*lots"),
        ("unit: Hz", "unit: hertz", "unit 'hertz'"),
        ("arguments: [integer]", "arguments: [whole]", "argument kind 'whole'"),
        ("protocols: [ieee488, status]", "protocols: [ieee489]", "no protocol 'ieee489'"),
        ("choices: [SA, BASic", "choises: [SA, BASic", "'mode'.*unknown key 'choises'"),
        ("gain_db: 35.0", "gain: 35.0", "laboratory.ring.*gain"),
        (
            "amplifier_noise: true",
            "amplifier_nose: true",
            "laboratory.imperfections.*amplifier_nose",
        ),
    ],
)
def test_mistakes_are_named(tmp_path: Path, old: str, new: str, told: str) -> None:
    with pytest.raises(DefinitionError, match=told):
        Laboratory.from_file(edited(tmp_path, old, new))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match=r"nowhere\.yaml"):
        load(tmp_path / "nowhere.yaml")


def test_a_file_that_is_no_yaml(tmp_path: Path) -> None:
    path = tmp_path / "broken.yaml"
    path.write_text("devices: [", encoding="utf-8")
    with pytest.raises(DefinitionError, match="not YAML"):
        load(path)


def test_a_changed_file_is_read_anew(tmp_path: Path) -> None:
    path = edited(tmp_path, "MY25060452", "MY00000001")
    load(path)
    path.write_text(path.read_text(encoding="utf-8").replace("MY00000001", "MY000000023"), "utf-8")
    replies = [d.reply for d in load(path).devices["analyser"].dialogues]
    assert any("MY000000023" in reply for reply in replies)


def test_every_query_has_a_static_answer() -> None:
    """Those of the shared protocols apart, which stock pyvisa-sim does not see."""
    loader = yaml.CBaseLoader
    devices = yaml.load(SHIPPED.read_text(encoding="utf-8"), loader)["devices"]
    silent = [
        entry["q"]
        for device in devices.values()
        for entry in device["dialogues"]
        if "?" in entry["q"] and "r" not in entry
    ]
    assert silent == []
