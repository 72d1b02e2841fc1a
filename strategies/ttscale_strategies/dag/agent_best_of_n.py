"""Agent best-of-N: several trajectories of any strategy side by side, merged by a judge who sees all."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import ClassVar, Literal, TypeAlias, cast

from ttscale.answers import AnswerClasses, extract_answer
from ttscale.errors import BackendError, BudgetExhausted
from ttscale.run import Run
from ttscale.strategy import Strategy, demands, parts
from ttscale.template import numbered
from ttscale.types import Candidate, Outcome, Problem, Sampling
from ttscale_strategies.checks import require_positive
from ttscale_strategies.refine._rounds import one_sample
from ttscale_strategies.refine._workspace import fitted_texts, workspace_tokens
from ttscale_strategies.refine.rules import list_choice, objects_in
from ttscale_strategies.revision import asked_again, require_fields, without_thoughts
from ttscale_strategies.voting import Single
from ttscale_strategies.voting.rules import majority

Choose: TypeAlias = Literal["listwise", "merge", "vote"]
"""``listwise``: the trajectory that a judge who sees all of them names. ``merge``: the answer that the judge
writes after all of them. ``vote``: the answer that most of them give."""

MERGE_FIELDS = ("question", "solutions")
"""Of a template that shows all results."""


@dataclass(frozen=True, kw_only=True)
class AgentBestOfN:
    """Scaling test-time compute for agents: N trajectories, one answer (Zhu et al. 2025, arXiv:2506.12928).

    ``agent_best_of_n:strategy=react,n=4,model_uris=[null, vllm:/models/other]`` has any strategy answer N
    times, each in a run of its own, and a judge who sees all results at once name the best; of the ways of
    verifying and merging in the paper that one did best. It also found that different models explore more
    than one does: trajectory i is that of model i mod M, at temperature i mod T of `temperatures`.

    Cost: N times that of the strategy, and one call of the judge; none where all answers agree or only one
    trajectory has one. Latency: the slowest trajectory and the judge.

    Departures: the judge sees the last text of each trajectory instead of all of its steps, which no context
    holds; results that do not fit half of it are cut evenly, at their beginnings. With ``choose=merge`` the
    judge's own words are the answer. A judge that fails, names nobody or is not paid for leaves the choice to
    the majority, and the trace says why (`reason`). `confidence` is the share of the trajectories with an
    answer that have the one chosen; 0 for a merged answer that none of them gives.
    """

    strategy: Strategy = field(default_factory=Single)
    """What each trajectory does: `react`, say."""
    n: int = 4
    """N, trajectories, >= 1."""
    choose: Choose = "listwise"
    model_uris: tuple[str | None, ...] = (None,)
    """The models of the trajectories in turn, by URI; ``null`` is the one that samples."""
    temperatures: tuple[float, ...] = ()
    """Of the trajectories in turn, each >= 0; without, the strategy's own. The strategy must have a field
    `temperature`."""
    judge: str | None = None
    """URI of the judge's model; ``None``: the one that samples."""
    judge_temperature: float = 0.0
    max_judge_tokens: int = 2048
    """Most tokens of the judge's reply, >= 1."""
    template: str = "merge_results"
    """Name of the judge's prompt, with the fields question and solutions; it numbers them from 1."""

    needs: ClassVar[frozenset[str]] = frozenset()
    elsewhere: ClassVar[frozenset[str]] = frozenset({"strategy"})
    """Fields with what runs on the models it names."""

    def __post_init__(self) -> None:
        require_positive(self.n, "n")
        if not self.model_uris:
            raise ValueError("model_uris must name a model, null for the one that samples; got none")
        if self.temperatures and "temperature" not in _fields(self.strategy):
            raise ValueError(f"{type(self.strategy).__name__} has no field temperature; leave temperatures out")
        for temperature in self.temperatures:
            Sampling(temperature=temperature)
        self.judge_sampling()
        require_fields(self.template, MERGE_FIELDS)

    def judge_sampling(self) -> Sampling:
        """Return how the judge's tokens are drawn."""
        return Sampling(temperature=self.judge_temperature, max_tokens=self.max_judge_tokens)

    @property
    def models(self) -> Mapping[str | None, frozenset[str]]:
        """Whom it asks; each must be able to do what the strategy, and what is nested in it, needs."""
        found: dict[str | None, frozenset[str]] = {self.judge: frozenset()}
        for model in self.model_uris[: self.n]:
            for part in parts(self.strategy, on_own_model=True):
                for other, needs in demands(part).items():
                    named = model if other is None else other
                    found[named] = found.get(named, frozenset[str]()) | needs
        return found

    def max_samples(self) -> int | None:
        """Return N times the strategy's, and one for a merged answer; a judge's choice is no sample."""
        most = self.strategy.max_samples()
        return None if most is None else self.n * most + (self.choose == "merge")

    async def solve(self, problem: Problem, run: Run) -> Outcome:
        """Run all trajectories, and choose, or answer by what there is when the budget is spent."""
        return await _Trajectories(self, problem, run).outcome()

    def trajectory(self, number: int) -> tuple[str | None, Strategy]:
        """Return the model and the strategy of a trajectory."""
        model, strategy = self.model_uris[number % len(self.model_uris)], self.strategy
        if self.temperatures:
            temperature = self.temperatures[number % len(self.temperatures)]
            strategy = replace(strategy, temperature=temperature)  # type: ignore[type-var]  # it has that field
        return model, strategy


