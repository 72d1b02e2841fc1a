"""From what vLLM yields for a request to the chunks of a sample, scores and rewards. Pure; no vLLM needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from ttscale.backends.base import Chunk, Generation, PromptScore, Rewards
from ttscale.backends.rewards import RewardHead
from ttscale.errors import BackendError
from ttscale.types import FinishReason, SampleUsage, Sampling

_CONTEXT_TOKENS: Final = 8
_HALF_CHARACTER: Final = "\N{REPLACEMENT CHARACTER}"


class TokenLogprob(Protocol):
    """A token's log-probability.

    Attributes:
        logprob: in nats.
        rank: how many tokens are at least as likely, from 1.
    """

    logprob: float
    rank: int | None


Logprobs = Sequence[Mapping[int, TokenLogprob]]
"""Of each new token: the chosen one and, when asked, the most likely ones."""


class Completion(Protocol):
    """What is new of a sample, or all of it where only the end was asked for."""

    text: str
    token_ids: Sequence[int]
    logprobs: Logprobs | None
    finish_reason: str | None


class Output(Protocol):
    """One step of a vLLM request."""

    outputs: Sequence[Completion]
    num_cached_tokens: int | None
    prompt_logprobs: Sequence[Mapping[int, TokenLogprob] | None] | None


class Numbers(Protocol):
    """A tensor."""

    def tolist(self) -> list[float] | list[list[float]]:
        """Return it as plain numbers."""
        ...


class Pooling(Protocol):
    """A reward head's logits: of the whole text, shape [num_labels], or of steps or tokens, [n, num_labels]."""

    data: Numbers


class PoolingOutput(Protocol):
    """The only step of a vLLM request to a reward model."""

    outputs: Pooling
    num_cached_tokens: int | None


def finish_reason(reason: str | None) -> FinishReason | None:
    """Return our word for vLLM's reason why a sample ended; the rarer ones (``"repetition"``) are stops."""
    match reason:
        case None | "stop" | "length" | "abort" | "error":
            return reason
        case _:
            return "stop"


def chosen_logprobs(entries: Logprobs, token_ids: Sequence[int]) -> tuple[float, ...]:
    """Return the log-probability of each token."""
    return tuple(entry[token_id].logprob for entry, token_id in zip(entries, token_ids, strict=True))


def most_likely(entries: Logprobs, count: int) -> tuple[Mapping[int, float], ...]:
    """Return the `count` most likely tokens of each position, likeliest first.

    vLLM adds the chosen token when it is not one of them; here it is left out again.
    """
    return tuple(
        {token_id: item.logprob for token_id, item in sorted(entry.items(), key=_rank)[:count]}
        for entry in entries
    )


def _rank(item: tuple[int, TokenLogprob]) -> int:
    rank = item[1].rank
    return 0 if rank is None else rank


class Continuation:
    """The text of tokens that follow a prompt, spaced as it is behind that prompt.

    Args:
        decode: token ids to text, special tokens left out.
        prompt_ids: of the prompt.
    """

    def __init__(self, decode: Callable[[Sequence[int]], str], prompt_ids: Sequence[int]) -> None:
        self._decode = decode
        self._context = list(prompt_ids[-_CONTEXT_TOKENS:])
        self._num_before: int | None = None

    def text(self, token_ids: Sequence[int]) -> str:
        """Return the text; bytes at its end that are only part of a character are left out."""
        if self._num_before is None:
            self._num_before = len(self._decode(self._context).rstrip(_HALF_CHARACTER))
        return self._decode([*self._context, *token_ids]).rstrip(_HALF_CHARACTER)[self._num_before :]


@dataclass(slots=True, eq=False, kw_only=True)
class Work:
    """A request while it is in the engine."""

    number: int
    """Of the request, counted by the backend; part of its samples' names in the engine."""
    prompt_ids: list[int]
    sampling: Sampling
    stream: bool
    priority: int
    generation: Generation
    continuation: Continuation | None
    """Makes the text where the engine does not."""
    block_size: int | None
    """Tokens per block of the prefix cache; ``None``: there is none."""
    num_open: int
    """Samples that have not ended."""
    started: set[int] = field(default_factory=set[int])
    """Samples that were handed to the engine."""
    aborted: set[int] = field(default_factory=set[int])
    """Samples that were aborted before that."""
    prompt_charged: bool = False
    """Whether some sample has been charged for the prompt."""

    def request_id(self, index: int) -> str:
        """Return a sample's name in the engine."""
        return f"{self.number}-{index}"

    def lost_usage(self) -> SampleUsage:
        """Return what a sample is charged that was stopped in the engine before it told of any token.

        The engine does not say whether it got to the prompt. So this is the most it can have computed: all of
        the prompt for the request's first sample, and for others the part that the prefix cache cannot share.
        """
        length, cached = len(self.prompt_ids), 0
        if self.prompt_charged and self.block_size is not None:
            cached = (length - 1) // self.block_size * self.block_size
        self.prompt_charged = True
        return SampleUsage(prompt_computed=length - cached, prompt_cached=cached)


