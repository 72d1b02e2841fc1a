"""A recorder passes everything on unchanged and keeps what was generated."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.bank_samples import model
from ttscale import Engine, Problem
from ttscale.backends.base import Backend, Capabilities, Request
from ttscale.bank import Bank, Recorder, describe_model, short_names, summarise
from ttscale.errors import BackendError, DataError
from ttscale.strategies import SelfConsistency
from ttscale.testing import (
    EVERYTHING,
    FakeBackend,
    FakeRewardModel,
    Reply,
    check_backend,
    noisy_answers,
    virtual_clock,
)
from ttscale.testing.observe import Observed, follow
from ttscale.types import Prompt, Sampling

SCRIPT = noisy_answers("42", 0.5, ["7", "123456"])
WARM = Sampling(temperature=1.0, max_tokens=100)


def request(backend: Backend, *seeds: int, sampling: Sampling = WARM, stream: bool = False) -> Request:
    return Request(
        prompt=backend.encode(Prompt.user("How much?")), sampling=sampling, seeds=seeds, stream=stream
    )


async def ask(backend: Backend, wanted: Request) -> list[Observed]:
    return await follow(backend.generate(wanted), len(wanted.seeds))


@virtual_clock
@pytest.mark.parametrize("capabilities", [EVERYTHING, Capabilities()], ids=["everything", "nothing"])
async def test_a_recorder_keeps_every_clause_that_its_backend_keeps(
    capabilities: Capabilities, tmp_path: Path
) -> None:
    def backend() -> FakeBackend:
        return FakeBackend(SCRIPT, capabilities=capabilities)

    checked = await check_backend(lambda: Recorder(backend(), tmp_path / "bank"))
    assert checked == await check_backend(backend)


@virtual_clock
async def test_what_comes_through_is_what_is_kept() -> None:
    wanted = replace(WARM, logprobs=2)
    with Bank() as bank:
        async with Recorder(FakeBackend(SCRIPT), bank) as recorder:
            seen = await ask(recorder, request(recorder, 5, 6, sampling=wanted))
        (series,) = bank.series()
        kept = list(bank.samples(series.key))
    assert [one.text for one in kept] == [one.text for one in seen]
    assert [list(one.token_ids) for one in kept] == [one.token_ids for one in seen]
    assert [list(one.logprobs or ()) for one in kept] == [one.logprobs for one in seen]
    assert [list(one.top_logprobs or ()) for one in kept] == [one.top_logprobs for one in seen]
    assert [one.head.usage for one in kept] == [one.usage for one in seen]
    assert [(one.head.seed, one.head.num_logprobs, one.head.max_tokens) for one in kept] == [
        (5, 2, 100),
        (6, 2, 100),
    ]


@virtual_clock
async def test_the_first_token_is_timed_where_tokens_were_watched() -> None:
    slow = FakeBackend(Reply("abcd"), first_token_seconds=2.0, seconds_per_token=1.0)
    with Bank() as bank:
        async with Recorder(slow, bank) as recorder:
            await ask(recorder, request(recorder, 1, stream=True))
            await ask(recorder, request(recorder, 2))
        (series,) = bank.series()
        watched, unwatched = bank.heads(series.key)
    assert (watched.seconds, watched.first_token_seconds) == (6.0, 3.0)
    assert (unwatched.seconds, unwatched.first_token_seconds) == (6.0, None)


@virtual_clock
async def test_a_stopped_sample_is_kept_as_the_beginning_it_is() -> None:
    with Bank() as bank:
        async with Recorder(FakeBackend(Reply("abcdefgh"), seconds_per_token=1.0), bank) as recorder:
            generation = recorder.generate(request(recorder, 1, 2))
            await asyncio.sleep(3.5)
            generation.abort([1])
            await follow(generation, 2)
            never_began = recorder.generate(request(recorder, 3))
            await never_began.aclose()
        (series,) = bank.series()
        whole, stopped = bank.samples(series.key)
    assert (whole.text, whole.head.finish_reason) == ("abcdefgh", "stop")
    assert (stopped.text, stopped.head.finish_reason, stopped.head.seconds) == ("abc", "abort", 3.5)


@virtual_clock
async def test_what_is_under_way_when_the_engine_closes_is_kept() -> None:
    with Bank() as bank:
        async with Recorder(FakeBackend(Reply("abcdefgh"), seconds_per_token=1.0), bank) as recorder:
            recorder.generate(request(recorder, 1))
            await asyncio.sleep(2.5)
        (series,) = bank.series()
        (stopped,) = bank.samples(series.key)
    assert (stopped.text, stopped.head.finish_reason) == ("ab", "abort")


@virtual_clock
async def test_samples_are_numbered_as_they_were_begun_not_as_they_ended() -> None:
    replies = [Reply("slow", seconds=9.0), Reply("medium", seconds=5.0), Reply("quick", seconds=1.0)]
    with Bank() as bank:
        async with Recorder(FakeBackend(replies), bank) as recorder:
            await ask(recorder, request(recorder, 30, 20, 10))
        (series,) = bank.series()
        assert [one.text for one in bank.samples(series.key)] == ["slow", "medium", "quick"]


@virtual_clock
async def test_recording_the_same_run_twice_adds_nothing(tmp_path: Path) -> None:
    for _ in range(2):
        async with Engine(Recorder(FakeBackend(SCRIPT), tmp_path / "bank")) as engine:
            await engine.solve("How much?", strategy=SelfConsistency(n=6, stop="never"))
    with Bank(tmp_path / "bank", writable=False) as bank:
        (summary,) = summarise(bank)
        (group,) = summary.groups
    assert (group.num_prompts, group.num_whole) == (1, 6)


@virtual_clock
async def test_a_problem_can_be_noted_beside_its_samples() -> None:
    problem = Problem(id="p1", prompt=Prompt.user("How much?"), target="42")
    with Bank() as bank:
        recorder = Recorder(FakeBackend(SCRIPT), bank)
        with pytest.raises(BackendError, match="not running"):
            recorder.add_problem(problem)
        async with recorder:
            recorder.add_problem(problem, benchmark="sums")
            encoded = recorder.encode(problem.prompt)
        (noted,) = bank.problems()
    assert (noted.benchmark, noted.id, noted.question, noted.target) == ("sums", "p1", "How much?", "42")
    assert noted.prompt == encoded


@virtual_clock
async def test_what_the_bank_holds_already_can_be_asked_before_drawing() -> None:
    with Bank() as bank:
        recorder = Recorder(FakeBackend(["short", "a longer one"]), bank)
        prompt = recorder.encode(Prompt.user("How much?"))
        with pytest.raises(BackendError, match="not running"):
            recorder.heads(prompt, WARM)
        async with recorder:
            assert recorder.heads(prompt, WARM) == []
            await ask(recorder, request(recorder, 5, 6, sampling=replace(WARM, max_tokens=7, logprobs=1)))
            held = recorder.heads(prompt, WARM)
            assert recorder.heads(prompt, replace(WARM, temperature=0.5)) == []
    assert [head.seed for head in held] == [5, 6]

    def serving(max_tokens: int, logprobs: int | None = None) -> list[int | None]:
        wanted = replace(WARM, max_tokens=max_tokens, logprobs=logprobs)
        return [head.seed for head in held if head.serves(wanted)]

    assert serving(7) == serving(3, logprobs=0) == serving(7, logprobs=1) == [5, 6]
    assert serving(8) == serving(100, logprobs=1) == [5]
    assert serving(7, logprobs=2) == []


@virtual_clock
async def test_rewards_pass_through() -> None:
    grader = FakeRewardModel(lambda text: 0.25)
    with Bank() as bank:
        async with Recorder(grader, bank) as recorder:
            assert recorder.capabilities.rewards
            rewards = await recorder.reward(Prompt.user("Good."))
        assert bank.num_samples() == 0
    assert rewards.values == (0.25,)


@virtual_clock
async def test_a_bank_that_cannot_be_written_costs_no_sample_and_is_told_at_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_: object, **__: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with Bank() as bank:
        recorder = Recorder(FakeBackend(SCRIPT), bank)
        await recorder.start()
        monkeypatch.setattr(bank, "add_sample", full)
        samples = await ask(recorder, request(recorder, 1, 2))
        assert [one.finish_reason for one in samples] == ["stop", "stop"]
        assert (recorder.num_recorded, recorder.num_lost) == (0, 2)
        with pytest.raises(BackendError, match="2 samples could not be recorded: database or disk is full"):
            await recorder.aclose()
        await recorder.aclose()


@virtual_clock
async def test_a_recorder_into_a_file_that_is_no_bank_does_not_start(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello " * 100)
    backend = FakeBackend(SCRIPT)
    with pytest.raises(DataError, match="not a sample bank"):
        await Recorder(backend, tmp_path / "text").start()


# ── fingerprints ──────────────────────────────────────────────────────────────────────────────────────────


def fingerprint(version: str = "", backend: str = "fake", **profile: object) -> str:
    fake = FakeBackend(SCRIPT)
    fake.name = backend
    changes: Mapping[str, object] = {"name": "toy", **profile}
    fake.profile = replace(fake.profile, **changes)  # type: ignore[arg-type]
    return describe_model(fake, version).fingerprint


def test_a_fingerprint_tells_models_apart() -> None:
    others = [
        fingerprint(name="other"),
        fingerprint(version="2"),
        fingerprint(backend="hf"),
        fingerprint(bytes_per_parameter=4.0),
        fingerprint(num_parameters=2),
    ]
    assert len({fingerprint(), *others}) == 6
    assert fingerprint(context_length=10) == fingerprint()


def test_of_a_directory_the_files_count_not_the_place(tmp_path: Path) -> None:
    for name in ("one", "two", "three"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text("{}")
        (tmp_path / name / "model.safetensors").write_bytes(bytes(3_000_000) + name[:2].encode())
    (tmp_path / "two" / "model.safetensors").write_bytes(bytes(3_000_000) + b"on")
    prints = [fingerprint(name=str(tmp_path / name)) for name in ("one", "two", "three")]
    assert prints[0] == prints[1] != prints[2]


def test_models_are_called_by_as_little_of_their_name_as_no_other_one_has() -> None:
    names = ["/models/one", "a/two", "b/two", "three", "three"]
    models = [replace(model(name), fingerprint=f"{number}" * 32) for number, name in enumerate(names)]
    assert short_names(models) == ["one", "a/two", "b/two", "33333333", "44444444"]
