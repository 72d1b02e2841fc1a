"""Best-first search over states: what is expanded next, what is proved, what has failed."""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from ttscale_strategies.checks import require_at_least

State = TypeVar("State", bound=Hashable)

StateStatus = Literal["open", "proved", "failed"]
"""Of a state; the last two are final as long as nothing is added below what was explored."""


@dataclass(frozen=True)  # with slots, Python 3.11 could not call Edge[str]
class Edge(Generic[State]):
    """A step from one state to another; equal states are one, however they were reached.

    Raises:
        ValueError: the logprob is not a number <= 0.
    """

    source: State
    target: State
    logprob: float
    """Of the step, `edge_logprob`, nats a token, <= 0; minus infinity where the model rules it out."""

    def __post_init__(self) -> None:
        if not self.logprob <= 0.0:
            raise ValueError(f"logprob must be <= 0, got {self.logprob!r}")


@dataclass(frozen=True, slots=True)
class Standing:
    """The likeliest known way to a state."""

    logprob_sum: float
    """Σ of its edges' logprobs."""
    depth: int
    """Its number of edges."""
    last_edge: int | None
    """Index of the edge that leads to the state; ``None`` for the root."""
    priority: float
    """`expansion_priority` of the way; the smallest is expanded first."""


def edge_logprob(token_logprobs: Sequence[float]) -> float:
    """Return the mean of a step's token logprobs, nats a token.

    Xin et al. 2025, arXiv:2509.06493 (BFS-Prover). A mean above 0 by rounding counts as 0.

    Args:
        token_logprobs: of the step's tokens, shape [num_tokens], at least one.

    Raises:
        ValueError: there are none, or one is not a number.
    """
    if len(token_logprobs) == 0:
        raise ValueError("there is no logprob of a step without tokens")
    for index, logprob in enumerate(token_logprobs):
        if math.isnan(logprob) or logprob == math.inf:
            raise ValueError(f"token_logprobs[{index}] must be a logprob, got {logprob!r}")
    return min(math.fsum(token_logprobs) / len(token_logprobs), 0.0)


def expansion_priority(logprob_sum: float, depth: int, *, alpha: float = 0.0) -> float:
    """Return −Σ edge logprobs / depth^alpha; the state with the smallest is expanded first.

    arXiv:2509.06493. A greater alpha prefers deep states: with 0 each further step only makes a state less
    urgent, with 1 states are compared by their mean step. The paper's first version found .5 best, its second
    uses 0.

    Args:
        logprob_sum: over the edges from the root, <= 0.
        depth: number of edges, >= 0; the root's priority is 0.
        alpha: >= 0.

    Returns:
        At least 0, infinity if an edge is ruled out.

    Raises:
        ValueError: a number is out of its range.
    """
    require_at_least(depth, 0, "depth")
    require_at_least(alpha, 0.0, "alpha")
    if not logprob_sum <= 0.0:
        raise ValueError(f"logprob_sum must be <= 0, got {logprob_sum!r}")
    return abs(logprob_sum) / math.pow(depth, alpha) if depth else 0.0


def standings(root: State, edges: Sequence[Edge[State]], *, alpha: float = 0.0) -> dict[State, Standing]:
    """Return how every state that can be reached from the root is reached best.

    Of several ways to one state the likeliest counts, then the shorter one, then the one whose last edge comes
    first in the sequence. Departure from the code of arXiv:2509.06493, in which a state keeps the way on which
    it was seen first: here it does not matter in which order the steps came.

    Args:
        root: where the search begins.
        edges: all known steps.
        alpha: see `expansion_priority`.

    Raises:
        ValueError: alpha is out of its range.
    """
    leaving = _grouped(edges, lambda edge: edge.source)
    found: dict[State, Standing] = {}
    queue: list[tuple[float, int, int, State]] = [(0.0, 0, -1, root)]
    while queue:
        cost, depth, last_edge, state = heapq.heappop(queue)
        if state in found:
            continue
        total = -cost if cost else 0.0  # no minus zero
        found[state] = Standing(
            logprob_sum=total,
            depth=depth,
            last_edge=last_edge if last_edge >= 0 else None,
            priority=expansion_priority(total, depth, alpha=alpha),
        )
        for index in leaving.get(state, ()):
            edge = edges[index]
            if edge.target not in found:
                # indices differ, so that two entries never compare by their states
                heapq.heappush(queue, (cost - edge.logprob, depth + 1, index, edge.target))
    return found


