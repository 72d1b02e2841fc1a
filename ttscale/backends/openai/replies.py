"""What OpenAI-compatible servers answer, read into small values: whole responses and stream chunks alike."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import BaseModel, ConfigDict, NonNegativeInt, ValidationError

from ttscale.errors import BackendError
from ttscale.types import FinishReason

MAX_MESSAGE_CHARACTERS: Final = 300
"""Longest server message that is passed on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    """What one event brings of one choice."""

    choice: int
    text: str = ""
    token_ids: tuple[int, ...] = ()
    logprobs: tuple[float, ...] | None = None
    top_logprobs: tuple[Mapping[int, float], ...] | None = None
    is_output: bool = False
    """Whether the model wrote something, be it reasoning or a tool call that is no part of the text."""
    finish: str | None = None
    """The server's own word for why the choice ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerUsage:
    """Tokens of a whole request, all choices together, as the server bills them."""

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0
    """Prompt tokens from a cache; 0 also where the server does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One event of a stream, or a whole response."""

    deltas: tuple[Delta, ...] = ()
    usage: ServerUsage | None = None
    num_prompt_tokens: int | None = None
    """Length of the prompt, where the server sends its token ids back."""


class ServerError(BackendError):
    """The server reports a failure in the body of its answer."""


class TokenNames:
    """Numbers for tokens that a server names by their text only: -1, -2, … in order of appearance.

    Negative, so that they are never taken for ids of the model's vocabulary.
    """

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def __call__(self, token: str) -> int:
        """Return the token's id: the real one of ``token_id:N`` as vLLM writes it, else its number here."""
        if token.startswith("token_id:") and token[9:].isdecimal():
            return int(token[9:])
        return self._numbers.setdefault(token, -1 - len(self._numbers))


class _Model(BaseModel):
    model_config = ConfigDict(extra="ignore", protected_namespaces=())


class _TopLogprob(_Model):
    token: str
    logprob: float


class _TokenLogprob(_TopLogprob):
    top_logprobs: list[_TopLogprob] | None = None


class _Logprobs(_Model):
    """Both forms: `content` of chat, parallel lists of completions."""

    content: list[_TokenLogprob] | None = None
    tokens: list[str] | None = None
    token_logprobs: list[float] | None = None
    top_logprobs: list[dict[str, float] | None] | None = None


class _Part(_Model):
    type: str = ""
    text: str = ""


class _Message(_Model):
    content: str | list[_Part] | None = None
    reasoning_content: object = None
    reasoning: object = None
    refusal: str | None = None
    tool_calls: object = None


class _Choice(_Model):
    index: NonNegativeInt = 0
    delta: _Message | None = None
    message: _Message | None = None
    text: str | None = None
    finish_reason: str | None = None
    logprobs: _Logprobs | None = None
    token_ids: list[NonNegativeInt] | None = None
    prompt_token_ids: list[NonNegativeInt] | None = None


class _CachedTokens(_Model):
    cached_tokens: NonNegativeInt | None = None


class _Usage(_Model):
    prompt_tokens: NonNegativeInt = 0
    completion_tokens: NonNegativeInt | None = None
    prompt_tokens_details: _CachedTokens | None = None


class _Body(_Model):
    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    prompt_token_ids: list[NonNegativeInt] | None = None
    error: object = None


class _ErrorBody(_Model):
    """The forms in which servers put an error's message."""

    error: _ErrorBody | str | None = None
    message: str | None = None
    detail: str | None = None
    code: int | str | None = None


def parse_reply(data: str, *, max_top_logprobs: int, token_id: Callable[[str], int]) -> Reply:
    """Read one event's data, or a whole response's body.

    Args:
        data: JSON text.
        max_top_logprobs: how many alternatives per token are wanted; 0: none.
        token_id: numbers tokens by the name the server gives them; see `TokenNames`.

    Raises:
        ServerError: it is an error report.
        BackendError: it is no such JSON.
    """
    try:
        body = _Body.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        detail = clean_message(f"{where}: {first['msg']}" if where else first["msg"])
        raise BackendError(f"the server sent a broken answer ({detail})") from error
    if body.error or (body.choices is None and body.usage is None):
        raise ServerError(error_message(data))
    deltas = tuple(_delta(choice, max_top_logprobs, token_id) for choice in body.choices or ())
    prompts = [body.prompt_token_ids, *(choice.prompt_token_ids for choice in body.choices or ())]
    lengths = [len(ids) for ids in prompts if ids is not None]
    return Reply(
        deltas=deltas,
        usage=_server_usage(body.usage),
        num_prompt_tokens=lengths[0] if lengths else None,
    )


