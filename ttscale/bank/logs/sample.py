"""What somebody else's log says of one sample, in one form for all logs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ttscale.types import FinishReason, SampleUsage


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
