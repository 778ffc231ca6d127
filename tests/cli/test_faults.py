from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pyvisa

from magnon_lab.simulation.wire import read_wire_log

from ..serving import Served
from .conftest import Command


def test_a_fault_on_a_served_bench(served: Served, command: Command) -> None:
    bench = ("--bench", served.bench, "--json")
    assert command("bench", "fault", *bench).json == {"armed": [], "happened": []}
    words = ("dropped", "--role", "generator", "--at", 2, "--command", ":POW?", "--count", 3)
    (armed,) = command("bench", "fault", *words, *bench).json["armed"]
    assert (armed["kind"], armed["at"], armed["count"]) == ("dropped", "2", "3")
    drift = ("drift", "--role", "probe", "-k", "quantity=field_mt", "-k", "jump=-1.5")
    (_, armed) = command("bench", "fault", *drift, "--duration", 5, *bench).json["armed"]
    assert (armed["jump"], armed["duration_s"]) == ("-1.5", "5.0")
    assert command("bench", "check", *bench).code == 0
    told = command("bench", "fault", "--bench", served.bench)
    assert told.code == 0
    assert "happened: kind=drift role=probe" in told.stdout
    assert command("bench", "fault", "--clear", *bench).json == {"armed": [], "happened": []}


def test_mistakes(served: Served, command: Command) -> None:
    for words, told in (
        (("stumble", "--role", "probe"), "kind: 'stumble'; allowed: one of timeout, hang"),
        (("hang", "--role", "oscilloscope"), "role: 'oscilloscope'; allowed for kind 'hang'"),
        (("hang",), "role"),
        (("hang", "--role", "probe", "--at", 0), "at: 0; allowed: a whole number from 1"),
        (
            ("hang", "--role", "probe", "-k", "duration_s"),
            "--key 'duration_s'; allowed: name=value",
        ),
        (("--role", "probe"), "no kind of fault was given"),
    ):
        found = command("bench", "fault", *words, "--bench", served.bench)
        assert found.code == 2
        assert told in found.stderr.replace("\n", " ")


def test_a_laboratory_inside_a_program_cannot_be_reached(command: Command) -> None:
    found = command("bench", "fault", "hang", "--role", "probe")
    assert found.code == 2
    assert "lives inside the program that uses it" in found.stderr.replace("\n", " ")


def test_the_wire_log_of_a_served_bench(tmp_path: Path, command: Command) -> None:
    path, bench = tmp_path / "wire.jsonl", tmp_path / "served.yaml"
    words = ["bench", "serve", "--json", "--write-bench", str(bench), "--wire-log", str(path)]
    process = subprocess.Popen(
        [sys.executable, "-m", "magnon_lab.cli", *words], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    resources = json.loads(process.stdout.readline())
    manager = pyvisa.ResourceManager("@py")
    with manager.open_resource(
        resources["generator"], read_termination="\n", write_termination="\n"
    ) as generator:
        assert generator.query(":POW -10;:OUTP?") == "0"
    manager.close()
    process.send_signal(signal.SIGKILL)
    process.wait(20)
    process.stdout.close()
    assert [(e.role, e.way, e.text) for e in read_wire_log(path)] == [
        ("generator", "<", ":POW -10;:OUTP?"),
        ("generator", ">", "0\n"),
    ]
    found = command("bench", "serve", "--wire-log", tmp_path / "none" / "wire.jsonl")
    assert found.code == 2
    assert "No such file or directory" in found.stderr
