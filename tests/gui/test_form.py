"""The form's model: headings, texts, what is wrong, what it will take; without Qt."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from magnon_lab.bench import BenchFile
from magnon_lab.bench.benchfile import shipped_path
from magnon_lab.gui.model.form import WHOLE, Form
from magnon_lab.gui.model.form_text import number_text, range_text, span_text
from magnon_lab.gui.model.presets import FIRST, PresetError, Presets, read
from procedures import ProcedureNotFoundError

BENCH = BenchFile.load(shipped_path())


@pytest.fixture
def form(tmp_path) -> Form:
    return Form("train", BENCH, tmp_path)


def filled(form: Form, **texts: str) -> dict[str, str]:
    return {**form.defaults(), **texts}


def test_fields_stand_under_the_headings_of_the_procedure(form):
    assert list(form.groups) == [
        "Task and network",
        "Estimator",
        "Training",
        "Held settings",
        "Recording",
    ]
    assert [one.name for one in form.groups["Recording"]] == ["keep", "seed"]


def test_what_stands_under_no_heading_comes_first_as_it_is_written(tmp_path):
    first = next(iter(Form("gain_sweep", BENCH, tmp_path).groups.values()))
    assert [one.name for one in first][:3] == [
        "attenuation_from_db",
        "attenuation_to_db",
        "attenuation_step_db",
    ]


def test_units_and_ranges_are_those_of_the_parameter_and_the_bench(form):
    field = form.fields["field_mt"]
    assert (field.unit, field.range) == ("mT", "0 … 150")
    assert form.fields["shots"].range == "1 … 1000"
    assert form.fields["seed"].range == "≥ 0"
    assert "On the command line: -p shots" in form.fields["shots"].tip


def test_what_an_empty_field_comes_to_is_said(form):
    texts = filled(form)
    assert form.hint("field_mt", texts).short == "(92)"
    assert form.hint("attenuation_db", texts).long == "Turned by the network: 10 … 15 dB."
    assert form.hint("attenuation_db", filled(form, knobs="drive_power_dbm")).short == "(60)"
    assert form.hint("shots", texts).short == ""


def test_only_what_differs_from_the_defaults_is_handed_over(form):
    texts = filled(form, task="spirals", learning_rate="0.010", batch_size="16", field_mt="91.5")
    assert form.changed(texts) == {"task": "spirals", "batch_size": "16", "field_mt": "91.5"}


def test_all_digits_of_a_frequency_reach_the_run(form):
    changed = form.changed(filled(form, drive_frequency_hz="4465123456.5"))
    assert float(changed["drive_frequency_hz"]) == 4465123456.5


@pytest.mark.parametrize(
    ("texts", "field", "words"),
    [
        ({"shots": "many"}, "shots", "Shots takes a whole number from 1 to 1000"),
        ({"shots": ""}, "shots", "Shots takes a whole number"),
        ({"shots": "4.5"}, "shots", "Shots takes a whole number"),
        ({"learning_rate": "nan"}, "learning_rate", "Learning rate takes a number"),
        ({"learning_rate": "-1"}, "learning_rate", "takes a number from 0"),
        ({"field_mt": "200"}, "field_mt", "outside limits.field_mt, 0 to 150 mT"),
        ({"field_mt": "9e9"}, "field_mt", "from -1000 to 1000 mT, or nothing"),
        ({"knobs": "drive_power"}, "knobs", "has no range under `knobs`"),
        ({"keep": "some"}, "keep", "is not all, none, or a whole number"),
        ({"hidden": "64; 32"}, "hidden", "is not a list of whole numbers"),
        ({"budget": "0"}, "steps", "steps and budget are both 0"),
    ],
)
def test_what_is_wrong_is_said_at_its_field(form, texts, field, words):
    problems = form.check(filled(form, **texts))
    assert list(problems) == [field]
    assert words in problems[field]


def test_all_that_is_wrong_is_said_at_once(form):
    problems = form.check(filled(form, shots="x", keep="y"))
    assert set(problems) == {"shots", "keep"}


def test_a_range_of_knobs_beyond_a_limit_is_the_knobs_fault(tmp_path):
    text = BENCH.text.replace("analyser_input_dbm: 20 ", "analyser_input_dbm: -30 ")
    form = Form("train", BenchFile.parse(text, BENCH.path), tmp_path)
    assert set(form.check(form.defaults())) == {"knobs"}


def test_a_swept_end_beyond_a_limit_is_said_at_that_end(tmp_path):
    form = Form("gain_sweep", BENCH, tmp_path)
    assert set(form.check(filled(form, attenuation_to_db="70"))) == {"attenuation_to_db"}


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ("parameter shots = 'x' is refused: Shots takes a whole number", "shots"),
        ("budget: 10 ring measurements do not pay for one step of 256", "budget"),
        ("field_mt = 200 mT is outside limits.field_mt, 0 to 150 mT", "field_mt"),
        ("task file /data/own.csv does not exist", "task"),
        ("/data/own.csv: row 3 has 2 entries, the header has 3", "task"),
        ("TCPIP::a is held by run 3 (process 1 on b). Wait for it to end", WHOLE),
    ],
)
def test_a_refusal_is_traced_to_the_field_that_it_names(form, message, field):
    assert form.field_of(message, filled(form, task="/data/own.csv")) == field


@pytest.mark.parametrize(
    ("estimator", "there", "gone"),
    [
        ("twin_first", {"twin_steps", "learning_rate"}, {"directions", "calibration", "decay"}),
        ("twin", {"decay", "calibration"}, {"twin_steps", "directions", "sides", "perturbation"}),
        ("twin_pgt", {"directions", "sides", "perturbation", "adapt"}, {"twin_steps"}),
        ("cma", {"directions", "perturbation", "batch_size"}, {"sides", "optimiser", "decay"}),
        ("ridge", {"calibration"}, {"steps", "batch_size", "optimiser", "validate_every"}),
    ],
)
def test_what_does_not_concern_an_estimator_is_not_shown(form, estimator, there, gone):
    texts = filled(form, estimator=estimator)
    shown = form.shown(texts)
    assert there <= shown
    assert not gone & shown
    name = min(gone)
    text = {"decay": "none", "optimiser": "sgd"}.get(name, "2")
    assert name in form.shown({**texts, name: text})  # it would be sent unseen


def test_the_column_of_labels_concerns_a_table_of_ones_own(form):
    assert "label" not in form.shown(filled(form))
    assert "label" in form.shown(filled(form, task="/data/own.CSV"))


def test_a_past_run_fills_the_form_and_tells_what_is_not_known(form):
    values = {"task": "spirals", "field_mt": 92.0, "attenuation_db": 12.5, "other": 1}
    texts, unknown = form.texts(values)
    assert unknown == ["other"]
    assert (texts["task"], texts["field_mt"], texts["attenuation_db"]) == ("spirals", "", "12.5")


def test_a_quantity_that_the_bench_lacks_is_of_no_use(tmp_path):
    data = yaml.safe_load(BENCH.text)
    del data["roles"]["amplifier"], data["hold"]["amplifier_voltage_v"]
    del data["limits"]["amplifier_voltage_v"]
    form = Form("train", BenchFile.parse(yaml.safe_dump(data), BENCH.path), tmp_path)
    assert not form.hint("amplifier_voltage_v", form.defaults()).of_use
    assert not form.check(form.defaults())


def test_an_estimate_is_a_sentence(form):
    told = form.estimate(filled(form, task="spirals", estimator="pgt", steps="10", budget="0"))
    assert told.startswith("About 4\u202f220 ring measurements, about ")
    assert "no instrument" in form.estimate(filled(form, reservoir="model"))
    with pytest.raises(ValueError, match=r"^budget: "):
        form.estimate(filled(form, budget="10"))


SCRIPT = """
from pymeasure.experiment import FloatParameter, ListParameter, Parameter, Procedure


