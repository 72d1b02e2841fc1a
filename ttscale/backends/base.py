"""The backend contract: who generates, what can be asked of it, and how a request is followed and stopped.

A backend turns a `Request` into a `Generation`: an async iterator of `Chunk`s that can be aborted, whole or
one sample at a time. Ending a generation early never loses the account of what it used: every sample's last
chunk carries a finish reason and its usage, ``"abort"`` included.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from types import TracebackType
from typing import Self

from ttscale.errors import BackendError
from ttscale.types import FinishReason, Prompt, SampleUsage, Sampling


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a backend can do; strategies and verifiers name the fields they need."""

    token_ids: bool = False
    """Takes prompts as token ids and returns the generated ids: samples can be continued exactly."""
    logprobs: bool = False
    """Returns the log-probability of each chosen token."""
    max_top_logprobs: int = 0
    """How many alternatives per position it can return; 0: none."""
    seeds: bool = False
    """The same seed and prompt give the same tokens, whatever else runs; on a GPU, but for rounding."""
    stop_strings: bool = False
    stream: bool = False
    """Chunks arrive token by token when asked."""
    priority: bool = False
    prefix_cache: bool = False
    prompt_logprobs: bool = False
    """Tells the log-probability of each token of a given text (`Backend.score_prompt`)."""
    rewards: bool = False
    """It is a reward model: it grades given texts (`Backend.reward`) and draws no samples."""

    def names(self) -> frozenset[str]:
        """Return the names of everything it can do."""
        return frozenset(f.name for f in fields(self) if getattr(self, f.name))

    def lacking(self, needs: Iterable[str]) -> list[str]:
        """Return those of the needs that are not met, sorted; ``"rewards or logprobs"`` is met by either."""
        can = self.names()
        return sorted(need for need in needs if can.isdisjoint(alternatives(need)))


def alternatives(need: str) -> list[str]:
    """Return the capabilities any of which meets a need."""
    return need.split(" or ")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelProfile:
    """What is known of a model, for cost models and defaults; ``None`` is unknown."""

    name: str
    num_parameters: int | None = None
    """Parameters used for each token (mixtures of experts: the active ones), tied embeddings counted once."""
    num_layers: int | None = None
    num_heads: int | None = None
    num_kv_heads: int | None = None
    head_dim: int | None = None
    bytes_per_parameter: float | None = None
    """2 for bf16, 4 for fp32."""
    context_length: int | None = None
    """Most tokens of prompt and answer together."""
    prefix_block: int | None = None
    """Tokens of the blocks of the engine's prefix cache, which uses whole blocks again; ``None``: not known, or
    there is no such cache."""
    temperature: float = 1.0
    """The model's own default."""
    top_p: float | None = None
    top_k: int | None = None

    @property
    def kv_bytes_per_token(self) -> float | None:
        """Bytes of key-value cache per token: 2 · layers · KV heads · head size · bytes per value."""
        parts = (self.num_layers, self.num_kv_heads, self.head_dim, self.bytes_per_parameter)
        if any(part is None for part in parts):
            return None
        layers, heads, size, width = parts
        return 2.0 * layers * heads * size * width  # type: ignore[operator]  # none of them is None here


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a backend is asked: `len(seeds)` samples of one prompt."""

    prompt: Prompt
    """Token ids wherever the backend can tokenise (see `Backend.encode`), else messages or text."""
    sampling: Sampling
    """With temperature, top_p and top_k resolved: ``None`` no longer means *default* but *off*."""
    seeds: tuple[int, ...]
    """One seed a sample, at least one, each in [0, 2**63)."""
    stream: bool = False
    """Whether chunks are wanted token by token; else one chunk a sample, at its end."""
    priority: int = 0
    """Lower runs first, where the engine can."""

    def __post_init__(self) -> None:
        if not self.seeds:
            raise ValueError("a request needs at least one seed; give one for each sample wanted")


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Something new of one sample. The last chunk of a sample has a `finish_reason` and `usage`."""

    index: int
    """Sample index within the request."""
    token_ids: tuple[int, ...] = ()
    """New ids since the last chunk; empty where the server gives none."""
    text: str = ""
    """New text since the last chunk; all chunks' texts joined are the sample's text, stop string cut off."""
    logprobs: tuple[float, ...] | None = None
    """Of the new tokens, when asked."""
    top_logprobs: tuple[Mapping[int, float], ...] | None = None
    finish_reason: FinishReason | None = None
    usage: SampleUsage | None = None
    """Of the whole sample; the prompt of a request of several samples is computed once and charged to one."""
    error: str | None = None
    """Set with finish reason ``"error"``."""


