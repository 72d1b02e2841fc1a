"""The tree of a search as plain data: what was drawn below what, and how good a verifier found it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import blake2b
from typing import Final, Literal, NamedTuple, TypeAlias, cast

from ttscale.types import JSON

ROOT: Final = ""
"""The key of the root: nothing has been written yet."""

Part: TypeAlias = Literal["step", "whole", "aside"]
"""What a node's text is to the solution: it goes on from its parent's, begins anew, or is none of it."""


class Site(NamedTuple):
    """Where children are drawn: below a node, by one of the actions that a strategy has."""

    node: str
    action: str = ""


class Draw(NamedTuple):
    """One child that is drawn at a site; it is known by its number there, from 0."""

    site: Site
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A step, or an attempt, as the model wrote it below its parent, and what is known of it.

    Equal tokens below the same parent are one node, however often they were drawn.
    """

    key: str
    """The digest of its parent's key, its action and its tokens."""
    parent: str
    draw: int
    """The least of the numbers it was drawn with."""
    action: str = ""
    depth: int
    """1 below the root."""
    text: str
    """Its own, with the delimiter it ended in."""
    part: Part = "step"
    token_ids: tuple[int, ...]
    """Its own."""
    logprobs: tuple[float, ...] | None = None
    """Of its tokens, in nats, where they were asked for."""
    is_end: bool
    """Whether a solution ends with it."""
    reward: float | None = None
    """In [0, 1]; ``None``: it has none, and `reason` says why."""
    step_reward: float | None = None
    """Of it alone, where `reward` is one of the whole path."""
    reason: str = ""
    answer: str | None = None
    """Of a solution that has one."""

    def to_json(self) -> dict[str, JSON]:
        """Return a plain JSON object."""
        return cast("dict[str, JSON]", asdict(self))

    @classmethod
    def from_json(cls, document: Mapping[str, JSON]) -> Node:
        """Read what `to_json` wrote.

        Raises:
            TypeError: fields are missing, or there are others.
        """
        fields = dict(document)
        for name in ("token_ids", "logprobs"):
            if isinstance(values := fields.get(name), list):
                fields[name] = tuple(values)
        return cls(**fields)  # type: ignore[arg-type]  # written by to_json


def key_of(site: Site, token_ids: Iterable[int], text: str) -> str:
    """Return the key of a node with these tokens, or with this text where its server gives no tokens."""
    digest = blake2b(f"{site.node}/{site.action}/".encode(), digest_size=10)
    ids = ",".join(map(str, token_ids))
    digest.update((ids or text).encode(errors="surrogatepass"))
    return digest.hexdigest()


class Tree:
    """Nodes by key, and what became of each draw. It grows by `add`; in which order changes nothing."""

    def __init__(self) -> None:
        """Begin with the root alone."""
        self.nodes: dict[str, Node] = {}
        self.draws: dict[Draw, str | None] = {}
        """The key of what was drawn; ``None``: the draw failed."""
        self._orders: dict[str, tuple[tuple[str, int], ...]] = {}

    def add(self, draw: Draw, node: Node | None) -> None:
        """Take in what a draw brought; once: a second time changes nothing.

        Args:
            draw: which.
            node: below the draw's site; ``None``: it failed.

        Raises:
            KeyError: its parent is not in the tree.
        """
        if draw in self.draws:
            return
        if draw.site.node != ROOT and draw.site.node not in self.nodes:
            raise KeyError(draw.site.node)
        self.draws[draw] = None if node is None else node.key
        if node is None:
            return
        known = self.nodes.get(node.key)
        if known is None:
            self.nodes[node.key] = replace(node, draw=draw.number)
        elif draw.number < known.draw:
            self.nodes[node.key] = replace(known, draw=draw.number)
            self._orders.clear()

    def path(self, key: str) -> list[Node]:
        """Return the nodes whose texts make up what was written up to this one, the first of them first."""
        found = list[Node]()
        for node in reversed(self.lineage(key)):
            if node.part != "aside":
                found.append(node)
            if node.part == "whole":
                break
        return found[::-1]

    def lineage(self, key: str) -> list[Node]:
        """Return the nodes from below the root to this one."""
        found = list[Node]()
        while key != ROOT:
            found.append(self.nodes[key])
            key = found[-1].parent
        return found[::-1]

    def order(self, key: str) -> tuple[tuple[str, int], ...]:
        """Return a node's place among all: action and number of each draw from the root to it."""
        if key == ROOT:
            return ()
        if key not in self._orders:
            node = self.nodes[key]
            self._orders[key] = (*self.order(node.parent), (node.action, node.draw))
        return self._orders[key]

    def text(self, key: str) -> str:
        """Return all that was written up to a node."""
        return "".join(node.text for node in self.path(key))

    def drawn(self, site: Site, num_draws: int) -> list[Node | None]:
        """Return what the first draws at a site brought, those that are known, by number; ``None``: failed."""
        known = (Draw(site, number) for number in range(num_draws))
        keys = [self.draws[draw] for draw in known if draw in self.draws]
        return [None if key is None else self.nodes[key] for key in keys]

    def children(self, site: Site, num_draws: int) -> list[Node]:
        """Return the distinct nodes that the first draws at a site brought, by number."""
        return list({node.key: node for node in self.drawn(site, num_draws) if node is not None}.values())

    def within(self, wanted: Mapping[Site, int]) -> Iterator[Node]:
        """Yield the nodes that so many draws at these sites lead to, each once, parents before children."""
        sites_of = dict[str, list[Site]]()
        for site in sorted(wanted):
            sites_of.setdefault(site.node, []).append(site)
        waiting, seen = [ROOT], {ROOT}
        while waiting:
            for site in sites_of.get(waiting.pop(0), ()):
                for node in self.children(site, wanted[site]):
                    if node.key not in seen:
                        seen.add(node.key)
                        waiting.append(node.key)
                        yield node

    def num_tokens(self, keys: Iterable[str]) -> int:
        """Return how many tokens stand on the paths to these nodes, those that paths share counted once."""
        held = {node.key: len(node.token_ids) for key in keys for node in self.path(key)}
        return sum(held.values())

    def to_json(self) -> list[dict[str, JSON]]:
        """Return every draw with its node, parents first."""
        return [draw_to_json(draw, key and self.nodes[key]) for draw, key in self.draws.items()]

    @classmethod
    def from_json(cls, documents: Iterable[Mapping[str, JSON]]) -> Tree:
        """Read what `to_json` wrote.

        Raises:
            KeyError: a node's parent is missing.
        """
        tree = cls()
        for document in documents:
            tree.add(*draw_from_json(document))
        return tree


def worths(nodes: Sequence[Node]) -> list[float]:
    """Return the rewards; a node without one counts as the worst."""
    return [0.0 if node.reward is None else node.reward for node in nodes]


def draw_to_json(draw: Draw, node: Node | None | str) -> dict[str, JSON]:
    """Return a draw and its node as a plain JSON object."""
    found = node.to_json() if isinstance(node, Node) else None
    return {"site": list(draw.site), "number": draw.number, "node": found}


def draw_from_json(document: Mapping[str, JSON]) -> tuple[Draw, Node | None]:
    """Read what `draw_to_json` wrote.

    Raises:
        KeyError: a field is missing.
        TypeError: the node is none.
    """
    key, action = cast("list[str]", document["site"])
    node = cast("Mapping[str, JSON] | None", document["node"])
    number = cast("int", document["number"])
    return Draw(Site(key, action), number), None if node is None else Node.from_json(node)
