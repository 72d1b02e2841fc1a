"""One sample being drawn: from reservation to settled `Sample`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ttscale.backends.base import Chunk
from ttscale.budget import Amount, CostModel, Reservation
from ttscale.scheduling import Job
from ttscale.trace import Span
from ttscale.types import Bucket, Sample, SampleUsage, Timings, Usage


@dataclass(frozen=True, slots=True)
class WorstCase:
    """What a call may cost at most, by its most generated tokens: a `Price` of the ledger."""

    cost: CostModel
    prompt_tokens: int
    bucket: Bucket

    def __call__(self, max_tokens: int) -> Amount:
        """Return the cost of the whole prompt, uncached, and so many generated tokens."""
        counts = {"prompt_computed": self.prompt_tokens, "prompt_cached": 0, "generated": max_tokens}
        return Amount(
            samples=1 if self.bucket == "strategy" else 0,
            tokens=self.prompt_tokens + max_tokens,
            flops=self.cost.flops(**counts) or 0.0,
            usd=self.cost.usd(**counts) or 0.0,
        )


@dataclass(slots=True, eq=False, kw_only=True)
class Draw:
    """Gathers the chunks of one sample; owns its reservation."""

    index: int
    job: Job
    reservation: Reservation
    span: Span
    submitted: float
    critical_path_before: int
    """Generated tokens, one after the other, on which its beginning depended."""
    seconds_before: float
    """Seconds in engines and tools, one after the other, on which its beginning depended."""
    first_token: float | None = None
    wanted: bool = True
    """False once the block was left: the sample is settled but not delivered."""
    token_ids: list[int] = field(default_factory=list[int])
    texts: list[str] = field(default_factory=list[str])
    logprobs: list[float] = field(default_factory=list[float])
    top_logprobs: list[Mapping[int, float]] = field(default_factory=list[Mapping[int, float]])

    def add(self, chunk: Chunk, now: float) -> None:
        """Take in a chunk that arrived now."""
        if self.first_token is None and (chunk.token_ids or chunk.text):
            self.first_token = now
        self.token_ids.extend(chunk.token_ids)
        self.texts.append(chunk.text)
        self.logprobs.extend(chunk.logprobs or ())
        self.top_logprobs.extend(chunk.top_logprobs or ())

    def sample(self, last: Chunk, now: float) -> Sample:
        """Return the finished sample; `last` is its last chunk."""
        assert last.finish_reason is not None
        assert last.usage is not None
        asked, began = self.job.sampling.logprobs, self.job.began
        return Sample(
            index=self.index,
            text="".join(self.texts),
            token_ids=tuple(self.token_ids),
            finish_reason=last.finish_reason,
            usage=last.usage,
            prompt=self.job.prompt,
            seed=self.job.seed,
            timings=Timings(submitted=self.submitted, first_token=self.first_token, finished=now, began=began),
            logprobs=None if asked is None else tuple(self.logprobs),
            top_logprobs=tuple(self.top_logprobs) if asked else None,
            error=last.error,
            critical_path_tokens=self.critical_path_before + last.usage.generated,
            critical_path_seconds=self.seconds_before + now - (self.submitted if began is None else began),
        )


def booked(usage: SampleUsage, *, bucket: Bucket, ended_itself: bool, cost: CostModel) -> Usage:
    """Return what a sample's usage means for the ledger.

    Args:
        usage: the engine's account.
        bucket: who asked for the sample.
        ended_itself: False for aborted and failed samples, whose tokens count as cancelled.
        cost: prices it.
    """
    computed, cached, generated = usage.prompt_computed, usage.prompt_cached, usage.generated
    shared = Usage(prompt_cached=cached, calls=1, reused=usage.reused)
    if bucket == "verifier":
        plain = replace(shared, verifier=computed + generated)
    elif ended_itself:
        plain = replace(shared, prompt_computed=computed, generated=generated)
    else:
        plain = replace(shared, prompt_computed=computed, cancelled=generated)
    return cost.priced(plain, prompt_computed=computed, prompt_cached=cached, generated=generated)