def _server_usage(usage: _Usage | None) -> ServerUsage | None:
    if usage is None or usage.completion_tokens is None:
        return None
    details = usage.prompt_tokens_details
    cached = (details.cached_tokens or 0) if details is not None else 0
    return ServerUsage(
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        cached_tokens=min(cached, usage.prompt_tokens),
    )


def _delta(choice: _Choice, max_top_logprobs: int, token_id: Callable[[str], int]) -> Delta:
    message = choice.delta or choice.message or _Message()
    text = choice.text if choice.text is not None else _text(message)
    hidden = (message.reasoning_content, message.reasoning, message.refusal, message.tool_calls)
    logprobs, top_logprobs = _logprobs(choice.logprobs, max_top_logprobs, token_id)
    return Delta(
        choice=choice.index,
        text=text,
        token_ids=tuple(choice.token_ids or ()),
        logprobs=logprobs,
        top_logprobs=top_logprobs,
        is_output=bool(text or choice.token_ids or logprobs or any(hidden)),
        finish=choice.finish_reason or None,
    )


def _text(message: _Message) -> str:
    if isinstance(message.content, list):
        return "".join(part.text for part in message.content if part.type == "text")
    return message.content or ""


def _logprobs(
    logprobs: _Logprobs | None, most: int, token_id: Callable[[str], int]
) -> tuple[tuple[float, ...] | None, tuple[Mapping[int, float], ...] | None]:
    """Return the log-probabilities of chosen tokens, and of the most likely ones with the chosen among them."""
    if logprobs is None:
        return None, None
    names: Sequence[str]
    if logprobs.content is not None:
        names = [token.token for token in logprobs.content]
        chosen = tuple(token.logprob for token in logprobs.content)
        tops = [[(top.token, top.logprob) for top in token.top_logprobs or ()] for token in logprobs.content]
    elif logprobs.token_logprobs is not None:
        names, chosen = logprobs.tokens or (), tuple(logprobs.token_logprobs)
        tops = [list((top or {}).items()) for top in logprobs.top_logprobs or ()]
    else:
        return None, None
    if most == 0 or not len(tops) == len(chosen) == len(names):
        return chosen, None
    ranked = [sorted(top, key=lambda pair: -pair[1])[:most] for top in tops]
    pairs = zip(ranked, names, chosen, strict=True)
    return chosen, tuple(
        {token_id(token): value for token, value in [*top, (name, own)]} for top, name, own in pairs
    )


_FAILED_FINISHES: Final = {
    "content_filter": "the server's content filter stopped it",
    "insufficient_system_resource": "the server ran out of resources",
    "abort": "the server stopped it",
    "error": "the server failed while it ran",
}


def finish_reason(finish: str) -> tuple[FinishReason, str | None]:
    """Return our finish reason for a server's, and the error message where that is ``"error"``."""
    word = finish.lower()
    if word in _FAILED_FINISHES:
        return "error", _FAILED_FINISHES[word]
    return ("length" if word in ("length", "max_tokens") else "stop"), None


def error_message(body: str) -> str:
    """Return the message in the body of an error response, cleaned; or the whole body."""
    try:
        found = _ErrorBody.model_validate_json(body)
    except ValidationError:
        return clean_message(body)
    inner = found.error
    if isinstance(inner, _ErrorBody):
        found = inner
    elif inner:
        return clean_message(inner)
    return clean_message(found.message or found.detail or body)


def error_code(body: str) -> int | str | None:
    """Return the code inside the body of an error response, where there is one."""
    try:
        found = _ErrorBody.model_validate_json(body)
    except ValidationError:
        return None
    return found.error.code if isinstance(found.error, _ErrorBody) else found.code


def clean_message(text: str) -> str:
    """Return a foreign message as one short line without control characters."""
    line = re.sub(r"\s+", " ", text).strip()
    line = "".join(char for char in line if char.isprintable())
    if len(line) > MAX_MESSAGE_CHARACTERS:
        line = line[: MAX_MESSAGE_CHARACTERS - 1] + "…"
    return line or "no message"
