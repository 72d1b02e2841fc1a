"""Self-consistency: sample side by side, take the most frequent answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

from ttscale.answers import AnswerClasses, extract_answer
from ttscale.errors import BudgetExhausted
from ttscale.run import Run
from ttscale.types import Candidate, Outcome, Problem, Sample, Sampling, StopReason
from ttscale_strategies.voting.rules import is_vote_decided, majority

_Ballots: TypeAlias = list[tuple[Sample, Candidate]]


@dataclass(frozen=True, kw_only=True)
class SelfConsistency:
    """Majority vote over `n` samples (Wang et al. 2022, arXiv:2203.11171).

    Cost: at most n calls; the prompt once and at most n answers. With ``stop="decided"`` the samples still
    running are aborted as soon as none of their outcomes can change the winner, so the answer is that of all n
    at a part of the cost; the paper draws all. `confidence` is the winner's share of the votes counted.
    """

    n: int = 16
    """Samples, >= 1."""
    stop: Literal["decided", "never"] = "decided"
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
        """Vote until all samples are in, the vote is decided, or the budget is spent."""
        classes = AnswerClasses(run.workers)
        answered: dict[int, tuple[Sample, str | None]] = {}
        ballots: _Ballots = []
        stop_reason: StopReason = "finished"
        async with run.sample(problem.prompt, n=self.n, sampling=self._sampling()) as samples:
            try:
                async for sample in samples:
                    answered[sample.index] = sample, _answer(sample)
                    ballots = await _cast([answered[index] for index in sorted(answered)], classes)
                    _tell_best(ballots, run)
                    if self.stop == "decided" and self._is_decided(ballots):
                        stop_reason = "decided" if len(ballots) < self.n else "finished"
                        break
            except BudgetExhausted:
                if not ballots:
                    raise
                stop_reason = "budget"
        return _elect(ballots, stop_reason)

    def _sampling(self) -> Sampling:
        return Sampling(temperature=self.temperature, max_tokens=self.max_tokens)

    def _is_decided(self, ballots: _Ballots) -> bool:
        votes = {candidate.index: candidate.key for _, candidate in ballots}
        return is_vote_decided(votes, set(range(self.n)) - set(votes))


def _answer(sample: Sample) -> str | None:
    return None if sample.is_error else extract_answer(sample.text)


async def _cast(answered: Sequence[tuple[Sample, str | None]], classes: AnswerClasses) -> _Ballots:
    """Turn answers, in the order of their samples, into votes: who came first does not matter."""
    keys = await classes.keys([answer for _, answer in answered])
    return [
        (
            sample,
            Candidate(
                index=sample.index,
                answer=answer,
                key=key,
                num_tokens=sample.num_tokens,
                finish_reason=sample.finish_reason,
            ),
        )
        for (sample, answer), key in zip(answered, keys, strict=True)
    ]


def _tell_best(ballots: _Ballots, run: Run) -> None:
    outcome = _elect(ballots, "finished")
    run.best(outcome.answer, key=outcome.key, confidence=outcome.confidence, text=outcome.text)


def _elect(ballots: _Ballots, stop_reason: StopReason) -> Outcome:
    """Count the votes; the answer's text is that of the winner's first voter by index."""
    candidates = tuple(candidate for _, candidate in ballots)
    winner = majority([candidate.key for candidate in candidates])
    if winner is None:
        return _nobody(ballots, stop_reason)
    sample, elected = next(ballot for ballot in ballots if ballot[1].key == winner.key)
    return Outcome(
        answer=elected.answer,
        key=elected.key,
        confidence=winner.share,
        text=sample.text,
        candidates=candidates,
        stop_reason=stop_reason,
    )


def _nobody(ballots: _Ballots, stop_reason: StopReason) -> Outcome:
    """Return the outcome of a vote without a voter; an error if every sample failed."""
    candidates = tuple(candidate for _, candidate in ballots)
    errors = [sample.error for sample, _ in ballots if sample.is_error]
    if len(errors) == len(ballots):
        return Outcome(answer=None, candidates=candidates, stop_reason="error", error=errors[0])
    return Outcome(answer=None, candidates=candidates, stop_reason=stop_reason)