def expansion_order(known: Mapping[State, Standing], frontier: Collection[State]) -> list[State]:
    """Return the frontier's states that can be reached, the most urgent first.

    Ties go to the likelier way, then the shorter one, then the one whose last edge was given first.

    Args:
        known: `standings`.
        frontier: states to expand; those that cannot be reached are left out.
    """

    def rank(state: State) -> tuple[float, float, int, int]:
        standing = known[state]
        last_edge = -1 if standing.last_edge is None else standing.last_edge
        return (standing.priority, -standing.logprob_sum, standing.depth, last_edge)

    return sorted((state for state in frontier if state in known), key=rank)


def statuses(
    edges: Sequence[Edge[State]],
    *,
    explored: Set[State],
    proved: Set[State] = frozenset(),
    failed: Set[State] = frozenset(),
) -> dict[State, StateStatus]:
    """Return for every state whether it is proved, has failed or is still open.

    A state is proved if a step leads from it to a proved one, and has failed if it was explored and all its
    steps lead to failed ones, or it has none (arXiv:2509.06493). Where steps lead in a circle, that rule alone
    leaves the circle open for ever, though no way out of it is left; here such states have failed: a state is
    open only if an unexplored one can still be reached from it. The order of the steps does not matter.

    Args:
        edges: all known steps.
        explored: states all of whose steps are known.
        proved: states known to be proved; goals.
        failed: states known to have failed, such as errors; steps from them count for nothing.

    Raises:
        ValueError: a state is said to be both proved and failed.
    """
    if both := proved & failed:
        raise ValueError(f"a state cannot be both proved and failed, got {next(iter(both))!r}")
    states = {state for edge in edges for state in (edge.source, edge.target)} | explored | proved | failed
    entering = _grouped(edges, lambda edge: edge.target)

    def with_all_above(seeds: Iterable[State]) -> set[State]:
        reached = set(seeds)
        queue = deque(reached)
        while queue:
            for index in entering.get(queue.popleft(), ()):
                source = edges[index].source
                if source not in reached and source not in failed:
                    reached.add(source)
                    queue.append(source)
        return reached

    are_proved = with_all_above(proved)
    are_alive = with_all_above(states - explored - failed)
    return {
        state: "proved" if state in are_proved else "open" if state in are_alive else "failed"
        for state in states
    }


def shortest_proof(root: State, edges: Sequence[Edge[State]], proved: Set[State]) -> tuple[int, ...] | None:
    """Return the indices of the edges of the shortest way from the root to a proved state.

    arXiv:2509.06493. Of equally short ways the one whose edges were given first, step by step.

    Args:
        root: where the proof begins; if it is proved itself, no step is needed.
        edges: all known steps.
        proved: the goals.

    Returns:
        ``None`` if no proved state can be reached.
    """
    leaving = _grouped(edges, lambda edge: edge.source)
    seen = {root}
    queue: deque[tuple[State, tuple[int, ...]]] = deque([(root, ())])
    while queue:
        state, way = queue.popleft()
        if state in proved:
            return way
        for index in leaving.get(state, ()):
            target = edges[index].target
            if target not in seen:
                seen.add(target)
                queue.append((target, (*way, index)))
    return None


def _grouped(edges: Sequence[Edge[State]], end: Callable[[Edge[State]], State]) -> dict[State, list[int]]:
    groups: dict[State, list[int]] = {}
    for index, edge in enumerate(edges):
        groups.setdefault(end(edge), []).append(index)
    return groups
