"""Which of the solutions that a search found is its answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ttscale.types import Candidate, Outcome, StopReason
from ttscale_strategies.voting.rules import best_of_n, majority, weighted_best_of_n

Choice = Literal["weighted", "majority", "best"]
"""How solutions elect an answer: by the sum of their rewards, by their number, or the best rewarded alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Solution:
    """A path from the root to its end."""

    node: str
    """Key of its last node."""
    text: str
    num_tokens: int
    answer: str | None
    key: str | None
    reward: float | None
    votes: int = 1
    """Draws that ended in it."""


def choose(solutions: Sequence[Solution], choice: Choice) -> tuple[Solution, float | None] | None:
    """Return the solution whose answer is chosen, and how sure that is.

    Args:
        solutions: in order of their places in the tree.
        choice: see `Choice`. Where no solution with an answer has a reward, the majority decides.

    Returns:
        The best rewarded solution of the elected answer, the first of equals; with its share of the votes, or
        for ``"best"`` its reward, in [0, 1]. ``None`` if none has an answer.
    """
    voters = [solution for solution in solutions for _ in range(solution.votes)]
    keys, rewards = [one.key for one in voters], [one.reward for one in voters]
    if choice == "best" and (best := best_of_n(keys, rewards)) is not None:
        return voters[best], voters[best].reward
    weighed = weighted_best_of_n(keys, rewards) if choice == "weighted" else None
    elected = weighed or majority(keys)
    if elected is None:
        return None
    winners = [one for one in voters if one.key == elected.key]
    return max(winners, key=lambda one: -1.0 if one.reward is None else one.reward), elected.share


def outcome_of(
    solutions: Sequence[Solution], choice: Choice, stop_reason: StopReason
) -> tuple[Outcome, str | None]:
    """Return the outcome of a search that found these solutions, and the key of the node chosen."""
    candidates = tuple(
        Candidate(
            index=index,
            answer=one.answer,
            key=one.key,
            score=one.reward,
            num_tokens=one.num_tokens,
        )
        for index, one in enumerate(solutions)
    )
    chosen = choose(solutions, choice)
    if chosen is None:
        return Outcome(answer=None, candidates=candidates, stop_reason=stop_reason), None
    solution, confidence = chosen
    found = Outcome(
        answer=solution.answer,
        key=solution.key,
        confidence=confidence,
        text=solution.text,
        candidates=candidates,
        stop_reason=stop_reason,
    )
    return found, solution.node
