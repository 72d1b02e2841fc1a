"""Inverse-entropy voting: samples whose tokens hesitate less count for more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from ttscale.run import Run
from ttscale.types import Outcome, Problem
from ttscale_strategies.checks import require_positive
from ttscale_strategies.voting._options import DrawOptions
from ttscale_strategies.voting.confidence_measures import entropy_measure, require_top_logprobs
from ttscale_strategies.voting.poll import Ballot, Poll, keys_of
from ttscale_strategies.voting.rules import Election, inverse_entropy_vote
from ttscale_strategies.voting.rules.inverse_entropy import MIN_ENTROPY


@dataclass(frozen=True, kw_only=True)
class InverseEntropyVote(DrawOptions):
    """The vote weighted by 1 / mean token entropy ("The Sequential Edge", arXiv:2511.02309).

    Cost: n calls; the prompt once and n answers, each token with the log-probabilities of `top_logprobs`
    tokens. Nothing is stopped early: a sample's weight is known when it ends. The paper applies the vote to
    samples drawn side by side, as here, and to chains that each refine the one before. It does not say how many
    tokens an entropy is taken over nor whether their probabilities are made to sum to 1: 20, and they are. Its
    floor of an entropy lets one sample that never hesitates outvote all others; ours does not. If the entropy
    of a sample with an answer is unknown, all weigh the same. A model that gives fewer log-probabilities is
    refused. `confidence` is the winner's share of the weights; a candidate's score is its entropy in bits,
    lower is surer.
    """

    n: int = 6
    top_logprobs: int = 20
    """Tokens of each position that an entropy is taken over, >= 1."""
    renormalise: bool = True
    """Whether their probabilities are divided by their sum."""
    min_entropy: float = MIN_ENTROPY
    """Bits that a sample counts as having at least, > 0; the paper's is 1e-10."""

    needs: ClassVar[frozenset[str]] = frozenset({"max_top_logprobs"})

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(self.top_logprobs, "top_logprobs")
        self._elect(())

    async def solve(self, problem: Problem, run: Run) -> Outcome:
        """Vote when all samples are in, or the budget is spent.

        Raises:
            CapabilityError: the model gives fewer log-probabilities.
        """
        require_top_logprobs(run, self.top_logprobs)
        measure = entropy_measure(self.top_logprobs, renormalise=self.renormalise)
        poll = Poll(run, self._elect, measure=measure)
        return await poll.draw(problem, n=self.n, sampling=self.sampling(logprobs=self.top_logprobs))

    def _elect(self, ballots: Sequence[Ballot]) -> Election | None:
        entropies = [ballot.measured for ballot in ballots]
        return inverse_entropy_vote(keys_of(ballots), entropies, min_entropy=self.min_entropy)
