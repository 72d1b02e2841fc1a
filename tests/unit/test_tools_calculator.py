"""The calculator: exact where it can be, bounded everywhere, and nothing in it is code."""

from __future__ import annotations

import math
import re
from contextlib import suppress
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ttscale.tools.calculator import Calculator
from ttscale.tools.expression import ExpressionError, evaluate


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("1 + 2 * 3", 7),
        ("(1 + 2) * 3", 9),
        ("2 ^ 3 ^ 2", 512),
        ("-2 ^ 2", -4),
        ("2 ** -1", 0.5),
        ("0.1 + 0.2", 0.3),
        ("1/3 * 3", 1),
        ("7 // 2 - -7 // 2", 7),
        ("-7 % 3", 2),
        ("3 × 4 ÷ 2 − 1", 5),
        ("1_000 * 2", 2000),
        ("1.5e3", 1500),
        ("5! / 3!", 20),
        ("sqrt(16/9)", 4 / 3),
        ("round(2.675, 2)", 2.68),
        ("gcd(12, 18) + lcm(4, 6)", 18),
        ("max(1, 2, 3) - min(1, 2, 3)", 2),
        ("log10(1000) + ln(e) + log(8, 2)", 7),
        ("2 * π", math.tau),
        ("(-1) ^ 99999999999999999999", -1),
        ("floor(-0.5) + ceil(0.5) + abs(-3)", 3),
    ],
)
async def test_expressions_have_their_value(expression: str, value: float) -> None:
    assert (await Calculator().call({"expression": expression})).value == pytest.approx(value, abs=0)


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("1 / 0", "divides by zero"),
        ("0 ^ -1", "divides by zero"),
        ("9 ^ 9 ^ 9", "power in it is too large"),
        ("1.0001 ^ 99999999", "power in it is too large"),
        ("700! * 700! * 700!", "too large"),
        ("999999999!", "factorials"),
        ("1e99999", "too large"),
        ("1e-99999", "too large"),
        ("exp(1000)", "too large"),
        ("(" * 60 + "1" + ")" * 60, "within each other"),
        ("-" * 60 + "1", "within each other"),
        ("1+" * 600 + "1", "1201 characters"),
        ("__import__('os').system('true')", "cannot be read"),
        ("open(1)", "no function 'open'"),
        ("x + 1", "no constant 'x'"),
        ("sqrt(-1)", "no value"),
        ("(-8) ^ (1/3)", "no real value"),
        ("1,234", "',' was not expected"),
        ("2 + ", "ends too early"),
        ("(1 + 2", "not closed"),
        ("1 2", "'2' was not expected"),
        ("max()", "')' was not expected"),
        ("sin(1, 2)", "does not take 2 numbers"),
        ("$2 + 1", "'$' cannot be read"),
    ],
)
async def test_what_has_no_value_is_an_error_that_says_why(expression: str, why: str) -> None:
    result = await Calculator().call({"expression": expression})
    assert result.error is not None
    assert why in result.error


async def test_fractions_may_stay_exact() -> None:
    assert (await Calculator(exact=True).call({"expression": "2/6"})).value == "1/3"
    assert (await Calculator(exact=True).call({"expression": "1/4"})).value == 0.25


@pytest.mark.parametrize(
    "arguments", [{}, {"expression": ""}, {"expression": ["1"]}, {"expression": "1", "x": 2}]
)
async def test_wrong_arguments_are_named(arguments: dict[str, object]) -> None:
    result = await Calculator().call(arguments)  # type: ignore[arg-type]
    assert result.error is not None
    assert "argument" in result.error


async def test_a_number_is_an_expression_too() -> None:
    assert (await Calculator().call({"expression": 7})).value == 7


WHOLE = st.integers(0, 999).map(str)
EXPRESSIONS = st.recursive(
    WHOLE,
    lambda inner: st.tuples(inner, st.sampled_from("+-*/"), inner).map(lambda it: f"({''.join(it)})"),
    max_leaves=8,
)


@settings(max_examples=25)
@given(EXPRESSIONS)
def test_the_four_operations_agree_with_rational_numbers(expression: str) -> None:
    wanted: Fraction | None
    try:
        wanted = eval(re.sub(r"(\d+)", r"Fraction(\1)", expression))
    except ZeroDivisionError:
        wanted = None
    try:
        assert evaluate(expression) == wanted
    except ExpressionError:
        assert wanted is None


@settings(max_examples=40)
@given(st.text(alphabet="0123456789+-*/^%!().,e sqrtpi", max_size=40))
def test_any_text_has_a_value_or_an_error(text: str) -> None:
    with suppress(ExpressionError):
        assert isinstance(evaluate(text), Fraction | float)
