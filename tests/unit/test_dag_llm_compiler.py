"""LLMCompiler: calls begin while the plan is written, and the joiner sees everything that happened."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.unit.dag_calls import TOOLS, ask, calls_of
from ttscale.budget import Budget
from ttscale.errors import ConfigError
from ttscale.testing import Reply, virtual_clock
from ttscale.tools import FunctionTool
from ttscale.types import Prompt
from ttscale_strategies.dag import LLMCompiler

PAPER = (
    '1. search("A")\n2. search("B")\n3. math("max of $1 and $2", ["$1", "$2"])\n4. join()<END_OF_PLAN> and on'
)


class Model:
    """Replies as planner and as joiner, and remembers what it was asked."""

    def __init__(self, plans: list[Reply | str], *joins: Reply | str) -> None:
        self.plans = plans
        self.joins = list(joins)
        self.asked = list[str]()

    def __call__(self, prompt: Prompt, seed: int, ordinal: int) -> Reply | str:
        self.asked.append(prompt.question)
        is_plan = "Each line of the plan" in prompt.question
        return (self.plans if is_plan else self.joins).pop(0)


def compiler(**options: object) -> LLMCompiler:
    return LLMCompiler(tools=TOOLS, **options)  # type: ignore[arg-type]


@virtual_clock
async def test_the_papers_example_is_planned_called_and_joined() -> None:
    model = Model([PAPER], "Thought: 12 is more\nAction: Finish(12)<END_OF_RESPONSE>")
    outcome, _ = await ask(compiler(), model)
    assert (outcome.answer, outcome.key, outcome.seconds) == ("12", "12", 3)
    assert (outcome.usage.tool_calls, outcome.usage.calls) == (3, 2)
    assert [(row["began"], row["ended"]) for row in calls_of(outcome)] == [(0, 1), (0, 2), (2, 3)]
    assert "Observation: max of 12 and 5 of 12, 5" in model.asked[1]
    assert '2. search(query="B")\nObservation: 5\n\n3. math(' in model.asked[1]


@virtual_clock
async def test_calls_begin_while_the_plan_is_written() -> None:
    outcome, _ = await ask(compiler(), Model([PAPER], "Action: Finish(12)"), seconds_per_token=0.1)
    ends = [0.1 * (place + 1) for place, character in enumerate(PAPER) if character == "\n"]  # of lines
    first, second, third = (row["began"] for row in calls_of(outcome))
    assert (first, second) == pytest.approx((ends[0], ends[1]))
    assert third == pytest.approx(max(ends[1] + 2, ends[2]))  # 2 takes two seconds
    planned = 0.1 * PAPER.index(" and on")
    joined = 0.1 * len("Action: Finish(12)")
    assert outcome.seconds == pytest.approx(max(planned, ends[2] + 1) + joined)
    assert outcome.critical_path_seconds == pytest.approx(outcome.seconds)


@virtual_clock
async def test_the_last_call_may_be_the_answer() -> None:
    outcome, _ = await ask(compiler(joiner="last"), Model(["1. add(1, 2)\n2. add($1, 4)\n3. join()"]))
    assert (outcome.answer, outcome.usage.calls, outcome.candidates[0].key) == ("7", 1, "7")


@pytest.mark.parametrize(
    "plan",
    [
        "1. add(1, 2)\n2. divide($1, 2)\n3. join()",  # part of it was refused
        "1. add(1, 2)\n2. add($1,",  # cut off
        '1. search("nothing")\n2. join()',  # failed
        "2. join()",
    ],
)
@virtual_clock
async def test_the_last_call_is_no_answer_where_the_plan_is_not_whole(plan: str) -> None:
    outcome, _ = await ask(compiler(joiner="last"), Model([plan]))
    assert (outcome.answer, outcome.stop_reason) == (None, "finished")


@virtual_clock
async def test_a_further_plan_goes_on_with_the_numbers_and_keeps_what_is_there() -> None:
    plans: list[Reply | str] = [
        '1. add(1, 2)\n2. search("nothing")\n3. join()',
        "Thought: I add more\n3. add($1, 10)\n1. add(0, 0)\n4. join()",
    ]
    model = Model(plans, "Thought: hm\nAction: Replan(one is missing)", "Action: Finish(Replan the trip)")
    outcome, _ = await ask(compiler(max_replans=1), model)
    assert outcome.answer == "Replan the trip"
    assert [row["id"] for row in calls_of(outcome)] == ["1", "2", "3"]
    assert "go on with number 3." in model.asked[2]
    assert (
        '2. search(query="nothing")\nObservation: Error: search failed: LookupError: there is nothing'
        in model.asked[2]
    )
    assert "Thought: hm\none is missing\n\nCurrent plan:" in model.asked[2]
    assert "Observation: 13" in model.asked[3]
    assert "Not part of the plan, line 3: There is a call 1 already." in model.asked[3]
    assert outcome.usage.calls == 4


@virtual_clock
async def test_at_the_last_plan_another_one_is_not_to_be_had() -> None:
    outcome, _ = await ask(compiler(), Model(["1. add(1, 2)\n2. join()"], "Action: Replan(more)"))
    assert (outcome.answer, outcome.stop_reason, outcome.usage.calls) == (None, "finished", 2)


@virtual_clock
async def test_unknown_tools_wrong_arguments_and_talk_are_shown_to_the_joiner() -> None:
    plan = (
        'Well:\n1. divide(4, 2)\n2. add("one", 2)\n3. add(1)\n4. search("for ever")\n5. add($1, 1)\n6. join()'
    )
    model = Model([plan], "Action: Finish(none)")
    outcome, _ = await ask(compiler(timeout_seconds=7.0), model)
    assert (outcome.answer, outcome.seconds, outcome.usage.tool_calls) == ("none", 7, 3)
    for said in ("'Well:' is no call", "unknown tool 'divide'", "add was called with wrong arguments: a:"):
        assert said in model.asked[1]
    assert "search took longer than 7 s" in model.asked[1]
    assert "Call 5 needs call 1, which was refused" in model.asked[1]


@pytest.mark.parametrize(
    ("on_error", "states"),
    [
        ("observe", ["failed", "done", "done", "done"]),
        ("skip", ["failed", "skipped", "done", "done"]),
        ("stop", ["failed", "cancelled", "cancelled", "cancelled"]),
    ],
)
@virtual_clock
async def test_a_failure_is_observed_or_skips_or_stops(on_error: str, states: list[str]) -> None:
    plan = '1. search("nothing")\n2. search("why: $1")\n3. search("B")\n4. search("$3")\n5. join()'
    outcome, _ = await ask(compiler(on_error=on_error), Model([plan], "Action: Finish(x)"))
    assert [row["state"] for row in calls_of(outcome)] == states


@virtual_clock
async def test_after_a_failure_that_stopped_a_plan_the_next_one_is_carried_out() -> None:
    plans: list[Reply | str] = ['1. search("nothing")\n2. search("B")\n3. join()', "3. add(1, 2)\n4. join()"]
    model = Model(plans, "Action: Replan(it failed)", "Action: Finish(3)")
    outcome, _ = await ask(compiler(on_error="stop", max_replans=1), model)
    assert [row["state"] for row in calls_of(outcome)] == ["failed", "cancelled", "done"]


@virtual_clock
async def test_without_streaming_no_call_begins_before_the_plan_has_ended() -> None:
    plan = "1. add(1, 2)\n2. add(3, 4)\n3. join()"
    model = Model([plan], "Action: Finish(3)")
    outcome, _ = await ask(compiler(stream=False), model, seconds_per_token=0.1)
    assert [row["began"] for row in calls_of(outcome)] == pytest.approx([0.1 * len(plan)] * 2)


@virtual_clock
async def test_what_a_tool_says_is_neither_a_reference_nor_a_field_of_a_prompt() -> None:
    plan = '1. search("money")\n2. search("B")\n3. search("it costs $1")\n4. join()'
    model = Model([plan], "Action: Finish(x)")
    await ask(compiler(), model)
    assert "Observation: <it costs $2 and {question}>" in model.asked[1]


@virtual_clock
async def test_a_megabyte_and_control_characters_are_shown_shortened_and_written_out() -> None:
    async def dump(size: int) -> str:
        return "\x1b[2J" + "x" * size

    model = Model(["1. dump(1000000)\n2. dump(0)\n3. join()"], "Action: Finish(x)")
    agent = LLMCompiler(tools=(FunctionTool(function=dump),), max_observation_characters=300)
    await ask(agent, model)
    assert "\\x1b[2Jxxx" in model.asked[1]
    assert "\x1b" not in model.asked[1]
    assert len(model.asked[1]) < 1_500


@virtual_clock
async def test_a_planner_that_never_stops_is_stopped_and_its_calls_count() -> None:
    endless = "".join(f"{number}. add(1, {number})\n" for number in range(1, 2_000))
    model = Model([endless], "Action: Finish(x)")
    outcome, backend = await ask(compiler(max_calls=5), model, seconds_per_token=0.001)
    assert (outcome.usage.tool_calls, outcome.answer) == (5, "x")
    assert backend.records[0].usage.generated < 100
    assert "more than 5 calls" in model.asked[1]


@virtual_clock
async def test_an_answer_in_place_of_a_plan_is_the_answer() -> None:
    outcome, _ = await ask(compiler(), Model(["It is \\boxed{8}."]))
    assert (outcome.answer, outcome.usage.calls) == ("8", 1)


@virtual_clock
async def test_a_planner_that_fails_has_its_calls_joined_and_alone_is_an_error() -> None:
    model = Model([Reply("1. add(1, 2)\n2. ad", error="lost")], "Action: Finish(3)")
    assert (await ask(compiler(), model))[0].answer == "3"
    outcome, _ = await ask(compiler(), Model([Reply("", error="lost")]))
    assert (outcome.stop_reason, outcome.error) == ("error", "lost")


@virtual_clock
async def test_a_budget_of_tool_calls_ends_it_with_the_best_so_far() -> None:
    plan = "It may be \\boxed{5}.\n1. add(1, 2)\n2. add(2, 2)\n3. add($1, $2)\n4. join()"
    outcome, _ = await ask(compiler(), Model([plan]), budget=Budget(tool_calls=2))
    assert (outcome.stop_reason, outcome.answer, outcome.usage.tool_calls) == ("budget", "5", 2)


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        (lambda: LLMCompiler(max_replans=-1), ValueError),
        (lambda: LLMCompiler(joiner="last", max_replans=1), ValueError),
        (lambda: LLMCompiler(template="revise"), ValueError),
        (lambda: LLMCompiler(template="there is none"), ConfigError),
        (lambda: LLMCompiler(max_workers=0), ValueError),
        (lambda: LLMCompiler(timeout_seconds=0), ValueError),
    ],
)
def test_options_that_cannot_be_are_refused(wrong: Callable[[], object], error: type[Exception]) -> None:
    with pytest.raises(error):
        wrong()
