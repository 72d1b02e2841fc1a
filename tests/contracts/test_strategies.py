"""Every registered strategy keeps the contract; a strategy that breaks a clause is found out."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import pytest

from ttscale import registry
from ttscale.answers import answer_key, extract_answer
from ttscale.engine import Engine
from ttscale.errors import BudgetExhausted
from ttscale.run import Run
from ttscale.strategy import Strategy
from ttscale.testing import FakeBackend, Reply, Script, check_strategy, virtual_clock
from ttscale.testing.strategy_checks import CLAUSES, distinct
from ttscale.types import Candidate, Outcome, Problem, Prompt, Sample, Score
from ttscale_strategies import (
    AgentBestOfN,
    CandidatesCrossover,
    CodeMonkeys,
    DynamicSpeculativePlanning,
    HogwildRounds,
    ParallelMuse,
    ParallelPrompts,
    Scale,
    SelfRevision,
    Threads,
)
from ttscale_strategies.dag._agent import AgentOptions
from ttscale_strategies.refine._judge_options import JudgeOptions
from ttscale_strategies.refine._rounds import RoundOptions
from ttscale_strategies.search._options import StepOptions

OTHER_SPECS = (
    "single:max_tokens=20,temperature=0.5",
    "self_consistency:n=1",
    "self_consistency:n=5,stop=never",
    "self_consistency:n=4,max_tokens=30",
    "best_of_n:n=1",
    "best_of_n:n=5,stop=never",
    "self_consistency:n=6,stop=consistent",
    "self_consistency:n=6,rule=shortest",
    "shortest_majority:n=3,law=linear",
    "last_finish:n=5,k=3",
    "adaptive_consistency:n=9,window=4",
    "adaptive_consistency:n=9,criterion=entropy",
    "allocated_vote:n=6,first=3,step=2",
    "allocated_vote:n=1",
    "esc:n=12,window=4",
    "esc:n=10,window=4",
    "confidence_vote:n=5,measure=bottom,vote=filtered,window=6,keep=0.5,top_logprobs=3",
    "deep_conf:n=6,num_warmup=2,window=8,consensus=0.8,width=4,top_logprobs=3",
    "deep_prune:n=6,stretch=24,max_finished=2",
    "seat:n=3,max_rounds=3,threshold=0.7,show=answers",
    "model_switch:model_uris=[null, other],n=3",
    "cascade:model_uris=[null, other]",
    "cascade:model_uris=[other, null],stages=[self_consistency:n=3, best_of_n:n=4],otherwise=vote",
    "cascade:stages=[self_consistency:n=9],gate=beta,model_uris=[null, other]",
    "no_thinking:strategy=best_of_n:n=4",
    "budget_forcing:num_extensions=3,max_answer_tokens=30,temperature=null",
    "speculative_steps:target=other,max_steps=4,grading=average",
    "speculative_steps:target=other,draft=other,max_steps=4,hints=[],num_tracks=1",
    'speculative_steps:target=other,max_steps=4,num_tracks=4,select=false,stop=never,grader="prm:model=other"',
    "speculative_steps:max_steps=4,num_tracks=4,stop=agree",
    "atts:n=3,turns=2,max_turn_tokens=32,target=other,calibration=[1.0]",
    "atts:n=4,turns=2,max_turn_tokens=32,draft=other,takeover_share=1,stop=never",
)
"""They may ask another model, called "other"."""
ARRIVAL_SPECS = (
    "best_of_n:n=4,stop=satisfied",
    "first_finish",
    "first_finish:n=5,k=3",
    "adaptive_consistency:n=9,window=4,decide_by=arrival",
    "deep_conf:n=6,num_warmup=2,window=8,consensus=0.8,width=4,top_logprobs=3,decide_by=arrival",
    "speculative_steps:max_steps=1,stop=agree,decide_by=arrival",
)
"""Those that say of themselves that they depend on the order of arrival."""


def four_steps(prompt: Prompt, seed: int, ordinal: int) -> str:
    """Come to an answer of its own in the fourth step; said to one who grades it is no digit."""
    return f"First.\n\nSecond.\n\nThird.\n\nSo \\boxed{{{seed}}}."


def late(prompt: Prompt, seed: int, ordinal: int) -> str:
    """Come to an answer of its own in the fourth stretch of 32 characters."""
    return f"{'And so on. ' * 9:.96}\\boxed{{{seed}}}"


UNDECIDED: dict[str, Script] = {
    "atts": late,
    "budget_forcing": "It is \\boxed{42}.</think>So \\boxed{42}.",
    "speculative_steps": four_steps,
}
"""Replies that give no reason to stop early, where other reasons than votes count."""
SMALLER = {
    "ab_mcts": "ab_mcts:num_expansions=4",
    "atts": "atts:n=3,turns=2,max_turn_tokens=32,threshold=0",
    "speculative_steps": "speculative_steps:max_steps=4",
    "adaptive_consistency": "adaptive_consistency:n=12",
    "confidence_vote": "confidence_vote:n=6,top_logprobs=4",
    "deep_conf": "deep_conf:n=6,num_warmup=3,top_logprobs=3",
    "deep_prune": "deep_prune:n=6",
    "esc": "esc:n=15",
    "inverse_entropy_vote": "inverse_entropy_vote:n=4,top_logprobs=4",
}
"""Strategies whose own size takes long to try, and on which no promise depends."""
REFINING = (HogwildRounds, RoundOptions, Scale, SelfRevision)
AGENTS = (AgentBestOfN, CandidatesCrossover, CodeMonkeys, DynamicSpeculativePlanning, ParallelMuse)
ELSEWHERE = (AgentOptions, StepOptions, JudgeOptions, ParallelPrompts, Threads, *AGENTS, *REFINING)
ORDERLY = [
    SMALLER.get(name, name)
    for name in registry.names("strategies")
    if name not in ARRIVAL_SPECS and not issubclass(registry.load("strategies", name), ELSEWHERE)
]
"""Searches by steps are held to the same in `test_searches`, on replies of several steps, those that have a
judge choose in `test_comparing`, on its replies, those that refine earlier attempts in `test_refining`, `scale`
in `test_effort`, `AGENTS` in `test_agents_strategies`, those that plan calls in `test_agents`, `threads`, on
replies that fork, in `test_threads`, and `parallel_prompts`, on prompts that hold several tasks, in
`test_parallel_prompts`."""


@pytest.mark.parametrize("spec", [*ORDERLY, *OTHER_SPECS])
async def test_a_registered_strategy_keeps_every_clause(spec: str, thorough: bool) -> None:
    undecided = UNDECIDED.get(spec.partition(":")[0], distinct)
    checked = await check_strategy(
        registry.create_strategy(spec), undecided=undecided, models=["other"], thorough=thorough
    )
    assert checked == [clause.promise for clause in CLAUSES]


@pytest.mark.slow
@pytest.mark.parametrize("spec", ARRIVAL_SPECS)
async def test_a_strategy_that_depends_on_arrival_keeps_all_others(spec: str, thorough: bool) -> None:
    checked = await check_strategy(registry.create_strategy(spec), depends_on_arrival=True, thorough=thorough)
    assert len(checked) == len(CLAUSES) - 1


@virtual_clock
@pytest.mark.parametrize("spec", [*ORDERLY, *OTHER_SPECS, *ARRIVAL_SPECS])
async def test_a_registered_strategy_says_so_when_every_sample_fails(spec: str) -> None:
    own, other = [FakeBackend(Reply("half a", error="scripted failure")) for _ in range(2)]
    async with Engine(own, models={"other": other}) as engine:
        outcome = await engine.solve("How much?", strategy=registry.create_strategy(spec))
    assert (outcome.answer, outcome.stop_reason) == (None, "error")
    assert outcome.error is not None
    assert "scripted failure" in outcome.error


@virtual_clock
async def test_a_strategy_is_checked_on_a_virtual_clock_too() -> None:
    await check_strategy(registry.create_strategy("single"))


# ── strategies that break their promises ──────────────────────────────────────────────────────────────────


@dataclass(frozen=True, kw_only=True)
class Vote:
    """A vote over n samples, right in every way; what follows breaks it in one."""

    n: int = 4
    needs: ClassVar[frozenset[str]] = frozenset()

    def max_samples(self) -> int | None:
        return self.n

    async def solve(self, problem: Problem, run: Run) -> Outcome:
        drawn = list[Sample]()
        async with run.sample(problem.prompt, n=self.n) as samples:
            try:
                async for sample in samples:
                    drawn.append(sample)
                    best = self.elect(drawn)
                    run.best(best.answer, key=best.key, confidence=best.confidence)
            except BudgetExhausted:
                if not drawn:
                    raise
                return self.elect(drawn).with_(stop_reason="budget")
        return self.elect(drawn)

    def elect(self, drawn: list[Sample]) -> Outcome:
        ordered = sorted(drawn, key=lambda sample: sample.index)
        if all(sample.is_error for sample in drawn):
            return Outcome(answer=None, stop_reason="error", error=drawn[0].error)
        return self.count([self.candidate(sample) for sample in ordered])

    def candidate(self, sample: Sample) -> Candidate:
        answer = None if sample.is_error else extract_answer(sample.text)
        key = answer_key(answer)
        return Candidate(index=sample.index, answer=answer, key=key, finish_reason=sample.finish_reason)

    def count(self, candidates: list[Candidate]) -> Outcome:
        votes = Counter(candidate.key for candidate in candidates if candidate.key is not None)
        if not votes:
            return Outcome(answer=None, candidates=tuple(candidates))
        ((key, number),) = votes.most_common(1)
        answer = next(candidate.answer for candidate in candidates if candidate.key == key)
        share = number / sum(votes.values())
        return Outcome(answer=answer, key=key, confidence=share, candidates=tuple(candidates))


async def test_a_vote_written_by_hand_keeps_every_clause() -> None:
    await check_strategy(Vote())


class FirstComes(Vote):
    """Counts votes in order of arrival, so that ties go to whoever came first."""

    def elect(self, drawn: list[Sample]) -> Outcome:
        outcome = super().elect(drawn)
        if outcome.error is not None:
            return outcome
        arrived = self.count([self.candidate(sample) for sample in drawn])
        return arrived.with_(candidates=outcome.candidates)


class Deaf(Vote):
    """Asks what was asked first, in whatever form it is handed the problem."""

    async def solve(self, problem: Problem, run: Run) -> Outcome:
        return await super().solve(run.asked[0], run)


class Echoing(Vote):
    """Asks something else."""

    async def solve(self, problem: Problem, run: Run) -> Outcome:
        return await super().solve(replace(problem, prompt=Prompt.user("What did I say?")), run)


class Restless(Vote):
    """Draws another sample after the vote."""

    async def solve(self, problem: Problem, run: Run) -> Outcome:
        outcome = await super().solve(problem, run)
        async with run.sample(problem.prompt) as samples:
            await anext(samples)
        return outcome


class Modest(Vote):
    """Says it draws more than it does."""

    def max_samples(self) -> int:
        return self.n + 1


class Leaky(Vote):
    """Leaves a task behind."""

    async def solve(self, problem: Problem, run: Run) -> Outcome:
        asyncio.get_running_loop().create_task(asyncio.sleep(1000.0))
        return await super().solve(problem, run)


class Careless(Vote):
    """Leaves a block open."""

    async def solve(self, problem: Problem, run: Run) -> Outcome:
        await run.sample(problem.prompt).__aenter__()
        return await super().solve(problem, run)

    def max_samples(self) -> int:
        return self.n + 1


class Stubborn(Vote):
    """Goes on when it is cancelled."""

    async def solve(self, problem: Problem, run: Run) -> Outcome:
        try:
            return await super().solve(problem, run)
        except asyncio.CancelledError:
            await asyncio.sleep(5.0)
            return Outcome(answer=None)


class Silent(Vote):
    """Never says its best so far."""

    async def solve(self, problem: Problem, run: Run) -> Outcome:
        run.best = lambda *args, **kwargs: None  # type: ignore[method-assign]
        return await super().solve(problem, run)


class Fragile(Vote):
    """Cannot stand a failed sample."""

    def candidate(self, sample: Sample) -> Candidate:
        if sample.is_error:
            raise ValueError("a sample failed")
        return super().candidate(sample)


class Credulous(Vote):
    """Takes a sample's whole text for the answer where there is none."""

    def candidate(self, sample: Sample) -> Candidate:
        found = super().candidate(sample)
        return found if found.key is not None else replace(found, answer=sample.text, key=sample.text)


