"""List-wise: a judge sees all candidates at once and names the best."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ttscale.errors import BackendError, BudgetExhausted
from ttscale.registry import load_template
from ttscale.run import Run, question_of
from ttscale.template import numbered
from ttscale.types import JSON, Outcome, Problem, Prompt
from ttscale_strategies.checks import require_positive
from ttscale_strategies.refine._judge_options import JudgeOptions
from ttscale_strategies.refine._showing import fitting, shown_text
from ttscale_strategies.refine.rules import list_choice, list_orders, picked_key
from ttscale_strategies.revision import require_fields, without_thoughts
from ttscale_strategies.voting.poll import Ballot, Poll, keys_of
from ttscale_strategies.voting.rules import Majority

LIST_FIELDS: Final = ("question", "solutions")
"""Of a template that shows all candidates."""


@dataclass(frozen=True, kw_only=True)
class Listwise(JudgeOptions):
    """The candidate that a judge who sees all of them names (Zhu et al. 2025, arXiv:2506.12928, OAgents).

    The judge replies with ``{"index": …, "analysis": …}``. Judges favour places in a list: with `num_orders`
    greater than 1 it is asked so many times, each candidate at another place each time, and the answer picked
    most often wins, of equals the one with more candidates, then the first.

    Cost: n samples and `num_orders` judgements, each of which reads all solutions; none where all answers agree
    or one candidate only has an answer. On an idle engine it takes one sample and one judgement one after
    another. Judgements still running once an answer has more than half of the picks are aborted.

    Departures: candidates without an answer, or that failed, are not shown. A reply that cannot be read, or
    names no candidate, picks nobody, and the trace says why; where no judgement picks anybody the first
    candidate wins, as if it had been named (the paper's code leaves that undefined). Solutions that the judge's
    context does not hold are cut evenly, the longest first, and end with their ends; the trace says by how
    much. `confidence` is the share of the candidates with an answer that have the winner's.
    """

    n: int = 4
    """Candidates, >= 1."""
    judge_temperature: float = 0.0
    """Of the judge's texts, >= 0."""
    num_orders: int = 1
    """Judgements, each of the candidates in another order, >= 1."""
    template: str = "choose_solution"
    """Name of the judge's prompt, with the fields question and solutions; it numbers them from 1."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(self.num_orders, "num_orders")
        require_fields(self.template, LIST_FIELDS)

    async def solve(self, problem: Problem, run: Run) -> Outcome:
        """Draw all candidates, then ask, or answer by what there is when the budget is spent."""
        return await _Choice(self, run).outcome(problem)


class _Choice:
    """The candidates and what the judge picked."""

    def __init__(self, options: Listwise, run: Run) -> None:
        self._options = options
        self._run = run
        self._poll = Poll(run, self._elect, electorate=self._chosen)
        self._picks: dict[int, str | None] = {}
        self._winner: str | None = None
        self._judging: list[asyncio.Task[None]] = []

    async def outcome(self, problem: Problem) -> Outcome:
        """Draw, ask, and return what was picked.

        Raises:
            BudgetExhausted: the budget does not buy a single sample.
        """
        options = self._options
        sampling = options.sampling()
        async with self._run.sample(problem.prompt, n=options.n, sampling=sampling) as samples:
            await self._poll.hear(samples)
        answered = [ballot for ballot in self._poll.ballots if ballot.key is not None]
        if len(set(keys_of(answered))) > 1:
            async with asyncio.TaskGroup() as group:
                for number, order in enumerate(list_orders(len(answered), options.num_orders)):
                    shown = [answered[place] for place in order]
                    self._judging.append(group.create_task(self._judge(number, shown)))
            if self._winner is None:
                self._winner = self._picked() or (
                    answered[0].key if len(self._picks) == options.num_orders else None
                )
            self._run.note(picks=[self._picks.get(number) for number in range(options.num_orders)])
        return self._poll.outcome()

    async def _judge(self, number: int, shown: Sequence[Ballot]) -> None:
        try:
            picked = await self._pick(number, shown)
        except BudgetExhausted:
            self._poll.stop_reason = "budget"
            return
        self._picks[number] = None if picked is None else picked.key
        best = self._poll.outcome()
        self._run.best(best.answer, key=best.key, confidence=best.confidence, text=best.text)
        counts = Counter(key for key in self._picks.values() if key is not None)
        key, most = counts.most_common(1)[0] if counts else (None, 0)
        if 2 * most > self._options.num_orders and len(self._picks) < self._options.num_orders:
            self._winner = key
            for task in self._judging:
                task.cancel()

    async def _pick(self, number: int, shown: Sequence[Ballot]) -> Ballot | None:
        """Ask once; return whom the judge picks, ``None`` if that cannot be told."""
        options = self._options
        label = f"order {number}"
        child = self._run.child(label=label, model=options.judge, bucket="verifier", numbered=False)
        async with child as judge:
            places: list[JSON] = [ballot.sample.index for ballot in shown]
            judge.note(candidates=places)
            texts = [shown_text(ballot, options.show) for ballot in shown]
            try:
                asked = fitting(judge, options, texts, self._prompt)
                if asked.num_cut_characters:
                    judge.note(num_cut_characters=asked.num_cut_characters)
                sampling = options.judge_sampling(asked.max_tokens, 0)
                async with judge.sample(asked.prompt, sampling=sampling) as samples:
                    sample = await anext(samples)
            except BackendError as error:
                judge.note(reason=str(error))
                return None
            if sample.finish_reason in ("error", "abort"):
                judge.note(reason=sample.error or "the judgement was cut short")
                return None
            choice = list_choice(without_thoughts(sample.text), len(shown), base=1)
            if choice.fallback_reason is not None:
                judge.note(reason=choice.fallback_reason)
                return None
            judge.note(index=shown[choice.index].sample.index, analysis=choice.analysis)
            return shown[choice.index]

    def _prompt(self, texts: Sequence[str]) -> Prompt:
        template = load_template(self._options.template)
        return template.render(
            question=question_of(self._run.problem.prompt, self._run), solutions=numbered("Solution", texts)
        )

    # ── who is elected ────────────────────────────────────────────────────────────────────────────────────

    def _picked(self) -> str | None:
        picks = [self._picks[number] for number in sorted(self._picks)]
        return picked_key(picks, keys_of(self._poll.ballots))

    def _chosen(self, ballots: Sequence[Ballot]) -> Sequence[Ballot]:
        """Let the first candidate with the picked answer vote; before anything is picked, everybody."""
        picked = self._winner or self._picked()
        return ballots if picked is None else [ballot for ballot in ballots if ballot.key == picked][:1]

    def _elect(self, voters: Sequence[Ballot]) -> Majority | None:
        """Elect the voters' most frequent answer, with its share of all candidates' votes."""
        votes = Counter(key for key in keys_of(self._poll.ballots) if key is not None)
        able = {ballot.key: votes[ballot.key] for ballot in voters if ballot.key is not None}
        if not able:
            return None
        key = max(able, key=able.__getitem__)
        return Majority(key, votes[key], votes.total())
