"""Research: what replies on the way mean, and how many calls it takes."""

from __future__ import annotations

import pytest

from ttscale_strategies.dag.rules.research import num_research_calls, progress_in, query_in, reflection_in


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ('\n  "tides in Saint-Malo"\nand more', "tides in Saint-Malo"),
        ("`a`", "a"),
        ("", ""),
        (" \n\t\n", ""),
        ("x" * 9_999, "x" * 500),
    ],
)
def test_a_query_is_the_first_line(text: str, query: str) -> None:
    assert query_in(text) == query


@pytest.mark.parametrize(
    ("text", "updates"),
    [
        ('{"should_update": true, "updates": "drop point 2"}', "drop point 2"),
        ('So: {"should_update": true, "updates": ["a", " ", "b", 3]} indeed', "a\nb"),
        ('{"should_update": false, "updates": "drop point 2"}', None),
        ('{"should_update": "true", "updates": "drop point 2"}', None),
        ('{"should_update": true, "updates": ""}', None),
        ('{"should_update": true}', None),
        ('{"updates": "all"}', None),
        ("the plan is good", None),
        ("{" * 9_999, None),
    ],
)
def test_a_reflection_changes_the_plan_only_if_it_says_so_and_how(text: str, updates: str | None) -> None:
    found = reflection_in(text)
    assert (found.updates if found.should_update else None) == updates


@pytest.mark.parametrize(
    ("text", "progress"),
    [
        ("95", 95.0),
        ("about 62.5 %", 62.5),
        ("100", 100.0),
        ("250 of 300", None),
        ("none", None),
        ("1" * 9_999, None),
    ],
)
def test_progress_is_a_percentage(text: str, progress: float | None) -> None:
    assert progress_in(text) == progress


def test_the_most_calls() -> None:
    # plan and report; query, candidates, crossover; reflection and new plan; looks after 5, 10, …, 25
    assert num_research_calls(30, 3, 5) == 2 + 30 * 5 + 29 * 2 + 5
    assert num_research_calls(1, 1, 5) == 2 + 2
    with pytest.raises(ValueError, match="max_iterations must be >= 1"):
        num_research_calls(0, 3, 5)
