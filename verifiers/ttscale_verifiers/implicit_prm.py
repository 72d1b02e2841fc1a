"""`implicit_prm`: how likely is the solution to a model that was taught to find right ones likely?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Final

from ttscale.backends.rewards import logistic
from ttscale.errors import BackendError
from ttscale.prefix import num_common
from ttscale.run import question_of
from ttscale.types import Problem, Prompt, Sample, Score
from ttscale.verifier import Example
from ttscale_verifiers._judging import answered, score_samples, side_by_side
from ttscale_verifiers.step_scores import step_numbers

if TYPE_CHECKING:
    from ttscale.run import Run

_NEEDS: Final = frozenset({"prompt_logprobs"})


@dataclass(frozen=True, kw_only=True)
class ImplicitPRMVerifier:
    """Scores a sample by the log-likelihood that a trained language model gives it, in [0, 1].

    A language model that is trained on nothing but which solutions are right, with the log-likelihood of a
    solution as its reward, grades the steps as well: the reward adds up token by token (Yuan et al. 2024,
    arXiv:2412.01981). With a reference model r = β · log(π(solution) / π_ref(solution)), as in the paper, and
    the score is σ(r). Without one r = β · log π(solution), for models that are trained so, and the score is
    exp(r). `Score.steps` has the same of each step's own tokens.

    Cost: one pass over question and solution a sample, of each of the two models; all samples are read at once.

    An empty sample and a text longer than the context give no value, and the reason.

    Raises:
        ValueError: beta is not above 0, or the delimiter is empty.
    """

    model: str | None = None
    """URI of the model that judges; ``None``: the one that samples."""
    reference: str | None = None
    """URI of the reference model, the one that the judge was trained from; ``None``: none."""
    beta: float = 1.0
    """What log-likelihoods are multiplied by, > 0; where solutions have thousands of tokens, 0.05 say."""
    delimiter: str = "\n"
    """What stands between steps; empty steps do not count."""

    needs: ClassVar[frozenset[str]] = frozenset()
    needs_target: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not (self.beta > 0 and math.isfinite(self.beta)):
            raise ValueError(f"beta must be > 0, got {self.beta!r}")
        if not self.delimiter:
            raise ValueError("delimiter must not be empty")

    @property
    def models(self) -> Mapping[str | None, frozenset[str]]:
        """Who judges, and the reference."""
        readers = (self.model,) if self.reference is None else (self.model, self.reference)
        return dict.fromkeys(readers, _NEEDS)

    async def score(self, problem: Problem, samples: Sequence[Sample], run: Run) -> list[Score]:
        """Return a score with steps a sample.

        Raises:
            BudgetExhausted: the solutions do not fit the budget.
        """
        question = question_of(problem.prompt, run)
        async with run.child(label="implicit_prm", model=self.model) as judge:
            if self.reference is None:
                return await score_samples(samples, partial(self._judge, question, judge, None))
            async with run.child(label="reference", model=self.reference) as reference:
                return await score_samples(samples, partial(self._judge, question, judge, reference))

    async def _judge(self, question: str, judge: Run, reference: Run | None, text: str) -> Score:
        solution = text.strip()
        if not solution:
            return Score(value=None, reason="no solution")
        readers = (judge,) if reference is None else (judge, reference)
        found = await side_by_side(self._by_step(reader, question, solution) for reader in readers)
        if len(set(map(len, found))) > 1:
            raise BackendError("the judge and its reference do not read the same steps")
        rewards = [self.beta * (own - sum(others)) for own, *others in zip(*found, strict=True)]
        squeeze = math.exp if reference is None else logistic
        return Score(value=squeeze(math.fsum(rewards)), steps=tuple(map(squeeze, rewards)))

    async def _by_step(self, reader: Run, question: str, solution: str) -> list[float]:
        """Return the log-likelihood of each step under a model, in nats; that it ends there is left out."""
        read = await reader.score_prompt(answered(question, solution))
        asked = reader.encode(Prompt.user(question)).token_ids or ()
        begin = max(1, num_common(asked, read.token_ids))
        pieces = [reader.decode((token_id,)) for token_id in read.token_ids[begin:]]
        if not pieces:
            raise BackendError(f"{reader.profile.name!r} reads no token of this solution")
        numbers = step_numbers(pieces, self.delimiter)
        sums = [0.0] * (numbers[-1] + 1)
        for number, logprob in zip(numbers, read.logprobs[begin:], strict=True):
            sums[number] += logprob or 0.0
        return sums

    def examples(self) -> Sequence[Example]:
        """Return a right solution and a wrong one."""
        problem = Problem(id="sum", prompt=Prompt.user("What is 2 + 3 + 4?"))
        return (
            Example(problem=problem, text="2 + 3 = 5\n5 + 4 = 9\n\\boxed{9}", accepted=True),
            Example(problem=problem, text="2 + 3 = 6\n6 + 4 = 10\n\\boxed{10}", accepted=False),
        )
