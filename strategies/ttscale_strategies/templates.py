"""The prompts that strategies give a model, by the names under which the registry knows them."""

from __future__ import annotations

from typing import Final

from ttscale.template import Template
from ttscale.types import Message
from ttscale_strategies import styles

REVISE: Final = Template.user(
    "{question}\n\nEarlier attempts, right or wrong:\n\n{attempts}\n\nWrite a correct solution."
)
"""Asks for a better attempt; `attempts` are one or more solutions, `ttscale.template.numbered` as "Attempt"."""

THREADS: Final = Template.user("{question}\n\nSearch for the solution in parallel sub searches.")
"""Asks for a search that calls sub searches (spawn and join, APR, arXiv 2504.15466)."""

THREAD: Final = Template.user("{state}\n\nSearch from this state.")
"""Asks for one sub search; `state` is the two lines with which a trace moves to a node."""

OUTLINES: Final = Template.user("{question}\n\nSplit the work into parallel threads.")
"""Asks for outlines of independent work, one thread each (ThreadWeaver, arXiv 2512.07843)."""

PLAN: Final = Template.user(
    "{question}\n\nPlan calls of add(a, b), subtract(a, b) and multiply(a, b); $1 is the result of call 1."
)
"""Asks for a plan of tool calls that can refer to each other's results (LLMCompiler, arXiv 2312.04511)."""

SAME_ANSWER: Final = Template.user(
    "{question}\n\n{solution}\n\nWill both attempts end in the same answer? Answer + or -."
)
"""Asks whether two beginnings of attempts, `ttscale.template.numbered` as "Attempt", lead to one answer."""

HINTED_STEPS: Final = Template.user(
    "Solve the problem step by step. Leave an empty line between steps, and put the final answer into "
    "\\boxed{}.\n\nTip: {hint}\n\nProblem: {question}"
)
"""Asks for a solution in steps by one way of solving (SSR, arXiv 2505.15340)."""

CHOOSE_HINTS: Final = Template(
    (
        Message(
            "user",
            "Problem: {question}\n\nWays to solve problems:\n{hints}\n\nChoose the {count} ways that promise "
            "most for this problem; the last may be chosen more than once. Reply with their letters, with "
            "commas between them, and nothing else.",
        ),
        Message("assistant", "The letters of the {count} best ways: ("),
    )
)
"""Asks which of some lettered ways to try; the reply is begun so that a letter comes next (SSR)."""

GRADE_STEP: Final = Template(
    (
        Message(
            "user",
            "Problem: {question}\n\nA solution as far as it has been written:\n\n{solution}\n\nGrade only its "
            "last step:\n\n{step}\n\nIs it correct, and does it follow from what stands before it? 0 is worst, "
            "9 is best. Reply with one digit.",
        ),
        Message("assistant", "The grade of the last step is \\boxed{"),
    )
)
"""Asks for a digit of a solution's last step; the reply is begun so that the digit comes next (SSR,
SpecReason). The solution stands before all that changes with the step, for the sake of the prefix cache."""

GOALS: Final = Template.user(
    "{question}\n\nDo not solve it yet. List the intermediate results on the way to the solution, in the order "
    'in which they are reached, one a line. Begin each line with "Goal:", and write nothing else.'
)
"""Asks for a plan of sub-goals (BFS-Prover-V2, arXiv 2509.06493)."""

REPLAN_GOALS: Final = Template.user(
    "{question}\n\nDo not solve it yet. These intermediate results have been reached:\n\n{proven}\n\nThis one, "
    "which was to come next, could not be reached:\n\n{stuck}\n\nList the intermediate results on the way to "
    "the solution anew, in the order in which they are reached, one a line. First repeat those reached, word "
    "for word; then put at least one new before the one that could not be reached. Begin each line with "
    '"Goal:", and write nothing else.'
)
"""Asks for a plan that begins with the sub-goals reached, and goes round the one that was not (the same)."""

REACH_GOAL: Final = Template.user("{question}\n\nDo not solve all of it: stop when this is reached.\n\n{goal}")
"""Asks for one sub-goal; what a verifier of the steps towards it is shown as the question."""

BUILTINS: Final = {
    "choose_hints": "ttscale_strategies.templates:CHOOSE_HINTS",
    "goals": "ttscale_strategies.templates:GOALS",
    "grade_step": "ttscale_strategies.templates:GRADE_STEP",
    "hinted_steps": "ttscale_strategies.templates:HINTED_STEPS",
    "outlines": "ttscale_strategies.templates:OUTLINES",
    "plan": "ttscale_strategies.templates:PLAN",
    "reach_goal": "ttscale_strategies.templates:REACH_GOAL",
    "replan_goals": "ttscale_strategies.templates:REPLAN_GOALS",
    "revise": "ttscale_strategies.templates:REVISE",
    **styles.BUILTINS,
    "same_answer": "ttscale_strategies.templates:SAME_ANSWER",
    "thread": "ttscale_strategies.templates:THREAD",
    "threads": "ttscale_strategies.templates:THREADS",
}
"""Built-in templates of strategies by name."""
