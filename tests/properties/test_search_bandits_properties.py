"""What holds for the search's posteriors, visits, states and plans whatever the order in which results come."""

from __future__ import annotations

import random
from collections.abc import Sequence
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttscale_strategies.effort.rules import difficulty_bins
from ttscale_strategies.search.rules import (
    BetaPosterior,
    ChildScores,
    Edge,
    GoalSolution,
    ModeSwitching,
    NormalInverseChiSquare,
    PlanProgress,
    StateStatus,
    Visits,
    advanced,
    backed_up,
    best_by_uct,
    choose_action,
    choose_arm,
    judged_step,
    mixed_value,
    replanned,
    standings,
    statuses,
)

SCORES = st.floats(0.0, 1.0)
PRIORS = st.sampled_from([NormalInverseChiSquare(), BetaPosterior()])
SEEDS = st.integers(0, 2**32)


@given(scores=st.lists(SCORES, max_size=30), prior=PRIORS, data=st.data())
def test_the_order_of_the_scores_leaves_no_trace_in_a_posterior(
    scores: list[float], prior: NormalInverseChiSquare | BetaPosterior, data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(scores))
    assert prior.of(shuffled) == prior.of(scores)


@given(scores=st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=12), cut=st.integers(0, 12))
def test_a_normal_posterior_is_the_exact_formula_and_updates_in_parts(scores: list[float], cut: int) -> None:
    exact = [Fraction(score) for score in scores]
    n, average = len(exact), sum(exact) / len(exact)
    spread = sum((score - average) ** 2 for score in exact) + n * average**2 / (1 + n)
    for posterior in (
        NormalInverseChiSquare().of(scores),
        NormalInverseChiSquare().of(scores[:cut]).of(scores[cut:]),
    ):
        assert (posterior.kappa, posterior.nu) == (1 + n, 1 + n)
        assert posterior.mean == pytest.approx(float(n * average / (1 + n)), rel=1e-9, abs=1e-6)
        assert posterior.tau_squared == pytest.approx(float((Fraction(1, 10) + spread) / (1 + n)), rel=1e-6)


CHILDREN = st.lists(
    st.builds(ChildScores, own=st.none() | SCORES, below=st.lists(SCORES, max_size=5).map(tuple)), max_size=6
)


@given(children=CHILDREN, prior=PRIORS, seed=SEEDS)
def test_only_a_child_with_scores_is_gone_on_with_and_the_order_below_does_not_matter(
    children: list[ChildScores], prior: NormalInverseChiSquare | BetaPosterior, seed: int
) -> None:
    chosen = choose_arm(children, prior, random.Random(seed))
    assert chosen is None or children[chosen].observations
    turned = [ChildScores(child.own, child.below[::-1]) for child in children]
    assert choose_arm(turned, prior, random.Random(seed)) == chosen


@given(
    observations=st.lists(st.lists(SCORES, max_size=5), min_size=1, max_size=4),
    prior=PRIORS,
    rule=st.sampled_from(["thompson", "ucb"]),
    seed=SEEDS,
)
def test_the_order_of_the_scores_does_not_change_the_action(
    observations: list[list[float]],
    prior: NormalInverseChiSquare | BetaPosterior,
    rule: str,
    seed: int,
) -> None:
    def chosen(scores: Sequence[Sequence[float]]) -> int:
        return choose_action(scores, prior, random.Random(seed), rule="ucb" if rule == "ucb" else "thompson")

    assert chosen([scores[::-1] for scores in observations]) == chosen(observations)


@st.composite
def looked_at_trees(draw: st.DrawFn) -> tuple[dict[int, int | None], dict[int, float | None]]:
    """Trees whose nodes are numbered from the root, and the values of some."""
    size = draw(st.integers(1, 12))
    parents: dict[int, int | None] = {0: None}
    for node in range(1, size):
        parents[node] = draw(st.integers(0, node - 1))
    return parents, draw(st.dictionaries(st.integers(0, size - 1), st.none() | SCORES))


