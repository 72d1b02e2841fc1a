"""Exact value of a sum or product of integers, such as an answer to a countdown problem."""

from __future__ import annotations

import ast
import re
from fractions import Fraction
from typing import Final

MAX_EXPRESSION_CHARACTERS: Final = 200
"""A longer expression is not computed; with it every value has at most as many digits."""

# A plus, a product or brackets tell a calculation from a date, a range or a score: 2024-01-31, 3-5, 2/1.
_CALCULATION: Final = re.compile(r"(?=[^+*(]*[+*(])(?!.*\*\*|.*//)[0-9+*/() -]+")


def read_arithmetic(text: str) -> Fraction | None:
    """Return the exact value of an expression of integers, ``+ - * /`` and brackets, ``None`` if it is none.

    The text is parsed to a syntax tree, which is walked; nothing is evaluated as code. There are no powers.
    """
    if len(text) > MAX_EXPRESSION_CHARACTERS or not _CALCULATION.fullmatch(text):
        return None
    try:
        return _value(ast.parse(text, mode="eval").body)
    except (SyntaxError, ValueError, ZeroDivisionError, RecursionError, MemoryError):
        return None


def _value(node: ast.expr) -> Fraction:
    """Compute a node; ValueError for anything but the four operations on integers."""
    match node:
        case ast.Constant(value=int(number)):
            return Fraction(number)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand)
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return _value(operand)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _value(left) + _value(right)
        case ast.BinOp(left=left, op=ast.Sub(), right=right):
            return _value(left) - _value(right)
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            return _value(left) * _value(right)
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            return _value(left) / _value(right)
        case _:
            raise ValueError("not arithmetic")
