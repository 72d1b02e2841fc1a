"""The vLLM backend with an engine played by a script: no vLLM needed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field

import pytest

from ttscale import registry
from ttscale.backends import Backend, Chunk, Generation, ModelProfile, Request
from ttscale.backends.rewards import RewardHead
from ttscale.backends.vllm import VLLMBackend, engine
from ttscale.backends.vllm.samples import (
    Completion,
    Logprobs,
    TokenLogprob,
)
from ttscale.errors import BackendError, ParameterError
from ttscale.types import JSON, Prompt, SampleUsage, Sampling


@dataclass
class Part:
    token_ids: Sequence[int] = ()
    text: str = ""
    logprobs: Logprobs | None = None
    finish_reason: str | None = None


@dataclass
class Step:
    outputs: Sequence[Completion]
    num_cached_tokens: int | None = 0
    prompt_logprobs: Sequence[Mapping[int, TokenLogprob] | None] | None = None


def end(token_ids: Sequence[int], reason: str) -> Step:
    return Step([Part(token_ids, finish_reason=reason)])


def letters(token_ids: Sequence[int]) -> str:
    """Decode ids as bytes."""
    return bytes(token_ids).decode(errors="replace")


@dataclass
class Rows:
    rows: list[float] | list[list[float]]

    def tolist(self) -> list[float] | list[list[float]]:
        return self.rows


@dataclass
class Logits:
    data: Rows


@dataclass
class Pooled:
    outputs: Logits
    num_cached_tokens: int | None = 2


@dataclass
class PlayedEngine:
    """Ends each request at once, or, where it is not `going`, when that is aborted and it `answers`."""

    answers: bool = True
    going: bool = True
    is_dead: bool = False
    error: Exception | None = None
    context_length: int = 64
    max_num_seqs: int = 5
    max_logprobs: int = 20
    vocabulary_size: int = 256
    prefix_block_size: int | None = 32
    decodes_at_once: bool = True
    profile: ModelProfile = ModelProfile(name="m", context_length=64)  # noqa: RUF009  # it is frozen
    closed: int = 0
    aborted: list[list[str]] = field(default_factory=list[list[str]])
    running: dict[str, asyncio.Queue[Step]] = field(default_factory=dict[str, "asyncio.Queue[Step]"])
    prompt_step: Step | None = None
    reward_head: RewardHead | None = None
    logits: list[float] | list[list[float]] = field(default_factory=list[float])
    pooled: list[tuple[bytes, int | None]] = field(default_factory=list[tuple[bytes, int | None]])

    @property
    def vocabulary(self) -> PlayedEngine:
        return self

    def encode(self, prompt: Prompt) -> tuple[int, ...]:
        return tuple((prompt.text or "").encode()) if prompt.token_ids is None else prompt.token_ids

    def decode(self, token_ids: Sequence[int]) -> str:
        return letters(token_ids)

    def params(self, sampling: Sampling, seed: int, *, stream: bool, detokenize: bool) -> object:
        return seed

    async def outputs(
        self, prompt_ids: Sequence[int], params: object, request_id: str, *, priority: int = 0
    ) -> AsyncGenerator[Step, None]:
        if self.error is not None:
            raise self.error
        queue = self.running[request_id] = asyncio.Queue()
        if self.going:
            queue.put_nowait(end([65, 66], "length"))
        yield await queue.get()

    async def prompt_outputs(self, prompt_ids: Sequence[int], request_id: str) -> AsyncGenerator[Step, None]:
        if self.error is not None:
            raise self.error
        if self.prompt_step is not None:
            yield self.prompt_step

    def token_id(self, text: str) -> int | None:
        return ord(text) if len(text) == 1 else None

    async def pooling_outputs(
        self, prompt_ids: Sequence[int], step_id: int | None, request_id: str
    ) -> AsyncGenerator[Pooled, None]:
        if self.error is not None:
            raise self.error
        if not self.going:
            await asyncio.Event().wait()
        self.pooled.append((bytes(prompt_ids), step_id))
        yield Pooled(Logits(Rows(self.logits)))

    async def abort(self, request_ids: Sequence[str]) -> None:
        self.aborted.append(list(request_ids))
        if self.answers:
            for request_id in request_ids:
                self.running[request_id].put_nowait(end([67], "abort"))

    def explain(self, error: Exception) -> str:
        return f"explained: {error}"

    async def aclose(self) -> None:
        self.closed += 1


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Callable[[PlayedEngine], VLLMBackend]:
    """Return a function that makes a backend on a played engine."""

    def make(played: PlayedEngine) -> VLLMBackend:
        async def start(model: str, given: object, *, small: bool | None) -> PlayedEngine:
            return played

        monkeypatch.setattr(engine.VLLMEngine, "start", start)
        return VLLMBackend("m")

    return make


Play = Callable[[PlayedEngine], VLLMBackend]


def request(num_samples: int = 1, **changes: object) -> Request:
    values = {"prompt": Prompt(text="hello"), "sampling": Sampling(), "seeds": tuple(range(num_samples))}
    return Request(**(values | changes))  # type: ignore[arg-type]


async def collect(generation: Generation) -> list[Chunk]:
    return [chunk async for chunk in generation]


async def test_each_sample_is_a_request_of_its_own(play: Play) -> None:
    played = PlayedEngine()
    async with play(played) as backend:
        assert backend.batch_size == 5
        chunks = await collect(backend.generate(request(3)))
    assert sorted(chunk.index for chunk in chunks) == [0, 1, 2]
    assert len(played.running) == 3
    assert {chunk.text for chunk in chunks} == {"AB"}
    assert played.closed == 1


async def test_aborts_of_one_moment_reach_the_engine_together(play: Play) -> None:
    played = PlayedEngine(going=False)
    async with play(played) as backend:
        first, second = backend.generate(request(3)), backend.generate(request(2))
        await asyncio.sleep(0)
        first.abort([0])
        first.abort([2])
        second.abort()
        chunks = await collect(second)
        assert [chunk.finish_reason for chunk in chunks] == ["abort", "abort"]
        assert [chunk.usage and chunk.usage.generated for chunk in chunks] == [1, 1]
        assert played.aborted == [["0-0", "0-2", "1-0", "1-1"]]
        assert first.open_samples == {1}


async def test_samples_aborted_before_they_start_never_reach_the_engine(play: Play) -> None:
    played = PlayedEngine(going=False)
    async with play(played) as backend:
        generation = backend.generate(request(2))
        generation.abort()
        chunks = await collect(generation)
    assert [chunk.finish_reason for chunk in chunks] == ["abort", "abort"]
    assert {chunk.usage for chunk in chunks} == {SampleUsage()}
    assert not played.running


async def test_closing_accounts_for_what_still_runs(play: Play) -> None:
    played = PlayedEngine(going=False)
    backend = play(played)
    async with backend:
        started = backend.generate(request(2))
        await asyncio.sleep(0)
        fresh = backend.generate(request(2))
    for generation in (started, fresh):
        assert [chunk.finish_reason for chunk in await collect(generation)] == ["abort", "abort"]
    await backend.aclose()
    assert played.closed == 1


async def test_an_engine_that_answers_nothing_cannot_keep_us_from_closing(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ttscale.backends.vllm.backend._CLOSING_SECONDS", 0.01)
    played = PlayedEngine(going=False, answers=False)
    async with play(played) as backend:
        generation = backend.generate(request(2))
        await asyncio.sleep(0)
    chunks = await collect(generation)
    assert [chunk.finish_reason for chunk in chunks] == ["error", "error"]
    assert played.closed == 1


async def test_a_refusing_engine_is_an_error_of_the_sample(play: Play) -> None:
    async with play(PlayedEngine(error=ValueError("no such token"))) as backend:
        (chunk,) = await collect(backend.generate(request()))
        assert (chunk.finish_reason, chunk.error) == ("error", "explained: no such token")
        with pytest.raises(BackendError, match="explained: no such token"):
            await backend.score_prompt(Prompt(text="hello"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"prompt": Prompt(token_ids=())}, "the prompt is empty"),
        ({"prompt": Prompt(text="x" * 64)}, "64 tokens"),
        ({"prompt": Prompt(token_ids=(1, 256))}, "token id 256"),
        ({"prompt": Prompt(token_ids=(-1, 1))}, "token id -1"),
        ({"sampling": Sampling(logprobs=21)}, "at most 20"),
    ],
)
async def test_what_cannot_be_run_is_said_before_the_engine_is_asked(
    play: Play, changes: dict[str, object], message: str
) -> None:
    played = PlayedEngine()
    async with play(played) as backend:
        chunks = await collect(backend.generate(request(2, **changes)))
    assert [message in (chunk.error or "") for chunk in chunks] == [True, True]
    assert not played.running


async def test_a_score_without_logprobs_is_an_error(play: Play) -> None:
    async with play(PlayedEngine()) as backend:
        with pytest.raises(BackendError, match="no log-probabilities"):
            await backend.score_prompt(Prompt(text="hello"))


async def test_another_event_loop_is_refused(play: Play) -> None:
    async with play(PlayedEngine()) as backend:

        async def elsewhere() -> str | None:
            (chunk,) = await collect(backend.generate(request()))
            return chunk.error

        error = await asyncio.to_thread(lambda: asyncio.run(elsewhere()))
    assert "event loop" in (error or "")


async def test_a_backend_that_is_not_running_says_so() -> None:
    backend = VLLMBackend("m")
    (chunk,) = await collect(backend.generate(request()))
    assert "not running" in (chunk.error or "")
    with pytest.raises(BackendError, match="not running"):
        backend.encode(Prompt(text="hello"))
    with pytest.raises(BackendError, match="not running"):
        backend.decode([1])
    await backend.aclose()


def test_it_is_built_from_plain_parameters() -> None:
    options: dict[str, JSON] = {"model": "m", "max_num_seqs": 8, "engine_args": {"seed": 3}}
    backend = registry.create("backends", "vllm", options)
    assert isinstance(backend, Backend)
    assert backend.batch_size == 8
    with pytest.raises(ParameterError, match="max_num_seqs must be >= 1, got 0"):
        registry.create("backends", "vllm", {"model": "m", "max_num_seqs": 0})
    with pytest.raises(ParameterError, match=r"in \(0, 1\], got 1\.5"):
        registry.create("backends", "vllm", {"model": "m", "gpu_memory_utilization": 1.5})


# ── reward models ─────────────────────────────────────────────────────────────────────────────────────────


def graded(head: RewardHead, logits: list[float] | list[list[float]]) -> PlayedEngine:
    return PlayedEngine(reward_head=head, logits=logits)


STEPS, WHOLE = RewardHead("steps", num_labels=2), RewardHead("whole", num_labels=1)


@pytest.mark.parametrize(
    "logits",
    [[[0.0, 0.0], [0.0, 1.0]], [[9.0, 9.0], [0.0, 0.0], [9.0, 0.0], [0.0, 1.0]]],
    ids=["of the steps", "of all tokens"],
)
async def test_a_model_of_steps_is_read_off_at_their_tokens(play: Play, logits: list[list[float]]) -> None:
    played = graded(STEPS, logits)
    async with play(played) as backend:
        assert backend.capabilities.rewards
        assert not backend.capabilities.logprobs
        rewards = await backend.reward(Prompt(text="a.b."), step_token=".")
    assert rewards.values == pytest.approx((0.5, 0.731059), abs=1e-6)
    assert rewards.usage == SampleUsage(prompt_computed=2, prompt_cached=2)
    assert played.pooled == [(b"a.b.", ord("."))]


async def test_a_model_of_whole_texts_gives_one_reward(play: Play) -> None:
    async with play(graded(WHOLE, [1.0])) as backend:
        assert (await backend.reward(Prompt(text="abcd"))).values == pytest.approx((0.731059,), abs=1e-6)


async def test_another_number_of_rewards_than_steps_is_an_error(play: Play) -> None:
    async with play(graded(STEPS, [[0.0, 0.0]] * 3)) as backend:
        with pytest.raises(BackendError, match="3 rewards where 2 were due"):
            await backend.reward(Prompt(text="a.b."), step_token=".")


@pytest.mark.parametrize(
    ("head", "step_token", "text", "message"),
    [
        (STEPS, "<extra_0>", "a.", "step_token='<extra_0>' is not one token of 'm'"),
        (STEPS, None, "a.", "say in step_token"),
        (WHOLE, ".", "a.", "grades whole texts"),
    ],
)
async def test_a_wrong_step_token_is_named(
    play: Play, head: RewardHead, step_token: str | None, text: str, message: str
) -> None:
    async with play(graded(head, [0.0])) as backend:
        with pytest.raises(ParameterError, match=message):
            await backend.reward(Prompt(text=text), step_token=step_token)


@pytest.mark.parametrize(("length", "fits"), [(64, True), (65, False)])
async def test_a_graded_text_may_fill_the_context_and_no_more(play: Play, length: int, fits: bool) -> None:
    async with play(graded(WHOLE, [0.0])) as backend:
        if fits:
            assert (await backend.reward(Prompt(text="x" * length))).values == (0.5,)
        else:
            with pytest.raises(BackendError, match="65 tokens, but 'm' takes 64"):
                await backend.reward(Prompt(text="x" * length))


async def test_a_reward_model_draws_no_samples_and_a_generating_one_gives_no_rewards(play: Play) -> None:
    async with play(graded(WHOLE, [0.0])) as backend:
        (chunk,) = await collect(backend.generate(request()))
        assert chunk.error == "'m' is a reward model; it draws no samples"
    async with play(PlayedEngine()) as backend:
        with pytest.raises(BackendError, match="is no reward model"):
            await backend.reward(Prompt(text="x"))


async def test_a_text_the_engine_refuses_is_explained(play: Play) -> None:
    async with play(PlayedEngine(reward_head=WHOLE, error=ValueError("no"))) as backend:
        with pytest.raises(BackendError, match="explained: no"):
            await backend.reward(Prompt(text="x"))


async def test_closing_fails_the_texts_that_are_being_graded(play: Play) -> None:
    async with play(PlayedEngine(reward_head=WHOLE, going=False)) as backend, asyncio.TaskGroup() as group:
        waiting = group.create_task(failure(backend))
        await asyncio.sleep(0)
        await backend.aclose()
    assert "closed while it graded" in waiting.result()


async def failure(backend: VLLMBackend) -> str:
    with pytest.raises(BackendError) as caught:
        await backend.reward(Prompt(text="x"))
    return str(caught.value)