class Moody(Vote):
    """Keeps a memory from run to run."""

    memory: ClassVar[list[int]] = []

    def count(self, candidates: list[Candidate]) -> Outcome:
        self.memory.append(1)
        return super().count(candidates).with_(confidence=1 / len(self.memory))


class Overconfident(Vote):
    """Is surer than sure."""

    def count(self, candidates: list[Candidate]) -> Outcome:
        return super().count(candidates).with_(confidence=2.0)


class Unsorted(Vote):
    """Gives its candidates in the order of arrival."""

    def elect(self, drawn: list[Sample]) -> Outcome:
        outcome = super().elect(drawn)
        return outcome.with_(candidates=tuple(self.candidate(sample) for sample in drawn))


class Impatient(Vote):
    """Stops when the budget has any limit at all."""

    async def solve(self, problem: Problem, run: Run) -> Outcome:
        if run.budget.remaining.samples is not None:
            return Outcome(answer=None, stop_reason="budget")
        return await super().solve(problem, run)


class Peeking(Vote):
    """Looks at how busy the engine is."""

    async def solve(self, problem: Problem, run: Run) -> Outcome:
        await asyncio.sleep(0)
        busy = run.room.scheduler.statistics().waiting > 0 or run.order > 0
        outcome = await super().solve(problem, run)
        others = run.room.scheduler.statistics().in_flight > 0
        return outcome.with_(answer="busy", key="busy") if busy or others else outcome


