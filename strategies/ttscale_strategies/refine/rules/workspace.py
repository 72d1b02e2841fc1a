"""Parallel drafts, distilled into a workspace of bounded size: what the next round sees, and what it costs."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from ttscale_strategies.checks import require_at_least, require_one_each, require_positive

Token = TypeVar("Token")

Distil = Literal["global_summary", "shared_top_k", "per_sample_top_k", "random_k"]
"""How a round's drafts become the workspace of the next (PDR, arXiv 2510.01123).

``"global_summary"``: one summary of all drafts, by the model. ``"shared_top_k"``: the k best drafts, the same
for everybody. ``"per_sample_top_k"``: every generation of the next round picks its own k. ``"random_k"``: k
drafts drawn at random.
"""


@dataclass(frozen=True, slots=True)
class CallTokens:
    """The tokens of one call of a model.

    Raises:
        ValueError: a count is negative.
    """

    prompt: int
    generated: int

    def __post_init__(self) -> None:
        require_at_least(self.prompt, 0, "prompt")
        require_at_least(self.generated, 0, "generated")

    @property
    def total(self) -> int:
        """Prompt and generated together."""
        return self.prompt + self.generated


def usable_drafts(texts: Sequence[str], is_cut: Sequence[bool] | None = None) -> tuple[int, ...]:
    """Return the indices of the drafts that may be distilled: neither empty nor cut off.

    Madaan et al. 2025, arXiv:2510.01123 (PDR). Where none is left, the next round starts afresh.

    Args:
        texts: what the drafts say after their thoughts, shape [num_drafts].
        is_cut: whether each ended at its most tokens, shape [num_drafts]; ``None``: none did.

    Raises:
        ValueError: the shapes differ.
    """
    cut = [False] * len(texts) if is_cut is None else is_cut
    require_one_each(texts, cut, "is_cut")
    return tuple(index for index, text in enumerate(texts) if text.strip() and not cut[index])


def top_drafts(scores: Sequence[float | None], k: int) -> tuple[int, ...]:
    """Return the indices of the k drafts with the best scores, in order of index.

    arXiv:2510.01123, shared top-k: called once for everybody. With the scores, or picks, of one generation of
    the next round it is per-sample top-k.

    Args:
        scores: higher is better, shape [num_drafts]; ``None`` or NaN: unknown, ranks last.
        k: >= 1; the paper's are 2 and 4. Of fewer drafts all are returned.

    Raises:
        ValueError: k is less than 1.
    """
    require_positive(k, "k")
    known = [-math.inf if score is None or score != score else score for score in scores]
    ranked = sorted(range(len(known)), key=known.__getitem__, reverse=True)  # stable: equals keep their order
    return tuple(sorted(ranked[:k]))


def random_drafts(num_drafts: int, k: int, *, seed: int) -> tuple[int, ...]:
    """Return the indices of k drafts, each as likely as any other, in order of index.

    arXiv:2510.01123, random-k.

    Args:
        num_drafts: >= 0.
        k: >= 1; of fewer drafts all are returned.
        seed: the same seed draws the same.

    Raises:
        ValueError: a number is out of its range.
    """
    require_at_least(num_drafts, 0, "num_drafts")
    require_positive(k, "k")
    return tuple(sorted(random.Random(seed).sample(range(num_drafts), min(k, num_drafts))))


def picked_drafts(numbers: Sequence[int], num_drafts: int, k: int) -> tuple[int, ...]:
    """Return the indices of the k drafts that a model picked by their numbers, in order of index.

    arXiv:2510.01123. Ours: numbers of drafts that do not exist and repetitions are passed over, and what is
    missing is filled up with the first drafts not picked.

    Args:
        numbers: as the model wrote them, from 1.
        num_drafts: >= 0.
        k: >= 1.

    Raises:
        ValueError: a number is out of its range.
    """
    require_at_least(num_drafts, 0, "num_drafts")
    require_positive(k, "k")
    picked = [number - 1 for number in numbers if 1 <= number <= num_drafts]
    return tuple(sorted(list(dict.fromkeys([*picked, *range(num_drafts)]))[:k]))


def even_shares(lengths: Sequence[int], capacity: int) -> tuple[int, ...]:
    """Return how many tokens of each draft fit a workspace: cut evenly, so that the longest lose first.

    arXiv:2510.01123 bounds the workspace by κ tokens and does not say how it is kept to; this is ours. Nobody
    loses a token before all longer ones are cut to its length; what does not divide goes to the longest, of
    equals to the first.

    Args:
        lengths: of the drafts in tokens, >= 0, shape [num_drafts].
        capacity: κ, >= 0.

    Returns:
        Shape [num_drafts], none above its length; their sum is min(κ, Σ lengths).

    Raises:
        ValueError: a number is out of its range.
    """
    require_at_least(capacity, 0, "capacity")
    shares = [0] * len(lengths)
    left = capacity
    shortest_first = sorted(range(len(lengths)), key=lambda index: (lengths[index], -index))
    for place, index in enumerate(shortest_first):
        require_at_least(lengths[index], 0, f"lengths[{index}]")
        shares[index] = min(lengths[index], left // (len(lengths) - place))
        left -= shares[index]
    return tuple(shares)


def fitted_drafts(
    drafts: Sequence[Sequence[Token]], capacity: int, *, keep: Literal["start", "end"] = "end"
) -> tuple[Sequence[Token], ...]:
    """Return drafts cut to what `even_shares` leaves them.

    Args:
        drafts: their tokens, or their characters where nobody knows tokens.
        capacity: κ in these units, >= 0.
        keep: which part of a draft that is too long is kept; a solution's result stands at its end, what
            matters most of a summary at its start.

    Raises:
        ValueError: the capacity is negative.
    """
    shares = even_shares([len(draft) for draft in drafts], capacity)
    return tuple(
        draft[:share] if keep == "start" else draft[len(draft) - share :]
        for draft, share in zip(drafts, shares, strict=True)
    )


def num_pdr_calls(
    drafts_per_round: Sequence[int], distil: Distil = "global_summary", *, is_picked_by_model: bool = False
) -> int:
    """Return the calls of a model that parallel-distil-refine takes: drafts, distilling, and the final answer.

    arXiv:2510.01123: [16, 8, 4] takes 28 drafts, 3 summaries and the answer; 29 calls where rules pick the
    drafts that are shown.

    Args:
        drafts_per_round: M_1, …, each >= 1, without the final round of one; none: a single answer.
        distil: see `Distil`.
        is_picked_by_model: whether the model picks the k best, instead of a score that costs no call: a call
            a round if the drafts are shared, one for every generation of the next round if not.

    Raises:
        ValueError: a round has no drafts.
    """
    for index, count in enumerate(drafts_per_round):
        require_positive(count, f"drafts_per_round[{index}]")
    generations = [*drafts_per_round, 1]
    distillations = 0
    if distil == "global_summary" or (distil == "shared_top_k" and is_picked_by_model):
        distillations = len(drafts_per_round)
    elif distil == "per_sample_top_k" and is_picked_by_model:
        distillations = sum(generations[1:])
    return sum(generations) + distillations


def total_tokens(stages: Sequence[Sequence[CallTokens]]) -> int:
    """Return B_total: prompt and generated tokens of all calls (arXiv:2510.01123).

    Args:
        stages: the calls of each stage; a stage begins when the one before has ended.
    """
    return sum(call.total for stage in stages for call in stage)


def sequential_tokens(stages: Sequence[Sequence[CallTokens]]) -> int:
    """Return B_seq: prompt and generated tokens along one path, a stand-in for the latency.

    arXiv:2510.01123, which follows the accepted path. Ours: of each stage the call with the most tokens, as
    the next stage waits for it.

    Args:
        stages: see `total_tokens`; one without calls counts nothing.
    """
    return sum(max((call.total for call in stage), default=0) for stage in stages)
