"""`check_strategy`: holds a strategy to its contract (`ttscale.strategy`) in virtual time."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

from ttscale.budget import Budget
from ttscale.strategy import Strategy
from ttscale.testing import characters
from ttscale.testing.clauses import Clause, expect, hold_to
from ttscale.testing.plugin_checks import check_plugin
from ttscale.testing.script import Reply, Rule, Script, noisy_answers, reply_of
from ttscale.testing.trial import ABORT_SECONDS, Rephrasing, Result, Trial
from ttscale.types import Candidate, Outcome, Problem, Prompt
from ttscale.virtual import BlockingWorkers, VirtualLoop, run_virtual

T = TypeVar("T")

_ORDERS: Final = 20
_HANGS_AFTER_SECONDS: Final = 1e6
"""Virtual seconds that no clause comes near."""

_SLACK_SECONDS: Final = 10 * ABORT_SECONDS
"""By which a deadline may be missed: nested blocks account for their aborted samples one after the other."""

QUESTION: Final = Problem(id="question", prompt=Prompt.user("How much is 6 times 7?"), target="42")
NOISY: Final = noisy_answers("42", 0.5, ["41", "43", "7"], template="So \\boxed{%s}.")
"""Half of the samples are right. Cut short, none has an answer."""


def distinct(prompt: Prompt, seed: int, ordinal: int) -> str:
    """Answer each sample differently: no vote is ever won early, no two samples agree."""
    return f"So \\boxed{{{seed}}}."


async def check_strategy(
    strategy: Strategy,
    *,
    problem: Problem = QUESTION,
    script: Script = NOISY,
    undecided: Script = distinct,
    models: Sequence[str] = (),
    depends_on_arrival: bool = False,
    thorough: bool = True,
) -> list[str]:
    """Hold a strategy to its contract on a scripted engine.

    Args:
        strategy: with all the plugins in it.
        problem: what it is asked.
        script: the model's replies; they may depend on prompt and seed only, or no order of completion is the
            same as another.
        undecided: replies that give it no reason to stop early, so that it draws `max_samples()`.
        models: names of the other models that it asks; the scripts are theirs too.
        depends_on_arrival: whether it says of itself that its answer depends on which sample ends first.
        thorough: whether all orders of completion, budgets, deadlines and moments of cancelling are tried, or
            about a third of them.

    Returns:
        The promises that were checked.

    Raises:
        AssertionError: a promise is broken; the message names it.
    """
    clauses = [c for c in CLAUSES if not (depends_on_arrival and c.check is _ignores_order)]
    on_virtual_clock = isinstance(asyncio.get_running_loop(), VirtualLoop)
    with BlockingWorkers() as workers:
        trial = Trial(strategy=strategy, problem=problem, script=script, workers=workers, models=tuple(models))
        case = Case(trial=trial, undecided=undecided, thorough=thorough)
        work = hold_to(clauses, case, seconds=_HANGS_AFTER_SECONDS)
        await (work if on_virtual_clock else asyncio.to_thread(run_virtual, work))
    return [clause.promise for clause in clauses]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What the clauses are handed."""

    trial: Trial
    undecided: Script
    thorough: bool
    _results: dict[str, Result] = field(default_factory=dict[str, Result])

    @property
    def whole(self) -> Trial:
        """The trial in which nothing lets the strategy stop early."""
        return self.trial.with_(script=self.undecided)

    def some(self, values: Iterable[T]) -> list[T]:
        """Return the values to try: all, or every third and the last."""
        given = list(values)
        return given if self.thorough else [*given[:-1:3], given[-1]]

    async def result(self) -> Result:
        """Run the trial as it is; the next time its result is remembered."""
        return await self._once("trial", self.trial)

    async def whole_result(self) -> Result:
        """Run the trial in which nothing lets it stop early, likewise."""
        return await self._once("whole", self.whole)

    async def _once(self, name: str, trial: Trial) -> Result:
        if name not in self._results:
            self._results[name] = await trial.run()
        return self._results[name]


# ── what it is ────────────────────────────────────────────────────────────────────────────────────────────


async def _is_plain_configuration(case: Case) -> None:
    check_plugin(case.trial.strategy, "strategies", Strategy)


# ── what it asks ──────────────────────────────────────────────────────────────────────────────────────────

_MARK: Final = " Whoever reads this was handed it."


async def _asks_what_it_is_handed(case: Case) -> None:
    def script(prompt: Prompt, seed: int, ordinal: int) -> Reply:
        messages = [replace(one, content=one.content.replace(_MARK, "")) for one in prompt.messages]
        text = None if prompt.text is None else prompt.text.replace(_MARK, "")
        return reply_of(case.undecided, replace(prompt, messages=tuple(messages), text=text), seed, ordinal)

    strategy = Rephrasing(strategy=case.trial.strategy, mark=_MARK)
    asked = (await case.trial.with_(strategy=strategy, script=script).run()).prompts
    texts = [characters.decode(characters.encode(prompt)) for prompt in asked]
    expect(any(_MARK in text for text in texts), f"none of {len(texts)} prompts has what it was handed")
    prompt = case.trial.problem.prompt
    question = prompt.question or characters.decode(characters.encode(prompt))
    for text in texts:
        expect(text.count(question) == text.count(question + _MARK), f"it asks in other words: {text!r}")


