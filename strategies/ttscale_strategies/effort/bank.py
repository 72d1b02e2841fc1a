"""Strategies played through on recorded samples: what a table for `auto` is fitted to."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ttscale.answers import answer_key, extract_answer
from ttscale.bank import Bank, RecordedModel
from ttscale.strategy import Strategy
from ttscale_strategies.checks import require_at_least, require_positive
from ttscale_strategies.effort.plain_vote import plain_vote
from ttscale_strategies.effort.table import Case, Result, strategy_of
from ttscale_strategies.voting import FirstFinish, LastFinish, SelfConsistency, ShortestMajority, Single
from ttscale_strategies.voting.rules import first_finish, last_finish, majority, shortest_majority

NUM_PILOTS: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """What is known of a recorded sample."""

    key: str | None
    """Of its answer; ``None``: it has none."""
    correct: float
    """In [0, 1]."""
    tokens: int
    """Generated."""


def bank_samples(bank: Bank, model: RecordedModel) -> dict[str, list[Drawn]]:
    """Return a model's whole samples by question; those without target or grade are left out.

    Args:
        bank: the samples.
        model: one of its models.
    """
    targets = {problem.prompt: answer_key(problem.target) for problem in bank.problems()}
    asked = {given: source for source, given in bank.sources(model.fingerprint)}
    found = dict[str, list[Drawn]]()
    for series in bank.series(model.fingerprint):
        prompt = asked.get(series.prompt, series.prompt)
        target = targets.get(series.prompt) or targets.get(prompt)
        for sample in bank.samples(series.key):
            key = answer_key(extract_answer(sample.shown))
            correct = sample.grade if target is None else float(key == target)
            if correct is not None and sample.head.is_whole:
                drawn = Drawn(key=key, correct=correct, tokens=sample.head.usage.generated)
                found.setdefault(prompt.question, []).append(drawn)
    return found


def bank_cases(
    samples: Mapping[str, Sequence[Drawn]],
    strategies: Sequence[str],
    *,
    num_pilots: int = NUM_PILOTS,
    num_orders: int = 16,
    seed: int = 0,
) -> list[Case]:
    """Return what strategies come to on recorded samples, question by question and order by order.

    Of each drawn order the first samples are the pilots, whose agreement is the ease. Strategies play with them
    and those after them as they do when `compute_optimal` chooses them: pilots are the first samples of a plain
    majority, any other strategy has those after them, and the pilots' tokens are counted.

    Args:
        samples: by question; questions with fewer samples than pilots and the greatest strategy take are left
            out.
        strategies: specs of `single`, `self_consistency`, `shortest_majority`, `first_finish`, `last_finish`.
            All samples of a vote are counted, though one that is decided early costs less.
        num_pilots: >= 0; without pilots strategies come to what they do by themselves, and the ease is 0.
        num_orders: orders in which each question's samples are drawn, >= 1.
        seed: of the orders.

    Raises:
        ValueError: a strategy is unknown or of another kind, or a number is out of its range.
    """
    require_at_least(num_pilots, 0, "num_pilots")
    require_positive(num_orders, "num_orders")
    made = {spec: strategy_of(spec) for spec in strategies}
    most = max((_size(strategy, num_pilots) for strategy in made.values()), default=num_pilots)
    cases = list[Case]()
    for question, drawn in samples.items():
        if len(drawn) < most:
            continue
        draw = random.Random(f"{seed} {question}")
        for _ in range(num_orders):
            order = draw.sample(drawn, len(drawn))
            pilots, others = order[:num_pilots], order[num_pilots:]
            agreed = majority([sample.key for sample in pilots])
            ease = 0.0 if agreed is None else agreed.votes / num_pilots
            results = {spec: played(strategy, others, pilots) for spec, strategy in made.items()}
            cases.append(Case(question=question, ease=ease, results=results))
    return cases


def played(strategy: Strategy, samples: Sequence[Drawn], pilots: Sequence[Drawn] = ()) -> Result:
    """Return what a strategy comes to if these are the samples it draws, and others have been drawn before.

    Raises:
        ValueError: it cannot be played on answers and lengths only.
    """
    known = [*pilots, *samples]
    if plain_vote(strategy) is not None:
        voters = known[: _size(strategy, len(pilots))]
        return Result(correct=_correct(_voted(voters), known), tokens=sum(sample.tokens for sample in voters))
    drawn = samples[: _size(strategy, 0)]
    keys, lengths = [sample.key for sample in drawn], [sample.tokens for sample in drawn]
    tokens = sum(lengths)
    if isinstance(strategy, Single):
        key = keys[0]
    elif isinstance(strategy, FirstFinish | LastFinish):
        finish = (first_finish if isinstance(strategy, FirstFinish) else last_finish)(keys, lengths, strategy.k)
        key, tokens = None if finish.winner is None else finish.winner.key, finish.num_tokens
    elif isinstance(strategy, ShortestMajority) or _is_shortest(strategy):
        law = strategy.law if isinstance(strategy, ShortestMajority) else "ln"
        shortest = shortest_majority(keys, lengths, law=law)
        key = None if shortest is None else shortest.key
    else:
        key = _voted(drawn)
    if key is None:
        key = _voted(pilots)
    return Result(correct=_correct(key, known), tokens=tokens + sum(sample.tokens for sample in pilots))


def _voted(samples: Sequence[Drawn]) -> str | None:
    winner = majority([sample.key for sample in samples])
    return None if winner is None else winner.key


def _is_shortest(strategy: Strategy) -> bool:
    return isinstance(strategy, SelfConsistency) and strategy.rule == "shortest"


def _size(strategy: Strategy, num_pilots: int) -> int:
    """Return how many samples a strategy and so many pilots are. Errors as `played`."""
    if (vote := plain_vote(strategy)) is not None:
        return max(num_pilots, vote.n)
    if isinstance(strategy, Single):
        return num_pilots + 1
    if isinstance(strategy, FirstFinish | LastFinish | ShortestMajority):
        return num_pilots + strategy.n
    if isinstance(strategy, SelfConsistency) and strategy.stop != "consistent":
        return num_pilots + strategy.n
    raise ValueError(f"{strategy!r} cannot be played on recorded answers and lengths")


def _correct(key: str | None, samples: Sequence[Drawn]) -> float:
    """Return the mean grade of an answer's samples: graders may differ on one answer."""
    grades = [sample.correct for sample in samples if sample.key == key] if key is not None else []
    return sum(grades) / len(grades) if grades else 0.0
