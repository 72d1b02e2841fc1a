"""Checks that strategies and rules share: what a caller hands over is named when it does not fit."""

from __future__ import annotations

import math
from collections.abc import Sequence


def require_one_each(keys: Sequence[object], values: Sequence[object], name: str) -> None:
    """Raise `ValueError` unless there is one value a sample."""
    if len(keys) != len(values):
        raise ValueError(f"{name} need one value a sample, got {len(values)} for {len(keys)} samples")


def require_at_least(value: float, least: float, name: str) -> None:
    """Raise `ValueError` unless the value is a number, finite and not below the least."""
    if not (math.isfinite(value) and value >= least):
        raise ValueError(f"{name} must be >= {least} and finite, got {value!r}")


def require_all_at_least(values: Sequence[float], least: float, name: str) -> None:
    """Raise `ValueError` for the first value that is no finite number or is below the least."""
    for index, value in enumerate(values):
        require_at_least(value, least, f"{name}[{index}]")


def require_share(value: float, name: str) -> None:
    """Raise `ValueError` unless the value lies in [0, 1]."""
    if not 0.0 <= value <= 1.0:
        raise ValueError(f"{name} must lie in [0, 1], got {value!r}")


def require_positive(value: int, name: str) -> None:
    """Raise `ValueError` for a count below 1."""
    if value < 1:
        raise ValueError(f"{name} must be >= 1, got {value!r}")
