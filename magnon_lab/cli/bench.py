"""`magnon-lab bench`: the laboratory by hand, always under the limits of its bench file."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.table import Table

from magnon_lab.cli import faults
from magnon_lab.cli.options import BenchOption, JsonOption, err, out, print_json, told

if TYPE_CHECKING:
    from magnon_lab.bench import Bench, BenchFile, StepOutcome

app = typer.Typer(help="The laboratory by hand, under all limits.", no_args_is_help=True)
app.command("fault")(faults.fault)


@app.command("check")
def check(bench: BenchOption = None, as_json: JsonOption = False) -> None:
    """Ask every instrument who it is and how it stands; switches nothing."""
    from magnon_lab.bench import BenchFile, check_bench

    with told(as_json):
        lines = check_bench(BenchFile.load(bench))
        if as_json:
            print_json({"ok": all(line.ok for line in lines), "lines": [vars(x) for x in lines]})
        else:
            _table(
                ("role", "", "found"), [(x.role, "ok" if x.ok else "WRONG", x.text) for x in lines]
            )
        if not all(line.ok for line in lines):
            raise typer.Exit(1)


@app.command("show")
def show(bench: BenchOption = None, as_json: JsonOption = False) -> None:
    """Show every quantity as it stands, with its limits and the range of its knob."""
    from magnon_lab.bench import BenchFile

    with told(as_json):
        bench_file = BenchFile.load(bench)
        with _by_hand(bench_file, "bench show") as opened:
            shown = opened.show()
        if as_json:
            print_json(
                {"bench": bench_file.name, "simulated": bench_file.simulated}
                | {"quantities": [_plain(one) for one in shown]}
            )
            return
        out.print(f"{bench_file.name}{' (simulated)' if bench_file.simulated else ''}")
        rows = [
            (
                one.quantity,
                f"{one.readback:.9g} {one.unit}",
                "" if one.held is None else f"{one.held:.9g}",
                f"{one.limits[0]:.9g} to {one.limits[1]:.9g}",
                "" if one.knob is None else f"{one.knob.low:.9g} to {one.knob.high:.9g}",
            )
            for one in shown
        ]
        _table(("quantity", "now", "held", "limits", "knob"), rows)


@app.command("set")
def set_quantity(
    quantity: Annotated[str, typer.Argument(help="For example attenuation_db.")],
    value: Annotated[str, typer.Argument(help="In the unit that the quantity's name ends with.")],
    bench: BenchOption = None,
    as_json: JsonOption = False,
) -> None:
    """Set one quantity by hand, and leave the bench as it then is.

    An output that the quantity needs is switched on: end with `magnon-lab bench safe`. Ctrl-C,
    SIGTERM or SIGHUP stop a ramp where it is. (A negative value goes after `--`.)
    """
    from magnon_lab.bench import BenchFile
    from magnon_lab.cli.errors import BadInputError, Failure

    with told(as_json):
        bench_file = BenchFile.load(bench)
        if quantity not in bench_file.quantities:
            raise BadInputError(
                f"quantity {quantity!r} is not known: this bench has "
                + ", ".join(bench_file.quantities)
            )
        try:
            number = float(value)
        except ValueError as error:
            raise BadInputError(f"{quantity} = {value!r} is not a number") from error
        with _by_hand(bench_file, "bench set") as opened, _stopped_by_signals() as came:
            realised = opened.set(quantity, number, should_stop=lambda: bool(came))
            done = quantity in opened.held
        if as_json:
            told_now = {"quantity": quantity, "requested": number, "realised": realised}
            print_json(told_now | {"status": "finished" if done else "stopped"})
        else:
            out.print(f"{quantity} = {realised:.9g} read back, {number:.9g} requested")
        if not done:
            err.print(
                f"error: stopped on the way at {quantity} = {realised:.6g}, and its supply is ON: "
                "magnon-lab bench safe switches it off",
                style="bold red",
            )
            raise typer.Exit(Failure.CTRL_C if came[0] == signal.SIGINT else Failure.FAILED)
        err.print("the bench stays as it is now; magnon-lab bench safe switches it off")


@app.command("trace")
def trace(
    bench: BenchOption = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="CSV file for the trace.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Take one sweep with everything as it stands."""
    from magnon_lab.bench import BenchFile

    with told(as_json):
        bench_file = BenchFile.load(bench)
        with _by_hand(bench_file, "bench trace") as opened:
            frequencies_hz, trace_dbm = opened.trace()
        if output is not None:
            rows = zip(frequencies_hz.tolist(), trace_dbm.tolist(), strict=True)
            head = "# simulated\n" if bench_file.simulated else ""
            output.write_text(
                head + "frequency_hz,power_dbm\n" + "".join(f"{f},{p}\n" for f, p in rows),
                encoding="utf-8",
            )
        if as_json:
            print_json({"frequencies_hz": frequencies_hz, "trace_dbm": trace_dbm})
            return
        peak = int(trace_dbm.argmax())
        out.print(
            f"{len(trace_dbm)} points, strongest {trace_dbm[peak]:.2f} dBm "
            f"at {frequencies_hz[peak] / 1e9:.6f} GHz"
        )