@dataclass(slots=True, eq=False)
class Progress:
    """One sample of a `Work` as far as the engine has told."""

    work: Work
    index: int
    num_generated: int = 0
    num_cached: int | None = None
    has_ended: bool = False

    def usage(self) -> SampleUsage:
        """Return what it has used so far."""
        if self.num_cached is None:
            return self.work.lost_usage()
        return SampleUsage(
            prompt_computed=len(self.work.prompt_ids) - self.num_cached,
            prompt_cached=self.num_cached,
            generated=self.num_generated,
        )

    def failed(self, message: str) -> Chunk:
        """Return the last chunk of a sample that failed."""
        usage = SampleUsage() if self.num_cached is None else self.usage()
        return Chunk(index=self.index, finish_reason="error", error=message, usage=usage)

    def chunk(self, output: Output) -> Chunk:
        """Return the chunk for what the engine yielded."""
        completion, work = output.outputs[0], self.work
        token_ids = tuple(completion.token_ids)
        reason = finish_reason(completion.finish_reason)
        self.has_ended = reason is not None
        if token_ids:
            self.num_generated += len(token_ids)
            self.num_cached = output.num_cached_tokens or 0
            work.prompt_charged = True
        logprobs = top_logprobs = None
        if work.sampling.logprobs is not None:
            # The last entries: some versions repeat all of them in an output without new tokens.
            entries = (completion.logprobs or ())[-len(token_ids) :] if token_ids else ()
            logprobs = chosen_logprobs(entries, token_ids)
            if work.sampling.logprobs:
                top_logprobs = most_likely(entries, work.sampling.logprobs)
        return Chunk(
            index=self.index,
            token_ids=token_ids,
            text=self._text(completion, token_ids, reason),
            logprobs=logprobs,
            top_logprobs=top_logprobs,
            finish_reason=reason,
            usage=None if reason is None else self.usage(),
            error="vLLM failed on this request; its log on stderr says why" if reason == "error" else None,
        )

    def _text(self, completion: Completion, token_ids: tuple[int, ...], reason: FinishReason | None) -> str:
        if self.work.continuation is None:
            return completion.text
        # Without stop strings only an end token stops a sample, and that has no text.
        return self.work.continuation.text(token_ids[:-1] if reason == "stop" else token_ids)


def prompt_score(prompt_ids: Sequence[int], output: Output) -> PromptScore:
    """Return the log-probabilities of a prompt's tokens from the last output of its request."""
    entries = output.prompt_logprobs or ()
    values = (
        None if entry is None else entry[token_id].logprob
        for token_id, entry in zip(prompt_ids, entries, strict=True)
    )
    cached = output.num_cached_tokens or 0
    usage = SampleUsage(
        prompt_computed=len(prompt_ids) - cached,
        prompt_cached=cached,
        generated=len(output.outputs[0].token_ids),
    )
    return PromptScore(token_ids=tuple(prompt_ids), logprobs=tuple(values), usage=usage)


def rewards_of(head: RewardHead, positions: Sequence[int], num_tokens: int, output: PoolingOutput) -> Rewards:
    """Return the rewards of a text from the output of its request.

    Args:
        head: the model's.
        positions: where the rewards are read off.
        num_tokens: of the text.
        output: what the engine yielded.

    Raises:
        BackendError: the engine gave logits of neither the steps nor all tokens.
    """
    whole, each = list[float](), list[list[float]]()
    for item in output.outputs.data.tolist():
        if isinstance(item, list):
            each.append(item)
        else:
            whole.append(item)
    if whole:
        each = [whole]
    elif len(each) == num_tokens:
        each = [each[at] for at in positions]
    if len(each) != len(positions):
        raise BackendError(f"vLLM gave {len(each)} rewards where {len(positions)} were due")
    cached = output.num_cached_tokens or 0
    usage = SampleUsage(prompt_computed=num_tokens - cached, prompt_cached=cached)
    return Rewards(values=tuple(map(head.reward, each)), usage=usage)
