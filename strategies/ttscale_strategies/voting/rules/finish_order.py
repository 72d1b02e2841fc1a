"""First-finish and last-finish search: the k shortest, or longest, samples vote; and what that costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ttscale_strategies.checks import require_all_at_least, require_one_each
from ttscale_strategies.voting.rules.majority import Majority, majority


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishVote:
    """The vote of the first or the last to finish, of samples that start together and write equally fast."""

    winner: Majority | None
    """``None`` if nobody voted."""
    cutoff: int
    """Length in tokens up to which, or from which, samples vote."""
    voters: tuple[int, ...]
    """Indices of the samples that vote."""
    critical_path_tokens: int
    """Tokens that the last sample needed had written by the end: the latency."""
    num_tokens: int
    """Tokens all samples had written by the end, those cut short included: the true cost."""
    num_tokens_published: int
    """The cost as the paper's code counts it: the whole samples only, nothing for those cut short."""


def first_finish(keys: Sequence[str | None], lengths: Sequence[int], k: int) -> FinishVote:
    """Let the k samples with an answer that finish first vote (FFS-k); all others are cut short there.

    "The Art of Scaling Test-Time Compute", arXiv:2512.02008. Samples as long as the k-th vote too. With fewer
    than k answers all of them vote. Ties go to the key seen first by sample index, not by arrival. The rule is
    not monotone: one more vote for the winner can move the cutoff below others of its votes.

    Args:
        keys: answer keys in order of sample index, shape [num_samples].
        lengths: generated tokens, >= 0, shape [num_samples].
        k: >= 1.

    Raises:
        ValueError: the shapes differ, a length is negative, or k is less than 1.
    """
    finished = _finished(keys, lengths, k)
    cutoff = finished[k - 1] if len(finished) >= k else max(lengths, default=0)
    voters = _voters(keys, [length <= cutoff for length in lengths])
    return FinishVote(
        winner=majority([keys[index] for index in voters]),
        cutoff=cutoff,
        voters=voters,
        critical_path_tokens=cutoff,
        num_tokens=sum(min(length, cutoff) for length in lengths),
        num_tokens_published=sum(length for length in lengths if length <= cutoff),
    )


def last_finish(keys: Sequence[str | None], lengths: Sequence[int], k: int) -> FinishVote:
    """Let the k samples with an answer that finish last vote (LFS-k).

    arXiv:2512.02008. Nothing is cut short, so it costs what the majority vote of all samples costs, which is
    LFS with k = num_samples. Samples as long as the k-th vote too. Ties go to the key seen first by index.

    Args:
        keys: answer keys in order of sample index, shape [num_samples].
        lengths: generated tokens, >= 0, shape [num_samples].
        k: >= 1.

    Raises:
        ValueError: the shapes differ, a length is negative, or k is less than 1.
    """
    finished = _finished(keys, lengths, k)
    cutoff = finished[-k] if len(finished) >= k else 0
    voters = _voters(keys, [length >= cutoff for length in lengths])
    return FinishVote(
        winner=majority([keys[index] for index in voters]),
        cutoff=cutoff,
        voters=voters,
        critical_path_tokens=max(lengths, default=0),
        num_tokens=sum(lengths),
        num_tokens_published=sum(lengths),
    )


def _finished(keys: Sequence[str | None], lengths: Sequence[int], k: int) -> list[int]:
    """Return the lengths of the samples with an answer, shortest first."""
    require_one_each(keys, lengths, "lengths")
    require_all_at_least(lengths, 0, "lengths")
    if k < 1:
        raise ValueError(f"k must be >= 1, got {k!r}")
    return sorted(length for key, length in zip(keys, lengths, strict=True) if key is not None)


def _voters(keys: Sequence[str | None], may_vote: Sequence[bool]) -> tuple[int, ...]:
    return tuple(index for index, key in enumerate(keys) if key is not None and may_vote[index])
