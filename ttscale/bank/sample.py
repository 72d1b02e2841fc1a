"""What a sample bank holds: models, prompts, settings, samples, problems."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cache
from typing import TYPE_CHECKING, Final, Literal, Self, TypeAlias, cast, get_args

from ttscale.backends.base import Capabilities, ModelProfile
from ttscale.types import JSON, FinishReason, Message, Prompt, SampleUsage, Sampling

if TYPE_CHECKING:
    from pydantic import TypeAdapter

_Role: TypeAlias = Literal["system", "user", "assistant"]

NO_LOGPROBS: Final = -1
"""As `num_logprobs`: not even those of the chosen tokens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What of a `Sampling` decides which tokens are drawn.

    The most tokens and the number of log-probabilities do not: a shorter limit and fewer of them can be
    replayed from a recording with more.
    """

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop: tuple[str, ...] = ()
    stop_token_ids: tuple[int, ...] = ()

    @classmethod
    def of(cls, sampling: Sampling) -> Self:
        """Return the settings of a resolved sampling, in one form for what means the same."""
        is_greedy = sampling.temperature == 0
        is_open = sampling.top_p is None or sampling.top_p >= 1
        return cls(
            temperature=None if sampling.temperature is None else float(sampling.temperature),
            top_p=None if is_greedy or is_open else sampling.top_p,
            top_k=None if is_greedy else sampling.top_k,
            stop=tuple(sorted(set(sampling.stop))),
            stop_token_ids=tuple(sorted(set(sampling.stop_token_ids))),
        )

    @property
    def is_greedy(self) -> bool:
        """Whether every sample is the same."""
        return self.temperature == 0

    def to_json(self) -> dict[str, JSON]:
        """Return a plain JSON object."""
        return {**asdict(self), "stop": list(self.stop), "stop_token_ids": list(self.stop_token_ids)}

    def __str__(self) -> str:
        """Return what is set, as in ``temperature=0.8, top_p=0.95``."""
        given = {f.name: getattr(self, f.name) for f in fields(self)}
        return ", ".join(f"{name}={value!r}" for name, value in given.items() if value not in (None, ()))


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedModel:
    """A model that samples were drawn from, as its backend described it."""

    fingerprint: str
    """A hash of what makes it another model."""
    backend: str
    """The scheme of its URI; ``"import"``: only its name is known."""
    profile: ModelProfile
    capabilities: Capabilities = field(default_factory=Capabilities)
    batch_size: int = 64
    version: str = ""
    """What its owner called this state of it."""

    @property
    def is_imported(self) -> bool:
        """Whether its samples come from a plain pool: no prompts, no sampling settings."""
        return self.backend == "import"

    @property
    def can_seed(self) -> bool:
        """Whether a seed says which sample it is."""
        return self.capabilities.seeds

    def to_json(self) -> dict[str, JSON]:
        """Return a plain JSON object."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleHead:
    """What is known of a recorded sample without reading its tokens."""

    draw: int
    """Orders the samples of a series as they were begun; one may be there several times, by `num_logprobs`."""
    num_logprobs: int = NO_LOGPROBS
    """As `Sampling.logprobs`; `NO_LOGPROBS` for ``None``."""
    seed: int | None = None
    max_tokens: int | None = None
    """Its limit when it was drawn; ``None``: unknown."""
    finish_reason: FinishReason = "stop"
    """``"abort"``: there is a beginning only."""
    error: str | None = None
    usage: SampleUsage = field(default_factory=SampleUsage)
    seconds: float | None = None
    """From request to end; ``None``: unknown."""
    first_token_seconds: float | None = None
    """From request to first token, where it was watched token by token."""

    @property
    def is_whole(self) -> bool:
        """Whether the model ended it, or its limit did."""
        return self.finish_reason in ("stop", "length")

    def holds(self, num_tokens: int | None) -> bool:
        """Whether it can tell what a sample of so many tokens at most is like; ``None``: without a limit."""
        if num_tokens is not None and self.usage.generated >= num_tokens:
            return True
        if self.finish_reason == "length":  # short of its limit it was the context's end, as it would be now
            return self.max_tokens is None or self.usage.generated < self.max_tokens
        return self.finish_reason == "stop"

    def serves(self, sampling: Sampling) -> bool:
        """Whether it is a whole sample with all the tokens and log-probabilities that a request asks for."""
        asked = NO_LOGPROBS if sampling.logprobs is None else sampling.logprobs
        return self.is_whole and self.num_logprobs >= asked and self.holds(sampling.max_tokens)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedSample:
    """One sample with all that was kept of it."""

    head: SampleHead
    text: str | None
    """``None``: only its answer is known."""
    prediction: str | None = None
    """The answer somebody else took from it, where there is no text."""
    token_ids: tuple[int, ...] = ()
    """Empty where nobody knew them."""
    logprobs: tuple[float, ...] | None = None
    top_logprobs: tuple[Mapping[int, float], ...] | None = None
    grades: Mapping[str, float | None] = field(default_factory=dict[str, float | None])
    """What graders elsewhere gave it, by name, the one that counts first. 1 is right; ``None``: it could not
    tell. Whoever draws a sample gives it none."""

    @property
    def grade(self) -> float | None:
        """What the grader gave it that counts; ``None``: nothing."""
        return next(iter(self.grades.values()), None)

    @property
    def shown(self) -> str:
        """Its text; where there is none, its answer in a box, or nothing."""
        if self.text is not None:
            return self.text
        return "" if self.prediction is None else f"\\boxed{{{self.prediction}}}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Samples of one prompt from one model at the same settings."""

    key: str
    """A hash of the three."""
    model: str
    """The model's fingerprint."""
    prompt: Prompt
    """As the engine was given it."""
    settings: Settings | None
    """``None``: unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedProblem:
    """A problem whose samples a bank holds."""

    benchmark: str
    """Empty: none."""
    id: str
    prompt: Prompt
    """As the engine was given it."""
    question: str | None = None
    target: str | None = None

    @property
    def name(self) -> str:
        """Its id, with its benchmark where there is one."""
        return f"{self.benchmark}/{self.id}" if self.benchmark else self.id


def model_from_json(document: Mapping[str, JSON]) -> RecordedModel:
    """Read what `RecordedModel.to_json` wrote.

    Raises:
        pydantic.ValidationError: the document is no such model.
    """
    return _model_reader().validate_python(document)


@cache
def _model_reader() -> TypeAdapter[RecordedModel]:
    from pydantic import TypeAdapter

    return TypeAdapter(RecordedModel)


# ── hashes ────────────────────────────────────────────────────────────────────────────────────────────────


def digest(document: JSON) -> str:
    """Return a hash of a JSON document, the same for equal documents in every process."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def prompt_json(prompt: Prompt) -> dict[str, JSON]:
    """Return a prompt as plain JSON."""
    if prompt.token_ids is not None:
        return {"token_ids": list(prompt.token_ids)}
    if prompt.text is not None:
        return {"text": prompt.text}
    return {"messages": [{"role": message.role, "content": message.content} for message in prompt.messages]}


def prompt_from_json(document: Mapping[str, JSON]) -> Prompt:
    """Read what `prompt_json` wrote.

    Raises:
        ValueError: the document is no prompt.
    """
    match document:
        case {"token_ids": list(ids)} if ids and all(type(token_id) is int for token_id in ids):
            return Prompt(token_ids=tuple(cast("list[int]", ids)))
        case {"text": str(text)}:
            return Prompt(text=text)
        case {"messages": list(messages)} if messages:
            return Prompt(messages=tuple(map(_message, messages)))
        case _:
            raise ValueError("a prompt needs token_ids, text or messages")


def _message(document: JSON) -> Message:
    match document:
        case {"role": str(role), "content": str(content)} if role in get_args(_Role):
            return Message(cast("_Role", role), content)
        case _:
            raise ValueError("a message needs a role (system, user or assistant) and content")


def prompt_digest(prompt: Prompt) -> str:
    """Return a hash of a prompt."""
    return digest(prompt_json(prompt))


def series_key(model: str, prompt: str, settings: Settings | None) -> str:
    """Return the address of a series.

    Args:
        model: its fingerprint.
        prompt: its digest.
        settings: ``None``: unknown.
    """
    return digest([model, prompt, None if settings is None else settings.to_json()])
