"""Parallel prompts: one prompt that holds several tasks, answered as several prompts at once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Final, Literal, get_args

from ttscale.answers import answer_key, extract_answer
from ttscale.errors import BudgetExhausted
from ttscale.registry import load_template
from ttscale.run import Run
from ttscale.strategy import Strategy
from ttscale.types import Candidate, Outcome, Problem, Prompt, Sample, Sampling
from ttscale_strategies.checks import require_at_least, require_positive
from ttscale_strategies.revision import asked_again, require_fields, without_thoughts
from ttscale_strategies.threads.rules.parallel_prompt_checks import Confidence, confidence, doubt
from ttscale_strategies.threads.rules.parallel_prompt_lists import schema_by_rules
from ttscale_strategies.threads.rules.parallel_prompt_schema import (
    CONTEXT,
    DATA,
    PromptSchema,
    Refused,
    read_schema,
)
from ttscale_strategies.voting.handing_on import handed_on
from ttscale_strategies.voting.single import Single

_LETTERS: Final = "TASWCBPMDFLGRHEINOJKUVYQXZ"
_EXTRACTION: Final = Sampling(temperature=0.2, max_tokens=1024)
"""The paper's."""
_NONE: Final = "–"
"""Stands for an instance that is not answered."""


@dataclass(frozen=True, kw_only=True)
class ParallelPrompts:
    """Find independent tasks in a prompt, ask them at once, join in order (PARALLELPROMPT, arXiv:2506.18728).

    A schema of the prompt (template and items, or how often the same is wanted) is found by rules or by the
    model. It is used if the items are there in the prompt word for word, one after the other, if nothing
    makes one task of them or has one refer to another, and if marks in the prompt make it likely enough that
    they are tasks. On any doubt `serial` answers the prompt as it is. The answer is the instances' answers in
    order, with commas between them, if each has one; `text` has all replies, numbered. `confidence` is not
    said.

    Cost of k tasks: k calls and k prompts, of which the template's beginning and the context are computed
    once where the engine caches prefixes; with ``extractor="model"`` a call before them (at most 1,024
    tokens), which also every prompt costs that turns out to be one task. About one prompt in ten is several,
    says the paper. The latency is that of the slowest instance, after the extraction. An instance that fails
    or says nothing is asked again, at most k · (1 + retries) calls; if it then has nothing, those of `serial`
    come on top. All share the run's budget; where that ends the tasks that are done are the answer, with a
    dash for each of the others.

    The trace says which way it went (`instances`, or `serial_because`), and what
    `ttscale_strategies.threads.rules.raw_speed_up` and its kin are worked out from: `extraction_seconds`,
    `instance_seconds`, `instance_tokens`.

    Departures: the paper's rules and prompts are not known to us, but the marks of its three tiers of
    confidence. That the schema must be found in the prompt, and the words that make tasks depend on each
    other, are ours. The paper gives an instance at most 1,000 tokens, and retries five times.
    """

    extractor: Literal["rules", "model"] = "rules"
    """Who finds the schema: rules, for plain lists and counts in English, or the model."""
    least_confidence: Confidence = "medium"
    """``"high"`` or ``"medium"``, see `ttscale_strategies.threads.rules.confidence`."""
    max_instances: int = 32
    """Prompts with more tasks are answered serially, >= 2."""
    retries: int = 2
    """How often an instance that failed is asked again, >= 0."""
    backoff_seconds: float = 0.5
    """Before the first time, >= 0; twice as long before each other."""
    temperature: float | None = None
    """Of the instances; ``None``: the model's own. The paper's is 0.7."""
    max_tokens: int | None = None
    """Most generated tokens of an instance; ``None``: what the context leaves."""
    serial: Strategy = field(default_factory=Single)
    """Answers prompts that are not split."""
    template: str = "extract_schema"
    """Name of the prompt template that asks for a schema; with the fields question, data and context, the
    latter two being the places of a schema's template."""
    repeat_template: str = "repeat_once"
    """Name of the one for the same several times over, with the fields task, number, count and letter: the
    letter makes the replies differ."""

    needs: ClassVar[frozenset[str]] = frozenset()

    def __post_init__(self) -> None:
        if self.extractor not in ("rules", "model"):
            raise ValueError(f"extractor must be 'rules' or 'model', got {self.extractor!r}")
        if self.least_confidence not in get_args(Confidence)[:2]:
            raise ValueError(f"least_confidence must be 'high' or 'medium', got {self.least_confidence!r}")
        require_at_least(self.max_instances, 2, "max_instances")
        require_at_least(self.retries, 0, "retries")
        require_at_least(self.backoff_seconds, 0.0, "backoff_seconds")
        if self.max_tokens is not None:
            require_positive(self.max_tokens, "max_tokens")
        self.sampling()
        require_fields(self.template, ("question", "data", "context"))
        require_fields(self.repeat_template, ("task", "number", "count", "letter"))

    def max_samples(self) -> None:
        """Return ``None``: it is the question that says how many; see the class."""
        return

    async def solve(self, problem: Problem, run: Run) -> Outcome:
        """Split the problem's last user turn and answer its parts, or have it answered as it is."""
        began = run.now()
        found = await self._schema(problem.prompt, run)
        if isinstance(found, Refused):
            return await self._serially(found.reason, problem, run)
        middle = run.now()
        run.note(extraction_seconds=round(middle - began, 6), instances=found.num_instances)
        asked = Instances(self, found, run)
        await asked.ask()
        if asked.unpaid is None and not asked.is_whole:
            return await self._serially("an instance failed", problem, run)
        run.note(instance_seconds=round(run.now() - middle, 6), instance_tokens=asked.num_tokens)
        return asked.outcome()

    async def _schema(self, prompt: Prompt, run: Run) -> PromptSchema | Refused:
        """Return the schema that holds; else why there is none."""
        if not prompt.messages or prompt.messages[-1].role != "user":
            return Refused("the prompt is no conversation that ends with the user's turn")
        said = prompt.question
        if self.extractor == "rules":
            found = schema_by_rules(said)
        else:
            found = await self._extracted(run)
        if isinstance(found, Refused):
            return found
        if reason := doubt(found, said, max_instances=self.max_instances):
            return Refused(reason)
        tier = confidence(found, said)
        run.note(category=found.category, schema_confidence=tier)
        tiers: tuple[Confidence, ...] = get_args(Confidence)
        if tiers.index(tier) > tiers.index(self.least_confidence):
            return Refused(f"its confidence is {tier}")
        return found

    async def _extracted(self, run: Run) -> PromptSchema | Refused:
        async with run.child(label="extraction") as child:
            asked = asked_again(self.template, child, data=DATA, context=CONTEXT)
            async with child.sample(asked, sampling=_EXTRACTION) as samples:
                sample = await anext(samples)
        if sample.is_error:
            return Refused(f"the extraction failed: {sample.error}")
        return read_schema(without_thoughts(sample.text))

    async def _serially(self, reason: str, problem: Problem, run: Run) -> Outcome:
        run.note(serial_because=reason)
        return await handed_on(self.serial, problem, run, label="serial")

    def prompts(self, schema: PromptSchema, prompt: Prompt) -> list[Prompt]:
        """Return the prompts of the instances, each after the turns that came before.

        Args:
            schema: of the last turn.
            prompt: a conversation that ends with the user's turn.
        """
        texts = schema.instances()
        if schema.n is not None:
            texts = tuple(self._repeated(text, number, schema.n) for number, text in enumerate(texts))
        before, last = prompt.messages[:-1], prompt.messages[-1]
        return [Prompt(messages=(*before, type(last)(last.role, text))) for text in texts]

    def _repeated(self, task: str, number: int, count: int) -> str:
        letter = _LETTERS[number % len(_LETTERS)]
        asked = load_template(self.repeat_template).render(
            task=task, number=str(number + 1), count=str(count), letter=letter
        )
        return asked.question

    def sampling(self) -> Sampling:
        """Return how the tokens of an instance are drawn."""
        return Sampling(temperature=self.temperature, max_tokens=self.max_tokens)


