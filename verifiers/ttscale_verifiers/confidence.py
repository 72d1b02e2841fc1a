"""`confidence`: how sure was the model of its own words?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ttscale.types import Problem, Prompt, Sample, Score
from ttscale.verifier import Example

if TYPE_CHECKING:
    from ttscale.run import Run


@dataclass(frozen=True, kw_only=True)
class ConfidenceVerifier:
    """Scores a sample by the geometric mean of its tokens' probabilities, in [0, 1].

    That is exp of the mean log-probability of the chosen tokens, one over the sample's perplexity: the
    length-normalised likelihood that Wang et al. 2022 (arXiv:2203.11171, section 2) weigh votes with. It ranks
    samples as the mean log-probability does.

    Cost: no model calls; the samples must be drawn with log-probabilities (`Sampling.logprobs`), which a
    strategy knows from `needs`. Without them, or without tokens, there is no value.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"logprobs"})
    needs_target: ClassVar[bool] = False

    async def score(self, problem: Problem, samples: Sequence[Sample], run: Run) -> list[Score]:
        """Return exp(mean log-probability) a sample, in [0, 1]."""
        return [_confidence(sample) for sample in samples]

    def examples(self) -> Sequence[Example]:
        """Return a sure sample and an unsure one."""
        problem = Problem(id="sum", prompt=Prompt.user("What is 1 + 1?"))
        return (
            Example(problem=problem, text="\\boxed{2}", accepted=True, logprobs=(-0.01, -0.02, -0.01)),
            Example(problem=problem, text="\\boxed{3}", accepted=False, logprobs=(-0.5, -2.0, -1.5)),
        )


def _confidence(sample: Sample) -> Score:
    if sample.is_error:
        return Score(value=None, reason="failed sample")
    if sample.logprobs is None:
        return Score(value=None, reason="no logprobs")
    if not sample.logprobs:
        return Score(value=None, reason="no tokens")
    mean = math.fsum(sample.logprobs) / len(sample.logprobs)
    return Score(value=math.exp(min(mean, 0.0)))
