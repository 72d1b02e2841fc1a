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
class FirstFinish(DrawOptions):
    """FFS-k: the first k of n samples with an answer vote.

    "The Art of Scaling Test-Time Compute", arXiv:2512.02008. Cost: n calls; the prompt once and n answers, cut
    short where the k-th ends: all others are aborted there, and what they had written counts (the paper's code
    leaves it out). The latency is that of the k-th shortest sample. The answer depends on which samples end
    first, by design: it favours short ones, which helps models that ramble when they are wrong, and harms
    those whose right answers are long. Samples as long as the k-th vote too. `confidence` is the winner's
    share of the votes.
    """

    n: int = 8
    k: int = 1
    """Samples with an answer that vote, 1 to n."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _require_voters(self.n, self.k)

    async def solve(self, problem: Problem, run: Run) -> Outcome:
        """Vote when k samples have answered, all have ended, or the budget is spent."""

        def elect(ballots: Sequence[Ballot]) -> Majority | None:
            return first_finish(keys_of(ballots), _lengths(ballots), self.k).winner

        poll = Poll(run, elect)

        def has_voters() -> bool:
            return sum(ballot.key is not None for ballot in poll.ballots) >= self.k

        async with run.sample(problem.prompt, n=self.n, sampling=self.sampling()) as samples:
            await poll.hear(samples, until=has_voters, num_expected=self.n)
        return poll.outcome()


@dataclass(frozen=True, kw_only=True)
class LastFinish(DrawOptions):
    """LFS-k: the last k of n samples with an answer vote (arXiv:2512.02008).

    Cost: n calls; the prompt once and n answers: nothing can be stopped early. Samples as long as the k-th
    from the end vote too. `confidence` is the winner's share of the votes.
    """

    n: int = 8
    k: int = 1
    """Samples with an answer that vote, 1 to n."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _require_voters(self.n, self.k)

    async def solve(self, problem: Problem, run: Run) -> Outcome:
        """Vote when all samples are in, or the budget is spent."""

        def elect(ballots: Sequence[Ballot]) -> Majority | None:
            return last_finish(keys_of(ballots), _lengths(ballots), self.k).winner

        poll = Poll(run, elect)
        async with run.sample(problem.prompt, n=self.n, sampling=self.sampling()) as samples:
            await poll.hear(samples)
        return poll.outcome()


def _lengths(ballots: Sequence[Ballot]) -> list[int]:
    return [ballot.sample.num_tokens for ballot in ballots]


def _require_voters(n: int, k: int) -> None:
    if not 1 <= k <= n:
        raise ValueError(f"k must be 1 to n = {n}, got {k!r}")
