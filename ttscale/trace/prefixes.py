"""What the prompts of one problem begin with alike, and who computed it first: a prefix tree of token ids.

An engine keeps keys and values for each token it has run through the model: all of a prompt, and what it
generated but the last token, which nothing has read yet. So a prompt's tokens that an earlier prompt or answer
begins with as well need not be computed again. Engines that hold on to whole blocks of b tokens find of s such
tokens of a prompt of n

    b · ⌊min(s, n - 1) / b⌋,

for the last token of a prompt is always run anew: its logits are what the first new token is drawn from.

The tree is a radix tree: an edge has as many tokens as no two texts part in between, so a text takes about as
long as it has tokens, however many are known, and tokens that texts have in common are held once.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

_TYPE: Final = "i"
_WIDTH: Final = array(_TYPE).itemsize
"""Bytes of a token id."""


@dataclass(slots=True, eq=False)
class PrefixNode:
    """Where texts part or end; its edge leads to it from its parent."""

    parent: PrefixNode | None
    """``None``: it is the root."""
    end: int
    """Tokens from the root to here."""
    edge: bytes = field(default=b"", repr=False)
    children: dict[bytes, PrefixNode] = field(default_factory=dict["bytes", "PrefixNode"], repr=False)
    """By the first token of their edges."""


@dataclass(slots=True, eq=False)
class Visit:
    """One prompt given to an engine."""

    node: PrefixNode
    """Where the prompt ends."""
    block: int | None
    """Tokens of the blocks that are used again; ``None``: unknown, or there are none."""
    is_accounted: bool = False
    """Whether the engine said that it had the prompt; else nobody can tell what it did of it."""
    is_whole: bool = True
    """Whether all ids of what it generated are known."""
    shared: int | None = None
    """Prompt tokens that had been computed before it began; see `PrefixIndex.count`."""

    @property
    def num_tokens(self) -> int:
        """Tokens of the prompt."""
        return self.node.end

    @property
    def shared_in_blocks(self) -> int | None:
        """Of the shared tokens those that an engine of whole blocks finds; ``None``: unknown."""
        if self.shared is None or self.block is None:
            return None
        return min(self.shared, max(0, self.num_tokens - 1)) // self.block * self.block


class PrefixIndex:
    """The prompts that one problem gives one model, and what it generated, in the order of the calls."""

    def __init__(self, *, block: int | None = None) -> None:
        """Begin without any.

        Args:
            block: tokens of the blocks that the engine's cache uses again, >= 1, if it does.
        """
        self._block = block or None
        self._root = PrefixNode(None, 0)
        self._computed: list[tuple[Visit, PrefixNode]] = []
        self._last: tuple[Sequence[int], PrefixNode] = (), self._root

    def begin(self, token_ids: Sequence[int] | None) -> Visit | None:
        """Take in a prompt that an engine is given now.

        Args:
            token_ids: of the prompt, not changed hereafter.

        Returns:
            ``None`` where the ids are not known, or are none.
        """
        if token_ids is None:
            return None
        if token_ids is not self._last[0]:  # samples of one prompt begin one after the other
            try:
                self._last = token_ids, _walk(self._root, token_ids)
            except OverflowError:  # no vocabulary has such a token; the engine will say so
                return None
        visit = Visit(self._last[1], self._block)
        self._computed.append((visit, visit.node))
        return visit

    def end(
        self, visit: Visit, token_ids: Sequence[int], *, num_generated: int, is_accounted: bool = True
    ) -> None:
        """Take in what was generated after a prompt; the last token is left out, nothing has read it.

        Args:
            visit: of the prompt.
            token_ids: that were generated, as far as they are known.
            num_generated: how many there were.
            is_accounted: whether the engine said that it had the prompt; if not, the prompt counts as one that
                was never computed.
        """
        visit.is_accounted = is_accounted
        visit.is_whole = bool(token_ids) or not num_generated
        if len(token_ids) > 1:
            self._computed.append((visit, _walk(visit.node, token_ids[:-1])))

    def count(self) -> None:
        """Work out how much of each prompt had been computed before, as far as is known now."""
        known = {self._root}
        for visit, node in self._computed:
            if not visit.is_accounted:
                continue
            found = _make_known(node, known)
            if node is visit.node and visit.shared is None and visit.is_whole:
                visit.shared = found


def _make_known(node: PrefixNode, known: set[PrefixNode]) -> int:
    """Add all that leads to a node, and return how many tokens of it were known."""
    here = node
    while here not in known:
        known.add(here)
        assert here.parent is not None  # the root is known
        here = here.parent
    return here.end


def _walk(node: PrefixNode, token_ids: Sequence[int]) -> PrefixNode:
    """Return the node that tokens lead to from another one; the ways there are added where they lack.

    Raises:
        OverflowError: a token id is no 32-bit number.
    """
    rest = array(_TYPE, token_ids).tobytes()
    at = 0
    while at < len(rest):
        child = node.children.get(rest[at : at + _WIDTH])
        if child is None:
            return _add_child(node, rest[at:])
        edge = child.edge
        if rest[at : at + len(edge)] != edge:
            child = _split(child, _num_common_bytes(edge, rest[at : at + len(edge)]))
        at += len(child.edge)
        node = child
    return node


def _add_child(node: PrefixNode, edge: bytes) -> PrefixNode:
    child = PrefixNode(node, node.end + len(edge) // _WIDTH, edge)
    node.children[edge[:_WIDTH]] = child
    return child


def _split(node: PrefixNode, at: int) -> PrefixNode:
    """Put a node into the edge of another one, so many bytes from its beginning, and return it."""
    assert node.parent is not None
    upper = _add_child(node.parent, node.edge[:at])
    node.parent, node.edge = upper, node.edge[at:]
    upper.children[node.edge[:_WIDTH]] = node
    return upper


def _num_common_bytes(one: bytes, other: bytes) -> int:
    """Return how many bytes, of whole tokens, two texts that differ have in common at their beginning."""
    low, high = 0, min(len(one), len(other)) // _WIDTH
    while low < high:
        middle = (low + high + 1) // 2
        if one[low * _WIDTH : middle * _WIDTH] == other[low * _WIDTH : middle * _WIDTH]:
            low = middle
        else:
            high = middle - 1
    return low * _WIDTH