# ── determinism ───────────────────────────────────────────────────────────────────────────────────────────


async def _repeats(case: Case) -> None:
    first, second = await case.result(), await case.trial.run()
    one, other = _timeless(first.outcome), _timeless(second.outcome)
    expect(one == other, f"first {one}, then {other}")


def _timeless(outcome: Outcome) -> Outcome:
    """Leave out what differs by rounding when the clock has moved on."""
    work = outcome.work and replace(
        outcome.work, seconds=0.0, peak_kv_tokens=0, peak_kv_bytes=None, sharing=None, sharing_by_model={}
    )
    return outcome.with_(trace=(), seconds=0.0, critical_path_seconds=None, work=work)


async def _ignores_order(case: Case) -> None:
    results = list[Result]()
    for order in case.some(range(_ORDERS)):
        trial = case.trial.with_(order=order, batch_size=64 if order % 2 == 0 else 3)
        results.append(await trial.run())
    first = results[0].outcome
    for order, result in zip(case.some(range(_ORDERS)), results, strict=True):
        _expect_same(first, result.outcome, f"order {order}")


def _expect_same(one: Outcome, other: Outcome, what: str) -> None:
    """Raise an AssertionError unless two outcomes decide the same, on samples that are the same."""
    decided, otherwise = (one.answer, one.key), (other.answer, other.key)
    expect(decided == otherwise, f"{what} gives {otherwise}, not {decided}")
    ours = {candidate.index: candidate for candidate in one.candidates}
    for candidate in other.candidates:
        known = ours.get(candidate.index, candidate)
        expect(_alike(known, candidate), f"{what} has {candidate}, not {known}")
    if ours.keys() == {candidate.index for candidate in other.candidates}:
        confidences = f"confidence {other.confidence}, not {one.confidence}"
        expect(one.confidence == other.confidence, f"{what} gives {confidences}, on the same candidates")


def _alike(one: Candidate, other: Candidate) -> bool:
    """Return whether a candidate is the same in both runs as far as both ran it to its end."""
    if {one.finish_reason, other.finish_reason} & {"abort", "error"}:
        return True
    same_score = None in (one.score, other.score) or one.score == other.score
    return same_score and (one.key, one.answer) == (other.key, other.answer)


async def _ignores_company(case: Case) -> None:
    problem, strategy = case.trial.problem, case.trial.strategy
    alone = await case.result()
    others = [replace(problem, id=f"other {number}") for number in range(6)]
    async with case.trial.with_(batch_size=4).stage() as stage, asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(stage.engine.solve(asked, strategy=strategy))
            for asked in (*others[:3], problem, *others[3:])
        ]
        await asyncio.wait(tasks)
        await stage.check_nothing_runs()
    _expect_same(alone.outcome, tasks[3].result(), "in company of others")


# ── cost ──────────────────────────────────────────────────────────────────────────────────────────────────


async def _keeps_cost_law(case: Case) -> None:
    most = case.trial.strategy.max_samples()
    if most is None:
        return
    for order in range(3):
        drawn = (await case.trial.with_(order=order).run()).num_samples
        expect(drawn <= most, f"it drew {drawn} samples, max_samples() says {most}")
    drawn = (await case.whole_result()).num_samples
    expect(drawn == most, f"with no reason to stop it drew {drawn} samples, max_samples() says {most}")


