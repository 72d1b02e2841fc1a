"""The driver of a search: no barriers, nothing useless, nothing twice, nothing lost."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from tests.unit.search_bench import Grader, Steps, begun_of, by_last_letter, files, nodes_of, solve, wander
from ttscale import Budget, Engine, Outcome, Problem
from ttscale.errors import ConfigError, VerifierError
from ttscale.testing import FakeBackend, Reply, virtual_clock
from ttscale.types import Prompt, Score
from ttscale_strategies.search.beam_search import DVTS, BeamSearch
from ttscale_strategies.search.ets import ETS
from ttscale_strategies.search.lookahead import Lookahead
from ttscale_strategies.search.rebase import Rebase

# ── no barrier ────────────────────────────────────────────────────────────────────────────────────────────


@virtual_clock
async def test_a_step_that_is_certain_goes_on_before_its_depth_is_complete() -> None:
    script = Steps(
        {
            "": [Reply("z\n", seconds=1), Reply("a\n", seconds=1), Reply("b\n", seconds=50)],
            "z\n": [Reply(f"\\boxed{{{number}}}", seconds=1) for number in range(3)],
            "b\n": [Reply("\\boxed{9}", seconds=1)] * 3,
        }
    )
    grader = Grader(grade=by_last_letter)
    outcome = await solve(BeamSearch(width=3, beam_width=1, verifier=grader, max_depth=5), script)
    # Of three, three are kept: z and a are certain of a child each while b is still being written.
    assert script.at.index("z\n") < 5
    assert next(time for time, text in grader.asked if text.startswith("z\n\\boxed")) == pytest.approx(2)
    assert outcome.seconds < 60


@virtual_clock
async def test_the_trees_of_dvts_do_not_wait_for_each_other() -> None:
    def script(prompt: Prompt, seed: int, ordinal: int) -> Reply:
        begun = begun_of(prompt)
        is_fast = begun.startswith("fast") or (not begun and ordinal == 0)
        text = "\\boxed{1}" if begun.count("\n") == 3 else f"{'fast' if is_fast else 'slow'} {seed}\n"
        return Reply(text, seconds=1 if is_fast else 7)

    outcome = await solve(
        DVTS(width=2, beam_width=1, verifier=Grader(grade=lambda _: Score(value=0.5))), script
    )
    ends = [span["end"] for span in cast("Any", outcome.trace) if span["attributes"].get("answer") == "1"]
    assert ends == [pytest.approx(4), pytest.approx(28)]


@virtual_clock
async def test_ahead_of_what_is_certain_the_overtaken_are_aborted() -> None:
    def script(prompt: Prompt, seed: int, ordinal: int) -> Reply:
        begun = begun_of(prompt)
        if not begun:
            return [Reply("b\n", seconds=1), Reply("a\n", seconds=2), Reply("z\n", seconds=9)][ordinal]
        return Reply("\\boxed{1}", num_tokens=1000, seconds=100 if begun == "b\n" else 10)

    found = dict[bool, Outcome]()
    for ahead in (False, True):
        options = BeamSearch(width=3, beam_width=3, verifier=Grader(grade=by_last_letter), ahead=ahead)
        found[ahead] = await solve(options, script)
    assert found[True].answer == found[False].answer == "1"
    assert found[True].candidates == found[False].candidates
    assert found[False].usage.cancelled == 0
    # b had two thirds of its children from second 2 on, until z came in at second 9; at 10 tokens a second.
    assert found[True].usage.cancelled == pytest.approx(2 * 70 + 10, abs=25)


@virtual_clock
async def test_each_step_is_scored_while_others_are_written() -> None:
    script = Steps({"": [Reply("z\\boxed{1}", seconds=1), Reply("a\\boxed{2}", seconds=9)]})
    grader = Grader(grade=by_last_letter, seconds=3)
    outcome = await solve(BeamSearch(width=2, beam_width=1, verifier=grader), script)
    assert [time for time, _ in grader.asked] == [pytest.approx(1), pytest.approx(9)]
    assert outcome.seconds == pytest.approx(12)


@virtual_clock
@pytest.mark.parametrize("seed", range(12))
async def test_ahead_the_tree_is_the_same_in_the_end(seed: int) -> None:
    found = list[Outcome]()
    for ahead in (False, True):
        options = Rebase(width=8, verifier=Grader(grade=by_last_letter, seconds=1), ahead=ahead, balance=0.1)
        async with Engine(FakeBackend(wander, abort_seconds=3.0, batch_size=5)) as engine:
            found.append(await engine.solve("?", strategy=options, seed=seed))
    assert found[0].candidates == found[1].candidates
    assert found[0].answer == found[1].answer


# ── nothing twice ─────────────────────────────────────────────────────────────────────────────────────────


@virtual_clock
async def test_equal_steps_are_scored_once_and_are_one_node() -> None:
    same = [Reply("z\n", seconds=1), Reply("z\n", seconds=2), Reply("z\n", seconds=1), Reply("a\n", seconds=1)]
    script = Steps({"": same, "z\n": ["\\boxed{1}"] * 4})
    grader = Grader(grade=lambda text: Score(value=0.9 if text.startswith("z") else 0.1), seconds=5)
    outcome = await solve(BeamSearch(width=4, beam_width=4, verifier=grader), script)
    assert sorted(text for _, text in grader.asked) == ["a\n", "z\n", "z\n\\boxed{1}"]
    states = [(found["numbers"], found["state"], found["draws"]) for found in nodes_of(outcome)]
    again = ("0", "duplicate", 3)
    assert states[:4] == [("0", "expanded", 3), again, again, ("3", "pruned", 1)]
    assert outcome.candidates[0].key == "1"


# ── verifiers that misbehave ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("score", "reason"),
    [
        (Score(value=math.nan), "nan, which is not in [0.0, 1.0]"),
        (Score(value=math.inf), "inf, which is not in"),
        (Score(value=3.0), "3.0, which is not in"),
        (Score(value=None, reason="late"), "late"),
        (Score(value=0.5, steps=(0.5, math.nan)), "nan, which is not in"),
    ],
)
@virtual_clock
async def test_what_a_verifier_says_wrongly_is_noted_and_counts_as_the_worst(score: Score, reason: str) -> None:
    def grade(text: str) -> Score:
        return score if text.startswith("a") else Score(value=0.2)

    script = Steps({"": ["a\n", "b\n"], "b\n": ["\\boxed{1}"] * 2})
    outcome = await solve(BeamSearch(width=2, beam_width=2, verifier=Grader(grade=grade)), script)
    found = nodes_of(outcome)
    assert found[0]["reward"] is None
    assert reason in found[0]["reason"]
    assert (found[0]["state"], found[1]["state"], outcome.answer) == ("pruned", "expanded", "1")


@virtual_clock
async def test_too_few_step_scores_are_none_and_of_too_many_the_last_counts() -> None:
    def grade(text: str) -> Score:
        steps = (0.9, 0.8) if text.startswith("a") else (0.1, 0.2, 0.3, 0.4)
        return Score(value=steps[-1], steps=steps)

    replies = {"": ["a\n", "b\n"], "a\n": ["c\n"], "b\n": ["d\n"], "a\nc\n": ["e\n"], "b\nd\n": ["f\n"]}
    ends = {"a\nc\ne\n": ["\\boxed{1}"], "b\nd\nf\n": ["\\boxed{2}"]}
    options = BeamSearch(width=2, beam_width=1, verifier=Grader(grade=grade), reward="last")
    found = {node["text"]: node for node in nodes_of(await solve(options, Steps({**replies, **ends})))}
    assert [found[text]["reward"] for text in ("a\n", "c\n")] == [0.8, 0.8]
    assert found["e\n"]["reward"] is None
    assert found["e\n"]["reason"] == "the verifier scored 2 steps of 3"
    assert found["b\n"]["reward"] == 0.4
    assert found["b\n"]["reason"] == "the verifier scored 4 steps of 1"
    assert found["f\n"]["reason"] == "the verifier scored 4 steps of 3"


@virtual_clock
async def test_a_verifier_that_breaks_costs_the_step_its_score_and_nothing_else() -> None:
    def grade(text: str) -> Score:
        if text.startswith("a"):
            raise VerifierError("no such tag")
        return Score(value=0.5)

    script = Steps({"": ["a\n", "b\n"], "b\n": ["\\boxed{1}"] * 2})
    outcome = await solve(BeamSearch(width=2, beam_width=2, verifier=Grader(grade=grade)), script)
    assert nodes_of(outcome)[0]["reason"] == "no such tag"
    assert outcome.answer == "1"


@virtual_clock
async def test_without_any_reward_all_nodes_are_alike() -> None:
    script = Steps({"": ["a\n", "b\n"], "a\n": ["\\boxed{1}"], "b\n": ["\\boxed{2}"]})
    grader = Grader(grade=lambda _: Score(value=None))
    outcome = await solve(Rebase(width=2, verifier=grader), script)
    assert [candidate.key for candidate in outcome.candidates] == ["1", "2"]
    assert (outcome.answer, outcome.confidence) == ("1", 0.5)


@virtual_clock
async def test_rewards_of_a_path_are_aggregated() -> None:
    grades = {"x\n": 0.5, "x\ny\n": 0.4, "x\ny\n\\boxed{1}": 1.0}
    for how, expected in {"last": 1.0, "min": 0.4, "product": 0.2, "mean": 1.9 / 3, "verifier": 1.0}.items():
        script = Steps({"": ["x\n"], "x\n": ["y\n"], "x\ny\n": ["\\boxed{1}"]})
        grader = Grader(grade=lambda text: Score(value=grades[text]))
        options = BeamSearch(width=1, beam_width=1, verifier=grader, reward=cast("Any", how))
        outcome = await solve(options, script)
        assert outcome.candidates[0].score == pytest.approx(expected)


# ── generators that misbehave, limits ─────────────────────────────────────────────────────────────────────


@virtual_clock
async def test_a_step_without_delimiter_ends_at_its_limit_and_the_search_at_its_depth() -> None:
    grader = Grader(grade=lambda _: Score(value=0.5))
    options = BeamSearch(width=2, beam_width=1, verifier=grader, max_step_tokens=7, max_depth=4)
    outcome = await solve(options, Reply("x" * 10_000), budget=Budget(tokens=50_000))
    assert [len(node["text"]) for node in nodes_of(outcome)][:3] == [7, 7, 7]
    assert max(node["depth"] for node in nodes_of(outcome)) == 4
    assert outcome.answer is None


@virtual_clock
async def test_empty_steps_end_at_the_depth() -> None:
    grader = Grader(grade=lambda _: Score(value=0.5))
    options = BeamSearch(width=4, beam_width=2, verifier=grader, max_depth=6)
    outcome = await solve(options, lambda prompt, *_: Reply(begun_of(prompt) + "\n\n"))
    assert max(node["depth"] for node in nodes_of(outcome)) == 6
    assert outcome.answer is None
    assert outcome.stop_reason == "finished"


@virtual_clock
async def test_failed_steps_are_in_the_trace_and_the_others_go_on() -> None:
    script = Steps({"": [Reply("a", error="out of memory"), "b\n"], "b\n": ["\\boxed{1}", "\\boxed{1}"]})
    grader = Grader(grade=lambda _: Score(value=0.5))
    outcome = await solve(BeamSearch(width=2, beam_width=2, verifier=grader), script)
    assert [node["state"] for node in nodes_of(outcome)][:2] == ["failed", "expanded"]
    assert outcome.answer == "1"


# ── budgets and kills ─────────────────────────────────────────────────────────────────────────────────────


@virtual_clock
async def test_a_budget_that_ends_on_the_way_returns_the_best_answer_and_its_account_is_exact() -> None:
    whole = await solve(Rebase(width=6, verifier=Grader(grade=by_last_letter)), wander)
    seen = set[str]()
    for tokens in range(1, whole.usage.tokens, 23):
        backend = FakeBackend(wander)
        async with Engine(backend) as engine:
            outcome = await engine.solve(
                "?",
                strategy=Rebase(width=6, verifier=Grader(grade=by_last_letter), max_step_tokens=9),
                budget=Budget(tokens=tokens),
            )
        spent = sum(record.usage.prompt_computed + record.usage.generated for record in backend.records)
        assert outcome.usage.tokens == spent <= tokens
        assert outcome.stop_reason == "budget"
        seen.add(str(outcome.answer is None))
    assert seen == {"True", "False"}


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        BeamSearch(width=6, beam_width=2, verifier=Grader(grade=by_last_letter)),
        DVTS(width=6, beam_width=2, verifier=Grader(grade=by_last_letter)),
        Rebase(width=6, verifier=Grader(grade=by_last_letter)),
        ETS(width=6, verifier=Grader(grade=by_last_letter), lambda_diversity=0.4),
        Lookahead(width=4, beam_width=2, num_ahead=2, verifier=Grader(grade=by_last_letter)),
    ],
)
@virtual_clock
async def test_a_search_killed_at_any_node_resumes_to_the_same_answer(options: Any, tmp_path: Path) -> None:
    options = replace(options, journal=str(tmp_path))
    whole = await solve(options, wander)
    (journal,) = files(tmp_path)
    lines = journal.read_bytes().splitlines(keepends=True)
    for kept in range(len(lines) + 1):
        torn = lines[kept][: len(lines[kept]) // 2] if kept < len(lines) else b""
        journal.write_bytes(b"".join(lines[:kept]) + torn)
        backend = FakeBackend(wander)
        async with Engine(backend) as engine:
            outcome = await engine.solve("?", strategy=options)
        assert (outcome.answer, outcome.candidates) == (whole.answer, whole.candidates)
        assert outcome.usage.generated == whole.usage.generated
        anew = sum(record.usage.prompt_computed + record.usage.generated for record in backend.records)
        assert outcome.usage.reused == outcome.usage.tokens - anew
        assert journal.read_bytes().splitlines(keepends=True)[:kept] == lines[:kept]
        assert len(journal.read_bytes().splitlines()) == len(lines)


@virtual_clock
async def test_a_resumed_search_keeps_its_budget(tmp_path: Path) -> None:
    options = Rebase(width=6, verifier=Grader(grade=by_last_letter), journal=str(tmp_path))
    whole = await solve(options, wander)
    again = await solve(options, wander, budget=Budget(tokens=whole.usage.tokens // 2))
    assert again.stop_reason == "budget"
    assert again.usage.tokens <= whole.usage.tokens // 2
    assert again.usage.reused == again.usage.tokens


@virtual_clock
async def test_a_journal_that_is_none_is_refused_with_its_line(tmp_path: Path) -> None:
    options = Rebase(width=2, verifier=Grader(grade=by_last_letter), journal=str(tmp_path))
    await solve(options, wander)
    (own,) = files(tmp_path)
    own.write_text(json.dumps({"site": ["", ""], "number": 0}) + "\n")
    with pytest.raises(ConfigError, match=r"line 1 of .* is no draw of a search .* remove the file"):
        await solve(options, wander)


@virtual_clock
async def test_searches_of_other_problems_seeds_and_options_have_other_journals(tmp_path: Path) -> None:
    options = Rebase(width=2, verifier=Grader(grade=by_last_letter), journal=str(tmp_path))
    async with Engine(FakeBackend(wander)) as engine:
        for problem, seed, width in (("a/../b", 0, 2), ("a/../b", 1, 2), ("c", 0, 2), ("c", 0, 3)):
            asked = Problem(id=problem, prompt=Prompt.user("?"))
            await engine.solve(asked, strategy=replace(options, width=width), seed=seed)
    assert len(files(tmp_path)) == 4


# ── latency ───────────────────────────────────────────────────────────────────────────────────────────────


@virtual_clock
async def test_the_critical_path_of_a_tree_of_dvts_has_nothing_of_the_others() -> None:
    def script(prompt: Prompt, seed: int, ordinal: int) -> Reply:
        begun = begun_of(prompt)
        if begun.count("\n") == 2:
            return Reply("\\boxed{1}", num_tokens=10)
        return Reply(f"{chr(ord('a') + ordinal % 26)}\n", num_tokens=10 if ordinal % 2 else 20)

    outcome = await solve(DVTS(width=2, beam_width=1, verifier=Grader(grade=by_last_letter)), script)
    assert outcome.critical_path_tokens <= 20 + 20 + 10
