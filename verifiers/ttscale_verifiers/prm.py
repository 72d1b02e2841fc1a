"""`prm`: is each step of the solution right?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from ttscale.errors import BackendError
from ttscale.registry import load_template
from ttscale.run import question_of
from ttscale.steps import Aggregate, aggregated, split_steps
from ttscale.template import steps_prompt
from ttscale.types import Problem, Prompt, Sample, Score
from ttscale.verifier import Example
from ttscale_verifiers._judging import JUDGE_NEEDS, answered, ask, score_samples, side_by_side

if TYPE_CHECKING:
    from ttscale.run import Run


@dataclass(frozen=True, kw_only=True)
class PRMVerifier:
    """Scores a sample by its steps, each judged by a process reward model, in [0, 1]; `Score.steps` has them.

    Who judges follows from the model (Zheng et al. 2025, arXiv:2501.07301, compare both kinds):

    - a reward model (`vllm:…` or `hf:…` of Qwen2.5-Math-PRM's architecture, or a token classifier) reads the
      question and the steps, each ended by `step_token`, and gives the probability that each is right;
    - any other model is asked (Math-Shepherd, Wang et al. 2024, arXiv:2312.08935): after each step, in a
      conversation where it has called all earlier ones right, how likely it says `+` against `-`.

    Cost: of a reward model one pass over question and solution a sample. Of a model that is asked one call and
    one generated token a step; the prompts of a sample's steps begin alike, and only what the prefix cache does
    not have is computed: the last step is asked about first, then all others at once.

    A sample without steps, a text longer than the context and an answer that is neither sign give no value, and
    the reason. A model that is asked must give the likeliest tokens with their ids.

    Raises:
        ValueError: the delimiter or the step token is empty, or the template has other fields.
        ConfigError: there is no such template.
    """

    model: str | None = None
    """URI of the model that judges; ``None``: the one that samples."""
    aggregate: Aggregate = "last"
    """How the steps' scores become the sample's."""
    delimiter: str = "\n"
    """What stands between steps; empty steps do not count."""
    step_token: str = "<extra_0>"  # noqa: S105  # no secret
    """What ends a step for a reward model: one token of its vocabulary. The default is Qwen2.5-Math-PRM's."""
    newest_only: bool = False
    """Whether the last step alone is scored, and only this is asked about. Searches by steps choose it."""
    template: str = "judge_steps"
    """Name of the template of the first turn for a model that is asked, with the fields question and step."""

    needs: ClassVar[frozenset[str]] = frozenset()
    needs_target: ClassVar[bool] = False

    def __post_init__(self) -> None:
        for name in ("delimiter", "step_token"):
            if not getattr(self, name):
                raise ValueError(f"{name} must not be empty")
        if {"question", "step"} != set(fields := load_template(self.template).fields):
            raise ValueError(
                f"the template {self.template!r} needs the fields question and step, it has {fields}"
            )

    @property
    def models(self) -> Mapping[str | None, frozenset[str]]:
        """Who judges."""
        return {self.model: JUDGE_NEEDS}

    def for_newest_step(self) -> PRMVerifier:
        """Return the same verifier with `newest_only`."""
        return replace(self, newest_only=True)

    async def score(self, problem: Problem, samples: Sequence[Sample], run: Run) -> list[Score]:
        """Return a score with steps a sample.

        Raises:
            ParameterError: the reward model has no such step token, or does not grade steps.
            BudgetExhausted: the steps do not fit the budget.
        """
        async with run.child(label="prm", model=self.model) as judge:
            question = question_of(problem.prompt, run)
            return await score_samples(samples, partial(self._judge, judge, question))

    async def _judge(self, judge: Run, question: str, solution: str) -> Score:
        steps = split_steps(solution, self.delimiter)
        if not steps:
            return Score(value=None, reason="no steps")
        by_reward = judge.capabilities.rewards
        scores = await (self._graded if by_reward else self._asked)(judge, question, steps)
        if self.newest_only:
            scores = scores[-1:]
        return Score(value=aggregated(scores, self.aggregate), steps=tuple(scores))

    async def _asked(self, judge: Run, question: str, steps: Sequence[str]) -> Sequence[float]:
        """Ask about the last step, whose conversation holds all others, then about these side by side."""
        template = load_template(self.template)
        *prompts, whole = [steps_prompt(template, question, steps[: end + 1]) for end in range(len(steps))]
        last = await ask(judge, whole)  # from here on the prefix cache has what the others begin with
        if self.newest_only:
            return [last]
        return [*await side_by_side(ask(judge, prompt) for prompt in prompts), last]

    async def _graded(self, judge: Run, question: str, steps: Sequence[str]) -> Sequence[float]:
        """Have a reward model grade all steps in one pass."""
        ended = [f"{step.replace(self.step_token, '')}{self.step_token}" for step in steps]
        rewards = await judge.reward(answered(question, "".join(ended)), step_token=self.step_token)
        if len(rewards.values) != len(steps):
            raise BackendError(f"{judge.profile.name!r} graded {len(rewards.values)} steps of {len(steps)}")
        return rewards.values

    def examples(self) -> Sequence[Example]:
        """Return a right solution and a wrong one."""
        problem = Problem(id="sum", prompt=Prompt.user("What is 2 + 3 + 4?"))
        return (
            Example(problem=problem, text="2 + 3 = 5\n5 + 4 = 9\n\\boxed{9}", accepted=True),
            Example(problem=problem, text="2 + 3 = 6\n6 + 4 = 10\n\\boxed{10}", accepted=False),
        )
