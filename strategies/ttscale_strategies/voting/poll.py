"""A poll: samples as they come in, the answers they vote for, and whom a rule elects."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from ttscale.answers import AnswerClasses, extract_answer
from ttscale.errors import BudgetExhausted
from ttscale.run import Run, SampleBlock
from ttscale.types import Candidate, Outcome, Problem, Sample, Sampling, StopReason
from ttscale_strategies.voting.rules import Election, Majority, majority

DecideBy: TypeAlias = Literal["index", "arrival"]
"""Which samples a stop may look at: ``"index"``, the first ones drawn, as soon as all of them have ended, or
``"arrival"``, whatever has ended so far. What ends early is short, and short samples are not like the others:
deciding by arrival is quicker and biased towards their answers."""

Measure: TypeAlias = Callable[[Sample], float | None]
"""What is measured of each sample, once; ``None`` where it cannot be told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ballot:
    """A sample with the answer it votes for."""

    sample: Sample
    answer: str | None
    key: str | None
    """``None`` does not vote."""
    measured: float | None = None
    """What the poll's measure says of the sample."""

    @property
    def candidate(self) -> Candidate:
        """What an outcome tells of it."""
        return Candidate(
            index=self.sample.index,
            answer=self.answer,
            key=self.key,
            num_tokens=self.sample.num_tokens,
            finish_reason=self.sample.finish_reason,
            score=self.measured,
        )


Rule: TypeAlias = Callable[[Sequence[Ballot]], Majority | Election | None]
"""Elects a key among ballots in order of sample index; ``None`` if nobody votes."""

Electorate: TypeAlias = Callable[[Sequence[Ballot]], Sequence[Ballot]]
"""Which of the ballots, in order of sample index, may vote."""


def keys_of(ballots: Sequence[Ballot]) -> list[str | None]:
    """Return the keys of ballots, in their order."""
    return [ballot.key for ballot in ballots]


def plain_majority(ballots: Sequence[Ballot]) -> Majority | None:
    """Elect the most frequent key."""
    return majority(keys_of(ballots))


def everyone(ballots: Sequence[Ballot]) -> Sequence[Ballot]:
    """Let all ballots vote."""
    return ballots


def _never() -> bool:
    return False


