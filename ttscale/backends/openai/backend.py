"""The backend itself: requests in, samples out, on a server that somebody else runs."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import InitVar, dataclass, field, fields, replace
from typing import Final, Literal
from weakref import WeakSet

from yarl import URL

from ttscale.backends.base import Backend, Capabilities, Generation, ModelProfile, Request
from ttscale.backends.openai.bodies import (
    API,
    MAX_TOP_LOGPROBS,
    Dialect,
    Endpoint,
    Prefill,
    Wire,
    endpoint_for,
    request_body,
)
from ttscale.backends.openai.call import Call, Draft
from ttscale.backends.openai.prompt_lengths import PromptLengths
from ttscale.backends.openai.replies import TokenNames, parse_reply
from ttscale.backends.openai.server import Server, find_server
from ttscale.backends.openai.tokenizer import load_vocabulary
from ttscale.backends.openai.transport import Transport
from ttscale.backends.vocabulary import Vocabulary
from ttscale.errors import BackendError, ParameterError
from ttscale.tasks import TaskKeeper
from ttscale.types import JSON, Prompt

_MAX_CHOICES: Final = 128
"""Most samples in one request: what the protocol allows."""
_TOKENS_PER_EVENT: Final = 8
"""On vLLM, where nobody reads along: fewer events, and a stopped sample's count is short by at most seven."""
_LEGACY_TOP_LOGPROBS: Final = 5
"""Most alternatives per token of the completions API, outside vLLM."""
_REFUSALS_OF_N: Final = frozenset({400, 422, 501})
_PROFILE_FIELDS: Final = frozenset(f.name for f in fields(ModelProfile)) - {"name"}


