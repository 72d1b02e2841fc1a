"""Samples of a real model are recorded, and replayed at no cost with the same outcome."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from ttscale import Engine, Outcome
from ttscale.backends.hf import HFBackend
from ttscale.backends.replay import ReplayBackend
from ttscale.bank import Bank, Recorder, export_pool, run_replay, summarise
from ttscale.bank.vocabulary import token_ends
from ttscale.reference import ABACUS_PATH
from ttscale.strategies import SelfConsistency
from ttscale.testing import BlockingWorkers, VirtualEngine, check_backend

pytestmark = pytest.mark.integration

QUESTIONS = ("Calculate 4821 - 973 + 6205 - 118.", "Calculate 17 + 23 * 2.", "Calculate 90 - 14 * 3.")


def recorder(path: Path, *, reuse: bool = False) -> Recorder:
    return Recorder(HFBackend(str(ABACUS_PATH), device="cpu"), path, reuse=reuse)


async def solve(engine: Engine, strategy: SelfConsistency) -> list[Outcome]:
    async with engine, asyncio.TaskGroup() as group:
        tasks = [group.create_task(engine.solve(question, strategy=strategy)) for question in QUESTIONS]
        await asyncio.wait(tasks)
    return [task.result() for task in tasks]


async def test_a_recorder_over_a_real_model_keeps_the_backend_contract(tmp_path: Path) -> None:
    checked = await check_backend(lambda: recorder(tmp_path / "bank"), prompt=QUESTIONS[0])
    assert len(checked) >= 20


@pytest.mark.parametrize("form", ["bank", "jsonl.gz"])
def test_a_replay_of_a_real_recording_gives_the_same_and_stopping_early_saves(
    tmp_path: Path, form: str
) -> None:
    path = tmp_path / "bank"
    whole = SelfConsistency(n=16, stop="never", max_tokens=120)
    recorded = asyncio.run(solve(Engine(recorder(path)), whole))
    with Bank(path, writable=False) as bank:
        (summary,) = summarise(bank)
        assert [(group.num_prompts, group.min_samples) for group in summary.groups] == [(3, 16)]
        vocabulary = bank.vocabulary(summary.fingerprint)
        samples = [sample for series in bank.series() for sample in bank.samples(series.key)]
        assert all(token_ends(one.text or "", one.token_ids, vocabulary) for one in samples)
        if form != "bank":
            path = tmp_path / f"pool.{form}"
            export_pool(bank, path)

    with BlockingWorkers() as workers:

        def replay(strategy: SelfConsistency) -> list[Outcome]:
            return run_replay(solve(VirtualEngine(ReplayBackend(str(path)), workers), strategy))

        replayed = replay(whole)
        stopped = replay(SelfConsistency(n=16, stop="decided", max_tokens=120))
    assert [one.usage for one in replayed] == [one.usage for one in recorded]
    assert [one.candidates for one in replayed] == [one.candidates for one in recorded]
    assert [one.answer for one in stopped] == [one.answer for one in recorded]
    assert sum(one.usage.tokens for one in stopped) < sum(one.usage.tokens for one in recorded)
    assert sum(one.seconds for one in stopped) < sum(one.seconds for one in replayed)


def test_a_greater_n_on_a_real_model_draws_only_what_is_missing_and_comes_to_the_same(tmp_path: Path) -> None:
    few, many = (SelfConsistency(n=n, stop="never", max_tokens=60) for n in (4, 7))
    first = asyncio.run(solve(Engine(recorder(tmp_path / "bank")), few))
    raising = recorder(tmp_path / "bank", reuse=True)
    raised = asyncio.run(solve(Engine(raising), many))
    anew = asyncio.run(solve(Engine(recorder(tmp_path / "other")), many))
    assert [one.candidates for one in raised] == [one.candidates for one in anew]
    assert [one.usage.tokens for one in raised] == [one.usage.tokens for one in anew]
    assert (raising.num_reused, raising.num_recorded) == (4 * len(QUESTIONS), 3 * len(QUESTIONS))
    assert [one.usage.reused for one in raised] == [one.usage.generated for one in first]
    with Bank(tmp_path / "bank", writable=False) as held, Bank(tmp_path / "other", writable=False) as fresh:
        assert held.num_samples() == fresh.num_samples() == 7 * len(QUESTIONS)
        for series in fresh.series():
            drawn = {one.head.seed: one.token_ids for one in fresh.samples(series.key)}
            assert {one.head.seed: one.token_ids for one in held.samples(series.key)} == drawn
