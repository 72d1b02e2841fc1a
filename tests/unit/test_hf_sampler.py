"""Drawing tokens in the embedded backend: the right distribution, and each row on its own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from ttscale.backends.hf.sample import Token
from ttscale.backends.hf.sampler import Sampler, mix, uniforms
from ttscale.types import Sampling

CPU = torch.device("cpu")


def logits_of(probabilities: Sequence[float]) -> Tensor:
    return torch.tensor(probabilities, dtype=torch.float32).log()


def draw(logits: Tensor, sampling: Sampling, num_rows: int, position: int = 0) -> list[int]:
    """Draw from the same logits with seeds 0, 1, 2 …"""
    sampler = Sampler([sampling] * num_rows, range(num_rows), CPU)
    tokens = sampler.draw(logits.expand(num_rows, -1).contiguous(), [position] * num_rows)
    return [token.token_id for token in tokens if token is not None]


def frequencies(token_ids: Sequence[int], size: int) -> list[float]:
    counts = np.bincount(token_ids, minlength=size) / len(token_ids)
    return [float(count) for count in counts]


def random_logits(num_rows: int, size: int) -> Tensor:
    return torch.randn(num_rows, size, generator=torch.Generator().manual_seed(0)) * 2


def test_the_mixer_is_splitmix64() -> None:
    golden = np.uint64(0x9E3779B97F4A7C15)
    states = np.array([golden, golden], dtype=np.uint64) * np.array([1, 2], dtype=np.uint64)
    # the first two outputs of the published generator from state 0
    assert [int(word) for word in mix(states)] == [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4]


def test_random_numbers_fill_the_unit_interval_evenly_along_a_stream_and_across_seeds() -> None:
    along = uniforms(mix(np.zeros(20_000, dtype=np.uint64)), np.arange(20_000))
    across = uniforms(mix(np.arange(20_000, dtype=np.uint64)), np.zeros(20_000, dtype=np.int64))
    for numbers in (along, across):
        assert numbers.min() >= 0
        assert numbers.max() < 1
        counts, _ = np.histogram(numbers, bins=20, range=(0, 1))
        assert abs(counts - 1000).max() < 160
        assert abs(np.corrcoef(numbers[:-1], numbers[1:])[0, 1]) < 0.03


def test_tokens_come_as_often_as_the_model_says() -> None:
    wanted = [0.5, 0.3, 0.15, 0.05]
    drawn = frequencies(draw(logits_of(wanted), Sampling(), 20_000), 4)
    assert drawn == pytest.approx(wanted, abs=0.012)


def test_temperature_sharpens_the_distribution() -> None:
    powers = np.array([0.5, 0.3, 0.2]) ** 2
    drawn = frequencies(draw(logits_of([0.5, 0.3, 0.2]), Sampling(temperature=0.5), 20_000), 3)
    assert drawn == pytest.approx(list(powers / powers.sum()), abs=0.012)


@pytest.mark.parametrize(
    ("sampling", "wanted"),
    [
        (Sampling(top_k=2), [0.0, 0.625, 0.0, 0.375]),
        (Sampling(top_k=1), [0.0, 1.0, 0.0, 0.0]),
        (Sampling(top_p=0.49), [0.0, 1.0, 0.0, 0.0]),
        (Sampling(top_p=0.51), [0.0, 0.625, 0.0, 0.375]),
        (Sampling(top_p=0.79), [0.0, 0.625, 0.0, 0.375]),
        (Sampling(top_p=1e-9), [0.0, 1.0, 0.0, 0.0]),
        (Sampling(top_p=0.62, top_k=2), [0.0, 1.0, 0.0, 0.0]),  # 0.5 of the 0.8 that top_k leaves is 0.625
        (Sampling(top_p=1.0, top_k=100), [0.05, 0.5, 0.15, 0.3]),
    ],
    ids=str,
)
def test_unlikely_tokens_are_cut_off(sampling: Sampling, wanted: list[float]) -> None:
    drawn = frequencies(draw(logits_of([0.05, 0.5, 0.15, 0.3]), sampling, 20_000), 4)
    assert drawn == pytest.approx(wanted, abs=0.012)
    assert [share > 0 for share in drawn] == [share > 0 for share in wanted]


def test_a_wide_nucleus_of_a_large_vocabulary_is_drawn_whole_and_no_further() -> None:
    # 1500 equal tokens and 500 next to impossible ones: nine tenths are 1350 of the equal ones
    logits = torch.where(torch.arange(2000) < 1500, 0.0, -12.0)
    drawn = draw(logits, Sampling(top_p=0.9), 1000)
    assert len(drawn) == 1000
    assert len(set(drawn)) > 600
    assert max(drawn) < 1500
    assert 1024 < len(set(draw(logits, Sampling(top_k=1400), 4000))) <= 1400


@pytest.mark.parametrize("temperature", [0.0, 1e-7])
def test_temperature_zero_takes_the_most_likely_token(temperature: float) -> None:
    assert set(draw(logits_of([0.2, 0.5, 0.3]), Sampling(temperature=temperature), 50)) == {1}


MIXED = [
    Sampling(),
    Sampling(temperature=0.0),
    Sampling(temperature=0.7, top_p=0.9),
    Sampling(top_k=5),
    Sampling(top_k=100, top_p=0.5),
    Sampling(logprobs=3),
    Sampling(temperature=2.0, logprobs=0),
]


def test_a_row_draws_the_same_token_whatever_the_other_rows_are() -> None:
    logits = random_logits(len(MIXED), 2000)
    together = Sampler(MIXED, range(len(MIXED)), CPU).draw(logits, [4] * len(MIXED))
    alone = [
        Sampler([sampling], [seed], CPU).draw(logits[seed : seed + 1], [4])[0]
        for seed, sampling in enumerate(MIXED)
    ]
    assert together == alone


def test_another_seed_or_position_draws_another_token() -> None:
    logits = torch.zeros(1, 100_000)
    sampler = Sampler([Sampling()], [3], CPU)
    stream = [sampler.draw(logits, [position])[0] for position in range(5)]
    assert len({token.token_id for token in stream if token}) == 5
    assert Sampler([Sampling()], [4], CPU).draw(logits, [0])[0] != stream[0]


def test_logprobs_are_those_of_the_raw_logits_of_the_chosen_and_the_most_likely_tokens() -> None:
    logits = random_logits(2, 50)
    wanted = logits.log_softmax(-1)
    samplings = [Sampling(temperature=0.3, top_k=4, logprobs=3), Sampling(logprobs=0)]
    first, second = Sampler(samplings, [0, 1], CPU).draw(logits, [0, 0])
    assert first is not None
    assert second is not None
    assert first.logprob == pytest.approx(float(wanted[0, first.token_id]), abs=1e-5)
    values, ids = wanted[0].topk(3)
    assert first.top_logprobs is not None
    assert list(first.top_logprobs) == ids.tolist()
    assert list(first.top_logprobs.values()) == pytest.approx(values.tolist(), abs=1e-5)
    assert second.logprob == pytest.approx(float(wanted[1, second.token_id]), abs=1e-5)
    assert second.top_logprobs is None


def test_tokens_carry_no_logprobs_unless_asked() -> None:
    (token,) = Sampler([Sampling()], [0], CPU).draw(logits_of([0.0, 1.0])[None], [0])
    assert token == Token(token_id=1)


@pytest.mark.parametrize("broken", [float("nan"), float("inf")])
def test_a_row_of_broken_numbers_gives_no_token_and_harms_no_other(broken: float) -> None:
    logits = random_logits(3, 40)
    whole = Sampler([Sampling()] * 3, range(3), CPU).draw(logits, [0] * 3)
    logits[1, 7] = broken
    drawn = Sampler([Sampling()] * 3, range(3), CPU).draw(logits, [0] * 3)
    assert drawn == [whole[0], None, whole[2]]


def test_a_token_that_the_model_rules_out_is_never_drawn() -> None:
    assert set(draw(logits_of([0.5, 0.0, 0.5]), Sampling(), 2000)) == {0, 2}
