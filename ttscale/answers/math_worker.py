"""Comparing formulas with math-verify; imported in worker processes only.

Its own time limits are signals, which fail silently when nested or off the main thread, so they are turned off:
the deadline, the memory limit and the replacement of a stuck process are the worker's.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, TypeAlias

import sympy
from math_verify import LatexExtractionConfig, parse, verify
from sympy import Basic, MatrixBase

_Formula: TypeAlias = "Basic | MatrixBase | str"

_MATH: Final = (LatexExtractionConfig(boxed_match_priority=0),)
_PROBES: Final = (0.7390851, 1.3247180, 2.2360680, 0.4142136, 3.1462644, 1.6180340)
_TOLERANCE: Final = 1e-5

logging.disable(logging.CRITICAL)  # math-verify logs every text that it cannot read


def first_equivalent(pairs: Sequence[tuple[str, str]]) -> int | None:
    """Return the index of the first pair (reference, answer) that is equivalent, ``None`` if none is."""
    return next((index for index, (gold, answer) in enumerate(pairs) if is_equivalent(gold, answer)), None)


def is_equivalent(gold: str, answer: str) -> bool:
    """Return whether an answer is mathematically the same as a reference; the order matters to math-verify."""
    return any(
        _is_same(left, right) for left in _parsed(gold) for right in _parsed(answer) if not _differ(left, right)
    )


@lru_cache(maxsize=256)
def _parsed(text: str) -> Sequence[_Formula]:
    """Read a formula; empty if it is none."""
    try:
        found: Sequence[_Formula] = parse(
            f"\\boxed{{{text}}}", _MATH, fallback_mode="no_fallback", parsing_timeout=0, raise_on_error=True
        )
    except MemoryError:
        raise
    except Exception:
        return ()
    return found


def _is_same(gold: _Formula, answer: _Formula) -> bool:
    try:
        return bool(verify(gold, answer, timeout_seconds=0, raise_on_error=True))
    except MemoryError:
        raise
    except Exception:
        return False


def _differ(gold: _Formula, answer: _Formula) -> bool:
    """Return whether two expressions have plainly different values at one point: then no algebra is needed."""
    if not (isinstance(gold, sympy.Expr) and isinstance(answer, sympy.Expr)):
        return False
    if isinstance(gold, sympy.Symbol) or isinstance(answer, sympy.Symbol):
        return False  # one may be a name, which math-verify compares by its letters
    symbols = sorted(gold.free_symbols | answer.free_symbols, key=str)
    if len(symbols) > len(_PROBES):
        return False
    point = list(zip(symbols, _PROBES, strict=False))
    try:
        left, right = (complex(side.subs(point).evalf(15)) for side in (gold, answer))
        return abs(left - right) > _TOLERANCE * max(1.0, abs(left), abs(right))
    except MemoryError:
        raise
    except Exception:
        return False
