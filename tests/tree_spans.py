"""Spans of search trees as a search leaves them in a trace: single nodes, a small tree, a large one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ttscale.types import JSON

Span = Mapping[str, JSON]

LEVELS, EXPANDED, DRAWS = 25, 40, 5
"""Of `large_tree`: its depth, how many nodes of a level have children, and how many each has."""


def node_span(number: int, name: str, *, span_parent: int | None = 0, **changes: JSON) -> Span:
    """Return a node's span; its key is its name with a ``k`` before it, which is never shown."""
    above = name.rpartition(".")[0]
    attributes: dict[str, JSON] = {
        "node": f"k{name}",
        "parent_node": f"k{above}" if above else None,
        "depth": name.count(".") + 1,
        "text": f"Step {name}.\n",
        "tokens": 10,
        "reward": 0.5,
        "reason": "",
        "state": "expanded",
        "draws": 1,
        "answer": None,
    }
    times: dict[str, JSON] = {"start": number / 100, "end": number / 100 + 1}
    return {
        "id": number,
        "parent": span_parent,
        "kind": "node",
        "name": name,
        "attributes": {**attributes, **changes},
        **times,
    }


def solve_span(name: str = "BeamSearch") -> Span:
    """Return the span of a whole problem, with number 0."""
    times: dict[str, JSON] = {"start": 0.0, "end": 9.0}
    return {"id": 0, "parent": None, "kind": "solve", "name": name, "attributes": {}, **times}


def small_tree() -> tuple[Span, ...]:
    """Return eight nodes, one or two of every state; the answer comes from 0.1.0."""
    return (
        solve_span(),
        node_span(1, "0", reward=0.75, text="First add. "),
        node_span(2, "1", state="pruned", reward=0.25, text="First take away. "),
        node_span(3, "0.0", state="leaf", reward=0.5, answer="11", text="That is 11."),
        node_span(4, "0.1", reward=0.875, tokens=20, draws=3, text="Then double. "),
        node_span(5, "0.1.0", state="chosen", reward=0.9375, answer="12", text="So it is 12."),
        node_span(6, "0.1.1", state="open", reward=None, reason="the budget ended", text="So it"),
        node_span(7, "2", state="failed", reward=None, reason="the engine went away", tokens=0, text=""),
        node_span(8, "0.1.2", state="leaf", reward=0.125, answer=None, text="I do not know."),
    )


def large_tree() -> Iterator[Span]:
    """Yield 5,000 nodes in 25 levels, of which the chosen solution is the one before the last."""
    yield solve_span("Rebase")
    number, above = 0, [""]
    for level in range(LEVELS):
        width = EXPANDED * DRAWS // len(above)
        names = [f"{parent}{draw}" for parent in above for draw in range(width)]
        is_last = level == LEVELS - 1
        for place, name in enumerate(names):
            number += 1
            state = "leaf" if is_last else "pruned" if place % DRAWS else "expanded"
            yield node_span(
                number,
                name,
                state="chosen" if is_last and place == len(names) - 2 else state,
                reward=place / len(names),
                text=f"In step {number} we " + "add one and carry the rest over to the next place, " * 4,
                answer=str(place) if is_last else None,
            )
        above = [f"{name}." for name in names[::DRAWS]]