@dataclass(eq=False)
class OpenAIBackend(Backend):
    """A model behind an OpenAI-compatible server: vLLM, SGLang, llama.cpp, a gateway, a paid service.

    Answers are read as streams even where nobody reads along: so samples of one request are delivered one by
    one as they end, and what a stopped sample has used is known. That count is exact where the server sends
    token ids or log-probabilities, else a lower bound: the number of events. Its prompt, where there is neither
    a bill nor a tokenizer, counts as in an earlier bill of the same prompt, or by its length. All other counts
    are the server's own bill. Prompt tokens count as cached where the server says so (vLLM:
    ``--enable-prompt-tokens-details``).

    On a vLLM server every sample is a request of its own, with its own seed, and can be stopped alone; the
    prefix cache makes the repeated prompt cheap. Elsewhere the samples of a request travel together, so that
    the prompt is billed once; a server that does not take ``n`` is found out and asked one by one.
    """

    model: str
    """The model's name on the server."""
    base_url: str
    """Where the API begins, mostly ``http://HOST:PORT/v1``."""
    api_key: InitVar[str | None] = None
    """For Python callers; a configuration names a variable instead, so that no key is ever written down."""
    api_key_variable: str = "OPENAI_API_KEY"
    """Environment variable with the key, where `api_key` is not given; may be unset for servers without one."""
    api: API = "auto"
    """``"auto"``: conversations to chat, text and token ids to completions."""
    max_concurrency: int = 64
    """Most requests at once; also the backend's batch size."""
    requests_per_second: float | None = None
    """Most requests begun in a second; ``None``: no limit."""
    max_retries: int = 5
    """Further attempts after 429, 5xx, lost connections and silence, before anything of an answer arrived."""
    timeout_seconds: float = 300.0
    """Longest silence of the server, from one piece of an answer to the next."""
    samples_per_request: Literal["auto", "one", "all"] = "auto"
    """``"auto"``: one on vLLM, all elsewhere."""
    streaming: bool = True
    """False for servers that cannot stream; what a stopped sample has used is then unknown, and it is
    charged with the most it may have used."""
    prefill: Prefill = "auto"
    """How the server is told to continue an assistant's message; ``"auto"``: known for vLLM only."""
    extra_body: Mapping[str, JSON] = field(default_factory=dict[str, JSON])
    """Fields added to every request; a value of ``None`` (null) takes away a field that would be sent."""
    tokenizer: str | None = None
    """The model's tokenizer, by name or directory: prompts are counted exactly, and go to vLLM as token ids."""
    profile_fields: Mapping[str, int | float] = field(default_factory=dict[str, "int | float"])
    """What is known of the model, by field of `ModelProfile`: ``num_parameters`` for FLOPs, say."""

    name = "openai"

    def __post_init__(self, api_key: str | None) -> None:
        self.base_url = _checked_url(self.base_url)
        _require(self.max_concurrency >= 1, "max_concurrency", self.max_concurrency, ">= 1")
        _require(self.max_retries >= 0, "max_retries", self.max_retries, ">= 0")
        _require(self.timeout_seconds > 0, "timeout_seconds", self.timeout_seconds, "> 0")
        pace = self.requests_per_second
        _require(pace is None or pace > 0, "requests_per_second", pace, "> 0, or left out")
        known = ", ".join(sorted(_PROFILE_FIELDS))
        for name in self.profile_fields:
            _require(name in _PROFILE_FIELDS, "profile_fields", name, f"of {known}")
        self.batch_size = self.max_concurrency
        self._api_key = api_key
        self._tasks = TaskKeeper("the openai backend")
        self._transport: Transport | None = None
        self._vocabulary: Vocabulary | None = None
        self._token_names = TokenNames()
        self._prompt_lengths = PromptLengths()
        self._generations = WeakSet[Generation]()
        self._choices_per_request = _MAX_CHOICES
        self._know(Server())

    def _know(self, server: Server) -> None:
        """Set everything that depends on who the server is."""
        host = URL(self.base_url).host or ""
        is_openai = host == "api.openai.com" or host.endswith(".openai.azure.com")
        continues: Literal["continue_final_message"] | None = (
            "continue_final_message" if server.is_vllm else None
        )
        one_each = self.samples_per_request == "one" or (self.samples_per_request == "auto" and server.is_vllm)
        if one_each:
            self._choices_per_request = 1
        self._dialect = Dialect(
            is_vllm=server.is_vllm,
            max_tokens_field="max_completion_tokens" if is_openai else "max_tokens",
            prefill=continues if self.prefill == "auto" else self.prefill,
            context_length=server.context_length,
        )
        self._sends_token_ids = self.api == "completions" or (self.api == "auto" and server.is_vllm)
        legacy = self.api == "completions" and not server.is_vllm
        self.capabilities = Capabilities(
            token_ids=self._sends_token_ids and server.returns_token_ids and self._vocabulary is not None,
            logprobs=True,
            max_top_logprobs=_LEGACY_TOP_LOGPROBS if legacy else MAX_TOP_LOGPROBS,
            seeds=server.is_vllm and one_each,
            stop_strings=True,
            stream=self.streaming,
            prefix_cache=server.is_vllm,
        )
        profile = ModelProfile(name=self.model, context_length=server.context_length)
        self.profile = replace(profile, **self.profile_fields)  # type: ignore[arg-type]  # names are checked above

    async def start(self) -> None:
        """Reach the server and find out what it is.

        Raises:
            BackendUnavailable: it does not answer, lets nobody in, or has no such model.
            ConfigError: the tokenizer cannot be loaded.
        """
        if self.tokenizer is not None:
            self._vocabulary = await asyncio.to_thread(load_vocabulary, self.tokenizer)
        transport = Transport(
            self.base_url,
            api_key=self._api_key or os.environ.get(self.api_key_variable) or None,
            max_concurrency=self.max_concurrency,
            requests_per_second=self.requests_per_second,
            max_retries=self.max_retries,
            timeout_seconds=self.timeout_seconds,
        )
        await transport.start()
        try:
            self._know(await find_server(transport, self.model, key_variable=self.api_key_variable))
            await self._tasks.start()
        except BaseException:
            await transport.aclose()
            raise
        self._transport = transport

    async def aclose(self) -> None:
        """Stop every request and close every connection; calling it twice is harmless."""
        for generation in list(self._generations):
            generation.abort()
        await self._tasks.aclose()
        transport, self._transport = self._transport, None
        if transport is not None:
            await transport.aclose()

    def encode(self, prompt: Prompt) -> Prompt:
        """Return the prompt as token ids where there is a tokenizer and the server takes ids, else as it is.

        Raises:
            BackendError: the tokenizer or its chat template refuses the prompt.
        """
        return self._tokenized(prompt) if self._sends_token_ids else prompt

    def _tokenized(self, prompt: Prompt) -> Prompt:
        vocabulary = self._vocabulary
        if vocabulary is None or (prompt.messages and not vocabulary.has_chat_template):
            return prompt
        return Prompt(token_ids=vocabulary.encode(prompt))

    def decode(self, token_ids: Sequence[int]) -> str:
        """Return the text of token ids, special tokens left out; empty without a tokenizer."""
        return "" if self._vocabulary is None else self._vocabulary.decode(token_ids)

    def count_tokens(self, prompt: Prompt) -> int:
        """Return how many tokens the prompt has: exactly with a tokenizer, else an upper bound."""
        return super().count_tokens(self._tokenized(prompt))

    def generate(self, request: Request) -> Generation:
        """Send a request, as one or several to the server, and return at once; failures are the samples'."""
        work = _Work(request)
        self._generations.add(work.generation)
        drafts = [Draft(index=index, seed=seed) for index, seed in enumerate(request.seeds)]
        try:
            work.endpoint = endpoint_for(request.prompt, self.api)
            self._draw(work, drafts)
        except BackendError as error:
            work.generation.fail(str(error))
        return work.generation

    def _draw(self, work: _Work, drafts: Sequence[Draft]) -> None:
        """Begin as many requests as it takes to draw these samples."""
        size = self._choices_per_request
        for start in range(0, len(drafts), size):
            self._begin(work, drafts[start : start + size])

    def _begin(self, work: _Work, drafts: Sequence[Draft]) -> None:
        request = work.request
        # Tokens are gathered into events only where each sample has a request of its own to be stopped.
        gathered = 1 if request.stream else _TOKENS_PER_EVENT
        body = request_body(
            self.model,
            request.prompt,
            request.sampling,
            endpoint=work.endpoint,
            seed=drafts[0].seed,
            num_choices=len(drafts),
            dialect=self._dialect,
            wire=Wire(stream=self.streaming, tokens_per_event=gathered),
            extra=self.extra_body,
        )
        call = Call(
            work.generation,
            drafts,
            stream=request.stream,
            num_prompt_tokens=self._likely_length(request.prompt),
            num_unseen_tokens=0 if self.streaming else request.sampling.max_tokens or 0,
        )
        work.calls.append(call)
        call.task = self._tasks.spawn(
            self._follow(work, call, body),
            on_error=lambda error: call.fail(f"{type(error).__name__}: {error}"),
            name="openai request",
        )

    def _likely_length(self, prompt: Prompt) -> int:
        """Return how many tokens the prompt has, or about how many where only the server's bill will tell."""
        exact = self._tokenized(prompt).token_ids
        if exact is not None:
            return len(exact)
        return min(self.count_tokens(prompt), self._prompt_lengths.estimate(prompt))

    async def _follow(self, work: _Work, call: Call, body: Mapping[str, JSON]) -> None:
        """Send one request, hand its answer to the call, and see to the samples that the server leaves out."""
        try:
            await self._exchange(work, call, body)
        except BackendError as error:
            if _refuses_n(error, call):
                self._choices_per_request = 1
                self._draw(work, call.withdraw())
            else:
                call.fail(str(error))

    async def _exchange(self, work: _Work, call: Call, body: Mapping[str, JSON]) -> None:
        most = work.request.sampling.logprobs or 0
        if self._transport is None:
            raise BackendError("the backend is not running; use it inside `async with backend:`")
        async with self._transport.post(work.endpoint, body, on_sent=call.note_sent) as answer:
            async with aclosing(answer.events()) as events:
                async for data in events:
                    call.take(parse_reply(data, max_top_logprobs=most, token_id=self._token_names))
            missing = call.end()
            if call.usage is not None:
                self._prompt_lengths.learn(work.request.prompt, call.usage.prompt_tokens)
            if missing:
                self._choices_per_request = min(self._choices_per_request, call.num_samples)
                self._draw(work, missing)


