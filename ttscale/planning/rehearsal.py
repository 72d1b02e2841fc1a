"""Rehearsing a strategy: its own code, on a virtual clock, with an understudy in the model's place.

A formula for each strategy would have to be kept true to its code by hand, and would know nothing of budgets,
early stops and strategies within strategies. Here all of these are what they are in a run, and the ledger and
the trace say what it took. Only the model is replaced, by what is known of its answers.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from ttscale.budget import Budget, PriceTable
from ttscale.engine import Engine
from ttscale.errors import ConfigError, TTScaleError
from ttscale.planning.lengths import expected_order_statistic
from ttscale.planning.understudy import Cast, Understudy
from ttscale.planning.workload import Workload
from ttscale.strategy import Strategy, demands, parts
from ttscale.types import Outcome, Problem
from ttscale.verifier import Verifier
from ttscale.virtual import run_virtual

Basis = Literal["rehearsed", "upper bound", "unknown"]
"""What an expectation rests on. ``"upper bound"``: all samples that the strategy may draw."""

NUM_SOLVES: Final = 96
"""Questions rehearsed, at least; the fewer the workload has, the more often each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What a strategy spends on a question: means, ``None`` where unknown."""

    basis: Basis
    calls: float | None = None
    """Samples, verifiers' included."""
    prompt_tokens: float | None = None
    """Of all samples, each with a prompt of its own: what is computed without sharing."""
    prompt_computed: float | None = None
    """What this engine computes, with the cache that it has."""
    prompt_ideal: float | None = None
    """What an ideal prefix cache leaves to be computed."""
    generated: float | None = None
    """Of the strategy's samples, those that were aborted included."""
    cancelled: float | None = None
    """Of `generated`, tokens of samples that were aborted."""
    verifier_tokens: float | None = None
    """Computed and generated for verifiers."""
    tokens: float | None = None
    """What a token budget counts: computed prompts, generated and verifier tokens."""
    tokens_p95: float | None = None
    """Least number that 95 % of the questions do not exceed."""
    critical_path_tokens: float | None = None
    critical_path_p95: float | None = None
    kv_token_steps: float | None = None
    """Positions held for each sample, summed over decode steps: what attention reads."""
    kv_token_steps_shared: float | None = None
    """The same with what prompts share counted once."""
    peak_kv_tokens: float | None = None
    """Most tokens held at once, on the question that holds most; shared ones once where there is a cache."""
    flops: float | None = None
    usd: float | None = None
    """By the price table."""
    num_solves: int = 0
    notes: tuple[str, ...] = ()


def rehearse(
    strategy: Strategy,
    workload: Workload,
    cast: Cast,
    *,
    budget: Budget | None = None,
    prices: PriceTable | None = None,
    num_solves: int = NUM_SOLVES,
    seed: int = 0,
) -> Expectation:
    """Return what a strategy is expected to spend on a question of a workload.

    A strategy that cannot be rehearsed gets the upper bound of all samples that it may draw, and a note why.

    Args:
        strategy: as it will be run.
        workload: questions like those to come.
        cast: the model.
        budget: of each question.
        prices: of tokens.
        num_solves: questions to rehearse, >= 1.
        seed: of all that is random.

    Raises:
        ConfigError: the strategy or the budget cannot be used with such a model.
    """
    log = logging.getLogger("ttscale.engine")
    was_disabled, log.disabled = log.disabled, True  # a rehearsal that fails is told as a note
    try:
        outcomes, understudies = _solved(strategy, workload, cast, budget, prices, num_solves, seed)
    except ConfigError:
        raise
    except TTScaleError as error:
        return _bounded(strategy, workload, f"it cannot be rehearsed ({error})")
    finally:
        log.disabled = was_disabled
    failed = next((outcome.error for outcome in outcomes if outcome.stop_reason == "error"), None)
    if failed is not None:
        return _bounded(strategy, workload, f"its rehearsal failed ({failed})")
    notes = _notes(strategy, workload, understudies)
    return _expected(outcomes, has_cache=cast.prefix_block is not None, notes=notes)


def _solved(
    strategy: Strategy,
    workload: Workload,
    cast: Cast,
    budget: Budget | None,
    prices: PriceTable | None,
    num_solves: int,
    seed: int,
) -> tuple[list[Outcome], list[Understudy]]:
    outcomes, understudies = list[Outcome](), list[Understudy]()
    # Each round has other random numbers; questions of a described workload are all alike, one round will do.
    for order in range(max(1, math.ceil(num_solves / len(workload.questions)))):
        lead = Understudy(workload, cast, order=seed * 1_000_003 + order)
        others = _others(strategy, workload, cast, order=order)
        outcomes += run_virtual(_round(strategy, lead, others, workload, budget, prices, seed=seed + order))
        understudies.append(lead)
    return outcomes, understudies