async def _keeps_budget(case: Case) -> None:
    full = (await case.whole_result()).outcome.usage
    prompt = full.prompt_computed + full.prompt_cached
    tokens = {1, 2, prompt, prompt + 1, prompt + 2, *(full.tokens * part // 8 + 1 for part in range(10))}
    budgets = [Budget(tokens=size) for size in sorted(tokens)]
    budgets += [Budget(samples=size) for size in {1, 2, max(1, full.calls - 1)}]
    budgets += [Budget(flops=full.flops * part) for part in (1e-6, 0.1, 0.5, 0.9) if full.flops]
    # One ledger keeps the problem's limits and the engine's: each size is tried as one, and as the other.
    trials = (case.trial, case.whole)
    for number, budget in enumerate(case.some(budgets)):
        _check_within(await trials[number % 2].run(budget), budget)
        _check_within(await trials[1 - number % 2].with_(engine_budget=budget).run(), budget)


def _check_within(result: Result, budget: Budget) -> None:
    outcome, usage = result.outcome, result.outcome.usage
    expect(budget.tokens is None or usage.tokens <= budget.tokens, f"{usage.tokens} tokens spent of {budget}")
    expect(budget.samples is None or result.num_samples <= budget.samples, f"{usage.calls} samples of {budget}")
    expect(
        budget.flops is None or (usage.flops or 0.0) <= budget.flops * (1 + 1e-9),
        f"{usage.flops} FLOPs spent of {budget}",
    )
    if usage.calls == 0:
        expect(outcome.answer is None, f"without a single sample it answered {outcome.answer!r}")
        expect(outcome.stop_reason == "budget", f"{budget} buys nothing, it ended as {outcome.stop_reason!r}")
        expect(bool(outcome.error), f"{budget} buys nothing, and the outcome does not say so")


async def _ignores_ample_budget(case: Case) -> None:
    free = (await case.result()).outcome
    ample = Budget(tokens=10**9, samples=10**6, seconds=1e5, flops=1e30)
    limited = (await case.trial.run(ample)).outcome
    one, other = _timeless(free), _timeless(limited)
    expect(one == other, f"without a budget {one}, with {ample} {other}")


# ── outcomes, failures, ends ──────────────────────────────────────────────────────────────────────────────


async def _gives_plain_json(case: Case) -> None:
    for budget in (None, Budget(tokens=1)):
        outcome = (await case.trial.run(budget)).outcome
        document = outcome.to_json()
        try:
            read = json.loads(json.dumps(document, allow_nan=False))
            again = Outcome.from_json(read).to_json()
        except (TypeError, ValueError) as error:
            raise AssertionError(f"{outcome} cannot be written and read: {error}") from error
        expect(read == document, f"its JSON is read back as {read}")
        expect(again == document, f"read back it is {again}, it was {document}")


def failing(script: Script, share: float) -> Rule:
    """Return the script with this share of samples failing, some before their first token."""

    def rule(prompt: Prompt, seed: int, ordinal: int) -> Reply:
        reply = reply_of(script, prompt, seed, ordinal)
        draw = random.Random(f"failure of {seed}")
        if draw.random() >= share:
            return reply
        return replace(reply, error="scripted failure", fail_after=draw.choice([0, len(reply.text) // 2]))

    return rule


async def _survives_failures(case: Case) -> None:
    for script in (case.trial.script, case.undecided):
        for order in case.some(range(5)):
            await case.trial.with_(script=failing(script, 0.5), order=order).run()
    outcome = (await case.trial.with_(script=failing(case.trial.script, 1.0)).run()).outcome
    expect(outcome.answer is None, f"every sample failed, and it answered {outcome.answer!r}")


async def _survives_silence(case: Case) -> None:
    for text in ("", "I cannot say.", "\\boxed{", "\\boxed{}", "\x00\ud800"):
        outcome = (await case.trial.with_(script=text).run()).outcome
        expect(outcome.key is None, f"samples of {text!r} hold no answer, and it found {outcome.key!r}")


async def _can_be_cancelled(case: Case) -> None:
    seconds = (await case.whole_result()).outcome.seconds
    for part in case.some((0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99)):
        async with case.whole.with_(batch_size=5).stage() as stage, asyncio.TaskGroup() as group:
            solving = group.create_task(stage.engine.solve(case.trial.problem, strategy=case.trial.strategy))
            await asyncio.sleep(part * seconds)
            solving.cancel()
            await asyncio.wait([solving])
            expect(solving.cancelled(), f"cancelled after {part * seconds:.3g} s it went on")
            await stage.check_nothing_runs()
            booked = stage.engine.ledger.usage.tokens
            expect(booked == stage.tokens, f"{booked} tokens booked, {stage.tokens} really spent")


async def _keeps_deadlines(case: Case) -> None:
    outcome = (await case.whole_result()).outcome
    seconds = outcome.seconds
    for part in case.some((0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.999)):
        limit = part * seconds
        outcome = (await case.whole.run(Budget(seconds=limit))).outcome
        late = outcome.seconds - limit
        expect(late <= _SLACK_SECONDS, f"it took {outcome.seconds:.3f} s of {limit:.3f}")
        expect(outcome.stop_reason == "budget", f"cut short it ended as {outcome.stop_reason!r}")
    if (case.trial.strategy.max_samples() or 2) > 1:
        expect(outcome.answer is not None, "just before its end it had no answer; call run.best as you go")


CLAUSES: Final[Sequence[Clause[Case]]] = (
    Clause(promise="it is a frozen, keyword-only dataclass", check=_is_plain_configuration),
    Clause(promise="it asks the problem it is handed", check=_asks_what_it_is_handed),
    Clause(promise="the same run has the same outcome", check=_repeats),
    Clause(promise="the order of completion does not change the answer", check=_ignores_order),
    Clause(promise="others at work do not change the answer", check=_ignores_company),
    Clause(promise="it draws what max_samples() says", check=_keeps_cost_law),
    Clause(promise="no budget is exceeded", check=_keeps_budget),
    Clause(promise="a budget that is not reached changes nothing", check=_ignores_ample_budget),
    Clause(promise="an outcome is plain JSON", check=_gives_plain_json),
    Clause(promise="failed samples are data", check=_survives_failures),
    Clause(promise="samples without an answer never vote", check=_survives_silence),
    Clause(promise="cancelled, it leaves nothing running", check=_can_be_cancelled),
    Clause(promise="a deadline returns the best so far", check=_keeps_deadlines),
)
"""The contract, in the order it is checked."""
