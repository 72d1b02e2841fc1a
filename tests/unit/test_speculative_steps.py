"""Speculative steps: who writes what on which prompt, what ends tracks, whose answer counts, what fails."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, cast

import pytest

from ttscale import registry
from ttscale.budget import Budget
from ttscale.engine import Engine
from ttscale.errors import CapabilityError, ConfigError, ParameterError
from ttscale.run import Run
from ttscale.testing import EVERYTHING, FakeBackend, Reply, Script, virtual_clock
from ttscale.testing.trial import paced
from ttscale.types import Outcome, Problem, Prompt, Sample, Score
from ttscale_strategies import SpeculativeSteps
from ttscale_strategies.search.speculative_hints import HINTS, NO_HINT

Write = Callable[[str, str], Reply | str]
"""From the question of a track's prompt and the solution so far to what comes next."""
Stop = Literal["decided", "never", "first", "agree"]
ONE_TRACK = "num_tracks=1,hints=[]"


def model(write: Write, *, grade: str | Write = "9", hints: str = "", **options: Any) -> FakeBackend:
    """Return a model at 0.01 s a token that writes steps, grades them and chooses hints."""

    def rule(prompt: Prompt, seed: int, ordinal: int) -> Reply | str:
        question = prompt.question
        if "Ways to solve" in question:
            return hints
        if "Grade only" in question:
            return grade if isinstance(grade, str) else grade(question, "")
        begun = [message.content for message in prompt.messages[-1:] if message.role == "assistant"]
        return write(question, "".join(begun))

    return FakeBackend(rule, **options)


def steps(*texts: str) -> Write:
    """Write these steps one after the other, whoever wrote those before."""

    def write(question: str, so_far: str) -> str:
        return "\n\n".join(texts[so_far.count("\n\n") :])

    return write


def by_hint(solutions: Mapping[str, Sequence[str]]) -> Write:
    """Write the solution of the hint that the prompt has."""
    return lambda question, so_far: steps(*solutions[hint_in(question)])(question, so_far)


def hint_in(question: str) -> str:
    found = re.search(r"^Tip: (.*)$", question, re.MULTILINE)
    return found[1] if found else ""


async def ask(
    strategy: str | SpeculativeSteps,
    draft: FakeBackend,
    target: FakeBackend | None = None,
    *,
    budget: Budget | None = None,
    problem: str | Problem = "Q",
) -> Outcome:
    """Solve a question with one model that drafts and another called "large"; nothing is left running."""
    large = target or model(steps("nothing"))
    built = registry.create_strategy(strategy) if isinstance(strategy, str) else strategy
    async with Engine(draft, models={"large": large}) as engine:
        outcome = await engine.solve(problem, strategy=built, budget=budget)
        assert (draft.num_running, large.num_running) == (0, 0)
        assert engine.ledger.reserved.tokens == 0
    return outcome


def noted(outcome: Outcome, name: str) -> list[Any]:
    """Return what the tracks say of themselves, in order."""
    spans = [span for span in outcome.trace if str(span["name"]).startswith("track ")]
    return [span["attributes"][name] for span in sorted(spans, key=lambda span: str(span["name"]))]  # type: ignore[index, call-overload]  # plain JSON


def prompts(backend: FakeBackend) -> list[str]:
    return [backend.decode(request.prompt.token_ids or ()) for request in backend.requests]


# ── a single track ────────────────────────────────────────────────────────────────────────────────────────


@virtual_clock
async def test_steps_that_the_target_likes_are_all_the_drafts() -> None:
    draft, target = model(steps("one", "two", "\\boxed{7}")), model(steps("never"), grade="7")
    outcome = await ask(f"speculative_steps:target=large,{ONE_TRACK}", draft, target)
    assert (outcome.answer, outcome.text, outcome.confidence) == ("7", "one\n\ntwo\n\n\\boxed{7}", 1.0)
    assert (len(draft.records), len(target.records)) == (3, 3)
    assert noted(outcome, "grades") == [[7.0, 7.0, 7.0]]
    assert outcome.candidates[0].score == 7.0
    assert outcome.usage.verifier == sum(r.usage.prompt_computed + 1 for r in target.records)


