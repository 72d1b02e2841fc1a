"""A parser and evaluator of arithmetic in which nothing is evaluated as code and nothing grows without bound.

```
sum     = product { ("+" | "-") product }
product = signed { ("*" | "/" | "//" | "%") signed }
signed  = ("+" | "-") signed | power
power   = postfix [ ("^" | "**") signed ]          right to left, and before the sign: -2^2 is -4
postfix = atom { "!" }
atom    = NUMBER | NAME | NAME "(" sum { "," sum } ")" | "(" sum ")"
```

Whole numbers and decimals are exact rationals and stay so through everything but roots, logarithms and angles.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Final, TypeAlias

Number: TypeAlias = Fraction | float

MAX_CHARACTERS: Final = 1000
"""A longer expression is refused."""
MAX_DEPTH: Final = 50
"""Most brackets, signs and powers within each other."""
MAX_BITS: Final = 8192
"""Most bits of a numerator or denominator: some 2,400 digits."""

_TOKEN: Final = re.compile(
    r"\s*(?:(?P<number>(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|(?P<name>[A-Za-z][A-Za-z0-9_]*)|(?P<sign>\*\*|//|[-+*/%^!(),]))",
    re.ASCII,
)
_SIGNS: Final = str.maketrans({"×": "*", "·": "*", "⋅": "*", "÷": "/", "−": "-", "–": "-", "π": " pi "})
_CONSTANTS: Final[Mapping[str, float]] = {"pi": math.pi, "e": math.e, "tau": math.tau}
_MOST_FACTORIAL: Final = 700


class ExpressionError(ValueError):
    """An expression has no value; the message says why."""


def evaluate(expression: str) -> Number:
    """Return the value of an expression: exact where that is possible, a float otherwise.

    Raises:
        ExpressionError: it is malformed, has no value, or a number in it grows too large.
    """
    if len(expression) > MAX_CHARACTERS:
        raise ExpressionError(f"it has {len(expression)} characters, more than {MAX_CHARACTERS}")
    try:
        return _Reader(expression).whole()
    except ZeroDivisionError:
        raise ExpressionError("it divides by zero") from None
    except OverflowError:
        raise ExpressionError("a number in it is too large") from None


class _Reader:
    """Reads an expression from left to right and computes as it goes."""

    def __init__(self, expression: str) -> None:
        self._tokens = _tokens(expression.translate(_SIGNS))
        self._place = 0
        self._depth = 0

    def whole(self) -> Number:
        value = self._sum()
        if self._next:
            raise ExpressionError(f"{self._next!r} was not expected there")
        return value

    @property
    def _next(self) -> str:
        return self._tokens[self._place] if self._place < len(self._tokens) else ""

    def _take(self, *wanted: str) -> str:
        """Return the next token and go on if it is one of these, the empty string otherwise."""
        token = self._next
        if token not in wanted:
            return ""
        self._place += 1
        return token

    def _sum(self) -> Number:
        value = self._product()
        while sign := self._take("+", "-"):
            other = self._product()
            value = _bounded(value + other if sign == "+" else value - other)
        return value

    def _product(self) -> Number:
        value = self._signed()
        while sign := self._take("*", "/", "//", "%"):
            value = _bounded(_multiplied(value, sign, self._signed()))
        return value

    def _signed(self) -> Number:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ExpressionError(f"more than {MAX_DEPTH} brackets, signs or powers are within each other")
        sign = self._take("+", "-")
        value = self._signed() if sign else self._power()
        self._depth -= 1
        return -value if sign == "-" else value

    def _power(self) -> Number:
        base = self._atom()
        while self._take("!"):
            base = _factorial(base)
        return _power(base, self._signed()) if self._take("^", "**") else base

    def _atom(self) -> Number:
        if self._take("("):
            value = self._sum()
            self._close()
            return value
        token = self._next
        self._place += 1
        if token[:1].isdigit() or token[:1] == ".":
            return _number(token)
        if token[:1].isalpha():
            return self._named(token)
        raise ExpressionError(f"{token!r} was not expected there" if token else "it ends too early")

    def _named(self, name: str) -> Number:
        if not self._take("("):
            if name not in _CONSTANTS:
                raise ExpressionError(f"there is no constant {name!r}; known: {', '.join(_CONSTANTS)}")
            return _CONSTANTS[name]
        values = [self._sum()]
        while self._take(","):
            values.append(self._sum())
        self._close()
        if name not in _FUNCTIONS:
            raise ExpressionError(f"there is no function {name!r}; known: {', '.join(_FUNCTIONS)}")
        function, least, most = _FUNCTIONS[name]
        if not least <= len(values) <= most:
            raise ExpressionError(f"{name} does not take {len(values)} numbers")
        try:
            return _bounded(function(*values))
        except ValueError as error:
            raise ExpressionError(f"{name} has no value there ({error})") from None

    def _close(self) -> None:
        if not self._take(")"):
            raise ExpressionError(f"a bracket is not closed where {self._next or 'the end'!r} stands")


def _tokens(text: str) -> list[str]:
    found, place = list[str](), 0
    text = text.strip()
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            raise ExpressionError(f"{text[place:].lstrip()[:1]!r} cannot be read")
        found.append(match[0].strip())
        place = match.end()
    return found


def _number(token: str) -> Fraction:
    digits = token.replace("_", "")
    exponent = digits.lower().partition("e")[2]
    if exponent and abs(int(exponent)) * math.log2(10) > MAX_BITS:
        raise ExpressionError("a number in it is too large")
    return Fraction(digits)


def _bounded(value: Number) -> Number:
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ExpressionError("a number in it is too large, or has no value")
        return value
    if max(value.numerator.bit_length(), value.denominator.bit_length()) > MAX_BITS:
        raise ExpressionError("a number in it is too large")
    return value


def _multiplied(left: Number, sign: str, right: Number) -> Number:
    if sign == "*":
        return left * right
    if sign == "/":
        return left / right
    if sign == "//":
        floor = left // right
        return floor if isinstance(floor, float) else Fraction(floor)
    return left % right


def _power(base: Number, exponent: Number) -> Number:
    if isinstance(base, Fraction) and isinstance(exponent, Fraction) and exponent.denominator == 1:
        bits = max(base.numerator.bit_length(), base.denominator.bit_length())
        if abs(base) not in (0, 1) and bits * abs(exponent.numerator) > 2 * MAX_BITS:
            raise ExpressionError("a power in it is too large")
        return _bounded(Fraction(base ** int(_parity(base, exponent))))
    if base < 0:
        raise ExpressionError("a broken power of a negative number has no real value")
    return _bounded(float(base) ** float(exponent))


def _parity(base: Fraction, exponent: Fraction) -> Fraction:
    """Return an exponent with the same effect: of 0, 1 and -1 it may be as large as it likes."""
    if base == 0:
        return Fraction((exponent > 0) - (exponent < 0))
    return Fraction(exponent.numerator % 2) if abs(base) == 1 else exponent


def _factorial(value: Number) -> Fraction:
    if not isinstance(value, Fraction) or value.denominator != 1 or not 0 <= value <= _MOST_FACTORIAL:
        raise ExpressionError(f"factorials are of whole numbers from 0 to {_MOST_FACTORIAL}")
    return Fraction(math.factorial(value.numerator))


def _whole(value: Number) -> int:
    if value != math.floor(value):
        raise ValueError(f"{float(value):g} is not a whole number")
    return math.floor(value)


def _sqrt(value: Number) -> Number:
    if isinstance(value, Fraction) and value >= 0:
        above, below = math.isqrt(value.numerator), math.isqrt(value.denominator)
        if above * above == value.numerator and below * below == value.denominator:
            return Fraction(above, below)
    return math.sqrt(value)


def _round(value: Number, digits: Number = Fraction(0)) -> Number:
    places = _whole(digits)
    if abs(places) > MAX_BITS // 4:
        raise ValueError("so many digits")
    return Fraction(round(value, places)) if isinstance(value, Fraction) else round(value, places)


def _log(value: Number, base: Number | None = None) -> float:
    return _ln(value) if base is None else _ln(value) / _ln(base)


def _ln(value: Number) -> float:
    return _logarithm(math.log, value)


def _logarithm(function: Callable[[float], float], value: Number) -> float:
    """Return a logarithm, of whole numbers beyond the range of a float too."""
    if isinstance(value, float):
        return function(value)
    return function(value.numerator) - function(value.denominator)


_FUNCTIONS: Final[Mapping[str, tuple[Callable[..., Number], int, int]]] = {
    "abs": (lambda value: abs(value), 1, 1),
    "acos": (math.acos, 1, 1),
    "asin": (math.asin, 1, 1),
    "atan": (math.atan, 1, 1),
    "ceil": (lambda value: Fraction(math.ceil(value)), 1, 1),
    "cos": (math.cos, 1, 1),
    "exp": (math.exp, 1, 1),
    "factorial": (_factorial, 1, 1),
    "floor": (lambda value: Fraction(math.floor(value)), 1, 1),
    "gcd": (lambda *values: Fraction(math.gcd(*map(_whole, values))), 1, 100),
    "lcm": (lambda left, right: Fraction(math.lcm(_whole(left), _whole(right))), 2, 2),
    "ln": (_ln, 1, 1),
    "log": (_log, 1, 2),
    "log10": (lambda value: _logarithm(math.log10, value), 1, 1),
    "log2": (lambda value: _logarithm(math.log2, value), 1, 1),
    "max": (max, 1, 100),
    "min": (min, 1, 100),
    "mod": (lambda left, right: left % right, 2, 2),
    "round": (_round, 1, 2),
    "sin": (math.sin, 1, 1),
    "sqrt": (_sqrt, 1, 1),
    "tan": (math.tan, 1, 1),
}
"""Functions by name, with the fewest and the most numbers they take; `log` is the natural one."""
