"""Parallel prompts: what the instances are asked, how they are joined, and when a prompt stays whole."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

import pytest

from tests.unit.refining import ask, noted
from ttscale import registry
from ttscale.budget import Budget
from ttscale.errors import ConfigError
from ttscale.testing import FakeBackend, Reply, virtual_clock
from ttscale.types import JSON, Message, Outcome, Problem, Prompt
from ttscale_strategies import ParallelPrompts
from ttscale_strategies.threads.parallel_prompts import joined
from ttscale_strategies.threads.rules import Timed, normalized_speed_up, raw_speed_up

QUESTION = "Translate to French: 1. cat 2. dog 3. bird"
LIST = Problem.ask(QUESTION)
FRENCH = {"cat": "chat", "dog": "chien", "bird": "oiseau"}
SCHEMA: Mapping[str, JSON] = {
    "parallelizable": True,
    "category": "translation",
    "template": "Translate to French: {data}",
    "context": None,
    "data": ["cat", "dog", "bird"],
    "n": None,
}


class Model:
    """Translates one word, or all; finds the schema; remembers what it was asked."""

    def __init__(
        self,
        schema: Mapping[str, JSON] | str = SCHEMA,
        *,
        replies: Mapping[str, Reply | list[Reply]] | None = None,
    ) -> None:
        self.schema = schema if isinstance(schema, str) else json.dumps(schema)
        self.replies = replies or {}
        self.asked = list[Prompt]()

    def __call__(self, prompt: Prompt, seed: int, ordinal: int) -> Reply | str:
        question = prompt.question
        number = sum(earlier.question == question for earlier in self.asked)
        self.asked.append(prompt)
        if "Request:\n" in question:
            return self.schema
        word = question.split()[-1]
        reply = self.replies.get(question if question == QUESTION else word)
        if isinstance(reply, list):
            return reply[min(number, len(reply) - 1)]
        if question.startswith("Translate") and "1." in question:
            return reply or Reply("\\boxed{chat, chien, oiseau}")
        return reply or Reply(f"\\boxed{{{FRENCH.get(word, word)}}}")

    @property
    def questions(self) -> list[str]:
        return [prompt.question for prompt in self.asked]


def named(outcome: Outcome, kind: str) -> list[str]:
    return [str(span["name"]) for span in outcome.trace if span["kind"] == kind]


INSTANCES = [f"Translate to French: {word}" for word in FRENCH]


# ── the paper's example ───────────────────────────────────────────────────────────────────────────────────


@virtual_clock
async def test_the_worked_example_is_three_times_as_fast_and_twice_a_token() -> None:
    times = {"cat": 3.0, "dog": 2.0, "bird": 1.0}
    replies = {word: Reply(FRENCH[word], num_tokens=20, seconds=times[word]) for word in times}
    all_at_once = Reply("1. chat 2. chien 3. oiseau", num_tokens=90, seconds=9.0)
    model = Model(replies={**replies, QUESTION: all_at_once})
    outcome, _ = await ask("parallel_prompts", model, problem=LIST)
    assert model.questions == INSTANCES
    assert outcome.text == "1. chat\n2. chien\n3. oiseau"
    assert (noted(outcome, "instances"), noted(outcome, "extraction_seconds")) == (3, 0.0)
    assert named(outcome, "child") == ["instance 1", "instance 2", "instance 3"]
    whole, _ = await ask("single", model, problem=LIST)
    serial = Timed(whole.seconds, whole.usage.generated)
    parallel = Timed(
        cast("float", noted(outcome, "instance_seconds")), cast("int", noted(outcome, "instance_tokens"))
    )
    assert (serial, parallel) == (Timed(9.0, 90), Timed(3.0, 60))
    assert raw_speed_up(serial, parallel) == 3.0
    assert normalized_speed_up(serial, parallel) == pytest.approx(2.0)
    assert outcome.critical_path_tokens == 20
    assert outcome.critical_path_seconds == pytest.approx(3.0)


@virtual_clock
async def test_answers_are_joined_in_order_whoever_ends_first() -> None:
    outcome, _ = await ask(
        "parallel_prompts", Model(replies={"cat": Reply("So \\boxed{chat}.", seconds=60.0)}), problem=LIST
    )
    assert (outcome.answer, outcome.key, outcome.stop_reason) == ("chat, chien, oiseau",) * 2 + ("finished",)
    assert outcome.text == "1. So \\boxed{chat}.\n2. \\boxed{chien}\n3. \\boxed{oiseau}"
    assert [(candidate.index, candidate.answer) for candidate in outcome.candidates] == [
        (0, "chat"),
        (1, "chien"),
        (2, "oiseau"),
    ]
    assert (outcome.confidence, outcome.usage.calls) == (None, 3)


@virtual_clock
async def test_there_is_no_short_answer_unless_every_instance_has_one() -> None:
    outcome, _ = await ask("parallel_prompts", Model(replies={"dog": Reply("chien")}), problem=LIST)
    assert (outcome.answer, outcome.key) == (None, None)
    assert outcome.text == "1. \\boxed{chat}\n2. chien\n3. \\boxed{oiseau}"


def test_texts_of_several_lines_stand_apart() -> None:
    assert joined(["a", "b"]) == "1. a\n2. b"
    assert joined(["a\nb", "c"]) == "1. a\nb\n\n2. c"


# ── who finds the schema ──────────────────────────────────────────────────────────────────────────────────


@virtual_clock
async def test_a_model_finds_the_schema_before_the_instances_begin() -> None:
    model = Model(f"<think>Is it {{x}}?</think>```json\n{json.dumps(SCHEMA)}\n```")
    outcome, backend = await ask("parallel_prompts:extractor=model", model, problem=LIST)
    assert outcome.answer == "chat, chien, oiseau"
    assert f"Request:\n{QUESTION}\n\nReply with" in model.questions[0]
    assert "with {data} where its item goes" in model.questions[0]
    assert model.questions[1:] == INSTANCES
    first = backend.requests[0].sampling
    assert (first.temperature, first.max_tokens) == (0.2, 1024)
    assert outcome.critical_path_tokens == len(model.schema) + len("\\boxed{oiseau}")
    assert noted(outcome, "extraction_seconds") == pytest.approx(0.01 * len(model.schema))


@virtual_clock
@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        ("It cannot be split.", "no JSON object was found"),
        ({**SCHEMA, "parallelizable": False}, "it is said not to be parallelizable"),
        ({**SCHEMA, "data": ["cat", "dog", "horse"]}, "the items are not in the prompt in this order"),
        (
            {**SCHEMA, "data": None, "n": 3, "template": "Write"},
            "the template leaves out much of what the prompt says",
        ),
    ],
)
async def test_on_any_doubt_the_prompt_is_asked_as_it_is(schema: Mapping[str, JSON] | str, reason: str) -> None:
    model = Model(schema)
    outcome, _ = await ask("parallel_prompts:extractor=model", model, problem=LIST)
    assert model.questions[1:] == [QUESTION]
    assert (outcome.answer, noted(outcome, "serial_because")) == ("chat, chien, oiseau", reason)
    assert named(outcome, "child") == ["extraction", "serial"]


@virtual_clock
async def test_a_failed_extraction_is_a_doubt() -> None:
    model = Model()
    model.schema = cast("Any", Reply("{", error="lost"))
    outcome, _ = await ask("parallel_prompts:extractor=model", model, problem=LIST)
    assert noted(outcome, "serial_because") == "the extraction failed: lost"
    assert outcome.answer == "chat, chien, oiseau"


@virtual_clock
async def test_confidence_must_be_high_enough() -> None:
    asked = Problem.ask("Translate to French: cat, dog, bird")
    outcome, _ = await ask("parallel_prompts", Model(), problem=asked)
    assert (noted(outcome, "instances"), noted(outcome, "schema_confidence")) == (3, "medium")
    outcome, _ = await ask("parallel_prompts:least_confidence=high", Model(), problem=asked)
    assert noted(outcome, "serial_because") == "its confidence is medium"


@virtual_clock
async def test_more_instances_than_allowed_are_none() -> None:
    outcome, _ = await ask("parallel_prompts:max_instances=2", Model(), problem=LIST)
    assert noted(outcome, "serial_because") == "there would be 3 instances, more than 2"
    assert outcome.usage.calls == 1


@virtual_clock
async def test_another_strategy_may_answer_what_is_not_split() -> None:
    spec = "parallel_prompts:serial=self_consistency:n=3,max_instances=2"
    outcome, _ = await ask(spec, Model(), problem=LIST)
    assert (outcome.usage.calls, outcome.confidence) == (3, 1.0)


# ── what the instances are asked ──────────────────────────────────────────────────────────────────────────


@virtual_clock
async def test_earlier_turns_stay_and_only_the_last_is_split() -> None:
    before = (Message("system", "Be brief."), Message("user", "1. a 2. b"), Message("assistant", "Yes."))
    model = Model()
    await ask(
        "parallel_prompts",
        model,
        problem=Problem(id="p", prompt=Prompt(messages=(*before, Message("user", QUESTION)))),
    )
    assert [prompt.messages[:-1] for prompt in model.asked] == [before] * 3
    assert model.questions == INSTANCES


@virtual_clock
@pytest.mark.parametrize(
    "prompt",
    [
        Prompt(text=QUESTION),
        Prompt(messages=(Message("user", QUESTION), Message("assistant", "1. "))),
        FakeBackend("").encode(Prompt.user(QUESTION)),
    ],
)
async def test_a_prompt_that_is_no_plain_question_stays_whole(prompt: Prompt) -> None:
    outcome, _ = await ask("parallel_prompts", Model(), problem=Problem(id="p", prompt=prompt))
    assert noted(outcome, "serial_because") == "the prompt is no conversation that ends with the user's turn"
    assert outcome.usage.calls == 1


@virtual_clock
async def test_the_same_several_times_over_is_asked_with_another_letter_each() -> None:
    model = Model()
    outcome, backend = await ask(
        "parallel_prompts:temperature=0.7", model, problem=Problem.ask("Write 3 poems on {x}.")
    )
    hint = "Write 3 poems on {x}.\n\nOf 3 that are wanted, write only number %d. Begin it with the letter %s."
    assert model.questions == [hint % (1, "T"), hint % (2, "A"), hint % (3, "S")]
    assert noted(outcome, "category") == "repeated generation"
    drawn = [
        cast("Mapping[str, JSON]", span["attributes"]) for span in outcome.trace if span["kind"] == "sample"
    ]
    assert len({cast("int", attributes["seed"]) for attributes in drawn}) == 3
    assert {request.sampling.temperature for request in backend.requests} == {0.7}


# ── failures ──────────────────────────────────────────────────────────────────────────────────────────────

LOST = Reply("ch", error="lost", seconds=1.0)


@virtual_clock
@pytest.mark.parametrize("bad", [LOST, Reply("", num_tokens=1, seconds=1.0), Reply("Hm.</think>", seconds=1.0)])
async def test_an_instance_that_failed_or_said_nothing_is_asked_again_later(bad: Reply) -> None:
    good = Reply("\\boxed{chien}", seconds=1.0)
    model = Model(replies={"dog": [bad, bad, good]})
    outcome, _ = await ask("parallel_prompts", model, problem=LIST)
    assert outcome.answer == "chat, chien, oiseau"
    assert outcome.usage.calls == 5
    assert outcome.seconds == pytest.approx(3 * 1.0 + 0.5 + 1.0)


@virtual_clock
async def test_an_instance_that_fails_for_good_ends_the_others_and_the_prompt_is_asked_whole() -> None:
    slow = Reply("\\boxed{oiseau}", seconds=100.0)
    model = Model(replies={"dog": LOST, "bird": slow})
    outcome, backend = await ask("parallel_prompts:retries=1,backoff_seconds=2", model, problem=LIST)
    assert noted(outcome, "serial_because") == "an instance failed"
    assert model.questions[-1] == QUESTION
    assert (outcome.answer, outcome.usage.calls) == ("chat, chien, oiseau", 5)
    assert outcome.seconds < 10
    assert backend.num_running == 0


@virtual_clock
async def test_a_budget_that_ends_on_the_way_leaves_what_is_done() -> None:
    model = Model(replies={"bird": Reply("\\boxed{oiseau}", seconds=50.0)})
    outcome, _ = await ask("parallel_prompts", model, problem=LIST, budget=Budget(seconds=10.0))
    assert (outcome.answer, outcome.stop_reason) == ("chat, chien, –", "budget")
    assert outcome.text == "1. \\boxed{chat}\n2. \\boxed{chien}\n3. –"
    assert outcome.key is None


@virtual_clock
async def test_instances_share_the_budget() -> None:
    outcome, _ = await ask("parallel_prompts:max_tokens=20", Model(), problem=LIST, budget=Budget(samples=2))
    assert (outcome.answer, outcome.stop_reason, outcome.key) == ("chat, chien, –", "budget", None)
    assert outcome.usage.calls == 2


@virtual_clock
async def test_a_budget_without_room_for_one_instance_answers_nothing() -> None:
    outcome, _ = await ask("parallel_prompts", Model(), problem=LIST, budget=Budget(tokens=10))
    assert (outcome.answer, outcome.stop_reason, outcome.usage.calls) == (None, "budget", 0)


# ── options ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"extractor": "regex"}, "extractor must be"),
        ({"least_confidence": "low"}, "least_confidence must be"),
        ({"max_instances": 1}, "max_instances must be >= 2"),
        ({"retries": -1}, "retries must be >= 0"),
        ({"backoff_seconds": float("inf")}, "backoff_seconds must be"),
        ({"max_tokens": 0}, "max_tokens must be >= 1"),
        ({"temperature": -1.0}, "temperature must be >= 0"),
        ({"template": "revise"}, "needs the fields question and data and context"),
        ({"repeat_template": "revise"}, "needs the fields task and number"),
    ],
)
def test_options_out_of_range_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ParallelPrompts(**changes)


def test_how_many_samples_it_takes_depends_on_the_question() -> None:
    assert registry.create_strategy("parallel_prompts").max_samples() is None
    with pytest.raises(ConfigError):
        registry.create_strategy("parallel_prompts:template=none_such")
