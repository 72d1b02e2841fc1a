"""`saturation`: as many samples as are worth it, told from a few."""

from __future__ import annotations

import pytest

from ttscale import registry
from ttscale.engine import Engine
from ttscale.errors import ParameterError
from ttscale.testing import FakeBackend, virtual_clock


@virtual_clock
@pytest.mark.parametrize(
    ("answers", "drawn"),
    [
        ((1, 1, 1, 1), 4),  # p = 1: one is enough
        ((1, 1, 1, 2), 4),  # p = .75: ln(.01/.75) / ln(.25) = 3.1
        ((1, 1, 2, 3), 6),  # p = .5: ln(.02) / ln(.5) = 5.6
        ((1, 2, 3, 4), 16),  # no two agree: p = 0
    ],
)
async def test_the_pilots_tell_how_many_samples_are_worth_it(answers: tuple[int, ...], drawn: int) -> None:
    backend = FakeBackend([*(f"\\boxed{{{answer}}}" for answer in answers), *["\\boxed{2}"] * 12])
    async with Engine(backend) as engine:
        outcome = await engine.solve("How much?", strategy=registry.create_strategy("saturation"))
    assert len(backend.records) == drawn
    assert len(outcome.candidates) == drawn  # the pilots vote too
    assert outcome.answer == ("1" if drawn == 4 else "2")
    assert outcome.stop_reason == ("finished" if drawn == 16 else "decided")


@virtual_clock
async def test_a_greater_gain_wanted_and_fewer_questions_solvable_stop_earlier() -> None:
    for params, drawn in (("epsilon=0.1", 4), ("epsilon=0.0001", 13), ("epsilon=0.0001,f_max=0.01", 6)):
        backend = FakeBackend([f"\\boxed{{{answer}}}" for answer in (1, 1, 2, 3)] + ["\\boxed{2}"] * 12)
        async with Engine(backend) as engine:
            await engine.solve("How much?", strategy=registry.create_strategy(f"saturation:{params}"))
        assert len(backend.records) == drawn


@pytest.mark.parametrize("params", ["pilots=1", "n=3", "epsilon=0", "f_max=2", "n=0"])
def test_options_that_make_no_sense_are_refused(params: str) -> None:
    with pytest.raises(ParameterError):
        registry.create_strategy(f"saturation:{params}")