class Mine(Procedure):
    kind = ListParameter("Kind", choices=["slow", "fast"], default="slow")
    wait_s = FloatParameter("Wait", units="s", group_by="kind", group_condition="slow", default=1)
    sample = Parameter("Sample")
    DATA_COLUMNS = ["x"]
"""


def test_a_script_of_the_users_has_a_form(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(SCRIPT)
    form = Form(f"{path}:Mine", None, tmp_path, by_hand=True)
    assert not form.guarded
    texts = form.defaults()
    assert form.shown(texts) == {"kind", "wait_s", "sample"}
    assert form.shown({**texts, "kind": "fast"}) == {"kind", "sample"}
    assert form.check(texts) == {"sample": "Sample must be given: it takes text"}
    assert not form.check({**texts, "sample": "YIG 7"})


NEEDY = (
    "from pymeasure.experiment import Procedure\n"
    "class Mine(Procedure):\n    def __init__(self, more): super().__init__()"
)
DOUBTFUL = """
from pymeasure.experiment import IntegerParameter, ListParameter
from procedures.base import RingProcedure


class Mine(RingProcedure):
    one = IntegerParameter("One", default=1)
    two = IntegerParameter("Two", group_by="one", group_condition=lambda one: 1 / 0, default=1)

    def check(self):
        raise KeyError("one")
