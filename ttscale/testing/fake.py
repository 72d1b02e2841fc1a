"""`FakeBackend`: an engine that follows a script, on the event loop's clock, and accounts for every token.

1. A sample waits for one of `batch_size` slots, by priority and then by age, and starts when it has one.
2. Its k-th token is there at a definite time after that. Nothing is computed in between: what an aborted
   sample has really generated follows from the time of the abort.
3. A request's prompt is charged to the first of its samples that starts; to the others it is cached.

On a virtual clock (`ttscale.testing.run_virtual`) time-outs and races become instant and deterministic; on an
ordinary event loop the same script takes real time.
"""

from __future__ import annotations

import asyncio
import bisect
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final, TypeAlias

from ttscale.backends.base import Backend, Capabilities, Chunk, Generation, ModelProfile, PromptScore, Request
from ttscale.errors import BackendError
from ttscale.testing import characters
from ttscale.testing.plan import MAX_TOP_LOGPROBS, Plan, pace_of, plan
from ttscale.testing.script import Script, reply_of, rest_of
from ttscale.types import FinishReason, Prompt, SampleUsage, Sampling

EVERYTHING: Final = Capabilities(
    token_ids=True,
    logprobs=True,
    prompt_logprobs=True,
    max_top_logprobs=MAX_TOP_LOGPROBS,
    seeds=True,
    stop_strings=True,
    stream=True,
    priority=True,
)
"""All that a `FakeBackend` can do; it keeps no prefix cache."""

TOY: Final = ModelProfile(
    name="fake",
    num_parameters=1_000_000,
    num_layers=2,
    num_heads=4,
    num_kv_heads=2,
    head_dim=16,
    bytes_per_parameter=2.0,
    context_length=65_536,
)


Likelihood: TypeAlias = Callable[[str], Sequence[float]]
"""From an answer to the log-probability of each of its characters, in nats."""


def likely(answer: str) -> Sequence[float]:
    """Return a log-probability of -0.01 for each character: a `Likelihood`."""
    return (-0.01,) * len(answer)


@dataclass(slots=True, kw_only=True)
class Record:
    """What happened to one sample in the engine; times in seconds of the event loop's clock."""

    request: int
    """Position of its request in `FakeBackend.requests`."""
    index: int
    """Within the request."""
    ordinal: int
    """Among all samples asked for, from 0."""
    seed: int
    started: float | None = None
    """``None``: it never had a slot."""
    ended: float | None = None
    """When it generated its last token, failed or was aborted."""
    finish_reason: FinishReason | None = None
    usage: SampleUsage = field(default_factory=SampleUsage)
    """What it really used; filled in at the end."""


@dataclass(slots=True, eq=False, kw_only=True)
class _Slot:
    """One sample, waiting for or holding a place in the engine."""

    record: Record
    request: Request
    generation: Generation
    plan: Plan
    prompt_tokens: int
    prompt_computed: bool = False
    num_sent: int = 0
    text_sent: str = ""
    reached: float = 0.0
    """Seconds since its start that have certainly passed, however the clock rounds."""
    timer: asyncio.TimerHandle | None = field(default=None, repr=False)

    @property
    def rank(self) -> tuple[int, int]:
        """Least first."""
        return self.request.priority, self.record.ordinal


