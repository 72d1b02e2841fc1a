"""Finding plugins by name and building them from plain parameters.

Built-in plugins are listed in their package's ``BUILTINS`` (name to ``"module:Class"``), so that a fresh
checkout sees a new one without being installed again. Third-party plugins come from the entry-point groups
``ttscale.strategies``, ``ttscale.verifiers``, ``ttscale.backends``, ``ttscale.benchmarks``,
``ttscale.commands``, ``ttscale.templates`` and ``ttscale.tools``. Nothing is imported before it is asked for by
name.

A prompt template is an object ready for use (`load_template`). Any other plugin is a dataclass: its fields are
its parameters. `create` checks names and types, turns the name or `Spec` of a sub-strategy, verifier or tool
into that plugin, and `describe` gives the plain form back.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from functools import cache
from typing import TYPE_CHECKING, Final, Literal, NoReturn, cast, get_args, get_origin, get_type_hints

from ttscale.errors import ConfigError, ParameterError, PluginError, UnknownPlugin
from ttscale.strategy import Strategy
from ttscale.template import Template
from ttscale.tools.tool import Tool, ToolServer
from ttscale.types import JSON
from ttscale.verifier import Verifier

if TYPE_CHECKING:
    from pydantic import TypeAdapter

# pydantic and yaml are imported where values are read: with them `ttscale --help` takes half as long again.

Kind = Literal["strategies", "verifiers", "backends", "benchmarks", "commands", "templates", "tools"]

SINGULAR: Final[Mapping[Kind, str]] = {
    "strategies": "strategy",
    "verifiers": "verifier",
    "backends": "backend",
    "benchmarks": "benchmark",
    "commands": "command",
    "templates": "template",
    "tools": "tool",
}

_BUILTIN_MODULES: Final[Mapping[Kind, tuple[str, ...]]] = {
    "strategies": ("ttscale_strategies",),
    "verifiers": ("ttscale_verifiers",),
    "backends": ("ttscale.backends",),
    "benchmarks": ("ttscale_evals.benchmarks",),
    "commands": ("ttscale_evals.commands",),
    "templates": ("ttscale_strategies.templates", "ttscale_verifiers.templates"),
    "tools": ("ttscale.tools",),
}

_PLAIN: Final = re.compile(r"[\w./+-][\w ./:+-]*")
"""Texts that need no quotation marks in a spec, if they are not read as something else."""

# A field of one of these types takes a name or Spec of that kind of plugin.
_NESTED: Final[Mapping[object, Kind]] = {
    Strategy: "strategies",
    Verifier: "verifiers",
    Tool: "tools",
    ToolServer: "tools",
}


@dataclass(frozen=True, slots=True)
class Spec:
    """A plugin's name and parameters, as written in a config file or on the command line."""

    name: str
    params: Mapping[str, JSON]

    @classmethod
    def parse(cls, text: str) -> Spec:
        """Read ``NAME[:key=value,…]``; values are YAML scalars or flow collections.

        Raises:
            ParameterError: a part is not ``key=value``.
        """
        name, _, rest = text.partition(":")
        params: dict[str, JSON] = {}
        for part in _split_commas(rest):
            key, equals, value = part.partition("=")
            if not equals or not key.strip():
                raise ParameterError(f"{part!r} in {text!r} is not key=value; write NAME:key=value,key=value.")
            params[key.strip()] = parse_value(value)
        return cls(name.strip(), params)

    def __str__(self) -> str:
        """Return the form that `parse` reads."""
        if not self.params:
            return self.name
        return f"{self.name}:" + ",".join(f"{key}={_flow(value)}" for key, value in self.params.items())


def parse_value(text: str) -> JSON:
    """Read one parameter's value as JSON or YAML; what is neither is the text itself."""
    try:
        return cast("JSON", json.loads(text, parse_constant=_refuse_constant))
    except ValueError:
        pass
    import yaml

    try:
        return cast("JSON", yaml.safe_load(text))
    except (yaml.YAMLError, ValueError):
        return text


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _flow(value: JSON) -> str:
    """Return the text that `parse_value` reads as this value."""
    if isinstance(value, str) and _PLAIN.fullmatch(value) and parse_value(value) == value:
        return value
    return json.dumps(value)


