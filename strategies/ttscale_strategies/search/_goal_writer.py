"""Writing and rating for searches with sub-goals: steps, sub-goals, plans."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from ttscale.errors import BackendError
from ttscale.registry import load_template
from ttscale.run import Run, question_of
from ttscale.types import Problem, Prompt, Sample, Sampling, Score
from ttscale.verifier import Example, ScoresSteps, Verifier
from ttscale_strategies.revision import without_thoughts
from ttscale_strategies.search._goal_search import GoalTask, PlanTask, StepTask, Task
from ttscale_strategies.search._rollout_writer import RolloutWriter
from ttscale_strategies.search.rules import parse_plan, plan_fault
from ttscale_strategies.search.steps import StepWriter
from ttscale_strategies.search.tree import Draw, Node, Tree, key_of


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanPrompts:
    """How a model is asked for plans, and a verifier about sub-goals."""

    model: str | None
    """Who plans, by URI; ``None``: the model that samples."""
    plan: str
    """Name of the template of the first plan, with the field question."""
    replan: str
    """Name of the template of later plans, with the fields question, proven and stuck."""
    reached: str
    """Name of the template of the question that a verifier is shown, with the fields question and goal."""
    keyword: str
    max_goals: int

    def rendered(self, question: str, task: PlanTask) -> Prompt:
        """Return the prompt for a plan."""
        if task.stuck is None:
            return load_template(self.plan).render(question=question)
        proven = "\n".join(task.proven) or "none"
        return load_template(self.replan).render(question=question, proven=proven, stuck=task.stuck)

    def fault(self, text: str, task: PlanTask) -> str | None:
        """Return what is wrong with a plan, in words, or ``None`` if it may be used."""
        goals = parse_plan(text, keyword=self.keyword)
        if len(goals) > self.max_goals:
            return f"the plan has {len(goals)} sub-goals, at most {self.max_goals} are allowed"
        return plan_fault(goals, proven=task.proven, stuck=task.stuck)


@dataclass(frozen=True, kw_only=True)
class GoalWriter(RolloutWriter):
    """Does what a `GoalSearch` wants: writes steps, solutions to their ends, sub-goals and plans.

    What ends a solution is rated as a whole, a step on the way to a sub-goal as a solution of that.
    """

    tasks: Mapping[str, Task]
    """What is drawn at a site, by its action; it may grow."""
    rates_steps: bool
    """Whether steps on the way to the answer are rated."""
    needs_logprobs: bool
    """Whether steps are drawn with log-probabilities, whatever the verifier needs."""
    prompts: PlanPrompts | None

    async def write(self, tree: Tree, draw: Draw, run: Run) -> Node | str:
        """Make a draw.

        Returns:
            What was drawn, not yet rated; or why there is nothing.

        Raises:
            BudgetExhausted: it does not fit the budget.
        """
        task = self.tasks[draw.site.action]
        if isinstance(task, StepTask):
            writer = replace(self, max_depth=1) if task.to_end else self
            return await StepWriter.write(writer, tree, draw, run)
        try:
            if isinstance(task, GoalTask):
                return self._goal(tree, draw, task, run)
            return await self._plan(tree, draw, task, run)
        except BackendError as error:  # it takes no such prompt
            return str(error)

    def _sampling(self, *, to_end: bool) -> Sampling:
        sampling = super()._sampling(to_end=to_end)
        return replace(sampling, logprobs=0) if self.needs_logprobs else sampling

    def _goal(self, tree: Tree, draw: Draw, task: GoalTask, run: Run) -> Node:
        """Return a sub-goal as a step of the solution."""
        before = tree.text(draw.site.node)
        text = task.goal + self.delimiter
        if before and not before.endswith(self.delimiter):
            text = self.delimiter + text
        token_ids = run.append(Prompt(token_ids=()), text).token_ids or ()
        return Node(
            key=key_of(draw.site, token_ids, text),
            parent=draw.site.node,
            draw=draw.number,
            action=draw.site.action,
            depth=len(tree.lineage(draw.site.node)) + 1,
            text=text,
            token_ids=token_ids,
            is_end=False,
            reason="a sub-goal is not rated",
        )

    async def _plan(self, tree: Tree, draw: Draw, task: PlanTask, run: Run) -> Node | str:
        """Ask for a plan, and return it if it can be used."""
        assert self.prompts is not None
        async with run.child(label="planner", model=self.prompts.model) as planner:
            prompt = self.prompts.rendered(question_of(run.problem.prompt, run), task)
            async with planner.sample(prompt, sampling=Sampling(temperature=self.temperature)) as samples:
                sample = await anext(samples)
        if sample.finish_reason in ("error", "abort"):
            return sample.error or "the sample was aborted"
        if (fault := self.prompts.fault(without_thoughts(sample.text), task)) is not None:
            return fault
        return Node(
            key=key_of(draw.site, sample.token_ids, sample.text),
            parent=draw.site.node,
            draw=draw.number,
            action=draw.site.action,
            depth=len(tree.lineage(draw.site.node)) + 1,
            text=sample.text,
            part="aside",
            token_ids=sample.token_ids,
            is_end=False,
            reason="a plan is not rated",
        )

    async def rate(self, tree: Tree, node: Node, run: Run) -> Node:
        """Return a node with what the verifier makes of it, where that is asked for.

        Raises:
            BudgetExhausted: the verifier's work does not fit the budget.
        """
        task = self.tasks[node.action]
        if not isinstance(task, StepTask):
            return node
        if node.is_end:
            return await super().rate(tree, node, run)
        if task.goal is not None:
            return await StepWriter.rate(self._for_goal(task.goal, run), tree, node, run)
        if self.rates_steps:
            return await StepWriter.rate(self, tree, node, run)
        return replace(node, reason="only what ends a solution is rated")

    def _for_goal(self, goal: str, run: Run) -> StepWriter:
        """Return the writer that rates steps by how well they reach a sub-goal."""
        assert self.prompts is not None
        prompt = load_template(self.prompts.reached).render(
            question=question_of(run.problem.prompt, run), goal=goal
        )
        verifier = self.verifier.for_newest_step() if isinstance(self.verifier, ScoresSteps) else self.verifier
        return replace(self, verifier=Reached(verifier=verifier, prompt=prompt))


@dataclass(frozen=True, kw_only=True)
class Reached:
    """Scores what was written so far as a solution of another question: whether it reaches a sub-goal."""

    verifier: Verifier
    prompt: Prompt

    needs: ClassVar[frozenset[str]] = frozenset()
    needs_target: ClassVar[bool] = False

    async def score(self, problem: Problem, samples: Sequence[Sample], run: Run) -> list[Score]:
        """Return the verifier's scores, one a sample."""
        return await self.verifier.score(replace(problem, prompt=self.prompt), samples, run)

    def examples(self) -> Sequence[Example]:
        """Return none: what it accepts is the verifier's to say."""
        return ()