class _Work:
    """One request of ours and the requests to the server that it has become."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.endpoint: Endpoint = "/completions"
        self.calls: list[Call] = []
        self.generation = Generation(len(request.seeds), self._abort)

    def _abort(self, indices: Sequence[int]) -> None:
        for call in self.calls:
            call.abort(indices)


def _refuses_n(error: BackendError, call: Call) -> bool:
    """Return whether a server says that it does not take more than one sample a request."""
    asked_for_more = call.num_samples > 1 and call.num_begun == 0
    said_so = error.status in _REFUSALS_OF_N and re.search(r"(?<!\w)n(?!\w)|choice", str(error)) is not None
    return asked_for_more and said_so


def _checked_url(base_url: str) -> str:
    try:
        url = URL(base_url)
    except ValueError:
        url = URL()
    shown = base_url if "@" not in base_url else "…@" + base_url.rpartition("@")[2]
    _require(url.scheme in ("http", "https") and bool(url.host), "base_url", shown, "http://… or https://…")
    _require(not url.query_string and not url.fragment, "base_url", shown, "without ? and #")
    _require(url.user is None and url.password is None, "base_url", shown, "without a name or password in it")
    return base_url.rstrip("/")


def _require(holds: bool, name: str, value: object, rule: str) -> None:
    if not holds:
        raise ParameterError(f"backend 'openai': {name} must be {rule}; got {value!r}.")
