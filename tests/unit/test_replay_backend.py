"""A replay answers from what was recorded, in the time that took, and from nothing else."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.unit.bank_samples import ASKED, bank_file, fill, model, sample
from ttscale import Budget, Engine, Problem, load_backend
from ttscale.backends.base import Request
from ttscale.backends.replay import ReplayBackend
from ttscale.bank import Bank, RecordedSample, Recorder, Settings, export_pool, run_replay
from ttscale.errors import BackendError, ConfigError, DataError, ParameterError
from ttscale.strategies import SelfConsistency
from ttscale.testing import BlockingWorkers, FakeBackend, Reply, VirtualEngine, check_backend, noisy_answers
from ttscale.testing import virtual_clock as virtual
from ttscale.testing.backend_checks import CLAUSES
from ttscale.testing.observe import Observed, follow
from ttscale.types import Outcome, Prompt, Sampling

SCRIPT = noisy_answers("42", 0.6, ["7", "123456"], seconds=(1.0, 9.0))
WARM = Sampling(temperature=1.0, max_tokens=50)


def asking(*seeds: int, stream: bool = False, sampling: Sampling = WARM, prompt: Prompt = ASKED) -> Request:
    return Request(prompt=prompt, sampling=sampling, seeds=seeds, stream=stream)


async def ask(backend: ReplayBackend, request: Request) -> list[Observed]:
    return await follow(backend.generate(request), len(request.seeds))


def now() -> float:
    return asyncio.get_running_loop().time()


@pytest.fixture
def four(tmp_path: Path) -> ReplayBackend:
    """Four whole samples of 4, 3, 2 and 1 tokens, a second each, begun with the seeds 0 to 3."""
    texts = ["abcd", "efg", "hi", "j"]
    samples = [sample(at, text, num_logprobs=2) for at, text in enumerate(texts)]
    return ReplayBackend(str(bank_file(tmp_path / "bank", samples)))


def replay_of(path: Path, samples: Sequence[RecordedSample], **options: Any) -> ReplayBackend:
    return ReplayBackend(str(bank_file(path / "bank", samples)), **options)


# ── the contract ──────────────────────────────────────────────────────────────────────────────────────────


@virtual
@pytest.mark.parametrize("form", ["bank", "jsonl.gz", "parquet"])
async def test_what_was_recorded_under_the_contract_is_replayed_under_it(tmp_path: Path, form: str) -> None:
    path = tmp_path / "bank"
    recorded = await check_backend(lambda: Recorder(FakeBackend(SCRIPT, abort_seconds=0.5), path))
    if form != "bank":
        if form == "parquet":
            pytest.importorskip("pyarrow")
        with Bank(path, writable=False) as bank:
            path = tmp_path / f"pool.{form}"
            export_pool(bank, path)
    replayed = await check_backend(lambda: load_backend(f"replay:{path}"))
    assert replayed == [promise for promise in recorded if promise != "given texts have log-probabilities"]
    assert len(recorded) == len(CLAUSES) + 1


@virtual
async def test_the_same_run_comes_out_the_same(tmp_path: Path) -> None:
    agreeing, outcomes = noisy_answers("42", 0.9, ["7"], seconds=(1.0, 9.0)), list[Outcome]()
    with BlockingWorkers() as workers:
        for backend in (
            Recorder(FakeBackend(agreeing), tmp_path / "bank"),
            ReplayBackend(str(tmp_path / "bank")),
        ):
            async with VirtualEngine(backend, workers) as engine:
                for question in ("How much?", "How many?"):
                    outcomes.append(await engine.solve(question, strategy=SelfConsistency(n=9)))
    recorded, replayed = outcomes[:2], outcomes[2:]
    assert [one.usage for one in replayed] == [one.usage for one in recorded]
    assert [one.candidates for one in replayed] == [one.candidates for one in recorded]
    assert [one.seconds for one in replayed] == pytest.approx([one.seconds for one in recorded])
    assert {one.stop_reason for one in recorded} == {"decided"}


# ── time ──────────────────────────────────────────────────────────────────────────────────────────────────


@virtual
async def test_samples_take_the_time_they_took(four: ReplayBackend) -> None:
    async with four:
        ends = list[tuple[int, float]]()
        async for chunk in four.generate(asking(0, 1, 2, 3)):
            ends.append((chunk.index, now()))
    assert ends == [(3, 1.0), (2, 2.0), (1, 3.0), (0, 4.0)]


@virtual
async def test_a_stopped_sample_is_charged_what_it_had_by_then(four: ReplayBackend) -> None:
    async with four:
        generation = four.generate(asking(0, 1, 3))
        await asyncio.sleep(2.5)
        generation.abort()
        first, second, done = await follow(generation, 3)
        assert now() == 2.5
    assert (first.text, first.finish_reason, first.usage.generated) == ("ab", "abort", 2)
    assert (second.text, second.finish_reason, second.usage.generated) == ("ef", "abort", 2)
    assert (done.text, done.finish_reason) == ("j", "stop")


@virtual
async def test_tokens_come_evenly_after_the_first_where_that_was_watched(tmp_path: Path) -> None:
    async with replay_of(tmp_path, [sample(0, "abcd", seconds=9.0, first=6.0)]) as backend:
        times = [now() async for _ in backend.generate(asking(0, stream=True))]
    assert times == pytest.approx([6.0, 7.0, 8.0, 9.0])


@virtual
async def test_without_a_known_duration_the_stated_pace_holds(tmp_path: Path) -> None:
    timeless = sample(0, "abcd")
    timeless = replace(timeless, head=replace(timeless.head, seconds=None))
    async with replay_of(tmp_path, [timeless], tokens_per_second=2.0) as backend:
        await ask(backend, asking(0))
        assert now() == 2.0


def test_a_deadline_sees_the_recorded_time(tmp_path: Path) -> None:
    replies = [Reply("The answer is 4.", seconds=3000.0), Reply("The answer is 4.", seconds=9000.0)]
    path = tmp_path / "bank"

    async def solve(engine: Engine, budget: Budget | None = None) -> Outcome:
        async with engine:
            return await engine.solve("2+2?", strategy=SelfConsistency(n=2, stop="never"), budget=budget)

    run_replay(solve(Engine(Recorder(FakeBackend(replies), path))))
    whole = run_replay(solve(Engine(load_backend(f"replay:{path}"))))
    cut = run_replay(solve(Engine(load_backend(f"replay:{path}")), Budget(seconds=4500)))
    assert (whole.seconds, whole.usage.generated, whole.stop_reason) == (9000.0, 32, "finished")
    assert (cut.seconds, cut.answer, cut.stop_reason) == (4500.0, "4", "budget")
    assert (cut.usage.generated, cut.usage.cancelled) == (16, 8)


async def test_on_an_ordinary_loop_a_replay_takes_real_time(tmp_path: Path) -> None:
    async with replay_of(tmp_path, [sample(0, "abcd", seconds=0.05)]) as backend:
        began = now()
        await ask(backend, asking(0))
        assert now() - began >= 0.049


# ── which sample ──────────────────────────────────────────────────────────────────────────────────────────


async def texts(backend: ReplayBackend, *seeds: int) -> list[str]:
    return [one.text for one in await ask(backend, asking(*seeds))]


@virtual
async def test_a_recorded_seed_gets_its_sample_and_others_what_is_left_in_order(four: ReplayBackend) -> None:
    async with four:
        assert await texts(four, 90, 2, 91) == ["abcd", "hi", "efg"]
        assert await texts(four, 91, 90) == ["efg", "abcd"]
        assert await texts(four, 0) == ["j"]  # its own has been dealt: never the same sample twice


@virtual
async def test_a_new_deal_has_every_sample_again(four: ReplayBackend) -> None:
    async with four:
        assert await texts(four, 90, 91, 92, 93) == ["abcd", "efg", "hi", "j"]
        four.deal()
        assert await texts(four, 93, 92) == ["abcd", "efg"]


@virtual
async def test_an_order_shuffles_without_repeating(four: ReplayBackend) -> None:
    async with four:
        seen = set[tuple[str, ...]]()
        for order in range(20):
            four.deal(order)
            dealt = await texts(four, 0, 1, 2, 3)
            assert sorted(dealt) == ["abcd", "efg", "hi", "j"]
            assert not four.capabilities.seeds  # a seed no longer says which sample it is
            four.deal(order)
            assert await texts(four, 0, 1, 2, 3) == dealt
            seen.add(tuple(dealt))
    assert len(seen) > 5


@virtual
async def test_no_deal_begins_while_samples_run(four: ReplayBackend) -> None:
    with pytest.raises(BackendError, match="not open"):
        four.deal()
    async with four:
        generation = four.generate(asking(0))
        with pytest.raises(BackendError, match="samples still run"):
            four.deal()
        await generation.aclose()
        four.deal()


@virtual
async def test_a_greedy_sample_can_be_had_any_number_of_times(tmp_path: Path) -> None:
    greedy = Sampling(temperature=0.0, max_tokens=50)
    with Bank(tmp_path / "bank") as bank:
        fill(
            bank,
            [sample(0, "a", reason="length", max_tokens=1), sample(1, "abcd")],
            settings=Settings.of(greedy),
        )
    async with ReplayBackend(str(tmp_path / "bank")) as backend:
        seen = await ask(backend, asking(5, 6, 7, sampling=greedy))
    assert [one.text for one in seen] == ["abcd"] * 3


# ── what is not there ─────────────────────────────────────────────────────────────────────────────────────


async def refusal(backend: ReplayBackend, request: Request) -> str:
    seen = await ask(backend, request)
    assert {one.finish_reason for one in seen} == {"error"}
    assert {one.usage.generated for one in seen} == {0}
    (message,) = {one.error for one in seen}
    assert backend.refusals[-1] == message
    return message or ""


@virtual
async def test_more_samples_than_were_recorded_are_refused(four: ReplayBackend) -> None:
    async with four:
        message = await refusal(four, asking(*range(10, 16)))
        assert "holds 4 whole samples of this prompt, and 6 were asked for" in message
        assert await texts(four, 10, 11, 12) == ["abcd", "efg", "hi"]
        assert "holds 4 whole samples of this prompt, and 5 were asked for" in await refusal(
            four, asking(13, 14)
        )
        assert await texts(four, 13) == ["j"]


@virtual
async def test_stopped_and_failed_samples_are_dealt_to_nobody_else(tmp_path: Path) -> None:
    samples = [sample(0, "ab", reason="abort"), sample(1, "efg"), sample(2, "h", reason="error")]
    async with replay_of(tmp_path, samples) as backend:
        message = await refusal(backend, asking(10, 11))
        assert "holds 1 whole samples of this prompt (and 2 that were stopped or failed), and 2 were" in message
        assert await texts(backend, 10) == ["efg"]
        (failed,) = await ask(backend, asking(2))
        assert failed.error == "when this was recorded, the sample failed: out of memory"


@virtual
async def test_a_beginning_fails_where_it_would_have_to_go_on_and_not_before(tmp_path: Path) -> None:
    stopped = sample(0, "ab", reason="abort", seconds=2.5)
    async with replay_of(tmp_path, [stopped]) as backend:
        generation = backend.generate(asking(0, stream=True))
        await asyncio.sleep(2.5)
        generation.abort()
        (again,) = await follow(generation, 1)
        assert (again.text, again.finish_reason, again.usage.generated) == ("ab", "abort", 2)
        (further,) = await ask(backend, asking(0, stream=True))
        assert (further.text, further.finish_reason, further.usage.generated) == ("ab", "error", 2)
        assert "holds 2 tokens, because it was stopped there, and up to 50 were asked for" in (
            further.error or ""
        )
        (short,) = await ask(backend, asking(0, sampling=replace(WARM, max_tokens=2)))
        assert (short.text, short.finish_reason) == ("ab", "length")


@virtual
async def test_a_lower_limit_cuts_a_sample_and_a_higher_one_is_refused(tmp_path: Path) -> None:
    samples = [
        sample(0, "abcd", reason="length", max_tokens=4),
        sample(1, "efgh", reason="length", max_tokens=50),
    ]
    async with replay_of(tmp_path, samples) as backend:
        (cut,) = await ask(backend, asking(0, sampling=replace(WARM, max_tokens=3)))
        assert (cut.text, cut.finish_reason, now()) == ("abc", "length", 3.0)
        (same,) = await ask(backend, asking(0, sampling=replace(WARM, max_tokens=4)))
        assert (same.text, same.finish_reason) == ("abcd", "length")
        (longer,) = await ask(backend, asking(0))
        assert "holds 4 tokens, the most it was allowed (max_tokens)" in (longer.error or "")
        (context,) = await ask(backend, asking(1, sampling=replace(WARM, max_tokens=90)))
        assert context.finish_reason == "length"  # it was the context that ended it, not its limit of 50


@virtual
async def test_other_settings_than_the_recorded_ones_are_refused(four: ReplayBackend) -> None:
    async with four:
        message = await refusal(four, asking(0, sampling=replace(WARM, temperature=0.5)))
    assert "holds 0 samples of this prompt at temperature=0.5; it has 4 at temperature=1.0" in message


@virtual
async def test_another_prompt_is_refused(four: ReplayBackend) -> None:
    async with four:
        assert four.encode(Prompt.user("How much?")) == ASKED
        assert four.count_tokens(Prompt.user("How much?")) == 3
        unknown = four.encode(Prompt.user("How much? "))
        message = await refusal(four, asking(0, prompt=unknown))
    assert "holds 0 samples of this prompt, 'How much? '; record it" in message


@virtual
async def test_fewer_logprobs_can_be_asked_for_and_more_cannot(four: ReplayBackend) -> None:
    async with four:
        (both,) = await ask(four, asking(3, sampling=replace(WARM, logprobs=2)))
        (one,) = await ask(four, asking(3, sampling=replace(WARM, logprobs=1)))
        (chosen,) = await ask(four, asking(3, sampling=replace(WARM, logprobs=0)))
        (none,) = await ask(four, asking(3))
        message = await refusal(four, asking(3, sampling=replace(WARM, logprobs=3)))
    assert both.top_logprobs == [{ord("j"): -0.5, 200: -1.5, 201: -1.0, 202: -0.25}]
    assert one.top_logprobs == [{202: -0.25, ord("j"): -0.5}]
    assert (chosen.logprobs, chosen.top_logprobs, none.logprobs) == ([-0.5], [], [])
    assert "holds samples of this prompt with logprobs=2, and logprobs=3 was asked for" in message


@virtual
async def test_nothing_is_replayed_before_the_start_and_after_the_end(four: ReplayBackend) -> None:
    assert "not running" in await refusal(four, asking(0))
    async with four:
        with pytest.raises(BackendError, match="started already"):
            await four.start()
    assert "not running" in await refusal(four, asking(0))
    await four.aclose()


# ── the prompt's price ────────────────────────────────────────────────────────────────────────────────────


async def prompts(backend: ReplayBackend, *seeds: int) -> list[tuple[int, int]]:
    seen = await ask(backend, asking(*seeds))
    return [(one.usage.prompt_computed, one.usage.prompt_cached) for one in seen]


@virtual
@pytest.mark.parametrize(("prefix_cache", "again"), [(False, (3, 0)), (True, (1, 2))])
async def test_a_prompt_is_computed_once_a_request_and_costs_less_where_it_is_cached(
    tmp_path: Path, prefix_cache: bool, again: tuple[int, int]
) -> None:
    samples = [sample(0, computed=3), sample(1, computed=0), sample(2, computed=1), sample(3, computed=0)]
    path = bank_file(tmp_path / "bank", samples, of=model(prefix_cache=prefix_cache))
    async with ReplayBackend(str(path)) as backend:
        assert await prompts(backend, 1, 3) == [(3, 0), (0, 3)]
        assert await prompts(backend, 0, 2) == [again, (0, 3)]
        backend.deal()
        assert await prompts(backend, 2) == [(3, 0)]


# ── plain pools ───────────────────────────────────────────────────────────────────────────────────────────


def plain_pool(path: Path, **others: object) -> str:
    rows = [
        {
            "benchmark": "b",
            "problem": 1,
            "sample": k,
            "target": "4",
            "prediction": said,
            "length": 100 * (k + 1),
        }
        for k, said in enumerate(["5", "4", None, "4"])
    ]
    path.write_text("".join(json.dumps({**row, **others}) + "\n" for row in rows))
    return str(path)


@pytest.mark.parametrize("asked", ["b/1", "1"])
def test_a_plain_pool_is_asked_by_problem_and_votes_on_its_predictions(tmp_path: Path, asked: str) -> None:
    async def solve() -> Outcome:
        backend = load_backend(f"replay:{plain_pool(tmp_path / 'pool.jsonl')}", {"tokens_per_second": 10.0})
        async with Engine(backend) as engine:
            return await engine.solve(asked, strategy=SelfConsistency(n=4, stop="never", temperature=0.3))

    outcome = run_replay(solve())
    assert (outcome.answer, outcome.seconds) == ("4", 40.0)
    assert outcome.confidence == pytest.approx(2 / 3)
    assert (outcome.usage.tokens, outcome.usage.calls) == (1000, 4)


def test_a_plain_pool_is_asked_by_question_and_what_is_added_to_it(tmp_path: Path) -> None:
    path = plain_pool(tmp_path / "pool.jsonl", question="What is\n2+2?")

    async def solve() -> list[str | None]:
        async with Engine(load_backend(f"replay:{path}")) as engine:
            questions = ["What is\n2+2?", "What is\n2+2?\nPut it in a box.", "b/1", "What is"]
            strategy = SelfConsistency(n=4, stop="never")
            return [(await engine.solve(question, strategy=strategy)).answer for question in questions]

    assert run_replay(solve()) == ["4", "4", "4", None]


@virtual
async def test_a_stopped_sample_of_a_plain_pool_has_tokens_and_no_answer_yet(tmp_path: Path) -> None:
    path = plain_pool(tmp_path / "pool.jsonl")
    async with ReplayBackend(path, tokens_per_second=100.0) as backend:
        whole = Sampling(temperature=1.0, max_tokens=400)
        generation = backend.generate(asking(0, 1, prompt=Prompt.user("b/1"), sampling=whole))
        await asyncio.sleep(1.5)
        generation.abort()
        done, stopped = await follow(generation, 2)
    assert (done.text, done.usage.generated) == ("\\boxed{5}", 100)
    assert (stopped.text, stopped.finish_reason, stopped.usage.generated) == ("", "abort", 150)


def test_a_run_that_asks_a_plain_pool_for_too_much_fails_and_says_so(tmp_path: Path) -> None:
    async def solve() -> Outcome:
        async with Engine(load_backend(f"replay:{plain_pool(tmp_path / 'pool.jsonl')}")) as engine:
            problem = Problem(id="x", prompt=Prompt.user("b/1"))
            return await engine.solve(problem, strategy=SelfConsistency(n=16))

    outcome = run_replay(solve())
    assert outcome.stop_reason == "error"
    assert "holds 4 whole samples of this prompt, and 16 were asked for" in (outcome.error or "")


# ── choosing the model ────────────────────────────────────────────────────────────────────────────────────


@virtual
async def test_of_several_models_one_must_be_chosen(tmp_path: Path) -> None:
    with Bank(tmp_path / "bank") as bank:
        fill(bank, [sample(0, "one")], of=model("dir/one"))
        fill(bank, [sample(0, "two")], of=model("dir/two"))
    for recorded, message in (
        (None, r"samples of 2 models: 'dir/one' \(of dir/o\), .*recorded=NAME"),
        ("three", r"no model called 'three'; it holds 'dir/one'"),
        ("of", r"several models called 'of'"),
    ):
        with pytest.raises(ConfigError, match=message):
            await ReplayBackend(str(tmp_path / "bank"), recorded=recorded).start()
    for name in ("two", "dir/two", "of dir/two"):
        async with ReplayBackend(str(tmp_path / "bank"), recorded=name) as backend:
            assert await texts(backend, 0) == ["two"]
            assert backend.profile == model("dir/two").profile


@virtual
async def test_a_recording_can_do_what_was_recorded(four: ReplayBackend, tmp_path: Path) -> None:
    assert not four.capabilities.names()
    async with four:
        assert four.capabilities.names() == {"token_ids", "logprobs", "max_top_logprobs", "seeds", "stream"}
        assert four.capabilities.max_top_logprobs == 2
        assert four.decode((ord("h"), ord("i"), 9999)) == "hi"
    async with ReplayBackend(plain_pool(tmp_path / "pool.jsonl")) as plain:
        assert not plain.capabilities.names()
        assert plain.profile.context_length == 401
        assert plain.count_tokens(Prompt.user("A question of any length?")) == 1


@virtual
async def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no data file"):
        await ReplayBackend(str(tmp_path / "none.jsonl")).start()


def test_wrong_options_are_refused_at_once() -> None:
    with pytest.raises(ParameterError, match="tokens_per_second must be > 0, got 0"):
        load_backend("replay:x", {"tokens_per_second": 0})
    with pytest.raises(ConfigError, match="no column for 'gold'"):
        load_backend("replay:x", {"columns": {"gold": "target"}})
