"""Running reasoning-gym's checkers; imported in worker processes only.

Several checkers hand the answer to `eval` or to sympy's parser, which evaluates it as Python too. An answer is
a model's text, so both are replaced here before a checker is used: `eval` by a reader of literals and integer
arithmetic, `parse_expr` by one that first makes sure that there is nothing but numbers, operators, variables
and functions of mathematics.
"""

from __future__ import annotations

import ast
import json
import operator
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Final, cast

import reasoning_gym
import sympy
from reasoning_gym.factory import DATASETS
from sympy.parsing import sympy_parser

from ttscale.types import JSON

_Checker = Callable[[str, Mapping[str, object]], float]

_TUPLE_BOARDS: Final = frozenset({"arc_agi", "rearc"})
"""Data sets whose checkers compare with tuples, which JSON has made lists."""

_MAX_FORMULA_CHARACTERS: Final = 1000
_VARIABLE: Final = re.compile(r"[A-Za-z]_?[0-9]*", re.ASCII)
_TOKEN: Final = re.compile(
    r"\s*(?:(?P<name>[A-Za-z_]\w*)|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[-+*/^(),!])\s*", re.ASCII
)
_NAMES: Final = frozenset(
    (
        *("sqrt", "cbrt", "root", "exp", "log", "ln", "Abs", "sign", "factorial", "binomial", "pi", "oo"),
        *("sin", "cos", "tan", "cot", "sec", "csc", "asin", "acos", "atan", "acot", "asec", "acsc", "atan2"),
        *("sinh", "cosh", "tanh", "coth", "sech", "csch", "asinh", "acosh", "atanh", "acoth", "erf", "gamma"),
        *("alpha", "beta", "theta", "Rational", "Integer", "Float"),
    )
)

_OPERATORS: Final[Mapping[type[ast.AST], Callable[[int, int], int]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.LShift: operator.lshift,
    ast.RShift: operator.rshift,
    ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_,
    ast.BitXor: operator.xor,
}

_COMPOSITE: Final = "composite"
"""The data set that mixes entries of others."""

_INTEGRATION: Final = frozenset({"simple_integration", "intermediate_integration"})
_UNSOLVED: Final = "Integral"
"""What stands in a reference answer where sympy found no integral."""

_parse_expr: Final = sympy_parser.parse_expr


def score_answer(dataset: str, config: Mapping[str, JSON], entry: JSON, answer: str) -> float:
    """Return a data set's own score of an answer to one of its entries, in [0, 1].

    Args:
        dataset: name of the data set.
        config: its parameters, where its checker reads them; otherwise empty.
        entry: ``{"question", "answer", "metadata"}``.
        answer: the answer to be judged.

    Raises:
        ValueError: there is no such data set.
        Exception: whatever the checker raises of the reference answer too; for the answer alone it is a 0.
    """
    if dataset == _COMPOSITE:
        return score_answer(*_part(config, entry), entry, answer)
    checker = _checker(dataset, json.dumps(config, sort_keys=True))
    item = cast("Mapping[str, object]", _tuples(entry) if dataset in _TUPLE_BOARDS else entry)
    if dataset in _INTEGRATION and _UNSOLVED in answer and _UNSOLVED not in str(item["answer"]):
        return 0.0  # the question handed back, which its derivative would confirm
    try:
        score = float(checker(answer, item))
    except MemoryError:
        raise
    except Exception:
        checker(str(item["answer"]), item)  # raises too unless it was this answer that it could not read
        return 0.0
    return min(1.0, max(0.0, score))


def _part(config: Mapping[str, JSON], entry: JSON) -> tuple[str, Mapping[str, JSON]]:
    """Return the name and the parameters of the data set that an entry of a mixture is from."""
    entry = cast("Mapping[str, Mapping[str, JSON]]", entry)
    specs = cast("Sequence[Mapping[str, JSON]]", config.get("datasets") or ())
    name = str(entry["metadata"]["source_dataset"])
    spec = next((spec for spec in specs if spec["name"] == name), None)
    if spec is None:
        raise ValueError(f"the mixture has no data set {name!r}")
    return name, cast("Mapping[str, JSON]", spec["config"])


@lru_cache(maxsize=64)
def _checker(dataset: str, config: str) -> _Checker:
    if dataset in DATASETS:
        _disarm(DATASETS[dataset][0].__module__)
    parameters = json.loads(config)
    if parameters:
        return cast("_Checker", reasoning_gym.create_dataset(dataset, **parameters).score_answer)
    return cast("_Checker", reasoning_gym.get_score_answer_fn(dataset))


def _disarm(module_name: str) -> None:
    """Put harmless functions in the place of those that run text, in the module of a checker."""
    module = sys.modules[module_name]
    setattr(module, "eval", _read_literal)  # noqa: B010  # a module has no such attribute to the type checker
    if getattr(module, "parse_expr", None) is _parse_expr:
        setattr(module, "parse_expr", _parse_formula)  # noqa: B010
    setattr(sympy, "parse_expr", _parse_formula)  # noqa: B010


def _read_literal(text: str) -> object:
    """Read a literal, or arithmetic of integers; ValueError or SyntaxError for anything else."""
    return _literal(ast.parse(text.strip(), mode="eval").body)


def _literal(node: ast.expr) -> object:
    match node:
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            operands = _literal(left), _literal(right)
            if isinstance(operands[0], int) and isinstance(operands[1], int):
                return _OPERATORS[type(op)](operands[0], operands[1])
            raise ValueError("arithmetic is for integers")
        case _:
            return ast.literal_eval(node)


def _parse_formula(text: str, local_dict: Mapping[str, object] | None = None) -> object:
    """Parse a formula with sympy, if it is nothing else; with names of their own, integrals too.

    Raises:
        ValueError: it is too long, or has a name or sign that no formula needs.
    """
    if len(text) > _MAX_FORMULA_CHARACTERS:
        raise ValueError("the formula is too long")
    # Only the integration sets bring names, and only their reference answers hold integrals.
    allowed = _NAMES if local_dict is None else _NAMES | local_dict.keys() | {_UNSOLVED}
    position = 0
    while position < len(text):
        token = _TOKEN.match(text, position)
        if token is None:
            raise ValueError("this is not a formula")
        name = cast("str | None", token["name"])
        if name is not None and not (_VARIABLE.fullmatch(name) or name in allowed):
            raise ValueError("this is not a formula")
        position = token.end()
    return _parse_expr(text, local_dict=None if local_dict is None else dict(local_dict))


def _tuples(value: JSON) -> object:
    """Turn every list into a tuple."""
    if isinstance(value, Mapping):
        return {key: _tuples(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return tuple(_tuples(item) for item in value)
    return value