class Generation:
    """The chunks of one request, as they come; made by a backend, consumed by one task.

    The backend feeds it with `push` and `fail` from the event loop's thread; the consumer iterates, and may
    call `abort` or `aclose` at any time. `async with` closes it.
    """

    def __init__(self, num_samples: int, on_abort: Callable[[Sequence[int]], None]) -> None:
        """Make a generation of `num_samples` open samples.

        Args:
            num_samples: how many samples the request asked for.
            on_abort: tells the engine to stop these sample indices; it must see to it that each gets its last
                chunk pushed soon, with finish reason ``"abort"`` and the usage so far.
        """
        self._queue: asyncio.Queue[Chunk | None] = asyncio.Queue()
        self._open = set(range(num_samples))
        self._aborting: set[int] = set()
        self._on_abort = on_abort
        self._settled = asyncio.Event()

    @property
    def open_samples(self) -> frozenset[int]:
        """Indices of the samples that have not had their last chunk yet."""
        return frozenset(self._open)

    def push(self, chunk: Chunk) -> None:
        """Deliver a chunk; chunks of a sample that has ended are ignored."""
        if chunk.index not in self._open:
            return
        self._queue.put_nowait(chunk)
        if chunk.finish_reason is not None:
            if chunk.usage is None:
                raise BackendError(f"the last chunk of sample {chunk.index} carries no usage")
            self._open.discard(chunk.index)
        if not self._open:
            self._queue.put_nowait(None)
            self._settled.set()

    def fail(self, message: str) -> None:
        """End every open sample with finish reason ``"error"``; what it used is then unknown to the engine."""
        for index in sorted(self._open):
            self.push(Chunk(index=index, finish_reason="error", error=message, usage=SampleUsage()))

    def abort(self, indices: Sequence[int] | None = None) -> None:
        """Ask the engine to stop these samples, or all; their last chunks still arrive.

        Args:
            indices: sample indices within the request; those that have ended are ignored.
        """
        wanted = self._open if indices is None else self._open & set(indices)
        fresh = sorted(wanted - self._aborting)
        self._aborting.update(fresh)
        if fresh:
            self._on_abort(fresh)

    async def aclose(self) -> None:
        """Abort what still runs and wait until the engine has accounted for it."""
        self.abort()
        if self._open:
            await self._settled.wait()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Chunk:
        chunk = await self._queue.get()
        if chunk is None:
            self._queue.put_nowait(None)
            raise StopAsyncIteration
        return chunk

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptScore:
    """Log-probabilities of a given text under the model."""

    token_ids: tuple[int, ...]
    logprobs: tuple[float | None, ...]
    """Of each token given those before it, in nats; the first is ``None``."""
    usage: SampleUsage = field(default_factory=SampleUsage)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewards:
    """What a reward model says of a text."""

    values: tuple[float, ...]
    """In [0, 1], higher is better: of a process reward model one for each step, of an outcome one just one."""
    usage: SampleUsage


class Backend(ABC):
    """An engine that generates, or grades. Used as an async context manager on one event loop; starts on entry.

    A backend is built by a `BackendFactory` registered under a name; see `ttscale.registry`.
    """

    name: str
    """The model URI's scheme: ``"hf"``, ``"vllm"`` …"""
    capabilities: Capabilities
    profile: ModelProfile
    """Complete once the backend has started."""
    batch_size: int
    """How many samples the engine advances at once; admission keeps about this many in flight."""

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    @abstractmethod
    async def start(self) -> None:
        """Load or reach the model.

        Raises:
            BackendUnavailable: it cannot be loaded or reached; the message says what to do.
        """

    @abstractmethod
    async def aclose(self) -> None:
        """Stop the engine and everything it started; calling it twice is harmless."""

    @abstractmethod
    def encode(self, prompt: Prompt) -> Prompt:
        """Return the prompt as token ids through the chat template, or unchanged where only the server can."""

    @abstractmethod
    def decode(self, token_ids: Sequence[int]) -> str:
        """Return the text of token ids, special tokens left out; empty where only the server can."""

    def count_tokens(self, prompt: Prompt) -> int:
        """Return how many tokens the prompt has, or an upper bound where only the server can tell."""
        encoded = self.encode(prompt)
        if encoded.token_ids is not None:
            return len(encoded.token_ids)
        # Byte-level vocabularies never split finer than bytes; a template adds a few tokens a message.
        texts = [encoded.text or "", *(m.content for m in encoded.messages)]
        return sum(len(text.encode()) for text in texts) + 16 * (len(encoded.messages) + 1)

    @abstractmethod
    def generate(self, request: Request) -> Generation:
        """Start a request and return at once.

        A wrong or failing request does not raise: its samples end with finish reason ``"error"``.
        """

    async def score_prompt(self, prompt: Prompt) -> PromptScore:
        """Return the log-probability of each token of a given text: the capability `prompt_logprobs`.

        A conversation that ends with an answer is read as far as it goes: that message is left open.

        Raises:
            BackendError: this backend cannot, or the text does not fit.
        """
        raise BackendError(f"backend {self.name!r} does not score given text")

    async def reward(self, prompt: Prompt, *, step_token: str | None = None) -> Rewards:
        """Have a reward model grade a text: its capability `rewards`.

        A conversation is graded as a whole, its last message included and closed.

        Args:
            prompt: what to grade.
            step_token: of a process reward model, the token that ends each step of the text; ``None`` for an
                outcome reward model.

        Raises:
            BackendError: this backend cannot, the text does not fit, or has no step.
            ParameterError: the model knows no such token, wants one, or does not grade steps.
        """
        raise BackendError(f"{self.profile.name!r} is no reward model here; it cannot grade a text")
