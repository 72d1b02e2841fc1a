"""What a problem asked of engines, from the spans of its trace: seconds at work, and tokens held in caches.

With p prompt tokens (computed or cached) and g generated ones, a sample's KV token-steps are

    (p + 1) + (p + 2) + … + (p + g) = g·p + g·(g + 1)/2,

the tokens its cache holds, summed over its decode steps: what attention reads to write it. A prompt that
samples share is counted for each of them, at every step and in the peak: an engine that shares prefixes holds
less.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Final, cast

from ttscale.budget.cost import positions_attended
from ttscale.types import SampleUsage, Work

if TYPE_CHECKING:
    from ttscale.trace.span import Span

_SLACK_TOKENS: Final = 1e-3
"""What the rounding of times may add to a count of tokens."""

KvBytes = Callable[[str | None], float | None]
"""Bytes of cache for a token, by what the model is called; ``None`` is the one that samples."""


@dataclass(frozen=True, slots=True)
class _Stay:
    """One sample, or one given text, in an engine."""

    model: str | None
    began: float
    ended: float
    prompt_computed: int
    prompt_cached: int
    generated: int

    @property
    def prompt(self) -> int:
        return self.prompt_computed + self.prompt_cached

    @property
    def token_steps(self) -> int:
        return positions_attended(self.prompt, self.generated)


def work_of(spans: Sequence[Span], kv_bytes: KvBytes) -> Work:
    """Return what the samples and rewards of a trace asked of their engines, aborted and failed ones included.

    Samples that were called off before an engine had them are left out. Between its beginning and its end a
    sample is taken to grow evenly.

    Args:
        spans: of one problem, parents before children; those that have not ended are left out.
        kv_bytes: of each model.
    """
    stays = list(_stays(spans))
    weights = [kv_bytes(stay.model) for stay in stays]
    peak = ceil(_peak(stays, [1.0] * len(stays)) - _SLACK_TOKENS)
    byte_steps = peak_bytes = None
    known = [weight for weight in weights if weight is not None]
    if len(known) == len(weights):
        byte_steps = sum(weight * stay.token_steps for weight, stay in zip(known, stays, strict=True))
        # Of one model, whole tokens are held; that of several need not fall on their peak in tokens.
        peak_bytes = known[0] * peak if len(set(known)) == 1 else _peak(stays, known)
    by_model: dict[str, SampleUsage] = {}
    for stay in stays:
        name = stay.model or ""
        by_model[name] = _added(by_model.get(name, SampleUsage()), stay)
    return Work(
        seconds=sum(stay.ended - stay.began for stay in stays),
        kv_token_steps=sum(stay.token_steps for stay in stays),
        peak_kv_tokens=peak,
        kv_byte_steps=byte_steps,
        peak_kv_bytes=peak_bytes,
        by_model=by_model,
    )


def _stays(spans: Sequence[Span]) -> Iterator[_Stay]:
    models: dict[int, str | None] = {}
    for span in spans:
        found = span.attributes
        inherited = None if span.parent is None else models.get(span.parent)
        models[span.id] = cast("str", found["model"]) if found.get("model") is not None else inherited
        is_given = span.kind == "score" and "prompt_computed" in found
        began = span.start if is_given else span.began
        if began is None or span.end is None:
            continue
        yield _Stay(
            model=models[span.id],
            began=began,
            ended=span.end,
            prompt_computed=cast("int", found.get("prompt_computed", 0)),
            prompt_cached=cast("int", found.get("prompt_cached", 0)),
            generated=cast("int", found.get("generated", 0)),
        )


def _added(usage: SampleUsage, stay: _Stay) -> SampleUsage:
    return SampleUsage(
        prompt_computed=usage.prompt_computed + stay.prompt_computed,
        prompt_cached=usage.prompt_cached + stay.prompt_cached,
        generated=usage.generated + stay.generated,
    )


def _peak(stays: Sequence[_Stay], weights: Sequence[float]) -> float:
    """Return the most that is held at once; a token of each stay weighs something.

    What is held grows between two events and falls at ends, so the most is held just before an end. At time t
    the stays under way hold ``base + slope · t`` together.
    """
    events: list[tuple[float, int, int]] = []
    for number, stay in enumerate(stays):
        is_instant = stay.ended <= stay.began
        # At the same instant: ends, then beginnings, then the ends of what took no time.
        events += [(stay.began, 1, number), (stay.ended, 2 if is_instant else 0, number)]
    most = base = slope = 0.0
    for time, kind, number in sorted(events):
        stay, weight = stays[number], weights[number]
        length = stay.ended - stay.began
        if length > 0:
            pace = weight * stay.generated / length
            own_base, own_slope = weight * stay.prompt - pace * stay.began, pace
        else:
            own_base, own_slope = weight * (stay.prompt + stay.generated), 0.0
        if kind == 1:
            base, slope = base + own_base, slope + own_slope
        else:
            most = max(most, base + slope * time)
            base, slope = base - own_base, slope - own_slope
    return most