_NAN = float("nan")


class Unserializable(Vote):
    """Puts what is not JSON into its outcome."""

    def count(self, candidates: list[Candidate]) -> Outcome:
        return super().count(candidates).with_(text=_NAN)


@dataclass(kw_only=True)
class Mutable:
    """Is not frozen."""

    n: int = 1
    needs: ClassVar[frozenset[str]] = frozenset()
    max_samples = Vote.max_samples
    solve = Vote.solve


@dataclass(frozen=True)
class Positional(Vote):
    """Has a positional field."""

    extra: int = 0


@dataclass(frozen=True, kw_only=True)
class Needy(Vote):
    """Needs what nobody knows."""

    needs: ClassVar[frozenset[str]] = frozenset({"magic"})


MUTANTS: dict[type[Any], str] = {
    Deaf: "it asks the problem it is handed: none of 1 prompts",
    Echoing: "it asks the problem it is handed",
    FirstComes: "the order of completion",
    Restless: r"it draws what max_samples\(\) says: it drew 5",
    Modest: r"it draws what max_samples\(\) says",
    Leaky: "tasks are left",
    Careless: "1 samples still run",
    Stubborn: "cancelled, it leaves nothing running",
    Silent: "a deadline returns the best so far",
    Fragile: "failed samples are data: it raised ValueError",
    Credulous: "samples without an answer never vote",
    Moody: "the same run has the same outcome",
    Overconfident: "the confidence is 2.0",
    Unsorted: "not in order of sample index",
    Impatient: "no budget is exceeded",
    Peeking: "others at work",
    Unserializable: "an outcome is plain JSON",
    Mutable: "is not frozen",
    Positional: "not keyword-only",
    Needy: "no capabilities",
}


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
async def test_a_strategy_that_breaks_a_promise_is_found_out(mutant: type[Strategy]) -> None:
    with pytest.raises(AssertionError, match=MUTANTS[mutant]):
        await check_strategy(mutant())


