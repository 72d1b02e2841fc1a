"""The other agents with tools: one call at a time, several at once, step by step, and by rules."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

import pytest

from tests.unit.dag_calls import TOOLS, ask, calls_of
from ttscale.budget import Budget
from ttscale.engine import Engine
from ttscale.errors import ConfigError
from ttscale.testing import FakeBackend, Reply, virtual_clock
from ttscale.tools import FunctionTool
from ttscale.types import Outcome, Problem, Prompt
from ttscale_strategies.dag import FlashSearcher, PlanOverGraph, ReAct, WideAndDeep


class Turns:
    """Replies one after the other, and remembers the prompts."""

    def __init__(self, *replies: Reply | str) -> None:
        self.replies = list(replies)
        self.prompts = list[Prompt]()

    def __call__(self, prompt: Prompt, seed: int, ordinal: int) -> Reply | str:
        self.prompts.append(prompt)
        return self.replies.pop(0)

    def last(self, number: int) -> str:
        """Return the last message of a prompt."""
        return self.prompts[number].messages[-1].content


# ── react ─────────────────────────────────────────────────────────────────────────────────────────────────


@virtual_clock
async def test_react_calls_one_tool_at_a_time_and_goes_on_from_its_own_words() -> None:
    model = Turns(
        'Thought: look\nAction: search("A")\nObservation: made up',
        "Thought: add\nAction: add(a=12, b=1)",
        "Action: Finish(13)",
    )
    outcome, _ = await ask(ReAct(tools=TOOLS), model)
    assert (outcome.answer, outcome.seconds, outcome.usage.calls, outcome.usage.tool_calls) == ("13", 2, 3, 2)
    assert model.last(1) == 'Thought: look\nAction: search("A")\nObservation: 12\n'
    assert model.last(2).endswith("Action: add(a=12, b=1)\nObservation: 13\n")
    assert "made up" not in (outcome.text or "")
    assert [row["id"] for row in calls_of(outcome)] == ["1", "2"]


@virtual_clock
async def test_what_react_cannot_do_is_an_observation() -> None:
    model = Turns(
        "Thought: hm", "Action: divide(1)", "Action: add(1+1)", 'Action: add("x", 1)', "Action: Finish(f(x))"
    )
    outcome, _ = await ask(ReAct(tools=TOOLS), model)
    observed = [model.last(number).rpartition("Observation: ")[2] for number in range(1, 5)]
    assert [text.partition(";")[0].partition(" at ")[0].strip() for text in observed] == [
        "Error: there is no action",
        "Error: no tool is called 'divide'",
        "Error: the arguments cannot be read: ',' is missing",
        observed[3].strip(),
    ]
    assert observed[3].startswith("Error: add was called with wrong arguments: a: ")
    assert (outcome.answer, outcome.usage.tool_calls) == ("f(x)", 1)


@virtual_clock
async def test_react_ends_after_its_steps_without_an_answer_or_with_one_it_has_stated() -> None:
    step = "Action: add(1, 1)"
    outcome, _ = await ask(ReAct(tools=TOOLS, max_steps=3), Turns(step, step, step))
    assert (outcome.answer, outcome.stop_reason, outcome.usage.calls) == (None, "finished", 3)
    outcome, _ = await ask(ReAct(tools=TOOLS, max_steps=2), Turns(f"The answer is 4.\n{step}", step))
    assert outcome.answer == "4"


@virtual_clock
async def test_react_line_by_line_waits_for_each_call_of_a_plan() -> None:
    plan = "1. add(1, 2)\n2. add(3, 4)\n3. add($1, $2)\n4. join()<END_OF_PLAN>"
    outcome, backend = await ask(ReAct(tools=TOOLS, form="plan"), plan)
    assert (outcome.answer, outcome.seconds, outcome.usage.calls) == ("10", 3, 4)
    assert outcome.text == plan
    assert sum(record.usage.generated for record in backend.records) == len(plan)


# ── wide and deep ─────────────────────────────────────────────────────────────────────────────────────────


@virtual_clock
async def test_calls_of_a_turn_run_together_and_the_model_is_told_how_many_to_make() -> None:
    turn = 'search("A")\nsearch("B")\nadd(1, 2)\nadd(5, 5)\ndig(1)\nSo \\boxed{1}, I guess'
    model = Turns(turn, "2. add(1, 1)", "Action: Finish(42)")
    outcome, _ = await ask(WideAndDeep(tools=TOOLS, schedule="descending"), model)
    assert (outcome.answer, outcome.seconds, outcome.usage.tool_calls) == ("42", 3, 4)
    assert model.last(0).endswith("Make 3 tool calls now.")
    assert model.last(1) == (
        "Result 1, of search: 12\nResult 2, of search: 5\nResult 3, of add: 3\n"
        "Result 4, of add: Error: not called: 3 calls were asked for\n\nMake 3 tool calls now."
    )
    assert [message.role for message in model.prompts[2].messages] == ["user", "assistant"] * 2 + ["user"]


@virtual_clock
async def test_calls_may_be_openais_json() -> None:
    calls = '{"name": "add", "arguments": {"a": 1, "b": 2}}\n{"name": "dig", "arguments": {}}'
    model = Turns(calls, "nothing", "The answer is 3.")
    outcome, _ = await ask(WideAndDeep(tools=TOOLS, form="json", schedule="automatic"), model)
    assert outcome.answer == "3"
    assert model.last(1).startswith("Result 1, of add: 3\nResult 2, of dig: Error: no tool is called 'dig'")
    assert model.last(2) == (
        "Neither a call nor an answer was found in your reply.\n\nMake 1 to 4 tool calls now."
    )


@virtual_clock
async def test_the_schedule_ends_it() -> None:
    outcome, _ = await ask(WideAndDeep(tools=TOOLS, schedule=((2, 1), (3, 2))), "add(1, 1)\nadd(2, 2)")
    assert (outcome.answer, outcome.usage.calls, outcome.usage.tool_calls) == (None, 3, 4)


@virtual_clock
async def test_a_plan_is_written_so_many_lines_at_a_time() -> None:
    plan = "1. add(1, 2)\n2. add(3, 4)\n3. add($1, $2)\n4. add($3, 5)\n5. join()<END_OF_PLAN>"
    outcome, _ = await ask(WideAndDeep(tools=TOOLS, form="plan", schedule=((9, 2),)), plan)
    assert (outcome.answer, outcome.seconds, outcome.usage.calls) == ("15", 3, 3)


# ── flash searcher ────────────────────────────────────────────────────────────────────────────────────────

GOALS = '1. search("A")\n2. search("nothing")\n3. math("of", ["$1", "$2"])\n4. search("D")\n5. join()'


@virtual_clock
async def test_a_failed_goal_is_replaced_and_what_is_completed_stays() -> None:
    rest = 'Thought: B then\n6. search("B")\n7. math("of", ["$1", "$6"])\n8. search("$2")\n9. join()'
    model = Turns(GOALS, rest, "Action: Finish(17)")
    outcome, _ = await ask(FlashSearcher(tools=TOOLS), model)
    assert (outcome.answer, outcome.usage.calls, outcome.usage.tool_calls) == ("17", 3, 5)
    assert [(row["id"], row["began"]) for row in calls_of(outcome)] == [
        ("1", 0), ("2", 0), ("4", 0), ("6", 1), ("7", 3),
    ]  # fmt: skip
    asked = model.last(1)
    assert "number the calls from 5 on" in asked
    assert "Observation: Error: search failed" in asked
    assert 'Still to be done:\n\n2. search(query="nothing")\n\n3. math(' in asked
    assert "Thought: B then" in model.last(2)
    assert "needs a call 2" in model.last(2)  # it failed: nothing can refer to it


@virtual_clock
async def test_the_plan_is_refined_every_so_many_steps_while_anything_is_left() -> None:
    chain = "1. add(1, 1)\n2. add($1, 1)\n3. add($2, 1)\n4. join()"
    model = Turns(chain, "I would not change it.", "Thought: shorter\n5. add($2, 10)\n6. join()")
    outcome, _ = await ask(FlashSearcher(tools=TOOLS, refine_every=1, joiner="last"), model)
    assert (outcome.answer, outcome.usage.calls, outcome.usage.tool_calls) == ("13", 3, 3)


@virtual_clock
async def test_a_search_without_a_way_on_ends_and_says_what_it_has() -> None:
    model = Turns('1. search("nothing")\n2. join()', "none", "Action: Finish(unknown)")
    outcome, _ = await ask(FlashSearcher(tools=TOOLS, max_refinements=2), model)
    assert (outcome.answer, outcome.usage.calls) == ("unknown", 3)


@virtual_clock
async def test_an_early_call_is_noted_as_provisional() -> None:
    plan = '1. search("A")\n2. search("B") after 1\n3. join()'
    outcome, _ = await ask(FlashSearcher(tools=TOOLS, aggressive=True), Turns(plan, "Action: Finish(x)"))
    attributes = outcome.trace[0]["attributes"]
    assert isinstance(attributes, Mapping)
    assert attributes["provisional"] == ["2"]
    assert outcome.seconds == 2


# ── plan over graph ───────────────────────────────────────────────────────────────────────────────────────

TASK = {
    "rules": [
        {"id": 1, "source": ["wood"], "target": ["plank"], "time": 3, "cost": 1},
        {"id": 2, "source": ["wood"], "target": ["nail"], "time": 2, "cost": 1},
        {"id": 3, "source": ["plank", "nail"], "target": ["box"], "time": 1, "cost": 1},
    ],
    "initial_source": ["wood"],
    "target": "box",
}
PLAN = [
    {"name": "p", "source": ["wood"], "target": ["plank"], "dependencies": []},
    {"name": "n", "source": ["wood"], "target": ["nail"], "dependencies": []},
    {"name": "b", "source": ["plank", "nail"], "target": ["box"], "dependencies": ["p", "n"]},
]
STORY = Problem.ask("Make a box of wood.")


@virtual_clock
async def test_rules_are_read_a_wrong_plan_goes_back_and_the_right_one_is_carried_out() -> None:
    done = list[tuple[str, list[str]]]()

    async def make(name: str, source: list[str], target: list[str]) -> str:
        done.append((name, source))
        return f"{target[0]} made"

    model = Turns(f"Here:\n{json.dumps(TASK)}", json.dumps(PLAN[:2]), f"[1] no. {json.dumps(PLAN)}")
    strategy = PlanOverGraph(tools=(FunctionTool(function=make),), perform="make")
    outcome, _ = await ask(strategy, model, problem=STORY)
    assert (outcome.answer, outcome.usage.calls, outcome.usage.tool_calls) == ("4", 3, 3)
    assert done == [("p", ["wood"]), ("n", ["wood"]), ("b", ["nail", "plank"])]
    assert model.last(2).endswith("Your last plan was not valid: nothing gives the target 'box'.")
    attributes = outcome.trace[0]["attributes"]
    assert isinstance(attributes, Mapping)
    assert (attributes["makespan"], attributes["cost"], attributes["least_makespan"]) == (4, 3, 4)


@pytest.mark.parametrize(
    "problem",
    [
        Problem.ask(f"Make a box. {json.dumps(TASK)}"),
        Problem(id="box", prompt=Prompt.user("Make a box."), meta={"production": TASK}),  # type: ignore[dict-item]
    ],
)
@virtual_clock
async def test_rules_that_come_with_the_problem_are_not_asked_for(problem: Problem) -> None:
    outcome, _ = await ask(PlanOverGraph(), json.dumps(PLAN), problem=problem)
    assert (outcome.answer, outcome.usage.calls) == ("4", 1)


@virtual_clock
async def test_without_rules_or_a_valid_plan_there_is_only_what_was_stated() -> None:
    assert (await ask(PlanOverGraph(), "It takes \\boxed{4} days.", problem=STORY))[0].answer == "4"
    outcome, _ = await ask(
        PlanOverGraph(attempts=2), Turns(json.dumps(TASK), "no", "The answer is 9."), problem=STORY
    )
    assert (outcome.answer, outcome.usage.calls) == ("9", 3)


# ── all of them ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("strategy", [ReAct(tools=TOOLS), WideAndDeep(tools=TOOLS), FlashSearcher(tools=TOOLS)])
@virtual_clock
async def test_a_budget_of_tool_calls_is_kept(strategy: ReAct | WideAndDeep | FlashSearcher) -> None:
    text = "It may be \\boxed{5}.\nAction: add(1, 1)\n1. add(1, 2)\n2. add(2, 2)\n3. add(3, 3)\n4. join()"
    outcome: Outcome
    outcome, _ = await ask(strategy, text, budget=Budget(tool_calls=2))
    assert (outcome.stop_reason, outcome.answer, outcome.usage.tool_calls) == ("budget", "5", 2)


@virtual_clock
async def test_tools_may_come_with_the_problem() -> None:
    async with Engine(FakeBackend(Turns("Action: add(1, 1)", "Action: Finish(2)"))) as engine:
        outcome = await engine.solve("How much?", strategy=ReAct(), tools=TOOLS)
    assert (outcome.answer, outcome.usage.tool_calls) == ("2", 1)


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        (lambda: ReAct(max_steps=0), ValueError),
        (lambda: WideAndDeep(schedule=((3, 1), (2, 1))), ValueError),
        (lambda: WideAndDeep(max_iterations=0), ValueError),
        (lambda: FlashSearcher(refine_every=0), ValueError),
        (lambda: FlashSearcher(max_refinements=-1), ValueError),
        (lambda: PlanOverGraph(attempts=0), ValueError),
        (lambda: PlanOverGraph(template="wide"), ValueError),
        (lambda: ReAct(max_observation_characters=0), ValueError),
        (lambda: ReAct(template="there is none"), ConfigError),
    ],
)
def test_options_that_cannot_be_are_refused(wrong: Callable[[], object], error: type[Exception]) -> None:
    with pytest.raises(error):
        wrong()
