"""What prompts shared, and what engines made of it, summed over problems."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from ttscale.types import Outcome, Sharing


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptSharing:
    """Prompt tokens of problems by whether they had been computed before; see `ttscale.types.Sharing`."""

    computed: int
    """By engines, for samples and verifiers."""
    shared: int
    """Had been computed before for the same problem and model."""
    unshared: int
    """The others: what an ideal engine computes."""
    unshared_in_blocks: int | None
    """What an engine computes that keeps whole blocks; ``None``: the size of some engine's is unknown."""
    computed_over_ideal: float | None
    """`computed` over `unshared`; ``None``: there were none."""
    computed_over_blocks: float | None
    """`computed` over `unshared_in_blocks`."""


def sharing_of(outcomes: Sequence[Outcome]) -> PromptSharing | None:
    """Return the sharing of problems and models together; ``None``: one does not know, or there are none."""
    known = [
        outcome.work.sharing
        for outcome in outcomes
        if outcome.work is not None and outcome.work.sharing is not None
    ]
    return _sum(known) if known and len(known) == len(outcomes) else None


def sharing_by_model(outcomes: Sequence[Outcome], own: str) -> dict[str, PromptSharing]:
    """Return the sharing of each model that is known for all problems that asked it.

    Args:
        outcomes: of problems.
        own: what to call the model that samples.
    """
    found, ignorant = defaultdict[str, list[Sharing]](list), set[str]()
    for work in (outcome.work for outcome in outcomes if outcome.work is not None):
        for name in work.by_model:
            if name in work.sharing_by_model:
                found[name or own].append(work.sharing_by_model[name])
            else:
                ignorant.add(name or own)
    return {name: _sum(of) for name, of in sorted(found.items()) if name not in ignorant}


def nodes_of(outcomes: Sequence[Outcome]) -> dict[str, int] | None:
    """Return the nodes of problems' search trees by state; ``None``: one did not count, or there are none."""
    counts = [
        outcome.work.nodes
        for outcome in outcomes
        if outcome.work is not None and outcome.work.nodes is not None
    ]
    if not counts or len(counts) < len(outcomes):
        return None
    total = sum((Counter(count) for count in counts), Counter[str]())
    return dict(sorted(total.items()))


def _sum(parts: Sequence[Sharing]) -> PromptSharing:
    computed, unshared = sum(part.computed for part in parts), sum(part.unshared for part in parts)
    blocks = [part.unshared_in_blocks for part in parts if part.unshared_in_blocks is not None]
    in_blocks = sum(blocks) if len(blocks) == len(parts) else None
    return PromptSharing(
        computed=computed,
        shared=sum(part.shared for part in parts),
        unshared=unshared,
        unshared_in_blocks=in_blocks,
        computed_over_ideal=computed / unshared if unshared else None,
        computed_over_blocks=computed / in_blocks if in_blocks else None,
    )
