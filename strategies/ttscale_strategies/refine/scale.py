"""SCALE: a problem in parts, each rated, and only the hard ones thought about."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Final

from ttscale.answers import answer_key, extract_answer
from ttscale.errors import BudgetExhausted
from ttscale.registry import load_template
from ttscale.run import Run, question_of
from ttscale.template import numbered
from ttscale.types import Candidate, Outcome, Problem, Prompt, Sample, Sampling
from ttscale_strategies.checks import require_at_least, require_positive, require_share
from ttscale_strategies.refine._rounds import one_sample
from ttscale_strategies.refine.rules import difficulty, parse_outline, parse_version, plan_of, thinking_steps
from ttscale_strategies.refine.rules.effort import LAST_STEP_DIFFICULTY
from ttscale_strategies.revision import asked_again, require_fields, without_thoughts
from ttscale_strategies.voting.no_thinking import NO_THOUGHT, thought_over

_FIELDS: Final = {
    "outline_template": ("question",),
    "choice_template": ("question", "outlines"),
    "rating_template": ("steps", "step"),
    "step_template": ("question", "results", "step"),
}


@dataclass(frozen=True, kw_only=True)
class Scale:
    """Think only where it is hard (SCALE, Xiao et al. 2025, arXiv:2512.00466).

    The model outlines the problem several times and chooses one of its outlines, rates each step, and does the
    steps in their order, each with the results of those before it: a step rated above the threshold
    with thinking, any other without. The last step is the problem itself, and counts as 0.9 hard. Thinking is
    switched off by words that the answer is begun with, as `NoThinking` does it; outlines, choice and ratings
    are written without.

    Cost: num_outlines + 1 + (max_steps - 1) + max_steps calls at most; outlines at once, ratings at once, steps
    one after the other. `confidence` is unknown. What was thought about is in the trace (`plan`,
    `difficulties`, `thinking`). Until the last step has ended, the answer in the last step that has one stands.

    Nonsense costs tokens, and nothing else: outlines that are none are dropped, a choice of none is the first,
    a step without a rating counts as hard, a step that failed is left out of what the next ones see, and
    without an outline the problem is asked as it is, with thinking. Departures: an invalid outline is not asked
    for again, as several are drawn; ratings see the steps' texts, as in the authors' code, not their results.
    """

    num_outlines: int = 8
    """>= 0; without outlines the problem is asked as it is."""
    max_steps: int = 8
    """An outline of more steps is dropped, >= 1."""
    threshold: float = 0.5
    """τ, in [0, 1]: what is rated above it is thought about. In the paper's sweep 0.2 was best."""
    no_thinking: str = NO_THOUGHT
    """With what answers without thinking begin; empty: the model cannot be kept from it."""
    max_rating_tokens: int = 64
    """Of a rating, and of the choice of an outline, >= 1."""
    temperature: float | None = None
    """``None``: the model's own; the authors' is 0.6."""
    max_tokens: int | None = None
    """Most generated tokens of an outline or step; ``None``: what the context leaves."""
    outline_template: str = "outline_steps"
    """Asks for an outline as JSON; with the field question."""
    choice_template: str = "choose_outline"
    """Asks for the best of several; with the fields question and outlines."""
    rating_template: str = "rate_step"
    """Asks how hard a step is; with the fields steps and step."""
    step_template: str = "solve_step"
    """Asks for one step; with the fields question, results and step."""

    needs: ClassVar[frozenset[str]] = frozenset()

    def __post_init__(self) -> None:
        require_at_least(self.num_outlines, 0, "num_outlines")
        require_positive(self.max_steps, "max_steps")
        require_positive(self.max_rating_tokens, "max_rating_tokens")
        require_share(self.threshold, "threshold")
        for name, fields in _FIELDS.items():
            require_fields(getattr(self, name), fields)
        self.sampling()

    def max_samples(self) -> int:
        """Return num_outlines + 1 + (max_steps - 1) + max_steps; one outline leaves no choice."""
        if self.num_outlines == 0:
            return 1
        return self.num_outlines + (self.num_outlines > 1) + 2 * self.max_steps - 1

    def sampling(self) -> Sampling:
        """Return how outlines and steps are drawn."""
        return Sampling(temperature=self.temperature, max_tokens=self.max_tokens)

    async def solve(self, problem: Problem, run: Run) -> Outcome:
        """Outline, rate, and carry out.

        Raises:
            BudgetExhausted: the budget ends before the last step has; the best so far has been said.
        """
        outline = await _Outlines(self, run).chosen()
        plan = plan_of(outline, question_of(run.problem.prompt, run))
        ratings = [*await self._ratings(plan, run), LAST_STEP_DIFFICULTY]
        thinking = [is_hard or outline is None for is_hard in thinking_steps(ratings, threshold=self.threshold)]
        run.note(plan=list(plan), difficulties=ratings, thinking=thinking)
        results, samples = list[str](), list[Sample]()
        for place, step in enumerate(plan):
            asked = problem.prompt if outline is None else self._step_prompt(step, results, run)
            prompt = asked if thinking[place] else self.unthinking(asked, run)
            sample = replace(await one_sample(run, prompt, self.sampling()), index=place)
            samples.append(sample)
            if place + 1 < len(plan) and not sample.is_error and without_thoughts(sample.text):
                results.append(without_thoughts(sample.text))
            found = _candidate(sample)
            if found.answer is not None:
                run.best(found.answer, key=found.key, text=sample.text)
        sample, last = samples[-1], _candidate(samples[-1])
        return Outcome(
            answer=last.answer,
            key=last.key,
            text=sample.text,
            candidates=(last,),
            stop_reason="error" if sample.is_error else "finished",
            error=sample.error,
        )

    def unthinking(self, prompt: Prompt, run: Run) -> Prompt:
        """Return a prompt that goes on with a thought that is over."""
        return thought_over(prompt, self.no_thinking, run) if self.no_thinking else prompt

    def _step_prompt(self, step: str, results: Sequence[str], run: Run) -> Prompt:
        shown = numbered("Result", results) if results else "None yet."
        return asked_again(self.step_template, run, results=shown, step=step)

    async def _ratings(self, plan: Sequence[str], run: Run) -> list[float]:
        """Return how hard the model says that each step but the last is."""
        shown = numbered("Step", plan)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._rating(shown, step, run)) for step in plan[:-1]]
        return [task.result() for task in tasks]

    async def _rating(self, shown: str, step: str, run: Run) -> float:
        asked = load_template(self.rating_template).render(steps=shown, step=step)
        async with run.child(label="rating") as child:
            sample = await one_sample(child, self.unthinking(asked, child), self.brief())
        return difficulty("" if sample.is_error else sample.text)

    def brief(self) -> Sampling:
        """Return how ratings and choices are drawn."""
        return Sampling(temperature=self.temperature, max_tokens=self.max_rating_tokens)


