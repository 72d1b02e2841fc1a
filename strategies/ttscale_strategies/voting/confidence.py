"""Votes by confidence: samples that the model was surer of count for more, or alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, assert_never

from ttscale.run import Run
from ttscale.types import Outcome, Problem
from ttscale_strategies.checks import require_positive
from ttscale_strategies.voting._options import DrawOptions
from ttscale_strategies.voting.confidence_measures import (
    LARGE_VOCABULARY,
    certainty_measure,
    confidence_measure,
    require_top_logprobs,
)
from ttscale_strategies.voting.poll import Ballot, Measure, Poll, keys_of
from ttscale_strategies.voting.rules import (
    Election,
    TraceMeasure,
    borda_vote,
    filtered_vote,
    trace_confidence,
    weighted_vote,
)
from ttscale_strategies.voting.rules.token_confidence import WINDOW


@dataclass(frozen=True, kw_only=True)
class ConfidenceVote(DrawOptions):
    """A vote by what the samples' log-probabilities say of them: self-certainty, or DeepConf's confidences.

    Self-certainty and Borda voting: Kang et al. 2025, arXiv:2502.18581, the default. Confidences, and the vote
    among the surest: Fu et al. 2025, arXiv:2508.15260; ``measure=tail,vote=filtered`` is its offline DeepConf,
    `DeepConf` the online one. Cost: n calls; the prompt once and n answers, each token with the
    log-probabilities of `top_logprobs` tokens. Nothing is stopped early: who is how sure is known at the end.

    Departures: self-certainty is defined over the whole vocabulary, which engines rarely give; what the listed
    tokens leave is spread evenly over the others, which makes it a lower bound. Samples without
    log-probabilities rank last, and otherwise weigh nothing; if no sample has any, it is a plain majority. A
    model that gives fewer than `top_logprobs` is refused. `confidence` is the winner's share of the weights; a
    candidate's score is what was measured of it, in nats, greater is surer.
    """

    measure: Literal["self_certainty"] | TraceMeasure = "self_certainty"
    """``"mean"`` of the tokens' confidences, that of the ``"tail"``, the ``"lowest"`` of all groups, the
    ``"bottom"`` groups' mean (see `ttscale_strategies.voting.rules.trace_confidence`), or self-certainty."""
    vote: Literal["borda", "weighted", "filtered"] = "borda"
    """By rank, by the sum of what was measured, or by that sum among the surest alone."""
    power: float = 0.5
    """Of a rank's votes, >= 0; 0: a plain majority. For ``vote=borda``."""
    keep: float = 0.1
    """Share of the samples that vote, in [0, 1]. For ``vote=filtered``."""
    window: int = WINDOW
    """Tokens in a group, >= 1; for ``"lowest"`` and ``"bottom"``."""
    tail: int = WINDOW
    """Tokens, >= 1."""
    bottom: float = 0.1
    """Share of the groups, in [0, 1]."""
    top_logprobs: int = 20
    """Tokens of each position that are looked at, >= 1."""
    vocabulary_size: int | None = None
    """Of the model, for self-certainty, >= `top_logprobs`. ``None``: 100,000, near enough for any large
    vocabulary, as hardly anything but the probability of the tokens not listed matters."""

    needs: ClassVar[frozenset[str]] = frozenset({"max_top_logprobs"})

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(self.top_logprobs, "top_logprobs")
        if (self.vocabulary_size or LARGE_VOCABULARY) < self.top_logprobs:
            raise ValueError(
                f"vocabulary_size must be >= top_logprobs = {self.top_logprobs}, got {self.vocabulary_size!r}"
            )
        trace_confidence((), window=self.window, tail=self.tail, bottom=self.bottom)
        borda_vote((), (), power=self.power)
        filtered_vote((), (), keep=self.keep)

    async def solve(self, problem: Problem, run: Run) -> Outcome:
        """Vote when all samples are in, or the budget is spent.

        Raises:
            CapabilityError: the model gives fewer log-probabilities.
        """
        require_top_logprobs(run, self.top_logprobs)
        poll = Poll(run, self._elect, measure=self._measure())
        return await poll.draw(problem, n=self.n, sampling=self.sampling(logprobs=self.top_logprobs))

    def _measure(self) -> Measure:
        if self.measure == "self_certainty":
            return certainty_measure(self.top_logprobs, self.vocabulary_size)
        return confidence_measure(
            self.top_logprobs, self.measure, window=self.window, tail=self.tail, bottom=self.bottom
        )

    def _elect(self, ballots: Sequence[Ballot]) -> Election | None:
        keys, measured = keys_of(ballots), [ballot.measured for ballot in ballots]
        known = [value or 0.0 for value in measured]
        match self.vote:
            case "borda":
                return borda_vote(keys, measured, power=self.power)
            case "weighted":
                return weighted_vote(keys, known)
            case "filtered":
                return filtered_vote(keys, known, keep=self.keep)
            case _:
                assert_never(self.vote)
