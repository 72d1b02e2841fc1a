"""Agreement: from which samples on no more are needed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ttscale_strategies.voting.poll import Ballot, DecideBy


class Agreement:
    """The electorate of a poll that ends when ballots agree: those that do, and until then all.

    By index each beginning of the samples drawn is looked at, the shortest first, and the first that agrees
    votes, however many samples have ended by the time its last one has: the order in which they end changes
    nothing. By arrival whatever has ended is looked at.

    Args:
        agree: whether ballots, in order of sample index, agree; asked once of each beginning.
        decide_by: see `DecideBy`.
    """

    def __init__(self, agree: Callable[[Sequence[Ballot]], bool], decide_by: DecideBy) -> None:
        self._agree = agree
        self._decide_by: DecideBy = decide_by
        self._num_looked_at = 0
        self._num_agreed: int | None = None
        self.is_reached = False

    def __call__(self, ballots: Sequence[Ballot]) -> Sequence[Ballot]:
        """Look at ballots, and return those that vote."""
        if not self.is_reached:
            if self._decide_by == "arrival":
                self.is_reached = self._agree(ballots)
            else:
                self._look_at_beginnings(ballots)
        return ballots[: self._num_agreed]

    def _look_at_beginnings(self, ballots: Sequence[Ballot]) -> None:
        num_first = sum(ballot.sample.index == place for place, ballot in enumerate(ballots))
        for num in range(self._num_looked_at + 1, num_first + 1):
            self._num_looked_at = num
            if self._agree(ballots[:num]):
                self.is_reached = True
                self._num_agreed = num
                break
