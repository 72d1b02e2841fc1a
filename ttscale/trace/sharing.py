"""What an engine holds and computes that makes use of prefixes that prompts share; see `ttscale.types.Sharing`.

While k samples that share a prefix of s tokens decode at the same pace, an engine that holds the prefix once
has s tokens of it at each step, not k · s. Samples need not go at one pace: what is held once is divided among
those that hold it, so that each of their tokens has its share of it at its own step,

    Σ over tokens x ∫ (mean pace of the samples under way that hold x) dt,

plus g · (g + 1) / 2 for g tokens of a sample's own. What a sample generates is its own while it is under way.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from ttscale.trace.prefixes import PrefixNode, Visit
from ttscale.trace.stays import BEGINS, Stay, moments, whole_tokens
from ttscale.types import Sharing


def sharing_of(stays: Sequence[Stay]) -> Sharing | None:
    """Return how far the prompts of stays begin alike, once `Trace.count_shared` has worked it out.

    Prompts that the engine does not account for (it failed, or was called off before it got to them) are in no
    number.

    Returns:
        ``None``: the tokens of some prompt or answer are not known.
    """
    visits = list[Visit]()
    met = [stay for stay in stays if stay.prompt or stay.generated]
    computed = shared = unshared = 0
    in_blocks: int | None = 0
    for stay in met:
        visit = stay.visit
        if visit is None or visit.shared is None:
            return None
        visits.append(visit)
        found = visit.shared_in_blocks
        computed += stay.prompt_computed
        shared += visit.shared
        unshared += visit.num_tokens - visit.shared
        in_blocks = None if in_blocks is None or found is None else in_blocks + visit.num_tokens - found
    steps, peak = _held_once(met, visits)
    return Sharing(
        computed=computed,
        shared=shared,
        unshared=unshared,
        unshared_in_blocks=in_blocks,
        kv_token_steps=steps,
        peak_kv_tokens=peak,
    )


class _Prompts:
    """The prompts of stays under way, as a tree."""

    def __init__(self) -> None:
        self.tokens = 0
        """Held, shared ones once."""
        self.pace = 0.0
        """Of each token held the mean pace of those that hold it, summed: token-steps a second."""
        self._holders: dict[PrefixNode, tuple[int, float]] = {}
        """Of each edge, how many hold it, and the sum of their paces."""

    def add(self, visit: Visit, pace: float, by: int = 1) -> None:
        """Take in a prompt that goes on at a pace, or take it out again (by -1)."""
        node = visit.node
        while node.parent is not None:
            length = node.end - node.parent.end
            count, total = self._holders.get(node, (0, 0.0))
            if count:
                self.pace -= length * total / count
            else:
                self.tokens += length
            count, total = count + by, total + by * pace
            if count:
                self.pace += length * total / count
                self._holders[node] = count, total
            else:
                self.tokens -= length
                del self._holders[node]
            node = node.parent
        if not self._holders:
            self.pace = 0.0  # what rounding has left


def _held_once(stays: Sequence[Stay], visits: Sequence[Visit]) -> tuple[int, int]:
    """Return the tokens held, shared ones once: summed over decode steps, and the most at once."""
    prompts = _Prompts()
    steps = most = base = slope = before = 0.0
    for time, kind, number in moments(stays):
        stay, visit = stays[number], visits[number]
        steps, before = steps + prompts.pace * (time - before), time
        own_base, own_slope = stay.line(0)
        if kind == BEGINS:
            base, slope = base + own_base, slope + own_slope
            prompts.add(visit, stay.pace)
        else:
            most = max(most, base + slope * time + prompts.tokens)
            base, slope = base - own_base, slope - own_slope
            prompts.add(visit, stay.pace, -1)
    own = sum(stay.generated * (stay.generated + 1) // 2 for stay in stays)
    return own + round(steps + _instant_steps(stays, visits)), whole_tokens(most)


def _instant_steps(stays: Sequence[Stay], visits: Sequence[Visit]) -> float:
    """Return the token-steps of prompts of stays that take no time; those of one instant go step by step."""
    instants = [number for number, stay in enumerate(stays) if stay.ended <= stay.began]
    total = 0.0
    for _, group in groupby(sorted(instants, key=lambda n: stays[n].began), key=lambda n: stays[n].began):
        prompts = _Prompts()
        for number in group:
            prompts.add(visits[number], float(stays[number].generated))
        total += prompts.pace
    return total
