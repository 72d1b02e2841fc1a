"""Workspaces of parallel drafts, and rounds of messages: worked examples and edges."""

from __future__ import annotations

import pytest

from ttscale_strategies.refine.rules import (
    CallTokens,
    Distil,
    compacted,
    even_shares,
    fitted_drafts,
    num_message_calls,
    num_pdr_calls,
    picked_drafts,
    random_drafts,
    sequential_tokens,
    shuffled_references,
    top_drafts,
    total_tokens,
    usable_drafts,
)


def test_the_worked_token_counts() -> None:
    stages = [
        [CallTokens(100, 1000), CallTokens(100, 1200)],
        [CallTokens(2300, 200)],
        [CallTokens(300, 900)],
    ]
    assert sequential_tokens(stages) == 5000
    assert total_tokens(stages) == 6100
    assert sequential_tokens([[], *stages]) == 5000
    assert total_tokens([]) == sequential_tokens([]) == 0
    with pytest.raises(ValueError, match="generated must be >= 0"):
        CallTokens(1, -1)


@pytest.mark.parametrize(
    ("distil", "is_picked_by_model", "calls"),
    [
        ("global_summary", False, 32),
        ("shared_top_k", False, 29),
        ("random_k", False, 29),
        ("per_sample_top_k", False, 29),
        ("shared_top_k", True, 32),
        ("per_sample_top_k", True, 42),
    ],
)
def test_the_worked_call_counts(distil: Distil, is_picked_by_model: bool, calls: int) -> None:
    assert num_pdr_calls([16, 8, 4], distil, is_picked_by_model=is_picked_by_model) == calls


def test_without_rounds_there_is_one_call() -> None:
    assert num_pdr_calls([]) == 1
    with pytest.raises(ValueError, match=r"drafts_per_round\[1\] must be >= 1"):
        num_pdr_calls([4, 0])


def test_empty_and_cut_drafts_are_dropped() -> None:
    assert usable_drafts(["a", " \n", "", "b"]) == (0, 3)
    assert usable_drafts(["a", "b"], [True, False]) == (1,)
    assert usable_drafts([]) == ()
    with pytest.raises(ValueError, match="is_cut need one value a sample"):
        usable_drafts(["a"], [])


def test_the_best_drafts_are_shown_in_their_order() -> None:
    assert top_drafts([0.2, 0.9, None, 0.9, float("nan")], 2) == (1, 3)
    assert top_drafts([0.5, 0.5, 0.5], 2) == (0, 1)
    assert top_drafts([None, 0.1], 5) == (0, 1)
    with pytest.raises(ValueError, match="k must be >= 1"):
        top_drafts([0.1], 0)


def test_random_drafts_follow_from_the_seed_alone() -> None:
    assert random_drafts(8, 4, seed=3) == random_drafts(8, 4, seed=3)
    assert len({random_drafts(8, 4, seed=seed) for seed in range(50)}) > 20
    assert random_drafts(3, 4, seed=0) == (0, 1, 2)
    assert random_drafts(0, 4, seed=0) == ()


def test_picks_that_make_no_sense_are_mended() -> None:
    assert picked_drafts([3, 1], 4, 2) == (0, 2)
    assert picked_drafts([9, 0, -1, 4, 4], 4, 2) == (0, 3)
    assert picked_drafts([], 4, 2) == (0, 1)
    assert picked_drafts([1], 0, 2) == ()


@pytest.mark.parametrize(
    ("lengths", "capacity", "shares"),
    [
        ([5, 5], 20, (5, 5)),
        ([10, 10, 10], 11, (4, 4, 3)),
        ([100, 2, 100], 22, (10, 2, 10)),
        ([10, 20], 15, (7, 8)),
        ([10, 20], 0, (0, 0)),
        ([], 5, ()),
    ],
)
def test_drafts_share_the_workspace_evenly(lengths: list[int], capacity: int, shares: tuple[int, ...]) -> None:
    assert even_shares(lengths, capacity) == shares


def test_what_overflows_is_cut_at_the_end_asked_for() -> None:
    drafts = ["abcdef", "xy"]
    assert fitted_drafts(drafts, 5) == ("def", "xy")
    assert fitted_drafts(drafts, 5, keep="start") == ("abc", "xy")
    assert fitted_drafts(drafts, 0) == ("", "")
    assert fitted_drafts([(1, 2, 3)], 2) == ((2, 3),)
    with pytest.raises(ValueError, match="capacity must be >= 0"):
        fitted_drafts(drafts, -1)


def test_a_message_is_what_follows_the_last_thought() -> None:
    assert compacted(["a</think>b</think>C"]) == ("C",)
    assert compacted(["no thoughts"]) == ("no thoughts",)
    # a failed answer and one that never ends its thoughts with words send none
    assert compacted(["…</think>X", "", "thoughts</think> \n"]) == ("X",)


def test_references_are_ordered_by_length_and_shuffled_with_a_seed() -> None:
    messages = ["ccc", "a", "", "bb", "dddd"]
    shown = shuffled_references(messages)
    assert sorted(shown) == ["a", "bb", "ccc", "dddd"]
    assert shown == shuffled_references(messages[::-1])
    assert len({shuffled_references(messages, seed=seed) for seed in range(50)}) > 10
    assert shuffled_references([]) == ()


@pytest.mark.parametrize(("rounds", "calls"), [([4], 5), ([16], 17), ([32, 4], 37), ([], 1)])
def test_the_worked_call_counts_of_messages(rounds: list[int], calls: int) -> None:
    assert num_message_calls(rounds) == calls


def test_a_round_without_samples_is_refused() -> None:
    with pytest.raises(ValueError, match=r"samples_per_round\[0\] must be >= 1"):
        num_message_calls([0])