class CarelessElsewhere(Vote):
    """Leaves a block of another model's open."""

    async def solve(self, problem: Problem, run: Run) -> Outcome:
        async with run.child(label="other", model="other") as other:
            await other.sample(problem.prompt).__aenter__()
        return await super().solve(problem, run)

    def max_samples(self) -> int:
        return self.n + 1


async def test_what_a_strategy_leaves_running_on_another_model_is_found_out() -> None:
    with pytest.raises(AssertionError, match="1 samples still run"):
        await check_strategy(CarelessElsewhere(), models=["other"])


# ── strategies that ask verifiers ─────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, kw_only=True)
class AskingVerifier:
    """Asks the model about each sample."""

    needs: ClassVar[frozenset[str]] = frozenset()
    needs_target: ClassVar[bool] = False

    async def score(self, problem: Problem, samples: Sequence[Sample], run: Run) -> list[Score]:
        scores = list[Score]()
        for sample in samples:
            async with run.sample(f"Is this right? {sample.text}") as replies:
                reply = await anext(replies)
            scores.append(Score(value=len(reply.text) % 7 / 7))
        return scores

    def examples(self) -> list[Any]:
        return []


@dataclass(frozen=True, kw_only=True)
class Ranked(Vote):
    """Takes the sample that a verifier likes best."""

    verifier: AskingVerifier = field(default_factory=AskingVerifier)

    async def solve(self, problem: Problem, run: Run) -> Outcome:
        drawn, values = list[Sample](), dict[int, float]()
        async with run.sample(problem.prompt, n=self.n) as samples:
            try:
                async for sample in samples:
                    drawn.append(sample)
                    (score,) = await run.score([sample], self.verifier)
                    values[sample.index] = score.value or 0.0
                    best = self.choose(drawn, values)
                    run.best(best.answer, key=best.key)
            except BudgetExhausted:
                if not drawn:
                    raise
                return self.choose(drawn, values).with_(stop_reason="budget")
        return self.choose(drawn, values)

    def choose(self, drawn: list[Sample], values: dict[int, float]) -> Outcome:
        outcome = self.elect(drawn)
        voters = [candidate for candidate in outcome.candidates if candidate.key is not None]
        if not voters:
            return outcome
        best = max(voters, key=lambda candidate: (values.get(candidate.index, -1.0), -candidate.index))
        return outcome.with_(answer=best.answer, key=best.key, confidence=None)


async def test_a_strategy_whose_verifier_draws_samples_keeps_every_clause() -> None:
    await check_strategy(Ranked())
