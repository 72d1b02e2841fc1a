"""The answer so far."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Best:
    """The answer so far: what a deadline or an exhausted budget returns."""

    answer: str | None = None
    key: str | None = None
    confidence: float | None = None
    text: str | None = None
