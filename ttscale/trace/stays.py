"""Samples and given texts while they are in an engine, from the spans of a trace, and what they hold there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Final, cast

from ttscale.budget.cost import positions_attended

if TYPE_CHECKING:
    from ttscale.trace.prefixes import Visit
    from ttscale.trace.span import Span

ENDS: Final = 0
BEGINS: Final = 1
ENDS_AT_ONCE: Final = 2
"""Of a stay that takes no time. At one instant there are ends first, then beginnings, then these."""

_SLACK_TOKENS: Final = 1e-3
"""What the rounding of times may add to a count of tokens."""


@dataclass(frozen=True, slots=True, eq=False)
class Stay:
    """One sample, or one given text, in an engine. It is taken to grow evenly from its beginning to its end."""

    model: str | None
    began: float
    ended: float
    prompt_computed: int
    prompt_cached: int
    generated: int
    visit: Visit | None

    @property
    def prompt(self) -> int:
        """Prompt tokens, by the engine's account."""
        return self.prompt_computed + self.prompt_cached

    @property
    def token_steps(self) -> int:
        """Tokens held, summed over its decode steps."""
        return positions_attended(self.prompt, self.generated)

    @property
    def pace(self) -> float:
        """Generated tokens a second; 0 of a stay that takes no time."""
        length = self.ended - self.began
        return self.generated / length if length > 0 else 0.0

    def line(self, prompt: int) -> tuple[float, float]:
        """Return base and slope of what it holds: at time t ``base + slope · t``.

        Args:
            prompt: tokens it holds from its beginning on.
        """
        if self.ended <= self.began:
            return float(prompt + self.generated), 0.0
        return prompt - self.pace * self.began, self.pace


def stays_of(spans: Sequence[Span]) -> Iterator[Stay]:
    """Yield the stays of a trace; what no engine was given, or has not ended, is left out.

    Args:
        spans: of one problem, parents before children.
    """
    models: dict[int, str | None] = {}
    for span in spans:
        found = span.attributes
        inherited = None if span.parent is None else models.get(span.parent)
        models[span.id] = cast("str", found["model"]) if found.get("model") is not None else inherited
        is_given = span.kind == "score" and "prompt_computed" in found
        began = span.start if is_given else span.began
        if began is None or span.end is None:
            continue
        yield Stay(
            model=models[span.id],
            began=began,
            ended=span.end,
            prompt_computed=cast("int", found.get("prompt_computed", 0)),
            prompt_cached=cast("int", found.get("prompt_cached", 0)),
            generated=cast("int", found.get("generated", 0)),
            visit=span.visit,
        )


def moments(stays: Sequence[Stay]) -> list[tuple[float, int, int]]:
    """Return when stays begin and end, in order: time, kind (see `ENDS_AT_ONCE`), and the stay's place."""
    events: list[tuple[float, int, int]] = []
    for number, stay in enumerate(stays):
        is_instant = stay.ended <= stay.began
        events += [
            (stay.began, BEGINS, number),
            (stay.ended, ENDS_AT_ONCE if is_instant else ENDS, number),
        ]
    return sorted(events)


def peak_of(stays: Sequence[Stay], weights: Sequence[float]) -> float:
    """Return the most that is held at once, prompts for each stay; a token of each stay weighs something.

    What is held grows between two events and falls at ends, so the most is held just before an end. At time t
    the stays under way hold ``base + slope · t`` together.
    """
    most = base = slope = 0.0
    for time, kind, number in moments(stays):
        own_base, own_slope = stays[number].line(stays[number].prompt)
        weight = weights[number]
        if kind == BEGINS:
            base, slope = base + weight * own_base, slope + weight * own_slope
        else:
            most = max(most, base + slope * time)
            base, slope = base - weight * own_base, slope - weight * own_slope
    return most


def whole_tokens(tokens: float) -> int:
    """Return a count of tokens that rests on times as a whole number, rounded up."""
    return ceil(tokens - _SLACK_TOKENS)
