"""Best-of-N: sample side by side, take the answer a verifier likes best."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal

from ttscale.answers import answer_key, extract_answer
from ttscale.errors import BudgetExhausted
from ttscale.registry import create_verifier
from ttscale.run import Run, SampleBlock
from ttscale.types import Candidate, Outcome, Problem, Sample, Sampling, Score, StopReason
from ttscale.verifier import Verifier
from ttscale_strategies.voting.rules import best_scored, is_best_decided


@dataclass(frozen=True, kw_only=True)
class BestOfN:
    """The sample a verifier scores highest among `n` (Cobbe et al. 2021, arXiv:2110.14168).

    Cost: at most n calls, the prompt once and at most n answers, and one verification a sample. Each sample is
    scored the moment it ends, while the others still decode. With ``stop="decided"`` the rest is aborted once a
    sample has the highest score there is and none before it is still open: the answer is that of all n. With
    ``stop="satisfied"`` the first sample to arrive with that score ends it, which is quicker and favours short
    samples. `confidence` is the winner's score, scaled to [0, 1]. The paper draws and ranks all.
    """

    n: int = 16
    """Samples, >= 1."""
    verifier: Verifier = field(default_factory=lambda: create_verifier("confidence"))
    """Scores the samples; the default needs no other model."""
    stop: Literal["decided", "satisfied", "never"] = "decided"
    temperature: float | None = None
    """``None``: the model's own."""
    max_tokens: int | None = None
    """Most generated tokens per sample; ``None``: what the context leaves."""

    needs: ClassVar[frozenset[str]] = frozenset()

    def __post_init__(self) -> None:
        if self.n < 1:
            raise ValueError(f"n must be >= 1, got {self.n!r}")
        self._sampling()

    def max_samples(self) -> int:
        """Return n."""
        return self.n

    async def solve(self, problem: Problem, run: Run) -> Outcome:
        """Draw and score until all samples are scored, the choice is decided, or the budget is spent."""
        contest = _Contest(self, run)
        async with (
            run.sample(problem.prompt, n=self.n, sampling=self._sampling()) as samples,
            asyncio.TaskGroup() as judging,
        ):
            try:
                async for sample in samples:
                    contest.enter(sample)
                    judging.create_task(contest.judge(sample, samples))
            except BudgetExhausted:
                if not contest.samples:
                    raise
                contest.stop_reason = "budget"
        return contest.outcome()

    def _sampling(self) -> Sampling:
        logprobs = 0 if "logprobs" in self.verifier.needs else None
        return Sampling(temperature=self.temperature, max_tokens=self.max_tokens, logprobs=logprobs)


class _Contest:
    """The samples drawn so far and their scores. A sample without an answer wins only if all are without."""

    def __init__(self, strategy: BestOfN, run: Run) -> None:
        self.strategy = strategy
        self.run = run
        self.samples: dict[int, Sample] = {}
        self.candidates: dict[int, Candidate] = {}
        self.scores: dict[int, Score] = {}
        self.stop_reason: StopReason = "finished"

    def enter(self, sample: Sample) -> None:
        """Take in a sample that has ended."""
        answer = None if sample.is_error else extract_answer(sample.text)
        self.samples[sample.index] = sample
        self.candidates[sample.index] = Candidate(
            index=sample.index,
            answer=answer,
            key=answer_key(answer),
            num_tokens=sample.num_tokens,
            finish_reason=sample.finish_reason,
        )

    async def judge(self, sample: Sample, samples: SampleBlock) -> None:
        """Score one sample; stop the drawing if that settles the contest."""
        try:
            (score,) = await self.run.score([sample], self.strategy.verifier)
        except BudgetExhausted:
            self.stop_reason = "budget"
            samples.stop()
            return
        self.scores[sample.index] = score
        self.candidates[sample.index] = replace(self.candidates[sample.index], score=score.value)
        best = self.outcome()
        self.run.best(best.answer, key=best.key, confidence=best.confidence, text=best.text)
        if self.stop_reason == "finished" and len(self.scores) < self.strategy.n and self._is_settled(score):
            self.stop_reason = "decided"
            samples.stop()

    def _is_settled(self, newest: Score) -> bool:
        if self.strategy.stop == "never":
            return False
        values = self._values(answered=True)
        if self.strategy.stop == "satisfied":
            return any(value is not None and value >= newest.high for value in values.values())
        unscored = set(range(self.strategy.n)) - set(self.scores)
        return is_best_decided(values, unscored, newest.high)

    def _values(self, *, answered: bool) -> dict[int, float | None]:
        return {
            index: score.value
            for index, score in self.scores.items()
            if not answered or self.candidates[index].answer is not None
        }

    def outcome(self) -> Outcome:
        """Return the best so far; without any score the first sample with an answer."""
        candidates = tuple(self.candidates[index] for index in sorted(self.candidates))
        chosen = best_scored(self._values(answered=True))
        if chosen is None:
            chosen = next((c.index for c in candidates if c.answer is not None), None)
        if chosen is None:
            chosen = best_scored(self._values(answered=False))
        if chosen is None:
            return self._nothing(candidates)
        return Outcome(
            answer=self.candidates[chosen].answer,
            key=self.candidates[chosen].key,
            confidence=score.relative if (score := self.scores.get(chosen)) is not None else None,
            text=self.samples[chosen].text,
            candidates=candidates,
            stop_reason=self.stop_reason,
        )

    def _nothing(self, candidates: tuple[Candidate, ...]) -> Outcome:
        errors = [sample.error for sample in self.samples.values() if sample.is_error]
        if len(errors) == len(self.samples):
            return Outcome(answer=None, candidates=candidates, stop_reason="error", error=errors[0])
        return Outcome(answer=None, candidates=candidates, stop_reason=self.stop_reason)
