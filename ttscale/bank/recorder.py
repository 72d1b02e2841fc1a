"""`Recorder`: any backend, with everything it generates kept in a sample bank."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from ttscale.backends.base import Backend, Chunk, Generation, PromptScore, Request, Rewards
from ttscale.bank.bank import Bank
from ttscale.bank.fingerprint import describe_model
from ttscale.bank.playing import Play, Player
from ttscale.bank.reusing import Holdings, prompt_usages
from ttscale.bank.sample import (
    NO_LOGPROBS,
    RecordedModel,
    RecordedProblem,
    RecordedSample,
    SampleHead,
    Settings,
    prompt_digest,
    series_key,
)
from ttscale.bank.vocabulary import Vocabulary
from ttscale.errors import BackendError, TTScaleError
from ttscale.tasks import TaskKeeper
from ttscale.types import Problem, Prompt, SampleUsage, Sampling

_LOG = logging.getLogger(__name__)


@dataclass(slots=True, eq=False, kw_only=True)
class _Taking:
    """One sample being recorded; times on the event loop's clock."""

    index: int
    """Within the whole request."""
    draw: int
    seed: int
    submitted: float
    first_token: float | None = None
    texts: list[str] = field(default_factory=list[str])
    token_ids: list[int] = field(default_factory=list[int])
    logprobs: list[float] = field(default_factory=list[float])
    top_logprobs: list[Mapping[int, float]] = field(default_factory=list[Mapping[int, float]])

    def add(self, chunk: Chunk, now: float) -> None:
        if self.first_token is None and (chunk.token_ids or chunk.text):
            self.first_token = now
        self.texts.append(chunk.text)
        self.token_ids.extend(chunk.token_ids)
        self.logprobs.extend(chunk.logprobs or ())
        self.top_logprobs.extend(chunk.top_logprobs or ())

    def sample(self, last: Chunk, now: float, request: Request, *, was_watched: bool) -> RecordedSample:
        asked, first = request.sampling.logprobs, self.first_token
        head = SampleHead(
            draw=self.draw,
            num_logprobs=NO_LOGPROBS if asked is None else asked,
            seed=self.seed,
            max_tokens=request.sampling.max_tokens,
            finish_reason=last.finish_reason or "error",
            error=last.error,
            usage=last.usage or SampleUsage(),
            seconds=now - self.submitted,
            first_token_seconds=first - self.submitted if was_watched and first is not None else None,
        )
        return RecordedSample(
            head=head,
            text="".join(self.texts),
            token_ids=tuple(self.token_ids),
            logprobs=None if asked is None else tuple(self.logprobs),
            top_logprobs=tuple(self.top_logprobs) if asked else None,
        )


