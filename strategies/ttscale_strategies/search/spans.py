"""The tree in the trace: what became of each node, and what the search held in the cache."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import Literal, TypeAlias

from ttscale.run import Run
from ttscale_strategies.search.planner import Plan
from ttscale_strategies.search.tree import ROOT, Draw, Node, Site, Tree

State: TypeAlias = Literal["expanded", "pruned", "leaf", "chosen", "open", "failed", "duplicate"]
"""What became of a node: it has children, or was given up; it ends a solution, or the one that was chosen; the
search ended first; the draw brought nothing, or what another draw had brought."""


def note_nodes(
    tree: Tree, runs: Mapping[Draw, Run], failures: Mapping[Draw, str], plan: Plan, chosen: str | None
) -> None:
    """Note in the span of each draw which node came of it, and what became of that.

    Args:
        tree: at the end of the search.
        runs: of the draws; those that were aborted are not in the tree.
        failures: why draws failed.
        plan: the last one.
        chosen: key of the node whose solution is the answer.
    """
    expanded = {site.node for site in plan.wanted}
    draws = Counter(tree.draws.values())
    is_over = not any(draw not in tree.draws for draw in runs) or plan.is_settled
    for draw, run in runs.items():
        key = tree.draws.get(draw)
        if key is None:
            reason = failures.get(draw, "aborted")
            run.note(
                parent_node=draw.site.node or None,
                numbers=_numbers([*tree.order(draw.site.node), (draw.site.action, draw.number)]),
                state="failed",
                reason=reason,
            )
            continue
        node = tree.nodes[key]
        state = _state(node, expanded, chosen, is_over=is_over) if draw == _first(node) else "duplicate"
        run.note(
            node=key,
            parent_node=node.parent or None,
            numbers=_numbers(tree.order(key)),
            depth=node.depth,
            text=node.text,
            tokens=len(node.token_ids),
            reward=node.reward,
            reason=node.reason,
            answer=node.answer,
            draws=draws[key],
            state=state,
        )


def kv_tokens_by_depth(tree: Tree, gone_on_from: Iterable[str]) -> list[int]:
    """Return the distinct tokens on the paths to the nodes of each depth that got children, from depth 1 on.

    It is what a cache that shares prefixes holds of the steps, the prompt not counted, while the next ones are
    drawn.
    """
    by_depth = defaultdict[int, set[str]](set)
    for key in gone_on_from:
        if key != ROOT:
            by_depth[tree.nodes[key].depth].add(key)
    return [tree.num_tokens(by_depth[depth]) for depth in sorted(by_depth)]


def note_held(tree: Tree, run: Run, begun: Iterable[Draw], plan: Plan) -> None:
    """Note in the search's own span what it held in the cache at each depth, if it goes depth by depth.

    Args:
        tree: at the end of the search.
        run: of the search.
        begun: draws that were begun.
        plan: the last one.
    """
    if not plan.is_by_depth:
        return
    held = kv_tokens_by_depth(tree, {draw.site.node for draw in begun if draw.site in plan.wanted})
    run.note(
        kv_tokens_by_depth=list(held),
        kv_tokens_mean=fmean(held) if held else 0.0,
        kv_tokens_peak=max(held, default=0),
    )


def _numbers(order: Sequence[tuple[str, int]]) -> str:
    """Return the draws from the root to a node, with their actions where these change: ``0.b:3.1``."""
    actions = ["", *(action for action, _ in order)]
    return ".".join(
        str(number) if action == before else f"{action}:{number}"
        for before, (action, number) in zip(actions, order, strict=False)
    )


def _first(node: Node) -> Draw:
    return Draw(Site(node.parent or ROOT, node.action), node.draw)


def _state(node: Node, expanded: set[str], chosen: str | None, *, is_over: bool) -> State:
    if node.key == chosen:
        return "chosen"
    if node.key in expanded:
        return "expanded"
    if node.is_end:
        return "leaf"
    return "pruned" if is_over else "open"
