"""AB-MCTS: a tree of whole attempts that grows wider or deeper, whichever has paid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal

from ttscale.registry import create_verifier
from ttscale.run import Run
from ttscale.types import Outcome, Problem, Sampling
from ttscale.verifier import Verifier
from ttscale_strategies.checks import require_positive, require_share
from ttscale_strategies.revision import REVISION_FIELDS, require_fields
from ttscale_strategies.search._attempts import AttemptWriter
from ttscale_strategies.search._branching import AdaptiveBranching
from ttscale_strategies.search.choice import Choice
from ttscale_strategies.search.driver import Search
from ttscale_strategies.search.journal import Journal
from ttscale_strategies.search.rules import ActionRule, BetaPosterior, NormalInverseChiSquare, Posterior
from ttscale_strategies.voting.model_switch import require_models


@dataclass(frozen=True, kw_only=True)
class ABMCTS:
    """Adaptive branching over whole attempts, AB-MCTS-A (Inoue et al. 2025, arXiv:2503.04412, TreeQuest).

    From the root down, generating a new attempt stands at every node against going on from one of those below
    it: a mean score is drawn from the posterior of each, and the greater one wins (Thompson sampling, node
    aggregation, see `choose_arm`). A new attempt below another is a revision: its writer is shown the attempts
    on the path to it. Which model writes is chosen by what each has brought in the whole tree:
    ``ab_mcts:model_uris=[null, vllm:/models/other],verifier=prm`` has two.

    Cost: `num_expansions` calls and verifications; an attempt at depth d reads question and min(d - 1,
    `num_shown`) attempts. With s tokens an attempt the prompts hold up to `num_expansions` · `num_shown` · s,
    and only siblings' are in a prefix cache.

    Scores come from the verifier, scaled to [0, 1]. An attempt that failed in the engine counts as a score of
    0 where it was generated and for its model, one without score as 0 wherever it counts. `confidence` is the
    reward of the attempt chosen, for ``choice="best"``; else the winner's share.

    Departures: with ``parallel`` > 1 a decision does not know what the latest ones have brought, where the
    released code works with whatever has arrived; so the tree is the same however long each attempt takes. The
    same attempt drawn again at a node is one child, and each draw counts as one more score of generating. For
    ``action_rule="ucb"`` what is on its way counts as begun. The paper's other variant, AB-MCTS-M, whose mixed
    model is fitted by Markov chains before every attempt, is left out; the paper has it slightly ahead (an
    average rank of 2.3 against 2.7 on its benchmarks).
    """

    num_expansions: int = 16
    """Attempts in all, >= 1; the paper has 128."""
    verifier: Verifier = field(default_factory=lambda: create_verifier("confidence"))
    """Scores each attempt; the default needs no other model, and says little of what is right."""
    model_uris: tuple[str | None, ...] = (None,)
    """Who may write an attempt, by URI; ``null`` is the model that samples."""
    action_rule: ActionRule = "thompson"
    """How the model of a new attempt is chosen: by a draw from each one's posterior, or the greatest upper
    confidence bound (``"ucb"``)."""
    prior: Literal["gaussian", "beta"] = "gaussian"
    """Of scores: normal of unknown mean and variance (`NormalInverseChiSquare`), or shares of success
    (`BetaPosterior`)."""
    parallel: int = 1
    """Most attempts at work at once, >= 1. With more, it takes less time, and decisions know less."""
    enough: float | None = None
    """Reward in [0, 1] from which an attempt ends the search; ``None``: none does."""
    choice: Choice = "best"
    """How attempts elect the answer: the best rewarded one alone, by the sum of their rewards (``"weighted"``),
    or by their number (``"majority"``)."""
    template: str = "revise"
    """Name of the prompt template of revisions, with the fields question and attempts."""
    num_shown: int = 3
    """Attempts that a revision is shown, the last on its path, >= 1."""
    temperature: float | None = None
    """``None``: each model's own."""
    max_tokens: int | None = None
    """Most generated tokens per attempt; ``None``: what the context leaves."""
    journal: str | None = None
    """Folder in which each problem's tree is kept while it grows: a search that was killed goes on from there
    and comes to the same answer. What it takes over is charged again, as reused."""

    needs: ClassVar[frozenset[str]] = frozenset()

    def __post_init__(self) -> None:
        for name in ("num_expansions", "parallel", "num_shown"):
            require_positive(getattr(self, name), name)
        if self.enough is not None:
            require_share(self.enough, "enough")
        require_models(self.model_uris)
        require_fields(self.template, REVISION_FIELDS)
        self._sampling()

    @property
    def models(self) -> Mapping[str | None, frozenset[str]]:
        """Who writes; each must give what the verifier needs of samples."""
        return dict.fromkeys(self.model_uris, self.verifier.needs)

    def max_samples(self) -> int:
        """Return num_expansions."""
        return self.num_expansions

    async def solve(self, problem: Problem, run: Run) -> Outcome:
        """Attempt and revise until all attempts are made, one is good enough, or the budget is spent."""
        models = {f"{place}:": model for place, model in enumerate(self.model_uris)}
        prior: Posterior = NormalInverseChiSquare() if self.prior == "gaussian" else BetaPosterior()
        planner = AdaptiveBranching(
            actions=tuple(models),
            prior=prior,
            rule=self.action_rule,
            num_expansions=self.num_expansions,
            parallel=self.parallel,
            enough=self.enough,
            seed=run.rng.getrandbits(63),
        )
        writer = AttemptWriter(
            models=models,
            verifier=self.verifier,
            template=self.template,
            num_shown=self.num_shown,
            sampling=self._sampling(),
        )
        journal = None if self.journal is None else Journal.of(self.journal, replace(self, journal=None), run)
        return await Search(run, planner, writer, choice=self.choice, journal=journal).outcome()

    def _sampling(self) -> Sampling:
        logprobs = 0 if "logprobs" in self.verifier.needs else None
        return Sampling(temperature=self.temperature, max_tokens=self.max_tokens, logprobs=logprobs)