class Instances:
    """The instances of one prompt while they are asked.

    Args:
        options: of the strategy.
        schema: of the prompt.
        run: whose problem it is.
    """

    def __init__(self, options: ParallelPrompts, schema: PromptSchema, run: Run) -> None:
        self._options = options
        self._run = run
        self._prompts = options.prompts(schema, run.problem.prompt)
        self._replies: list[Sample | None] = [None] * len(self._prompts)
        self._tasks = list[asyncio.Task[None]]()
        self.unpaid: BudgetExhausted | None = None
        """The budget that an instance did not fit."""
        self.num_tokens = 0
        """Generated so far, of what failed too."""

    @property
    def is_whole(self) -> bool:
        """Whether every instance has a reply."""
        return all(reply is not None for reply in self._replies)

    async def ask(self) -> None:
        """Ask all at once, until each has a reply or no more is to be had."""
        async with asyncio.TaskGroup() as group:
            self._tasks = [group.create_task(self._ask(place)) for place in range(len(self._prompts))]
        if self.unpaid is not None and not any(self._replies):
            raise self.unpaid

    async def _ask(self, place: int) -> None:
        options = self._options
        async with self._run.child(label=f"instance {place + 1}", numbered=False) as child:
            for attempt in range(1 + options.retries):
                if attempt:
                    await asyncio.sleep(options.backoff_seconds * 2 ** (attempt - 1))
                try:
                    async with child.sample(self._prompts[place], sampling=options.sampling()) as samples:
                        sample = await anext(samples)
                except BudgetExhausted as error:
                    self.unpaid = error
                    return
                self.num_tokens += sample.num_tokens
                if not sample.is_error and without_thoughts(sample.text):
                    self._hear(place, sample)
                    return
        for task in self._tasks:  # the others are of no use any more
            task.cancel()

    def _hear(self, place: int, sample: Sample) -> None:
        self._replies[place] = sample
        best = self.outcome()
        self._run.best(best.answer, key=best.key, text=best.text)

    def outcome(self) -> Outcome:
        """Return what there is of the answer; what is incomplete has no key, and votes for nothing."""
        candidates = tuple(
            _candidate(place, reply) for place, reply in enumerate(self._replies) if reply is not None
        )
        answers = {candidate.index: candidate.answer for candidate in candidates}
        texts = [_NONE if reply is None else without_thoughts(reply.text) for reply in self._replies]
        answer = key = None
        if candidates and all(found is not None for found in answers.values()):
            answer = ", ".join(answers.get(place) or _NONE for place in range(len(texts)))
            key = answer_key(answer) if self.is_whole else None
        return Outcome(
            answer=answer,
            key=key,
            text=joined(texts),
            candidates=candidates,
            stop_reason="finished" if self.unpaid is None else "budget",
        )


def _candidate(place: int, reply: Sample) -> Candidate:
    answer = extract_answer(reply.text)
    return Candidate(
        index=place,
        answer=answer,
        key=answer_key(answer),
        num_tokens=reply.num_tokens,
        finish_reason=reply.finish_reason,
    )


def joined(texts: Sequence[str]) -> str:
    """Return texts numbered in order: a line each, or an empty line between two if one has several lines."""
    gap = "\n\n" if any("\n" in text for text in texts) else "\n"
    return gap.join(f"{number}. {text}" for number, text in enumerate(texts, start=1))
