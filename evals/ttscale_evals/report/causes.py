"""Why problems went wrong, other than by a wrong answer: by cause, each problem under every cause it has."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ttscale_evals.benchmarks.base import GRADER_FAILED, NO_ANSWER, TIMEOUT
from ttscale_evals.report.data import Answer
from ttscale_evals.report.text import label

MAX_ERROR_KINDS: Final = 20
"""Rarer errors are put together."""
_NUMBER: Final = re.compile(r"\d+(?:[.,]\d+)*")
_OTHER: Final = "Failed: other errors"
_UNPARSED: Final = "Ended without an answer"
_LATE: Final = "Answer not judged in time, counted as wrong"
_BROKE: Final = "Answer broke the grader, counted as wrong"
_TRUNCATED: Final = "Sample cut off at its token limit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """One group."""

    title: str
    num_problems: int
    num_benchmarks: int
    num_strategies: int


@dataclass(frozen=True, slots=True)
class Causes:
    """All groups, the greatest first, and who is in them."""

    groups: tuple[Cause, ...]
    masks: tuple[int, ...]
    """Of each answer: bit i is set where it is in group i."""


def causes(answers: Sequence[Answer]) -> Causes:
    """Group answers by what kept them from being judged plainly.

    Errors that differ only in numbers are one cause.
    """
    kinds = Counter(_failure(answer) for answer in answers if answer.result == "failed")
    frequent = {kind for kind, _ in kinds.most_common(MAX_ERROR_KINDS)}
    titles = [_titles(answer, frequent) for answer in answers]
    counts = Counter(title for found in titles for title in found)
    order = {title: place for place, (title, _) in enumerate(counts.most_common())}
    benchmarks: dict[str, set[str]] = {title: set() for title in order}
    strategies: dict[str, set[tuple[str, str, str]]] = {title: set() for title in order}
    for answer, found in zip(answers, titles, strict=True):
        for title in found:
            benchmarks[title].add(answer.benchmark)
            strategies[title].add((answer.strategy, answer.model, answer.budget))
    groups = tuple(
        Cause(
            title=title,
            num_problems=counts[title],
            num_benchmarks=len(benchmarks[title]),
            num_strategies=len(strategies[title]),
        )
        for title in order
    )
    return Causes(groups, tuple(sum(1 << order[title] for title in found) for found in titles))


def _failure(answer: Answer) -> str:
    return f"Failed: {label(_NUMBER.sub('#', (answer.error or 'unknown')[:10_000]), max_chars=160)}"


def _titles(answer: Answer, frequent: set[str]) -> list[str]:
    titles = list[str]()
    if answer.result == "failed":
        kind = _failure(answer)
        titles.append(kind if kind in frequent else _OTHER)
    elif answer.reason == NO_ANSWER:
        titles.append(_UNPARSED)
    elif answer.reason == TIMEOUT:
        titles.append(_LATE)
    elif answer.reason.startswith(GRADER_FAILED):
        titles.append(_BROKE)
    if any(candidate.finish_reason == "length" for candidate in answer.candidates):
        titles.append(_TRUNCATED)
    return titles