class Poll:
    """The samples drawn so far, in order of their indices, and what a rule makes of them.

    Answers get their keys in that order too, so that nothing depends on which sample ended first. A sample that
    was aborted has a ballot, and no vote. Samples are kept without their log-probabilities, which take more
    memory than all else; whatever is needed of these must be measured.

    Args:
        run: hears the best answer so far, as samples come in.
        rule: elects.
        electorate: which ballots the rule is shown, of those that `decide_by` lets vote.
        measure: what is measured of each sample for the rule.
        decide_by: which samples vote. By index those up to the first that still runs; if there is none yet
            when the budget ends, all.
    """

    def __init__(
        self,
        run: Run,
        rule: Rule = plain_majority,
        *,
        electorate: Electorate = everyone,
        measure: Measure | None = None,
        decide_by: DecideBy = "arrival",
    ) -> None:
        self._run = run
        self._rule = rule
        self._electorate = electorate
        self._measure = measure
        self._decide_by: DecideBy = decide_by
        self._classes = AnswerClasses(run.workers)
        self._drawn: dict[int, tuple[Sample, str | None, float | None]] = {}
        self.ballots: tuple[Ballot, ...] = ()
        """All ballots, by sample index."""
        self.stop_reason: StopReason = "finished"

    async def draw(
        self,
        problem: Problem,
        *,
        n: int,
        sampling: Sampling,
        until: Callable[[], bool] = _never,
        window: int | None = None,
    ) -> Outcome:
        """Draw up to n samples of a problem and return what they elect.

        Args:
            problem: asked of the run's model.
            n: most samples.
            sampling: how tokens are drawn.
            until: asked after each sample; what still runs when it holds is aborted.
            window: samples at work at once; ``None``: all.

        Raises:
            BudgetExhausted: the budget does not buy a single sample.
        """
        async with self._run.sample(problem.prompt, n=n, sampling=sampling, window=window) as samples:
            await self.hear(samples, until=until, num_expected=n)
        return self.outcome()

    async def hear(
        self,
        samples: SampleBlock,
        *,
        until: Callable[[], bool] = _never,
        num_expected: int | None = None,
        first_index: int = 0,
    ) -> bool:
        """Take samples in as they end, until a condition holds, none is left, or the budget is spent.

        Args:
            samples: an entered block.
            until: asked after each sample.
            num_expected: ballots there are if nothing stops it: to stop with the last one is no early stop.
            first_index: added to the samples' indices, which begin with 0 in every run.

        Returns:
            Whether everything came in; else `stop_reason` says why not.

        Raises:
            BudgetExhausted: the budget does not buy a single sample.
        """
        try:
            async for sample in samples:
                await self.add(replace(sample, index=first_index + sample.index) if first_index else sample)
                if until() and not samples.has_more:
                    if num_expected is None or len(self.ballots) < num_expected:
                        self.stop_reason = "decided"
                    return False
        except BudgetExhausted:
            if not self.ballots:
                raise
            self.stop_reason = "budget"
            return False
        return True

    async def add(self, sample: Sample) -> None:
        """Take in a sample that has ended."""
        is_whole = sample.finish_reason not in ("abort", "error")
        answer = extract_answer(sample.text) if is_whole else None
        measured = None if self._measure is None or sample.is_error else self._measure(sample)
        self._drawn[sample.index] = replace(sample, logprobs=None, top_logprobs=None), answer, measured
        ordered = [self._drawn[index] for index in sorted(self._drawn)]
        keys = await self._classes.keys([answer for _, answer, _ in ordered])
        self.ballots = tuple(
            Ballot(sample=sample, answer=answer, key=key, measured=measured)
            for (sample, answer, measured), key in zip(ordered, keys, strict=True)
        )
        elected, share = self._elected()
        if elected is None:
            self._run.best(None)
        else:
            self._run.best(elected.answer, key=elected.key, confidence=share, text=elected.sample.text)

    @property
    def prefix(self) -> tuple[Ballot, ...]:
        """The ballots of the first samples drawn, up to the first that still runs."""
        num_ended = next(
            (place for place, ballot in enumerate(self.ballots) if ballot.sample.index != place),
            len(self.ballots),
        )
        return self.ballots[:num_ended]

    @property
    def considered(self) -> tuple[Ballot, ...]:
        """The ballots that a stop may look at."""
        return self.prefix if self._decide_by == "index" else self.ballots

    @property
    def voters(self) -> tuple[Ballot, ...]:
        """The ballots that vote."""
        return tuple(self._electorate(self.considered or self.ballots))

    def outcome(self) -> Outcome:
        """Return who is elected; the answer's text is that of the winner's first voter by index."""
        candidates = tuple(ballot.candidate for ballot in self.ballots)
        elected, share = self._elected()
        if elected is not None:
            return Outcome(
                answer=elected.answer,
                key=elected.key,
                confidence=share,
                text=elected.sample.text,
                candidates=candidates,
                stop_reason=self.stop_reason,
            )
        if all(ballot.sample.is_error for ballot in self.ballots):
            error = self.ballots[0].sample.error if self.ballots else None
            return Outcome(answer=None, candidates=candidates, stop_reason="error", error=error)
        return Outcome(answer=None, candidates=candidates, stop_reason=self.stop_reason)

    def _elected(self) -> tuple[Ballot | None, float | None]:
        """Return the winner's first voter by index, and the winner's share."""
        voters = self.voters
        winner = self._rule(voters)
        if winner is None:
            return None, None
        return next(ballot for ballot in voters if ballot.key == winner.key), winner.share
