"""From YAML text to a checked bench file, with errors that say what to write instead."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator
from typing import Any

import yaml
from pydantic import ValidationError

from magnon_lab.bench.errors import BenchFileError
from magnon_lab.bench.quantities import QUANTITIES, ROLE_OF, unit_of
from magnon_lab.bench.schema import BenchModel

Key = tuple[str | int, ...]


class _Loader(yaml.SafeLoader):
    """YAML that takes 4.45e9 for a number (YAML 1.1 wants a sign) and no key twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"key {key!r} stands here twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"),
    list("-+0123456789."),
)


def read_model(text: str, source: str) -> BenchModel:
    """Return what a bench file's text says.

    `source` names the file in messages. Raises `BenchFileError` with one line a mistake: key,
    value, unit and what is allowed.
    """
    try:
        data = yaml.load(text, Loader=_Loader)
        root = yaml.compose(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise BenchFileError(f"{source} is not valid YAML: {error}") from error
    if not isinstance(data, dict):
        raise BenchFileError(f"{source} must be a mapping of keys, see the shipped bench.yaml")
    try:
        model = BenchModel.model_validate(data)
    except ValidationError as error:
        mistakes = [_mistake(entry) for entry in error.errors()]
    else:
        mistakes = list(_contradictions(model))
        if not mistakes:
            return model
    lines = [f"{_place(source, root, key)}: {text}" for key, text in mistakes]
    raise BenchFileError("\n".join(lines))


def spelled(key: Key) -> str:
    """Return a key as it is spoken of: knobs.drive_power_dbm.from, limits.field_mt[1]."""
    text = ""
    for part in key:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def told(key: Key, value: Any, allowed: str) -> str:
    """Return the one sentence for a wrong value."""
    unit = next((unit_of(str(part)) for part in reversed(key) if unit_of(str(part))), "")
    return f"{spelled(key)} = {value!r}{f' ({unit})' if unit else ''}: allowed: {allowed}"


def _mistake(entry: Any) -> tuple[Key, str]:
    key: Key = tuple(entry["loc"])
    kind, value, context = entry["type"], entry["input"], entry.get("ctx", {})
    if kind == "unknown_key":
        key = (*key, context["key"])
        return key, f"{spelled(key)}: unknown key; {entry['msg']}"
    if kind == "at_key":
        key = (*key, context["key"])
        return key, told(key, context["value"], entry["msg"])
    if kind == "missing" and not isinstance(key[-1], int):
        unit = unit_of(str(key[-1]))
        return key, f"{spelled(key)}{f' ({unit})' if unit else ''}: missing, and needed"
    if isinstance(key[-1], int) and kind in ("missing", "too_long"):
        key = key[:-1]
    if kind in ("missing", "too_long", "tuple_type"):
        return key, told(key, value, "two numbers, the lower first")
    allowed = {
        "float_type": "a number",
        "int_type": "a whole number",
        "finite_number": "a finite number",
        "bool_type": "true or false",
        "bool_parsing": "true or false",
        "string_type": "text",
        "string_pattern_mismatch": "module:Class, such as drivers.keysight:KeysightN9000",
        "model_type": "a block of keys",
        "literal_error": str(context.get("expected")),
        "greater_than": f"above {context.get('gt'):g}" if "gt" in context else "",
        "greater_than_equal": f"{context.get('ge'):g} or more" if "ge" in context else "",
        "less_than_equal": f"{context.get('le'):g} or less" if "le" in context else "",
    }.get(kind, entry["msg"])
    return key, told(key, value, allowed)


def _place(source: str, root: yaml.Node | None, key: Key) -> str:
    """Return `file, line n` of the deepest part of a key that the file has."""
    node, line = root, None
    for part in key:
        if isinstance(node, yaml.MappingNode):
            entry = next((pair for pair in node.value if pair[0].value == str(part)), None)
            if entry is None:
                break
            line, node = entry[0].start_mark.line + 1, entry[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            if part >= len(node.value):
                break
            node = node.value[part]
            line = node.start_mark.line + 1
    return f"{source}, line {line}" if line is not None else source


def _contradictions(model: BenchModel) -> Iterator[tuple[Key, str]]:
    """Yield what each block may say but all together may not."""
    roles = model.roles.present()
    for quantity in QUANTITIES:
        role = ROLE_OF[quantity]
        limit = getattr(model.limits, quantity)
        knob = getattr(model.knobs, quantity)
        held = getattr(model.hold, quantity)
        if role not in roles:
            for block, value in (("knobs", knob), ("hold", held)):
                if value is not None:
                    key: Key = (block, quantity)
                    yield key, f"{spelled(key)}: roles has no {role} that could make it"
            continue
        if limit is None:
            key = ("limits", quantity)
            yield key, f"{spelled(key)} ({unit_of(quantity)}): missing, and needed for the {role}"
            continue
        allowed = f"within limits.{quantity}, {limit[0]:g} to {limit[1]:g} {unit_of(quantity)}"
        if knob is not None:
            for end, value in (("from", knob.low), ("to", knob.high)):
                if not limit[0] <= value <= limit[1]:
                    yield ("knobs", quantity, end), told(("knobs", quantity, end), value, allowed)
            if knob.low >= knob.high:
                key = ("knobs", quantity, "to")
                yield key, told(key, knob.high, f"above knobs.{quantity}.from, {knob.low:g}")
        if held is not None and not limit[0] <= held <= limit[1]:
            yield ("hold", quantity), told(("hold", quantity), held, allowed)
    yield from _contradictions_of_supplies(model)
    readout = model.readout
    if readout.stop_hz <= readout.start_hz:
        key = ("readout", "stop_hz")
        yield key, told(key, readout.stop_hz, f"above readout.start_hz, {readout.start_hz:g}")
    if readout.bins > readout.points:
        key = ("readout", "bins")
        yield key, told(key, readout.bins, f"at most readout.points, {readout.points}")


def _contradictions_of_supplies(model: BenchModel) -> Iterator[tuple[Key, str]]:
    field, amplifier = model.roles.field, model.roles.amplifier
    if field is not None:
        if model.limits.field_slew_mt_per_s is None:
            key: Key = ("limits", "field_slew_mt_per_s")
            yield key, f"{spelled(key)} (mT/s): missing, and needed for the field"
        limit = model.limits.field_mt
        if limit is not None and not limit[0] <= 0 <= limit[1]:
            key = ("limits", "field_mt")
            yield key, told(key, list(limit), "a range with 0 in it, where the safe state is")
        if limit is not None and field.max_current_a is not None:
            most = abs(field.mt_per_a) * field.max_current_a
            for index, value in enumerate(limit):
                if abs(value) > most * (1 + 1e-9):
                    key = ("limits", "field_mt", index)
                    yield key, told(key, value, f"at most {most:g} mT, from max_current_a")
    if amplifier is not None and model.limits.amplifier_voltage_v is not None:
        low, high = model.limits.amplifier_voltage_v
        key = ("roles", "amplifier", "voltage_v")
        if not low <= amplifier.voltage_v <= high:
            allowed = f"within limits.amplifier_voltage_v, {low:g} to {high:g} V"
            yield key, told(key, amplifier.voltage_v, allowed)
        key = ("roles", "amplifier", "expected_current_a")
        if amplifier.expected_current_a[1] > amplifier.current_limit_a:
            allowed = f"at most current_limit_a, {amplifier.current_limit_a:g} A"
            yield key, told(key, list(amplifier.expected_current_a), allowed)
        gate = amplifier.gate
        if gate is not None and gate.channel == amplifier.channel:
            key = ("roles", "amplifier", "gate", "channel")
            yield key, told(key, gate.channel, "another channel than the amplifier's own")
    for role in ("field", "amplifier"):
        names = ("field_mt", "field_slew_mt_per_s") if role == "field" else ("amplifier_voltage_v",)
        for name in names:
            if getattr(model.roles, role) is None and getattr(model.limits, name) is not None:
                key = ("limits", name)
                yield key, f"{spelled(key)}: roles has no {role} that it could limit"
