"""The nouns: what they refuse, how usage adds up, and that outcomes survive being written as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import FrozenInstanceError, fields, is_dataclass
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ttscale import types
from ttscale.types import (
    JSON,
    Candidate,
    FinishReason,
    Message,
    Outcome,
    Problem,
    Prompt,
    Sample,
    SampleUsage,
    Sampling,
    StopReason,
    Timings,
    Usage,
)

COUNTS = st.integers(0, 10**12)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
PLAIN: st.SearchStrategy[JSON] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | FLOATS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
USAGES = st.builds(
    Usage,
    prompt_computed=COUNTS,
    prompt_cached=COUNTS,
    generated=COUNTS,
    cancelled=COUNTS,
    verifier=COUNTS,
    calls=COUNTS,
    tool_calls=COUNTS,
    flops=st.none() | st.floats(0, 1e18),
    usd=st.none() | st.floats(0, 1e6),
)
CANDIDATES = st.builds(
    Candidate,
    index=st.integers(0, 10**6),
    answer=st.none() | TEXTS,
    key=st.none() | TEXTS,
    score=st.none() | FLOATS,
    num_tokens=COUNTS,
    finish_reason=st.sampled_from(get_args(FinishReason)),
)
OUTCOMES = st.builds(
    Outcome,
    answer=st.none() | TEXTS,
    key=st.none() | TEXTS,
    confidence=st.none() | st.floats(0, 1),
    text=st.none() | TEXTS,
    candidates=st.lists(CANDIDATES, max_size=3).map(tuple),
    stop_reason=st.sampled_from(get_args(StopReason)),
    usage=USAGES,
    seconds=st.floats(0, 1e6),
    critical_path_tokens=COUNTS,
    error=st.none() | TEXTS,
    trace=st.lists(st.dictionaries(TEXTS, PLAIN, max_size=3), max_size=2).map(tuple),
)


# ── outcomes ──────────────────────────────────────────────────────────────────────────────────────────────


@given(OUTCOMES)
def test_an_outcome_is_read_back_as_it_was_written(outcome: Outcome) -> None:
    document = json.loads(json.dumps(outcome.to_json(), allow_nan=False))
    assert Outcome.from_json(document) == outcome


@given(OUTCOMES)
def test_an_outcomes_json_has_the_total_of_its_tokens(outcome: Outcome) -> None:
    usage = outcome.to_json()["usage"]
    assert isinstance(usage, dict)
    assert usage["tokens"] == outcome.usage.tokens


@pytest.mark.parametrize(
    "wrong",
    [
        {"stop_reason": "bored"},
        {"usage": {"generated": "many"}},
        {"candidates": [{"answer": "7"}]},
        {"answer": 7},
        {"seconds": None},
    ],
)
def test_what_is_no_outcome_is_refused(wrong: dict[str, JSON]) -> None:
    document = {**Outcome(answer="7").to_json(), **wrong}
    with pytest.raises(ValidationError):
        Outcome.from_json(document)


def test_with_replaces_the_named_fields_only() -> None:
    outcome = Outcome(answer="7", confidence=0.5)
    assert outcome.with_(answer="8") == Outcome(answer="8", confidence=0.5)
    with pytest.raises(TypeError):
        outcome.with_(anser="8")


# ── usage ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_token_counts_but_those_from_the_cache() -> None:
    usage = Usage(prompt_computed=1, prompt_cached=10, generated=100, cancelled=1000, verifier=10_000)
    assert usage.tokens == 11_101


@given(USAGES, USAGES)
def test_usage_adds_up_field_by_field_and_unknown_stays_unknown(left: Usage, right: Usage) -> None:
    total = left + right
    for field in fields(Usage):
        one, other, both = (getattr(usage, field.name) for usage in (left, right, total))
        assert both == (None if one is None or other is None else one + other)
    assert total.tokens == left.tokens + right.tokens
    assert total == right + left
    assert left + Usage() == left


# ── prompts, sampling, samples ────────────────────────────────────────────────────────────────────────────


def test_a_prompt_holds_exactly_one_form() -> None:
    message = (Message("user", "hi"),)
    wrongs: list[Callable[[], Prompt]] = [
        lambda: Prompt(),
        lambda: Prompt(messages=message, text="hi"),
        lambda: Prompt(text="hi", token_ids=(1,)),
        lambda: Prompt(messages=message, token_ids=(1,)),
    ]
    for wrong in wrongs:
        with pytest.raises(ValueError, match="exactly one of them"):
            wrong()
    assert Prompt(text="").text == ""
    assert Prompt(token_ids=()).token_ids == ()


def test_a_users_prompt_may_have_a_system_message() -> None:
    assert Prompt.user("hi").messages == (Message("user", "hi"),)
    assert Prompt.user("hi", system="be brief").messages == (
        Message("system", "be brief"),
        Message("user", "hi"),
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_tokens", 0),
        ("max_tokens", -1),
        ("temperature", -0.1),
        ("temperature", float("nan")),
        ("top_p", 0.0),
        ("top_p", 1.1),
        ("top_k", 0),
        ("logprobs", -1),
    ],
)
def test_sampling_out_of_range_is_refused_by_name_and_value(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{name} must be .*, got {value!r}"):
        Sampling(**{name: value})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "value"),
    [("max_tokens", 1), ("temperature", 0.0), ("top_p", 1.0), ("top_k", 1), ("logprobs", 0)],
)
def test_sampling_at_the_edge_of_its_range_is_taken(name: str, value: float) -> None:
    assert getattr(Sampling(**{name: value}), name) == value  # type: ignore[arg-type]


def test_prompts_and_samplings_can_be_compared_and_hashed() -> None:
    assert {Prompt.user("a"), Prompt.user("a"), Prompt.user("b")} == {Prompt.user("a"), Prompt.user("b")}
    assert len({Sampling(), Sampling(temperature=0.0), Sampling()}) == 2


def test_a_failed_sample_says_so() -> None:
    def sample(reason: FinishReason) -> Sample:
        return Sample(
            index=0,
            text="",
            token_ids=(),
            finish_reason=reason,
            usage=SampleUsage(generated=3),
            prompt=Prompt.user("q"),
            seed=1,
            timings=Timings(submitted=0.0),
        )

    assert sample("error").is_error
    assert not any(sample(reason).is_error for reason in ("stop", "length", "abort"))
    assert sample("stop").num_tokens == 3


def test_a_question_is_a_problem_without_a_reference() -> None:
    problem = Problem.ask("why?")
    assert (problem.prompt, problem.target, problem.meta) == (Prompt.user("why?"), None, {})


def test_every_noun_is_frozen() -> None:
    nouns = [noun for noun in vars(types).values() if isinstance(noun, type) and is_dataclass(noun)]
    assert len(nouns) >= 10
    for noun in nouns:
        with pytest.raises((FrozenInstanceError, AttributeError)):
            setattr(noun.__new__(noun), fields(noun)[0].name, None)
