"""Adaptive branching: at every attempt, a new one below it, or on from one of those that there are."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

from ttscale.run.seeds import derive_seed
from ttscale_strategies.search.planner import Plan
from ttscale_strategies.search.rules import ActionRule, ChildScores, Posterior, choose_action, choose_arm
from ttscale_strategies.search.tree import ROOT, Draw, Site, Tree


@dataclass(slots=True)
class _Known:
    """What is known at a node."""

    own: float = 0.0
    """Its score."""
    generated: list[float] = field(default_factory=list[float])
    """Scores of what was generated at it, failures included."""
    below: list[float] = field(default_factory=list[float])
    """Scores of all that was generated at it or further below."""
    children: dict[str, None] = field(default_factory=dict[str, None])
    """In the order of the decisions that they came of."""


class AdaptiveBranching:
    """A planner that decides, one attempt after the other, where the next is generated and by which action.

    Decision t knows what came of the decisions 0 to t - `parallel`, whatever else has arrived by then; so up to
    `parallel` attempts are on their way, and which of them ends first changes nothing. Its random numbers are
    its own, by its number. A score counts at every node above what it is a score of, once for each draw.
    """

    def __init__(
        self,
        *,
        actions: Sequence[str],
        prior: Posterior,
        rule: ActionRule,
        num_expansions: int,
        parallel: int,
        enough: float | None,
        seed: int,
    ) -> None:
        """Begin with nothing decided.

        Args:
            actions: of generating, at least one.
            prior: of all scores.
            rule: how the action is chosen.
            num_expansions: attempts in all, >= 1.
            parallel: most attempts on their way, >= 1.
            enough: reward from which an attempt settles the search.
            seed: of the decisions.
        """
        self._actions = actions
        self._prior = prior
        self._rule: ActionRule = rule
        self._num_expansions = num_expansions
        self._parallel = parallel
        self._enough = enough
        self._seed = seed
        self._decided = list[Draw]()
        self._wanted = Counter[Site]()
        self._num_known = 0
        self._known = {ROOT: _Known()}
        self._by_action: dict[str, list[float]] = {action: [] for action in actions}
        self._settled: Plan | None = None

    def plan(self, tree: Tree) -> Plan:
        """Return the draws that have been decided on."""
        while self._settled is None:
            if self._may_decide:
                self._decide()
            elif self._num_known < len(self._decided) and self._decided[self._num_known] in tree.draws:
                self._learn(tree)
            else:
                break
        return self._settled or Plan(wanted=dict(self._wanted))

    def line(self, tree: Tree, site: Site) -> Hashable:
        """Return the same for all sites: each decision looks at the whole tree."""
        return None

    @property
    def _may_decide(self) -> bool:
        """Whether the next decision knows all that it is to know."""
        number = len(self._decided)
        return number < self._num_expansions and self._num_known == max(0, number - self._parallel + 1)

    def _decide(self) -> None:
        """Choose where, and by which action, the next attempt is generated."""
        rng = random.Random(derive_seed(self._seed, "decision", len(self._decided)))
        node = ROOT
        while (chosen := self._arm(node, rng)) is not None:
            node = chosen
        pending = Counter(draw.site.action for draw in self._decided[self._num_known :])
        action = choose_action(
            [self._by_action[action] for action in self._actions],
            self._prior,
            rng,
            rule=self._rule,
            num_pending=[pending[action] for action in self._actions],
        )
        site = Site(node, self._actions[action])
        self._decided.append(Draw(site, self._wanted[site]))
        self._wanted[site] += 1

    def _arm(self, node: str, rng: random.Random) -> str | None:
        """Return the child to go on from, or ``None`` to generate here."""
        here = self._known[node]
        keys = list(here.children)
        children = [ChildScores(self._known[key].own, tuple(self._known[key].below)) for key in keys]
        arm = choose_arm(children, self._prior, rng, generated=here.generated)
        return None if arm is None else keys[arm]

    def _learn(self, tree: Tree) -> None:
        """Take in what came of the next decision."""
        draw = self._decided[self._num_known]
        self._num_known += 1
        key = tree.draws[draw]
        node = None if key is None else tree.nodes[key]
        score = 0.0 if node is None or node.reward is None else node.reward
        here = self._known[draw.site.node]
        here.generated.append(score)
        self._by_action[draw.site.action].append(score)
        for above in tree.lineage(draw.site.node):
            self._known[above.key].below.append(score)
        if node is not None:
            here.children[node.key] = None
            self._known.setdefault(node.key, _Known(own=score))
            if self._enough is not None and node.reward is not None and node.reward >= self._enough:
                self._settle()

    def _settle(self) -> None:
        """Want nothing but what the decisions up to the last one known brought."""
        wanted = Counter(draw.site for draw in self._decided[: self._num_known])
        self._settled = Plan(wanted=dict(wanted), is_settled=self._num_known < self._num_expansions)
