"""ParallelMuse: branches from the least certain steps, reports, and one answer."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from tests.unit.agents import answer, ask, call, noted, num_steps, slow_add
from ttscale.budget import Budget
from ttscale.testing import FakeBackend, Reply, virtual_clock
from ttscale.types import Prompt
from ttscale_strategies.dag.acting import call_begins
from ttscale_strategies.dag.parallel_muse import Hesitation, ParallelMuse, chosen_places, report_in
from ttscale_strategies.dag.rules.uncertainty import MISSING

CALL = call("add", a=1, b=2)


def hesitating(thought: str, said: str, *, think: float, act: float) -> Reply:
    """Return a reply whose thoughts and call have these perplexities: so many tokens are equally likely."""

    def top(width: float) -> dict[str, float]:
        return {chr(97 + place): -math.log(width) for place in range(int(width))}

    tops = [top(think)] * len(thought) + [top(act)] * len(said)
    return Reply(thought + said, top_logprobs=tops, logprobs=-1.0, seconds=1.0)


def model(step: Callable[[int, int], Reply], *, final: str = "<answer>9</answer>") -> FakeBackend:
    """Return a model that takes steps by their number and the sample's seed, and reports."""

    def script(prompt: Prompt, seed: int, ordinal: int) -> Reply:
        asked = prompt.question
        if "between <report>" in asked:
            words = asked.partition("Last words: ")[2].partition("\n")[0]
            return Reply(f"<report>It ended with {words}</report>", seconds=1.0)
        if "Reports of several" in asked:
            return Reply(final, seconds=1.0)
        return step(num_steps(prompt), seed)

    return FakeBackend(script)


def walk(number: int, seed: int) -> Reply:
    """Take three steps, the second of which hesitates in thought, the third in its call; then answer."""
    if number == 3:
        return Reply(answer(str(seed % 7)), seconds=1.0, logprobs=-0.01)
    return hesitating("Hm: ", CALL, think=[1, 4, 2][number], act=[1, 1, 3][number])


def starts(backend: FakeBackend) -> list[int]:
    """Return how many steps had been taken before each step of an agent."""
    prompts = [
        backend.decode(request.prompt.token_ids or ()) for request in backend.requests for _ in request.seeds
    ]
    return [text.count("\nResult ") for text in prompts if "Take one step" in text]


@virtual_clock
async def test_branches_begin_at_the_least_certain_steps_and_share_what_is_before() -> None:
    backend = model(walk)
    outcome, used = await ask(ParallelMuse(), backend.script, tools=[slow_add(0.0)])
    assert outcome.answer == "9"
    assert noted(outcome, "branched") == [[1, 2]]
    begun = starts(used)
    # one from the beginning and one afresh, three more each from the second and from the third step
    assert [begun.count(number) for number in range(4)] == [2, 2 + 3, 2 + 3 + 3, 8]
    assert len(outcome.candidates) == 8
    assert noted(outcome, "num_reports") == 8


@virtual_clock
async def test_branches_begin_when_their_trajectory_ends_and_fresh_ones_at_once() -> None:
    outcome, _ = await ask(ParallelMuse(), model(walk).script, tools=[slow_add(0.0)])
    # four steps, the three of the longer branches, a report and the answer
    assert outcome.seconds == pytest.approx(4 + 3 + 1 + 1)


@virtual_clock
async def test_the_integrator_sees_reports_and_no_trajectories() -> None:
    outcome, used = await ask(ParallelMuse(n=3, branches=1), model(walk).script, tools=[slow_add(0.0)])
    last = used.decode(used.requests[-1].prompt.token_ids or ())
    assert last.count("It ended with So") == 3
    assert "Step:" not in last
    assert outcome.text == "<answer>9</answer>"


@virtual_clock
async def test_without_an_answer_of_the_integrator_the_trajectories_vote() -> None:
    def step(number: int, seed: int) -> Reply:
        return Reply(answer("5"))

    outcome, _ = await ask(ParallelMuse(), model(step, final="I cannot say.").script)
    assert (outcome.answer, outcome.confidence) == ("5", 1.0)


@virtual_clock
async def test_too_few_branchable_steps_make_fresh_trajectories() -> None:
    outcome, used = await ask(ParallelMuse(region="tool_call"), model(lambda *_: Reply(answer("5"))).script)
    assert noted(outcome, "branched") == [[]]
    assert starts(used) == [0] * 8


@virtual_clock
async def test_failed_trajectories_have_no_report() -> None:
    def step(number: int, seed: int) -> Reply:
        return Reply(answer("5"), error="broken" if seed % 2 else None)

    outcome, _ = await ask(ParallelMuse(), model(step).script)
    failed = [candidate for candidate in outcome.candidates if candidate.finish_reason == "error"]
    assert 0 < len(failed) < 8
    assert noted(outcome, "num_reports") == 8 - len(failed)
    broken, _ = await ask(ParallelMuse(), Reply("x", error="broken"))
    assert (broken.answer, broken.stop_reason, broken.error) == (None, "error", "broken")


@virtual_clock
async def test_a_spent_budget_lets_the_trajectories_vote() -> None:
    def step(number: int, seed: int) -> Reply:
        return Reply(answer("5"))

    outcome, _ = await ask(ParallelMuse(), model(step).script, budget=Budget(samples=3))
    assert (outcome.answer, outcome.stop_reason) == ("5", "budget")


def test_the_region_decides_which_steps_are_tried_again() -> None:
    steps = [Hesitation(1.2, 5.0, 1.5), Hesitation(2.5, MISSING, 2.0), Hesitation(1.9, 2.0, 1.1)]
    assert chosen_places("think", steps, 2) == (1, 2)
    assert chosen_places("tool_call", steps, 2) == (0, 2)
    assert chosen_places("all", steps, 2) == (0, 1)
    assert chosen_places("mixed", steps, 2) == (0, 1)


def test_a_call_begins_where_its_object_does_however_long_the_thoughts_and_whatever_its_names() -> None:
    assert call_begins(f"Hm {{1}}: {CALL}") == 8
    assert call_begins("x" * 30_000 + '{"tool": "add", "arguments": {}}') == 30_000
    assert call_begins('{"answer": 3}') is None


@pytest.mark.parametrize(
    ("text", "report"),
    [
        ("<report>a</report> and <report> b\n</report>", "b"),
        ("<report>never closed", None),
        ("<report> </report>", None),
        ("no tags", None),
    ],
)
def test_a_report_stands_between_its_tags(text: str, report: str | None) -> None:
    assert report_in(text) == report


def test_more_branches_than_trajectories_are_refused() -> None:
    with pytest.raises(ValueError, match="are more than n=4"):
        ParallelMuse(n=4)
