"""Cost formulas against numbers worked out by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from ttscale.backends import ModelProfile
from ttscale.budget import CostModel, Price, PriceTable, decode_bytes, forward_flops, positions_attended
from ttscale.errors import ConfigError
from ttscale.types import Usage

TINY = ModelProfile(
    name="tiny",
    num_parameters=1_000,
    num_layers=2,
    num_heads=2,
    num_kv_heads=1,
    head_dim=5,
    bytes_per_parameter=2.0,
)


@pytest.mark.parametrize(
    ("context", "new_tokens", "expected"),
    [(0, 0, 0), (0, 1, 1), (0, 4, 1 + 2 + 3 + 4), (10, 3, 11 + 12 + 13)],
)
def test_each_token_attends_to_those_before_it_and_itself(context: int, new_tokens: int, expected: int) -> None:
    assert positions_attended(context, new_tokens) == expected


def test_forward_flops_are_two_per_parameter_and_token_plus_attention() -> None:
    # linear 2·1000·3 = 6000; attention 4·(2·2·5)·(11+12+13) = 80·36 = 2880
    assert forward_flops(TINY, context=10, new_tokens=3) == 6000 + 2880


def test_splitting_a_text_anywhere_does_not_change_its_flops() -> None:
    whole = forward_flops(TINY, context=0, new_tokens=9)
    first, rest = (forward_flops(TINY, context=c, new_tokens=n) for c, n in ((0, 4), (4, 5)))
    assert whole is not None
    assert first is not None
    assert rest is not None
    assert whole == first + rest


def test_unknown_geometry_leaves_attention_out_and_unknown_size_is_unknown() -> None:
    assert forward_flops(ModelProfile(name="m", num_parameters=10), context=5, new_tokens=2) == 40
    assert forward_flops(ModelProfile(name="m"), context=5, new_tokens=2) is None


def test_decoding_reads_weights_once_a_step_for_the_batch_and_each_cache_once() -> None:
    # KV bytes a token: 2·2·1·5·2 = 40; weights 1000·2·3/4 = 1500; caches 40·(11+12+13) = 1440
    assert TINY.kv_bytes_per_token == 40
    assert decode_bytes(TINY, context=10, new_tokens=3, batch=4) == 1500 + 1440
    assert decode_bytes(ModelProfile(name="m"), context=0, new_tokens=1) is None


def test_dollars_follow_the_price_per_million_and_the_cached_price() -> None:
    price = Price(prompt=2.0, prompt_cached=0.5, generated=10.0)
    assert price.usd(prompt_computed=1_000_000, prompt_cached=2_000_000, generated=100_000) == 4.0
    assert Price(prompt=2.0, generated=1.0).usd(prompt_computed=0, prompt_cached=500_000, generated=0) == 1.0


def test_a_cost_model_fills_in_flops_and_dollars_and_leaves_the_unknown_unknown() -> None:
    usage = Usage(prompt_computed=4, generated=5)
    priced = CostModel(profile=TINY, price=Price(prompt=1e6, generated=2e6)).priced(
        usage, prompt_computed=4, prompt_cached=0, generated=5
    )
    assert priced.flops == forward_flops(TINY, context=0, new_tokens=9)
    assert priced.usd == 14.0
    unknown = CostModel(profile=ModelProfile(name="m")).priced(
        usage, prompt_computed=4, prompt_cached=0, generated=5
    )
    assert (unknown.flops, unknown.usd) == (None, None)


def test_unknown_stays_unknown_in_sums() -> None:
    assert (Usage(flops=None) + Usage(flops=1.0)).flops is None
    assert (Usage(usd=0.5) + Usage(usd=1.0)).usd == 1.5


def test_a_price_table_is_read_and_a_broken_one_is_named(tmp_path: Path) -> None:
    path = tmp_path / "prices.yaml"
    path.write_text("date: '2026-11-01'\nmodels: {m: {prompt: 1, generated: 2}}\n")
    assert PriceTable.read(path).models["m"].generated == 2
    path.write_text("date: 2026-11-01\nmodels: {}\n")
    assert PriceTable.read(path).date == "2026-11-01"  # YAML makes a date of it


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("models: {m: {prompt: cheap, generated: 1}}", "date"),
        ("date: '2026'\nmodels: {m: {prompt: cheap, generated: 1}}", r"models\.m\.prompt"),
        ("date: '2026'\nmodels: {m: {prompt: -1, generated: 1}}", r"models\.m\.prompt"),
        ("a: [", "not YAML"),
        ("just text", "it"),
    ],
)
def test_a_broken_price_table_is_named_with_what_is_wrong_in_one_line(
    tmp_path: Path, text: str, named: str
) -> None:
    path = tmp_path / "prices.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=rf"prices\.yaml.*{named}") as caught:
        PriceTable.read(path)
    assert "\n" not in str(caught.value)
