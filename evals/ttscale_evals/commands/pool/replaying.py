"""Answering the problems of a pool from its samples, on the virtual clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from ttscale.answers import answer_key
from ttscale.backends.replay import ReplayBackend, choose_model
from ttscale.bank import AnswerGrade, Bank, RecordedModel, problems_of
from ttscale.budget import Budget
from ttscale.engine import Engine
from ttscale.errors import ConfigError
from ttscale.strategy import Strategy
from ttscale.types import JSON, Outcome, Problem, Prompt

Asked: TypeAlias = tuple[str, Problem]
"""A problem with its benchmark; empty: none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which of a pool's problems are asked: all that fit everything that is given."""

    recorded: str | None = None
    """Of whose samples; ``None``: of the only model's."""
    question: str | None = None
    """What the problem asks; if none does, it is asked nevertheless."""
    benchmark: str | None = None
    ids: Sequence[str] = ()
    """Each as ``ID`` or ``BENCHMARK/ID``."""

    def of(self, bank: Bank) -> tuple[RecordedModel, list[Asked]]:
        """Return the model and the problems that are meant, in their order.

        Raises:
            ConfigError: there is no such model or problem; the message names some that there are.
        """
        pool, models = str(bank.path), bank.models()
        if not models:
            raise ConfigError(f"{pool!r} holds no samples; draw some with `ttscale pool record`.")
        model = choose_model(models, self.recorded, pool=pool)
        problems = problems_of(bank, model.fingerprint)
        if self.question is not None:
            question = self.question.strip()
            found = [one for one in problems if one[1].prompt.question.strip() == question]
            return model, found[:1] or [("", Problem.ask(self.question))]
        if self.benchmark is not None:
            names = list(dict.fromkeys(benchmark for benchmark, _ in problems))
            problems = [one for one in problems if one[0] == self.benchmark]
            _require(problems, "benchmark", self.benchmark, names, pool)
        for wanted in self.ids:
            found = [one for one in problems if wanted in _names(one)]
            _require(found, "problem", wanted, [_names(one)[-1] for one in problems], pool)
        chosen = [one for one in problems if not self.ids or not set(self.ids).isdisjoint(_names(one))]
        if not chosen:
            raise ConfigError(f"{pool!r} holds no problem of {model.profile.name!r} that can be asked again.")
        return model, chosen


def _names(asked: Asked) -> tuple[str, ...]:
    benchmark, problem = asked
    return (problem.id, f"{benchmark}/{problem.id}") if benchmark else (problem.id,)


def _require(found: Sequence[Asked], kind: str, wanted: str, known: Sequence[str], pool: str) -> None:
    if not found:
        some = ", ".join(repr(name[:80]) for name in known[:8]) + (", …" if len(known) > 8 else "")
        raise ConfigError(f"{pool!r} has no {kind} {wanted!r}; it has: {some or 'none'}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """One problem, answered once."""

    benchmark: str
    problem: Problem
    order: int | None
    """Seed of the order in which samples were dealt; ``None``: as they were recorded."""
    outcome: Outcome
    error: str | None
    """Why it may not be what the strategy would have done with the model: it, or a sample, failed, or what it
    asked for was not recorded."""
    own_grade: float | None = None
    """Mean grade of the recorded samples with this answer, by the grader that they bring grades of."""

    def to_json(self) -> dict[str, JSON]:
        """Return a plain JSON object."""
        outcome = self.outcome
        return {
            "benchmark": self.benchmark,
            "problem": self.problem.id,
            "question": self.problem.prompt.question,
            "target": self.problem.target,
            "order": self.order,
            "answer": outcome.answer,
            "confidence": outcome.confidence,
            "samples": outcome.usage.calls,
            "tokens": outcome.usage.tokens,
            "generated_tokens": outcome.usage.generated,
            "cancelled_tokens": outcome.usage.cancelled,
            "critical_path_tokens": outcome.critical_path_tokens,
            "seconds": outcome.seconds,
            "stop_reason": outcome.stop_reason,
            "own_grade": self.own_grade,
            "error": self.error,
        }


async def replay_problems(
    backend: ReplayBackend,
    strategy: Strategy,
    problems: Sequence[Asked],
    *,
    budget: Budget,
    num_orders: int | None = None,
    grades: Mapping[Prompt, Mapping[str, AnswerGrade]] | None = None,
) -> list[Replay]:
    """Answer problems one after the other.

    Args:
        backend: the pool; it must not have started.
        strategy: answers.
        problems: >= 1, each with its benchmark.
        budget: of each problem.
        num_orders: deal the samples of each problem anew in so many random orders; ``None``: once, as recorded.
        grades: as `own_grades` returns them.

    Raises:
        ConfigError: the pool cannot be read, or lacks what the strategy needs.
        BudgetTooSmall: the budget does not buy one sample of the first problem.
    """
    replays = list[Replay]()
    async with Engine(backend) as engine:
        await engine.prepare(strategy, problem=problems[0][1], budget=budget)
        for order in (None,) if num_orders is None else range(num_orders):
            backend.deal(order)
            for benchmark, problem in problems:
                num_refused = len(backend.refusals)
                outcome = await engine.solve(problem, strategy=strategy, budget=budget, seed=order or 0)
                replays.append(
                    Replay(
                        benchmark=benchmark,
                        problem=problem,
                        order=order,
                        outcome=outcome.with_(trace=(), text=None),
                        error=next(
                            iter(backend.refusals[num_refused:]), outcome.error or _failed_sample(outcome)
                        ),
                        own_grade=_own_grade(grades or {}, backend.encode(problem.prompt), outcome.answer),
                    )
                )
    return replays


def _own_grade(
    grades: Mapping[Prompt, Mapping[str, AnswerGrade]], prompt: Prompt, answer: str | None
) -> float | None:
    key = answer_key(answer)
    found = None if key is None else grades.get(prompt, {}).get(key)
    return None if found is None else found.mean


def _failed_sample(outcome: Outcome) -> str | None:
    """Return why the first sample that failed did; ``None``: none did."""
    found = (span["attributes"] for span in outcome.trace if span["kind"] == "sample")
    errors = (attributes.get("error") for attributes in found if isinstance(attributes, Mapping))
    return next((str(error) for error in errors if error is not None), None)
