"""A recorder that reuses takes what the bank holds and has the rest drawn: the same samples either way."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from ttscale import Engine, Outcome
from ttscale.backends.base import Backend, Capabilities, Request
from ttscale.bank import Bank, Recorder
from ttscale.cli import main
from ttscale.errors import ConfigError
from ttscale.strategies import SelfConsistency, Single
from ttscale.strategy import Strategy
from ttscale.testing import EVERYTHING, FakeBackend, Reply, check_backend, noisy_answers, virtual_clock
from ttscale.testing.observe import Observed, follow
from ttscale.types import Prompt, Sampling, Usage
from ttscale_evals.config import EvalConfig
from ttscale_evals.report.leaderboard import footnotes
from ttscale_evals.rows import Row, known_of
from ttscale_evals.runner import run_eval

SCRIPT = noisy_answers("42", 0.5, ["7", "123456"])
WARM = Sampling(temperature=1.0, max_tokens=100)
UNSEEDED = replace(EVERYTHING, seeds=False)


def all_of(n: int) -> SelfConsistency:
    return SelfConsistency(n=n, stop="never")


async def solve(backend: Backend, strategy: Strategy, *, question: str = "How much?") -> Outcome:
    async with Engine(backend) as engine:
        return await engine.solve(question, strategy=strategy)


def asked_seeds(fake: FakeBackend) -> list[int]:
    return [seed for request in fake.requests for seed in request.seeds]


def request(backend: Backend, *seeds: int, sampling: Sampling = WARM, stream: bool = False) -> Request:
    prompt = backend.encode(Prompt.user("How much?"))
    return Request(prompt=prompt, sampling=sampling, seeds=seeds, stream=stream)


async def draw(
    fake: FakeBackend, bank: Bank, *seeds: int, sampling: Sampling = WARM, reuse: bool = True
) -> Sequence[Observed]:
    async with Recorder(fake, bank, reuse=reuse) as recorder:
        wanted = request(recorder, *seeds, sampling=sampling)
        return await follow(recorder.generate(wanted), len(seeds))


def told(outcome: Outcome) -> object:
    """Return what an outcome says, but for what was reused."""
    usage = replace(outcome.usage, reused=0)
    path = outcome.critical_path_tokens
    return outcome.answer, outcome.candidates, outcome.stop_reason, usage, path, round(outcome.seconds, 6)


@virtual_clock
@pytest.mark.parametrize(
    "capabilities", [EVERYTHING, UNSEEDED, Capabilities()], ids=["all", "unseeded", "none"]
)
async def test_a_recorder_that_reuses_keeps_every_clause_with_an_empty_bank_and_with_a_full_one(
    capabilities: Capabilities, tmp_path: Path
) -> None:
    def recorder() -> Recorder:
        return Recorder(FakeBackend(SCRIPT, capabilities=capabilities), tmp_path / "bank", reuse=True)

    plain = await check_backend(lambda: FakeBackend(SCRIPT, capabilities=capabilities))
    assert await check_backend(recorder) == plain
    assert await check_backend(recorder) == plain


@virtual_clock
async def test_a_greater_n_draws_only_what_is_missing_and_comes_to_the_same(tmp_path: Path) -> None:
    first, more, fresh = FakeBackend(SCRIPT), FakeBackend(SCRIPT), FakeBackend(SCRIPT)
    before = await solve(Recorder(first, tmp_path / "bank"), all_of(4))
    recorder = Recorder(more, tmp_path / "bank", reuse=True)
    raised = await solve(recorder, all_of(7))
    anew = await solve(fresh, all_of(7))
    assert asked_seeds(more) == asked_seeds(fresh)[4:]
    assert told(raised) == told(anew)
    assert raised.usage.tokens == anew.usage.tokens
    assert (raised.usage.reused, anew.usage.reused) == (before.usage.generated, 0)
    assert (recorder.num_reused, recorder.num_recorded) == (4, 3)


@virtual_clock
async def test_another_strategy_takes_the_same_samples_and_nothing_is_drawn(tmp_path: Path) -> None:
    await solve(Recorder(FakeBackend(SCRIPT), tmp_path / "bank"), all_of(4))
    idle = FakeBackend(SCRIPT)
    one = await solve(Recorder(idle, tmp_path / "bank", reuse=True), Single())
    assert idle.requests == []
    assert told(one) == told(await solve(FakeBackend(SCRIPT), Single()))
    assert one.usage.reused == one.usage.tokens > one.usage.generated


@virtual_clock
async def test_without_being_told_to_a_recorder_reuses_nothing(tmp_path: Path) -> None:
    for _ in range(2):
        fake = FakeBackend(SCRIPT)
        outcome = await solve(Recorder(fake, tmp_path / "bank"), all_of(4))
        assert len(asked_seeds(fake)) == 4
        assert outcome.usage.reused == 0


@virtual_clock
@pytest.mark.parametrize("num_recorded", [0, 3, 8])
async def test_who_stops_early_decides_at_the_same_moment_whatever_is_reused(
    tmp_path: Path, num_recorded: int
) -> None:
    def backend() -> FakeBackend:
        def reply(_: Prompt, seed: int, __: int) -> Reply:
            """Of different length, so that it matters who is first and what is under way at the end of it."""
            return Reply(f"{'.' * (seed % 17)}\\boxed{{{int(seed % 5 == 0)}}}")

        return FakeBackend(reply, seconds_per_token=1.0)

    if num_recorded:
        await solve(Recorder(backend(), tmp_path / "bank"), all_of(num_recorded))
    early = SelfConsistency(n=8, stop="decided")
    outcome = await solve(Recorder(backend(), tmp_path / "bank", reuse=True), early)
    anew = await solve(backend(), early)
    assert anew.usage.cancelled
    assert told(outcome) == told(anew)
    assert bool(outcome.usage.reused) == bool(num_recorded)


@virtual_clock
async def test_a_reused_sample_can_be_stopped_and_costs_what_had_come_by_then() -> None:
    def slow() -> FakeBackend:
        return FakeBackend(Reply("abcdefgh"), seconds_per_token=1.0)

    with Bank() as bank:
        await draw(slow(), bank, 1)
        idle = slow()
        async with Recorder(idle, bank, reuse=True) as recorder:
            wanted = request(recorder, 1, stream=True)
            pieces = list[str]()
            async with recorder.generate(wanted) as generation:
                async for chunk in generation:
                    pieces.append(chunk.text)
                    if len(pieces) == 3:
                        break
            last = [chunk async for chunk in generation][-1]
        assert idle.requests == []
        prompt = len(wanted.prompt.token_ids or ())
        assert pieces == ["a", "b", "c"]
        assert last.finish_reason == "abort"
        assert last.usage is not None
        assert (last.usage.generated, last.usage.prompt_computed) == (3, prompt)
        assert last.usage.reused == prompt + 3
        (series,) = bank.series()
        assert [one.text for one in bank.samples(series.key)] == ["abcdefgh"]


@virtual_clock
async def test_what_was_stopped_or_failed_is_drawn_again_from_its_start() -> None:
    with Bank() as bank:
        async with Recorder(FakeBackend(Reply("abcdefgh"), seconds_per_token=1.0), bank) as recorder:
            generation = recorder.generate(request(recorder, 1))
            await asyncio.sleep(3.5)
            await generation.aclose()
        await draw(FakeBackend(Reply("abc", error="lost")), bank, 2)
        fake = FakeBackend(Reply("abcdefgh"))
        seen = await draw(fake, bank, 1, 2)
        assert asked_seeds(fake) == [1, 2]
        assert [one.text for one in seen] == ["abcdefgh"] * 2
        again = FakeBackend(Reply("abcdefgh"))
        assert [one.text for one in await draw(again, bank, 1, 2)] == ["abcdefgh"] * 2
        assert again.requests == []


@virtual_clock
async def test_a_lower_limit_is_served_and_a_higher_one_is_not() -> None:
    with Bank() as bank:
        await draw(FakeBackend(Reply("abcdefgh")), bank, 1, sampling=replace(WARM, max_tokens=5))
        idle, busy = FakeBackend(Reply("abcdefgh")), FakeBackend(Reply("abcdefgh"))
        (short,) = await draw(idle, bank, 1, sampling=replace(WARM, max_tokens=3))
        (whole,) = await draw(busy, bank, 1, sampling=replace(WARM, max_tokens=6))
    assert (short.text, short.finish_reason, asked_seeds(idle)) == ("abc", "length", [])
    assert (whole.text, whole.finish_reason, asked_seeds(busy)) == ("abcdef", "length", [1])


@virtual_clock
async def test_log_probabilities_come_back_to_the_last_bit_and_are_drawn_where_there_are_too_few() -> None:
    wanted = replace(WARM, logprobs=2)
    with Bank() as bank:
        await draw(FakeBackend(SCRIPT), bank, 5, 6, sampling=wanted)
        for logprobs in (None, 0, 1, 2):
            less, idle = replace(WARM, logprobs=logprobs), FakeBackend(SCRIPT)
            (held,) = await draw(idle, bank, 6, sampling=less)
            async with FakeBackend(SCRIPT) as fresh:
                (drawn,) = await follow(fresh.generate(request(fresh, 6, sampling=less)), 1)
            assert idle.requests == []
            assert (held.text, held.token_ids, held.logprobs) == (drawn.text, drawn.token_ids, drawn.logprobs)
            assert [set(top) for top in held.top_logprobs] == [set(top) for top in drawn.top_logprobs]
        busy = FakeBackend(SCRIPT)
        await draw(busy, bank, 6, sampling=replace(WARM, logprobs=3))
    assert asked_seeds(busy) == [6]


@virtual_clock
async def test_other_settings_prompts_seeds_and_models_are_other_samples() -> None:
    with Bank() as bank:
        await draw(FakeBackend(SCRIPT), bank, 1)
        for changed in (replace(WARM, temperature=0.5), replace(WARM, top_k=3), replace(WARM, stop=("x",))):
            fake = FakeBackend(SCRIPT)
            await draw(fake, bank, 1, sampling=changed)
            assert asked_seeds(fake) == [1]
        fake = FakeBackend(SCRIPT)
        await draw(fake, bank, 2)
        async with Recorder(fake, bank, reuse=True) as recorder:
            asked = replace(request(recorder, 1), prompt=recorder.encode(Prompt.user("How many?")))
            await follow(recorder.generate(asked), 1)
        assert asked_seeds(fake) == [2, 1]
        other = FakeBackend(SCRIPT, profile=replace(fake.profile, name="other"))
        await draw(other, bank, 1)
        assert asked_seeds(other) == [1]


@virtual_clock
async def test_at_temperature_0_any_recorded_sample_is_the_one() -> None:
    greedy = replace(WARM, temperature=0.0)
    with Bank() as bank:
        (first,) = await draw(FakeBackend(SCRIPT), bank, 1, sampling=greedy)
        idle = FakeBackend(SCRIPT)
        seen = await draw(idle, bank, 2, 3, sampling=greedy)
    assert idle.requests == []
    assert [one.text for one in seen] == [first.text] * 2


@virtual_clock
async def test_of_an_engine_without_seeds_a_sample_keeps_its_place() -> None:
    def replies(*texts: str) -> FakeBackend:
        return FakeBackend([Reply(text) for text in texts], capabilities=UNSEEDED)

    with Bank() as bank:
        await draw(replies("one", "two"), bank, 10, 20)
        await draw(replies("later"), bank, 10, reuse=False)
        fake = replies("three")
        seen = await draw(fake, bank, 20, 30, 10)
    assert [one.text for one in seen] == ["two", "three", "one"]
    assert asked_seeds(fake) == [30]


@virtual_clock
async def test_a_sample_that_cannot_be_read_is_drawn_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "bank"
    with Bank(path) as bank:
        await draw(FakeBackend(SCRIPT), bank, 1)
    with sqlite3.connect(path) as damaged:
        damaged.execute("UPDATE samples SET token_ids = x'00'")
    damaged.close()
    fake = FakeBackend(SCRIPT)
    with Bank(path) as bank, caplog.at_level(logging.WARNING):
        await draw(fake, bank, 1)
    assert asked_seeds(fake) == [1]
    assert "recorded samples are drawn again" in caplog.text


@virtual_clock
@pytest.mark.parametrize("seeds", [(1,), (1, 2)], ids=["all reused", "some drawn"])
async def test_closing_amid_reused_samples_ends_them_with_their_account(seeds: tuple[int, ...]) -> None:
    def slow() -> FakeBackend:
        return FakeBackend(Reply("abcdefgh"), seconds_per_token=1.0)

    with Bank() as bank:
        await draw(slow(), bank, 1)
        async with Recorder(slow(), bank, reuse=True) as recorder:
            generation = recorder.generate(request(recorder, *seeds))
            await asyncio.sleep(2.5)
        seen = await follow(generation, len(seeds))
    assert [(one.finish_reason, one.text) for one in seen] == [("abort", "ab")] * len(seeds)


@virtual_clock
async def test_what_verifiers_reuse_is_counted_in_their_bucket() -> None:
    spent = Usage(verifier=10, reused=8, calls=1) + Usage(generated=5, calls=1)
    assert (spent.tokens, spent.reused) == (15, 8)


def settings(folder: Path, *strategies: str, **changes: object) -> EvalConfig:
    rows = [{"id": f"q{n}", "question": f"q{n}", "answer": str(n)} for n in range(3)]
    (folder / "questions.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    params = {"path": str(folder / "questions.jsonl"), "instruction": ""}
    spec = {"name": "jsonl", "params": params, "label": "q"}
    given = {"benchmarks": [spec], "strategies": strategies, "record": str(folder / "bank"), **changes}
    return EvalConfig.load(None, given)


@virtual_clock
async def test_a_run_is_raised_with_what_is_recorded_and_its_row_says_so(tmp_path: Path) -> None:
    script = noisy_answers("1", 0.5, ["7", "123456"])

    async def run(name: str, *strategies: str, **changes: object) -> tuple[FakeBackend, Sequence[Row]]:
        fake = FakeBackend(script)
        config = settings(tmp_path, *strategies, **changes)
        return fake, (await run_eval(config, out=tmp_path / name, backend=fake)).rows

    few, more = "self_consistency:n=4,stop=never", "self_consistency:n=6,stop=never"
    first, _ = await run("first", few)
    raised, rows = await run("raised", more, "single", reuse=True)
    fresh, anew = await run("anew", more, "single", record=None)
    assert (len(asked_seeds(first)), len(asked_seeds(raised))) == (3 * 4, 3 * 2)
    for row, drawn in zip(rows, anew, strict=True):
        assert (row.num_correct, row.tokens, row.samples) == (drawn.num_correct, drawn.tokens, drawn.samples)
        assert 0 < row.reused_tokens <= row.tokens
        assert drawn.reused_tokens == 0
        assert known_of([row])["latency_p50_seconds"] != known_of([drawn])["latency_p50_seconds"] == "measured"
    assert rows[1].reused_tokens == rows[1].tokens
    assert any("tokens reused from a sample bank" in note for note in footnotes(rows))
    assert not any("reused" in note for note in footnotes(anew))
    assert len(asked_seeds(fresh)) == 3 * 7


def test_reusing_needs_a_bank_and_no_replay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="the bank that record names"):
        settings(tmp_path, "single", record=None, reuse=True)
    assert main(["solve", "How much?", "--reuse"]) == 2
    assert "name it with --record POOL" in capsys.readouterr().err
    assert main(["eval", "--replay", "pool", "--reuse"]) == 2
    assert "cannot be joined with --reuse" in capsys.readouterr().err


def test_a_question_is_answered_from_the_bank_on_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    backends = [FakeBackend(SCRIPT, seconds_per_token=0.0) for _ in range(2)]
    waiting = iter(backends)
    monkeypatch.setattr("ttscale.backends.load_backend", lambda uri, options=None: next(waiting))
    words = ["--set", "stop=never", "--record", str(tmp_path / "bank"), "--reuse"]
    assert main(["solve", "How much?", "--set", "n=2", *words]) == 0
    assert "from the bank" not in capsys.readouterr().out
    assert main(["solve", "How much?", "--set", "n=3", *words]) == 0
    assert re.search(r"3 samples; \d+ tokens from the bank\)", capsys.readouterr().out)
    assert [len(asked_seeds(backend)) for backend in backends] == [2, 1]
