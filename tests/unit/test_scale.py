"""`scale`: parts, ratings, thinking where it is hard, and nonsense in each of them."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence

import pytest

from ttscale import registry
from ttscale.engine import Engine
from ttscale.errors import ParameterError
from ttscale.testing import FakeBackend, Reply, virtual_clock
from ttscale.types import Outcome, Prompt

OUTLINE = '{"step1": "Halve it.", "step2": "Double it.", "step3": "The rest."}'
OTHER = '{"step1": "Guess.", "step2": "The rest."}'


class Model:
    """Replies by what is asked, and remembers it."""

    def __init__(self, outlines: tuple[str, ...], ratings: Mapping[str, str], choice: str = "version1") -> None:
        self._outlines = outlines
        self._ratings = ratings
        self._choice = choice
        self.asked = dict[str, list[str]]()

    def __call__(self, prompt: Prompt, seed: int, ordinal: int) -> Reply:
        question = prompt.question
        if "one JSON object" in question:
            reply = self._note("outline", prompt, random.Random(seed).choice(self._outlines))
        elif "Which of them leads" in question:
            reply = self._note("choice", prompt, self._choice)
        elif "How hard is this one" in question:
            step = question.split("How hard is this one?")[1].split("Reply")[0].strip()
            reply = self._note("rating", prompt, self._ratings.get(step, ""))
        else:
            kind = "step" if "Work out this part" in question else "direct"
            number = len(self.asked.get("step", []))
            reply = self._note(kind, prompt, f"<think>Hm.</think>So \\boxed{{{number}}}.")
        return Reply(reply, error="scripted failure") if reply == "fail" else Reply(reply)

    def _note(self, kind: str, prompt: Prompt, reply: str) -> str:
        self.asked.setdefault(kind, []).append("\n".join(message.content for message in prompt.messages))
        return reply


async def solved(model: Model, params: str = "num_outlines=2") -> tuple[Outcome, list[bool]]:
    """Return the outcome, and of each step whether it was thought about."""
    async with Engine(FakeBackend(model)) as engine:
        outcome = await engine.solve("How much?", strategy=registry.create_strategy(f"scale:{params}"))
    for span in outcome.trace:
        attributes = span["attributes"]
        if isinstance(attributes, Mapping) and isinstance(thinking := attributes.get("thinking"), Sequence):
            return outcome, [bool(is_hard) for is_hard in thinking]
    raise AssertionError("the trace does not say what was thought about")


@virtual_clock
@pytest.mark.parametrize(("threshold", "thinking"), [(0.5, [False, False, True]), (0.2, [False, True, True])])
async def test_only_steps_rated_above_the_threshold_are_thought_about(
    threshold: float, thinking: list[bool]
) -> None:
    model = Model((OUTLINE,), {"Halve it.": "0.1", "Double it.": "0.5"})
    outcome, found = await solved(model, f"num_outlines=2,threshold={threshold}")
    assert found == thinking
    assert ["finished thinking" not in asked for asked in model.asked["step"]] == thinking
    assert outcome.answer == "2"


@virtual_clock
async def test_a_step_sees_the_results_of_those_before_it_without_their_thoughts() -> None:
    model = Model((OUTLINE,), {})
    await solved(model)
    first, second, third = model.asked["step"]
    assert "None yet." in first
    assert "So \\boxed{0}." in second
    assert "So \\boxed{1}." in third
    assert "Hm." not in third
    assert "How much?" in third.split("Work out this part now:")[1]


@virtual_clock
@pytest.mark.parametrize("choice", ["version2", "none", "fail", "version9"])
async def test_outlines_that_differ_are_chosen_from(choice: str) -> None:
    model = Model((OUTLINE, OTHER), {}, choice)
    _, thinking = await solved(model, "num_outlines=8")
    assert len(model.asked["choice"]) == 1
    shown = model.asked["choice"][0]
    first = shown.split("version1:")[1].split("version2:")[0]
    second = shown.split("version2:")[1]
    followed = second if choice == "version2" else first
    assert len(thinking) == (3 if "Halve it." in followed else 2)


@virtual_clock
@pytest.mark.parametrize("rating", ["", "no idea", "fail", "1e9", "-5 it is not", "\x00"])
async def test_a_rating_that_is_nonsense_is_none_or_brought_into_range(rating: str) -> None:
    _, thinking = await solved(Model((OUTLINE,), dict.fromkeys(("Halve it.", "Double it."), rating)))
    assert thinking == ([False, False, True] if rating.startswith("-5") else [True, True, True])


@virtual_clock
@pytest.mark.parametrize(
    "outline", ["", "{", "[]", '{"step1": 3}', "fail", "{" * 500, json.dumps({"step2": "x"})]
)
async def test_without_an_outline_the_problem_is_asked_as_it_is(outline: str) -> None:
    model = Model((outline,), {})
    outcome, thinking = await solved(model)
    assert thinking == [True]
    assert "step" not in model.asked
    assert model.asked["direct"] == ["How much?"]
    assert outcome.answer == "0"


@virtual_clock
async def test_outlines_can_be_left_out() -> None:
    model = Model((OUTLINE,), {})
    await solved(model, "num_outlines=0")
    assert list(model.asked) == ["direct"]


@virtual_clock
async def test_a_model_that_cannot_be_kept_from_thinking_is_left_alone() -> None:
    model = Model((OUTLINE,), {"Halve it.": "0"})
    await solved(model, "num_outlines=1,no_thinking=''")
    assert not any("finished thinking" in asked for every in model.asked.values() for asked in every)


@pytest.mark.parametrize(
    "params",
    ["num_outlines=-1", "max_steps=0", "threshold=2", "max_rating_tokens=0", "step_template=revise"],
)
def test_options_that_make_no_sense_are_refused(params: str) -> None:
    with pytest.raises(ParameterError):
        registry.create_strategy(f"scale:{params}")
