"""What a replay says of its recording to whoever compares strategies on it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.bank_samples import bank_file, fill, sample
from tests.unit.test_replay_backend import WARM, ask, asking, plain_pool, texts
from ttscale.backends.replay import ReplayBackend
from ttscale.bank import Bank, RecordedSample, SampleHead, Settings
from ttscale.errors import BackendError
from ttscale.testing import virtual_clock as virtual
from ttscale.types import Prompt


@virtual
async def test_what_was_recorded_of_a_prompt_can_be_looked_up_in_any_order(tmp_path: Path) -> None:
    async with ReplayBackend(plain_pool(tmp_path / "pool.jsonl")) as backend:
        found = backend.recordings(Prompt.user("b/1"))
        assert found is not None
        assert backend.recordings(Prompt.user("b/2")) is None
        orders = [found.dealt(order) for order in (None, 1, 1, 2, 3)]
        assert orders[0] == [0, 1, 2, 3]
        assert orders[1] == orders[2]
        assert len({tuple(order) for order in orders}) > 2
        assert {tuple(sorted(order)) for order in orders} == {(0, 1, 2, 3)}
        takes = [backend.whole(found, draw) for draw in found.whole]
        assert [(taken.num_tokens, taken.finish_reason) for taken in takes] == [
            (100, "stop"),
            (200, "stop"),
            (300, "stop"),
            (400, "stop"),
        ]
        backend.deal(7)
        request = asking(0, 1, 2, prompt=Prompt.user("b/1"), sampling=replace(WARM, max_tokens=400))
        said = [one.text for one in await ask(backend, request)]
        assert said == [takes[draw].sample.shown for draw in found.dealt(7)[:3]]
    for look in (lambda: backend.recordings(Prompt.user("b/1")), lambda: backend.whole(found, 0)):
        with pytest.raises(BackendError, match="not running"):
            look()


@virtual
async def test_the_settings_with_most_whole_samples_are_looked_up(tmp_path: Path) -> None:
    with Bank(tmp_path / "bank") as bank:
        fill(bank, [sample(0, "ab"), sample(1, "cd", reason="abort"), sample(2, "ef", reason="abort")])
        fill(bank, [sample(0, "gh"), sample(1, "ij")], settings=Settings(temperature=0.5))
    async with ReplayBackend(str(tmp_path / "bank")) as backend:
        found = backend.recordings(Prompt.user("How much?"))
        assert found is not None
        assert [backend.whole(found, draw).sample.text for draw in found.whole] == ["gh", "ij"]
        assert found.first_prompt.prompt_computed == 3


@virtual
@pytest.mark.parametrize(("most", "reads"), [(2_000_000, 4), (40, 12)])
async def test_a_sample_is_read_once_unless_they_do_not_fit_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int, reads: int
) -> None:
    read, draws = Bank.sample, list[int]()

    def counted(bank: Bank, key: str, head: SampleHead) -> RecordedSample:
        draws.append(head.draw)
        return read(bank, key, head)

    monkeypatch.setattr(Bank, "sample", counted)
    monkeypatch.setattr("ttscale.backends.replay.backend._MAX_KEPT_VALUES", most)
    path = bank_file(
        tmp_path / "bank", [sample(at, text) for at, text in enumerate(["abcd", "efg", "hi", "j"])]
    )
    async with ReplayBackend(str(path)) as backend:
        for _ in range(3):
            backend.deal()
            assert await texts(backend, 90, 91, 92, 93) == ["abcd", "efg", "hi", "j"]
    assert len(draws) == reads