def _split_commas(text: str) -> list[str]:
    """Split at commas outside brackets and quoted values."""
    parts, depth, start = list[str](), 0, 0
    quote, is_escaped, before = "", False, ""
    for position, char in enumerate(text):
        if quote:
            quote = "" if char == quote and not is_escaped else quote
            is_escaped = char == "\\" and quote == '"' and not is_escaped
        elif char in "\"'" and before in "=:,[{":
            quote = char
        else:
            depth += (char in "[{(") - (char in "]})")
            if char == "," and depth == 0:
                parts.append(text[start:position])
                start = position + 1
        before = before if char.isspace() else char
    return [part for part in (*parts, text[start:]) if part.strip()]


@cache
def _entry_points(kind: Kind) -> Mapping[str, str]:
    found = importlib.metadata.entry_points(group=f"ttscale.{kind}")
    return {point.name: point.value for point in found}


def has_third_party(kind: Kind) -> bool:
    """Whether another package brings a plugin of that kind."""
    return bool(_entry_points(kind))


def names(kind: Kind) -> Mapping[str, str]:
    """Return every known plugin of a kind, name to ``"module:Class"``; a built-in name cannot be taken over."""
    found = dict(_entry_points(kind))
    for module in _BUILTIN_MODULES[kind]:
        found |= cast("Mapping[str, str]", importlib.import_module(module).BUILTINS)
    return found


def load(kind: Kind, name: str) -> type:
    """Import the plugin class of that name.

    Raises:
        UnknownPlugin: there is none.
        PluginError: it is registered but cannot be imported.
    """
    known = names(kind)
    if name not in known:
        raise UnknownPlugin(SINGULAR[kind], name, known)
    return cast("type", _import(known[name], f"the {SINGULAR[kind]} {name!r}"))


def load_template(name: str) -> Template:
    """Return the prompt template of that name.

    Raises:
        ConfigError: there is none.
        PluginError: it is registered but cannot be imported, or is no `Template`.
    """
    known = names("templates")
    if name not in known:
        raise ConfigError(f"No template is called {name!r}; known: {', '.join(sorted(known))}.")
    template = _import(known[name], f"the template {name!r}")
    if not isinstance(template, Template):
        raise PluginError(f"the template {name!r} is registered as {known[name]!r}, which is no Template")
    return template


def _import(path: str, label: str) -> object:
    """Import what ``"module:name"`` names."""
    module, _, attribute = path.partition(":")
    try:
        return cast("object", getattr(importlib.import_module(module), attribute))
    except (ImportError, AttributeError) as error:
        raise PluginError(f"{label} is registered as {path!r}: {error}") from error


def create(kind: Kind, name: str, params: Mapping[str, JSON] | None = None) -> object:
    """Build a plugin from plain parameters.

    Raises:
        UnknownPlugin: there is no such plugin.
        ParameterError: a parameter is unknown, missing, or of the wrong type.
    """
    cls = load(kind, name)
    return build(cls, params or {}, label=f"{SINGULAR[kind]} {name!r}")


def create_strategy(spec: str | Spec) -> Strategy:
    """Build a strategy from its spec, ``"best_of_n:n=16,verifier=math"`` say."""
    parsed = Spec.parse(spec) if isinstance(spec, str) else spec
    return cast("Strategy", create("strategies", parsed.name, parsed.params))


def create_verifier(spec: str | Spec) -> Verifier:
    """Build a verifier from its spec."""
    parsed = Spec.parse(spec) if isinstance(spec, str) else spec
    return cast("Verifier", create("verifiers", parsed.name, parsed.params))


def create_tool(spec: str | Spec) -> Tool | ToolServer:
    """Build a tool, or a server of tools, from its spec: ``"search:path=corpus.jsonl"`` say."""
    parsed = Spec.parse(spec) if isinstance(spec, str) else spec
    return cast("Tool | ToolServer", create("tools", parsed.name, parsed.params))


