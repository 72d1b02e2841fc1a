"""UCT against the worked numbers, and values backed up the tree by hand."""

from __future__ import annotations

import math

import pytest

from ttscale_strategies.search.rules import Visits, backed_up, best_by_uct, sibling_priors, uct

VISITED = Visits(value_sum=2.1, num_visits=3)


def test_the_worked_bound_of_the_rebase_baseline() -> None:
    assert uct(VISITED, 10, exploration=1.0) == pytest.approx(1.576087, abs=1e-6)


def test_the_worked_bound_of_the_standard_search_with_a_prior() -> None:
    assert uct(Visits(1.8, 3), 10, prior=0.5) == pytest.approx(1.219487, abs=1e-6)


def test_a_child_nobody_looked_at_comes_first() -> None:
    assert uct(Visits(), 0) == math.inf
    assert uct(Visits(), 10, prior=0.0) == math.inf
    assert best_by_uct([VISITED, Visits(), Visits()], 4) == 1


def test_looks_on_their_way_lower_the_bound_but_not_the_mean() -> None:
    waiting = Visits(2.1, 3, num_pending=2)
    assert waiting.mean == pytest.approx(0.7)
    assert uct(waiting, 10, exploration=1.0) == pytest.approx(0.7 + math.sqrt(math.log(10) / 5))
    assert uct(waiting, 10, exploration=0.0) == pytest.approx(0.7)


def test_a_child_with_its_first_look_on_its_way_is_not_looked_at_for_ever() -> None:
    first_look = Visits(num_pending=1)
    assert uct(first_look, 4, exploration=1.0) == pytest.approx(math.sqrt(math.log(4)))
    assert best_by_uct([first_look, Visits()], 1) == 1


def test_ties_go_to_the_first() -> None:
    assert best_by_uct([VISITED, VISITED], 6) == 0
    assert best_by_uct([Visits(0.1, 1), VISITED, VISITED], 7, exploration=0.0) == 1


def test_a_prior_turns_the_choice() -> None:
    even = [VISITED, VISITED]
    assert best_by_uct(even, 6, priors=[0.4, 0.6]) == 1
    assert best_by_uct(even, 6, priors=[0.6, 0.4]) == 0


def test_priors_are_the_softmax_of_the_siblings_scores() -> None:
    first, second = sibling_priors([1.0, 0.0])
    assert first == pytest.approx(math.e / (math.e + 1))
    assert second == pytest.approx(1 / (math.e + 1))
    assert sibling_priors([0.3]) == [1.0]
    assert sibling_priors([]) == []
    assert sibling_priors([5000.0, 5000.0]) == [0.5, 0.5]


def test_values_count_at_their_node_and_at_all_above() -> None:
    parents = {"root": None, "a": "root", "b": "root", "aa": "a", "ab": "a"}
    visits = backed_up(parents, {"a": 0.5, "aa": 0.25, "ab": None, "b": 1.0})
    assert visits == {
        "root": Visits(1.75, 3, 1),
        "a": Visits(0.75, 2, 1),
        "b": Visits(1.0, 1),
        "aa": Visits(0.25, 1),
        "ab": Visits(0.0, 0, 1),
    }
    assert visits["root"].num_begun == 4


def test_a_broken_tree_is_refused() -> None:
    with pytest.raises(ValueError, match="'lost' is not in the tree"):
        backed_up({"a": "lost"}, {"a": 1.0})
    with pytest.raises(ValueError, match="'a' is below itself"):
        backed_up({"a": "b", "b": "a"}, {"a": 1.0})
    with pytest.raises(ValueError, match="value of node 'a' must be finite"):
        backed_up({"a": None}, {"a": math.nan})


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="num_visits must be >= 0"):
        Visits(0.0, -1)
    with pytest.raises(ValueError, match="num_pending must be >= 0"):
        Visits(0.0, 0, -1)
    with pytest.raises(ValueError, match="value_sum must be finite"):
        Visits(math.nan, 1)
    with pytest.raises(ValueError, match="value_sum of no visits must be 0"):
        Visits(0.5, 0)
    with pytest.raises(ValueError, match="num_parent_visits must be >= 1"):
        uct(VISITED, 0)
    with pytest.raises(ValueError, match="exploration must be >= 0"):
        uct(VISITED, 10, exploration=-1.0)
    with pytest.raises(ValueError, match="prior must be >= 0"):
        uct(VISITED, 10, prior=math.nan)
    with pytest.raises(ValueError, match="no best of no children"):
        best_by_uct([], 1)
    with pytest.raises(ValueError, match="priors need one value"):
        best_by_uct([VISITED], 4, priors=[0.5, 0.5])
    with pytest.raises(ValueError, match=r"scores\[1\] must be finite"):
        sibling_priors([0.0, math.inf])
