"""Hogwild in rounds: what workers see of each other, and when they have an answer."""

from __future__ import annotations

import pytest

from tests.unit.refining import QUESTION, ask
from ttscale import registry
from ttscale.budget import Budget
from ttscale.errors import ConfigError
from ttscale.testing import Reply, virtual_clock
from ttscale.types import Outcome, Problem, Prompt
from ttscale_strategies import HogwildRounds

FINAL = "**Final Answer**\n\\boxed{"


class Workers:
    """Models of several workers, each of which writes its chunks one after the other."""

    def __init__(self, **chunks: list[Reply | str]) -> None:
        self.chunks = chunks
        self.seen: dict[str, list[tuple[str, str, str]]] = {name: [] for name in chunks}
        """Of each worker and call: past steps, others' steps, and its own as it goes on."""

    def __call__(self, prompt: Prompt, seed: int, ordinal: int) -> Reply | str:
        asked, own = prompt.question, prompt.messages[-1].content
        name = asked.partition("You are ")[2].partition(".")[0]
        past, _, others = asked.partition("Past steps:\n\n")[2].partition("\n\nWork in progress (others):\n\n")
        self.seen[name].append((past, others.partition("\n\nWork in progress (own)")[0], own))
        return self.chunks[name][len(self.seen[name]) - 1]


async def work(spec: str, workers: Workers, budget: Budget | None = None) -> Outcome:
    outcome, _ = await ask(f"hogwild_rounds:{spec}", workers, budget=budget)
    return outcome


@virtual_clock
async def test_finished_steps_become_history_and_unfinished_ones_are_work_in_progress() -> None:
    workers = Workers(Alice=[Reply("a1", finish_reason="length"), "\\boxed{4}"], Bob=["b1\n\nand more", "b2"])
    outcome = await work("max_rounds=5", workers)
    assert workers.seen["Alice"] == [
        ("Nothing yet.", "Nothing.", "**Alice [1]:** "),
        ("**Bob [1]:** b1", "Nothing.", "**Alice [1]:** a1"),
    ]
    assert workers.seen["Bob"][1] == ("**Bob [1]:** b1", "**Alice [1]:** a1", "**Bob [2]:** ")
    assert (outcome.answer, outcome.stop_reason, outcome.usage.calls) == ("4", "decided", 4)


@virtual_clock
async def test_the_question_comes_first_and_a_system_message_stays() -> None:
    prompts = list[Prompt]()

    def rule(prompt: Prompt, seed: int, ordinal: int) -> str:
        prompts.append(prompt)
        return "\\boxed{1}"

    problem = Problem(id="q", prompt=Prompt.user(QUESTION, system="Be brief."))
    await ask("hogwild_rounds", rule, problem=problem)
    assert [message.role for message in prompts[0].messages] == ["system", "user", "assistant"]
    assert prompts[0].question.startswith(f"{QUESTION}\n\nSeveral of you")


@virtual_clock
async def test_a_box_may_be_closed_in_a_later_chunk_and_no_other_words_are_an_answer() -> None:
    cut: list[Reply | str] = [Reply("So \\boxed{1", finish_reason="length"), "2} it is."]
    workers = Workers(Alice=[*cut], Bob=["The answer is 7.", "..."])
    outcome = await work("max_rounds=3", workers)
    assert (outcome.answer, outcome.text, outcome.usage.calls) == ("12", "So \\boxed{12} it is.", 4)


@virtual_clock
async def test_of_several_answers_in_a_round_the_majority_counts_and_then_the_first_worker() -> None:
    outcome = await work("names=[A, B, C]", Workers(A=["\\boxed{1}"], B=["\\boxed{2}"], C=["\\boxed{2}"]))
    assert outcome.answer == "2"
    assert outcome.confidence == pytest.approx(2 / 3)
    slow = Workers(A=[Reply("\\boxed{1}", seconds=9.0)], B=["\\boxed{2}"])
    assert (await work("names=[A, B]", slow)).answer == "1"


