"""One sample on its way: what was asked of it, what it has produced, and when it ends. No model in here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ttscale.backends.base import Chunk, Generation
from ttscale.backends.hf.text import Decode, TextStream
from ttscale.types import FinishReason, SampleUsage, Sampling


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """One drawn token.

    Attributes:
        logprob: in nats, when asked.
        top_logprobs: of the most likely tokens, token id to nats, when asked.
    """

    token_id: int
    logprob: float | None = None
    top_logprobs: Mapping[int, float] | None = None


@dataclass(slots=True, eq=False, kw_only=True)
class SampleState:
    """A sample from its request to its last chunk. Used by the decoding thread alone once submitted.

    Args:
        generation: where its chunks go.
        index: its index there.
        prompt: token ids, at least one.
        sampling: with temperature, top_p and top_k resolved.
        seed: of its random stream.
        max_tokens: most tokens it may generate, >= 1; the context's end is already counted in.
        end_ids: token ids that end it.
        decode: the tokenizer's decoder.
        stream: whether every token is delivered at once.
        priority: lower starts first.
    """

    generation: Generation
    index: int
    prompt: tuple[int, ...]
    sampling: Sampling
    seed: int
    max_tokens: int
    end_ids: frozenset[int]
    decode: Decode
    stream: bool
    priority: int
    started: bool = field(default=False, init=False)
    ended: bool = field(default=False, init=False)
    num_generated: int = field(default=0, init=False)
    prompt_computed: int = field(default=0, init=False)
    next_token: int = field(init=False)
    """What the model reads next: the prompt's last token, then the one drawn last."""
    _text: TextStream | None = field(init=False)
    _pieces: list[str] = field(default_factory=list[str], init=False)
    _tokens: list[Token] = field(default_factory=list[Token], init=False)

    def __post_init__(self) -> None:
        self.next_token = self.prompt[-1]
        incremental = self.stream or bool(self.sampling.stop)
        self._text = TextStream(self.decode, self.sampling.stop) if incremental else None

    def start(self, prompt_computed: int) -> None:
        """Note that it runs now, and how many prompt tokens were computed for it; the others were shared."""
        self.started = True
        self.prompt_computed = prompt_computed

    def take(self, token: Token) -> Chunk | None:
        """Take the next token; return the chunk to deliver now, if any. The last one has a finish reason."""
        self.num_generated += 1
        self.next_token = token.token_id
        self._tokens.append(token)
        if token.token_id in self.end_ids:
            return self.end("stop", end_token=True)
        if self._text is not None:
            self._pieces.append(self._text.push(token.token_id))
            if self._text.stopped:
                return self.end("stop")
        if self.num_generated >= self.max_tokens:
            return self.end("length")
        return self._chunk() if self.stream else None

    def end(self, reason: FinishReason, error: str | None = None, *, end_token: bool = False) -> Chunk:
        """Return the last chunk.

        Args:
            reason: why it ends.
            error: what went wrong, with reason ``"error"``.
            end_token: whether its last token is an end token, which has no place in the text.
        """
        self.ended = True
        if self._text is None:
            shown = self._tokens[:-1] if end_token else self._tokens
            self._pieces.append(self.decode([token.token_id for token in shown]))
        else:
            self._pieces.append(self._text.flush())
            if self._text.stopped and reason == "length":
                reason = "stop"
        return self._chunk(reason, error)

    def _chunk(self, reason: FinishReason | None = None, error: str | None = None) -> Chunk:
        tokens, pieces = self._tokens, self._pieces
        self._tokens, self._pieces = [], []
        asked = self.sampling.logprobs
        return Chunk(
            index=self.index,
            token_ids=tuple(token.token_id for token in tokens),
            text="".join(pieces),
            logprobs=None if asked is None else tuple(t.logprob for t in tokens if t.logprob is not None),
            top_logprobs=tuple(t.top_logprobs or {} for t in tokens) if asked else None,
            finish_reason=reason,
            usage=None if reason is None else self.usage(),
            error=error,
        )

    def fail(self, error: str) -> Chunk:
        """Return the last chunk of a sample whose text cannot be had."""
        self.ended = True
        return Chunk(index=self.index, finish_reason="error", error=error, usage=self.usage())

    def usage(self) -> SampleUsage:
        """Return what it has used so far."""
        if not self.started:
            return SampleUsage()
        return SampleUsage(
            prompt_computed=self.prompt_computed,
            prompt_cached=len(self.prompt) - self.prompt_computed,
            generated=self.num_generated,
        )
