"""One sample: the baseline every other strategy is measured against."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ttscale.answers import answer_key, extract_answer
from ttscale.run import Run
from ttscale.types import Candidate, Outcome, Problem, Sampling


@dataclass(frozen=True, kw_only=True)
class Single:
    """Take the answer of one sample.

    Cost: 1 call; the prompt and one answer. The baseline; no paper.
    """

    temperature: float | None = None
    """``None``: the model's own."""
    max_tokens: int | None = None
    """Most generated tokens; ``None``: what the context leaves."""

    needs: ClassVar[frozenset[str]] = frozenset()

    def __post_init__(self) -> None:
        self._sampling()

    def max_samples(self) -> int:
        """Return 1."""
        return 1

    async def solve(self, problem: Problem, run: Run) -> Outcome:
        """Draw one sample and extract its answer."""
        async with run.sample(problem.prompt, sampling=self._sampling()) as samples:
            sample = await anext(samples)
        answer = None if sample.is_error else extract_answer(sample.text)
        candidate = Candidate(
            index=sample.index,
            answer=answer,
            key=answer_key(answer),
            num_tokens=sample.num_tokens,
            finish_reason=sample.finish_reason,
        )
        return Outcome(
            answer=answer,
            key=candidate.key,
            text=sample.text,
            candidates=(candidate,),
            stop_reason="error" if sample.is_error else "finished",
            error=sample.error,
        )

    def _sampling(self) -> Sampling:
        return Sampling(temperature=self.temperature, max_tokens=self.max_tokens)
