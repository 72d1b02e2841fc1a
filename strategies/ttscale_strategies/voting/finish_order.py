"""First-finish and last-finish search: the samples that end first, or last, vote."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ttscale.run import Run
from ttscale.types import Outcome, Problem
from ttscale_strategies.voting._options import DrawOptions
from ttscale_strategies.voting.poll import Ballot, Poll, keys_of
from ttscale_strategies.voting.rules import Majority, first_finish, last_finish


@dataclass(frozen=True, kw_only=True)
class _FinishOptions(DrawOptions):
    n: int = 8
    k: int = 1
    """Samples with an answer that vote, 1 to n."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.k <= self.n:
            raise ValueError(f"k must be 1 to n = {self.n}, got {self.k!r}")


@dataclass(frozen=True, kw_only=True)
class FirstFinish(_FinishOptions):
    """FFS-k: the first k of n samples with an answer vote.

    "The Art of Scaling Test-Time Compute", arXiv:2512.02008. Cost: n calls; the prompt once and n answers, cut
    short where the k-th ends: all others are aborted there, and what they had written counts (the paper's code
    leaves it out). The latency is that of the k-th shortest sample. The answer depends on which samples end
    first, by design: it favours short ones, which helps models that ramble when they are wrong, and harms
    those whose right answers are long. Samples as long as the k-th vote too. `confidence` is the winner's
    share of the votes.
    """

    async def solve(self, problem: Problem, run: Run) -> Outcome:
        """Vote when k samples have answered, all have ended, or the budget is spent."""

        def elect(ballots: Sequence[Ballot]) -> Majority | None:
            return first_finish(keys_of(ballots), _lengths(ballots), self.k).winner

        poll = Poll(run, elect)

        def has_voters() -> bool:
            return sum(ballot.key is not None for ballot in poll.ballots) >= self.k

        return await poll.draw(problem, n=self.n, sampling=self.sampling(), until=has_voters)


@dataclass(frozen=True, kw_only=True)
class LastFinish(_FinishOptions):
    """LFS-k: the last k of n samples with an answer vote (arXiv:2512.02008).

    Cost: n calls; the prompt once and n answers: nothing can be stopped early. Samples as long as the k-th
    from the end vote too. `confidence` is the winner's share of the votes.
    """

    async def solve(self, problem: Problem, run: Run) -> Outcome:
        """Vote when all samples are in, or the budget is spent."""

        def elect(ballots: Sequence[Ballot]) -> Majority | None:
            return last_finish(keys_of(ballots), _lengths(ballots), self.k).winner

        poll = Poll(run, elect)
        return await poll.draw(problem, n=self.n, sampling=self.sampling())


def _lengths(ballots: Sequence[Ballot]) -> list[int]:
    return [ballot.sample.num_tokens for ballot in ballots]
