"""PDR: what is distilled from a round of drafts, what the next one sees, and what it costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import pytest

from tests.unit.refining import PICK, QUESTION, SUMMARY, Model, ask, in_order, noted, spent
from ttscale import registry
from ttscale.budget import Budget
from ttscale.errors import ConfigError
from ttscale.run import Run
from ttscale.testing import Reply, virtual_clock
from ttscale.types import Message, Problem, Prompt, Sample, Score
from ttscale.verifier import Example
from ttscale_strategies import PDR
from ttscale_strategies.refine.pdr import named_numbers
from ttscale_strategies.refine.rules import Distil


def solved(answer: object, words: str = "I think") -> str:
    return f"<think>hm</think>{words}\n\\boxed{{{answer}}}"


def shown(text: str) -> list[str]:
    """Return the first words of the attempts that a prompt shows."""
    return [part.splitlines()[1] for part in text.split("Attempt ")[1:]]


@pytest.mark.parametrize(
    ("options", "calls"),
    [
        ("drafts=[16,8,4]", 32),
        ("drafts=[16,8,4],distil=random_k", 29),
        ("drafts=[16,8,4],distil=shared_top_k,picked_by=votes", 29),
        ("drafts=[16,8,4],distil=shared_top_k,k=2", 32),
        ("drafts=[16,8,4],distil=shared_top_k,k=4", 31),  # among four drafts there is nothing to pick
        ("drafts=[16,8,4],distil=per_sample_top_k,k=2", 42),
        ("drafts=[16,8,4],distil=per_sample_top_k,k=8", 37),
        ("drafts=[8]", 10),
        ("drafts=[]", 1),
    ],
)
def test_calls_are_drafts_distilling_and_the_answer(options: str, calls: int) -> None:
    assert registry.create_strategy(f"pdr:{options}").max_samples() == calls


@virtual_clock
async def test_a_summary_of_all_drafts_is_all_that_the_next_round_sees() -> None:
    model = in_order(*(solved(n, f"draft {n}") for n in range(3)), solved(9), otherwise="hm</think>they differ")
    problem = Problem(id="q", prompt=Prompt.user("How {much} is it?", system="Be brief."))
    outcome, backend = await ask("pdr:drafts=[3]", model, problem=problem)
    *_, summing, last = model.prompts
    assert [prompt == problem.prompt for prompt in model.prompts] == [True] * 3 + [False] * 2
    assert SUMMARY in summing.question
    assert shown(summing.question) == ["draft 0", "draft 1", "draft 2"]
    assert "<think>" not in summing.question
    assert "may be wrong:\n\nthey differ\n\nWrite" in last.question
    assert "draft" not in last.question.replace("drafts", "")
    assert last.messages[0] == summing.messages[0] == Message("system", "Be brief.")
    assert "How {much} is it?" in last.question
    assert (outcome.answer, outcome.stop_reason, outcome.usage.calls) == ("9", "finished", 5)
    assert outcome.confidence == pytest.approx(1 / 4)
    tokens = spent(backend)
    assert noted(outcome, "total_tokens") == sum(tokens)
    assert noted(outcome, "sequential_tokens") == max(tokens[:3]) + tokens[3] + tokens[4]
    assert [candidate.index for candidate in outcome.candidates] == [0, 1, 2, 3]


@virtual_clock
async def test_a_summary_that_overflows_the_workspace_loses_its_end_and_the_trace_says_so() -> None:
    model = in_order(solved(1), solved(2), solved(3), otherwise="They all agree on it, at great length.")
    outcome, _ = await ask("pdr:drafts=[1,1],max_workspace_tokens=14", model)
    assert all("may be wrong:\n\nThey all agree\n\nWrite" in model.asked[place] for place in (2, 4))
    assert noted(outcome, "cut_summaries") == (1, 2)
    roomy = in_order(solved(1), solved(2), solved(3), otherwise="They all agree")
    outcome, _ = await ask("pdr:drafts=[1,1],max_workspace_tokens=14", roomy)
    assert noted(outcome, "cut_summaries") is None


@pytest.mark.parametrize("summary", [Reply("half a", error="lost"), "hm</think> ", ""])
@virtual_clock
async def test_without_a_summary_the_next_round_starts_afresh(summary: Reply | str) -> None:
    model = in_order(solved(1), solved(2), otherwise=summary)
    outcome, _ = await ask("pdr:drafts=[1]", model)
    assert model.asked[2] == QUESTION
    assert outcome.answer == "2"


LOST = Reply(solved(5), error="lost")


@pytest.mark.parametrize("distil", ["global_summary", "shared_top_k", "per_sample_top_k", "random_k"])
@pytest.mark.parametrize("nothing", ["", "hm</think>\n", LOST, Reply("so \\boxed{", finish_reason="length")])
@virtual_clock
async def test_a_round_of_empty_drafts_is_followed_by_a_fresh_start(
    nothing: Reply | str, distil: Distil
) -> None:
    model = in_order(nothing, nothing, nothing, solved(1), solved(2), solved(7))
    outcome, _ = await ask(f"pdr:drafts=[3,2],distil={distil},k=1", model)
    assert model.asked[:5] == [QUESTION] * 5  # nobody sums up or picks among nothing
    assert model.asked[-1] != QUESTION
    assert outcome.answer == "7"


@virtual_clock
async def test_what_failed_was_cut_off_or_says_nothing_is_not_shown() -> None:
    model = in_order(
        solved(1, "one"),
        LOST,
        "hm</think>",
        Reply(solved(4, "four"), finish_reason="length"),
        solved(5, "five"),
        solved(1),
    )
    outcome, _ = await ask("pdr:drafts=[5],distil=random_k,k=9", model)
    assert shown(model.asked[-1]) == ["one", "five"]
    assert len(outcome.candidates) == 6


@virtual_clock
async def test_drafts_that_do_not_fit_the_workspace_lose_their_beginnings_evenly() -> None:
    model = in_order("a long story\n\\boxed{1}", "\\boxed{2}", "another one\n\\boxed{3}", "\\boxed{4}")
    await ask("pdr:drafts=[3],distil=random_k,max_workspace_tokens=33", model)
    attempts = [part.split(":\n", 1)[1].split("\n\n")[0] for part in model.asked[-1].split("Attempt ")[1:]]
    assert attempts == ["ry\n\\boxed{1}", "\\boxed{2}", "ne\n\\boxed{3}"]


# ── picks ─────────────────────────────────────────────────────────────────────────────────────────────────


@virtual_clock
async def test_the_model_picks_the_drafts_that_everybody_sees() -> None:
    model = in_order(*(solved(n, f"draft {n}") for n in range(1, 8)), otherwise="Draft 1 is bad.\n2, 4")
    outcome, backend = await ask("pdr:drafts=[4,2],distil=shared_top_k,k=2", model)
    assert [PICK in text for text in model.asked] == [False] * 4 + [True] + [False] * 3
    assert "Which 2 of them" in model.asked[4]
    assert [shown(text) for text in model.asked[5:]] == [["draft 2", "draft 4"]] * 2 + [["draft 5", "draft 6"]]
    tokens = spent(backend)
    assert noted(outcome, "sequential_tokens") == max(tokens[:4]) + tokens[4] + max(tokens[5:7]) + tokens[7]


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("no idea", ["draft 1", "draft 2"]),
        ("9, 0, 77", ["draft 1", "draft 2"]),
        ("3, 3, 3", ["draft 1", "draft 3"]),
        (Reply("4, 3", error="lost"), ["draft 1", "draft 2"]),
        ("4, 3, 2, 1", ["draft 3", "draft 4"]),
    ],
)
@virtual_clock
async def test_a_pick_that_makes_no_sense_is_filled_up(reply: Reply | str, expected: list[str]) -> None:
    model = in_order(*(solved(n, f"draft {n}") for n in range(1, 6)), otherwise=reply)
    await ask("pdr:drafts=[4],distil=shared_top_k,k=2", model)
    assert shown(model.asked[-1]) == expected


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("2, 4", (2, 4)),
        ("I take 1.\nPicked: 3 and 2.", (3, 2)),
        ("3\n\nThese are best.", (3,)),
        ("1</think>2", (2,)),
        ("1.5 and v2", ()),
        ("", ()),
        ("7 " * 100_000, (7,) * 1000),
    ],
)
def test_numbers_are_read_from_the_last_line_that_has_any(text: str, numbers: tuple[int, ...]) -> None:
    assert named_numbers(text) == numbers


@virtual_clock
async def test_votes_pick_the_drafts_whose_answer_most_have() -> None:
    drafts = [solved(a, f"draft {n}") for n, a in enumerate([1, 2, 3, 2, 2])]
    model = in_order(*drafts, "no idea", solved(8))
    outcome, _ = await ask("pdr:drafts=[6],distil=shared_top_k,k=3,picked_by=votes", model)
    assert shown(model.asked[-1]) == ["draft 1", "draft 3", "draft 4"]
    assert outcome.usage.calls == 7


@dataclass(frozen=True, kw_only=True)
class ByLength:
    """Likes long texts."""

    needs: ClassVar[frozenset[str]] = frozenset()
    needs_target: ClassVar[bool] = False

    async def score(self, problem: Problem, samples: Sequence[Sample], run: Run) -> list[Score]:
        return [Score(value=float(len(sample.text)), high=1e6) for sample in samples]

    def examples(self) -> Sequence[Example]:
        return ()


@virtual_clock
async def test_a_verifier_picks_the_drafts_that_it_scores_highest() -> None:
    model = in_order(*(solved(n, "x" * n) for n in (2, 9, 4)), solved(1))
    await ask(PDR(drafts=(3,), distil="shared_top_k", k=2, verifier=ByLength()), model)
    assert shown(model.asked[-1]) == ["x" * 9, "x" * 4]


@virtual_clock
async def test_each_generation_begins_as_soon_as_its_own_pick_is_there() -> None:
    def reply(text: str, number: int) -> Reply | str:
        if PICK in text:
            return [Reply("1", seconds=5.0), Reply("2", seconds=1.0), Reply("3", seconds=3.0)][number % 3]
        return Reply(solved(number, f"draft {number}"), seconds=1.0)

    model = Model(reply)
    outcome, backend = await ask("pdr:drafts=[3,3],distil=per_sample_top_k,k=1", model)
    generations = [
        record for record, text in zip(backend.records, model.asked, strict=True) if PICK not in text
    ]
    assert [record.started for record in generations[3:6]] == pytest.approx([2.0, 4.0, 6.0])
    assert sorted(shown(text)[0] for text in model.asked[6:9]) == ["draft 0", "draft 1", "draft 2"]
    # in order of their places: the first pick was the slowest, and its draft the last to begin
    assert [candidate.answer for candidate in outcome.candidates][:6] == ["0", "1", "2", "5", "3", "4"]
    assert outcome.seconds == pytest.approx(1 + 6 + 6)


@virtual_clock
async def test_random_drafts_are_drawn_anew_for_each_generation_and_by_the_seed() -> None:
    async def sights(seed: int) -> list[list[str]]:
        model = in_order(*(solved(n, f"draft {n}") for n in range(13)))
        await ask("pdr:drafts=[8,4],distil=random_k,k=2", model, seed=seed)
        return [shown(text) for text in model.asked[8:]]

    first = await sights(1)
    assert len({tuple(sight) for sight in first[:4]}) > 1
    assert all(len(sight) == 2 and sight == sorted(sight, key=len) for sight in first)
    assert first == await sights(1)
    assert first != await sights(2)


# ── who answers ───────────────────────────────────────────────────────────────────────────────────────────


@virtual_clock
async def test_without_an_answer_in_the_last_call_the_drafts_vote() -> None:
    outcome, _ = await ask(
        "pdr:drafts=[3],distil=random_k", in_order(solved(1), solved(2), solved(2), "no idea")
    )
    assert (outcome.answer, outcome.stop_reason) == ("2", "finished")
    assert outcome.confidence == pytest.approx(2 / 3)


@virtual_clock
async def test_the_text_is_that_of_the_last_round() -> None:
    outcome, _ = await ask("pdr:drafts=[1],distil=random_k", in_order(solved(1, "first"), solved(1, "then")))
    assert (outcome.text, outcome.confidence) == (solved(1, "then"), 1.0)


@pytest.mark.parametrize(
    ("options", "answers", "calls"),
    [
        ("stop=entropy", "11223", 6),  # they never agree
        ("stop=entropy", "111", 3),
        ("stop=entropy,threshold=0.7", "112", 3),
        ("stop=secretary", "12345", 5),  # two answers have less entropy than three
        ("stop=secretary", "11223", 6),
        ("stop=secretary", "111", 3),
        ("stop=consistent", "1111", 6),  # three equal answers are no 95 %
        ("stop=consistent,threshold=0.9", "111", 3),
    ],
)
@virtual_clock
async def test_a_stopping_rule_ends_it_after_a_round(options: str, answers: str, calls: int) -> None:
    replies = [solved(answer) for answer in answers + "9" * 6]
    outcome, _ = await ask(f"pdr:drafts=[3,2],distil=random_k,k=1,{options}", in_order(*replies))
    assert outcome.usage.calls == calls
    assert outcome.stop_reason == ("decided" if calls < 6 else "finished")
    assert outcome.answer == {3: "1", 5: "4", 6: "9"}[calls]


@virtual_clock
async def test_a_model_that_repeats_itself_is_shown_its_draft_and_is_done() -> None:
    model = in_order(*[solved(3)] * 20)
    outcome, _ = await ask("pdr:drafts=[4,4],distil=random_k", model)
    assert (outcome.answer, outcome.confidence, outcome.usage.calls) == ("3", 1.0, 9)


@pytest.mark.parametrize(
    ("samples", "answer", "confidence"),
    [(1, "1", 1.0), (3, "2", 2 / 3), (4, "2", 2 / 4), (5, "4", 2 / 5), (6, "5", 1 / 6)],
)
@virtual_clock
async def test_a_budget_that_ends_on_the_way_leaves_the_last_whole_round(
    samples: int, answer: str, confidence: float
) -> None:
    model = in_order(*(solved(answer) for answer in (1, 2, 2, 4, 4, 5)))
    spec = "pdr:drafts=[3,2],distil=random_k,k=1"
    outcome, _ = await ask(spec, model, budget=Budget(samples=samples))
    assert outcome.answer == answer
    assert outcome.confidence == pytest.approx(confidence)
    assert outcome.stop_reason == ("budget" if samples < 6 else "finished")


@virtual_clock
async def test_a_budget_that_ends_before_the_summary_leaves_the_drafts() -> None:
    model = in_order(solved(1), solved(2), solved(2), solved(4))
    outcome, _ = await ask("pdr:drafts=[3]", model, budget=Budget(samples=3))
    assert (outcome.answer, outcome.stop_reason, outcome.usage.calls) == ("2", "budget", 3)


@virtual_clock
async def test_some_failures_in_a_round_change_neither_places_nor_cost() -> None:
    model = in_order(solved(1), LOST, solved(2), solved(3), LOST, solved(3))
    outcome, _ = await ask("pdr:drafts=[3,2],distil=random_k,k=1", model)
    assert [candidate.finish_reason for candidate in outcome.candidates] == [
        "stop",
        "error",
        "stop",
        "stop",
        "error",
        "stop",
    ]
    assert (outcome.answer, outcome.usage.calls) == ("3", 6)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("drafts=[0]", r"drafts_per_round\[0\] must be >= 1"),
        ("k=0", "k must be >= 1"),
        ("max_workspace_tokens=0", "max_workspace_tokens must be >= 1"),
        ("threshold=0.5", "means nothing with stop=never"),
        ("stop=entropy,threshold=-1", "threshold must be >= 0"),
        ("stop=consistent,threshold=2", r"threshold must lie in \[0, 1\]"),
        ("distil=per_sample_top_k,picked_by=votes", "pick the same for all"),
        ("distil=shared_top_k,verifier=confidence", "must not read log-probabilities"),
        ("distil=best", "distil='best' is wrong"),
        ("template=plan", "needs the fields question and attempts"),
        ("pick_template=revise", "needs the fields question and attempts and count"),
        ("summarised_template=revise", "needs the fields question and summary"),
        ("summary_template=no_such", "No template is called"),
    ],
)
def test_options_out_of_range_are_named(options: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        registry.create_strategy(f"pdr:{options}")
