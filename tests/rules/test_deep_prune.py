"""DeepPrune's greedy clustering, step by step, against the hand-computed example."""

from __future__ import annotations

import math
import random

import pytest

from ttscale_strategies.voting.rules import Clusters, compared_members, focal_loss, placed, traces_to_finish

JUDGED = {
    (1, 0): 0.9,
    (2, 0): 0.2,
    (2, 1): 0.3,
    (3, 0): 0.6,
    (3, 1): 0.3,
    (3, 2): 0.7,
    (4, 0): 0.4,
    (4, 1): 0.4,
    (4, 2): 0.45,
    (4, 3): 0.55,
}
STEPS: list[Clusters] = [
    ((0,),),
    ((0, 1),),
    ((0, 1), (2,)),  # (.2 + .3) / 2 = .25
    ((0, 1), (2, 3)),  # .45 against .7
    ((0, 1), (2, 3), (4,)),  # exactly .5 is not similar enough
]


def test_the_worked_example_step_by_step() -> None:
    rng = random.Random(0)
    clusters: Clusters = ()
    for trace, expected in enumerate(STEPS):
        compared = compared_members(clusters, 10, rng)
        clusters = placed(clusters, trace, [[JUDGED[trace, other] for other in row] for row in compared])
        assert clusters == expected
    assert traces_to_finish(clusters) == (0, 1)


def test_a_full_house_takes_a_trace_in_where_it_fits_best() -> None:
    clusters: Clusters = ((0,), (1,))
    assert placed(clusters, 2, [[0.1], [0.2]], max_clusters=2) == ((0,), (1, 2))
    assert placed(clusters, 2, [[0.2], [0.2]], max_clusters=2) == ((0, 2), (1,))


def test_a_cluster_that_was_not_compared_is_not_similar() -> None:
    assert placed(((0,), (1,)), 2, [[], [0.6]]) == ((0,), (1, 2))
    assert placed(((0,),), 1, [[]]) == ((0,), (1,))


def test_all_members_are_compared_or_some_at_random_reproducibly() -> None:
    clusters: Clusters = ((0, 1, 2, 3, 4), (5,))
    assert compared_members(clusters, 5, random.Random(1)) == clusters
    first, again = (compared_members(clusters, 2, random.Random(1)) for _ in range(2))
    assert first == again
    assert len(first[0]) == 2
    assert set(first[0]) <= set(clusters[0])
    assert first[1] == (5,)


def test_the_largest_cluster_is_finished_the_first_of_equals_and_no_more_than_allowed() -> None:
    assert traces_to_finish(((0,), (1, 3), (2, 4))) == (1, 3)
    assert traces_to_finish(((0,), (1, 2, 3)), max_members=2) == (1, 2)


def test_traces_that_all_stand_alone_are_finished() -> None:
    assert traces_to_finish(((0,), (1,), (2,))) == (0, 1, 2)
    assert traces_to_finish(((0,), (1,), (2,)), max_singletons=2) == (0, 1)
    assert traces_to_finish(()) == ()


@pytest.mark.parametrize(("probability", "loss"), [(0.9, 0.00105361), (0.5, 0.173287), (1.0, 0.0)])
def test_the_worked_focal_losses(probability: float, loss: float) -> None:
    assert focal_loss(probability) == pytest.approx(loss, abs=1e-6)
    assert focal_loss(probability, gamma=0.0, alpha=2.0) == pytest.approx(-2 * math.log(probability))


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="trace 0 is in a cluster already"):
        placed(((0,),), 0, [[0.5]])
    with pytest.raises(ValueError, match="one list a cluster, got 0 for 1"):
        placed(((0,),), 1, [])
    for bad in (math.nan, 1.1, -0.1):
        with pytest.raises(ValueError, match="a similarity must lie in"):
            placed(((0,),), 1, [[bad]])
    with pytest.raises(ValueError, match="threshold must lie in"):
        placed((), 0, [], threshold=2.0)
    with pytest.raises(ValueError, match="max_clusters must be >= 1"):
        placed((), 0, [], max_clusters=0)
    with pytest.raises(ValueError, match="max_members must be >= 1"):
        compared_members((), 0, random.Random(0))
    with pytest.raises(ValueError, match="max_members must be >= 1"):
        traces_to_finish((), max_members=0)
    with pytest.raises(ValueError, match="probability must lie in"):
        focal_loss(0.0)
