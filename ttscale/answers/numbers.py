"""Exact reading of the numbers that answers are written as."""

from __future__ import annotations

import functools
import re
from fractions import Fraction
from typing import Final

MAX_NUMBER_CHARACTERS: Final = 1000
"""A longer text is not read as a number."""

MAX_EXPONENT: Final = 400
"""Greatest power of ten, either way, that is read as a number; beyond it the text stays a text."""

# Single letters are units only after a space: "5 m" is a length, "5m" may be a product.
_UNITS: Final = (
    "mm|cm|km|inch(?:es)?|in|foot|feet|ft|yards?|yd|miles?|(?:kilo|centi|milli)?met(?:er|re)s?|mg|kg"
    "|(?:kilo)?grams?|lbs?|pounds?|oz|ounces?|seconds?|sec|minutes?|min|hours?|hrs?|days?|weeks?|months?|years?"
    "|ml|lit(?:er|re)s?|gallons?|dollars?|usd|cents?|euros?|degrees?|radians?|rad|mph|units?|percent(?:age)?"
)
_UNIT: Final = (
    rf"(?: ?(?:square |cubic |sq )?(?:{_UNITS})|%| [mghsl])(?:\^?[23]|[²³])?(?:/(?:{_UNITS}|[hs])(?:\^2)?)?"
)

_DIGITS: Final = r"(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)"
_DECIMAL: Final = rf"(?:{_DIGITS}(?:\.[0-9]*)?|\.[0-9]+)"
_SIGNED: Final = rf"[-+]?{_DECIMAL}"
_POWER: Final = r"[-+]?[0-9]{1,4}"
_FORMS: Final = (
    rf"(?P<whole>{_DIGITS}) (?P<part>[0-9]+)/(?P<parts>[0-9]+)",
    rf"(?P<units>{_DIGITS})\\frac\{{(?P<nth>[0-9]+)\}}\{{(?P<ths>[0-9]+)\}}",
    rf"\\frac\{{(?P<top>{_SIGNED})\}}\{{(?P<bottom>{_SIGNED})\}}",
    rf"(?P<over>{_DECIMAL})/(?P<under>{_SIGNED})",
    rf"(?:(?P<mantissa>{_DECIMAL})(?:\*| ?x ?))?10\^(?:(?P<power>{_POWER})|\{{(?P<braced>{_POWER})\}})",
    rf"(?P<decimal>{_DECIMAL})(?:[eE](?P<exponent>{_POWER}))?",
)
_NUMBER: Final = re.compile(rf"(?:[A-Za-z]=)?(?P<sign>[-+]?)[€£¥₹]?(?:{'|'.join(_FORMS)})[€£¥₹]?(?:{_UNIT})?")


def read_number(text: str) -> Fraction | None:
    r"""Return the number that a cleaned text (see `answer_key`) is, exactly, or ``None`` if it is none.

    Reads integers with or without thousands separators, decimals, fractions ``3/4`` and ``\frac{3}{4}``, mixed
    numbers ``1 3/4``, and powers of ten ``1.5e3`` and ``1.5*10^{3}`` up to `MAX_EXPONENT`; a variable before it
    (``x=5``), a currency sign, a percent sign and a common unit after it are left out.
    """
    return None if len(text) > MAX_NUMBER_CHARACTERS else _read(text)


@functools.lru_cache(maxsize=4096)
def _read(text: str) -> Fraction | None:
    match = _NUMBER.fullmatch(text)
    if match is None:
        return None
    value = _value({name: part for name, part in match.groupdict().items() if part is not None})
    return -value if value is not None and match["sign"] == "-" else value


def _value(parts: dict[str, str]) -> Fraction | None:
    """Compute the unsigned value from the groups that matched."""
    if "whole" in parts:
        return _mixed(parts["whole"], parts["part"], parts["parts"])
    if "units" in parts:
        return _mixed(parts["units"], parts["nth"], parts["ths"])
    if "top" in parts:
        return _quotient(parts["top"], parts["bottom"])
    if "over" in parts:
        return _quotient(parts["over"], parts["under"])
    if "decimal" in parts:
        return _scaled(parts["decimal"], parts.get("exponent", "0"))
    return _scaled(parts.get("mantissa", "1"), parts.get("power") or parts["braced"])


def _exact(digits: str) -> Fraction:
    return Fraction(digits.replace(",", ""))


def _mixed(whole: str, top: str, bottom: str) -> Fraction | None:
    fraction = _quotient(top, bottom)
    return None if fraction is None or fraction >= 1 else _exact(whole) + fraction


def _quotient(top: str, bottom: str) -> Fraction | None:
    divisor = _exact(bottom)
    return _exact(top) / divisor if divisor else None


def _scaled(digits: str, exponent: str) -> Fraction | None:
    power = int(exponent)
    return _exact(digits) * Fraction(10) ** power if abs(power) <= MAX_EXPONENT else None
