"""Whether an answer is the reference answer."""

from __future__ import annotations

import functools
import importlib.util
import re
from collections.abc import Sequence
from fractions import Fraction
from typing import Final, cast

from ttscale.answers.key import answer_key
from ttscale.answers.numbers import read_number
from ttscale.errors import MissingExtra
from ttscale.types import JSON
from ttscale.workers import Workers

MAX_FORMULA_CHARACTERS: Final = 500
"""Longer texts are not compared as formulas."""

_MAX_DEPTH: Final = 20
_ENVIRONMENT: Final = re.compile(r"\\(?:begin|end)\{[a-z]+\*?\}")
_COMMAND: Final = re.compile(r"\\(?:[A-Za-z]+ ?|.)")
_BRACKETS: Final = re.compile(r"[{}()\[\]]")

# math-verify reads nearly anything as a product of letters and numbers: lists without commas, words, moves,
# bases, times and dates. Only what can hardly be meant as one of those is shown to it.
_NO_FORMULA: Final = re.compile(
    r"[^-0-9A-Za-z+*/^_=<>!.,(){}\[\]|&\\ ]"  # a sign no formula has
    r"|[0-9A-Za-z)}\]] [0-9A-Za-z({\[]"  # two things side by side
    r"|[A-Za-z]{3}|[A-Za-z][0-9]|[0-9]_"  # a word, a label, a number in another base
    r"|\^[({]?-?[0-9]{5}|[0-9][)}]*\^[({]*[0-9]+[)}]*\^|[0-9]{5}!|![)}]*!"  # a number too large to write down
    r"|^[A-Za-z]+$|^[0-9]+(?:[-/.][0-9]+)+$"  # a choice or name; a date, range, score or version
)

WORKER_FUNCTION: Final = "ttscale.answers.math_worker:first_equivalent"
"""What workers run; give it to `Workers.warm` to have the first comparison quick."""


def has_math_verify() -> bool:
    """Return whether math-verify is installed; it is not imported."""
    return importlib.util.find_spec("math_verify") is not None


def require_math_verify() -> None:
    """Raise MissingExtra if math-verify is not installed."""
    if not has_math_verify():
        raise MissingExtra("math-verify", "evals")


async def equivalent(workers: Workers, gold: str, answer: str, *, timeout_seconds: float = 5.0) -> bool:
    r"""Return whether an answer equals the reference `gold`.

    Numbers are compared exactly (a percentage also as its hundredth: ``50\%`` is ``0.5`` as well as ``50``; the
    base of a reference ``52_8`` may be left out), words by their letters, formulas by math-verify in a worker
    process. Anything else, and anything longer than `MAX_FORMULA_CHARACTERS`, must have an equal `answer_key`.

    Args:
        workers: where math-verify runs.
        gold: the reference; the order matters, since ``5`` is accepted for ``x = 5`` and not everything else
            is symmetric either.
        answer: the answer to be judged.
        timeout_seconds: deadline of math-verify, > 0.

    Raises:
        MissingExtra: math-verify is needed and not installed.
        WorkerFailure: the comparison took too long or too much memory.
    """
    keys = answer_key(gold), answer_key(answer)
    if keys[0] is None or keys[1] is None:
        return False
    if keys[0] == keys[1] or _is_percentage(gold, keys[0], answer, keys[1]) or _omits_base(keys[0], keys[1]):
        return True
    if not needs_algebra(keys[0], keys[1]):
        return False
    require_math_verify()
    return await first_equivalent(workers, [(keys[0], keys[1])], timeout_seconds) is not None


async def first_equivalent(
    workers: Workers, pairs: Sequence[tuple[str, str]], timeout_seconds: float
) -> int | None:
    """Return the index of the first pair of keys (reference, answer) that math-verify finds equivalent.

    Raises:
        WorkerFailure: the comparison took too long or too much memory.
    """
    plain: JSON = [list(pair) for pair in pairs]
    return cast("int | None", await workers.call(WORKER_FUNCTION, plain, timeout_seconds=timeout_seconds))


def needs_algebra(gold: str, answer: str) -> bool:
    """Return whether two different keys may still be the same answer, so that only algebra can tell.

    Only formulas may, of a bounded size, and a number and a formula.
    """
    numbers = [read_number(key) is not None for key in (gold, answer)]
    return not all(numbers) and all(
        is_number or _is_formula(key) for is_number, key in zip(numbers, (gold, answer), strict=True)
    )


def _is_formula(key: str) -> bool:
    return len(key) <= MAX_FORMULA_CHARACTERS and _is_balanced(key)


@functools.lru_cache(maxsize=4096)
def _is_balanced(key: str) -> bool:
    """Return whether a key has nothing in it that no formula has, and its brackets match."""
    if _NO_FORMULA.search(_COMMAND.sub(r"\\", _ENVIRONMENT.sub("", key))):
        return False
    depth = 0
    for bracket in _BRACKETS.finditer(key):
        depth += 1 if bracket.group() in "{([" else -1
        if not 0 <= depth <= _MAX_DEPTH:
            return False
    return depth == 0


def _is_percentage(gold: str, gold_key: str, answer: str, key: str) -> bool:
    """Return whether exactly one of two numbers is written in percent, and is the other."""
    reference, value = read_number(gold_key), read_number(key)
    if reference is None or value is None or ("%" in gold) == ("%" in answer):
        return False
    percent, plain = (reference, value) if "%" in gold else (value, reference)
    return percent == Fraction(100) * plain


def _omits_base(gold_key: str, key: str) -> bool:
    """Return whether the reference is a number with its base, ``52_8``, and the answer its digits alone."""
    digits, underscore, base = gold_key.partition("_")
    return bool(underscore) and digits == key and base.strip("{}").isdecimal()