@app.command("standby")
def standby(bench: BenchOption = None, as_json: JsonOption = False) -> None:
    """Open the loop and switch the drive off; field and amplifier bias stay."""
    from magnon_lab.bench import BenchFile

    with told(as_json):
        with _by_hand(BenchFile.load(bench), "bench standby") as opened:
            outcomes = opened.standby()
        _tell_outcomes(outcomes, as_json)


@app.command("safe")
def safe(bench: BenchOption = None, as_json: JsonOption = False) -> None:
    """Switch everything off in the safe order, however few instruments can be reached.

    Whoever holds the bench is ended first: asked, and after five seconds ended.
    """
    from magnon_lab.bench import BenchFile, make_safe

    with told(as_json):
        bench_file = BenchFile.load(bench)
        if bench_file.in_process:
            err.print(
                "this simulated laboratory lives inside each process that opens it: a run's own "
                "cannot be reached from here (magnon-lab abort RUN ends it, and makes it safe)"
            )
        _tell_outcomes(make_safe(bench_file, tell=err.print), as_json)


@app.command("schema")
def schema() -> None:
    """Print the JSON schema of bench files, for editors."""
    from magnon_lab.bench import json_schema

    print_json(json_schema())


@app.command("serve")
def serve(
    bench: BenchOption = None,
    host: Annotated[
        str, typer.Option("--host", help="Address to listen on; anything but loopback is open.")
    ] = "127.0.0.1",
    seed: Annotated[int | None, typer.Option("--seed", help="Of the laboratory's noise.")] = None,
    pace: Annotated[
        Literal["virtual", "real"],
        typer.Option("--pace", help="virtual: time is added up; real: it is waited for."),
    ] = "virtual",
    write_bench: Annotated[
        Path | None,
        typer.Option("--write-bench", metavar="FILE", help="Write a bench file that points here."),
    ] = None,
    wire_log: Annotated[
        Path | None,
        typer.Option("--wire-log", metavar="FILE", help="Write all that is said into this file."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Serve the simulated laboratory on TCP sockets until SIGTERM or Ctrl-C.

    The first line of output tells where each role's instrument is.
    """
    from magnon_lab.bench import BenchFile, write_served_bench
    from magnon_lab.cli.errors import BadInputError

    with told(as_json):
        bench_file = BenchFile.load(bench)
        library, _, backend = bench_file.visa_library.rpartition("@")
        if backend != "magnon" or not library:
            raise BadInputError(
                f"bench file {bench_file.path}: visa_library {bench_file.visa_library!r} names no "
                "simulated laboratory (file.yaml@magnon) that could be served"
            )
        if wire_log is not None:
            try:
                wire_log.write_text("", encoding="utf-8")
            except OSError as error:
                raise BadInputError(f"--wire-log {wire_log}: {error.strerror}") from error
        from magnon_lab.cli.run import use_compilation_cache
        from magnon_lab.simulation import serve as start

        use_compilation_cache()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, _interrupt)
        with (
            contextlib.suppress(KeyboardInterrupt),
            start(library, host, 0, seed, pace, wire_log) as server,
        ):
            if write_bench is not None:
                write_served_bench(bench_file, server.resources, write_bench)
            if as_json:
                print_json(server.resources)
            else:
                for role, resource in server.resources.items():
                    print(f"{role}: {resource}", flush=True)
            if host not in ("127.0.0.1", "localhost", "::1"):
                err.print(f"warning: listening on {host}: whoever reaches this machine may command")
            server.run_forever()


def _by_hand(bench_file: BenchFile, what: str) -> Bench:
    """Return a bench that is left as it then is, and so has no guard."""
    from magnon_lab.bench import Bench

    return Bench(bench_file, leave="unchanged", what=what, guard_command=None)


@contextlib.contextmanager
def _stopped_by_signals() -> Iterator[list[int]]:
    """Yield a list that the signals which come are put into, instead of an end at any place.

    A second Ctrl-C ends at once, for an instrument that hangs.
    """
    came: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT in came:
            err.print("ended at once: WHAT WAS SWITCHED ON STAYS ON, see magnon-lab bench safe")
            raise KeyboardInterrupt
        came.append(number)

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, note) for number in numbers}
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _tell_outcomes(outcomes: list[StepOutcome], as_json: bool) -> None:
    ok = all(outcome.ok for outcome in outcomes)
    if as_json:
        print_json({"ok": ok, "steps": [vars(outcome) for outcome in outcomes]})
    else:
        rows = [(one.name, "ok" if one.ok else "FAILED", one.text) for one in outcomes]
        _table(("step", "", "outcome"), rows)
    if not ok:
        raise typer.Exit(1)


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    table = Table(*head, box=None)
    for row in rows:
        table.add_row(*row)
    out.print(table)


def _plain(shown: Any) -> dict[str, Any]:
    return {**vars(shown), "knob": None if shown.knob is None else vars(shown.knob)}
