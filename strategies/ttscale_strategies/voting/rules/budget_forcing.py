"""Budget forcing: what to do after each stretch of thought, so that it is neither too long nor too short."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ttscale_strategies.checks import require_at_least


@dataclass(frozen=True, slots=True)
class Thought:
    """A stretch of thought, from one call of the model."""

    num_tokens: int
    """Generated tokens, >= 0."""
    is_cut: bool = False
    """Whether it was cut at its most tokens; else the model wanted to end its thought."""


@dataclass(frozen=True, slots=True)
class ForcingStep:
    """What to do next."""

    action: Literal["think", "extend", "close", "answer"]
    """``"think"``: begin; ``"extend"``: append a word such as "Wait" in place of the end of the thought and go
    on; ``"close"``: end the thought that was cut and ask for the final answer; ``"answer"``: the thought has
    ended by itself, go on to the answer."""
    max_tokens: int = 0
    """Most tokens of thought to generate next; 0 where thinking is over."""


def forcing_step(thoughts: Sequence[Thought], *, max_tokens: int, num_extensions: int = 1) -> ForcingStep:
    """Return the next step of s1's budget forcing, from what has been thought so far.

    Muennighoff et al. 2025, arXiv:2501.19393. All thoughts together keep within `max_tokens`; an end of
    thought is overruled up to `num_extensions` times while tokens are left. A thought that was cut is closed
    at once, and an extension that the model leaves empty is the last. A call that extends should forbid an
    empty continuation where the engine can.

    Args:
        thoughts: the stretches so far, in order.
        max_tokens: of all thoughts, >= 1; the answer comes on top.
        num_extensions: >= 0; the paper's README has 1, its scaling plot 2 to 6.

    Raises:
        ValueError: a number is out of its range.
    """
    require_at_least(max_tokens, 1, "max_tokens")
    require_at_least(num_extensions, 0, "num_extensions")
    for thought in thoughts:
        require_at_least(thought.num_tokens, 0, "num_tokens of a thought")
    if not thoughts:
        return ForcingStep("think", max_tokens)
    if thoughts[-1].is_cut:
        return ForcingStep("close")
    remaining = max_tokens - sum(thought.num_tokens for thought in thoughts)
    is_empty_extension = len(thoughts) > 1 and thoughts[-1].num_tokens == 0
    if remaining <= 0 or is_empty_extension or len(thoughts) > num_extensions:
        return ForcingStep("answer")
    return ForcingStep("extend", remaining)
