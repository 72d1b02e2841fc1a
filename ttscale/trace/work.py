"""What a problem asked of engines, from the spans of its trace: seconds at work, and tokens held in caches.

With p prompt tokens (computed or cached) and g generated ones, a sample's KV token-steps are

    (p + 1) + (p + 2) + … + (p + g) = g·p + g·(g + 1)/2,

the tokens its cache holds, summed over its decode steps: what attention reads to write it. A prompt that
samples share is counted for each of them, at every step and in the peak. An engine that shares prefixes holds
less: what it holds is in `Work.sharing`, by `ttscale.trace.sharing`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from ttscale.trace.sharing import sharing_of
from ttscale.trace.stays import Stay, peak_of, stays_of, whole_tokens
from ttscale.types import SampleUsage, Sharing, Work

if TYPE_CHECKING:
    from ttscale.trace.span import Span

KvBytes = Callable[[str | None], float | None]
"""Bytes of cache for a token, by what the model is called; ``None`` is the one that samples."""


def work_of(spans: Sequence[Span], kv_bytes: KvBytes) -> Work:
    """Return what the samples and rewards of a trace asked of their engines, aborted and failed ones included.

    Samples that were called off before an engine had them are left out. Between its beginning and its end a
    sample is taken to grow evenly.

    Args:
        spans: of one problem, parents before children; those that have not ended are left out.
        kv_bytes: of each model.
    """
    stays = list(stays_of(spans))
    weights = [kv_bytes(stay.model) for stay in stays]
    peak = whole_tokens(peak_of(stays, [1.0] * len(stays)))
    byte_steps = peak_bytes = None
    known = [weight for weight in weights if weight is not None]
    if len(known) == len(weights):
        byte_steps = sum(weight * stay.token_steps for weight, stay in zip(known, stays, strict=True))
        # Of one model, whole tokens are held; that of several need not fall on their peak in tokens.
        peak_bytes = known[0] * peak if len(set(known)) == 1 else peak_of(stays, known)
    by_model = defaultdict[str, list[Stay]](list)
    for stay in stays:
        by_model[stay.model or ""].append(stay)
    sharing = {name: found for name, own in by_model.items() if (found := sharing_of(own)) is not None}
    return Work(
        seconds=sum(stay.ended - stay.began for stay in stays),
        kv_token_steps=sum(stay.token_steps for stay in stays),
        peak_kv_tokens=peak,
        kv_byte_steps=byte_steps,
        peak_kv_bytes=peak_bytes,
        by_model={name: _tokens(own) for name, own in by_model.items()},
        sharing=_together(sharing, by_model, stays),
        sharing_by_model=sharing,
        nodes=_nodes(spans),
    )


def _together(
    known: Mapping[str, Sharing], by_model: Mapping[str, object], stays: Sequence[Stay]
) -> Sharing | None:
    """Return the sharing of all models, which one model's already is if there are no others."""
    if len(known) == len(by_model) == 1:
        return next(iter(known.values()))
    return sharing_of(stays) if len(known) == len(by_model) else None


def _nodes(spans: Sequence[Span]) -> dict[str, int]:
    """Count nodes by their state; a span without one is a draw that led to no node of its own."""
    nodes = [span.attributes for span in spans if span.kind == "node"]
    return dict(sorted(Counter(str(found["state"]) for found in nodes if "state" in found).items()))


def _tokens(stays: Sequence[Stay]) -> SampleUsage:
    return SampleUsage(
        prompt_computed=sum(stay.prompt_computed for stay in stays),
        prompt_cached=sum(stay.prompt_cached for stay in stays),
        generated=sum(stay.generated for stay in stays),
    )