@given(tree=looked_at_trees(), data=st.data())
def test_backed_up_values_do_not_depend_on_their_order_and_count_once_at_each_node_above(
    tree: tuple[dict[int, int | None], dict[int, float | None]], data: st.DataObject
) -> None:
    parents, values = tree
    visits = backed_up(parents, values)
    assert backed_up(parents, dict(data.draw(st.permutations(list(values.items()))))) == visits
    for node, found in visits.items():
        below = [visits[child] for child, parent in parents.items() if parent == node]
        own = values.get(node)
        assert found.num_visits == sum(child.num_visits for child in below) + (own is not None)
        assert found.num_pending == sum(child.num_pending for child in below) + (node in values and own is None)
        assert found.value_sum == pytest.approx(sum(child.value_sum for child in below) + (own or 0.0))


@given(children=st.lists(st.tuples(SCORES, st.integers(1, 9)), min_size=1, max_size=6))
def test_a_search_by_uct_looks_at_every_child_in_the_end(children: list[tuple[float, int]]) -> None:
    visits = [Visits() for _ in children]
    for total in range(len(children)):
        chosen = best_by_uct(visits, total)
        assert chosen == total
        visits[chosen] = Visits(num_pending=1)
    means = [Visits(score * count, count) for score, count in children]
    greedy = best_by_uct(means, sum(count for _, count in children), exploration=0.0)
    assert means[greedy].mean == max(child.mean for child in means)


@given(rollouts=st.lists(st.tuples(SCORES, st.sampled_from(["7", "8", None])), min_size=1), data=st.data())
def test_the_order_of_the_rollouts_does_not_change_their_value(
    rollouts: list[tuple[float, str | None]], data: st.DataObject
) -> None:
    def value(pairs: Sequence[tuple[float, str | None]]) -> float:
        return mixed_value([reward for reward, _ in pairs], [key for _, key in pairs], alpha=0.3)

    assert 0.0 <= value(rollouts) <= 1.0
    assert value(data.draw(st.permutations(rollouts))) == value(rollouts)


@given(rewards=st.lists(st.none() | SCORES, max_size=40), penalty_times=st.none() | st.integers(0, 3))
def test_no_more_steps_in_a_row_are_rejected_than_allowed(
    rewards: list[float | None], penalty_times: int | None
) -> None:
    switching = ModeSwitching(penalty_times=penalty_times)
    state, in_a_row = switching.start(), 0
    for number, reward in enumerate(rewards, start=1):
        verdict = judged_step(state, reward, switching)
        in_a_row = 0 if verdict.is_accepted else in_a_row + (reward is not None)
        assert penalty_times is None or in_a_row <= penalty_times
        assert verdict.state.num_rejected == in_a_row
        assert verdict.state.num_rounds == number
        assert verdict.is_accepted or reward is None or verdict.state.mode == "complex"
        state = verdict.state


@given(pass_rates=st.lists(SCORES, max_size=40), num_bins=st.integers(1, 8))
def test_bins_are_as_even_as_can_be_and_ordered_by_difficulty(pass_rates: list[float], num_bins: int) -> None:
    bins = difficulty_bins(pass_rates, num_bins)
    sizes = [bins.count(index) for index in range(num_bins)]
    assert sum(sizes) == len(pass_rates)
    assert sizes == sorted(sizes, reverse=True)
    assert max(sizes) - min(sizes) <= 1
    ordered = sorted(zip(pass_rates, bins, strict=True))
    assert [index for _, index in ordered] == sorted(bins)


@st.composite
def explored_graphs(draw: st.DrawFn) -> tuple[list[Edge[int]], set[int], set[int], set[int]]:
    """Steps among a few states, with circles; explored states, goals and errors; ends have no steps."""
    size = draw(st.integers(1, 8))
    state = st.integers(0, size - 1)
    ends = draw(st.dictionaries(state, st.booleans()))
    logprobs = st.integers(-64, 0).map(lambda step: step / 16)
    drawn = draw(st.lists(st.builds(Edge[int], source=state, target=state, logprob=logprobs), max_size=16))
    edges = [edge for edge in drawn if edge.source not in ends]
    explored = {edge.source for edge in edges} | draw(st.sets(state)) - set(ends)
    proved = {end for end, is_proved in ends.items() if is_proved}
    return edges, explored, proved, set(ends) - proved


