"""The options of strategies that draw candidates and have a judge choose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from ttscale.types import Sampling
from ttscale_strategies.checks import require_positive
from ttscale_strategies.revision import require_fields
from ttscale_strategies.voting._options import DrawOptions

Show: TypeAlias = Literal["solutions", "answers"]
"""What the judge sees of a candidate: all it says after its thoughts, or its answer only."""

VerdictKind: TypeAlias = Literal["text", "label"]
"""How a judge says who is better: in a text that ends with the winner's name, or with one token, a label, whose
probability counts."""

PAIR_FIELDS: Final = ("question", "solution_a", "solution_b")
"""Of a template that shows two candidates."""
_LABEL_NEEDS: Final = frozenset({"max_top_logprobs", "token_ids"})
_NUM_TOP: Final = 5
"""Tokens looked at: the two labels, and some of what a model that was not taught them may say."""


@dataclass(frozen=True, kw_only=True)
class JudgeOptions(DrawOptions):
    """The options of every strategy that draws n candidates and asks a judge."""

    judge: str | None = None
    """The judge's model, by URI; ``None``: the one that samples."""
    judge_temperature: float = 0.1
    """Of the judge's texts, >= 0."""
    max_judge_tokens: int = 2048
    """Most tokens of a text of the judge's, >= 1; half of its context where that is less."""
    show: Show = "solutions"

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(self.max_judge_tokens, "max_judge_tokens")
        self.judge_sampling(self.max_judge_tokens, 0)

    @property
    def models(self) -> Mapping[str | None, frozenset[str]]:
        """The judge, and what it must be able to do."""
        return {self.judge: frozenset()}

    def judge_sampling(self, max_tokens: int, max_top_logprobs: int) -> Sampling:
        """Return how the judge's tokens are drawn.

        Args:
            max_tokens: most that its context leaves it.
            max_top_logprobs: of how many tokens at most its model gives probabilities.
        """
        return Sampling(temperature=self.judge_temperature, max_tokens=max_tokens)


@dataclass(frozen=True, kw_only=True)
class ComparingOptions(JudgeOptions):
    """The options of every strategy whose judge compares two candidates at a time."""

    num_comparisons: int = 4
    """K, of each meeting, >= 1, half in each order; of an odd number one more shows the second first."""
    verdict: VerdictKind = "text"
    template: str | None = None
    """Name of the judge's prompt, with the fields question, solution_a and solution_b. ``None``:
    ``compare_solutions``, or ``compare`` for labels, which are those of `ttscale.template.CHOICES`."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(self.num_comparisons, "num_comparisons")
        require_fields(self.template_name, PAIR_FIELDS)

    @property
    def template_name(self) -> str:
        """The name of the judge's prompt."""
        return self.template or ("compare_solutions" if self.verdict == "text" else "compare")

    @property
    def models(self) -> Mapping[str | None, frozenset[str]]:
        """The judge, and what it must be able to do."""
        return {self.judge: frozenset() if self.verdict == "text" else _LABEL_NEEDS}

    def judge_sampling(self, max_tokens: int, max_top_logprobs: int) -> Sampling:
        """Return how the judge's tokens are drawn: a label greedily, with the likeliest tokens."""
        if self.verdict == "text":
            return super().judge_sampling(max_tokens, max_top_logprobs)
        return Sampling(temperature=0.0, max_tokens=1, logprobs=min(_NUM_TOP, max_top_logprobs))
