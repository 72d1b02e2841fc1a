"""Where a rule that stops sampling early stopped."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Stopped:
    """The answer of an early stop, and how many samples it took."""

    key: str | None
    """``None`` if no sample gave an answer."""
    num_samples: int
    """Samples drawn, those without an answer included."""
    is_early: bool
    """Whether the rule's condition was met; else all samples were drawn without it."""
