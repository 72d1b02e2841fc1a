"""Best-first search over steps, straight for the answer or along a plan of sub-goals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

from ttscale.run import Run
from ttscale.types import Outcome, Problem
from ttscale_strategies.checks import require_at_least, require_positive, require_share
from ttscale_strategies.revision import require_fields
from ttscale_strategies.search._frontier import Effort, Urgency
from ttscale_strategies.search._goal_search import GoalSearch, Planning
from ttscale_strategies.search._goal_writer import GoalWriter, PlanPrompts
from ttscale_strategies.search._options import StepOptions
from ttscale_strategies.search.choice import Choice
from ttscale_strategies.search.driver import Search
from ttscale_strategies.search.journal import Journal
from ttscale_strategies.search.rules import parse_plan
from ttscale_strategies.search.steps import StepWriter


@dataclass(frozen=True, kw_only=True)
class BestFirst(StepOptions):
    """Best-first search, with sub-goals that workers share (Xin et al. 2025, arXiv:2509.06493, BFS-Prover-V2).

    Of all states that have no next steps yet the most urgent gets `children`, again and again. By default
    that is the one with the least ``-(Σ logprob of its steps) / depth^alpha``, a step's logprob being the mean
    over its tokens; with ``urgency="reward"`` the one whose reward is the greatest. All solutions that end
    within `num_expansions` elect the answer; one whose reward reaches `accept` is the answer and ends it all.

    With ``goals`` the model, or `planner`, is asked for a list of sub-goals first. One that cannot be used is
    drawn anew, up to `max_retries` times; then the search goes straight for the answer. `num_workers` searches,
    each from its own frontier and with its own `num_expansions`, all attack the first sub-goal that is not
    reached. Where one reaches it all others give it up, and all go on from there. Where none does, a plan is
    asked for that repeats what is reached and goes round what is not; after `max_replans` of these the search
    goes straight for the answer from where it stands.

    Cost: at most num_workers · num_expansions · children calls a goal, and a call a plan. Verifications: of
    what ends a solution, of all steps for ``urgency="reward"``, and of all steps towards a sub-goal.
    `confidence` is the reward of the solution chosen, for ``choice="best"``; else the winner's share.

    Departures: in the paper Lean verifies each step, each sub-goal and, with the proofs left open, the plan.
    Here nobody can. A sub-goal is written into the solution as a line of its own, and counts as reached at the
    first step whose reward reaches `accept`, the verifier being shown the sub-goal in place of the question
    (`goal_template`): what a verifier takes for right may be wrong, and there is no way back then. A plan is
    only checked for its form. A solution that ends before its time, and is accepted, ends the search. Who is
    first to reach a sub-goal is counted in expansions and not in seconds, so it does not depend on how long
    steps take. With ``parallel`` > 1 an expansion does not know what the latest ones have brought. The last
    expansion writes solutions to their ends if none has ended before, so that there is an answer. Equal tokens
    below one step are one step, and what reads the same, white space apart, is expanded once, when it is most
    urgent; steps that say the same in other words are not merged.
    """

    num_expansions: int = 16
    """States that get next steps, of each worker and for each goal, >= 1; the paper has 600 s."""
    children: int = 8
    """Next steps of each, >= 1; the paper has 16."""
    urgency: Urgency = "logprob"
    """What is expanded first: what the model finds likely, or what the verifier likes."""
    alpha: float = 1.0
    """How much deep states are preferred, >= 0: with 0 each step makes a state less urgent, with 1 states are
    compared by their mean step, which takes fewer expansions to come to an end. The paper's first version found
    .5 best, its second has 0."""
    parallel: int = 1
    """Most expansions of a worker at work at once, >= 1. With more, it takes less time, and each knows less."""
    accept: float | None = None
    """Reward in [0, 1] from which a sub-goal is reached, and a solution ends the search; ``None``: none is, and
    there can be no goals."""
    num_workers: int = 1
    """Searches side by side, each with draws of its own, >= 1."""
    goals: str | None = None
    """Name of the template that asks for sub-goals, with the field question, as ``goals``; ``None``: there are
    none."""
    replan_template: str = "replan_goals"
    """Name of the template of later plans, with the fields question, proven and stuck."""
    goal_template: str = "reach_goal"
    """Name of the template of what a verifier is asked on the way to a sub-goal, with the fields question and
    goal."""
    goal_keyword: str = "Goal:"
    """One word, with which the lines of a plan begin that are sub-goals."""
    planner: str | None = None
    """URI of the model that plans; ``None``: the one that samples."""
    max_goals: int = 8
    """Most sub-goals of a plan, >= 1; a longer one cannot be used."""
    max_retries: int = 3
    """Fresh draws of each plan, >= 0."""
    max_replans: int = 2
    """Plans after the first, >= 0."""
    choice: Choice = "best"

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("num_expansions", "children", "parallel", "num_workers", "max_goals"):
            require_positive(getattr(self, name), name)
        for name in ("alpha", "max_retries", "max_replans"):
            require_at_least(getattr(self, name), 0, name)
        if self.accept is not None:
            require_share(self.accept, "accept")
        if self.goals is None:
            return
        if self.accept is None:
            raise ValueError("goals need accept: the reward from which a sub-goal counts as reached")
        require_fields(self.goals, ("question",))
        require_fields(self.replan_template, ("question", "proven", "stuck"))
        require_fields(self.goal_template, ("question", "goal"))
        parse_plan("", keyword=self.goal_keyword)

    @property
    def models(self) -> Mapping[str | None, frozenset[str]]:
        """What it needs of the model that samples, and who plans."""
        asked = (None,) if self.goals is None else (None, self.planner)
        needs: dict[str | None, frozenset[str]] = dict.fromkeys(asked, frozenset[str]())
        if self.urgency == "logprob":
            needs[None] = frozenset({"logprobs"})
        return needs

    def max_samples(self) -> int | None:
        """Return num_workers · num_expansions · children, less where max_depth leaves less to expand.

        With goals there is no such bound.
        """
        if self.goals is not None:
            return None
        num_states, level = 0, 1
        for _ in range(self.max_depth):
            num_states, level = num_states + level, level * self.children
            if num_states >= self.num_expansions:
                break
        return self.num_workers * min(self.num_expansions, num_states) * self.children

    async def solve(self, problem: Problem, run: Run) -> Outcome:
        """Expand until a solution is accepted, all expansions are made, or the budget is spent."""
        planning = Planning(
            max_retries=self.max_retries, max_replans=self.max_replans, keyword=self.goal_keyword
        )
        effort = Effort(
            urgency=self.urgency,
            alpha=self.alpha,
            num_expansions=self.num_expansions,
            num_children=self.children,
            parallel=self.parallel,
            ends=True,
        )
        planner = GoalSearch(
            effort,
            num_workers=self.num_workers,
            accept=self.accept,
            planning=None if self.goals is None else planning,
        )
        journal = None if self.journal is None else Journal.of(self.journal, replace(self, journal=None), run)
        writer = self._writer(planner)
        return await Search(run, planner, writer, choice=self.choice, journal=journal).outcome()

    def _writer(self, planner: GoalSearch) -> GoalWriter:
        """Return who does what the planner wants."""
        steps = self.writer()
        prompts = self.goals and PlanPrompts(
            model=self.planner,
            plan=self.goals,
            replan=self.replan_template,
            reached=self.goal_template,
            keyword=self.goal_keyword,
            max_goals=self.max_goals,
        )
        return GoalWriter(
            **{field.name: getattr(steps, field.name) for field in fields(StepWriter)},
            tasks=planner.tasks,
            rates_steps=self.urgency == "reward",
            needs_logprobs=self.urgency == "logprob",
            prompts=prompts or None,
        )
