"""A simulated laboratory in a process of its own, and bench files that are changed for a test."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from magnon_lab.bench.benchfile import shipped_path


def changed_bench(folder: Path, change: Callable[[str], str]) -> Path:
    """Write the shipped bench file, changed, into `folder`."""
    path = folder / "changed.yaml"
    library = shipped_path().parent / "sim_instruments.yaml"
    text = shipped_path().read_text().replace("sim_instruments.yaml@", f"{library}@")
    changed = change(text)
    assert changed != text
    path.write_text(changed)
    return path


def faulty_bench(folder: Path, fault: str) -> Path:
    """Write the shipped bench file with a fault, such as "kind: lost, role: generator"."""
    shipped = shipped_path().parent / "sim_instruments.yaml"
    library = folder / "with-fault.yaml"
    told = f"\nlaboratory:\n  faults: [{{{fault}}}]"
    library.write_text(shipped.read_text().replace("\nlaboratory:", told, 1))
    return changed_bench(folder, lambda text: text.replace(str(shipped), str(library)))


@dataclass
class Served:
    """A laboratory served by another process."""

    bench: Path
    resources: dict[str, str]
    process: subprocess.Popen[str]


@contextlib.contextmanager
def serve(folder: Path, pace: str) -> Iterator[Served]:
    """Serve a laboratory at a pace ("virtual" or "real") until the block ends."""
    bench = folder / "served.yaml"
    words = ["bench", "serve", "--json", "--pace", pace, "--seed", "7", "--write-bench", bench]
    process = subprocess.Popen(
        [sys.executable, "-m", "magnon_lab.cli", *map(str, words)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield Served(bench, json.loads(process.stdout.readline()), process)
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        process.stdout.close()
