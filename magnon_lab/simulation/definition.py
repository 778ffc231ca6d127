"""Reading `sim_instruments.yaml`: what stands in pyvisa-sim's format and in our keys beside it.

The file is the one place for each instrument's command protocol. Stock pyvisa-sim reads the same
file and ignores our keys, which the file's own head documents.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from magnon_lab.simulation.errors import DefinitionError
from magnon_lab.simulation.scpi import UNITS, Parameter

ROLES = ("analyser", "generator", "attenuator", "field", "probe", "amplifier", "laboratory")
_PROPERTY_KEYS = {
    "default", "getter", "setter", "specs",  # pyvisa-sim's own
    "scpi", "unit", "choices", "step", "beyond", "plant", "get", "set", "reset", "count", "also",
    "limits", "defaults",
}  # fmt: skip
_DIALOGUE_KEYS = {"q", "r", "scpi", "call", "arguments", "also", "plant"}
_DEVICE_KEYS = {
    "eom", "error", "dialogues", "properties", "channels", "delimiter",  # pyvisa-sim's own
    "role", "grammar", "protocols", "registers", "latency", "errors", "settings",
}  # fmt: skip


@dataclass(frozen=True)
class Property:
    """A value that an instrument keeps or computes, and how it is asked for and set."""

    name: str
    kind: str
    default: Any
    headers: tuple[str, ...]
    reply: str
    readable: bool
    settable: bool
    minimum: float | None = None
    maximum: float | None = None
    unit: str = ""
    choices: tuple[str, ...] = ()
    step: float | None = None
    beyond: str = "clip"
    plant: str = ""
    get: str = ""
    set: str = ""
    keep: bool = False
    count: int = 0
    channels: tuple[int, ...] = ()
    limits: Mapping[int, tuple[float, float]] = field(default_factory=dict)
    defaults: Mapping[int, Any] = field(default_factory=dict)
    patterns: tuple[tuple[str, bool], ...] = ()
    set_reply: str = ""

    def parameter(self) -> Parameter:
        """Return what may follow the header when the property is set."""
        return Parameter(self.kind, self.unit, self.choices, extremes=True)

    def range(self, index: int) -> tuple[float | None, float | None]:
        """Return the lowest and highest value of one of several."""
        return self.limits.get(index, (self.minimum, self.maximum))


@dataclass(frozen=True)
class Dialogue:
    """A command without a kept value: a fixed reply, an action, or nothing at all."""

    query: str
    reply: str
    headers: tuple[str, ...]
    call: str = ""
    plant: str = ""
    arguments: tuple[Parameter, ...] = ()
    patterns: tuple[str, ...] = ()


@dataclass(frozen=True)
class RegisterDefinition:
    """A SCPI status register: its header, its bit in its parent or in the status byte."""

    name: str
    header: str
    parent: str
    bit: int
    enable: int


@dataclass(frozen=True)
class Latency:
    """How long an exchange takes on this instrument's bus, in seconds."""

    write_s: float = 0.0
    reply_s: float = 0.0
    byte_s: float = 0.0


@dataclass(frozen=True)
class DeviceDefinition:
    """One instrument as the file describes it."""

    name: str
    role: str
    grammar: str
    resource: str
    reply_end: bytes
    properties: tuple[Property, ...]
    dialogues: tuple[Dialogue, ...]
    registers: tuple[RegisterDefinition, ...]
    latency: Latency
    errors: Mapping[str, Any]
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class LaboratoryDefinition:
    """The whole file: instruments by role and the `laboratory:` block."""

    path: Path
    devices: Mapping[str, DeviceDefinition]
    laboratory: Mapping[str, Any]


