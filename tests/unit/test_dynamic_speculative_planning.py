"""Dynamic speculative planning: the target's steps, quicker, and nothing left of drafts that were wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import pytest

from tests.unit.agents import answer, ask, call, noted, num_steps, slow_add
from ttscale.budget import Budget
from ttscale.testing import FakeBackend, Reply, virtual_clock
from ttscale.types import Outcome, Prompt
from ttscale_strategies.dag.acting import read_action
from ttscale_strategies.dag.dynamic_speculative_planning import DynamicSpeculativePlanning

STEPS = [call("add", a=number, b=1) for number in range(6)]


def by_step(replies: Sequence[str], seconds: float, *, wrong: Mapping[int, str] | None = None) -> FakeBackend:
    """Return a model that says the same at each step, whatever came before, but for some of them."""

    def script(prompt: Prompt, seed: int, ordinal: int) -> Reply:
        number = min(num_steps(prompt), len(replies) - 1)
        return Reply((wrong or {}).get(number, replies[number]), seconds=seconds)

    return FakeBackend(script)


async def planned(
    target: FakeBackend, draft: FakeBackend, budget: Budget | None = None, **options: object
) -> tuple[Outcome, list[str]]:
    """Return the outcome and the actions taken."""
    strategy = DynamicSpeculativePlanning(target="target", draft="draft", **options)  # type: ignore[arg-type]
    models = {"target": target, "draft": draft}
    outcome, _ = await ask(strategy, "unused", tools=[slow_add()], models=models, budget=budget)
    actions = noted(outcome, "actions") or ()
    assert isinstance(actions, Sequence)
    return outcome, [str(action) for action in actions]


@virtual_clock
async def test_a_draft_that_is_always_right_takes_the_place_of_the_target() -> None:
    replies = [*STEPS, answer("6")]
    alone, actions = await planned(by_step(replies, 4.0), by_step(replies, 1.0), k=0)
    ahead, same = await planned(by_step(replies, 4.0), by_step(replies, 1.0), k=7)
    assert actions == same == STEPS
    assert alone.seconds == pytest.approx(6 * 4.5 + 4)
    # six steps of the draft, 1.5 s each with their tool calls, and the check of the last place
    assert ahead.seconds == pytest.approx(6 * 1.5 + 4)
    assert (alone.answer, ahead.answer) == ("6", "6")


@virtual_clock
async def test_the_targets_step_is_taken_at_the_smallest_mismatch() -> None:
    other = call("add", a=7, b=7)
    target = by_step([STEPS[0], STEPS[1], other, answer("14")], 4.0)
    draft = by_step([STEPS[0], STEPS[1], STEPS[2], answer("3")], 1.0)
    outcome, actions = await planned(target, draft, k=3)
    assert actions == [STEPS[0], STEPS[1], other]
    assert outcome.answer == "14"
    assert noted(outcome, "rounds") == [[0, 3, 3, 2], [3, 3, 0, 0]]


@virtual_clock
async def test_no_request_behind_a_mismatch_survives() -> None:
    wrong = {1: call("add", a=9, b=9)}
    target, draft = by_step([*STEPS, answer("6")], 4.0), by_step([*STEPS, answer("6")], 1.0, wrong=wrong)
    outcome, actions = await planned(target, draft, k=5)
    assert actions == STEPS
    assert cast("list[list[int]]", noted(outcome, "rounds"))[0] == [0, 5, 2, 1]
    # The second place was wrong. The checks of the third and the fourth began at 3 s and 4.5 s; all behind the
    # second is stopped when it is found out, at 5.5 s.
    assert [record.finish_reason for record in target.records[:4]] == ["stop", "stop", "abort", "abort"]
    assert {record.ended for record in target.records[2:4]} == {5.5}
    aborted = [record for record in draft.records if record.finish_reason == "abort"]
    assert all(record.ended == 5.5 for record in aborted)
    assert outcome.usage.cancelled > 0


@virtual_clock
async def test_checks_before_a_mismatch_are_still_waited_for() -> None:
    # the third place is found out first, while the second, slower and wrong too, is still being checked
    def script(prompt: Prompt, seed: int, ordinal: int) -> Reply:
        number = num_steps(prompt)
        texts = [STEPS[0], call("add", a=5, b=5), call("add", a=6, b=6), answer("12")]
        return Reply(texts[min(number, 3)], seconds=[1.0, 30.0, 1.0, 1.0][min(number, 3)])

    target = FakeBackend(script)
    outcome, actions = await planned(target, by_step([*STEPS, answer("6")], 1.0), k=4)
    assert actions[:2] == [STEPS[0], call("add", a=5, b=5)]
    assert outcome.answer == "12"


@virtual_clock
async def test_a_draft_that_hangs_costs_no_time() -> None:
    replies = [*STEPS, answer("6")]
    outcome, actions = await planned(by_step(replies, 1.0), by_step(replies, 1e5), k=3)
    assert actions == STEPS
    assert outcome.seconds == pytest.approx(6 * 1.5 + 1)


@virtual_clock
async def test_a_draft_never_ends_the_work() -> None:
    outcome, actions = await planned(by_step([*STEPS, answer("6")], 2.0), by_step([answer("1")], 1.0), k=4)
    assert (outcome.answer, actions) == ("6", STEPS)


@virtual_clock
async def test_the_predictor_shortens_its_reach_after_mismatches_and_lengthens_it_after_matches() -> None:
    replies = [*(call("add", a=number, b=1) for number in range(14)), answer("6")]
    bad = {number: call("add", a=-1, b=-1) for number in range(8)}
    outcome, _ = await planned(by_step(replies, 4.0), by_step(replies, 1.0, wrong=bad), start=4.0)
    depths = [depth for _, depth, *_ in cast("list[list[int]]", noted(outcome, "rounds"))]
    assert depths[0] == 4
    assert min(depths) == 1
    assert max(depths[depths.index(1) :]) > 1


@virtual_clock
async def test_beta_trades_cost_for_latency() -> None:
    replies = [*STEPS, answer("6")]
    wrong = {4: call("add", a=9, b=9)}
    seconds, tokens = list[float](), list[int]()
    for beta in (0, 3):
        draft = by_step(replies, 1.0, wrong=wrong)
        outcome, _ = await planned(by_step(replies, 4.0), draft, beta=beta, start=1.0)
        seconds.append(outcome.seconds)
        tokens.append(outcome.usage.tokens)
    assert seconds[1] < seconds[0]
    assert tokens[1] > tokens[0]


@virtual_clock
async def test_failed_samples_of_the_target_are_drawn_again() -> None:
    def script(prompt: Prompt, seed: int, ordinal: int) -> Reply:
        text = [*STEPS[:2], answer("2")][min(num_steps(prompt), 2)]
        return Reply(text, error="broken" if ordinal % 2 == 0 else None)

    outcome, actions = await planned(FakeBackend(script), by_step(["nothing"], 1.0), k=2)
    assert (outcome.answer, actions) == ("2", STEPS[:2])
    always = FakeBackend(Reply("x", error="broken for good"))
    outcome, actions = await planned(always, by_step(STEPS, 1.0), k=2)
    assert (outcome.answer, outcome.stop_reason, outcome.error) == (None, "error", "broken for good")


@virtual_clock
async def test_what_is_no_call_and_unknown_tools_are_told_to_the_model() -> None:
    seen = list[str]()

    def script(prompt: Prompt, seed: int, ordinal: int) -> str:
        seen.append(prompt.question)
        return ["I wonder.", call("divide", a=1), call("add", a="x", b=2), answer("4")][num_steps(prompt)]

    outcome, _ = await planned(FakeBackend(script), by_step(["nothing"], 1.0), k=0)
    assert outcome.answer == "4"
    assert "that is no call" in seen[1]
    assert "no tool is called 'divide'" in seen[2]
    assert "Result 3: Error:" in seen[3]


@virtual_clock
async def test_it_gives_up_after_its_steps_with_the_answer_stated_last() -> None:
    replies = [f"It may be \\boxed{{{number}}}. {step}" for number, step in enumerate(STEPS)]
    outcome, actions = await planned(by_step(replies, 1.0), by_step(replies, 0.5), max_steps=4)
    assert (actions, outcome.answer, outcome.stop_reason) == (STEPS[:4], "3", "finished")


@virtual_clock
async def test_a_spent_budget_returns_the_answer_stated_last() -> None:
    replies = [f"It may be \\boxed{{{number}}}. {step}" for number, step in enumerate(STEPS)]
    target, draft = by_step(replies, 1.0), by_step(replies, 0.5)
    outcome, _ = await planned(target, draft, budget=Budget(samples=5), k=0)
    assert (outcome.answer, outcome.stop_reason) == ("4", "budget")
    outcome, _ = await planned(by_step(replies, 1.0), draft, budget=Budget(tool_calls=2), k=3)
    assert (outcome.answer, outcome.stop_reason) == ("2", "budget")


def test_two_ways_of_writing_a_call_are_the_same_action() -> None:
    one = read_action('I think. {"arguments": {"b": 2, "a": 1},\n "tool": "add"}')
    assert one == read_action(call("add", a=1, b=2))
    assert one.kind == "call"


@pytest.mark.parametrize(
    "text",
    [
        '{"tool": "add", "arguments": [1]}',
        '{"tool": "add", "arguments": {"a": NaN}}',
        '{"tool": 3}',
        "{" * 9_999,
    ],
)
def test_what_is_no_call_is_an_action_that_cannot_be_read(text: str) -> None:
    assert read_action(text).kind == "unreadable"


@pytest.mark.parametrize("depth", [400, 900, 5_000])
def test_arguments_of_any_depth_are_read_or_not_but_never_raise(depth: int) -> None:
    text = '{"tool": "add", "arguments": {"a": ' + "[" * depth + "]" * depth + "}}"
    assert read_action(text).kind in ("call", "unreadable")


def test_a_call_of_thoughts_is_not_read() -> None:
    assert read_action(f"{call('add', a=1)}</think>{answer('3')}").text == "3"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k": -1}, "k must be"),
        ({"tau": 1.0}, "tau must lie"),
        ({"max_k": 0}, "max_k must"),
        ({"start": -1.0}, "start"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DynamicSpeculativePlanning(**options)  # type: ignore[arg-type]
