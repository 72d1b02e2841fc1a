"""The decoding loop of the embedded backend on small random models: right whatever joins and leaves."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import (
    AttentionInterface,
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedModel,
)

from ttscale.backends.base import Chunk, Generation
from ttscale.backends.hf.batcher import Batcher
from ttscale.backends.hf.runner import ATTENTION, ModelRunner, grouped_attention, prompt_batches
from ttscale.backends.hf.sample import SampleState
from ttscale.types import FinishReason, SampleUsage, Sampling

VOCABULARY = 61
SMALL: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 256,
    "initializer_range": 0.4,  # far from uniform, so that mistakes show
}
WINDOW = 8


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def small(kind: str) -> PreTrainedModel:
    """A small random model with grouped attention of our own."""
    torch.manual_seed(0)
    model: PreTrainedModel
    if kind == "llama":
        model = LlamaForCausalLM(LlamaConfig(**SMALL))
    elif kind == "mistral":
        model = MistralForCausalLM(MistralConfig(**SMALL, sliding_window=WINDOW))
    else:
        layers = ["sliding_attention", "full_attention", "sliding_attention"]
        config = Gemma3TextConfig(**SMALL, sliding_window=WINDOW, layer_types=layers, query_pre_attn_scalar=8)
        model = Gemma3ForCausalLM(config)
    return model.eval()


WINDOWS: Mapping[str, Mapping[str, int | None]] = {
    "llama": {"full_attention": None},
    "mistral": {"sliding_attention": WINDOW},
    "gemma3": {"full_attention": None, "sliding_attention": WINDOW},
}


def runner_of(kind: str, *, grouped: bool = True) -> ModelRunner:
    model = small(kind)
    if grouped:
        AttentionInterface.register(ATTENTION, grouped_attention)
        model.set_attn_implementation(ATTENTION)
    return ModelRunner(model, WINDOWS[kind], 256)


def plain_greedy(model: nn.Module, prompt: Sequence[int], num_tokens: int) -> list[int]:
    """Greedy continuation by whole forward passes without any cache."""
    ids = list(prompt)
    with torch.inference_mode():
        for _ in range(num_tokens):
            logits: Tensor = model(input_ids=torch.tensor([ids]), use_cache=False).logits
            ids.append(int(logits[0, -1].argmax()))
    return ids[len(prompt) :]


def prompt(length: int, salt: int = 0) -> tuple[int, ...]:
    return tuple((index * (salt + 7) + salt * salt + 1) % VOCABULARY for index in range(length))


# ── the runner ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["llama", "mistral", "gemma3"])
@pytest.mark.parametrize("grouped", [True, False])
def test_rows_that_join_and_leave_say_what_the_plain_model_says(kind: str, grouped: bool) -> None:
    lengths = [1, 2, 20, 32, 33, 34, 64, 65, 70, 100]
    prompts = [prompt(length, salt) for salt, length in enumerate(lengths)]
    plain, runner = small(kind), runner_of(kind, grouped=grouped)
    said: dict[int, list[int]] = {index: [] for index in range(len(prompts))}
    rows = list[int]()
    with torch.inference_mode():
        for step in range(26):
            if step % 2 == 0 and step // 2 < len(prompts):  # one joins every other step
                runner.join([prompts[step // 2]])
                rows.append(step // 2)
            if not rows:
                break
            reads = [said[index][-1] if said[index] else prompts[index][-1] for index in rows]
            for index, token_id in zip(rows, runner.decode(reads).argmax(-1).tolist(), strict=True):
                said[index].append(token_id)
            staying = [row for row, index in enumerate(rows) if len(said[index]) < 3 + index % 4]
            rows = [rows[row] for row in runner.keep(staying)]
    for index, token_ids in said.items():
        assert len(token_ids) >= 3
        assert token_ids == plain_greedy(plain, prompts[index], len(token_ids)), f"prompt {index}"


def test_a_row_has_the_same_numbers_to_the_last_bit_whatever_else_is_in_the_batch() -> None:
    target, others = prompt(70, 3), [prompt(length, length) for length in (1, 5, 40, 66, 90, 140)]
    with torch.inference_mode():

        def follow(runner: ModelRunner, row: int, crowd: int) -> list[Tensor]:
            logits = list[Tensor]()
            for step in range(40):
                drawn = runner.decode([(step * 5) % VOCABULARY] * crowd)
                logits.append(drawn[row])
            return logits

        alone, crowded = runner_of("llama"), runner_of("llama")
        alone.join([target])
        for other in others[:3]:
            crowded.join([other])
        crowded.join([prompt(69, 4), target, prompt(68, 5)])
        for other in others[3:]:
            crowded.join([other])
        for one, other in zip(follow(alone, 0, 1), follow(crowded, 4, 9), strict=True):
            assert torch.equal(one, other)


def test_equal_prompts_are_computed_once_and_a_running_one_is_not_computed_again() -> None:
    runner, first, second = runner_of("llama"), prompt(40), prompt(41, 1)
    with torch.inference_mode():
        assert runner.join([first, first, second, second]) == [(0, 40), (2, 41), (1, 0), (3, 0)]
        logits = runner.decode([first[-1], second[-1], first[-1], second[-1]])
        assert torch.equal(logits[0], logits[2])
        assert torch.equal(logits[1], logits[3])
        assert runner.join([first]) == [(0, 0)]
        assert torch.equal(runner.decode([1, 1, 1, 1, first[-1]])[4], logits[0])
        runner.keep([1])
        assert runner.join([first]) == [(0, 40)]
        assert torch.equal(runner.decode([1, first[-1]])[1], logits[0])


def test_the_last_rows_fill_the_gaps_of_those_that_leave() -> None:
    runner = runner_of("llama")
    with torch.inference_mode():
        for index in range(6):
            runner.join([prompt(10 + index, index)])
        assert runner.keep([0, 3, 4, 5]) == [0, 4, 5, 3]
    assert runner.num_rows == 4


@pytest.mark.parametrize(
    ("lengths", "max_tokens", "batches"),
    [
        ([5, 40, 6, 33, 34], 128, [[0, 2, 3], [1, 4]]),
        ([1], 64, [[0]]),
        ([30] * 5, 64, [[0, 1], [2, 3], [4]]),
        ([200, 200], 64, [[0], [1]]),
    ],
)
def test_prompts_run_with_those_of_their_own_size(
    lengths: list[int], max_tokens: int, batches: list[list[int]]
) -> None:
    prompts = [prompt(length, salt) for salt, length in enumerate(lengths)]
    assert prompt_batches(prompts, max_tokens) == batches


def test_equal_prompts_take_the_room_of_one() -> None:
    prompts = [prompt(30), prompt(30, 1), prompt(30), prompt(30, 2), prompt(30)]
    assert prompt_batches(prompts, 64) == [[0, 2, 4, 1], [3]]


# ── the loop ────────────────────────────────────────────────────────────────────────────────────────────────


class GatedRunner(ModelRunner):
    """Runs a decoding step only when the test lets it, and breaks down on request."""

    def __init__(self) -> None:
        model = runner_of("llama")
        super().__init__(model._model, WINDOWS["llama"], 256)
        self.embedding: Tensor = next(model._model.parameters()).data
        self.gate = threading.Semaphore(0)
        self.is_open = False
        self.breaks_down = False
        self.refuses: tuple[int, ...] | None = None
        self.joined: list[tuple[int, ...]] = []
        self.has_joined = threading.Event()

    def join(self, prompts: Sequence[tuple[int, ...]]) -> list[tuple[int, int]]:
        if self.refuses in prompts:
            raise MemoryError("no room for this prompt\nat all")
        self.joined += prompts
        self.has_joined.set()
        return super().join(prompts)

    def decode(self, token_ids: Sequence[int]) -> Tensor:
        if not self.is_open:
            self.gate.acquire()
        if self.breaks_down:
            self.breaks_down = False
            raise RuntimeError("the machine is on fire")
        return super().decode(token_ids)

    def open(self) -> None:
        """Let all steps run from now on."""
        self.is_open = True
        self.gate.release()


@dataclass
class Result:
    """All that came of one sample."""

    token_ids: list[int] = field(default_factory=list[int])
    text: str = ""
    logprobs: list[float] = field(default_factory=list[float])
    num_chunks: int = 0
    finish_reason: FinishReason | None = None
    usage: SampleUsage | None = None
    error: str | None = None

    def add(self, chunk: Chunk) -> None:
        self.token_ids += chunk.token_ids
        self.text += chunk.text
        self.logprobs += chunk.logprobs or ()
        self.num_chunks += 1
        self.finish_reason, self.usage, self.error = chunk.finish_reason, chunk.usage, chunk.error


@dataclass
class Engine:
    """A batcher in its thread."""

    batcher: Batcher
    runner: GatedRunner

    def ask(
        self,
        prompt: tuple[int, ...],
        sampling: Sampling | None = None,
        *,
        seeds: Sequence[int] = (0,),
        stream: bool = False,
        priority: int = 0,
    ) -> Generation:
        sampling = sampling or Sampling(max_tokens=6)
        states = list[SampleState]()
        generation = Generation(len(seeds), lambda indices: self.batcher.abort([states[i] for i in indices]))
        for index, seed in enumerate(seeds):
            states.append(
                SampleState(
                    generation=generation,
                    index=index,
                    prompt=prompt,
                    sampling=sampling,
                    seed=seed,
                    max_tokens=sampling.max_tokens or 100,
                    end_ids=frozenset(),
                    decode=lambda ids: "".join(chr(48 + i) for i in ids),
                    stream=stream,
                    priority=priority,
                )
            )
        if not self.batcher.submit(states):
            generation.fail("too late")
        return generation


@contextlib.asynccontextmanager
async def engine(batch_size: int = 8, *, gated: bool = False) -> AsyncGenerator[Engine]:
    runner = GatedRunner()
    loop = asyncio.get_running_loop()
    batcher = Batcher(runner, loop, batch_size=batch_size, max_prefill_tokens=64)

    def work() -> None:
        torch.set_num_threads(1)  # it holds for the calling thread
        batcher.run()

    thread = threading.Thread(target=work)
    thread.start()
    if not gated:
        runner.open()
    try:
        yield Engine(batcher, runner)
    finally:
        batcher.close()
        runner.open()
        await asyncio.to_thread(thread.join)


async def results(generation: Generation) -> list[Result]:
    found: dict[int, Result] = {}
    async for chunk in generation:
        found.setdefault(chunk.index, Result()).add(chunk)
    return [found[index] for index in sorted(found)]


async def result(generation: Generation) -> Result:
    (only,) = await results(generation)
    return only


MIXED = [
    Sampling(max_tokens=12, temperature=0.0),
    Sampling(max_tokens=30, temperature=1.3, logprobs=0),
    Sampling(max_tokens=5, top_k=3),
    Sampling(max_tokens=25, top_p=0.8, logprobs=2),
]


async def test_a_seeded_sample_is_the_same_alone_and_in_a_crowd() -> None:
    asked = [(prompt(1 + 11 * salt, salt), MIXED[salt % 4], salt) for salt in range(12)]
    async with engine() as alone:
        wanted = [await result(alone.ask(ids, how, seeds=[seed])) for ids, how, seed in asked]
    async with engine(batch_size=5) as crowd:
        generations = [crowd.ask(ids, how, seeds=[seed], stream=seed % 2 == 0) for ids, how, seed in asked]
        got = [await result(generation) for generation in generations]
    for one, other in zip(wanted, got, strict=True):
        assert (one.token_ids, one.text, one.logprobs) == (other.token_ids, other.text, other.logprobs)


async def test_greedy_samples_of_a_full_batch_are_what_the_plain_model_says() -> None:
    prompts = [prompt(3 + 9 * salt, salt) for salt in range(9)]
    greedy, plain = Sampling(max_tokens=10, temperature=0.0), small("llama")
    async with engine(batch_size=4) as crowd:
        generations = [crowd.ask(ids, greedy) for ids in prompts]
        said = [(await result(generation)).token_ids for generation in generations]
    assert said == [plain_greedy(plain, ids, 10) for ids in prompts]


async def test_the_samples_of_a_request_share_its_prompt() -> None:
    async with engine() as crowd:
        found = await results(crowd.ask(prompt(20), seeds=[1, 2, 3]))
    assert [(r.usage.prompt_computed, r.usage.prompt_cached) for r in found if r.usage] == [
        (20, 0),
        (0, 20),
        (0, 20),
    ]
    assert len({tuple(r.token_ids) for r in found}) == 3


async def test_a_stream_gives_a_chunk_a_token_and_a_sample_otherwise_one() -> None:
    async with engine() as crowd:
        streamed = await result(crowd.ask(prompt(5), seeds=[4], stream=True))
        whole = await result(crowd.ask(prompt(5), seeds=[4]))
    assert (streamed.num_chunks, whole.num_chunks) == (6, 1)
    assert (streamed.token_ids, streamed.text) == (whole.token_ids, whole.text)


async def test_what_matters_more_starts_first_and_equals_in_order_of_arrival() -> None:
    async with engine(batch_size=1, gated=True) as crowd:
        order = {"running": 0, "late": 5, "soon": 1, "next": 1, "at once": -1}
        asked = {name: prompt(10, salt) for salt, name in enumerate(order)}
        generations = [crowd.ask(asked["running"])]
        await asyncio.to_thread(crowd.runner.has_joined.wait)
        generations += [crowd.ask(asked[name], priority=order[name]) for name in list(order)[1:]]
        crowd.runner.open()
        for generation in generations:
            await result(generation)
    started = {ids: name for name, ids in asked.items()}
    assert [started[ids] for ids in crowd.runner.joined] == ["running", "at once", "soon", "next", "late"]


async def test_aborted_samples_end_before_the_next_token_and_the_others_go_on() -> None:
    async with engine(batch_size=2, gated=True) as crowd:
        generation = crowd.ask(prompt(9), seeds=[1, 2, 3], stream=True)  # the third has to wait
        crowd.runner.gate.release(2)
        first = [await anext(generation) for _ in range(4)]
        assert sorted(chunk.index for chunk in first) == [0, 0, 1, 1]
        generation.abort([0, 2])
        crowd.runner.gate.release()  # the step that may be under way already
        rest = dict[int, Result]()
        crowd.runner.open()
        async for chunk in generation:
            rest.setdefault(chunk.index, Result()).add(chunk)
    assert rest[0].finish_reason == rest[2].finish_reason == "abort"
    assert rest[0].usage is not None
    assert rest[0].usage.generated in (2, 3)
    assert rest[2].usage == SampleUsage()
    assert rest[1].finish_reason == "length"
    assert rest[1].usage is not None
    assert rest[1].usage.generated == 6


async def test_leaving_a_generation_aborts_it_and_empties_the_batch() -> None:
    async with engine() as crowd:
        async with crowd.ask(prompt(9), Sampling(max_tokens=100), seeds=range(20), stream=True) as generation:
            await anext(generation)
        assert not generation.open_samples
        assert (await result(crowd.ask(prompt(4)))).finish_reason == "length"
        assert crowd.runner.num_rows == 0


async def test_a_failing_step_fails_the_running_samples_and_the_next_ones_work() -> None:
    async with engine(gated=True) as crowd:
        crowd.runner.breaks_down = True
        hit = crowd.ask(prompt(9), seeds=[1, 2])
        crowd.runner.open()
        for lost in await results(hit):
            assert lost.finish_reason == "error"
            assert lost.error == "the model failed on this sample: RuntimeError: the machine is on fire"
        assert (await result(crowd.ask(prompt(9)))).finish_reason == "length"


async def test_a_prompt_that_cannot_join_fails_alone() -> None:
    async with engine(gated=True) as crowd:
        crowd.runner.refuses = prompt(50)
        generations = [crowd.ask(prompt(9)), crowd.ask(prompt(50)), crowd.ask(prompt(8))]
        crowd.runner.open()
        found = [await result(generation) for generation in generations]
    assert [r.finish_reason for r in found] == ["length", "error", "length"]
    assert found[1].error == "the model failed on this sample: MemoryError: no room for this prompt"
    assert found[1].usage == SampleUsage()


async def test_a_sample_of_broken_numbers_fails_alone_and_leaves_nothing_behind() -> None:
    first, spoilt, third = (1, 2, 3, 4, 5) * 20, (*range(VOCABULARY), 1), (6, 7, 8) * 7

    async def follow(broken: int | None) -> list[Result]:
        async with engine(batch_size=2) as crowd:  # the third joins in the row that the second one leaves
            if broken is not None:
                crowd.runner.embedding[broken] = torch.nan
            generations = [
                crowd.ask(first, Sampling(max_tokens=40, temperature=0.0)),
                crowd.ask(spoilt),
                crowd.ask(third),
            ]
            return [await result(generation) for generation in generations]

    healthy = await follow(None)
    others = {*first, *third, *healthy[0].token_ids, *healthy[2].token_ids}
    found = await follow(min(set(spoilt) - others))
    assert [r.finish_reason for r in found] == ["length", "error", "length"]
    assert found[1].error == "the model returned numbers that are not finite; try another dtype"
    assert found[1].usage == SampleUsage(prompt_computed=VOCABULARY + 1)
    for row in (0, 2):
        assert found[row].token_ids == healthy[row].token_ids


async def test_closing_fails_what_runs_and_what_waits_and_refuses_what_comes() -> None:
    async with engine(batch_size=1, gated=True) as crowd:
        generations = [crowd.ask(prompt(9)), crowd.ask(prompt(8))]
        crowd.runner.gate.release(2)
        crowd.batcher.close()
        late = crowd.ask(prompt(7))
        crowd.runner.open()
        found = [await result(generation) for generation in (*generations, late)]
    assert [r.finish_reason for r in found] == ["error"] * 3
    assert found[1].error == "the backend was closed while this sample waited or ran"
    assert found[2].error == "too late"
