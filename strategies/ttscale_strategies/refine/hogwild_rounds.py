"""Hogwild in rounds: workers at one problem who read over each other's shoulders, chunk by chunk."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import ClassVar, Final

from ttscale.run import Run
from ttscale.types import Outcome, Problem, Prompt, Sample, Sampling
from ttscale_strategies.checks import require_positive
from ttscale_strategies.refine._rounds import Rounds
from ttscale_strategies.refine._workspace import fitted_texts, workspace_tokens
from ttscale_strategies.revision import asked_again, require_fields

_STEP_END: Final = "\n\n"
_BOXES: Final = ("\\boxed{", "\\fbox{")
_FIELDS: Final = ("question", "name", "past", "others")


@dataclass(frozen=True, kw_only=True)
class HogwildRounds:
    r"""Workers who share a scratchpad, after Hogwild! Inference (arXiv:2504.06261): an approximation in chunks.

    In the paper k copies of a model write at the same time into one key-value cache, and each sees the others'
    words token by token. Here they do so in rounds: each worker is shown everybody's finished steps, the
    others' unfinished ones, and goes on with its own until an empty line ends the step or the chunk is full. As
    soon as a worker has written a closed ``\boxed{…}`` no other round begins; if nobody has after `max_rounds`,
    each is made to begin the final answer. The majority of that round answers, ties go to the first worker.

    Every `check_tokens` tokens of all together, a worker drawn by lot is made to ask itself whether it does
    what another already does.

    Cost: at most k · (max_rounds + 1) calls; the prompt of each holds the question, at most κ tokens of others'
    and finished steps, and the worker's own step. Of a prompt only the question and the finished steps are the
    same as in the round before, so all else is read anew in every round: with c tokens a chunk, about κ / c
    tokens of prompt for each generated one if steps are long. A round waits for its slowest chunk.

    Departures, what the approximation loses: words of others are seen a chunk late (the paper's own comparison
    finds workers that wait for each other's steps clearly worse at working together than with tokens), and
    nothing of the cache is shared beyond a common beginning. The paper bans some tokens, which not every engine
    can. Its prompts are not ours. A step also ends after `max_step_chunks`, so that a worker who never leaves a
    line empty is heard. Where the steps do not fit κ the oldest are dropped. Models below 2 billion parameters,
    says the paper, do not work together. `confidence` is the winner's share of all answers that were given.
    """

    names: tuple[str, ...] = ("Alice", "Bob")
    """The workers', one or more, each once; the paper has two, and up to four."""
    chunk_tokens: int = 64
    """c, the most tokens that a worker writes in a round, >= 1."""
    max_rounds: int = 32
    """>= 1."""
    max_step_chunks: int = 8
    """>= 1."""
    check_tokens: int | None = 256
    """Tokens between two questions about redundant work, >= 1; ``None``: nobody asks. 256 in the paper's
    code."""
    check: str = "Quick check: am I doing redundant work? (yes/no):"
    """That question."""
    final: str = "**Final Answer**\n\\boxed{"
    """Begins the answer of a worker who has none; ends in an opened box."""
    max_answer_tokens: int = 64
    """Most tokens of that answer, >= 1."""
    max_workspace_tokens: int | None = None
    """κ, the most tokens of finished and of others' steps in a prompt, >= 1; ``None``: half of the context."""
    template: str = "scratchpad"
    """Name of the prompt template, with the fields question, name (of the worker), past and others (steps)."""
    temperature: float | None = None
    """``None``: the model's own."""

    needs: ClassVar[frozenset[str]] = frozenset({"stop_strings"})

    def __post_init__(self) -> None:
        for name in ("chunk_tokens", "max_rounds", "max_step_chunks", "max_answer_tokens"):
            require_positive(getattr(self, name), name)
        for name in ("check_tokens", "max_workspace_tokens"):
            if getattr(self, name) is not None:
                require_positive(getattr(self, name), name)
        if not self.names or not all(self.names) or len(set(self.names)) < len(self.names):
            raise ValueError(f"names must be one or more, none empty and each once; got {self.names!r}")
        if not self.final.endswith(_BOXES):
            raise ValueError(f"final must end in \\boxed{{, got {self.final!r}")
        require_fields(self.template, _FIELDS)
        Sampling(temperature=self.temperature)

    def max_samples(self) -> int:
        """Return k · (max_rounds + 1)."""
        return len(self.names) * (self.max_rounds + 1)

    async def solve(self, problem: Problem, run: Run) -> Outcome:
        """Write in rounds until somebody has an answer, and have one begun if nobody has."""
        pad = _Scratchpad(self, run)
        rounds = Rounds(run, (len(self.names),) * (self.max_rounds + 1))
        chunk = Sampling(temperature=self.temperature, max_tokens=self.chunk_tokens, stop=(_STEP_END,))
        while rounds.num_drawn < self.max_rounds:
            pad.begin_round()
            if not await rounds.draw(pad.going_on, chunk, read=pad.read):
                return rounds.poll.outcome()
            if any(ballot.key is not None for ballot in rounds.drafts(rounds.num_drawn - 1)):
                rounds.poll.stop_reason = "decided"
                return rounds.poll.outcome()
            pad.end_round()
        final = Sampling(temperature=self.temperature, max_tokens=self.max_answer_tokens)
        await rounds.draw(pad.finishing, final, read=pad.finished)
        return rounds.poll.outcome()


class _Scratchpad:
    """What all workers have written, and what each is shown of it."""

    def __init__(self, strategy: HogwildRounds, run: Run) -> None:
        num_workers = len(strategy.names)
        self._strategy = strategy
        self._run = run
        self._rng = random.Random(run.rng.getrandbits(64))
        self._past = list[str]()
        self._own = [""] * num_workers
        self._num_steps = [0] * num_workers
        self._num_chunks = [0] * num_workers
        self._num_tokens = 0
        self._num_checks = 0
        self._drawn = dict[int, Sample]()

    def begin_round(self) -> None:
        """Make somebody ask itself whether its work is redundant, if it is time."""
        self._drawn = {}
        every = self._strategy.check_tokens
        if every is None or self._num_tokens < (self._num_checks + 1) * every:
            return
        self._num_checks = self._num_tokens // every
        worker = self._rng.randrange(len(self._own))
        before = self._own[worker]
        self._own[worker] = f"{before}\n{self._strategy.check}" if before else self._strategy.check

    async def going_on(self, worker: int, run: Run) -> Prompt:
        """Return the prompt from which a worker goes on with its step."""
        return run.append(self._asked(worker), self._header(worker) + self._own[worker])

    async def finishing(self, worker: int, run: Run) -> Prompt:
        """Return the prompt in which a worker has begun its final answer."""
        begun = f"{self._header(worker)}{self._own[worker]}\n\n{self._strategy.final}"
        return run.append(self._asked(worker), begun)

    def read(self, worker: int, sample: Sample) -> Sample:
        """Return a worker's step as the chunk has left it if it has a box, else what is no answer."""
        self._drawn[worker] = sample
        step = self._own[worker] + sample.text
        return replace(sample, text=step if any(box in step for box in _BOXES) else "")

    def finished(self, worker: int, sample: Sample) -> Sample:
        """Return a worker's final answer in the box that was opened for it."""
        return replace(sample, text=self._strategy.final + sample.text)

    def end_round(self) -> None:
        """Put what was written on the pad: finished steps into the past, in order of workers."""
        for worker, sample in sorted(self._drawn.items()):
            self._num_tokens += sample.num_tokens
            if sample.is_error:
                continue
            self._own[worker] += sample.text
            self._num_chunks[worker] += 1
            if sample.finish_reason == "stop" or self._num_chunks[worker] >= self._strategy.max_step_chunks:
                self._end_step(worker)

    def _end_step(self, worker: int) -> None:
        if self._own[worker].strip():
            self._past.append(self._header(worker) + self._own[worker].strip())
            self._num_steps[worker] += 1
        self._own[worker] = ""
        self._num_chunks[worker] = 0

    def _header(self, worker: int) -> str:
        return f"**{self._strategy.names[worker]} [{self._num_steps[worker] + 1}]:** "

    def _asked(self, worker: int) -> Prompt:
        """Return the question to a worker with all that it sees of what others do and all have done."""
        others = [self._header(other) + own for other, own in enumerate(self._own) if other != worker and own]
        texts = [_STEP_END.join(self._past), _STEP_END.join(others)]
        capacity = workspace_tokens(self._run, self._strategy.max_workspace_tokens)
        past, unfinished = fitted_texts(self._run, texts, capacity)
        return asked_again(
            self._strategy.template,
            self._run,
            name=self._strategy.names[worker],
            past=past or "Nothing yet.",
            others=unfinished or "Nothing.",
        )