@virtual_clock
async def test_after_the_last_round_each_is_made_to_begin_the_answer() -> None:
    workers = Workers(Alice=["a1", "7}"], Bob=[Reply("b1", finish_reason="length"), "7} yes"])
    outcome = await work("max_rounds=1,max_answer_tokens=5", workers)
    assert [workers.seen[name][1][2] for name in ("Alice", "Bob")] == [
        f"**Alice [2]:** \n\n{FINAL}",
        f"**Bob [1]:** b1\n\n{FINAL}",
    ]
    assert (outcome.answer, outcome.stop_reason, outcome.usage.calls) == ("7", "finished", 4)
    assert outcome.text == f"{FINAL}7}}"


@virtual_clock
async def test_a_worker_drawn_by_lot_is_asked_whether_its_work_is_redundant_each_so_many_tokens() -> None:
    chunks: list[Reply | str] = [Reply("abcdefgh", finish_reason="length")] * 9
    workers = Workers(Alice=[*chunks], Bob=[*chunks])
    await work("chunk_tokens=8,max_rounds=8,check_tokens=32,check=Redundant?,max_step_chunks=99", workers)
    asked = [
        sum(workers.seen[name][turn][2].count("Redundant?") for name in ("Alice", "Bob")) for turn in range(8)
    ]
    assert asked == [0, 0, 1, 1, 2, 2, 3, 3]  # 16 tokens a round
    silent = Workers(Alice=[*chunks], Bob=[*chunks])
    await work("chunk_tokens=8,max_rounds=8,check_tokens=null", silent)
    assert not any("redundant" in own for seen in silent.seen.values() for _, _, own in seen)


@virtual_clock
async def test_a_step_without_end_ends_after_so_many_chunks_and_an_empty_one_is_none() -> None:
    endless: list[Reply | str] = [Reply("xy", finish_reason="length")] * 5
    workers = Workers(Alice=[*endless], Bob=["", "", "", "", "1}"])
    await work("max_rounds=4,max_step_chunks=2", workers)
    assert workers.seen["Bob"][-1][0] == "**Alice [1]:** xyxy\n\n**Alice [2]:** xyxy"
    assert workers.seen["Bob"][-1][2].startswith("**Bob [1]:** ")


@virtual_clock
async def test_a_failed_chunk_changes_nothing() -> None:
    workers = Workers(Alice=[Reply("lost", error="lost"), "\\boxed{1}"], Bob=["b1", "b2"])
    outcome = await work("max_rounds=2", workers)
    assert workers.seen["Alice"][1][2] == "**Alice [1]:** "
    assert (outcome.answer, outcome.candidates[0].finish_reason) == ("1", "error")


@virtual_clock
async def test_steps_that_do_not_fit_the_workspace_lose_the_oldest() -> None:
    workers = Workers(Alice=["one", "two", "three", "1}"], Bob=["", "", "", "1}"])
    await work("max_rounds=3,max_workspace_tokens=22", workers)
    assert workers.seen["Bob"][-1][0] == "\n\n**Alice [3]:** three"


@pytest.mark.parametrize(("samples", "answer"), [(3, None), (4, "1"), (6, "2")])
@virtual_clock
async def test_a_budget_that_ends_on_the_way_leaves_what_there_is(samples: int, answer: str | None) -> None:
    workers = Workers(A=["a", "1}"], B=["c", "2}"], C=["e", "2}"])
    outcome = await work("names=[A, B, C],max_rounds=1", workers, Budget(samples=samples))
    assert (outcome.answer, outcome.usage.calls) == (answer, samples)
    assert outcome.stop_reason == ("finished" if samples == 6 else "budget")


def test_calls_are_those_of_all_rounds_and_one_for_each_worker() -> None:
    assert HogwildRounds().max_samples() == 2 * 33
    assert HogwildRounds(names=("A", "B", "C"), max_rounds=4).max_samples() == 15


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("names=[]", "names must be one or more"),
        ("names=[A, A]", "names must be one or more, none empty and each once"),
        ("chunk_tokens=0", "chunk_tokens must be >= 1"),
        ("max_rounds=0", "max_rounds must be >= 1"),
        ("check_tokens=0", "check_tokens must be >= 1"),
        ("final=So", "final must end in"),
        ("template=revise", "needs the fields question and name and past and others"),
    ],
)
def test_options_out_of_range_are_named(options: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        registry.create_strategy(f"hogwild_rounds:{options}")
