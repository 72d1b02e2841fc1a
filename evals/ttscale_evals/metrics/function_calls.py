"""Function calls against accepted ones, as the Berkeley Function Calling Leaderboard compares them.

Patil et al. 2025 (BFCL, ICML); the rules are those of its checker of Python calls, version 4. A wanted call
is written ``{"function": {"argument": [accepted, …]}}``; an accepted ``""`` says that the argument may be left
out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, cast

from ttscale.types import JSON
from ttscale_evals.metrics.matching import greedy_matching, maximum_matching

Matching = Literal["maximum", "greedy"]
"""How given calls are assigned to wanted ones: as many as possible, or, as the leaderboard does it, each wanted
one in order takes the first that is left and fits, which can miss an assignment that there is."""

_TYPES: Final[Mapping[str, type]] = {
    "string": str,
    "integer": int,
    "float": float,
    "boolean": bool,
    "array": list,
    "tuple": list,
    "dict": dict,
    "any": str,
}
_LISTS: Final = ("array", "tuple")
_DROPPED: Final = str.maketrans("'", '"', " ,./-_*^")

Schema = Mapping[str, JSON]


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """A function's name and its arguments by name, plain JSON."""

    name: str
    arguments: Mapping[str, JSON]


def calls_match(
    calls: Sequence[FunctionCall],
    wanted: Sequence[Mapping[str, Mapping[str, Sequence[JSON]]]],
    functions: Sequence[Schema],
    *,
    matching: Matching = "maximum",
) -> bool:
    """Whether calls are those wanted: as many, each fitting another one, in any order.

    Args:
        calls: what was called; a dot in a function's name may have become an underscore.
        wanted: see the module.
        functions: their descriptions, each with `name` and `parameters`.
        matching: how they are assigned to each other.

    Raises:
        ValueError: a wanted call is of no described function.
    """
    if len(calls) != len(wanted):
        return False
    fits = [[call_fits(call, one, functions) for call in calls] for one in wanted]
    assign: Callable[[Sequence[Sequence[bool]]], list[int | None]] = (
        maximum_matching if matching == "maximum" else greedy_matching
    )
    return None not in assign(fits)


def call_fits(
    call: FunctionCall, wanted: Mapping[str, Mapping[str, Sequence[JSON]]], functions: Sequence[Schema]
) -> bool:
    """Whether a call is the wanted one: its name, no argument missing or unknown, types, accepted values.

    Raises:
        ValueError: the wanted call is of no described function.
    """
    ((name, accepted),) = wanted.items()
    described = next((one for one in functions if one["name"] == name), None)
    if described is None:
        raise ValueError(f"the function {name!r} is not described")
    if call.name not in (name, name.replace(".", "_")):
        return False
    parameters = cast("Mapping[str, JSON]", described["parameters"])
    properties = cast("Mapping[str, Schema]", parameters["properties"])
    required = cast("Sequence[str]", parameters.get("required", ()))
    given = call.arguments
    if not set(required) <= set(given) or not set(given) <= (set(properties) & set(accepted)):
        return False
    if any("" not in values for argument, values in accepted.items() if argument not in given):
        return False
    return all(value_fits(value, accepted[argument], properties[argument]) for argument, value in given.items())


def value_fits(value: JSON, accepted: Sequence[JSON], schema: Schema) -> bool:
    """Whether an argument has the described type and is among the accepted values.

    A whole number counts as a float; nothing else is converted. Strings are compared in lower case without
    spaces and the marks ``,./-_*^``. Where accepted values are of another type than described, they stand for a
    variable: the value must equal one of them.
    """
    kind = cast("str", schema["type"])
    if kind == "float" and type(value) is int:
        value = float(value)
    expected = _TYPES[kind]
    type_accepted = _type_of(accepted)
    if type(value) is expected and _items_fit(value, accepted, schema):
        is_variable = type_accepted is not None and type_accepted is not expected
    elif type(value) is type_accepted:
        is_variable = True
    else:
        return False
    if is_variable:
        return value in accepted
    if isinstance(value, Mapping):
        return any(_object_fits(value, one) for one in accepted if isinstance(one, Mapping))
    if isinstance(value, list) and _item_type(schema) is dict:
        return any(_objects_fit(value, one) for one in accepted if isinstance(one, list))
    return _standard(value) in [_standard(one) for one in accepted]


def _type_of(accepted: Sequence[JSON]) -> type | None:
    return next((type(one) for one in accepted if one != ""), None)


def _item_type(schema: Schema) -> type | None:
    if schema["type"] not in _LISTS:
        return None
    items = cast("Schema", schema.get("items") or {})
    return _TYPES.get(cast("str", items.get("type", "any")))


def _items_fit(value: JSON, accepted: Sequence[JSON], schema: Schema) -> bool:
    """Whether a list's items are of the described type, or of that of some accepted list's items."""
    item_type = _item_type(schema)
    if item_type is None or not isinstance(value, list):
        return True
    return any(
        not isinstance(one, list) or all(type(item) in (item_type, _type_of(one)) for item in value)
        for one in accepted
    )


def _object_fits(value: Mapping[str, JSON], accepted: Mapping[str, JSON]) -> bool:
    """Whether an object has the accepted keys, each with one of its accepted values; ``""``: may be missing."""
    allowed = cast("Mapping[str, Sequence[JSON]]", accepted)
    if not set(value) <= set(allowed):
        return False
    if any("" not in values for key, values in allowed.items() if key not in value):
        return False
    return all(_standard(own) in [_standard(one) for one in allowed[key]] for key, own in value.items())


def _objects_fit(value: Sequence[JSON], accepted: Sequence[JSON]) -> bool:
    """Whether a list of objects fits an accepted one, place by place."""
    return len(value) == len(accepted) and all(
        isinstance(own, Mapping) and isinstance(one, Mapping) and _object_fits(own, one)
        for own, one in zip(value, accepted, strict=True)
    )


def _standard(value: JSON) -> JSON:
    """Return a value as it is compared: strings, also those in a list, without case, spaces and some marks."""
    if isinstance(value, str):
        return value.translate(_DROPPED).lower()
    if isinstance(value, list):
        return [_standard(item) if isinstance(item, str) else item for item in value]
    return value