@virtual_clock
async def test_a_bad_step_is_rewritten_and_both_models_go_on_from_the_same_words() -> None:
    draft = model(steps("one", "two", "\\boxed{7}"))
    target = model(steps("ONE", "TWO", "\\boxed{8}"), grade=lambda q, _: "6" if q.count("two") > 1 else "9")
    outcome = await ask(f"speculative_steps:target=large,{ONE_TRACK}", draft, target)
    assert outcome.text == "one\n\nTWO\n\n\\boxed{7}"
    assert noted(outcome, "grades") == [[9.0, 9.0, 9.0]]
    assert noted(outcome, "rewritten") == [1]
    assert prompts(draft) == ["Q", "Qone\n\n", "Qone\n\nTWO\n\n"]
    (rewrite,) = [text for text in prompts(target) if "Grade" not in text]
    assert rewrite == "Qone\n\n"
    first, second, _ = [request.prompt.token_ids or () for request in draft.requests]
    assert second[: len(first)] == first  # its own words stay the tokens they were


@virtual_clock
async def test_one_model_may_be_draft_and_target() -> None:
    own = model(steps("one", "\\boxed{7}"), grade="3")
    outcome = await ask(f"speculative_steps:{ONE_TRACK}", own)
    assert (outcome.answer, noted(outcome, "rewritten")) == ("7", [2])
    assert len(own.records) == 6


@virtual_clock
@pytest.mark.parametrize(("said", "rewritten"), [("ten", 2), ("", 2), ("6", 2), ("7", 0), ("x", 2)])
async def test_what_is_no_digit_or_below_the_threshold_is_rewritten(said: str, rewritten: int) -> None:
    target = model(steps("ONE", "\\boxed{8}"), grade=said)
    outcome = await ask(
        f"speculative_steps:target=large,{ONE_TRACK}", model(steps("one", "\\boxed{7}")), target
    )
    assert noted(outcome, "rewritten") == [rewritten]
    assert outcome.answer == ("8" if rewritten else "7")


@virtual_clock
async def test_an_average_grade_is_over_the_likeliest_digits() -> None:
    tops = {"t": -0.1, "7": -1.0, "8": -1.0, "6": -1.0}
    target = model(steps("ONE"), grade=lambda *_: Reply("t", top_logprobs=[tops]))
    spec = f"speculative_steps:target=large,grading=average,{ONE_TRACK}"
    outcome = await ask(spec, model(steps("one", "\\boxed{7}")), target)
    assert noted(outcome, "rewritten") == [0]
    assert noted(outcome, "grades")[0] == pytest.approx([7.0, 7.0])


@virtual_clock
async def test_a_draft_that_writes_nothing_or_fails_leaves_the_step_to_the_target() -> None:
    silent = model(lambda *_: "")
    failing = model(lambda *_: Reply("one", error="the draft broke"))
    for draft in (silent, failing):
        target = model(steps("ONE", "\\boxed{8}"))
        outcome = await ask(f"speculative_steps:target=large,{ONE_TRACK}", draft, target)
        assert (outcome.answer, outcome.stop_reason, noted(outcome, "rewritten")) == ("8", "finished", [2])


@virtual_clock
@pytest.mark.parametrize("rewrite", ["", Reply("x", error="the target broke", fail_after=0)])
async def test_a_step_that_cannot_be_rewritten_stays_with_its_grade(rewrite: Reply | str) -> None:
    target = model(lambda *_: rewrite, grade="2")
    outcome = await ask(
        f"speculative_steps:target=large,{ONE_TRACK}", model(steps("one", "\\boxed{7}")), target
    )
    assert (outcome.answer, outcome.candidates[0].score) == ("7", 2.0)


@virtual_clock
@pytest.mark.parametrize(
    ("write", "end", "num_rounds"),
    [
        (steps("one", "two", "two", "two"), "repeated", 3),
        (steps("one", ""), "ended", 2),
        (lambda *_: " ".join(map(str, range(900))), "budget", 4),  # 3 times 100 tokens, and what is left
        (lambda question, so_far: f"{len(so_far)}\n\n", "budget", 6),
        (lambda *_: "\n\n" * 9, "budget", 6),
        (steps("one"), "ended", 1),
        (lambda *_: "", "ended", 1),
    ],
)
async def test_a_track_without_answer_ends_for_a_reason(write: Write, end: str, num_rounds: int) -> None:
    target = model(lambda *_: "")
    spec = f"speculative_steps:target=large,{ONE_TRACK},max_steps=6,max_step_tokens=100,max_tokens=350"
    draft = model(write)
    outcome = await ask(spec, draft, target)
    assert (outcome.answer, outcome.stop_reason, noted(outcome, "end")) == (None, "finished", [end])
    assert outcome.candidates[0].num_tokens <= 350
    assert len(draft.records) == num_rounds