class _Outlines:
    """Outlines as they are written, and which of them is followed."""

    def __init__(self, options: Scale, run: Run) -> None:
        self._options = options
        self._run = run

    async def chosen(self) -> tuple[str, ...] | None:
        """Return the outline that is followed; ``None``: there is none.

        Raises:
            BudgetExhausted: it does not buy a single outline.
        """
        outlines = await self._drawn()
        if len(outlines) < 2:
            return outlines[0] if outlines else None
        options, run = self._options, self._run
        shown = "\n\n".join(
            f"version{number}:\n" + "\n".join(f"{place}. {step}" for place, step in enumerate(outline, start=1))
            for number, outline in enumerate(outlines, start=1)
        )
        async with run.child(label="choice") as child:
            asked = asked_again(options.choice_template, child, outlines=shown)
            sample = await one_sample(child, options.unthinking(asked, child), options.brief())
        place = None if sample.is_error else parse_version(sample.text, len(outlines))
        return outlines[place or 0]

    async def _drawn(self) -> list[tuple[str, ...]]:
        """Return different outlines in the order of their samples."""
        options, drawn = self._options, list[Sample]()
        if options.num_outlines == 0:
            return []
        async with self._run.child(label="outlines") as child:
            prompt = options.unthinking(asked_again(options.outline_template, child), child)
            async with child.sample(prompt, n=options.num_outlines, sampling=options.sampling()) as samples:
                try:
                    async for sample in samples:
                        drawn.append(sample)
                except BudgetExhausted:
                    if not drawn:
                        raise
        texts = [sample.text for sample in sorted(drawn, key=lambda s: s.index) if not sample.is_error]
        found = (parse_outline(text, max_steps=options.max_steps) for text in texts)
        return list(dict.fromkeys(outline for outline in found if outline is not None))


def _candidate(sample: Sample) -> Candidate:
    is_whole = sample.finish_reason not in ("abort", "error")
    answer = extract_answer(sample.text) if is_whole else None
    return Candidate(
        index=sample.index,
        answer=answer,
        key=answer_key(answer),
        num_tokens=sample.num_tokens,
        finish_reason=sample.finish_reason,
    )