async def _round(
    strategy: Strategy,
    lead: Understudy,
    others: dict[str, Understudy],
    workload: Workload,
    budget: Budget | None,
    prices: PriceTable | None,
    *,
    seed: int,
) -> list[Outcome]:
    outcomes = list[Outcome]()
    async with Engine(lead, models=others, prices=prices, max_in_flight=lead.batch_size) as engine:
        for place, question in enumerate(workload.questions):
            for player in (lead, *others.values()):
                player.place = place
            problem = Problem(
                id=f"question {place}",
                prompt=lead.wording.question(place),
                target=question.target,
            )
            outcomes.append(await engine.solve(problem, strategy=strategy, budget=budget, seed=seed))
    return outcomes


def _others(strategy: Strategy, workload: Workload, cast: Cast, *, order: int) -> dict[str, Understudy]:
    """Return an understudy for every other model that a strategy and its verifiers name."""
    found = dict[str, Understudy]()
    for part in parts(strategy, on_own_model=True):
        for model, needs in demands(part).items():
            if model is not None:
                is_reward_model = any("rewards" in need for need in needs)
                played = Cast(
                    profile=cast.profile,
                    seconds_per_token=cast.seconds_per_token,
                    prefix_block=cast.prefix_block,
                    batch_size=cast.batch_size,
                    is_reward_model=is_reward_model,
                )
                found[model] = Understudy(workload, played, order=order + 1)
    return found


def _expected(outcomes: Sequence[Outcome], *, has_cache: bool, notes: tuple[str, ...]) -> Expectation:
    def mean(values: Sequence[float]) -> float:
        return math.fsum(values) / len(values)

    usages = [outcome.usage for outcome in outcomes]
    works = [outcome.work for outcome in outcomes if outcome.work is not None]
    sharing = [work.sharing for work in works if work.sharing is not None]
    is_shared = len(sharing) == len(outcomes)
    tokens = [usage.tokens for usage in usages]
    paths = [outcome.critical_path_tokens for outcome in outcomes]
    flops = [usage.flops for usage in usages if usage.flops is not None]
    usd = [usage.usd for usage in usages if usage.usd is not None]
    peaks = [one.peak_kv_tokens for one in (sharing if has_cache and is_shared else works)]
    return Expectation(
        basis="rehearsed",
        calls=mean([usage.calls for usage in usages]),
        prompt_tokens=mean([usage.prompt_computed + usage.prompt_cached for usage in usages]),
        prompt_computed=mean([usage.prompt_computed for usage in usages]),
        prompt_ideal=mean([one.unshared for one in sharing]) if is_shared else None,
        generated=mean([usage.generated + usage.cancelled for usage in usages]),
        cancelled=mean([usage.cancelled for usage in usages]),
        verifier_tokens=mean([usage.verifier for usage in usages]),
        tokens=mean(tokens),
        tokens_p95=_p95(tokens),
        critical_path_tokens=mean(paths),
        critical_path_p95=_p95(paths),
        kv_token_steps=mean([work.kv_token_steps for work in works]),
        kv_token_steps_shared=mean([one.kv_token_steps for one in sharing]) if is_shared else None,
        peak_kv_tokens=max(peaks, default=0),
        flops=mean(flops) if len(flops) == len(usages) else None,
        usd=mean(usd) if len(usd) == len(usages) else None,
        num_solves=len(outcomes),
        notes=notes,
    )


def _p95(values: Sequence[float]) -> float:
    return sorted(values)[math.ceil(0.95 * len(values)) - 1]


def _notes(strategy: Strategy, workload: Workload, understudies: Sequence[Understudy]) -> tuple[str, ...]:
    notes = list[str]()
    if any(player.num_repeated for player in understudies) and workload.are_draws_measured:
        notes.append(
            f"it asks for more samples than the {workload.min_draws} that are known of a question, so some are "
            f"made up: their answers are those that are known, which agree more than others will, and their "
            f"lengths are spread as those of all questions are"
        )
    if any(player.num_foreign for player in understudies):
        notes.append("prompts of its own, and what is asked of other models, are answered as the question is")
    if any(player.num_forced for player in understudies):
        notes.append(
            "behind words put into its mouth the model goes on as it does in the last step of an answer"
        )
    if any(isinstance(part, Verifier) and not part.needs_target for part in parts(strategy)):
        notes.append("its verifier's scores are random")
    if not workload.agreement_is_known:
        notes.append("no two answers agree, so nothing stops early on agreement")
    return tuple(notes)


def _bounded(strategy: Strategy, workload: Workload, why: str) -> Expectation:
    """Return what all samples that a strategy may draw would take, one after the other at worst."""
    most = strategy.max_samples()
    if most is None:
        return Expectation(basis="unknown", notes=(f"{why}, and no bound is known of its samples",))
    prompt = most * workload.mean_prompt_tokens
    generated = most * workload.mean_answer_tokens
    longest = expected_order_statistic(workload.lengths, most, most) if most else 0.0
    return Expectation(
        basis="upper bound",
        calls=most,
        prompt_tokens=prompt,
        prompt_computed=prompt,
        generated=generated,
        tokens=prompt + generated,
        critical_path_tokens=generated,
        peak_kv_tokens=most * (workload.mean_prompt_tokens + longest),
        notes=(f"{why}; these are all samples that it may draw, of the mean length, one after the other",),
    )
