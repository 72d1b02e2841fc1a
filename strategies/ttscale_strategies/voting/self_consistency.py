"""Self-consistency: sample side by side, take the most frequent answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from ttscale.answers import AnswerClasses, extract_answer

from ttscale.errors import BudgetExhausted
from ttscale.run import Run
from ttscale.types import Candidate, Outcome, Problem, Sample, Sampling, StopReason
from ttscale_strategies.voting.rules import is_vote_decided, majority


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

    def max_samples(self) -> int:
        """Return n."""
        return self.n

    async def solve(self, problem: Problem, run: Run) -> Outcome:
        """Vote until all samples are in, the vote is decided, or the budget is spent."""
        sampling = Sampling(temperature=self.temperature, max_tokens=self.max_tokens)
        classes = AnswerClasses(run.workers)
        ballots: dict[int, tuple[Sample, Candidate]] = {}
        stop_reason: StopReason = "finished"
        async with run.sample(problem.prompt, n=self.n, sampling=sampling) as samples:
            try:
                async for sample in samples:
                    ballots[sample.index] = sample, await _candidate(sample, classes)
                    self._tell_best(ballots, run)
                    if self.stop == "decided" and self._is_decided(ballots):
                        stop_reason = "decided" if len(ballots) < self.n else "finished"
                        break
            except BudgetExhausted:
                if not ballots:
                    raise
                stop_reason = "budget"
        return _elect(ballots, stop_reason)

    def _is_decided(self, ballots: dict[int, tuple[Sample, Candidate]]) -> bool:
        votes = {index: candidate.key for index, (_, candidate) in ballots.items()}
        return is_vote_decided(votes, set(range(self.n)) - set(votes))

    def _tell_best(self, ballots: dict[int, tuple[Sample, Candidate]], run: Run) -> None:
        outcome = _elect(ballots, "finished")
        run.best(outcome.answer, key=outcome.key, confidence=outcome.confidence, text=outcome.text)


async def _candidate(sample: Sample, classes: AnswerClasses) -> Candidate:
    answer = None if sample.is_error else extract_answer(sample.text)
    return Candidate(
        index=sample.index,
        answer=answer,
        key=await classes.key(answer),
        num_tokens=sample.num_tokens,
        finish_reason=sample.finish_reason,
    )


def _elect(ballots: dict[int, tuple[Sample, Candidate]], stop_reason: StopReason) -> Outcome:
    """Count the votes; the answer's text is that of the winner's first voter by index."""
    ordered = [ballots[index] for index in sorted(ballots)]
    candidates = tuple(candidate for _, candidate in ordered)
    winner = majority([candidate.key for candidate in candidates])
    if winner is None:
        return _nobody(ordered, stop_reason)
    sample, elected = next(ballot for ballot in ordered if ballot[1].key == winner.key)
    return Outcome(
        answer=elected.answer,
        key=elected.key,
        confidence=winner.share,
        text=sample.text,
        candidates=candidates,
        stop_reason=stop_reason,
    )


def _nobody(ordered: list[tuple[Sample, Candidate]], stop_reason: StopReason) -> Outcome:
    """Return the outcome of a vote without a voter; an error if every sample failed."""
    candidates = tuple(candidate for _, candidate in ordered)
    errors = [sample.error for sample, _ in ordered if sample.is_error]
    if len(errors) == len(ordered):
        return Outcome(answer=None, candidates=candidates, stop_reason="error", error=errors[0])
    return Outcome(answer=None, candidates=candidates, stop_reason=stop_reason)
