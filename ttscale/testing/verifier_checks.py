"""`check_verifier`: holds a verifier to its contract (`ttscale.verifier`) and to its own examples."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Final

from ttscale.backends.base import Backend
from ttscale.engine import Engine
from ttscale.run import Run
from ttscale.testing.characters import SILENT
from ttscale.testing.clauses import Clause, expect, hold_to
from ttscale.testing.fake import FakeBackend, Likelihood, likely
from ttscale.testing.plugin_checks import check_plugin
from ttscale.testing.script import Script
from ttscale.types import FinishReason, Outcome, Problem, Sample, SampleUsage, Score, Timings
from ttscale.verifier import Example, Verifier

_ANY_LOGPROB: Final = -0.5

HOSTILE: Final = (
    "",
    "\\boxed{",
    "\\boxed{}",
    "}{}}" * 100,
    "\\boxed{" * 2000 + "1" + "}" * 2000,
    "\\boxed{9^{9^{9^{9^{9}}}}}",
    "\\boxed{9**9**9**9**9}",
    "\\boxed{" + "9" * 20_000 + "}",
    "\\boxed{" + "(" * 5000 + ")" * 5000 + "}",
    "\\boxed{\\frac{1}{0}}",
    "\\boxed{nan} \\boxed{inf} \\boxed{-0}",
    "\\boxed{__import__('os').system('exit 1')}",
    "\\boxed{\x00\ud800\u202e<script>alert(1)</script>\x1b[2J}",
    "The answer is " * 20_000,
)
"""Texts that no verifier may fail on."""


async def check_verifier(
    verifier: Verifier,
    *,
    script: Script = "yes",
    likelihood: Likelihood = likely,
    models: Mapping[str, Backend] | None = None,
    seconds: float = 120.0,
) -> list[str]:
    """Hold a verifier to its contract, on an ordinary event loop: it may use worker processes.

    Args:
        verifier: with all the plugins in it.
        script: what the model replies to a verifier that asks one.
        likelihood: what the model says of given answers.
        models: other models that it asks, by the names it calls them by.
        seconds: most time for each clause.

    Returns:
        The promises that were checked.

    Raises:
        AssertionError: a promise is broken; the message names it.
    """
    async with Engine(
        FakeBackend(script, seconds_per_token=0.0, likelihood=likelihood), models=models
    ) as engine:
        await hold_to(CLAUSES, Judging(verifier=verifier, engine=engine), seconds=seconds)
    return [clause.promise for clause in CLAUSES]


class _Scoring:
    """A strategy that does nothing but have given samples scored."""

    needs: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, verifier: Verifier, samples: Sequence[Sample]) -> None:
        self.verifier = verifier
        self.samples = samples
        self.scores = list[Score]()
        self.failure: Exception | None = None

    def max_samples(self) -> int:
        """Return 0: the samples are given."""
        return 0

    async def solve(self, problem: Problem, run: Run) -> Outcome:
        """Score the samples."""
        try:
            self.scores = await run.score(self.samples, self.verifier)
        except Exception as error:
            self.failure = error
            raise
        return Outcome(answer=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judging:
    """A verifier and an engine on which it may score."""

    verifier: Verifier
    engine: Engine

    async def score(self, problem: Problem, samples: Sequence[Sample]) -> list[Score]:
        """Return the scores of samples of one problem, after checking their form and what they cost.

        Raises:
            AssertionError: the verifier raised, gave another number of scores or one off its scale, or booked
                what it spent as the strategy's.
        """
        scoring = _Scoring(self.verifier, samples)
        outcome = await self.engine.solve(problem, strategy=scoring)
        if (error := scoring.failure) is not None:
            raise AssertionError(f"it raised {type(error).__name__}: {error}") from error
        for score in scoring.scores:
            _check_scale(score)
        own = outcome.usage.prompt_computed + outcome.usage.generated + outcome.usage.cancelled
        expect(own == 0, f"{own} tokens of the verifier's were booked as the strategy's")
        return scoring.scores


def _check_scale(score: Score) -> None:
    expect(math.isfinite(score.low) and math.isfinite(score.high), f"the scale is not finite: {score}")
    expect(score.low < score.high, f"the scale is empty: {score}")
    for value in (score.value, *score.steps):
        within = value is None or (math.isfinite(value) and score.low <= value <= score.high)
        expect(within, f"{value!r} is not in [{score.low}, {score.high}]: {score}")


def sample_of(
    example: Example, index: int, finish_reason: FinishReason = "stop", error: str | None = None
) -> Sample:
    """Return an example as a sample, with its own log-probabilities or some."""
    logprobs = example.logprobs
    ids = tuple(map(ord, example.text)) if logprobs is None else (SILENT,) * len(logprobs)
    return Sample(
        index=index,
        text=example.text,
        token_ids=ids,
        finish_reason=finish_reason,
        usage=SampleUsage(generated=len(ids)),
        prompt=example.problem.prompt,
        seed=index,
        timings=Timings(submitted=0.0, first_token=0.0, finished=0.0),
        logprobs=(_ANY_LOGPROB,) * len(ids) if logprobs is None else logprobs,
        error=error,
    )


def _by_problem(examples: Sequence[Example]) -> list[tuple[Problem, list[Example]]]:
    """Return the examples of each problem, in order."""
    groups = list[tuple[Problem, list[Example]]]()
    for example in examples:
        known = next((group for problem, group in groups if problem == example.problem), None)
        if known is None:
            groups.append((example.problem, [example]))
        else:
            known.append(example)
    return groups


def _samples(examples: Sequence[Example]) -> list[Sample]:
    return [sample_of(example, index) for index, example in enumerate(examples)]


async def _is_plain_configuration(judging: Judging) -> None:
    check_plugin(judging.verifier, "verifiers", Verifier)


async def _has_examples(judging: Judging) -> None:
    verdicts = {example.accepted for example in judging.verifier.examples()}
    expect(True in verdicts, "it gives no example that it accepts")
    expect(False in verdicts, "it gives no example that it rejects")


async def _judges_examples(judging: Judging) -> None:
    for problem, examples in _by_problem(judging.verifier.examples()):
        scores = await judging.score(problem, _samples(examples))
        for example, score in zip(examples, scores, strict=True):
            middle = (score.low + score.high) / 2
            wanted = "above" if example.accepted else "below"
            value = middle if score.value is None else score.value
            right = value > middle if example.accepted else value < middle
            expect(right, f"{example.text!r} must score {wanted} {middle}: {score}")


async def _keeps_order(judging: Judging) -> None:
    for problem, examples in _by_problem(judging.verifier.examples()):
        forward = await judging.score(problem, _samples(examples))
        backward = await judging.score(problem, _samples(examples[::-1]))
        values, turned = [s.value for s in forward], [s.value for s in reversed(backward)]
        expect(values == turned, f"{values} forwards, {turned} with the samples in reverse")


async def _takes_none(judging: Judging) -> None:
    problem = judging.verifier.examples()[0].problem
    scores = await judging.score(problem, [])
    expect(scores == [], f"no samples got the scores {scores}")


async def _survives_anything(judging: Judging) -> None:
    problem = judging.verifier.examples()[0].problem
    texts = [Example(problem=problem, text=text, accepted=False) for text in HOSTILE]
    samples = [sample_of(example, index) for index, example in enumerate(texts)]
    empty = Example(problem=problem, text="", accepted=False, logprobs=())
    samples += [
        sample_of(empty, len(samples), "error", "scripted failure"),
        sample_of(empty, len(samples) + 1, "abort"),
        replace(sample_of(empty, len(samples) + 2), logprobs=None),
    ]
    await judging.score(problem, samples)


async def _ignores_target(judging: Judging) -> None:
    """An oracle must say that it is one: any other verifier scores the same without the reference."""
    if judging.verifier.needs_target:
        return
    for problem, examples in _by_problem(judging.verifier.examples()):
        blind = replace(problem, target=None, meta={})
        known = [score.value for score in await judging.score(problem, _samples(examples))]
        unknown = [score.value for score in await judging.score(blind, _samples(examples))]
        expect(known == unknown, f"{known} with the reference answer, {unknown} without it")


CLAUSES: Final[Sequence[Clause[Judging]]] = (
    Clause(promise="it is a frozen, keyword-only dataclass", check=_is_plain_configuration),
    Clause(promise="it gives examples", check=_has_examples),
    Clause(promise="it accepts and rejects its examples", check=_judges_examples),
    Clause(promise="scores come in the order of samples", check=_keeps_order),
    Clause(promise="no samples get no scores", check=_takes_none),
    Clause(promise="no text makes it fail", check=_survives_anything),
    Clause(promise="it reads the reference answer only if it says so", check=_ignores_target),
)
"""The contract, in the order it is checked."""
