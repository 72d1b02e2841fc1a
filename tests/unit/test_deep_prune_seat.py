"""DeepPrune, which traces it aborts and when; SEAT, what its rounds see and which is the last."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import pytest

from ttscale import registry
from ttscale.budget import Budget
from ttscale.engine import Engine
from ttscale.errors import BudgetExhausted, ConfigError
from ttscale.run import Run
from ttscale.strategy import Strategy
from ttscale.testing import FakeBackend, Reply, Script, virtual_clock
from ttscale.types import Message, Outcome, Problem, Prompt, Sample, Score
from ttscale.verifier import Example
from ttscale_strategies import DeepPrune
from ttscale_strategies.voting.deep_prune import redundant_traces
from ttscale_strategies.voting.deep_prune_overlap import overlap, word_sequences
from ttscale_strategies.voting.rules import Clusters, placed, traces_to_finish


async def ask(
    strategy: str | Strategy, script: Script, *, problem: Problem | None = None, budget: Budget | None = None
) -> tuple[Outcome, FakeBackend]:
    """Solve one question at 0.01 s a token."""
    backend = FakeBackend(script, seconds_per_token=0.01)
    built = registry.create_strategy(strategy) if isinstance(strategy, str) else strategy
    async with Engine(backend) as engine:
        outcome = await engine.solve(problem or Problem.ask("Q"), strategy=built, budget=budget)
        assert backend.num_running == 0
    return outcome, backend


def ends(outcome: Outcome) -> list[tuple[str, int]]:
    return [(candidate.finish_reason, candidate.num_tokens) for candidate in outcome.candidates]


# ── DeepPrune: rules ──────────────────────────────────────────────────────────────────────────────────────


def grown(draw: random.Random, num_traces: int) -> list[Clusters]:
    """Return clusters as they grow, placed at random."""
    clusters: Clusters = ()
    stages: list[Clusters] = [clusters]
    for index in range(num_traces):
        similarities = [[draw.choice([0.2, 0.6, 0.9])] if draw.random() < 0.4 else [] for _ in clusters]
        clusters = placed(clusters, index, similarities, max_clusters=draw.randint(1, 9))
        stages.append(clusters)
    return stages


@pytest.mark.parametrize("seed", range(60))
def test_what_is_redundant_early_is_never_finished_and_at_the_end_it_is_all_the_others(seed: int) -> None:
    draw = random.Random(seed)
    num_traces = draw.randint(1, 12)
    stages = grown(draw, num_traces)
    limits = {"max_members": draw.randint(1, 4), "max_singletons": draw.randint(1, 6)}
    finished = set(traces_to_finish(stages[-1], **limits))
    before = frozenset[int]()
    for num_placed, clusters in enumerate(stages):
        redundant = redundant_traces(clusters, range(num_placed, num_traces), **limits)
        assert redundant.isdisjoint(finished)
        assert redundant >= before
        before = redundant
    assert before | finished == set(range(num_traces))


@pytest.mark.parametrize(
    ("clusters", "unplaced", "redundant"),
    [
        (((0, 1, 2),), [3, 4, 5, 6], {2}),  # two members are enough; four can be a larger group of their own
        (((0, 1, 2),), [3, 4, 5], {2, 3, 4, 5}),  # three can not
        (((0,),), [1], set()),
        (((0,), (1,), (2,)), [3], set()),  # the next one may found a pair with any of them
        (((0,), (1,), (2,)), [], {2}),  # nothing to prune, but no more than two are wanted
        (((0, 1), (2,)), [3], {2, 3}),  # it can be as large, and was created later
        (((0,), (1, 2)), [3], set()),  # it can be as large, and was created first
        (((0,), (1, 2, 3)), [4], {0, 3, 4}),
        (((0,), (1, 2, 3)), [4, 5], {3}),
        (((0, 1, 2), (3, 4, 5)), [6], {2, 5}),  # either may win
    ],
)
def test_a_trace_is_redundant_once_nothing_that_follows_can_make_it_needed(
    clusters: Clusters, unplaced: list[int], redundant: set[int]
) -> None:
    assert redundant_traces(clusters, unplaced, max_members=2, max_singletons=2) == redundant


@pytest.mark.parametrize(
    ("one", "other", "length", "share"),
    [
        ("Add 3 and 4.", "add 3 and 4.", 2, 1.0),
        ("a b c", "a b d", 1, 2 / 4),
        ("a b c", "a b d", 2, 1 / 3),
        ("a a b", "a b b", 1, 2 / 4),
        ("x=1", "x =1", 2, 1.0),
        ("a", "a", 5, 1.0),
        ("a", "a b", 2, 0.0),
        ("", "", 2, 1.0),
        ("", "a", 2, 0.0),
    ],
)
def test_overlap_is_the_share_of_word_sequences_in_common(
    one: str, other: str, length: int, share: float
) -> None:
    assert overlap(word_sequences(one, length), word_sequences(other, length)) == pytest.approx(share)


# ── DeepPrune: traces ─────────────────────────────────────────────────────────────────────────────────────


def trace(beginning: str, answer: str | None, length: int = 60) -> Reply:
    """Return a sample of so many tokens, one a character; the answer stands at its end."""
    end = "" if answer is None else f"\n#### {answer}"
    return Reply(beginning.ljust(length - len(end), ".") + end)


ADD, TRY = "add it up ", "try a few "
ALIKE = [trace(ADD, "5"), trace(TRY, "7"), trace(ADD, "5"), trace(ADD, "6"), trace(ADD, "6"), trace(TRY, "7")]


@virtual_clock
async def test_of_the_largest_group_some_are_finished_and_all_others_are_aborted() -> None:
    outcome, backend = await ask("deep_prune:n=6,stretch=10,max_finished=3", ALIKE)
    # groups 0 2 3 4 and 1 5; all beginnings are there after ten tokens
    assert ends(outcome) == [
        ("stop", 60),
        ("abort", 10),
        ("stop", 60),
        ("stop", 60),
        ("abort", 10),
        ("abort", 10),
    ]
    assert (outcome.answer, outcome.stop_reason) == ("5", "finished")
    assert outcome.confidence == pytest.approx(2 / 3)
    assert (outcome.usage.generated, outcome.usage.cancelled) == (180, 30)
    assert backend.engine_tokens == 210
    assert outcome.usage.calls == 6
    assert all(request.sampling.logprobs is None for request in backend.requests)


@virtual_clock
async def test_nobody_waits_for_a_beginning_that_changes_nothing() -> None:
    slow = replace(trace(TRY, "7"), seconds=60.0)
    script = [trace(ADD, "5"), trace(ADD, "6"), slow, trace(ADD, "7"), trace(ADD, "8")]
    outcome, backend = await ask("deep_prune:n=5,stretch=10,max_finished=1", script)
    # the second is like the first, and the other three could be a larger group until the third has begun
    assert [record.ended for record in backend.records] == pytest.approx([0.6, 0.1, 10.0, 0.6, 0.6])
    outcome, backend = await ask("deep_prune:n=4,stretch=10,max_finished=1", [script[0], script[1], slow, slow])
    assert [record.usage.generated for record in backend.records] == [60, 10, 0, 0]
    assert (outcome.answer, outcome.confidence) == ("5", 1.0)
    assert outcome.seconds == pytest.approx(0.6)


@virtual_clock
async def test_what_waits_for_a_slot_is_not_begun_once_it_is_redundant() -> None:
    backend = FakeBackend(trace(ADD, "5"), batch_size=2)
    async with Engine(backend, max_in_flight=2) as engine:
        strategy = registry.create_strategy("deep_prune:n=4,stretch=10,max_finished=1")
        outcome = await engine.solve("Q", strategy=strategy)
    assert len(backend.records) == outcome.usage.calls == 2
    assert ends(outcome) == [("stop", 60), ("abort", 10)]


@virtual_clock
async def test_a_redundant_trace_that_had_ended_does_not_vote() -> None:
    quick = [replace(sample, seconds=0.05) for sample in ALIKE]
    some = [ALIKE[0], quick[1], ALIKE[2], ALIKE[3], quick[4], quick[5]]
    outcome, _ = await ask("deep_prune:n=6,stretch=10,max_finished=3", some)
    assert [reason for reason, _ in ends(outcome)] == ["stop", "stop", "stop", "stop", "stop", "stop"]
    assert outcome.answer == "5"
    assert outcome.confidence == pytest.approx(2 / 3)


@virtual_clock
async def test_where_all_stand_alone_the_first_are_finished() -> None:
    script = [trace(word * 5, answer) for word, answer in (("a ", "1"), ("b ", "2"), ("c ", "2"), ("d ", "1"))]
    whole, _ = await ask("deep_prune:n=4,stretch=10", script)
    assert [reason for reason, _ in ends(whole)] == ["stop"] * 4
    assert (whole.answer, whole.confidence) == ("1", 0.5)
    some, _ = await ask("deep_prune:n=4,stretch=10,max_singletons=3", script)
    assert ends(some)[3] == ("abort", 10)
    assert some.answer == "2"


@virtual_clock
async def test_a_trace_that_fails_before_it_has_begun_belongs_to_no_group() -> None:
    failing = replace(ALIKE[0], error="lost", fail_after=5)
    script = [failing, failing, trace(TRY, "7"), failing, trace(TRY, "7"), trace(ADD, "5")]
    outcome, _ = await ask("deep_prune:n=6,stretch=10", script)
    assert [reason for reason, _ in ends(outcome)] == ["error", "error", "stop", "error", "stop", "abort"]
    assert (outcome.answer, outcome.stop_reason) == ("7", "finished")


@virtual_clock
async def test_a_short_trace_is_all_beginning() -> None:
    script = [Reply("#### 5"), Reply("#### 5"), trace("#### 6 is wrong", "7")]
    outcome, _ = await ask("deep_prune:n=3,max_finished=1", script)
    assert ends(outcome)[0] == ("stop", 6)
    assert outcome.answer == "5"


@virtual_clock
async def test_a_group_none_of_whose_finished_traces_answers_has_no_answer() -> None:
    silent = [trace(ADD, None), trace(ADD, None), trace(TRY, "7")]
    outcome, _ = await ask("deep_prune:n=3,stretch=10", silent)
    assert (outcome.answer, outcome.stop_reason, outcome.error) == (None, "finished", None)


@virtual_clock
async def test_a_budget_of_samples_prunes_among_those_it_buys() -> None:
    outcome, _ = await ask("deep_prune:n=6,stretch=10,max_finished=1", ALIKE, budget=Budget(samples=3))
    # until the first ends it may still buy more, and what these say might save the second
    assert ends(outcome) == [("stop", 60), ("stop", 60), ("abort", 10)]
    assert (outcome.answer, outcome.stop_reason, outcome.usage.calls) == ("5", "budget", 3)
    assert outcome.confidence == 1.0


# ── DeepPrune: judges ─────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, kw_only=True)
class Judge:
    """Says of every pair what a function says of its text, on a scale from -1 to 1."""

    opinion: Callable[[str], float | None]
    needs: ClassVar[frozenset[str]] = frozenset()
    needs_target: ClassVar[bool] = False

    async def score(self, problem: Problem, samples: Sequence[Sample], run: Run) -> list[Score]:
        return [Score(value=self.opinion(sample.text), low=-1.0, high=1.0) for sample in samples]

    def examples(self) -> Sequence[Example]:
        return ()


@virtual_clock
async def test_a_verifier_is_shown_both_beginnings_and_its_score_is_the_similarity() -> None:
    seen = list[str]()

    def opinion(text: str) -> float | None:
        seen.append(text)
        return None if "bb" in text else 0.02 if "cc" in text else 0.0  # of 0.5 and 0.51 only this is above 0.5

    script = [trace(word * 5, word) for word in ("aa", "bb", "cc", "dd")]
    strategy = DeepPrune(n=4, stretch=10, verifier=Judge(opinion=opinion))
    outcome, _ = await ask(strategy, script)
    assert seen[0] == "Attempt 1:\naaaaaaaaaa\n\nAttempt 2:\nbbbbbbbbbb"
    assert len(seen) == 1 + 2 + 3
    # cc joined aa; dd is as like aa (0.5) and cc (0.51) on average as 0.505
    assert [reason for reason, _ in ends(outcome)] == ["stop", "abort", "stop", "stop"]


@virtual_clock
async def test_a_model_may_be_asked_whether_two_attempts_end_alike() -> None:
    def rule(prompt: Prompt, seed: int, ordinal: int) -> Reply:
        asked = prompt.messages[-1].content
        if "Will both attempts end in the same answer?" in asked:
            sure = {"+": -0.1, "-": -2.4} if "add" not in asked else {"+": -2.4, "-": -0.1}
            return Reply("+", top_logprobs=[sure])
        return ALIKE[1] if ordinal < 2 else ALIKE[0]

    spec = 'deep_prune:n=3,stretch=10,verifier={"name":"orm","params":{"template":"same_answer"}}'
    outcome, backend = await ask(spec, rule)
    assert ends(outcome) == [("stop", 60), ("stop", 60), ("abort", 12)]  # a token of time a judgement
    assert outcome.answer == "7"
    assert outcome.usage.verifier > 0
    assert len(backend.records) == 3 + 1 + 2


@virtual_clock
async def test_when_nothing_is_left_to_judge_with_the_traces_are_written_to_their_ends() -> None:
    def broke(text: str) -> float:
        raise BudgetExhausted("tokens", 1, 1, 0, "judge")

    strategy = DeepPrune(n=6, stretch=10, max_finished=1, verifier=Judge(opinion=broke))
    outcome, _ = await ask(strategy, ALIKE)
    assert [reason for reason, _ in ends(outcome)] == ["stop"] * 6
    assert (outcome.answer, outcome.stop_reason) == ("5", "budget")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("stretch=0", "stretch must be >= 1"),
        ("num_words=0", "num_words must be >= 1"),
        ("max_compared=0", "max_compared must be >= 1"),
        ("max_finished=0", "max_members must be >= 1"),
        ("max_singletons=0", "max_singletons must be >= 1"),
        ("max_clusters=0", "max_clusters must be >= 1"),
        ("threshold=2", r"threshold must lie in \[0, 1\]"),
    ],
)
def test_options_of_deep_prune_out_of_range_are_named(options: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        registry.create_strategy(f"deep_prune:{options}")


# ── SEAT ──────────────────────────────────────────────────────────────────────────────────────────────────

ENTROPIES = {"1111": 0.0, "1112": 0.562335, "1122": 0.693147, "1123": 1.039721, "1234": 1.386294}
"""Of rounds of four samples, by their answers; a space is no answer."""


def rounds(*answers: str) -> list[Reply]:
    """Return the samples of rounds."""
    texts = "".join(answers)
    return [Reply("no idea" if text == " " else f"#### {text}") for text in texts]


def entropies(outcome: Outcome) -> list[float]:
    """Return what the trace says of the rounds."""
    (solve,) = (span for span in outcome.trace if span["kind"] == "solve")
    attributes = solve["attributes"]
    assert isinstance(attributes, dict)
    values = attributes["entropies"]
    assert isinstance(values, list | tuple)
    return [value for value in values if isinstance(value, float)]


@virtual_clock
async def test_the_secretary_watches_a_round_and_takes_the_first_with_less_entropy() -> None:
    script = rounds("1123", "1234", "2211", "1112", "1111")
    outcome, _ = await ask("seat:n=4,max_rounds=5", script)
    assert (outcome.answer, outcome.stop_reason, outcome.usage.calls) == ("2", "decided", 12)
    assert outcome.confidence == 0.5
    assert entropies(outcome) == pytest.approx([1.039721, 1.386294, 0.693147], abs=1e-6)
    assert len(outcome.candidates) == 12


@virtual_clock
async def test_a_secretary_who_never_sees_less_takes_the_last_round() -> None:
    outcome, _ = await ask("seat:n=4,max_rounds=5", rounds("1112", "1122", "1122", "1123", "3321"))
    assert (outcome.answer, outcome.stop_reason, outcome.usage.calls) == ("3", "finished", 20)


@virtual_clock
async def test_a_round_of_one_opinion_is_taken_at_once_unless_told_otherwise() -> None:
    script = rounds("1111", "2222", "3333")
    outcome, _ = await ask("seat:n=4,max_rounds=3", script)
    assert (outcome.answer, outcome.stop_reason, outcome.usage.calls) == ("1", "decided", 4)
    outcome, _ = await ask("seat:n=4,max_rounds=3,stop_on_consensus=false", script)
    assert (outcome.answer, outcome.stop_reason, outcome.usage.calls) == ("3", "finished", 12)


@pytest.mark.parametrize(("threshold", "num_rounds"), [(1.2, 1), (0.7, 2), (0.6, 3), (0.1, 4)])
@virtual_clock
async def test_a_threshold_takes_the_first_round_below_it(threshold: float, num_rounds: int) -> None:
    script = rounds("1123", "1122", "1112", "1234")
    outcome, _ = await ask(f"seat:n=4,max_rounds=4,threshold={threshold}", script)
    assert outcome.usage.calls == 4 * num_rounds
    assert outcome.stop_reason == ("finished" if num_rounds == 4 else "decided")


class Notes:
    """Replies in order of seed within each round, and remembers what was asked."""

    def __init__(self, *texts: str) -> None:
        self.texts = texts
        self.prompts = list[Prompt]()

    def __call__(self, prompt: Prompt, seed: int, ordinal: int) -> Reply:
        if prompt not in self.prompts:
            self.prompts.append(prompt)
        return Reply(self.texts[ordinal])


@virtual_clock
async def test_each_round_sees_what_the_round_before_wrote_without_its_thoughts() -> None:
    notes = Notes("<think>hm\n</think>\nIt is\n#### 1", "#### 2", "Still\n#### 2", "#### 3", "#### 4", "#### 4")
    problem = Problem(id="q", prompt=Prompt.user("How much {is} it?", system="Be brief."))
    outcome, backend = await ask("seat:n=2,max_rounds=3", notes, problem=problem)
    assert outcome.answer == "4"
    first, second, third = notes.prompts
    assert first == problem.prompt
    assert second.messages[0] == third.messages[0] == Message("system", "Be brief.")
    attempts = "Earlier attempts, right or wrong:\n\nAttempt 1:\nIt is\n#### 1\n\nAttempt 2:\n#### 2\n\nWrite"
    assert second.messages[1].content.startswith(f"How much {{is}} it?\n\n{attempts}")
    assert "Attempt 1:\nStill\n#### 2\n\nAttempt 2:\n#### 3" in third.messages[1].content
    assert "It is" not in third.messages[1].content
    assert len(third.messages) == 2
    assert all(request.sampling.logprobs is None for request in backend.requests)
    assert outcome.critical_path_tokens == sum(max(map(len, notes.texts[at : at + 2])) for at in (0, 2, 4))


@virtual_clock
async def test_a_round_may_see_answers_only_and_nothing_of_who_gave_none() -> None:
    notes = Notes("It is\n#### 1", "no idea", "#### 2", "#### 3")
    await ask("seat:n=2,max_rounds=2,show=answers", notes)
    assert "Attempt 1:\n1\n\nWrite" in notes.prompts[1].messages[-1].content
    silent = Notes("no idea", "none", "#### 2", "#### 3")
    await ask("seat:n=2,max_rounds=2,show=answers", silent)
    assert len(silent.prompts) == 1  # the same question again


@virtual_clock
async def test_the_text_is_that_of_the_last_round() -> None:
    notes = Notes("first\n#### 1", "first\n#### 2", "then\n#### 1", "then\n#### 1")
    outcome, _ = await ask("seat:n=2,max_rounds=2", notes)
    assert (outcome.answer, outcome.text) == ("1", "then\n#### 1")


@virtual_clock
async def test_samples_without_an_answer_agree_with_nobody() -> None:
    outcome, _ = await ask("seat:n=4,max_rounds=2", rounds("1  1", "    "))
    assert entropies(outcome) == pytest.approx([1.039721, 1.386294], abs=1e-6)
    assert (outcome.answer, outcome.confidence) == (
        "1",
        1.0,
    )  # of the first round: nobody answers in the second
    nothing, _ = await ask("seat:n=2,max_rounds=2", rounds("  ", "  "))
    assert (nothing.answer, nothing.stop_reason) == (None, "finished")


@pytest.mark.parametrize(("samples", "answer"), [(2, "1"), (4, "2"), (6, "2"), (7, "2"), (8, "3")])
@virtual_clock
async def test_a_round_that_the_budget_cuts_short_leaves_the_one_before(samples: int, answer: str) -> None:
    script = rounds("1223", "3332", "1111")
    outcome, _ = await ask("seat:n=4,max_rounds=3,threshold=0", script, budget=Budget(samples=samples))
    assert (outcome.answer, outcome.stop_reason, outcome.usage.calls) == (answer, "budget", samples)


@virtual_clock
async def test_a_failed_round_leaves_the_one_before_and_its_question() -> None:
    lost = Reply("#### 9", error="lost")
    script = [*rounds("112"), lost, lost, lost, *rounds("334")]
    outcome, _ = await ask("seat:n=3,max_rounds=2,threshold=0", script)
    assert outcome.answer == "1"
    assert outcome.confidence == pytest.approx(2 / 3)
    outcome, _ = await ask("seat:n=3,max_rounds=3,threshold=0", script)
    assert (outcome.answer, outcome.usage.calls) == ("3", 9)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("n=1", "n must be >= 2"),
        ("max_rounds=0", "max_rounds must be >= 1"),
        ("threshold=-1", "threshold must be >= 0"),
        ("template=plan", "needs the fields question and attempts"),
        ("template=no_such", "No template is called"),
        ("show=nothing", "show='nothing' is wrong"),
    ],
)
def test_options_of_seat_out_of_range_are_named(options: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        registry.create_strategy(f"seat:{options}")
