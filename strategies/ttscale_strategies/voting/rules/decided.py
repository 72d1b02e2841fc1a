"""Whether the samples still running can change the winner of a majority vote."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Set

from ttscale_strategies.voting.rules.majority import majority


def is_vote_decided(votes: Mapping[int, str | None], running: Set[int]) -> bool:
    """Return whether no outcome of the running samples can change the winner of a `majority` vote.

    The worst case for the leader is that every running sample votes for the same challenger: one that has votes
    already, or a new one. A tie goes to the key whose first voter has the smaller sample index.

    Args:
        votes: key by sample index, of the samples that have ended.
        running: indices of the samples that have not.
    """
    if not running:
        return True
    ordered = sorted(votes.items())
    leader = majority([key for _, key in ordered])
    if leader is None:
        return False
    counts = Counter(key for _, key in ordered if key is not None)
    first = {key: index for index, key in reversed(ordered) if key is not None}
    earliest_running, lead_first = min(running), first[leader.key]

    def may_win(count: int, first_index: int) -> bool:
        total = count + len(running)
        return total > leader.votes or (
            total == leader.votes and min(first_index, earliest_running) < lead_first
        )

    challengers = [(count, first[key]) for key, count in counts.items() if key != leader.key]
    return not any(may_win(count, index) for count, index in (*challengers, (0, earliest_running)))
