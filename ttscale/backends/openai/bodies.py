"""What is sent: request bodies of the chat and completions endpoints, as pure functions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from ttscale.errors import BackendError
from ttscale.types import JSON, Prompt, Sampling

Endpoint = Literal["/chat/completions", "/completions"]
API = Literal["auto", "chat", "completions"]
Prefill = Literal["auto", "continue_final_message", "prefix", "plain"]

MAX_TOP_LOGPROBS: Final = 20
"""Most alternatives per token that servers of this protocol return."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How one server speaks the protocol."""

    is_vllm: bool = False
    """Whether it knows vLLM's fields: sampling limits, end tokens, token ids."""
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    """Chat's name for the token limit; OpenAI's own models take only the longer one."""
    prefill: Literal["continue_final_message", "prefix", "plain"] | None = None
    """How it is told to continue a conversation's last, assistant, message; ``None``: it cannot."""
    context_length: int | None = None
    """Most tokens of prompt and answer together, where it is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """How an answer is to arrive."""

    stream: bool
    """As server-sent events, else as one JSON document."""
    tokens_per_event: int = 1
    """Where the server can choose: how many tokens it gathers into one event."""


def endpoint_for(prompt: Prompt, api: API) -> Endpoint:
    """Return where a prompt goes: conversations to chat, text and token ids to completions.

    Raises:
        BackendError: the API that was chosen does not take such a prompt.
    """
    wanted: Endpoint = "/chat/completions" if prompt.messages else "/completions"
    if api == "auto" or wanted == ("/chat/completions" if api == "chat" else "/completions"):
        return wanted
    if prompt.messages:
        raise BackendError(
            "the completions API takes text, not conversations; give the backend tokenizer=NAME, "
            "whose chat template then makes token ids of them, or use api=chat."
        )
    raise BackendError("the chat API takes conversations, not text or token ids; use api=completions.")


def request_body(
    model: str,
    prompt: Prompt,
    sampling: Sampling,
    *,
    endpoint: Endpoint,
    seed: int,
    num_choices: int,
    dialect: Dialect,
    wire: Wire,
    extra: Mapping[str, JSON],
) -> dict[str, JSON]:
    """Return the JSON body of a request.

    Every sampling field is said outright, because servers fill in what is left out from the model's own
    defaults: here ``None`` means *off*.

    Args:
        model: the model's name on the server.
        prompt: what to continue.
        sampling: how tokens are drawn.
        endpoint: where the body goes; see `endpoint_for`.
        seed: of the first choice.
        num_choices: how many samples, >= 1.
        dialect: what the server understands.
        wire: how the answer is to arrive.
        extra: fields that are added last; ``None`` as a value takes a field away.

    Raises:
        BackendError: the server cannot do what is asked.
    """
    chat = endpoint == "/chat/completions"
    body: dict[str, JSON] = {
        "model": model,
        **(_conversation(prompt, dialect) if chat else _text_or_ids(prompt)),
        **_sampling(sampling, dialect),
        **(_chat_logprobs(sampling, dialect) if chat else _completion_logprobs(sampling)),
        **_arrival(wire),
        "seed": seed,
    }
    body[dialect.max_tokens_field if chat else "max_tokens"] = _max_tokens(sampling, dialect, chat=chat)
    if num_choices > 1:
        body["n"] = num_choices
    if dialect.is_vllm:
        body.update(_vllm_fields(sampling, wire))
    body.update(extra)
    return {name: value for name, value in body.items() if value is not None}


def _conversation(prompt: Prompt, dialect: Dialect) -> dict[str, JSON]:
    messages: list[dict[str, JSON]] = [
        {"role": message.role, "content": message.content} for message in prompt.messages
    ]
    if prompt.messages[-1].role != "assistant":
        return {"messages": messages}
    match dialect.prefill:
        case "continue_final_message":
            return {"messages": messages, "continue_final_message": True, "add_generation_prompt": False}
        case "prefix":
            messages[-1]["prefix"] = True
            return {"messages": messages}
        case "plain":
            return {"messages": messages}
        case None:
            raise BackendError(
                "it is not known how this server continues an assistant's message; if it can, say so with "
                "prefill=continue_final_message, prefill=prefix or prefill=plain."
            )


def _text_or_ids(prompt: Prompt) -> dict[str, JSON]:
    return {"prompt": list(prompt.token_ids) if prompt.token_ids is not None else prompt.text}


def _sampling(sampling: Sampling, dialect: Dialect) -> dict[str, JSON]:
    fields: dict[str, JSON] = {
        "temperature": 1.0 if sampling.temperature is None else sampling.temperature,
        "top_p": 1.0 if sampling.top_p is None else sampling.top_p,
        "top_k": sampling.top_k,
        "stop": list(sampling.stop) or None,
    }
    if sampling.stop_token_ids and not dialect.is_vllm:
        raise BackendError("this server does not end samples at token ids; use stop strings.")
    return fields


def _max_tokens(sampling: Sampling, dialect: Dialect, *, chat: bool) -> int | None:
    """Return the limit. Without one, chat goes on to the model's end, but completions end after 16 tokens."""
    if sampling.max_tokens is not None or chat:
        return sampling.max_tokens
    if dialect.is_vllm and dialect.context_length is not None:
        return dialect.context_length  # vLLM takes off the prompt's length
    raise BackendError("this server's context length is unknown; say max_tokens.")


def _vllm_fields(sampling: Sampling, wire: Wire) -> dict[str, JSON]:
    return {
        "top_k": sampling.top_k or 0,
        "min_p": 0.0,
        "repetition_penalty": 1.0,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
        "stop_token_ids": list(sampling.stop_token_ids) or None,
        "return_token_ids": True,
        "return_tokens_as_token_ids": True if sampling.logprobs else None,
        "stream_interval": wire.tokens_per_event if wire.stream and wire.tokens_per_event > 1 else None,
    }


def _chat_logprobs(sampling: Sampling, dialect: Dialect) -> dict[str, JSON]:
    if sampling.logprobs is None:
        return {}
    wanted = sampling.logprobs
    if wanted and dialect.is_vllm:
        # vLLM puts the chosen token first and cuts after `top_logprobs` entries: one more, and none is lost.
        wanted = min(wanted + 1, max(wanted, MAX_TOP_LOGPROBS))
    return {"logprobs": True, "top_logprobs": wanted}


def _completion_logprobs(sampling: Sampling) -> dict[str, JSON]:
    return {} if sampling.logprobs is None else {"logprobs": sampling.logprobs}


def _arrival(wire: Wire) -> dict[str, JSON]:
    if not wire.stream:
        return {"stream": False}
    return {"stream": True, "stream_options": {"include_usage": True}}
