"""How much of what a model thought was of use, and how well the length of its thoughts is controlled."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

from ttscale.answers import answer_key, extract_answer

_PARAGRAPH: Final = re.compile(r".+?(?:\n[^\S\n]*\n\s*|\Z)", re.DOTALL)
"""With the empty lines behind it."""


@dataclass(frozen=True, slots=True)
class SolutionRound:
    """One of the solutions that a response works out one after another.

    Raises:
        ValueError: the number of tokens is negative.
    """

    num_tokens: int
    """>= 0."""
    is_correct: bool
    strategy: str | int
    """Which way of solving it takes: rounds with equal ones solve alike. Any label that a clustering gives."""

    def __post_init__(self) -> None:
        if self.num_tokens < 0:
            raise ValueError(f"num_tokens must be >= 0, got {self.num_tokens!r}")


Response = Sequence[SolutionRound]
"""A response, split into its rounds, in order; by whom is the caller's choice, `solution_rounds` is one."""


def solution_rounds(
    text: str, *, is_correct: Callable[[str], bool], num_tokens: Callable[[str], int]
) -> list[SolutionRound]:
    """Split a response into its solutions where it states answers.

    A solution ends with the paragraph that states its answer, see `ttscale.answers.extract_answer`; what stands
    behind the last one is part of it. arXiv:2412.21187 has language models split and cluster. Here solutions
    that come to the same answer are of one kind, so where a second way to an answer is news,
    `process_efficiency` comes out too low.

    Args:
        text: thoughts included.
        is_correct: says whether an answer is right.
        num_tokens: counts those of a part of the text.

    Returns:
        In order. A text that states no answer is one solution, which is not correct; an empty one is none.
    """
    parts, answers = [""], list[str]()
    for paragraph in _PARAGRAPH.findall(text):
        parts[-1] += paragraph
        answer = extract_answer(paragraph)
        if answer is not None:
            parts.append("")
            answers.append(answer)
    if not answers:
        return [SolutionRound(num_tokens(text), is_correct=False, strategy="")] if text else []
    parts[-2:] = ["".join(parts[-2:])]
    return [
        SolutionRound(num_tokens(part), is_correct(answer), answer_key(answer) or "")
        for part, answer in zip(parts, answers, strict=True)
    ]


def outcome_efficiency(responses: Sequence[Response]) -> float | None:
    """Return ξ_O: the mean share of tokens that a response needed until its first correct solution.

    Chen et al. 2024, arXiv:2412.21187: mean of σ · T̂ / T with T all tokens, T̂ those up to and including the
    first correct solution, σ = 0 where there is none.

    Args:
        responses: those without tokens are left out.

    Returns:
        In [0, 1]; ``None`` if no response has tokens.
    """
    return _mean(
        [_tokens_to_correct(response) / _tokens(response) for response in responses if _tokens(response)]
    )


def process_efficiency(responses: Sequence[Response]) -> float | None:
    """Return ξ_P: the mean share of tokens that went into solutions of a new kind.

    arXiv:2412.21187: mean of D / T with D the tokens of the first solution of every kind. Right or wrong does
    not matter.

    Args:
        responses: those without tokens are left out.

    Returns:
        In [0, 1]; ``None`` if no response has tokens.
    """
    return _mean([_novel_tokens(response) / _tokens(response) for response in responses if _tokens(response)])


def _tokens(response: Response) -> int:
    return sum(solution.num_tokens for solution in response)


def _tokens_to_correct(response: Response) -> int:
    num_tokens = 0
    for solution in response:
        num_tokens += solution.num_tokens
        if solution.is_correct:
            return num_tokens
    return 0


def _novel_tokens(response: Response) -> int:
    first: dict[str | int, int] = {}
    for solution in response:
        first.setdefault(solution.strategy, solution.num_tokens)
    return sum(first.values())


def _mean(values: Sequence[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None


@dataclass(frozen=True, slots=True)
class BudgetPoint:
    """What came of one budget of thought.

    Raises:
        ValueError: a number is not finite.
    """

    num_tokens: float
    """The budget, or the mean tokens thought under it."""
    accuracy: float
    """In [0, 1]."""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.num_tokens) and math.isfinite(self.accuracy)):
            raise ValueError(f"a budget and its accuracy must be finite, got {self!r}")


def control(num_tokens: Sequence[float], *, low: float = 0.0, high: float = math.inf) -> float | None:
    """Return the share of runs whose thoughts kept to their limits (Muennighoff et al. 2025, arXiv:2501.19393).

    Args:
        num_tokens: thought in each run, shape [num_runs].
        low: a_min, the least allowed.
        high: a_max, the most allowed, >= low.

    Returns:
        In [0, 1]; ``None`` of no runs.

    Raises:
        ValueError: the limits are the wrong way round, or no numbers.
    """
    if not low <= high:
        raise ValueError(f"low must be <= high, got {low!r} and {high!r}")
    return _mean([float(low <= tokens <= high) for tokens in num_tokens])


def scaling(points: Sequence[BudgetPoint]) -> float | None:
    """Return the mean slope between all pairs of budgets: the accuracy that another token of thought brings.

    arXiv:2501.19393: mean of (f(b) - f(a)) / (b - a) over all a < b. Pairs of equal budgets have no slope and
    are left out.

    Args:
        points: in any order.

    Returns:
        Accuracy a token; ``None`` with fewer than two budgets.
    """
    pairs = combinations(points, 2)
    return _mean(
        [
            (second.accuracy - first.accuracy) / (second.num_tokens - first.num_tokens)
            for first, second in pairs
            if first.num_tokens != second.num_tokens
        ]
    )


def performance(points: Sequence[BudgetPoint]) -> float | None:
    """Return the best accuracy at any budget (arXiv:2501.19393), ``None`` of no budgets."""
    return max((point.accuracy for point in points), default=None)
