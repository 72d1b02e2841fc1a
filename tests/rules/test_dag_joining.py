"""What a joiner says: answers with brackets, words that look like actions, and several actions."""

from __future__ import annotations

import pytest

from ttscale_strategies.dag.joining import answer_in, parse_verdict


@pytest.mark.parametrize(
    ("said", "action", "text"),
    [
        ("Thought: t\nAction: Finish(42)", "finish", "42"),
        ("Action: Finish(f(x) = (2))", "finish", "f(x) = (2)"),
        ("Action: Finish(1) Paris 2) London)", "finish", "1) Paris 2) London"),
        ("Action: Finish(4) (about)", "finish", "4"),
        ("Action: Finish(Replan the trip)", "finish", "Replan the trip"),
        (
            "Action: Finish(I would Replan(it))<END_OF_RESPONSE> Action: Replan(x)",
            "finish",
            "I would Replan(it)",
        ),
        ("Action: Finish(first)\nObservation: none\nAction: Finish(second)", "finish", "first"),
        ("Action: Replan(no height)\nAction: Finish(8)", "replan", "no height"),
        ("Action: search(A)\nAction: Finish(8)", "finish", "8"),
        ("Thought: I must Replan\nAction: finish(yes)", "finish", "yes"),
        ("Action: Finish(two\nlines)\nThought: more", "finish", "two\nlines"),
        ("Action: Finish(never closed (but good", "finish", "never closed (but good"),
        ("Action: Finish(:))", "finish", ":)"),
        ("Action: Finish()", "finish", ""),
        ("Action: Replan", "replan", ""),
        ("Action: Finishing touches", None, ""),
        ("The answer is 12.", None, "12"),
        ("So \\boxed{7}", None, "7"),
        ("", None, ""),
    ],
)
def test_a_verdict_is_read_as_it_was_meant(said: str, action: str | None, text: str) -> None:
    verdict = parse_verdict(said)
    assert (verdict.action, verdict.text) == (action, text)


def test_the_thought_is_what_stands_before_the_action() -> None:
    assert parse_verdict("Thought: a\nThought: b\nAction: Replan(c)\nThought: d").thought == "a\nb"


@pytest.mark.parametrize(
    ("text", "answer"), [(" 42 ", "42"), ("it is \\boxed{42}", "42"), ("", None), ("  ", None)]
)
def test_an_answer_may_be_stated_in_what_was_finished_with(text: str, answer: str | None) -> None:
    assert answer_in(text) == answer