@virtual_clock
async def test_a_step_that_is_cut_goes_on_where_it_was_cut() -> None:
    draft = model(lambda question, so_far: "abcdefghijklmnop\\boxed{7}"[len(so_far) :])
    outcome = await ask(f"speculative_steps:target=large,max_step_tokens=8,{ONE_TRACK}", draft)
    assert (outcome.text, outcome.answer) == ("abcdefghijklmnop\\boxed{7}", "7")
    assert [len(grades) for grades in noted(outcome, "grades")] == [4]  # the box itself is cut, too


# ── hints and tracks ──────────────────────────────────────────────────────────────────────────────────────


@virtual_clock
async def test_the_target_chooses_hints_and_each_track_is_drafted_and_graded_with_its_own() -> None:
    draft, target = model(lambda *_: "\\boxed{7}"), model(lambda *_: "\\boxed{8}", grade="1", hints="B,E")
    spec = "speculative_steps:target=large,stop=never,grade_template=grade_step"
    outcome = await ask(spec, draft, target)
    assert noted(outcome, "hint") == ["B", "E", "M"]
    wanted = [HINTS[1], HINTS[4], NO_HINT]
    assert sorted(map(hint_in, prompts(draft))) == sorted(wanted)
    choice, *others = prompts(target)
    assert choice.endswith("The letters of the 3 best ways: (")
    assert all(f"\n{letter}. " in choice for letter in "ABCDEFGHIJKLM")
    rewrites = [text for text in others if "Grade" not in text]
    assert sorted(map(hint_in, rewrites)) == sorted(wanted)  # none of them with another track's


@virtual_clock
async def test_models_that_cannot_choose_are_given_the_hints_in_order() -> None:
    draft = model(lambda *_: "\\boxed{7}")
    outcome = await ask("speculative_steps:select=false,num_tracks=3,hints=[try, look],stop=never", draft)
    assert noted(outcome, "hint") == ["A", "B", "A"]
    assert {hint_in(text) for text in prompts(draft) if "Grade" not in text} == {"look", "try"}


@virtual_clock
async def test_a_choice_that_fails_is_none_of_the_hints() -> None:
    def rule(prompt: Prompt, seed: int, ordinal: int) -> Reply:
        is_choice = "Ways to solve" in prompt.question
        return Reply("A", error="no idea") if is_choice else Reply("9")

    target = FakeBackend(rule)
    outcome = await ask("speculative_steps:target=large", model(lambda *_: "\\boxed{7}"), target)
    assert noted(outcome, "hint") == ["M", "M", "M"]


@dataclass(frozen=True, kw_only=True)
class Told:
    """Scores a solution by the number behind its last ``g=``, out of 9, or by a fixed value."""

    value: float | None = None
    wrong: bool = False
    needs: ClassVar[frozenset[str]] = frozenset()
    needs_target: ClassVar[bool] = False
    seen: list[str] = field(default_factory=list[str])

    async def score(self, problem: Problem, samples: Sequence[Sample], run: Run) -> list[Score]:
        self.seen.extend(sample.text for sample in samples)
        if self.wrong:
            return []
        if self.value is not None:
            return [Score(value=self.value)]
        found = re.findall(r"g=([\d.]+)", samples[-1].text)
        return [Score(value=float(found[-1]) if found else None, high=9.0)]

    def examples(self) -> list[Any]:
        return []


def graded(*tracks: tuple[int, float]) -> tuple[FakeBackend, SpeculativeSteps]:
    """Return a draft with a track each that comes to an answer, and a strategy that grades it so."""
    hints = tuple(f"way {number}" for number in range(len(tracks)))
    solutions = {
        hint: [f"g={grade}", f"g={grade} \\boxed{{{answer}}}"]
        for hint, (answer, grade) in zip(hints, tracks, strict=True)
    }
    options = SpeculativeSteps(
        num_tracks=len(tracks), hints=hints, select=False, threshold=0.0, grader=Told(), stop="never"
    )
    return model(by_hint(solutions)), options


