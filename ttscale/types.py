"""The nouns of ttscale: small frozen dataclasses that every other module passes around.

Token counts are whole tokens, times are seconds on the monotonic clock of the event loop, log-probabilities
are natural logarithms (nats). ``None`` means *unknown* and is never replaced by zero.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cache
from typing import TYPE_CHECKING, Literal, Self, TypeAlias

from typing_extensions import TypeAliasType

if TYPE_CHECKING:
    from pydantic import TypeAdapter

    JSON: TypeAlias = None | bool | int | float | str | Sequence["JSON"] | Mapping[str, "JSON"]
else:  # pydantic needs a named alias for a recursive type
    JSON = TypeAliasType("JSON", "None | bool | int | float | str | Sequence[JSON] | Mapping[str, JSON]")
"""Anything that `json.dumps` writes and reads back equal."""

FinishReason = Literal["stop", "length", "abort", "error"]
"""Why a sample ended: end token or stop string, token limit, aborted by us, failed."""

StopReason = Literal["finished", "decided", "budget", "error"]
"""Why a strategy ended: ran its course, stopped early because its rule was settled, budget spent, failed."""

Bucket = Literal["strategy", "verifier"]
"""Who spends: the strategy's own samples, or a verifier that judges them."""


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a model is given: chat messages, raw text, or token ids; exactly one of the three.

    A conversation that ends in an assistant message is continued from inside that message.
    """

    messages: tuple[Message, ...] = ()
    text: str | None = None
    token_ids: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        given = bool(self.messages) + (self.text is not None) + (self.token_ids is not None)
        if given != 1:
            raise ValueError(f"a Prompt holds messages, text or token_ids, exactly one of them; got {given}")

    @classmethod
    def user(cls, content: str, *, system: str | None = None) -> Self:
        """Return a conversation of one user turn, after an optional system message."""
        head = (Message("system", system),) if system is not None else ()
        return cls(messages=(*head, Message("user", content)))

    @property
    def question(self) -> str:
        """What it asks: its last user message, or its raw text; empty for token ids."""
        asked = (message.content for message in reversed(self.messages) if message.role == "user")
        return next(asked, self.text or "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How tokens are drawn. ``None`` leaves a field to the model's own default (see `ModelProfile`)."""

    max_tokens: int | None = None
    """Most tokens generated per sample, ≥ 1; ``None``: up to the context length."""
    temperature: float | None = None
    """≥ 0; 0 is greedy."""
    top_p: float | None = None
    """In (0, 1]."""
    top_k: int | None = None
    """≥ 1; ``None``: no limit unless the model has a default."""
    stop: tuple[str, ...] = ()
    """Strings that end a sample; the string itself is cut from its text."""
    stop_token_ids: tuple[int, ...] = ()
    """Token ids that end a sample, beside the model's own end tokens."""
    logprobs: int | None = None
    """``None``: none; 0: of the chosen token; k: also of the k most likely tokens."""

    def __post_init__(self) -> None:
        _require(self.max_tokens is None or self.max_tokens >= 1, "max_tokens", self.max_tokens, ">= 1")
        _require(self.temperature is None or self.temperature >= 0, "temperature", self.temperature, ">= 0")
        _require(self.top_p is None or 0 < self.top_p <= 1, "top_p", self.top_p, "in (0, 1]")
        _require(self.top_k is None or self.top_k >= 1, "top_k", self.top_k, ">= 1")
        _require(self.logprobs is None or self.logprobs >= 0, "logprobs", self.logprobs, ">= 0")


