"""What is another at a bench than when a run began: what can change its measurements."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from magnon_lab.bench import BenchFile, BenchFileError

#: Parts of a bench file that say how instruments are reached or looked after, not what they do.
REACHING = ("name", "visa_library", "guard", "safe")
REACHING_A_ROLE = ("resource", "identity", "timeout_s", "read_termination", "write_termination")


def bench_changes(text: str, now: BenchFile) -> list[str]:
    """Return a line for each key in which `now` differs from the bench file `text` of then."""
    try:
        then = BenchFile.parse(text, "the bench file of then")
    except BenchFileError as error:
        return [f"the bench file that the run began with is not valid any more: {error}"]
    old, new = (
        dict(_flat(file.model.model_dump(mode="json", by_alias=True))) for file in (then, now)
    )
    return [
        f"{key}: {_told(old, key)} when the run began, {_told(new, key)} in {now.path}"
        for key in dict.fromkeys((*old, *new))
        if old.get(key) != new.get(key) and not _reaching(key)
    ]


def identity_changes(then: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Return a line for each role whose instrument says to be another than then, if that is known.

    A simulated laboratory's identity tells its seed, which the run sets itself.
    """
    return [
        f"{role}: {then.get(role, 'no instrument')!r} when the run began, "
        f"{now.get(role, 'no instrument')!r} now"
        for role in dict.fromkeys((*then, *now))
        if then and _seedless(role, then.get(role)) != _seedless(role, now.get(role))
    ]


def _seedless(role: str, identity: str | None) -> list[str]:
    maker_model_serial_version = (identity or "").split(",")
    if role == "laboratory":
        del maker_model_serial_version[2:3]
    return maker_model_serial_version


def _flat(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, part in value.items():
            yield from _flat(part, f"{key}.{name}" if key else str(name))
    else:
        yield key, value


def _reaching(key: str) -> bool:
    parts = key.split(".")
    return parts[0] in REACHING or (parts[0] == "roles" and parts[-1] in REACHING_A_ROLE)


def _told(values: Mapping[str, Any], key: str) -> str:
    return repr(values[key]) if values.get(key) is not None else "not given"
