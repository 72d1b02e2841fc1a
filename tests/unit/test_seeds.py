"""Derived seeds: stable, far apart, sensitive to every part of the path."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from ttscale.run import derive_seed

_PARTS = st.lists(st.one_of(st.integers(), st.text(max_size=5)), max_size=4)


def test_seeds_are_the_same_in_every_process_and_version() -> None:
    assert derive_seed(0, "question", 0) == 2051348116681370371


@given(left=_PARTS, right=_PARTS)
def test_different_paths_give_different_seeds(left: list[int | str], right: list[int | str]) -> None:
    assert (derive_seed(0, *left) == derive_seed(0, *right)) == (left == right)


@given(root=st.integers(), path=_PARTS)
def test_seeds_fit_a_signed_64_bit_integer(root: int, path: list[int | str]) -> None:
    assert 0 <= derive_seed(root, *path) < 2**63


def test_neighbouring_samples_are_far_apart() -> None:
    seeds = sorted(derive_seed(0, "question", index) for index in range(1000))
    assert min(after - before for before, after in itertools.pairwise(seeds)) > 1000