class Recorder(Backend):
    """Passes every request on to another backend and keeps what comes back: the switch for recording.

    Each sample is committed as it ends; an aborted one as what it is, a beginning. Texts that are only graded
    (`score_prompt`, `reward`) are not kept. Should the bank become unwritable, the samples still come, and
    `aclose` says what was lost.

    With `reuse` a sample that the bank holds already is taken from there and not drawn again (see
    `ttscale.bank.reusing`). It comes in the time it took when it was recorded, token by token where that is
    asked for, so whoever stops early, sets a deadline or goes by who is first decides as if it were drawn. Its
    account is the same too, with what was not spent anew in `SampleUsage.reused`.

    Attributes:
        inner: the backend that generates.
        num_recorded: samples kept so far.
        num_reused: samples that were taken from the bank.
        num_lost: samples that could not be kept.
    """

    def __init__(self, inner: Backend, bank: Bank | Path, *, version: str = "", reuse: bool = False) -> None:
        """Wrap a backend; nothing starts.

        Args:
            inner: it must not have started.
            bank: where samples go; a file is opened on start, made if need be, and closed at the end.
            version: a name for the state of a model that changes under its name.
            reuse: whether samples that the bank holds are taken from it.
        """
        self.inner = inner
        self.num_recorded = 0
        self.num_reused = 0
        self.num_lost = 0
        self.name = inner.name
        self._given = bank
        self._bank: Bank | None = None
        self._version = version
        self._model: RecordedModel | None = None
        self._vocabulary = Vocabulary(inner.decode)
        self._keeper: TaskKeeper | None = None
        self._reuse = reuse
        self._holdings: Holdings | None = None
        self._player = Player()
        self._open = set[Generation]()
        self._last_draw = 0
        self._failure = ""
        self._mirror()

    def _mirror(self) -> None:
        self.capabilities = self.inner.capabilities
        self.profile = self.inner.profile
        self.batch_size = self.inner.batch_size

    async def start(self) -> None:
        """Open the bank and start the backend. Errors as that one's.

        Raises:
            DataError: the file is no sample bank, or cannot be made.
        """
        if self._keeper is not None:
            raise BackendError("the recorder was started before; make a new one instead of starting it twice")
        bank = self._given if isinstance(self._given, Bank) else Bank(self._given)
        try:
            await self.inner.start()
            self._mirror()
            self._model = describe_model(self.inner, self._version)
            bank.add_model(self._model)
            self._vocabulary.known.update(bank.vocabulary(self._model.fingerprint))
        except BaseException:
            self._close(bank)
            raise
        if self._reuse:
            self._holdings = Holdings(bank, self._model, self._vocabulary.known)
        self._bank, self._keeper = bank, TaskKeeper("the recorder")
        await self._keeper.start()

    def _close(self, bank: Bank) -> None:
        if bank is not self._given:
            bank.close()

    async def aclose(self) -> None:
        """Stop the backend, keep what it had under way, close the bank.

        Raises:
            BackendError: samples could not be kept.
        """
        self._player.stop()
        try:
            await self.inner.aclose()
            for generation in list(self._open):
                await generation.aclose()
        finally:
            if self._keeper is not None:
                await self._keeper.aclose()
            bank, self._bank, self._holdings = self._bank, None, None
            if bank is not None:
                self._close(bank)
        if bank is not None and self.num_lost:
            raise BackendError(f"{self.num_lost} samples could not be recorded: {self._failure}")

    # ── what is passed on ─────────────────────────────────────────────────────────────────────────────────

    def encode(self, prompt: Prompt) -> Prompt:
        """Return what the backend makes of a prompt, and note it: a replay has no tokenizer."""
        encoded = self.inner.encode(prompt)
        if encoded != prompt and self._bank is not None and self._model is not None:
            try:
                self._bank.add_encoding(self._model.fingerprint, prompt, encoded)
            except sqlite3.Error as error:
                self._note_failure(error)
        return encoded

    def decode(self, token_ids: Sequence[int]) -> str:
        """Return the text of token ids."""
        return self.inner.decode(token_ids)

    def count_tokens(self, prompt: Prompt) -> int:
        """Return how many tokens the prompt has, as the backend counts."""
        return self.inner.count_tokens(prompt)

    async def score_prompt(self, prompt: Prompt) -> PromptScore:
        """Return the log-probability of each token of a prompt. Errors as the backend's."""
        return await self.inner.score_prompt(prompt)

    async def reward(self, prompt: Prompt, *, step_token: str | None = None) -> Rewards:
        """Have a reward model grade a text. Errors as the backend's."""
        return await self.inner.reward(prompt, step_token=step_token)

    def add_problem(self, problem: Problem, *, benchmark: str = "") -> None:
        """Note which problem its prompt asks, so that the bank can be evaluated by itself.

        Raises:
            BackendError: the recorder is not running.
        """
        bank, _ = self._opened()
        bank.add_problem(
            RecordedProblem(
                benchmark=benchmark,
                id=problem.id,
                prompt=self.encode(problem.prompt),
                question=problem.prompt.question or None,
                target=problem.target,
            )
        )

    def heads(self, prompt: Prompt, sampling: Sampling) -> list[SampleHead]:
        """Return what the bank already holds of the model's samples of a prompt.

        Args:
            prompt: as `encode` returns it.
            sampling: as a `Request` has it; limits and log-probabilities aside, see `SampleHead.serves`.

        Raises:
            BackendError: the recorder is not running.
        """
        bank, model = self._opened()
        return bank.heads(series_key(model.fingerprint, prompt_digest(prompt), Settings.of(sampling)))

    def _opened(self) -> tuple[Bank, RecordedModel]:
        if self._bank is None or self._model is None:
            raise BackendError("the recorder is not running; use it inside `async with recorder:`")
        return self._bank, self._model

    # ── what is kept ──────────────────────────────────────────────────────────────────────────────────────

    def generate(self, request: Request) -> Generation:
        """Pass a request on, or what the bank does not hold of it; its samples are kept as they end."""
        if self._keeper is None:
            return self.inner.generate(request)
        held = {} if self._holdings is None else self._holdings.of(request)
        fresh = [index for index in range(len(request.seeds)) if index not in held]
        plays = list[Play]()
        if fresh:
            generation = self._draw(request, fresh, plays)
        else:
            generation = Generation(len(request.seeds), partial(self._player.abort, plays))
        if held:
            prompts = prompt_usages(list(held.values()), with_fresh=bool(fresh))
            plays.extend(
                Play(
                    index=index,
                    request=request,
                    generation=generation,
                    take=taken,
                    prompt=prompt,
                    is_reused=True,
                )
                for (index, taken), prompt in zip(held.items(), prompts, strict=True)
            )
            self.num_reused += len(plays)
            self._player.start(plays, streams=request.stream and self.capabilities.stream)
        return generation

    def _draw(self, request: Request, fresh: Sequence[int], plays: Sequence[Play]) -> Generation:
        """Have the backend draw some samples of a request.

        Args:
            request: the whole request.
            fresh: indices of the samples that are drawn, >= 1.
            plays: the others; filled in later.

        Returns:
            The generation of the whole request.
        """
        places = {index: place for place, index in enumerate(fresh)}
        source = self.inner.generate(replace(request, seeds=tuple(request.seeds[index] for index in fresh)))

        def abort(indices: Sequence[int]) -> None:
            self._player.abort(plays, indices)
            source.abort([places[index] for index in indices if index in places])

        passed_on = Generation(len(request.seeds), abort)
        now = asyncio.get_running_loop().time()
        takings = [
            _Taking(index=index, draw=self._next_draw(), seed=request.seeds[index], submitted=now)
            for index in fresh
        ]
        self._open.add(passed_on)
        assert self._keeper is not None
        try:
            task = self._keeper.spawn(self._follow(request, source, passed_on, takings))
        except BackendError as error:  # closed
            self._open.discard(passed_on)
            passed_on.fail(str(error))
            return passed_on
        task.add_done_callback(lambda _: self._end(passed_on, fresh))
        return passed_on

    def _end(self, generation: Generation, indices: Iterable[int]) -> None:
        self._open.discard(generation)
        error = "the recorder was closed while this sample ran"
        for index in generation.open_samples.intersection(indices):
            chunk = Chunk(index=index, finish_reason="error", error=error, usage=SampleUsage())
            generation.push(chunk)

    def _next_draw(self) -> int:
        """Return a number above all that any process has given before."""
        self._last_draw = max(self._last_draw + 1, time.time_ns())
        return self._last_draw

    async def _follow(
        self, request: Request, source: Generation, target: Generation, takings: Sequence[_Taking]
    ) -> None:
        loop = asyncio.get_running_loop()
        async for chunk in source:
            now, taking = loop.time(), takings[chunk.index]
            taking.add(chunk, now)
            target.push(chunk if chunk.index == taking.index else replace(chunk, index=taking.index))
            if chunk.finish_reason is not None:
                was_watched = request.stream and self.capabilities.stream
                self._keep(request, taking.sample(chunk, now, request, was_watched=was_watched))

    def _keep(self, request: Request, sample: RecordedSample) -> None:
        usage = sample.head.usage
        if not sample.head.is_whole and not usage.generated:
            return  # it had not begun
        bank, model = self._bank, self._model
        assert bank is not None
        assert model is not None
        try:
            with bank.writing():
                series = bank.add_series(model.fingerprint, request.prompt, Settings.of(request.sampling))
                new = self._vocabulary.new_in(sample) if self.capabilities.token_ids else {}
                bank.add_vocabulary(model.fingerprint, new)
                bank.add_sample(series.key, sample, is_seeded=model.can_seed)
            self._vocabulary.known.update(new)
            self.num_recorded += 1
        except (sqlite3.Error, TTScaleError, ValueError, OverflowError) as error:
            self.num_lost += 1
            self._note_failure(error)

    def _note_failure(self, error: Exception) -> None:
        if not self._failure:
            _LOG.error("a sample could not be recorded: %s", error)
        self._failure = str(error)