def propagated(
    edges: list[Edge[int]], explored: set[int], proved: set[int], failed: set[int]
) -> dict[int, StateStatus]:
    """The paper's rule, again and again until nothing changes."""
    states = {state for edge in edges for state in (edge.source, edge.target)} | explored | proved | failed
    found: dict[int, StateStatus] = {
        state: "proved" if state in proved else "failed" if state in failed else "open" for state in states
    }
    for _ in states:
        for state in explored:
            below = [found[edge.target] for edge in edges if edge.source == state]
            if found[state] == "open" and "proved" in below:
                found[state] = "proved"
            elif found[state] == "open" and all(status == "failed" for status in below):
                found[state] = "failed"
    return found


@given(graph=explored_graphs(), data=st.data())
def test_statuses_are_the_papers_rule_in_any_order_of_the_steps_but_for_circles_without_a_way_out(
    graph: tuple[list[Edge[int]], set[int], set[int], set[int]], data: st.DataObject
) -> None:
    edges, explored, proved, failed = graph
    found = statuses(edges, explored=explored, proved=proved, failed=failed)
    shuffled = data.draw(st.permutations(edges))
    assert statuses(shuffled, explored=explored, proved=proved, failed=failed) == found
    by_the_rule = propagated(edges, explored, proved, failed)
    for state, status in found.items():
        if status != by_the_rule[state]:
            # the rule waits for ever: explored, and all that can be reached is explored and not proved
            assert (status, by_the_rule[state]) == ("failed", "open")
            reached = standings(state, edges)
            assert all(other in explored | failed for other in reached)
            assert not set(reached) & proved


@given(graph=explored_graphs(), alpha=st.sampled_from([0.0, 0.5, 1.0]), data=st.data())
def test_a_states_priority_does_not_depend_on_the_order_of_the_steps(
    graph: tuple[list[Edge[int]], set[int], set[int], set[int]], alpha: float, data: st.DataObject
) -> None:
    edges = graph[0]
    found = standings(0, edges, alpha=alpha)
    shuffled = standings(0, data.draw(st.permutations(edges)), alpha=alpha)
    assert {state: way.priority for state, way in shuffled.items()} == {
        state: way.priority for state, way in found.items()
    }
    for state, way in found.items():
        logprobs, depth = 0.0, 0
        while (last := found[state].last_edge) is not None:
            assert edges[last].target == state
            logprobs, depth, state = logprobs + edges[last].logprob, depth + 1, edges[last].source
        assert (state, logprobs, depth) == (0, way.logprob_sum, way.depth)


@st.composite
def deliveries(draw: st.DrawFn) -> list[tuple[int, int, bool]]:
    """Workers, each with how many goals it looks back when it takes one on, and whether it solves it."""
    return draw(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 6), st.booleans()), max_size=40))


@given(events=deliveries(), replan_at=st.none() | st.integers(0, 39))
def test_any_interleaving_of_workers_moves_one_frontier_and_takes_every_goal_once(
    events: list[tuple[int, int, bool]], replan_at: int | None
) -> None:
    progress = PlanProgress(("g0", "g1", "g2", "g3"), "target")
    at_work: dict[int, tuple[int, str]] = {}
    taken: list[str] = []

    def is_valid(before: PlanProgress, solution: GoalSolution) -> bool:
        return solution[-1:] == (f"valid for {before.goal}",)

    for number, (worker, delay, is_right) in enumerate(events):
        if number == replan_at and 0 < progress.frontier < len(progress.plan):
            solved = progress.plan[: progress.frontier]
            progress = replanned(progress, (*solved, "new", *progress.plan[progress.frontier :]))
        if worker not in at_work or delay == 0:
            goal = progress.goal
            if goal is not None:
                at_work[worker] = (progress.frontier, goal)  # jumps ahead to the shared frontier
            continue
        index, goal = at_work.pop(worker)
        outcome = f"valid for {goal}" if is_right else "invalid"
        after = advanced(progress, index, goal, [f"worker {worker}", outcome], is_valid=is_valid)
        if after != progress:
            assert is_right
            assert (index, goal) == (progress.frontier, progress.goal)
            assert after.frontier == progress.frontier + 1
            assert after.solutions[:-1] == progress.solutions
            taken.append(goal)
        assert advanced(after, index, goal, ["again", outcome], is_valid=is_valid) == after
        progress = after
    assert taken == list(progress.goals[: progress.frontier])
    assert len(set(taken)) == len(taken)
    assert [solution[-1] for solution in progress.solutions] == [f"valid for {goal}" for goal in taken]
