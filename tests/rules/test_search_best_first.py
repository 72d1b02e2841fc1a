"""Best-first search by hand: priorities, states reached twice, what is proved and what has failed."""

from __future__ import annotations

import math

import pytest

from ttscale_strategies.search.rules import (
    Edge,
    Standing,
    edge_logprob,
    expansion_order,
    expansion_priority,
    shortest_proof,
    standings,
    statuses,
)


def test_a_steps_logprob_is_the_mean_of_its_tokens() -> None:
    assert edge_logprob([-1.0, -0.5, 0.0]) == -0.5
    assert edge_logprob([1e-9]) == 0.0
    assert edge_logprob([-1.0, -math.inf]) == -math.inf


def test_the_priority_is_the_sum_by_a_power_of_the_depth() -> None:
    assert expansion_priority(-2.0, 4) == 2.0
    assert expansion_priority(-2.0, 4, alpha=0.5) == 1.0
    assert expansion_priority(-2.0, 4, alpha=1.0) == 0.5
    assert expansion_priority(0.0, 0, alpha=1.0) == 0.0
    assert expansion_priority(-math.inf, 1) == math.inf


def test_depth_counts_for_more_with_a_greater_alpha() -> None:
    edges = [Edge("root", "shallow", -0.9), Edge("root", "a", -0.5), Edge("a", "deep", -0.5)]
    frontier = {"shallow", "deep"}
    assert expansion_order(standings("root", edges), frontier) == ["shallow", "deep"]
    assert expansion_order(standings("root", edges, alpha=1.0), frontier) == ["deep", "shallow"]


def test_a_state_reached_twice_is_one_state_with_its_likeliest_way() -> None:
    edges = [
        Edge("root", "a", -1.0),
        Edge("root", "b", -0.25),
        Edge("a", "same", -0.25),
        Edge("b", "same", -0.5),
        Edge("same", "root", 0.0),
    ]
    known = standings("root", edges, alpha=1.0)
    assert known == {
        "root": Standing(0.0, 0, None, 0.0),
        "b": Standing(-0.25, 1, 1, 0.25),
        "same": Standing(-0.75, 2, 3, 0.375),
        "a": Standing(-1.0, 1, 0, 1.0),
    }


def test_of_ways_equally_likely_the_shorter_one_counts_then_the_first() -> None:
    edges = [
        Edge("root", "a", -0.5),
        Edge("a", "end", -0.5),
        Edge("root", "end", -1.0),
        Edge("root", "end", -1.0),
    ]
    assert standings("root", edges)["end"] == Standing(-1.0, 1, 2, 1.0)


def test_ties_are_expanded_in_the_order_given_and_the_unreachable_not_at_all() -> None:
    edges = [Edge("root", "b", -0.5), Edge("root", "a", -0.5), Edge("elsewhere", "c", 0.0)]
    known = standings("root", edges)
    assert expansion_order(known, ["a", "b", "c", "elsewhere", "root"]) == ["root", "b", "a"]
    assert expansion_order(known, []) == []


def test_what_the_model_rules_out_comes_last() -> None:
    edges = [Edge("root", "never", -math.inf), Edge("root", "late", -50.0)]
    assert expansion_order(standings("root", edges), {"never", "late"}) == ["late", "never"]


def test_one_proved_child_proves_and_only_all_failed_ones_fail() -> None:
    edges = [
        Edge("root", "left", -1.0),
        Edge("root", "right", -1.0),
        Edge("left", "done", -1.0),
        Edge("left", "error", -1.0),
        Edge("right", "error", -1.0),
    ]
    explored = {"root", "left", "right"}
    found = statuses(edges, explored=explored, proved={"done"}, failed={"error"})
    assert found == {
        "root": "proved",
        "left": "proved",
        "right": "failed",
        "done": "proved",
        "error": "failed",
    }
    open_still = statuses(edges, explored=explored, failed={"error"})
    assert open_still["root"] == open_still["left"] == open_still["done"] == "open"
    lost = statuses(edges, explored=explored, failed={"error", "done"})
    assert set(lost.values()) == {"failed"}


def test_an_explored_state_without_steps_has_failed() -> None:
    assert statuses([], explored={"root"}) == {"root": "failed"}
    assert statuses([Edge("root", "a", 0.0)], explored={"root"}) == {"root": "open", "a": "open"}


def test_a_circle_without_a_way_out_has_failed() -> None:
    circle = [Edge("a", "b", 0.0), Edge("b", "a", 0.0)]
    assert statuses(circle, explored={"a", "b"}) == {"a": "failed", "b": "failed"}
    way_out = [*circle, Edge("b", "c", 0.0)]
    assert statuses(way_out, explored={"a", "b"}) == {"a": "open", "b": "open", "c": "open"}


def test_nothing_is_proved_through_a_failed_state() -> None:
    edges = [Edge("root", "error", 0.0), Edge("error", "done", 0.0)]
    found = statuses(edges, explored={"root"}, proved={"done"}, failed={"error"})
    assert found == {"root": "failed", "error": "failed", "done": "proved"}


def test_the_shortest_proof_is_read_off() -> None:
    edges = [
        Edge("root", "a", -0.1),
        Edge("a", "b", -0.1),
        Edge("b", "done", -0.1),
        Edge("root", "c", -9.0),
        Edge("c", "done", -9.0),
        Edge("a", "root", -0.1),
    ]
    assert shortest_proof("root", edges, {"done"}) == (3, 4)
    assert shortest_proof("root", edges[:3], {"done"}) == (0, 1, 2)
    assert shortest_proof("root", edges, {"root"}) == ()
    assert shortest_proof("root", edges, {"elsewhere"}) is None


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="no logprob of a step without tokens"):
        edge_logprob([])
    for bad in (math.nan, math.inf):
        with pytest.raises(ValueError, match=r"token_logprobs\[1\] must be a logprob"):
            edge_logprob([-1.0, bad])
    for bad in (math.nan, 0.1):
        with pytest.raises(ValueError, match="logprob must be <= 0"):
            Edge("a", "b", bad)
        with pytest.raises(ValueError, match="logprob_sum must be <= 0"):
            expansion_priority(bad, 1)
    with pytest.raises(ValueError, match="depth must be >= 0"):
        expansion_priority(-1.0, -1)
    with pytest.raises(ValueError, match="alpha must be >= 0"):
        standings("root", [Edge("root", "a", -1.0)], alpha=-1.0)
    with pytest.raises(ValueError, match="both proved and failed, got 'a'"):
        statuses([], explored=set(), proved={"a"}, failed={"a"})
