"""`orm`: is the solution as a whole right?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from ttscale.registry import load_template
from ttscale.run import question_of
from ttscale.types import Problem, Prompt, Sample, Score
from ttscale.verifier import Example
from ttscale_verifiers._judging import JUDGE_NEEDS, answered, ask, score_samples

if TYPE_CHECKING:
    from ttscale.run import Run


@dataclass(frozen=True, kw_only=True)
class ORMVerifier:
    """Scores a sample by an outcome reward model (Cobbe et al. 2021, arXiv:2110.14168), in [0, 1].

    Who judges follows from the model:

    - a reward model (`vllm:…` or `hf:…` of a sequence classifier's architecture, as Skywork-Reward's) reads
      question and solution; its reward is squeezed into [0, 1] by the logistic function, which keeps the order;
    - any other model is asked whether the solution is right: how likely it says `+` against `-` (Zhang et al.
      2024, arXiv:2408.15240).

    Cost: one pass over question and solution a sample; of a model that is asked one call and one generated
    token. All samples are judged at once.

    An empty sample, a text longer than the context and an answer that is neither sign give no value, and the
    reason. A model that is asked must give the likeliest tokens with their ids.

    Raises:
        ValueError: the template has other fields.
        ConfigError: there is no such template.
    """

    model: str | None = None
    """URI of the model that judges; ``None``: the one that samples."""
    template: str = "judge_answer"
    """Name of the template for a model that is asked, with the fields question and solution."""

    needs: ClassVar[frozenset[str]] = frozenset()
    needs_target: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if {"question", "solution"} != set(fields := load_template(self.template).fields):
            raise ValueError(
                f"the template {self.template!r} needs the fields question and solution, it has {fields}"
            )

    @property
    def models(self) -> Mapping[str | None, frozenset[str]]:
        """Who judges."""
        return {self.model: JUDGE_NEEDS}

    async def score(self, problem: Problem, samples: Sequence[Sample], run: Run) -> list[Score]:
        """Return a score a sample.

        Raises:
            ParameterError: the reward model grades steps.
            BudgetExhausted: the solutions do not fit the budget.
        """
        async with run.child(label="orm", model=self.model) as judge:
            question = question_of(problem.prompt, run)
            return await score_samples(samples, partial(self._judge, judge, question))

    async def _judge(self, judge: Run, question: str, text: str) -> Score:
        solution = text.strip()
        if not solution:
            return Score(value=None, reason="no solution")
        if judge.capabilities.rewards:
            rewards = await judge.reward(answered(question, solution))
            return Score(value=rewards.values[0])
        template = load_template(self.template)
        return Score(value=await ask(judge, template.render(question=question, solution=solution)))

    def examples(self) -> Sequence[Example]:
        """Return a right solution and a wrong one."""
        problem = Problem(id="sum", prompt=Prompt.user("What is 2 + 3 + 4?"))
        return (
            Example(problem=problem, text="2 + 3 = 5\n5 + 4 = 9\n\\boxed{9}", accepted=True),
            Example(problem=problem, text="2 + 3 = 6\n6 + 4 = 10\n\\boxed{10}", accepted=False),
        )
