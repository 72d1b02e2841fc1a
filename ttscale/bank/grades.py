"""Grades that samples brought with them: what the graders of an imported log or pool said of each."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from ttscale.answers import answer_key, extract_answer
from ttscale.bank.bank import Bank
from ttscale.bank.sample import RecordedSample
from ttscale.types import Prompt

_VALUES: Final = {"c": 1.0, "i": 0.0, "p": 0.5, "n": 0.0, "yes": 1.0, "true": 1.0, "no": 0.0, "false": 0.0}
"""What words and letters mean as a grade."""


def grade_of(value: object) -> float | None:
    """Return a grade as a number; ``None``: none. C, yes, true are 1, I, N, no, false are 0, P is a half."""
    if isinstance(value, str):
        word = value.strip().lower()
        if word in _VALUES:
            return _VALUES[word]
        try:
            value = float(word)
        except ValueError:
            return None
    if isinstance(value, bool | int | float) and math.isfinite(value):
        return float(value)
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerGrade:
    """What the samples that gave one answer were graded, by the grader that counts first."""

    num_graded: int
    """>= 1."""
    num_right: int
    """With the grade 1."""
    mean: float

    @property
    def is_right(self) -> bool:
        """Whether most of them were graded right: graders differ on one answer, and answers on one text."""
        return 2 * self.num_right > self.num_graded


def grades_by_answer(samples: Iterable[RecordedSample]) -> dict[str, AnswerGrade]:
    """Return what the answers of a problem's samples were graded, by `answer_key`.

    An answer is what a strategy finds in a sample's text. Left out are samples without one and without a grade.
    """
    values = dict[str, list[float]]()
    for sample in samples:
        key = None if sample.grade is None else answer_key(extract_answer(sample.shown))
        if key is not None and sample.grade is not None:
            values.setdefault(key, []).append(sample.grade)
    return {
        key: AnswerGrade(num_graded=len(given), num_right=given.count(1.0), mean=math.fsum(given) / len(given))
        for key, given in values.items()
    }


def own_grades(bank: Bank, model: str) -> Mapping[Prompt, Mapping[str, AnswerGrade]]:
    """Return what answers were graded, by prompt as the engine was given it; empty where nothing was graded.

    Args:
        bank: the samples.
        model: its fingerprint.
    """
    found = dict[Prompt, list[RecordedSample]]()
    for series in bank.series(model):
        if bank.grades(series.key):
            found.setdefault(series.prompt, []).extend(bank.samples(series.key))
    graded = {prompt: grades_by_answer(samples) for prompt, samples in found.items()}
    return {prompt: grades for prompt, grades in graded.items() if grades}
