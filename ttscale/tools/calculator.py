"""The calculator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from ttscale.tools.arguments import read_text, schema_of_texts
from ttscale.tools.expression import ExpressionError, Number, evaluate
from ttscale.tools.tool import ToolResult
from ttscale.types import JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class Calculator:
    """Arithmetic with its own parser (`ttscale.tools.expression`); no code is evaluated.

    Fractions and decimals are exact: ``0.1 + 0.2`` is 0.3, ``1/3*3`` is 1. Powers, factorials and nesting are
    bounded.
    """

    exact: bool = False
    """Whether a fraction that is no short decimal comes back as the text ``"1/3"``, in place of a float."""
    name: str = "calculator"
    """What models call it."""
    description: str = (
        "Computes an arithmetic expression: + - * / // % ^ !, brackets, pi, e, and functions such as sqrt, ln, "
        "log10, sin, round, min, max, gcd. Example: 2 * (3 + 4)^2 / 7"
    )
    """What models are told of it."""
    parameters: Mapping[str, JSON] = field(
        default_factory=lambda: schema_of_texts(expression="What to compute, numbers and signs only."),
        init=False,
        repr=False,
        compare=False,
    )
    """JSON Schema of the arguments."""

    async def call(self, arguments: Mapping[str, JSON], /) -> ToolResult:
        """Compute ``expression``; one that has no value is an error that says why."""
        expression = read_text(arguments, "expression")
        if isinstance(expression, ToolResult):
            return expression
        try:
            return ToolResult(value=self._plain(evaluate(expression)))
        except ExpressionError as error:
            return ToolResult(error=f"{expression[:200]!r} cannot be computed: {error}")

    def _plain(self, value: Number) -> int | float | str:
        if isinstance(value, float):
            return value
        if value.denominator == 1:
            return value.numerator
        if self.exact and not _is_short(value):
            return str(value)
        try:
            return float(value)
        except OverflowError:
            return str(value)


def _is_short(value: Fraction) -> bool:
    """Whether a float says it without loss."""
    try:
        return Fraction(repr(float(value))) == value
    except OverflowError:
        return False
