"""What the papers measure of a trace, each by its own definition."""

from __future__ import annotations

import pytest

from ttscale_strategies.threads.rules import (
    ParallelBlock,
    apr_tokens,
    multiverse_parallelism,
    speed_up,
    token_latency,
)

TRACE = (
    "a b c <Parallel> <Outlines> <Outline> 1: x </Outline> <Outline> 2: y </Outline> </Outlines> "
    "<Thread> 1: p q r s </Thread> <Thread> 2: t </Thread> </Parallel> d e"
)


def test_threadweavers_example_has_28_tokens_and_a_latency_of_26() -> None:
    found = token_latency(TRACE)
    assert (found.outside, found.blocks) == (7, (ParallelBlock(14, (5, 2)),))
    assert (found.total, found.latency) == (28, 26)
    assert found.acceleration_ratio == pytest.approx(0.0714, abs=1e-4)
    assert found.self_speed_up == pytest.approx(28 / 26)


@pytest.mark.parametrize(
    ("text", "total", "latency"),
    [
        ("", 0, 0),
        ("a b", 2, 2),
        ("<Parallel> <Thread> <Thread> x </Parallel> </Thread> <Thread> y </Thread> </Parallel>", 10, 9),
        ("<Parallel> x </Thread> y </Parallel>", 5, 5),
        ("<Parallel> <Thread> a b </Thread> <Thread> c", 7, 6),
        ("<Parallel> <Thread> a", 3, 3),
        ("x </Parallel> y", 3, 3),
        ("<Parallel> <Thread> a b </Thread> </Parallel> m <Parallel> <Thread> c </Thread> </Parallel>", 12, 12),
    ],
)
def test_what_does_not_belong_is_text_or_sequential(text: str, total: int, latency: int) -> None:
    found = token_latency(text)
    assert (found.total, found.latency) == (total, latency)


def test_tokens_are_counted_as_the_tokenizer_counts_them() -> None:
    assert token_latency("ab<Parallel>c<Thread>de</Thread></Parallel>", len).latency == len(
        "ab<Parallel>c<Thread>de</Thread></Parallel>"
    )


def test_multiverse_takes_generated_over_critical_tokens() -> None:
    prefix, paths, conclusion = 10, (4, 8), 3
    generated, critical = prefix + sum(paths) + conclusion, prefix + max(paths) + conclusion
    assert (generated, critical) == (25, 21)
    assert multiverse_parallelism(generated, critical) == pytest.approx(1.19, abs=0.001)


def test_apr_counts_what_a_root_that_is_prompted_again_adds() -> None:
    found = apr_tokens(["pppaaaa", "ppprrbb", "ppprrbbc"], [[5, 9], []])
    assert (found.total, found.sequential) == (7 + 14 + 4 + 1, 7 + 9 + 4 + 1)


def test_apr_refuses_searches_of_no_turn() -> None:
    with pytest.raises(ValueError, match="2 turns"):
        apr_tokens(["a"], [[1], [1]])


def test_nothing_is_no_faster_than_nothing() -> None:
    assert speed_up(0, 0) == 1.0
