"""Plans of sub-goals, and the progress that several workers share in reaching them one after another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from ttscale_strategies.checks import require_at_least

GoalSolution = tuple[str, ...]
"""The steps that reach one goal from the one before."""


def parse_plan(text: str, *, keyword: str = "have") -> tuple[str, ...]:
    """Return the sub-goals of a planner's answer, in order.

    Xin et al. 2025, arXiv:2509.06493 (BFS-Prover-V2), whose keyword is ``have``. A sub-goal begins at a line
    that begins with the keyword and goes on to the next such line, a blank line, the fence of a code block or
    the end; from a ``:=`` on it is cut off, as that would be its proof; runs of white space become one blank.
    Text elsewhere is passed over, so a step without the keyword is no sub-goal. (Ours: the paper's code finds
    the keyword within lines too, and takes all that follows the last sub-goal for a part of it.)

    Args:
        text: the answer.
        keyword: a word; it stays part of the sub-goal.

    Returns:
        The sub-goals as `plan_fault` wants them; none if the text has none.

    Raises:
        ValueError: the keyword is not one word.
    """
    if not keyword or keyword.split() != [keyword]:
        raise ValueError(f"keyword must be one word, got {keyword!r}")
    goals: list[list[str]] = []
    is_within = False
    for line in text.splitlines():
        words = line.split()
        if words and words[0] == keyword:
            goals.append(words)
            is_within = True
        elif not words or words[0].startswith("```"):
            is_within = False
        elif is_within:
            goals[-1].extend(words)
    # what is left of a lone keyword, or of one with nothing but a proof, is no sub-goal
    stated = (" ".join(words).partition(":=")[0].strip() for words in goals)
    return tuple(goal for goal in stated if goal != keyword)


def plan_fault(plan: Sequence[str], *, proven: Sequence[str] = (), stuck: str | None = None) -> str | None:
    """Return what is wrong with a plan, in words, or ``None`` if it may be used.

    arXiv:2509.06493. A plan has at least one sub-goal, no empty one and none twice. A new plan made after
    some sub-goals were proven begins with exactly those, verbatim and in their order; at least one new
    sub-goal follows, before any restatement of the one that could not be proven. Whether the sub-goals make
    sense in their domain is for the domain to check.

    Args:
        plan: sub-goals in order.
        proven: sub-goals already proven, in order.
        stuck: the sub-goal that the old plan failed at; ``None`` for a first plan, or where the old plan's
            sub-goals were all proven.
    """
    goals = tuple(plan)
    if not goals:
        return "the plan has no sub-goals"
    for index, goal in enumerate(goals):
        if not goal.strip():
            return f"sub-goal {index} is empty"
        if goal in goals[:index]:
            return f"sub-goal {index}, {goal!r}, is given twice"
    for index, goal in enumerate(proven):
        if index >= len(goals) or goals[index] != goal:
            given = repr(goals[index]) if index < len(goals) else "nothing"
            return f"sub-goal {index} must be the proven {goal!r}, verbatim, but is {given}"
    if len(goals) == len(proven):
        return "the plan has no new sub-goals"
    if goals[len(proven)] == stuck:
        return f"a new sub-goal must come before the one that is stuck, {stuck!r}"
    return None


@dataclass(frozen=True, slots=True)
class PlanProgress:
    """How far a plan is carried out: plain data that all workers on one problem share.

    Every worker works on the first goal not solved yet, the frontier. The first valid solution moves it on;
    a worker that is behind jumps ahead by the solutions accepted so far (arXiv:2509.06493).

    Raises:
        ValueError: the plan is not a valid one, or there are more solutions than goals.
    """

    plan: tuple[str, ...]
    """Sub-goals in order, see `plan_fault`; none: straight to the target."""
    target: str
    """The goal after the last sub-goal."""
    solutions: tuple[GoalSolution, ...] = field(default=())
    """Of the first goals, in order, each accepted once."""

    def __post_init__(self) -> None:
        if self.plan and (fault := plan_fault(self.plan)):
            raise ValueError(f"the plan cannot be used: {fault}")
        if len(self.solutions) > len(self.goals):
            raise ValueError(f"{len(self.solutions)} solutions are too many for {len(self.goals)} goals")

    @property
    def goals(self) -> tuple[str, ...]:
        """The sub-goals and the target."""
        return (*self.plan, self.target)

    @property
    def frontier(self) -> int:
        """Index of the goal to work on: the number of goals solved."""
        return len(self.solutions)

    @property
    def goal(self) -> str | None:
        """The goal to work on; ``None`` once the target is reached."""
        return self.goals[self.frontier] if self.frontier < len(self.goals) else None

    @property
    def assembled(self) -> GoalSolution:
        """All accepted steps, one solution after the other."""
        return tuple(step for solution in self.solutions for step in solution)

    def ahead_of(self, index: int) -> tuple[GoalSolution, ...]:
        """Return the solutions by which a worker that stands before goal `index` gets to the frontier.

        Raises:
            ValueError: the index is negative.
        """
        require_at_least(index, 0, "index")
        return self.solutions[index:]


def advanced(
    progress: PlanProgress,
    index: int,
    goal: str,
    solution: Sequence[str],
    *,
    is_valid: Callable[[PlanProgress, GoalSolution], bool] | None = None,
) -> PlanProgress:
    """Return the progress with one more goal solved, or unchanged if the result is not taken.

    arXiv:2509.06493: a result is taken only for the goal at the frontier, and only if it is valid; results
    that come late, for a goal solved meanwhile, are dropped. Ours: the goal's words must be those at the
    frontier as well, so that a result of before a new plan cannot pass for one of the new goal at its place.

    Args:
        progress: so far.
        index: of the goal that the worker solved, >= 0.
        goal: its words.
        solution: the worker's steps from the goal before.
        is_valid: checks the solution in its place, by a replay, say; asked for results at the frontier only.

    Raises:
        ValueError: the index is negative.
    """
    require_at_least(index, 0, "index")
    if index != progress.frontier or goal != progress.goal:
        return progress
    steps = tuple(solution)
    if is_valid is not None and not is_valid(progress, steps):
        return progress
    return replace(progress, solutions=(*progress.solutions, steps))


def replanned(progress: PlanProgress, plan: Sequence[str]) -> PlanProgress:
    """Return the progress under a new plan; what is solved stays solved.

    arXiv:2509.06493.

    Args:
        progress: so far, with the goal at the frontier stuck.
        plan: see `plan_fault`.

    Raises:
        ValueError: the target is reached already, or the plan has a fault.
    """
    if progress.goal is None:
        raise ValueError("the target is reached, there is nothing left to plan")
    proven = progress.plan[: progress.frontier]
    stuck = progress.plan[progress.frontier] if progress.frontier < len(progress.plan) else None
    if fault := plan_fault(plan, proven=proven, stuck=stuck):
        raise ValueError(f"the plan cannot be used: {fault}")
    return replace(progress, plan=tuple(plan))
