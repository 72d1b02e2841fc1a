"""What somebody else's log says of one sample, in one form for all logs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from ttscale.types import FinishReason, SampleUsage

_VALUES: Final = {"c": 1.0, "i": 0.0, "p": 0.5, "n": 0.0, "yes": 1.0, "true": 1.0, "no": 0.0, "false": 0.0}
"""What words and letters mean as a score."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedSample:
    """One sample as its log has it. The log's verdict is its own: nothing is graded again."""

    place: str
    """Where it stands, for messages."""
    model: str
    benchmark: str
    """Empty: none."""
    problem: str
    number: int
    """Orders the samples of a problem: the epoch, repeat or trial."""
    question: str | None = None
    prompt: str | None = None
    """What the model was given, where that is more than the question."""
    target: str | None = None
    """``None``: there is none, or several are right."""
    text: str | None = None
    """All that the model wrote, thinking and tool calls included, in its order."""
    answer: str | None = None
    """What the log took from it as its answer; ``None``: nothing, or it does not say."""
    scores: Mapping[str, float | None] = field(default_factory=dict[str, float | None])
    """What the log's scorers gave, by name, the chosen one first; ``None``: it could not score."""
    finish_reason: FinishReason = "stop"
    error: str | None = None
    """Why it failed, where it did."""
    usage: SampleUsage = field(default_factory=SampleUsage)
    """`generated` includes thinking, whatever the provider counted."""
    are_tokens_estimated: bool = False
    """Whether the log has no token counts, and `generated` was estimated from the text's length."""
    reasoning_tokens: int | None = None
    """Of those generated; ``None``: not said."""
    total_seconds: float | None = None
    """From its start to its end, waiting for its turn included."""
    working_seconds: float | None = None
    """Without waits for rate limits and shared resources."""
    usd: float | None = None
    """What the log says it cost."""

    @property
    def seconds(self) -> float | None:
        """How long it took: the working time where it is known, else the total."""
        return self.total_seconds if self.working_seconds is None else self.working_seconds

    @property
    def score(self) -> float | None:
        """What the chosen scorer gave."""
        return next(iter(self.scores.values()), None)

    @property
    def is_right(self) -> bool | None:
        """Whether the log counts it as right; ``None``: it gave no score, or one in between."""
        return {1.0: True, 0.0: False}.get(self.score) if self.score is not None else None


def score_of(value: object) -> float | None:
    """Return a score as a number; ``None``: none. C, yes, true are 1, I, N, no, false are 0, P is a half."""
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


@dataclass(slots=True)
class Verdicts:
    """How the samples of a log were graded by it."""

    num_right: int = 0
    num_wrong: int = 0
    num_between: int = 0
    """With a score that is neither 0 nor 1."""
    num_ungraded: int = 0
    num_failed: int = 0
    """That ended in an error; they count as well in one of the others."""
    num_estimated: int = 0
    """Whose tokens nobody counted."""

    def add(self, sample: LoggedSample) -> None:
        """Count a sample."""
        if sample.score is None:
            self.num_ungraded += 1
        elif sample.is_right is None:
            self.num_between += 1
        else:
            self.num_right += sample.is_right
            self.num_wrong += not sample.is_right
        self.num_failed += sample.error is not None
        self.num_estimated += sample.are_tokens_estimated

    def notes(self) -> Iterable[str]:
        """Yield what whoever imports the log should know."""
        counts = {
            "right": self.num_right,
            "wrong": self.num_wrong,
            "in between": self.num_between,
            "not graded": self.num_ungraded,
        }
        shown = ", ".join(f"{count:,} {what}" for what, count in counts.items() if count)
        yield f"the log's own grades: {shown}; a bank keeps answers and targets, not grades"
        if self.num_failed:
            yield f"samples that failed, and are kept as failed: {self.num_failed:,}"
        if self.num_estimated:
            yield (
                f"samples of which nobody counted the tokens: {self.num_estimated:,}; one for every four bytes "
                f"of text is taken"
            )
