"""The embedded backend from outside: parameters, starting, prompts, ends and errors, on a tiny random model."""

from __future__ import annotations

import asyncio
import importlib.util
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    BloomConfig,
    BloomForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

from ttscale import registry
from ttscale.backends.base import Chunk, Request
from ttscale.backends.hf import HFBackend
from ttscale.errors import BackendError, BackendUnavailable, MissingExtra, ParameterError
from ttscale.types import Message, Prompt, SampleUsage, Sampling

CONTEXT = 96


SPECIAL = ("<pad>", "<begin>", "<end>", "<user>", "<assistant>")
CHAT_TEMPLATE = (
    "<begin>{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)


def save_model(directory: Path, *, chat_template: str | None = CHAT_TEMPLATE) -> Path:
    """Write a tiny random model whose vocabulary is the bytes."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: index for index, token in enumerate((*SPECIAL, *alphabet))}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.add_special_tokens(list(SPECIAL))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        bos_token="<begin>",
        eos_token="<end>",
        chat_template=chat_template,
        clean_up_tokenization_spaces=False,
    ).save_pretrained(directory)
    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=300,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=CONTEXT,
        initializer_range=0.4,
        tie_word_embeddings=True,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
    )
    model = LlamaForCausalLM(config)
    model.generation_config.temperature = 0.7
    model.generation_config.top_k = 40
    model.generation_config.do_sample = True
    model.save_pretrained(directory)
    return directory


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp("model"))


async def ask(
    backend: HFBackend,
    prompt: Prompt,
    sampling: Sampling,
    *,
    seeds: Sequence[int] = (0,),
    stream: bool = False,
) -> list[Chunk]:
    request = Request(prompt=prompt, sampling=sampling, seeds=tuple(seeds), stream=stream)
    return [chunk async for chunk in backend.generate(request)]


# ── before it starts ────────────────────────────────────────────────────────────────────────────────────────


def test_it_is_found_and_built_by_name() -> None:
    backend = registry.create("backends", "hf", {"model": "some/model", "batch_size": 8, "device": "cpu"})
    assert isinstance(backend, HFBackend)
    assert (backend.name, backend.batch_size, backend.profile.name) == ("hf", 8, "some/model")


@pytest.mark.parametrize(
    "wrong",
    [{"batch_size": 0}, {"max_model_len": 0}, {"num_threads": -1}, {"dtype": "int3"}, {"what": 1}],
    ids=str,
)
def test_a_wrong_parameter_is_refused(wrong: dict[str, int | str]) -> None:
    with pytest.raises(ParameterError, match=next(iter(wrong))):
        registry.create("backends", "hf", {"model": "some/model", **wrong})


def test_importing_it_imports_neither_torch_nor_transformers() -> None:
    code = "import sys, ttscale.backends.hf; print([n for n in ('torch', 'transformers') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("package", ["torch", "transformers"])
async def test_a_missing_package_is_named_with_its_extra(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == package else found(name))
    with pytest.raises(MissingExtra, match=rf"{package} is not installed.*ttscale\[hf\]"):
        await HFBackend("some/model").start()


async def test_without_a_start_it_says_how_to_start() -> None:
    backend = HFBackend("some/model")
    with pytest.raises(BackendError, match="async with"):
        backend.encode(Prompt(text="a"))
    (chunk,) = await ask(backend, Prompt(token_ids=(1,)), Sampling())
    assert chunk.finish_reason == "error"
    assert "async with" in str(chunk.error)
    await backend.aclose()


async def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    nowhere = str(tmp_path / "nowhere")
    with pytest.raises(BackendUnavailable, match=r"no model directory .*nowhere.*config.json"):
        await HFBackend(nowhere).start()


async def test_a_directory_without_a_model_says_what_belongs_there(tmp_path: Path) -> None:
    with pytest.raises(BackendUnavailable, match=r"cannot be loaded .*config.json, weights and tokenizer"):
        await HFBackend(str(tmp_path)).start()


async def test_a_model_that_cannot_be_batched_here_is_refused(model: Path, tmp_path: Path) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((model / name).read_bytes())
    config = BloomConfig(vocab_size=300, hidden_size=32, n_layer=2, n_head=4)  # its positions are in its mask
    BloomForCausalLM(config).save_pretrained(tmp_path)
    with pytest.raises(BackendUnavailable, match=r"cannot run .*use vllm:"):
        await HFBackend(str(tmp_path), device="cpu", max_model_len=64).start()


async def test_a_longer_context_than_the_model_has_is_refused(model: Path) -> None:
    with pytest.raises(BackendUnavailable, match="max_model_len=97 is more than the 96 positions"):
        await HFBackend(str(model), device="cpu", max_model_len=97).start()


# ── what it is ──────────────────────────────────────────────────────────────────────────────────────────────


async def test_the_profile_is_complete_once_it_runs(model: Path) -> None:
    async with HFBackend(str(model), device="cpu") as backend:
        profile = backend.profile
    embedding, attention, mlp, norms = 300 * 32, 32 * (32 + 16 + 16 + 32), 3 * 32 * 48, 2 * 32
    assert profile.num_parameters == embedding + 2 * (attention + mlp + norms) + 32
    assert (profile.num_layers, profile.num_heads, profile.num_kv_heads, profile.head_dim) == (2, 4, 2, 8)
    assert (profile.bytes_per_parameter, profile.context_length) == (4.0, CONTEXT)
    assert (profile.temperature, profile.top_k, profile.top_p) == (0.7, 40, None)
    assert profile.kv_bytes_per_token == 2 * 2 * 2 * 8 * 4


async def test_half_precision_works_and_shows_in_the_profile(model: Path) -> None:
    async with HFBackend(str(model), device="cpu", dtype="bfloat16") as backend:
        assert backend.profile.bytes_per_parameter == 2
        (chunk,) = await ask(backend, Prompt(text="How much"), Sampling(max_tokens=5, logprobs=1))
        assert len(chunk.logprobs or ()) == 5


async def test_prompts_become_token_ids_through_the_chat_template(model: Path) -> None:
    async with HFBackend(str(model), device="cpu") as backend:
        asked = Prompt.user("How much is 1?")
        begun = Prompt(messages=(*asked.messages, Message("assistant", "12+3")))
        as_text = "<begin><user>How much is 1?<assistant>"
        assert backend.encode(asked) == backend.encode(Prompt(text=as_text))
        assert backend.encode(begun) == backend.encode(Prompt(text=as_text + "12+3"))
        ids = backend.encode(asked)
        assert backend.encode(ids) == ids
        assert backend.count_tokens(asked) == len(ids.token_ids or ())
        assert backend.decode(ids.token_ids or ()) == "How much is 1?"
        smile = backend.encode(Prompt(text="é😀")).token_ids or ()
        assert backend.decode((*smile, 299, 299_999)) == "é😀"


async def test_a_model_without_a_chat_template_asks_for_text(tmp_path: Path) -> None:
    async with HFBackend(str(save_model(tmp_path, chat_template=None)), device="cpu") as backend:
        (chunk,) = await ask(backend, Prompt.user("hello"), Sampling())
        assert chunk.error is not None
        assert "has no chat template; give the prompt as text" in chunk.error
        assert (await ask(backend, Prompt(text="hello"), Sampling(max_tokens=1)))[0].finish_reason == "length"


# ── ends ────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_sample_ends_at_the_end_token_at_its_limit_or_at_the_end_of_the_context(model: Path) -> None:
    end = 2
    async with HFBackend(str(model), device="cpu", max_model_len=40) as backend:
        prompt = Prompt(token_ids=tuple(range(10, 40)))
        chunks = await ask(backend, prompt, Sampling(temperature=3.0), seeds=range(60))
        ended = {chunk.finish_reason for chunk in chunks}
        assert ended == {"stop", "length"}
        for chunk in chunks:
            assert (chunk.finish_reason == "stop") == (chunk.token_ids[-1] == end)
            assert end not in chunk.token_ids[:-1]
            assert "<end>" not in chunk.text
            if chunk.finish_reason == "length":
                assert len(chunk.token_ids) == 10
        (short,) = await ask(backend, prompt, Sampling(max_tokens=3, temperature=0.0))
        assert (len(short.token_ids), short.finish_reason) == (3, "length")


async def test_stop_strings_and_stop_tokens_end_a_sample(model: Path) -> None:
    async with HFBackend(str(model), device="cpu") as backend:
        greedy = Sampling(max_tokens=40, temperature=0.0)
        prompt = Prompt(text="How much is 12?")
        (whole,) = await ask(backend, prompt, greedy)
        stop = whole.text[len(whole.text) // 2 :][:3]
        for stream in (False, True):
            chunks = await ask(
                backend, prompt, Sampling(max_tokens=40, temperature=0.0, stop=(stop,)), stream=stream
            )
            assert "".join(chunk.text for chunk in chunks) == whole.text[: whole.text.index(stop)]
            assert chunks[-1].finish_reason == "stop"
        token_id = whole.token_ids[5]
        before = whole.token_ids.index(token_id)
        (cut,) = await ask(backend, prompt, Sampling(temperature=0.0, stop_token_ids=(token_id,)))
        assert cut.token_ids == whole.token_ids[: before + 1]
        assert cut.text == backend.decode(whole.token_ids[:before])


async def test_a_continuation_by_token_ids_goes_on_as_if_nothing_had_been(model: Path) -> None:
    async with HFBackend(str(model), device="cpu") as backend:
        prompt = backend.encode(Prompt.user("How much?")).token_ids or ()
        (whole,) = await ask(backend, Prompt(token_ids=prompt), Sampling(max_tokens=30, temperature=0.0))
        begun = Prompt(token_ids=(*prompt, *whole.token_ids[:11]))
        (rest,) = await ask(backend, begun, Sampling(max_tokens=19, temperature=0.0))
        assert rest.token_ids == whole.token_ids[11:]


# ── what goes wrong ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
@pytest.mark.parametrize(
    ("prompt", "sampling", "message"),
    [
        (Prompt(token_ids=(5,) * CONTEXT), Sampling(), "has 96 tokens and leaves no room in the context of 96"),
        (Prompt(token_ids=(1, 300)), Sampling(), "token id 300 of the prompt is not one of the 300 ids"),
        (Prompt(token_ids=(-1,)), Sampling(), "token id -1"),
        (Prompt(token_ids=()), Sampling(), "the prompt is empty"),
        (Prompt(text="half a pair: \ud83d"), Sampling(), "refuses the prompt"),
        (Prompt(token_ids=(1,)), Sampling(logprobs=21), "logprobs=21 is too many; ask for at most 20"),
    ],
)
async def test_a_wrong_request_is_an_error_of_its_samples_only(
    model: Path, prompt: Prompt, sampling: Sampling, message: str
) -> None:
    async with HFBackend(str(model), device="cpu") as backend:
        chunks = await ask(backend, prompt, sampling, seeds=(1, 2))
        assert [chunk.index for chunk in chunks] == [0, 1]
        for chunk in chunks:
            assert chunk.finish_reason == "error"
            assert message in str(chunk.error)
            assert chunk.usage == SampleUsage()
        (fine,) = await ask(backend, Prompt(token_ids=(1,)), Sampling(max_tokens=2, temperature=0.0))
        assert fine.finish_reason in ("stop", "length")


# ── starting and closing ────────────────────────────────────────────────────────────────────────────────────


def decoding_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "ttscale hf decoding"]


async def test_closing_ends_the_thread_and_it_can_be_opened_again(model: Path) -> None:
    backend = HFBackend(str(model), device="cpu")
    for _ in range(2):
        async with backend:
            assert len(decoding_threads()) == 1
            with pytest.raises(BackendError, match="started already"):
                await backend.start()
            (chunk,) = await ask(backend, Prompt(text="12"), Sampling(max_tokens=1))
            assert chunk.finish_reason == "length"
        assert not decoding_threads()
        await backend.aclose()


async def test_a_failed_start_leaves_no_thread(tmp_path: Path) -> None:
    backend = HFBackend(str(tmp_path / "nowhere"))
    for _ in range(2):
        with pytest.raises(BackendUnavailable):
            await backend.start()
    assert not decoding_threads()


async def test_a_cancelled_start_ends_its_thread_once_the_model_is_loaded(model: Path) -> None:
    backend = HFBackend(str(model), device="cpu")
    async with asyncio.TaskGroup() as group:
        starting = group.create_task(backend.start())
        await asyncio.sleep(0)
        starting.cancel()
    await backend.aclose()
    assert not decoding_threads()


@pytest.mark.slow
async def test_the_number_of_threads_is_as_asked_while_it_runs(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = list[int]()
    set_num_threads = torch.set_num_threads

    def note(num_threads: int) -> None:
        asked.append(num_threads)
        set_num_threads(num_threads)

    monkeypatch.setattr(torch, "set_num_threads", note)
    before = torch.get_num_threads()
    async with HFBackend(str(model), device="cpu", num_threads=2):
        assert asked == [2]
    assert asked == [2, before]
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    async with HFBackend(str(model), device="cpu"):
        assert asked[2:] == [1]
    monkeypatch.setenv("OMP_NUM_THREADS", str(before))
    async with HFBackend(str(model), device="cpu"):
        assert len(asked) == 4