@virtual_clock
async def test_answers_without_a_majority_go_by_the_mean_grade() -> None:
    draft, options = graded((70, 7.5), (70, 8.0), (81, 8.9), (81, 7.0), (5, 9.0))
    outcome = await ask(options, draft)
    assert (outcome.answer, outcome.confidence) == ("5", 0.2)
    assert [candidate.score for candidate in outcome.candidates] == pytest.approx([7.5, 8.0, 8.9, 7.0, 9.0])


@virtual_clock
async def test_a_majority_counts_whatever_the_grades() -> None:
    draft, options = graded((70, 0.5), (70, 1.0), (81, 9.0))
    outcome = await ask(options, draft)
    assert outcome.answer == "70"
    assert outcome.confidence == pytest.approx(2 / 3)


@virtual_clock
@pytest.mark.parametrize("grader", [Told(value=float("nan")), Told(value=2.0), Told(wrong=True), Told()])
async def test_a_grader_that_cannot_tell_has_the_step_rewritten(grader: Told) -> None:
    options = SpeculativeSteps(target="large", num_tracks=1, hints=(), grader=grader)
    outcome = await ask(options, model(steps("one", "\\boxed{7}")), model(steps("ONE", "\\boxed{8}")))
    assert (outcome.answer, noted(outcome, "rewritten")) == ("8", [2])
    assert grader.seen == ["one", "ONE\n\n\\boxed{7}"]


# ── what ends all tracks ──────────────────────────────────────────────────────────────────────────────────


def race(stop: str, *tracks: tuple[int, int], **options: Any) -> tuple[Script, SpeculativeSteps]:
    """Return a script of tracks with an answer and a number of steps each, and a strategy that stops so."""
    hints = tuple(f"way {number}" for number in range(len(tracks)))
    solutions = {
        hint: [*(f"step {number}" for number in range(1, length)), f"\\boxed{{{answer}}}"]
        for hint, (answer, length) in zip(hints, tracks, strict=True)
    }
    made = SpeculativeSteps(
        num_tracks=len(tracks),
        hints=hints,
        select=False,
        threshold=0.0,
        grader=Told(value=1.0),
        stop=cast("Stop", stop),
        **options,
    )
    return model(by_hint(solutions)).script, made


@virtual_clock
@pytest.mark.parametrize("order", range(6))
@pytest.mark.parametrize(
    ("stop", "tracks", "answer", "confidence"),
    [
        ("first", [(1, 5), (2, 2), (3, 4)], "2", 1.0),
        ("first", [(1, 2), (2, 2), (2, 2), (3, 9)], "2", 2 / 3),  # all that have finished in that round
        ("agree", [(1, 1), (2, 3), (2, 4), (3, 3), (1, 9)], "2", 2 / 4),
        ("agree", [(1, 3), (2, 1), (3, 2)], "1", 1 / 3),  # none agree: the longest
        ("decided", [(7, 1), (7, 2), (7, 2), (8, 9)], "7", None),
        ("never", [(7, 1), (7, 2), (7, 2), (8, 9)], "7", 3 / 4),
    ],
)
async def test_those_that_are_first_by_steps_count_whoever_is_quicker(
    order: int, stop: str, tracks: list[tuple[int, int]], answer: str, confidence: float | None
) -> None:
    script, options = race(stop, *tracks)
    outcome = await ask(options, FakeBackend(paced(script, order)))
    assert outcome.answer == answer
    assert confidence is None or outcome.confidence == pytest.approx(confidence)
    assert stop != "never" or (outcome.stop_reason, len(outcome.candidates)) == ("finished", 4)


@virtual_clock
async def test_a_track_that_is_not_needed_any_more_is_aborted_in_the_engine_at_once() -> None:
    def slow(question: str, so_far: str) -> Reply:
        return (
            Reply("\\boxed{7}", seconds=1.0) if hint_in(question) == "way 0" else Reply("s" * 100, seconds=50.0)
        )

    options = race("first", (7, 1), (8, 1), decide_by="arrival")[1]
    outcome = await ask(options, model(slow))
    assert (outcome.answer, outcome.stop_reason) == ("7", "decided")
    assert outcome.seconds == pytest.approx(1.0)
    assert [candidate.index for candidate in outcome.candidates] == [0]
    assert outcome.usage.cancelled > 0


