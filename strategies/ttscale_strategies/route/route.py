"""Route: the one model that a fitted router holds to be best for the question, costs considered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar

import numpy as np

from ttscale.errors import ConfigError
from ttscale.run import Run
from ttscale.strategy import Strategy, demands, parts
from ttscale.types import Outcome, Problem
from ttscale_strategies.checks import require_all_at_least
from ttscale_strategies.route.router import Router, load_router
from ttscale_strategies.route.rules import chosen_models
from ttscale_strategies.voting import SelfConsistency
from ttscale_strategies.voting.handing_on import handed_on


@dataclass(frozen=True, kw_only=True)
class Route:
    """Ask the model that is expected to be best for this question (UniRoute, Tryage).

    Jitkrittum et al. 2025 (arXiv:2502.08773) for the choice, argmin over models of the expected loss plus λ
    times the cost; Hari and Thomson 2023 (Tryage, arXiv:2308.11601) for several costs, or other flags of a
    model such as size and age, each with the user's own weight. The router is fitted beforehand on questions
    with graded answers of every model, by `ttscale_strategies.route.fit_router` or ``benchmarks/routing.py``:

    - ``route:router=router.json,model_uris=[null, vllm:/models/large],names=[small, large],weights=[0.01]``;
    - ``route:router=router.json,model_uris=[hf:a, hf:b],strategies=[self_consistency:n=8, single]``.

    Cost: that of the chosen model's strategy; the choice itself costs no tokens. Each further λ moves questions
    to cheaper models. Which model was chosen, and what was expected of each, is in the trace (`routed_to`,
    `expected_losses`). `confidence` is the strategy's.

    Departure: both papers embed questions with a neural model; see `fit_router`. A router that was fitted on
    embeddings reads the question's from the problem's ``meta["embedding"]``.
    """

    router: str | None = None
    """JSON file of the router; ``None``: nothing is known of the models, and there must be one only."""
    model_uris: tuple[str | None, ...] = (None,)
    """The models by URI; ``null`` is the one that samples."""
    names: tuple[str, ...] | None = None
    """What the router calls these models; ``None``: by their URIs."""
    weights: tuple[float, ...] = (0.0,)
    """λ, >= 0, one for each of the router's costs in its order, or one for the first: what a unit of cost is
    worth in accuracy."""
    strategies: tuple[Strategy, ...] = field(default_factory=lambda: (SelfConsistency(n=5),))
    """Each model's strategy; a single one is that of all."""

    needs: ClassVar[frozenset[str]] = frozenset()
    elsewhere: ClassVar[frozenset[str]] = frozenset({"strategies"})
    """Fields with what runs on the models it names."""

    def __post_init__(self) -> None:
        num_models = len(self.model_uris)
        if num_models == 0:
            raise ValueError("model_uris must name a model, null for the one that samples; got none")
        if len(self.strategies) not in (1, num_models):
            raise ValueError(f"strategies must be one, or one for each of {num_models} models")
        if self.names is not None and len(self.names) != num_models:
            raise ValueError(f"names must be one for each of {num_models} models, got {len(self.names)}")
        require_all_at_least(self.weights, 0.0, "weights")
        if self.router is None:
            if num_models > 1:
                raise ValueError("a choice between models needs a router; fit one with benchmarks/routing.py")
            return
        _ = self._places
        if len(self.weights) > len(self._router.costs):
            costs = ", ".join(self._router.costs)
            raise ValueError(f"weights must be one for each cost of the router ({costs}), got {self.weights!r}")

    @cached_property
    def _router(self) -> Router:
        return load_router(self.router or "")

    @cached_property
    def _places(self) -> list[int]:
        """Where the router has each model."""
        known = self._router.models
        called = self.names or tuple(uri or "" for uri in self.model_uris)
        unknown = [name for name in called if name not in known]
        if unknown or len(set(called)) != len(called):
            raise ValueError(
                f"router {self.router!r} was fitted for the models {list(known)!r}, not for {list(called)!r}; "
                f"say which is which with names"
            )
        return [known.index(name) for name in called]

    @property
    def plan(self) -> list[tuple[str | None, Strategy]]:
        """Model and strategy of each choice."""
        strategies = self.strategies * (len(self.model_uris) if len(self.strategies) == 1 else 1)
        return list(zip(self.model_uris, strategies, strict=True))

    @property
    def models(self) -> Mapping[str | None, frozenset[str]]:
        """Whom it may ask; each must be able to do what its strategy, and its verifiers, need."""
        found = dict[str | None, frozenset[str]]()
        for model, strategy in self.plan:
            for part in parts(strategy, on_own_model=True):
                for other, needs in demands(part).items():
                    asked = model if other is None else other
                    found[asked] = found.get(asked, frozenset[str]()) | needs
        return found

    def max_samples(self) -> int | None:
        """Return the most of any model's strategy."""
        most = [strategy.max_samples() for strategy in self.strategies]
        return None if None in most else max(number or 0 for number in most)

    async def solve(self, problem: Problem, run: Run) -> Outcome:
        """Choose a model, and have its strategy answer.

        Raises:
            ConfigError: the router was fitted on embeddings, and the problem brings none that fit.
        """
        place, expected = self._choice(problem, run)
        model, strategy = self.plan[place]
        run.note(routed_to=(self.names or self.model_uris)[place], expected_losses=expected)
        return await handed_on(strategy, problem, run, label="routed", model=model)

    def _choice(self, problem: Problem, run: Run) -> tuple[int, list[float]]:
        """Return which model is to answer, and what loss is expected of each."""
        if self.router is None:
            return 0, []
        router = self._router
        if router.text is None:
            try:
                losses = router.losses_of(np.asarray([problem.meta.get("embedding")], dtype=np.float64))
            except (TypeError, ValueError) as error:
                raise ConfigError(
                    f"The problem {problem.id!r} needs an embedding for this router, as numbers in its meta "
                    f"field 'embedding': {error}."
                ) from error
        else:
            ids = problem.prompt.token_ids
            losses = router.expected_losses([problem.prompt.question if ids is None else run.decode(ids)])
        expected = losses[:, self._places]
        costs = router.cost_table[self._places, : len(self.weights)]
        place = int(chosen_models(expected, costs, self.weights)[0])
        return place, [round(loss, 6) for loss in expected[0].tolist()]
