"""Groups of prompts with one shared prefix each, against the worked numbers and the formula itself."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ttscale.scheduling import PrefixGroup, prefix_groups


def tokens(text: str) -> list[int]:
    return [ord(letter) for letter in text]


def formula(prompts: Sequence[Sequence[int]], depth: int = 0) -> int:
    """Return f of the prefix of this length, which all of these prompts share, token by token."""
    ahead = {prompt[depth] for prompt in prompts if len(prompt) > depth}
    below = [
        [prompt for prompt in prompts if len(prompt) > depth and prompt[depth] == token] for token in ahead
    ]
    return max((len(prompts) - 1) * depth, sum(formula(part, depth + 1) for part in below)) if prompts else 0


@pytest.mark.parametrize(
    ("prompts", "groups", "saved"),
    [
        (["AAAB1", "AAAB2", "AAAC1"], [PrefixGroup((0, 1, 2), 3)], 6),
        (["AAABBBBBBB1", "AAABBBBBBB2", "AAAC1"], [PrefixGroup((0, 1), 10), PrefixGroup((2,), 0)], 10),
    ],
)
def test_the_worked_groups(prompts: list[str], groups: list[PrefixGroup], saved: int) -> None:
    found = prefix_groups([tokens(prompt) for prompt in prompts])
    assert list(found) == groups
    assert sum(group.saved_tokens for group in found) == saved


def test_groups_come_in_the_order_of_their_first_prompts() -> None:
    found = prefix_groups([tokens(prompt) for prompt in ("ba", "ab", "bc", "ad", "x")])
    assert [group.members for group in found] == [(0, 2), (1, 3), (4,)]


def test_equal_prompts_share_all_and_strangers_nothing() -> None:
    assert prefix_groups([[1, 2], [1, 2], [1, 2]]) == (PrefixGroup((0, 1, 2), 2),)
    assert prefix_groups([[1], [2]]) == (PrefixGroup((0,), 0), PrefixGroup((1,), 0))
    assert prefix_groups([[], []]) == (PrefixGroup((0,), 0), PrefixGroup((1,), 0))
    assert prefix_groups([]) == ()


def test_thousands_of_tokens_deep_is_no_trouble() -> None:
    nested = [[7] * length for length in range(1, 400)]
    assert sum(group.saved_tokens for group in prefix_groups(nested)) > 0
    assert prefix_groups([[7] * 5000, [7] * 5000]) == (PrefixGroup((0, 1), 5000),)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.lists(st.integers(0, 2), max_size=6), max_size=9))
def test_groups_save_what_the_formula_says_and_hold_every_prompt_once(prompts: list[list[int]]) -> None:
    found = prefix_groups(prompts)
    assert sum(group.saved_tokens for group in found) == formula(prompts)
    assert sorted(place for group in found for place in group.members) == list(range(len(prompts)))
    for group in found:
        assert len({tuple(prompts[place][: group.prefix_length]) for place in group.members}) == 1
