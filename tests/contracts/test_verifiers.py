"""Every registered verifier keeps the contract; a verifier that breaks a clause is found out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import pytest

from tests.unit.judging import STEP, doubting, grade, judging
from ttscale import registry
from ttscale.backends import Backend
from ttscale.run import Run
from ttscale.testing import FakeBackend, FakeRewardModel, check_verifier
from ttscale.testing.verifier_checks import CLAUSES
from ttscale.types import Problem, Sample, Score
from ttscale.verifier import Example, Verifier
from ttscale.verifiers import ImplicitPRMVerifier, ORMVerifier, PRMVerifier

QUESTION = Problem(id="question", prompt=Problem.ask("Say yes.").prompt, target="yes")

IMPATIENT = {name: f"{name}:timeout_seconds=1" for name in ("math", "reasoning_gym")}
"""Those that let a hostile text have all their time."""


@pytest.mark.slow
@pytest.mark.parametrize("name", registry.names("verifiers"))
async def test_a_registered_verifier_keeps_every_clause(name: str) -> None:
    verifier = registry.create_verifier(IMPATIENT.get(name, name))
    checked = await check_verifier(verifier, script=judging(), likelihood=doubting)
    assert checked == [clause.promise for clause in CLAUSES]


@pytest.mark.parametrize(
    ("verifier", "model"),
    [
        (PRMVerifier(model="judge", step_token=STEP), FakeRewardModel(grade, step_token=STEP, seconds=0.0)),
        (ORMVerifier(model="judge"), FakeRewardModel(grade, seconds=0.0)),
        (ImplicitPRMVerifier(model="judge"), FakeBackend("", likelihood=doubting)),
    ],
)
async def test_a_verifier_carried_by_another_model_keeps_every_clause(
    verifier: Verifier, model: Backend
) -> None:
    assert await check_verifier(verifier, models={"judge": model}) == [clause.promise for clause in CLAUSES]


@dataclass(frozen=True, kw_only=True)
class Agreeable:
    """Likes samples that say yes; right in every way. What follows breaks it in one."""

    needs: ClassVar[frozenset[str]] = frozenset()
    needs_target: ClassVar[bool] = False

    async def score(self, problem: Problem, samples: Sequence[Sample], run: Run) -> list[Score]:
        return [self.judge(problem, sample) for sample in samples]

    def judge(self, problem: Problem, sample: Sample) -> Score:
        return Score(value=1.0 if sample.text.startswith("yes") else 0.0)

    def examples(self) -> Sequence[Example]:
        return [
            Example(problem=QUESTION, text="yes, certainly", accepted=True),
            Example(problem=QUESTION, text="no", accepted=False),
            Example(problem=replace(QUESTION, id="other"), text="yes", accepted=True),
        ]


async def test_a_verifier_written_by_hand_keeps_every_clause() -> None:
    await check_verifier(Agreeable())


class Asking(Agreeable):
    """Asks the model."""

    async def score(self, problem: Problem, samples: Sequence[Sample], run: Run) -> list[Score]:
        scores = list[Score]()
        for sample in samples:
            async with run.sample(f"Is this right? {sample.text}") as replies:
                reply = await anext(replies)
            scores.append(Score(value=1.0 if reply.text == "yes" else 0.0))
        return scores


async def test_a_verifier_that_asks_the_model_keeps_every_clause() -> None:
    script = {f"Is this right? {example.text}": "no" for example in Agreeable().examples()}
    script |= {"Is this right? yes, certainly": "yes", "Is this right? yes": "yes"}
    await check_verifier(Asking(), script=lambda prompt, *_: script.get(prompt.messages[0].content, "no"))


class Picky(Agreeable):
    """Rejects its own example."""

    def judge(self, problem: Problem, sample: Sample) -> Score:
        return Score(value=0.0)


class Undecided(Agreeable):
    """Cannot tell what it should reject."""

    def judge(self, problem: Problem, sample: Sample) -> Score:
        return Score(value=1.0 if sample.text.startswith("yes") else None)


class OffScale(Agreeable):
    """Leaves its scale on a text that is not an example."""

    def judge(self, problem: Problem, sample: Sample) -> Score:
        return Score(value=float(len(sample.text) > 100) * 2 + float(sample.text.startswith("yes")))


class NotANumber(Agreeable):
    """Divides by the length of an empty sample."""

    def judge(self, problem: Problem, sample: Sample) -> Score:
        return super().judge(problem, sample) if sample.text else Score(value=float("nan"))


class Sorting(Agreeable):
    """Gives its scores from high to low."""

    async def score(self, problem: Problem, samples: Sequence[Sample], run: Run) -> list[Score]:
        scores = await super().score(problem, samples, run)
        return sorted(scores, key=lambda score: -(score.value or 0.0))


class Forgetful(Agreeable):
    """Scores the first sample only."""

    async def score(self, problem: Problem, samples: Sequence[Sample], run: Run) -> list[Score]:
        return (await super().score(problem, samples, run))[:1]


class Trusting(Agreeable):
    """Evaluates what it reads."""

    def judge(self, problem: Problem, sample: Sample) -> Score:
        sample.text.encode()
        return super().judge(problem, sample)


class Needing(Agreeable):
    """Needs at least one sample."""

    async def score(self, problem: Problem, samples: Sequence[Sample], run: Run) -> list[Score]:
        best = max(samples, key=lambda sample: len(sample.text))
        return [self.judge(problem, sample) for sample in samples if best]


class Cheating(Agreeable):
    """Reads the reference answer and does not say so."""

    def judge(self, problem: Problem, sample: Sample) -> Score:
        return Score(value=1.0 if problem.target and sample.text.startswith(problem.target) else 0.0)


class Exampleless(Agreeable):
    """Shows nothing that it rejects."""

    def examples(self) -> Sequence[Example]:
        return [example for example in super().examples() if example.accepted]


class Positional:
    """Is no dataclass."""

    needs: ClassVar[frozenset[str]] = frozenset()
    needs_target: ClassVar[bool] = False
    score = Agreeable.score
    examples = Agreeable.examples


MUTANTS: dict[type[Any], str] = {
    Picky: "accepts and rejects its examples",
    Undecided: "accepts and rejects its examples",
    OffScale: r"no text makes it fail: 2.0 is not in \[0.0, 1.0\]",
    NotANumber: "no text makes it fail: nan is not in",
    Sorting: "scores come in the order of samples",
    Forgetful: "gave 1 scores for 2 samples",
    Trusting: "no text makes it fail: it raised UnicodeEncodeError",
    Needing: "no samples get no scores: it raised ValueError",
    Cheating: "it reads the reference answer only if it says so",
    Exampleless: "no example that it rejects",
    Positional: "is not a dataclass",
}


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
async def test_a_verifier_that_breaks_a_promise_is_found_out(mutant: type[Verifier]) -> None:
    with pytest.raises(AssertionError, match=MUTANTS[mutant]):
        await check_verifier(mutant())
