"""Search trees as the page holds them: of each a summary that is always there, and a packet for later.

A packet has the trees of one answer as columns: a place in the list of nodes, which runs from the root down
with each node followed by those below it, is a place in every column. Its limits keep one great tree from
taking the page; what they leave out is counted, and the page says so. Summaries count every node.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, cast

from ttscale.types import JSON
from ttscale_evals.report.strings import Strings, rounded, squeezed
from ttscale_evals.report.text import label, shown
from ttscale_evals.report.trees import SearchTree, TreeNode

MAX_TREE_CHARS: Final = 16_000_000
"""Of the packets of all trees together, as they stand in the page."""
MAX_NODES: Final = 20_000
"""Most nodes of a tree the page holds."""
MAX_TREES: Final = 50
"""Most trees of an answer the page holds."""
MAX_STEPS_CHARS: Final = 2_000_000
"""Characters of the texts of an answer's nodes that the page holds, before they are compressed."""
NO_TEXT: Final = -1
TEXT_LEFT_OUT: Final = -2
_MAX_STATE_CHARS: Final = 20
_MAX_NAME_CHARS: Final = 160
_MAX_REASON_CHARS: Final = 1_000


@dataclass(slots=True)
class TreePackets:
    """The packets so far."""

    max_chars: int = MAX_TREE_CHARS
    """Packets from the first on that goes beyond this are left out."""
    lines: list[str] = field(default_factory=list[str])
    num_chars: int = 0
    is_full: bool = False

    def add(self, trees: Sequence[SearchTree]) -> int:
        """Take the trees of an answer and return the place of their packet; -1: there is no room for it."""
        if self.is_full:
            return -1
        line = squeezed(packet(trees))
        self.is_full = self.num_chars + len(line) > self.max_chars
        if self.is_full:
            return -1
        self.num_chars += len(line)
        self.lines.append(line)
        return len(self.lines) - 1


def summary(tree: SearchTree) -> JSON:
    """Return a tree's name, nodes, generated tokens, depth, best reward, and each state's nodes and tokens."""
    states: dict[str, list[int]] = {}
    for node in tree.nodes:
        tally = states.setdefault(_state(node), [0, 0])
        tally[0] += 1
        tally[1] += node.tokens
    rewards = [node.reward for node in tree.nodes if node.reward is not None]
    return {
        "name": label(tree.name, max_chars=_MAX_NAME_CHARS),
        "nodes": len(tree.nodes),
        "tokens": sum(node.tokens for node in tree.nodes),
        "depth": max(node.depth for node in tree.nodes),
        "best": rounded(max(rewards, default=None)),
        "states": cast("JSON", states),
    }


def packet(
    trees: Sequence[SearchTree], *, max_nodes: int = MAX_NODES, max_steps_chars: int = MAX_STEPS_CHARS
) -> JSON:
    """Return the trees of an answer, in columns.

    Args:
        trees: at least one; those beyond `MAX_TREES` are left out.
        max_nodes: of each tree; the chosen path is kept first, then what is nearest the root.
        max_steps_chars: of the texts of all nodes together; texts beyond it are left out in the same order.
    """
    strings, packed, num_chars = Strings(), list[JSON](), 0
    for tree in trees[:MAX_TREES]:
        kept = tree.by_importance()[:max_nodes]
        texts = dict[int, int]()
        for place in kept:
            text = shown(tree.nodes[place].text)
            num_chars += len(text or "")
            texts[place] = TEXT_LEFT_OUT if text and num_chars > max_steps_chars else strings(text)
        packed.append(
            {
                "columns": _columns(tree, sorted(kept), texts, strings),
                "more_nodes": len(tree.nodes) - len(kept),
                "more_texts": sum(text == TEXT_LEFT_OUT for text in texts.values()),
                "strays": tree.num_strays,
            }
        )
    return {"strings": cast("list[JSON]", strings.all), "trees": packed}


def _columns(tree: SearchTree, kept: Sequence[int], texts: dict[int, int], strings: Strings) -> JSON:
    new = {place: number for number, place in enumerate(kept)}
    nodes = [tree.nodes[place] for place in kept]
    columns: dict[str, list[int] | list[float | None]] = {
        "parent": [new.get(node.parent, -1) for node in nodes],
        "name": [strings(_own_name(node, tree)) for node in nodes],
        "state": [strings(_state(node)) for node in nodes],
        "tokens": [node.tokens for node in nodes],
        "reward": [rounded(node.reward) for node in nodes],
        "reason": [strings(label(node.reason, max_chars=_MAX_REASON_CHARS) or None) for node in nodes],
        "text": [texts[place] for place in kept],
        "draws": [node.draws for node in nodes],
        "answer": [strings(None if node.answer is None else label(node.answer)) for node in nodes],
        "start": [rounded(node.start) for node in nodes],
        "end": [rounded(node.end) for node in nodes],
    }
    return cast("JSON", columns)


def _own_name(node: TreeNode, tree: SearchTree) -> str:
    """Return what a name adds to its parent's, from the dot on, or all of it where it does not go on there."""
    above = "" if node.parent < 0 else tree.nodes[node.parent].name
    goes_on = bool(above) and node.name.startswith(f"{above}.")
    return label(node.name[len(above) :] if goes_on else node.name, max_chars=_MAX_NAME_CHARS)


def _state(node: TreeNode) -> str:
    return label(node.state, max_chars=_MAX_STATE_CHARS)
