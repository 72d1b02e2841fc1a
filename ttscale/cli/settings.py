"""From ``--set KEY=VALUE`` words to a strategy's parameters, nested ones by dotted keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from typing import cast

from ttscale import registry
from ttscale.errors import ParameterError
from ttscale.registry import Spec
from ttscale.strategy import Strategy
from ttscale.tools.tool import Tool, ToolServer
from ttscale.types import JSON
from ttscale.verifier import Verifier


def strategy_spec(text: str, settings: Sequence[str]) -> Spec:
    """Return the spec of a strategy with settings applied.

    Args:
        text: the strategy's name, or ``NAME:key=value,…``.
        settings: words ``key=value``; ``verifier.timeout_seconds=3`` changes one parameter of a nested plugin
            and keeps the others. Shorter keys are applied first, in whatever order they are written.

    Raises:
        UnknownPlugin: there is no such strategy.
        ParameterError: a word is not ``key=value``, or goes into something that has no parameters.
    """
    spec = Spec.parse(text)
    params = {**_defaults(spec.name), **spec.params}
    given = set(spec.params)
    pairs = [_split(word) for word in settings]
    for path, value in sorted(pairs, key=lambda pair: len(pair[0])):
        _put(params, path, value, ".".join(path))
        given.add(path[0])
    return Spec(spec.name, {name: value for name, value in params.items() if name in given})


def _split(word: str) -> tuple[list[str], JSON]:
    key, equals, value = word.partition("=")
    path = [part.strip() for part in key.split(".")]
    if not equals or not all(path):
        raise ParameterError(f"--set {word!r} is not KEY=VALUE; write --set n=16, say.")
    return path, registry.parse_value(value)


def _defaults(name: str) -> dict[str, JSON]:
    """Return the default parameters of a strategy, nested plugins as name and params."""
    cls = registry.load("strategies", name)
    found = dict[str, JSON]()
    for field in fields(cls) if is_dataclass(cls) else ():
        if field.default is not MISSING:
            found[field.name] = plain_default(field.default)
        elif field.default_factory is not MISSING:
            found[field.name] = plain_default(field.default_factory())
    return found


def plain_default(value: object) -> JSON:
    """Return a parameter's default as it would be written in a config file."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        items = cast("Mapping[object, object]", value)
        return {str(key): plain_default(item) for key, item in items.items()}
    if isinstance(value, tuple | list | set | frozenset):
        return [plain_default(item) for item in cast("Sequence[object]", value)]
    if isinstance(value, Strategy | Verifier | Tool | ToolServer):
        nested = registry.describe(value)
        return {"name": nested.name, "params": nested.params}
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain_default(getattr(value, field.name)) for field in fields(value)}
    return repr(value)


def _put(params: dict[str, JSON], path: Sequence[str], value: JSON, whole: str) -> None:
    """Set one parameter, `path` deep; what is on the way is copied, never changed in place."""
    head, *rest = path
    if not rest:
        params[head] = value
        return
    inner = params.get(head)
    if isinstance(inner, str):
        parsed = Spec.parse(inner)
        inner = {"name": parsed.name, "params": parsed.params}
    if inner is not None and not isinstance(inner, Mapping):
        raise ParameterError(f"--set {whole}=… goes into {head!r}, which is {inner!r} and has no parameters.")
    copied: dict[str, JSON] = dict(inner or {})
    if isinstance(copied.get("name"), str) and copied.keys() <= {"name", "params"}:
        nested = copied.get("params") or {}
        nested = dict(nested) if isinstance(nested, Mapping) else {}
        _put(nested, rest, value, whole)
        copied["params"] = nested
    else:
        _put(copied, rest, value, whole)
    params[head] = copied
