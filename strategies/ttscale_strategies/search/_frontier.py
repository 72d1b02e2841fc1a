"""The frontier of a best-first search: which state is expanded next."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from ttscale_strategies.search.rules import edge_logprob, expansion_priority
from ttscale_strategies.search.tree import Draw, Node, Site, Tree

Urgency = Literal["logprob", "reward"]
"""What makes a state urgent: that its steps are likely, or that the verifier likes it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """What one best-first search may spend, and how."""

    urgency: Urgency
    alpha: float
    """See `expansion_priority`."""
    num_expansions: int
    num_children: int
    parallel: int
    ends: bool
    """Whether the last expansion writes solutions to their ends where none has ended before."""


class _Open(NamedTuple):
    """A state that can be expanded; the least first."""

    priority: float
    order: tuple[tuple[str, int], ...]
    key: str
    logprob_sum: float
    depth: int


class Winner(NamedTuple):
    """The first draw that was accepted, in the order of expansions and draws."""

    expansion: int
    number: int
    key: str


class Frontier:
    """One best-first search below a node: decides, expansion by expansion, which state gets children.

    Expansion t knows what came of the expansions 0 to t - `parallel`, and of no others; where these left no
    state open, of as many more as it takes. So which step ends first changes nothing. A state is what has been
    written, but for white space: however it was come to, it is expanded once, when it is most urgent.
    """

    def __init__(self, start: str, action: str, effort: Effort, is_accepted: Callable[[Node], bool]) -> None:
        """Begin with one open state.

        Args:
            start: key of its node.
            action: of its sites.
            effort: what it may spend.
            is_accepted: whether a node is what is searched for.
        """
        self._effort = effort
        self._action = action
        self._is_accepted = is_accepted
        self._open = [_Open(0.0, (), start, 0.0, 0)]
        self._expanded: list[_Open] = []
        self._states = set[str]()
        self._has_end = False
        self._winner: Winner | None = None
        self.sites: list[Site] = []
        """Of the expansions decided on, in their order; each is to have `num_children` draws."""
        self.num_known = 0
        """Expansions all of whose draws are known."""

    def advance(self, tree: Tree) -> None:
        """Decide on all expansions that can be decided on by now."""
        while True:
            if self._may_decide and (chosen := self._pop(tree)) is not None:
                self._decide(chosen)
            elif self._is_next_known(tree):
                self._learn(tree)
            else:
                return

    @property
    def is_over(self) -> bool:
        """Whether all expansions are known, and there will be no other."""
        is_done = len(self.sites) == self._effort.num_expansions or not self._open
        return is_done and self.num_known == len(self.sites)

    def winner(self, tree: Tree) -> Winner | None:
        """Return the first draw accepted so far; what is still on its way may come before it."""
        if self._winner is not None:
            return self._winner
        for expansion in range(self.num_known, len(self.sites)):
            if (found := self._accepted(tree, expansion)) is not None:
                return found
        return None

    def are_known(self, tree: Tree, num_expansions: int, num_draws: int = 0) -> bool:
        """Return whether so many expansions, and so many draws of the next, are known or will never be."""
        if self.is_over or self.num_known > num_expansions:
            return True
        if self.num_known < num_expansions:
            return False
        return all(Draw(self.sites[num_expansions], number) in tree.draws for number in range(num_draws))

    @property
    def _may_decide(self) -> bool:
        number = len(self.sites)
        return number < self._effort.num_expansions and self.num_known > number - self._effort.parallel

    def _pop(self, tree: Tree) -> _Open | None:
        """Take the most urgent state whose like has not been expanded."""
        while self._open:
            chosen = heapq.heappop(self._open)
            state = " ".join(tree.text(chosen.key).split())
            if state not in self._states:
                self._states.add(state)
                return chosen
        return None

    def _decide(self, chosen: _Open) -> None:
        is_last = len(self.sites) + 1 == self._effort.num_expansions
        to_end = is_last and self._effort.ends and not self._has_end
        self._expanded.append(chosen)
        self.sites.append(Site(chosen.key, to_the_end(self._action) if to_end else self._action))

    def _is_next_known(self, tree: Tree) -> bool:
        if self.num_known == len(self.sites):
            return False
        draws = tree.drawn(self.sites[self.num_known], self._effort.num_children)
        return len(draws) == self._effort.num_children

    def _learn(self, tree: Tree) -> None:
        """Take in what the next expansion brought."""
        source, site = self._expanded[self.num_known], self.sites[self.num_known]
        if self._winner is None:
            self._winner = self._accepted(tree, self.num_known)
        self.num_known += 1
        for node in tree.children(site, self._effort.num_children):
            if node.is_end:
                self._has_end = True
                continue
            logprob_sum = source.logprob_sum + _edge(node) if self._effort.urgency == "logprob" else 0.0
            state = _Open(
                self._priority(node, logprob_sum, source.depth + 1),
                tree.order(node.key),
                node.key,
                logprob_sum,
                source.depth + 1,
            )
            heapq.heappush(self._open, state)

    def _priority(self, node: Node, logprob_sum: float, depth: int) -> float:
        if self._effort.urgency == "reward":
            return 1.0 if node.reward is None else 1.0 - node.reward
        return expansion_priority(logprob_sum, depth, alpha=self._effort.alpha)

    def _accepted(self, tree: Tree, expansion: int) -> Winner | None:
        for number in range(self._effort.num_children):
            key = tree.draws.get(Draw(self.sites[expansion], number))
            if key is not None and self._is_accepted(tree.nodes[key]):
                return Winner(expansion, number, key)
        return None


def to_the_end(action: str) -> str:
    """Return the action of the sites at which a search writes solutions to their ends."""
    return f"{action}end:"


def _edge(node: Node) -> float:
    """Return a step's mean logprob; minus infinity where it has none that can be used."""
    try:
        return edge_logprob(node.logprobs or ())
    except ValueError:
        return -math.inf


class Race:
    """Several searches from one node: what the first of them finds is the result of all.

    The first is who has it in the fewest expansions, of several the one that was named first. It does not
    matter when it arrives: what can no longer come before it is given up, what can is waited for.
    """

    def __init__(self, searches: Mapping[str, Frontier], num_children: int) -> None:
        """Set searches off.

        Args:
            searches: by their actions.
            num_children: of each expansion.
        """
        self._searches = list(searches.values())
        self._num_children = num_children

    def look(self, tree: Tree) -> tuple[dict[Site, int], bool, str | None]:
        """Return what is wanted, whether the race is over, and the key of what was found by then."""
        for search in self._searches:
            search.advance(tree)
        first = self._first(tree)
        if first is None:
            sites = [site for search in self._searches for site in search.sites]
            is_over = all(search.is_over for search in self._searches)
            return dict.fromkeys(sites, self._num_children), is_over, None
        place, winner = first
        wanted = dict[Site, int]()
        is_over = True
        for number, search in enumerate(self._searches):
            limit = winner.expansion + (number < place)
            wanted |= dict.fromkeys(search.sites[:limit], self._num_children)
            is_over &= search.are_known(tree, limit, winner.number if number == place else 0)
        wanted[self._searches[place].sites[winner.expansion]] = winner.number + 1
        return wanted, is_over, winner.key

    def _first(self, tree: Tree) -> tuple[int, Winner] | None:
        """Return which search is ahead of all others that have found something, and what it found."""
        found = [(place, search.winner(tree)) for place, search in enumerate(self._searches)]
        ahead = [(winner.expansion, place, winner) for place, winner in found if winner is not None]
        return min(ahead)[1:] if ahead else None