"""


def test_what_a_script_raises_is_told_and_ends_nothing(tmp_path):
    path = tmp_path / "doubtful.py"
    path.write_text(DOUBTFUL)
    form = Form(str(path), BENCH, tmp_path, by_hand=True)
    assert "two" in form.shown(form.defaults())
    assert "'one'" in form.check(form.defaults())["one"]


@pytest.mark.parametrize("text", ["raise SystemExit(3)", "import nowhere", "x = 1", "def", NEEDY])
def test_a_script_that_is_no_procedure_is_refused(tmp_path, text):
    path = tmp_path / "bad.py"
    path.write_text(text)
    with pytest.raises(ProcedureNotFoundError):
        Form(str(path), BENCH, tmp_path, by_hand=True)


@pytest.mark.parametrize(
    ("value", "text"),
    [(4, "4"), (0.01, "0.01"), (4.465e9, "4.465e9"), (1e-12, "1e-12"), (150.0, "150")],
)
def test_numbers_keep_their_digits(value, text):
    assert number_text(value) == text


def test_ranges_leave_out_ends_that_are_none():
    assert range_text(-1e9, 5) == "≤ 5"
    assert range_text(-1e9, 1e9) == ""


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "1 s"), (95, "1 min 35 s"), (1500, "25 min"), (7500, "2 h 05 min")]
)
def test_spans_of_time(seconds, text):
    assert span_text(seconds) == text


# Presets


def test_the_examples_come_as_presets_that_fill_the_form(form, tmp_path):
    presets = Presets(tmp_path)
    shipped = [one for one in presets.list() if one.shipped]
    assert {one.name for one in shipped} >= {"spirals-pgt", "digits-input"}
    assert presets.first() == read(presets.find(FIRST).path)
    for one in shipped:
        procedure, values = read(one.path)
        texts, unknown = form.texts(values)
        assert (procedure, unknown, form.check(texts)) == ("train", [], {})


def test_a_preset_is_kept_as_the_command_line_reads_it(form, tmp_path):
    presets = Presets(tmp_path)
    values = form.values(filled(form, task="spirals", learning_rate="0.05", field_mt="90"))
    kept = presets.save("my spirals", "train", values)
    assert yaml.safe_load(kept.path.read_text()) == {
        "procedure": "train",
        "task": "spirals",
        "learning_rate": 0.05,
        "field_mt": 90.0,
    }
    assert read(kept.path) == ("train", values)
    assert presets.find("my spirals") == kept
    presets.delete(kept)
    assert presets.find("my spirals") is None


@pytest.mark.parametrize("name", ["", "../elsewhere", "a/b", "spirals-pgt", "x" * 90])
def test_a_name_that_cannot_be_a_preset_is_refused(tmp_path, name):
    with pytest.raises(PresetError):
        Presets(tmp_path).save(name, "train", {})


def test_a_shipped_preset_stays(tmp_path):
    presets = Presets(tmp_path)
    one = presets.find("spirals-pgt")
    with pytest.raises(PresetError, match="comes with the program"):
        presets.delete(one)
    assert one.path.exists()


@pytest.mark.parametrize("text", ["- a\n- b\n", "task: [", "task: spirals\n", ""])
def test_a_file_that_is_no_preset_is_refused(tmp_path, text):
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(PresetError):
        read(path)


def test_the_model_of_the_form_knows_no_qt_and_no_jax():
    code = (
        "import sys\n"
        "import magnon_lab.gui.model.form, magnon_lab.gui.model.presets\n"
        "import magnon_lab.gui.model.lister, magnon_lab.gui.model.log_lines\n"
        "assert not [name for name in sys.modules if name.startswith(('PyQt', 'jax.'))]\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])
