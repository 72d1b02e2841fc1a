"""Reading function calls that a model wrote as text."""

from __future__ import annotations

import ast
import json
import warnings
from collections.abc import Mapping, Sequence
from typing import Final, cast

from ttscale.types import JSON
from ttscale_evals.metrics.function_calls import FunctionCall

MAX_CHARACTERS: Final = 20_000
"""A longer text is not read."""


def read_calls(text: str) -> list[FunctionCall] | None:
    """Return the calls that a text is, ``None`` if it is none.

    Read are ``[name(argument=value, …), …]`` with Python or JSON values, the brackets optional; and JSON: a
    list of, or one, ``{"name": …, "arguments": {…}}`` or ``{"name": {…}}``. Around it a fence of a code block
    may stand. The text is parsed to a syntax tree, which is walked; nothing is evaluated. Arguments without a
    name are refused.
    """
    if len(text) > MAX_CHARACTERS:
        return None
    bare = _without_fence(text.strip())
    try:
        return _from_json(json.loads(bare))
    except (ValueError, RecursionError):
        pass
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of "\\d" in a model's text nobody need hear
            tree = ast.parse(bare, mode="eval")
        return _from_python(tree.body)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _without_fence(text: str) -> str:
    if not (text.startswith("```") and text.endswith("```") and "\n" in text):
        return text
    return text[:-3].split("\n", 1)[1].strip()


def _from_json(document: JSON) -> list[FunctionCall]:
    items = document if isinstance(document, list) else [document]
    return [_call_of(item) for item in items]


def _call_of(item: JSON) -> FunctionCall:
    """Return the call of a JSON object; ValueError if it is none."""
    if not isinstance(item, Mapping):
        raise ValueError("not a call")
    if "name" in item and set(item) <= {"name", "arguments", "parameters"}:
        name, arguments = item["name"], item.get("arguments", item.get("parameters", {}))
        if isinstance(arguments, str):
            arguments = cast("JSON", json.loads(arguments))
    elif len(item) == 1:
        ((name, arguments),) = item.items()
    else:
        raise ValueError("not a call")
    if not isinstance(name, str) or not isinstance(arguments, Mapping):
        raise ValueError("not a call")
    return FunctionCall(name, dict(arguments))


def _from_python(node: ast.expr) -> list[FunctionCall]:
    calls: Sequence[ast.expr] = node.elts if isinstance(node, ast.List | ast.Tuple) else [node]
    return [_python_call(call) for call in calls]


def _python_call(node: ast.expr) -> FunctionCall:
    if not isinstance(node, ast.Call) or node.args:
        raise ValueError("not a call with named arguments")
    arguments = dict[str, JSON]()
    for keyword in node.keywords:
        if keyword.arg is None:
            raise ValueError("an argument has no name")
        arguments[keyword.arg] = _value(keyword.value)
    return FunctionCall(_dotted(node.func), arguments)


def _dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    if isinstance(node, ast.Name):
        return node.id
    raise ValueError("not a name")


_WORDS: Final[Mapping[str, JSON]] = {"true": True, "false": False, "null": None}


def _value(node: ast.expr) -> JSON:
    """Return the plain value of a literal; ValueError for anything else."""
    match node:
        case ast.Constant(value=None | bool() | int() | float() | str() as value):
            return value
        case ast.Name(id=name) if name in _WORDS:
            return _WORDS[name]
        case ast.List(elts=items) | ast.Tuple(elts=items):
            return [_value(item) for item in items]
        case ast.Dict(keys=keys, values=values):
            return {_key(key): _value(value) for key, value in zip(keys, values, strict=True)}
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            number = _value(operand)
            if isinstance(number, bool) or not isinstance(number, int | float):
                raise ValueError("not a number")
            return -number
        case _:
            raise ValueError("not a literal")


def _key(node: ast.expr | None) -> str:
    key = None if node is None else _value(node)
    if not isinstance(key, str):
        raise ValueError("a key is no string")
    return key