def build(cls: type, params: Mapping[str, JSON], *, label: str) -> object:
    """Build a dataclass from plain parameters, checking names and types.

    Raises:
        ParameterError: as `create`.
        PluginError: the class is not a dataclass.
    """
    if not is_dataclass(cls):
        raise PluginError(f"{label} is not a dataclass: its fields must be its parameters")
    known = {f.name: f for f in fields(cls) if f.init}
    for name in params:
        if name not in known:
            have = ", ".join(known) or "none"
            raise ParameterError(f"{label} has no parameter {name!r}; it has: {have}.")
    missing = [name for name, f in known.items() if name not in params and _is_required(f)]
    if missing:
        raise ParameterError(f"{label} needs the parameter {missing[0]!r}; add {missing[0]}=VALUE.")
    hints = get_type_hints(cls)
    values = {name: _convert(hints[name], value, f"{label}: {name}") for name, value in params.items()}
    try:
        return cls(**values)
    except ValueError as error:
        raise ParameterError(f"{label}: {error}.") from error


def _is_required(field: Field[object]) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def _convert(hint: object, value: JSON, label: str) -> object:
    """Turn a plain value into what a field's type wants."""
    for protocol, kind in _NESTED.items():
        if hint is protocol or protocol in _inner(hint):
            if get_origin(hint) is tuple:
                return _nested_tuple(kind, value, label)
            if value is None and hint is not protocol:
                return None
            return create_nested(kind, value, label)
    from pydantic import ValidationError

    try:
        # Read as JSON, a list may be a tuple and a whole number a float; nothing else changes its type.
        return _adapter(hint).validate_json(json.dumps(value), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        raise ParameterError(
            f"{label}={value!r} is wrong: {first['msg'][0].lower()}{first['msg'][1:]}."
        ) from error


def _inner(hint: object) -> set[object]:
    """Return what a union or a tuple is made of; a tuple's union is taken apart too."""
    return {inner for part in get_args(hint) for inner in (part, *get_args(part))}


def _adapter(hint: object) -> TypeAdapter[object]:
    from pydantic import ConfigDict, TypeAdapter

    # pydantic refuses a config where the type brings its own
    config = None if is_dataclass(hint) else ConfigDict(arbitrary_types_allowed=True)
    return TypeAdapter(cast("type[object]", hint), config=config)


def _nested_tuple(kind: Kind, value: JSON, label: str) -> tuple[object, ...]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise ParameterError(f"{label}={value!r} is wrong: give a list of {kind}, in brackets.")
    return tuple(create_nested(kind, item, f"{label}[{place}]") for place, item in enumerate(value))


def create_nested(kind: Kind, value: JSON, label: str) -> object:
    """Build a sub-plugin from its name, ``NAME:key=value`` text, or a mapping with `name` and `params`.

    Raises:
        ParameterError: the value is none of these.
    """
    if isinstance(value, str):
        spec = Spec.parse(value)
        return create(kind, spec.name, spec.params)
    if isinstance(value, Mapping) and isinstance(value.get("name"), str):
        params = value.get("params") or {}
        if isinstance(params, Mapping):
            return create(kind, str(value["name"]), params)
    raise ParameterError(f"{label}={value!r} is wrong: give a {SINGULAR[kind]}'s name, or name and params.")


def describe(plugin: object) -> Spec:
    """Return the spec that builds an equal plugin: its registered name and every field, nested ones included.

    Raises:
        PluginError: the object's class is not registered under any name.
    """
    cls = type(plugin)
    path = f"{cls.__module__}:{cls.__qualname__}"
    for kind in ("strategies", "verifiers", "backends", "benchmarks", "tools"):
        for name, target in names(kind).items():
            if target == path:
                shown = [f.name for f in fields(plugin) if f.init]  # type: ignore[arg-type]  # a dataclass
                return Spec(name, {field: _plain(getattr(plugin, field)) for field in shown})
    raise PluginError(f"{path} is not a registered plugin, so it cannot be described by name")


def _plain(value: object) -> JSON:
    if isinstance(value, Strategy | Verifier | Tool | ToolServer):
        nested = describe(value)
        return {"name": nested.name, "params": nested.params}
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, tuple | list | frozenset | set):
        return [_plain(item) for item in value]
    if callable(value):
        return _import_path(value)
    return cast("JSON", value)


def _import_path(function: object) -> str:
    """Return where a function can be imported from, ``"package.module:function"``."""
    module, name = getattr(function, "__module__", ""), getattr(function, "__qualname__", "")
    if module and name.isidentifier() and getattr(sys.modules.get(module), name, None) is function:
        return f"{module}:{name}"
    raise PluginError(f"{function!r} cannot be imported by name, so it cannot be described")
