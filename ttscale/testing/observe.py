"""Following a generation to its end, and holding every chunk of it to the contract on the way."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ttscale.backends.base import Backend, Chunk, Generation, Request
from ttscale.testing.clauses import expect
from ttscale.types import FinishReason, Prompt, SampleUsage, Sampling


@dataclass(slots=True, kw_only=True)
class Observed:
    """One sample as its chunks told it."""

    index: int
    token_ids: list[int] = field(default_factory=list[int])
    text: str = ""
    logprobs: list[float] = field(default_factory=list[float])
    top_logprobs: list[Mapping[int, float]] = field(default_factory=list[Mapping[int, float]])
    num_chunks: int = 0
    finish_reason: FinishReason | None = None
    usage: SampleUsage = field(default_factory=SampleUsage)
    error: str | None = None

    @property
    def gist(self) -> tuple[str, tuple[int, ...], FinishReason | None]:
        """What must be equal for two samples to be the same."""
        return self.text, tuple(self.token_ids), self.finish_reason

    def add(self, chunk: Chunk) -> None:
        """Take in a chunk.

        Raises:
            AssertionError: it comes after the last, or the last one is incomplete.
        """
        expect(self.finish_reason is None, f"sample {self.index} got a chunk after its last")
        self.token_ids.extend(chunk.token_ids)
        self.text += chunk.text
        self.logprobs.extend(chunk.logprobs or ())
        self.top_logprobs.extend(chunk.top_logprobs or ())
        self.num_chunks += 1
        if chunk.finish_reason is None:
            expect(chunk.usage is None, f"a chunk of sample {self.index} that is not its last carries usage")
            return
        self.finish_reason, self.error = chunk.finish_reason, chunk.error
        expect(chunk.usage is not None, f"the last chunk of sample {self.index} carries no usage")
        self.usage = chunk.usage or SampleUsage()
        self._check_end()

    def _check_end(self) -> None:
        name, usage = f"sample {self.index}", self.usage
        counts = (usage.prompt_computed, usage.prompt_cached, usage.generated)
        expect(min(counts) >= 0, f"{name} has negative usage: {usage}")
        failed = self.finish_reason == "error"
        expect(failed == bool(self.error), f"{name} ended in {self.finish_reason!r} with error {self.error!r}")
        if self.token_ids and not failed:
            expect(
                usage.generated == len(self.token_ids),
                f"{name} reports {usage.generated} generated tokens and sent {len(self.token_ids)} ids",
            )


async def follow(
    generation: Generation, num_samples: int, on_chunk: Callable[[Generation], None] | None = None
) -> list[Observed]:
    """Read a generation to its end and return its samples in order of index.

    Args:
        generation: what to read.
        num_samples: how many samples it has.
        on_chunk: called after each chunk.

    Raises:
        AssertionError: an index is out of range, or a sample does not end exactly once, with its usage.
    """
    samples = [Observed(index=index) for index in range(num_samples)]
    async for chunk in generation:
        expect(0 <= chunk.index < num_samples, f"index {chunk.index} of {num_samples} samples")
        samples[chunk.index].add(chunk)
        if on_chunk is not None:
            on_chunk(generation)
    for sample in samples:
        expect(sample.finish_reason is not None, f"sample {sample.index} never ended")
    expect(not generation.open_samples, f"samples {sorted(generation.open_samples)} are still open at the end")
    return samples


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """A started backend and a prompt to try it with."""

    backend: Backend
    prompt: Prompt
    """Encoded."""
    max_tokens: int
    """Of a reply of ordinary length."""

    def request(
        self,
        sampling: Sampling | None = None,
        *,
        prompt: Prompt | None = None,
        seeds: Sequence[int] = (1,),
        stream: bool = False,
    ) -> Request:
        """Return a request; without a sampling it is `greedy`."""
        return Request(
            prompt=prompt or self.prompt,
            sampling=sampling or self.greedy(),
            seeds=tuple(seeds),
            stream=stream and self.backend.capabilities.stream,
        )

    def greedy(
        self,
        *,
        max_tokens: int | None = None,
        stop: tuple[str, ...] = (),
        stop_token_ids: tuple[int, ...] = (),
        logprobs: int | None = None,
    ) -> Sampling:
        """Return a sampling at temperature 0."""
        return Sampling(
            temperature=0.0,
            max_tokens=max_tokens or self.max_tokens,
            stop=stop,
            stop_token_ids=stop_token_ids,
            logprobs=logprobs,
        )

    def warm(self) -> Sampling:
        """Return a sampling at temperature 1."""
        return Sampling(temperature=1.0, max_tokens=self.max_tokens)

    async def ask(
        self, request: Request, on_chunk: Callable[[Generation], None] | None = None
    ) -> list[Observed]:
        """Return the samples of a request, followed to their ends."""
        generation = self.backend.generate(request)
        try:
            return await follow(generation, len(request.seeds), on_chunk)
        finally:
            generation.abort()  # without waiting: what breaks its promises may never settle

    async def reference(self) -> Observed:
        """Return the greedy reply that others are compared with."""
        (sample,) = await self.ask(self.request())
        expect(sample.finish_reason in ("stop", "length"), f"the prompt gave {sample.error or sample.gist}")
        return sample