def _require(holds: bool, name: str, value: object, rule: str) -> None:
    if not holds:
        raise ValueError(f"{name} must be {rule}, got {value!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What was spent, in exclusive buckets: every token is in exactly one of them.

    `tokens` is what a token budget counts: everything but `prompt_cached`.
    """

    prompt_computed: int = 0
    """Prompt tokens the engine ran through the model for the strategy's samples."""
    prompt_cached: int = 0
    """Prompt tokens served from a prefix cache or shared with another sample of the same request."""
    generated: int = 0
    """Tokens of samples that ended on their own."""
    cancelled: int = 0
    """Tokens of samples that were aborted or failed: paid for, never used."""
    verifier: int = 0
    """Computed prompt and generated tokens of verifiers."""
    calls: int = 0
    """Samples started in an engine, verifiers' included."""
    tool_calls: int = 0
    flops: float | None = 0.0
    """Forward floating-point operations; ``None`` when the model's geometry is unknown."""
    usd: float | None = 0.0
    """US dollars; ``None`` when no price is known."""
    reused: int = 0
    """Of `tokens`, those of samples that were taken from a sample bank: charged, and not spent anew."""

    @property
    def tokens(self) -> int:
        """Tokens that count against a budget: computed prompt, generated, cancelled and verifier tokens."""
        return self.prompt_computed + self.generated + self.cancelled + self.verifier

    def __add__(self, other: Usage) -> Usage:
        # Written out: it is called for every sample, once in each scope of the ledger.
        return Usage(
            prompt_computed=self.prompt_computed + other.prompt_computed,
            prompt_cached=self.prompt_cached + other.prompt_cached,
            generated=self.generated + other.generated,
            cancelled=self.cancelled + other.cancelled,
            verifier=self.verifier + other.verifier,
            calls=self.calls + other.calls,
            tool_calls=self.tool_calls + other.tool_calls,
            flops=_add(self.flops, other.flops),
            usd=_add(self.usd, other.usd),
            reused=self.reused + other.reused,
        )


def _add(left: float | None, right: float | None) -> float | None:
    return None if left is None or right is None else left + right


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleUsage:
    """Tokens of one sample as its engine reports them."""

    prompt_computed: int = 0
    prompt_cached: int = 0
    generated: int = 0
    reused: int = 0
    """Of the computed and the generated ones, those that no engine ran for it: they come from a sample bank."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timings:
    """When things happened to a sample, in seconds of the event loop's clock; ``None`` when it never did."""

    submitted: float
    first_token: float | None = None
    finished: float | None = None
    began: float | None = None
    """When the engine was given it; before that it waited for its turn."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One draw from the model, ended for one of the reasons in `FinishReason`.

    A failed sample is data: `finish_reason` is ``"error"``, `error` says why, and `text` holds what there was.
    """

    index: int
    """Position in its block, from 0; votes are ordered by it, never by arrival."""
    text: str
    token_ids: tuple[int, ...]
    """Generated ids; empty where the server gives none."""
    finish_reason: FinishReason
    usage: SampleUsage
    prompt: Prompt
    """What it was drawn from, as token ids where the backend knows them; `Run.extend` continues from here."""
    seed: int
    timings: Timings
    logprobs: tuple[float, ...] | None = None
    """Of each generated token, in nats; shape [num_tokens]."""
    top_logprobs: tuple[Mapping[int, float], ...] | None = None
    """Of the most likely tokens at each position, token id to nats."""
    error: str | None = None
    critical_path_tokens: int = 0
    """Generated tokens on the longest chain of dependent work that ends with this sample."""
    critical_path_seconds: float = 0.0
    """Seconds in engines and tools on the longest such chain, waiting for a turn left out."""

    @property
    def is_error(self) -> bool:
        """Whether the sample failed and carries no usable text."""
        return self.finish_reason == "error"

    @property
    def num_tokens(self) -> int:
        """Number of generated tokens."""
        return self.usage.generated


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """A verifier's opinion of one sample."""

    value: float | None
    """Higher is better; ``None`` when the verifier could not tell (a time-out, say)."""
    low: float = 0.0
    """Least possible value."""
    high: float = 1.0
    """Greatest possible value."""
    steps: tuple[float, ...] = ()
    """Per-step values, for process verifiers."""
    reason: str = ""
    """In a few words, why: ``"timeout"``, ``"no answer"``, or what the verifier wants to say."""

    @property
    def relative(self) -> float | None:
        """The value's place between the least and the greatest, in [0, 1]; ``None``: it has none."""
        if self.value is None or self.high <= self.low:
            return None
        return (self.value - self.low) / (self.high - self.low)


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One question, with what its benchmark needs to grade an answer."""

    id: str
    prompt: Prompt
    target: str | None = None
    """Reference answer; ``None`` when only a checker can tell or nothing is known."""
    meta: Mapping[str, JSON] = field(default_factory=dict[str, "JSON"])
    """Plain JSON: whatever the benchmark's checker reads."""

    @classmethod
    def ask(cls, question: str, *, id: str = "question") -> Self:
        """Return a problem without a reference answer from one question."""
        return cls(id=id, prompt=Prompt.user(question))


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One answer a strategy considered."""

    index: int
    answer: str | None
    key: str | None
    """Canonical form: equal keys are the same answer; ``None`` never votes."""
    score: float | None = None
    num_tokens: int = 0
    finish_reason: FinishReason = "stop"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sharing:
    """How far the prompts of a problem, verifiers' included, begin alike, and what engines made of it.

    A prompt's token is shared where an earlier prompt or answer of the problem to the same model begins with
    the same tokens up to it: it had been computed; see `ttscale.trace.prefixes`.
    """

    computed: int
    """Prompt tokens that engines computed."""
    shared: int
    """Prompt tokens that had been computed before."""
    unshared: int
    """The others: what an ideal engine computes, every token of a shared prefix once."""
    unshared_in_blocks: int | None = None
    """What an engine computes that keeps whole blocks, and runs the last token of each prompt anew; ``None``:
    the size of its blocks is unknown, or it keeps none."""
    kv_token_steps: int
    """Tokens held in the key-value cache, summed over decode steps, a shared one counted once at each."""
    peak_kv_tokens: int
    """Most tokens held at once, a shared one counted once."""

    @property
    def computed_over_ideal(self) -> float | None:
        """Computed prompt tokens over those of an ideal engine; below 1 where it knew some from elsewhere."""
        return self.computed / self.unshared if self.unshared else None

    @property
    def computed_over_blocks(self) -> float | None:
        """Computed prompt tokens over those of an engine that keeps whole blocks."""
        return self.computed / self.unshared_in_blocks if self.unshared_in_blocks else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What a problem asked of engines, verifiers' samples and rewards included; see `ttscale.trace.work`."""

    seconds: float
    """Sum over samples of the time each was in an engine, beside whatever else ran there; waiting left out."""
    kv_token_steps: int
    """Tokens held in the key-value cache, summed over decode steps; a shared prompt counts for each sample."""
    peak_kv_tokens: int
    """Most tokens held at once."""
    kv_byte_steps: float | None = None
    """As `kv_token_steps`, in bytes; ``None`` when a model's geometry is unknown."""
    peak_kv_bytes: float | None = None
    by_model: Mapping[str, SampleUsage] = field(default_factory=dict[str, SampleUsage])
    """Tokens by what the strategy calls a model; the empty name is the one that samples."""
    sharing: Sharing | None = None
    """Of all models together; ``None``: the tokens of some prompt or answer are not known."""
    sharing_by_model: Mapping[str, Sharing] = field(default_factory=dict[str, Sharing])
    """Of those whose tokens are known, named as in `by_model`."""
    nodes: Mapping[str, int] | None = None
    """Nodes of search trees, by the state they were in at the end; ``None``: nobody counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a strategy returns; plain JSON in, plain JSON out (`to_json`, `from_json`)."""

    answer: str | None
    """The chosen answer's text; ``None``: the budget bought no answer, or no sample contained one."""
    key: str | None = None
    confidence: float | None = None
    """In [0, 1]; what it means is the strategy's to say."""
    text: str | None = None
    """The full text of the sample the answer was taken from."""
    candidates: tuple[Candidate, ...] = ()
    stop_reason: StopReason = "finished"
    usage: Usage = Usage()
    seconds: float = 0.0
    """Wall-clock latency."""
    critical_path_tokens: int = 0
    """Generated tokens on the longest chain of dependent work: latency on an engine of unlimited width."""
    critical_path_seconds: float | None = None
    """Seconds in engines and tools on the longest such chain, without waiting for a turn."""
    work: Work | None = None
    """``None``: unknown."""
    error: str | None = None
    trace: tuple[Mapping[str, JSON], ...] = ()
    """Spans of the run, see `ttscale.trace`."""

    def with_(self, **changes: object) -> Outcome:
        """Return a copy with the named fields replaced."""
        return replace(self, **changes)  # type: ignore[arg-type]  # names and types are checked by replace

    def to_json(self) -> dict[str, JSON]:
        """Return a plain JSON object, `usage` with its total in `tokens`."""
        document = {f.name: _plain(getattr(self, f.name)) for f in fields(self)}
        usage = document["usage"]
        assert isinstance(usage, dict)
        usage["tokens"] = self.usage.tokens
        return document

    @staticmethod
    def from_json(document: Mapping[str, JSON]) -> Outcome:
        """Read what `to_json` wrote.

        Raises:
            pydantic.ValidationError: the document is not such an object.
        """
        usage = document.get("usage")
        if isinstance(usage, Mapping):
            usage = {name: value for name, value in usage.items() if name != "tokens"}
        return _outcome_reader().validate_python({**document, "usage": usage})


@cache
def _outcome_reader() -> TypeAdapter[Outcome]:
    from pydantic import TypeAdapter

    return TypeAdapter(Outcome)


def _plain(value: object) -> JSON:
    """Turn dataclasses, tuples and mappings into what `json.dumps` takes."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, Sequence):
        return [_plain(item) for item in value]
    return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}  # type: ignore[arg-type]