def _fields(strategy: Strategy) -> set[str]:
    return {f.name for f in fields(strategy)} if is_dataclass(strategy) else set()


class _Trajectories:
    """The trajectories that have ended, and what is chosen among them."""

    def __init__(self, options: AgentBestOfN, problem: Problem, run: Run) -> None:
        self._options = options
        self._problem = problem
        self._run = run
        self._classes = AnswerClasses(run.workers)
        self._ended = dict[int, Outcome]()
        self._keys = dict[int, str | None]()
        self._unpaid = list[BudgetExhausted]()

    async def outcome(self) -> Outcome:
        """Run, choose, and answer.

        Raises:
            BudgetExhausted: the budget does not buy a single sample.
        """
        async with asyncio.TaskGroup() as group:
            for number in range(self._options.n):
                group.create_task(self._follow(number))
        if self._unpaid and not self._run.budget.usage.calls:
            raise self._unpaid[0]
        able = [number for number in sorted(self._ended) if self._keys[number] is not None]
        if self._options.choose == "vote" or len({self._keys[number] for number in able}) < 2:
            return self._elected()
        try:
            return await self._judged(able)
        except BudgetExhausted as error:
            self._unpaid.append(error)
        except BackendError as error:
            self._run.note(reason=str(error))
        return self._elected()

    async def _follow(self, number: int) -> None:
        """Run one trajectory to its end, and count its answer."""
        model, strategy = self._options.trajectory(number)
        label = f"trajectory {number}"
        async with self._run.child(label=label, model=model, problem=self._problem, numbered=False) as child:
            try:
                outcome = await strategy.solve(self._problem, child)
            except* BudgetExhausted as errors:
                self._unpaid.append(_first(errors))
                outcome = _so_far(child)
            except* BackendError as errors:
                outcome = _so_far(child).with_(stop_reason="error", error=str(_leaf(errors)))
        self._ended[number] = outcome
        await self._count()

    async def _count(self) -> None:
        """Give all answers so far their keys, in order of the trajectories, and say what most of them give."""
        numbers = sorted(self._ended)
        keys = await self._classes.keys([self._ended[number].answer for number in numbers])
        self._keys |= dict(zip(numbers, keys, strict=True))
        best = self._elected()
        self._run.best(best.answer, key=best.key, confidence=best.confidence, text=best.text)

    # ── who is chosen ─────────────────────────────────────────────────────────────────────────────────────

    async def _judged(self, able: Sequence[int]) -> Outcome:
        """Ask the judge.

        Raises:
            BudgetExhausted: that does not fit the budget.
            BackendError: the judge takes no such prompt.
        """
        options = self._options
        bucket = "verifier" if options.choose == "listwise" else self._run.bucket
        async with self._run.child(label="judge", model=options.judge, bucket=bucket) as child:
            texts = [self._shown(number) for number in able]
            fitted = fitted_texts(child, texts, workspace_tokens(child, None))
            prompt = asked_again(options.template, child, solutions=numbered("Result", fitted))
            sample = await one_sample(child, prompt, options.judge_sampling())
            if sample.finish_reason in ("error", "abort"):
                child.note(reason=sample.error or "the judgement was cut short")
                return self._elected()
            said = without_thoughts(sample.text)
            choice = list_choice(said, len(able), base=1)
            child.note(analysis=choice.analysis, reason=choice.fallback_reason, candidates=list(able))
        if options.choose == "merge" and (answer := merged_answer(said)) is not None:
            keys = await self._classes.keys([*(self._ended[n].answer for n in sorted(self._ended)), answer])
            return self._chosen(answer, keys[-1], sample.text)
        if choice.fallback_reason is not None:
            return self._elected()
        picked = able[choice.index]
        return self._chosen(self._ended[picked].answer, self._keys[picked], self._ended[picked].text)

    def _shown(self, number: int) -> str:
        outcome = self._ended[number]
        return without_thoughts(outcome.text or "") or outcome.answer or ""

    def _elected(self) -> Outcome:
        """Return the answer of most trajectories; of equals that of the first."""
        numbers = sorted(self._ended)
        winner = majority([self._keys.get(number) for number in numbers])
        if winner is None:
            return self._chosen(None, None, None)
        first = next(number for number in numbers if self._keys[number] == winner.key)
        return self._chosen(self._ended[first].answer, winner.key, self._ended[first].text)

    def _chosen(self, answer: str | None, key: str | None, text: str | None) -> Outcome:
        """Return the outcome with a given answer."""
        outcomes = [self._ended[number] for number in sorted(self._ended)]
        votes = [key for key in self._keys.values() if key is not None]
        if answer is None and outcomes and all(outcome.stop_reason == "error" for outcome in outcomes):
            return Outcome(
                answer=None, stop_reason="error", error=outcomes[0].error, candidates=self._candidates
            )
        return Outcome(
            answer=answer,
            key=key,
            confidence=votes.count(key) / len(votes) if key is not None and votes else None,
            text=text,
            candidates=self._candidates,
            stop_reason="budget" if self._unpaid else "finished",
        )

    @property
    def _candidates(self) -> tuple[Candidate, ...]:
        return tuple(
            Candidate(
                index=number,
                answer=outcome.answer,
                key=self._keys.get(number),
                finish_reason="error" if outcome.stop_reason == "error" else "stop",
            )
            for number, outcome in sorted(self._ended.items())
        )


def merged_answer(text: str) -> str | None:
    """Return the answer in the last ``{"merged": …}`` of a judge's reply; ``None``: there is none.

    Args:
        text: hostile texts cost bounded time.
    """
    merged = [found["merged"] for found in objects_in(text) if isinstance(found.get("merged"), str)]
    return extract_answer(cast("str", merged[-1])) if merged else None


def _so_far(child: Run) -> Outcome:
    """Return what a trajectory that was cut short knew."""
    best = child.answer_so_far
    return Outcome(
        answer=best.answer, key=best.key, confidence=best.confidence, text=best.text, stop_reason="budget"
    )


def _leaf(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _first(errors: BaseExceptionGroup[BudgetExhausted]) -> BudgetExhausted:
    return cast("BudgetExhausted", _leaf(errors))
