"""Which prompts belong together where an engine shares one prefix a group: the groups of BatchLLM.

An engine that keeps a tree of all prefixes needs none of this. One that computes a single shared prefix for
each batch (cascade attention, a system prompt that is loaded once) saves most if prompts that begin alike are
grouped first, and each group is run in one go.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class PrefixGroup:
    """Prompts that are run together, and what they share."""

    members: tuple[int, ...]
    """Places of the prompts, in ascending order."""
    prefix_length: int
    """Tokens that all of them begin with and that are computed once; 0 for a prompt alone."""

    @property
    def saved_tokens(self) -> int:
        """Return the prompt tokens that need not be computed: (members - 1) · prefix_length."""
        return (len(self.members) - 1) * self.prefix_length


@dataclass(slots=True)
class _Node:
    """A prefix, and what was found best for the prompts below it."""

    depth: int
    members: list[int] = field(default_factory=list[int])
    groups: list[PrefixGroup] = field(default_factory=list[PrefixGroup])
    saved: int = 0

    def take(self, below: _Node) -> None:
        """Take what is best below as this node's own, group by group."""
        self.members += below.members
        self.groups += below.groups
        self.saved += below.saved

    def settle(self) -> _Node:
        """Make one group of all, where this saves as much as the groups below do."""
        as_one = PrefixGroup(tuple(sorted(self.members)), self.depth)
        if self.depth > 0 and as_one.saved_tokens >= self.saved:
            self.groups, self.saved = [as_one], as_one.saved_tokens
        return self


def prefix_groups(prompts: Sequence[Sequence[int]]) -> tuple[PrefixGroup, ...]:
    """Return groups of prompts with one shared prefix each, so chosen that few tokens are computed twice.

    After BatchLLM (arXiv:2412.03594), as we read it: over the tree of all prefixes
    f(v) = max((n_v - 1) · depth_v, Σ f(child)), with n_v the prompts below v. Of the prompts below a prefix
    either all share it or none does. Where both save the same, all share.

    Args:
        prompts: token ids of each, shape [num_prompts][num_tokens].

    Returns:
        Each prompt in one group, in the order of the groups' first members. Takes the time of sorting the
        prompts, and the sum of the group sizes over nested prefixes.
    """
    order = sorted(range(len(prompts)), key=lambda place: (tuple(prompts[place]), place))
    open_nodes = [_Node(0)]
    for number, place in enumerate(order):
        below = _Node(len(prompts[place]), [place], [PrefixGroup((place,), 0)])
        following = prompts[order[number + 1]] if number + 1 < len(order) else ()
        shared = _common_length(prompts[place], following)
        while open_nodes[-1].depth > shared:
            node = open_nodes.pop()
            node.take(below)
            below = node.settle()
        if open_nodes[-1].depth < shared:
            open_nodes.append(_Node(shared))
        open_nodes[-1].take(below)
    return tuple(sorted(open_nodes[0].groups, key=lambda group: group.members))


def _common_length(one: Sequence[int], other: Sequence[int]) -> int:
    """Return how many tokens both begin with."""
    for place, (first, second) in enumerate(zip(one, other, strict=False)):
        if first != second:
            return place
    return min(len(one), len(other))