class FakeBackend(Backend):
    """A backend that replies what a script says.

    Attributes:
        requests: all requests, in order.
        records: what happened to each sample asked for, in order.
        readings: what each given text took that was read (`score_prompt`), in order.
        peak_running: most samples that ever ran at once.
    """

    name = "fake"

    def __init__(
        self,
        script: Script,
        *,
        batch_size: int = 64,
        seconds_per_token: float = 0.01,
        first_token_seconds: float = 0.0,
        abort_seconds: float = 0.0,
        likelihood: Likelihood = likely,
        capabilities: Capabilities = EVERYTHING,
        profile: ModelProfile = TOY,
    ) -> None:
        """Make a backend; see `Script` and `Reply` for what it may say.

        Args:
            script: what it replies. At temperature 0 it is asked with seed 0.
            batch_size: slots, >= 1; samples beyond them wait.
            seconds_per_token: pace of replies that have none of their own.
            first_token_seconds: added before the first token of such replies.
            abort_seconds: from an abort, which stops a sample at once, to the account of what it used.
            likelihood: what it says of given answers; what stands before an answer is certain.
            capabilities: what it lets itself be asked; at most `EVERYTHING`.
            profile: of the pretended model; longer prompts than its context fail.
        """
        if batch_size < 1:
            raise ValueError(f"batch_size must be >= 1, got {batch_size!r}")
        if missing := sorted(capabilities.names() - EVERYTHING.names()):
            raise ValueError(f"a FakeBackend has no {' and no '.join(missing)}")
        self.script = script
        self.likelihood = likelihood
        self.batch_size = batch_size
        self.capabilities = capabilities
        self.profile = profile
        self.requests = list[Request]()
        self.records = list[Record]()
        self.readings = list[SampleUsage]()
        self.peak_running = 0
        self._seconds_per_token = seconds_per_token
        self._first_token_seconds = first_token_seconds
        self._abort_seconds = abort_seconds
        self._is_started = False
        self._ordinals = itertools.count()
        self._charged = set[int]()
        self._waiting = list[_Slot]()
        self._running = list[_Slot]()

    # ── what tests look at ────────────────────────────────────────────────────────────────────────────────

    @property
    def num_running(self) -> int:
        """Samples that hold a slot: they run, or were aborted and are not accounted for yet."""
        return len(self._running)

    @property
    def num_waiting(self) -> int:
        """Samples that wait for a slot."""
        return len(self._waiting)

    @property
    def engine_tokens(self) -> int:
        """Tokens the engine has really generated until now, wanted or not."""
        ended = sum(record.usage.generated for record in self.records)
        return ended + sum(self._generated(slot) for slot in self._running if slot.record.ended is None)

    # ── the contract ──────────────────────────────────────────────────────────────────────────────────────

    async def start(self) -> None:
        """Start; nothing can go wrong."""
        self._is_started = True

    async def aclose(self) -> None:
        """Abort everything and wait until it is accounted for."""
        self._is_started = False
        generations = dict.fromkeys(slot.generation for slot in (*self._waiting, *self._running))
        for generation in generations:
            generation.abort()
        for generation in generations:
            await generation.aclose()

    def encode(self, prompt: Prompt) -> Prompt:
        """Return the prompt as token ids, one a character; unchanged without the capability `token_ids`."""
        return Prompt(token_ids=characters.encode(prompt)) if self.capabilities.token_ids else prompt

    def decode(self, token_ids: Sequence[int]) -> str:
        """Return the text of token ids; empty without the capability `token_ids`."""
        return characters.decode(token_ids) if self.capabilities.token_ids else ""

    def generate(self, request: Request) -> Generation:
        """Queue a request; it starts at once if there are slots."""
        number = len(self.requests)
        self.requests.append(request)
        generation = Generation(len(request.seeds), partial(self._abort, number))
        records = [
            Record(request=number, index=index, ordinal=next(self._ordinals), seed=seed)
            for index, seed in enumerate(request.seeds)
        ]
        self.records.extend(records)
        try:
            slots = self._slots(records, request, generation)
        except Exception as error:  # a wrong request or script fails its samples, not the engine
            for record in records:
                record.ended, record.finish_reason = self._now(), "error"
            generation.fail(f"{type(error).__name__}: {error}")
            return generation
        for slot in slots:
            bisect.insort(self._waiting, slot, key=lambda waiting: waiting.rank)
        self._fill()
        return generation

    async def score_prompt(self, prompt: Prompt) -> PromptScore:
        """Say how likely the last, unfinished message of a given text is; see `Likelihood`."""
        ids = characters.encode(prompt)
        if not self.capabilities.prompt_logprobs:
            return await super().score_prompt(prompt)
        if not self._is_started:
            raise BackendError("the backend is not running; use it inside `async with backend:`")
        if len(ids) > (self.profile.context_length or len(ids)):
            raise BackendError(f"a text of {len(ids)} tokens does not fit {self.profile.context_length}")
        answer = characters.decode(characters.begun(ids))
        values = (*(0.0 for _ in range(len(ids) - len(answer))), *self.likelihood(answer))
        self.readings.append(SampleUsage(prompt_computed=len(ids)))
        return PromptScore(token_ids=ids, logprobs=(None, *values[1:]), usage=self.readings[-1])

    def _slots(self, records: Sequence[Record], request: Request, generation: Generation) -> list[_Slot]:
        """Work out what becomes of a request's samples.

        Raises:
            Exception: the request is wrong, or the script fails.
        """
        prompt_ids = characters.encode(request.prompt)
        most = self._check(request, prompt_ids)
        asked, begun = characters.parse(prompt_ids), characters.begun(prompt_ids)
        text_begun = characters.decode(begun)
        slots = list[_Slot]()
        for record in records:
            seed = record.seed if self.capabilities.seeds else record.ordinal
            seed = 0 if request.sampling.temperature == 0 else seed
            whole = reply_of(self.script, asked, seed, record.ordinal)
            reply = rest_of(whole, text_begun, len(begun))
            pace = pace_of(
                reply, first_token_seconds=self._first_token_seconds, seconds_per_token=self._seconds_per_token
            )
            slot = _Slot(
                record=record,
                request=request,
                generation=generation,
                plan=plan(reply, request.sampling, most=most, pace=pace, seed=seed),
                prompt_tokens=len(prompt_ids),
            )
            slots.append(slot)
        return slots

    def _check(self, request: Request, prompt_ids: Sequence[int]) -> int:
        """Return how many tokens the context leaves.

        Raises:
            ValueError: the request is wrong.
        """
        if not self._is_started:
            raise ValueError("the backend is not running; use it inside `async with backend:`")
        if not self.capabilities.token_ids and request.prompt.token_ids is not None:
            raise ValueError("this backend takes no token ids; give messages or text")
        characters.check(prompt_ids)
        self._check_sampling(request.sampling)
        room = (self.profile.context_length or 2**31) - len(prompt_ids)
        if room < 1:
            raise ValueError(
                f"a prompt of {len(prompt_ids)} tokens does not fit a context of {self.profile.context_length}"
            )
        return room

    def _check_sampling(self, sampling: Sampling) -> None:
        can = self.capabilities
        if sampling.stop and not can.stop_strings:
            raise ValueError("this backend takes no stop strings")
        if sampling.logprobs is not None and not can.logprobs:
            raise ValueError("this backend gives no log-probabilities")
        if (sampling.logprobs or 0) > can.max_top_logprobs:
            raise ValueError(f"at most {can.max_top_logprobs} top logprobs, got {sampling.logprobs!r}")

    # ── the engine ────────────────────────────────────────────────────────────────────────────────────────

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()

    def _fill(self) -> None:
        """Start samples while there are slots."""
        while self._waiting and len(self._running) < self.batch_size:
            slot = self._waiting.pop(0)
            self._running.append(slot)
            slot.record.started = self._now()
            slot.prompt_computed = slot.record.request not in self._charged
            self._charged.add(slot.record.request)
            self._set_timer(slot)
        self.peak_running = max(self.peak_running, len(self._running))

    def _generated(self, slot: _Slot) -> int:
        """Return how many tokens a running sample has by now."""
        assert slot.record.started is not None
        elapsed = max(slot.reached, self._now() - slot.record.started)
        return slot.plan.pace.tokens_at(elapsed, len(slot.plan.token_ids))

    def _set_timer(self, slot: _Slot) -> None:
        """Wake up at the sample's next token if it streams, else at its last."""
        assert slot.record.started is not None
        last = len(slot.plan.token_ids)
        due = slot.plan.pace.seconds_at(min(slot.num_sent + 1, last) if self._streams(slot) else last)
        slot.timer = asyncio.get_running_loop().call_at(slot.record.started + due, self._wake, slot, due)

    def _wake(self, slot: _Slot, due: float) -> None:
        slot.reached = due
        count = self._generated(slot)
        if count == len(slot.plan.token_ids):
            self._end(slot, count, slot.plan.finish_reason)
            self._report(slot)
            return
        if count > slot.num_sent and self._streams(slot):
            slot.generation.push(self._chunk(slot, count, slot.plan.text_after(count, certain=True)))
        self._set_timer(slot)

    def _streams(self, slot: _Slot) -> bool:
        return slot.request.stream and self.capabilities.stream

    def _abort(self, number: int, indices: Sequence[int]) -> None:
        """Stop samples of a request at once; their accounts follow."""
        for slot in (*self._waiting, *self._running):
            record = slot.record
            if record.request != number or record.index not in indices or record.ended is not None:
                continue
            self._end(slot, 0 if record.started is None else self._generated(slot), "abort")
            asyncio.get_running_loop().call_later(self._abort_seconds, self._report, slot)

    def _end(self, slot: _Slot, count: int, reason: FinishReason) -> None:
        """Stop generating."""
        if slot.timer is not None:
            slot.timer.cancel()
        if slot in self._waiting:
            self._waiting.remove(slot)
        record = slot.record
        record.ended, record.finish_reason = self._now(), reason
        if record.started is not None:
            record.usage = SampleUsage(
                prompt_computed=slot.prompt_tokens if slot.prompt_computed else 0,
                prompt_cached=0 if slot.prompt_computed else slot.prompt_tokens,
                generated=count,
            )

    def _report(self, slot: _Slot) -> None:
        """Send a sample's last chunk and give its slot to the next."""
        if slot in self._running:
            self._running.remove(slot)
        record, count = slot.record, slot.record.usage.generated
        text = slot.plan.text_after(count)
        slot.generation.push(self._chunk(slot, count, text, record.finish_reason))
        self._fill()

    def _chunk(self, slot: _Slot, count: int, text: str, reason: FinishReason | None = None) -> Chunk:
        """Return what is new of a sample: up to `count` tokens and up to `text`."""
        start, before = slot.num_sent, len(slot.text_sent)
        slot.num_sent, slot.text_sent = count, text
        num_top = slot.request.sampling.logprobs
        return Chunk(
            index=slot.record.index,
            token_ids=slot.plan.token_ids[start:count] if self.capabilities.token_ids else (),
            text=text[before:],
            logprobs=None if num_top is None else slot.plan.logprobs[start:count],
            top_logprobs=slot.plan.top(start, count, num_top) if num_top else None,
            finish_reason=reason,
            usage=None if reason is None else slot.record.usage,
            error=slot.plan.error if reason == "error" else None,
        )