def shipped_definition() -> Path:
    """Return the path of the definition file that comes with Magnon Lab."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "shipped" / "sim_instruments.yaml"
    return installed if installed.exists() else package.parent / "sim_instruments.yaml"


def load(path: str | Path) -> LaboratoryDefinition:
    """Read and check a definition file; raise `DefinitionError` naming what is wrong and where."""
    path = Path(path).expanduser().resolve()
    try:
        stat = path.stat()
    except OSError as error:
        raise DefinitionError(f"no simulated laboratory at {path}: {error.strerror}") from error
    return _load(path, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=8)
def _load(path: Path, mtime_ns: int, size: int) -> LaboratoryDefinition:
    loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
    try:
        data = yaml.load(path.read_text(encoding="utf-8"), loader)
    except yaml.YAMLError as error:
        raise DefinitionError(f"{path} is not YAML: {error}") from error
    if not isinstance(data, dict) or "devices" not in data or "resources" not in data:
        raise DefinitionError(f"{path}: `devices` and `resources` are needed at top level")
    resources = {entry["device"]: name for name, entry in data["resources"].items()}
    protocols = data.get("protocols", {})
    devices: dict[str, DeviceDefinition] = {}
    for name, content in data["devices"].items():
        if "role" not in content:
            continue  # a device for stock pyvisa-sim alone
        device = _device(name, content, protocols, resources.get(name, ""))
        if device.role not in ROLES or device.role in devices:
            raise DefinitionError(f"device {name!r}: role {device.role!r} unknown or taken twice")
        devices[device.role] = device
    laboratory = typed(data.get("laboratory", {}))
    return LaboratoryDefinition(path, devices, laboratory)


def typed(value: Any) -> Any:
    """Turn the strings of a YAML tree into numbers, booleans and None where they are such."""
    if isinstance(value, dict):
        return {key: typed(item) for key, item in value.items()}
    if isinstance(value, list):
        return [typed(item) for item in value]
    if not isinstance(value, str):
        return value
    if value in ("true", "false"):
        return value == "true"
    if value in ("null", "~", ""):
        return None
    for kind in (int, float):
        try:
            return kind(value)
        except ValueError:
            continue
    return value


def _device(
    name: str, content: dict[str, Any], protocols: dict[str, Any], resource: str
) -> DeviceDefinition:
    _check_keys(f"device {name!r}", content, _DEVICE_KEYS)
    if not resource:
        raise DefinitionError(f"device {name!r} has no entry under `resources`")
    sources = [content]
    for protocol in content.get("protocols", ()):
        if protocol not in protocols:
            raise DefinitionError(f"device {name!r}: no protocol {protocol!r}")
        sources.append(protocols[protocol])
    properties, dialogues = [], []
    for source in sources:
        properties += [_property(name, k, v) for k, v in source.get("properties", {}).items()]
        dialogues += [_dialogue(name, entry) for entry in source.get("dialogues", ())]
    for channel in content.get("channels", {}).values():
        ids = tuple(int(i) for i in channel["ids"])
        properties += [_property(name, k, v, ids) for k, v in channel["properties"].items()]
    settings = typed(content.get("settings", {}))
    return DeviceDefinition(
        name=name,
        role=content["role"],
        grammar=content.get("grammar", "scpi"),
        resource=resource,
        reply_end=_reply_end(content, resource),
        properties=tuple(properties),
        dialogues=tuple(dialogues),
        registers=tuple(_registers(name, content.get("registers", {}))),
        latency=Latency(**typed(content.get("latency", {}))),
        errors=typed(content.get("errors", {})),
        settings=settings,
    )


def _reply_end(content: dict[str, Any], resource: str) -> bytes:
    kind = " ".join((re.sub(r"\d*$", "", resource.split("::")[0]), resource.split("::")[-1]))
    end = content.get("eom", {}).get(kind, {}).get("r", "\n")
    return str(end).replace("\\r", "\r").replace("\\n", "\n").encode()


def _property(
    device: str, name: str, content: dict[str, Any], channels: tuple[int, ...] = ()
) -> Property:
    place = f"device {device!r}, property {name!r}"
    _check_keys(place, content, _PROPERTY_KEYS)
    specs = content.get("specs", {})
    choices = tuple(content.get("choices", ()))
    kind = _kind(place, specs, choices)
    unit = content.get("unit", "")
    if unit not in UNITS:
        raise DefinitionError(f"{place}: unit {unit!r} is none of {sorted(UNITS)}")
    getter, setter = content.get("getter"), content.get("setter")
    also = content.get("also", {})
    patterns = [(q, True) for q in ([getter["q"]] if getter else []) + also.get("getter", [])]
    patterns += [(q, False) for q in ([setter["q"]] if setter else []) + also.get("setter", [])]
    convert = _CONVERTERS.get(kind, str)
    try:
        return Property(
            name=name,
            kind=kind,
            default=convert(content.get("default", 0 if kind in ("number", "integer") else "0")),
            headers=_headers(content),
            reply=getter["r"] if getter else "{}",
            readable=getter is not None,
            settable=setter is not None,
            minimum=float(specs["min"]) if "min" in specs else None,
            maximum=float(specs["max"]) if "max" in specs else None,
            unit=unit,
            choices=choices,
            step=float(content["step"]) if "step" in content else None,
            beyond=content.get("beyond", "clip"),
            plant=content.get("plant", ""),
            get=content.get("get", ""),
            set=content.get("set", ""),
            keep=content.get("reset") == "keep",
            count=int(content.get("count", 0)),
            channels=channels,
            limits={int(k): (float(low), float(high))
                    for k, (low, high) in content.get("limits", {}).items()},
            defaults={int(k): convert(v) for k, v in content.get("defaults", {}).items()},
            patterns=tuple(patterns),
            set_reply=setter.get("r", "") if setter else "",
        )  # fmt: skip
    except (TypeError, ValueError) as error:
        raise DefinitionError(f"{place}: {error}") from error


_CONVERTERS: dict[str, Callable[[Any], Any]] = {
    "number": float,
    "integer": int,
    "boolean": lambda value: bool(int(value)),
}


def _kind(place: str, specs: dict[str, Any], choices: tuple[str, ...]) -> str:
    declared = specs.get("type", "str")
    if declared not in ("float", "int", "str"):
        raise DefinitionError(f"{place}: type {declared!r} is none of float, int, str")
    if declared == "int" and specs.get("valid") == ["0", "1"]:
        return "boolean"
    if declared == "str":
        return "choice" if choices else "text"
    return "number" if declared == "float" else "integer"


def _headers(content: dict[str, Any]) -> tuple[str, ...]:
    scpi = content.get("scpi", ())
    return (scpi,) if isinstance(scpi, str) else tuple(scpi)


def _dialogue(device: str, content: dict[str, Any]) -> Dialogue:
    place = f"device {device!r}, dialogue {content.get('q')!r}"
    _check_keys(place, content, _DIALOGUE_KEYS)
    return Dialogue(
        query=content["q"],
        reply=content.get("r", ""),
        headers=_headers(content),
        call=content.get("call", ""),
        plant=content.get("plant", ""),
        arguments=tuple(_argument(place, a) for a in content.get("arguments", ())),
        patterns=(content["q"], *content.get("also", ())),
    )


def _argument(place: str, text: str) -> Parameter:
    """Read an argument such as `number Hz`, `choice SA|BASic`, `text?`, `number* V`.

    `?` marks one that may be left out, `*` one that may also be MIN, MAX or DEF.
    """
    kind, _, rest = text.partition(" ")
    optional, extremes = "?" in kind, "*" in kind
    kind = kind.rstrip("?*")
    if kind not in ("number", "integer", "boolean", "choice", "text", "numbers", "channels"):
        raise DefinitionError(f"{place}: argument kind {kind!r} unknown")
    if kind == "choice":
        return Parameter(kind, choices=tuple(rest.split("|")), optional=optional)
    return Parameter(kind, unit=rest, optional=optional, extremes=extremes)


def _registers(device: str, content: dict[str, Any]) -> Iterator[RegisterDefinition]:
    for name, entry in content.items():
        parent, _, bit = str(entry["summary"]).rpartition(" ")
        try:
            yield RegisterDefinition(
                name, entry["scpi"], parent, int(bit), int(entry.get("enable", 0))
            )
        except ValueError as error:
            raise DefinitionError(f"device {device!r}, register {name!r}: {error}") from error


def _check_keys(place: str, content: Mapping[str, Any], known: set[str]) -> None:
    unknown = sorted(set(content) - known)
    if unknown:
        raise DefinitionError(f"{place}: unknown key {unknown[0]!r}; known: {sorted(known)}")
