"""The voting family's rules: pure functions of votes and scores, ordered by sample index, never by arrival."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Majority:
    """The winner of a vote."""

    key: str
    votes: int
    num_voters: int
    """Samples with an answer; the others do not vote."""

    @property
    def share(self) -> float:
        """The winner's share of the votes, in (0, 1]."""
        return self.votes / self.num_voters


def majority(keys: Sequence[str | None]) -> Majority | None:
    """Return the most frequent key; ties go to the key seen first, ``None`` never votes.

    Wang et al. 2022, arXiv:2203.11171.

    Args:
        keys: answer keys in order of sample index, shape [num_samples].

    Returns:
        The winner, or ``None`` if nobody voted.
    """
    counts = Counter(key for key in keys if key is not None)
    if not counts:
        return None
    # a Counter keeps the order of first sight, and max returns the first of equals
    key = max(counts, key=counts.__getitem__)
    return Majority(key, counts[key], counts.total())


def is_vote_decided(votes: Mapping[int, str | None], running: Set[int]) -> bool:
    """Return whether no outcome of the running samples can change the winner of a `majority` vote.

    The worst case for the leader is that every running sample votes for the same challenger: one that has votes
    already, or a new one. A tie goes to the key whose first voter has the smaller sample index.

    Args:
        votes: key by sample index, of the samples that have ended.
        running: indices of the samples that have not.
    """
    if not running:
        return True
    ordered = sorted(votes.items())
    leader = majority([key for _, key in ordered])
    if leader is None:
        return False
    counts = Counter(key for _, key in ordered if key is not None)
    first = {key: index for index, key in reversed(ordered) if key is not None}
    earliest_running, lead_first = min(running), first[leader.key]

    def may_win(count: int, first_index: int) -> bool:
        total = count + len(running)
        return total > leader.votes or (
            total == leader.votes and min(first_index, earliest_running) < lead_first
        )

    challengers = [(count, first[key]) for key, count in counts.items() if key != leader.key]
    return not any(may_win(count, index) for count, index in (*challengers, (0, earliest_running)))


def best_scored(scores: Mapping[int, float | None]) -> int | None:
    """Return the sample index of the highest score; ties go to the smallest index, ``None`` is no candidate.

    Args:
        scores: score by sample index.
    """
    scored = [(index, score) for index, score in sorted(scores.items()) if score is not None]
    return max(scored, key=lambda pair: pair[1])[0] if scored else None


def is_best_decided(scores: Mapping[int, float | None], unscored: Set[int], highest: float) -> bool:
    """Return whether no score of the unscored samples can change the winner of `best_scored`.

    Args:
        scores: score by sample index, of the samples scored so far.
        unscored: indices of the samples without a score yet.
        highest: the greatest score there can be.
    """
    if not unscored:
        return True
    winner = best_scored(scores)
    if winner is None:
        return False
    best = scores[winner]
    assert best is not None
    return best >= highest and winner < min(unscored)