# ── budgets, capabilities, options ────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
@virtual_clock
async def test_a_budget_that_ends_before_a_grade_returns_the_answer_of_the_step() -> None:
    whole = await ask(f"speculative_steps:target=large,{ONE_TRACK}", model(steps("one", "\\boxed{7}")))
    answers = set[str | None]()
    for tokens in range(1, whole.usage.tokens + 2):
        spec = f"speculative_steps:target=large,{ONE_TRACK}"
        part = await ask(spec, model(steps("one", "\\boxed{7}")), budget=Budget(tokens=tokens))
        assert part.usage.tokens <= tokens
        if part.stop_reason == "budget":
            answers.add(part.answer)
    assert answers == {None, "7"}


@virtual_clock
async def test_all_that_fails_is_an_error() -> None:
    broken = [FakeBackend(Reply("x", error="scripted failure")) for _ in range(2)]
    outcome = await ask("speculative_steps:target=large", *broken)
    assert (outcome.answer, outcome.stop_reason, outcome.error) == (None, "error", "scripted failure")


@virtual_clock
async def test_servers_without_token_ids_are_given_words() -> None:
    plain = replace(EVERYTHING, token_ids=False)
    draft = model(steps("one", "two", "\\boxed{7}"), capabilities=plain)
    target = model(
        steps("ONE", "TWO", "\\boxed{8}"),
        grade=lambda q, _: "1" if q.count("two") > 1 else "9",
        capabilities=plain,
    )
    outcome = await ask(f"speculative_steps:target=large,{ONE_TRACK}", draft, target)
    assert (outcome.text or "").strip() == "one\n\nTWO\n\n\\boxed{7}"


@virtual_clock
async def test_a_question_in_token_ids_reaches_another_model_as_words() -> None:
    asked = Problem(id="ids", prompt=Prompt(token_ids=tuple(map(ord, "Q?"))))
    target = model(steps("ONE", "\\boxed{8}"), grade="0")
    outcome = await ask(
        f"speculative_steps:target=large,{ONE_TRACK}", model(steps("one")), target, problem=asked
    )
    assert next(text for text in prompts(target) if "Grade" not in text) == "Q?"
    assert outcome.stop_reason == "finished"


async def test_an_average_needs_the_likeliest_tokens_of_the_target_and_no_one_elses() -> None:
    plain = replace(EVERYTHING, token_ids=False)
    with pytest.raises(CapabilityError, match="token_ids"):
        await ask(
            "speculative_steps:target=large,grading=average",
            model(steps("")),
            model(steps(""), capabilities=plain),
        )
    small = model(lambda *_: "\\boxed{7}", capabilities=plain)
    outcome = await ask("speculative_steps:target=large,grading=average,threshold=0", small)
    assert outcome.answer == "7"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("num_tracks=0", "num_tracks must be >= 1"),
        ("max_steps=0", "max_steps must be >= 1"),
        ("threshold=9.5", "threshold must lie in"),
        ("threshold=-1", "threshold must lie in"),
        ('delimiter=""', "delimiter must not be empty"),
        ("top_p=0", "top_p"),
        ("grader=confidence", "must read texts"),
        ("grade_template=revise", "needs the fields step"),
        ("track_template=grade_step", "needs the fields question and hint"),
        (f"hints=[{', '.join(['x'] * 26)}]", "at most 25"),
    ],
)
def test_options_that_cannot_be_are_refused(options: str, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        registry.create_strategy(f"speculative_steps:{options}")


def test_an_unknown_template_is_named() -> None:
    with pytest.raises(ConfigError, match="'nonsense'"):
        registry.create_strategy("speculative_steps:select_template=nonsense")


def test_the_cost_law_counts_drafts_rewrites_and_the_choice() -> None:
    assert SpeculativeSteps(num_tracks=3, max_steps=5).max_samples() == 31
    assert SpeculativeSteps(num_tracks=3, max_steps=5, select=False).max_samples() == 30
    assert SpeculativeSteps(num_tracks=1, max_steps=5, hints=()).max_samples() == 10
