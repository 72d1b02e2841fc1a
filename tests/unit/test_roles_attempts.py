"""Attempts: their file, what is refused in it, and the command that samples them."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.attempts_bench import CHAIN, COUNTDOWN, LEGS, attempts, problems, sampled
from ttscale.errors import ConfigError, DataError
from ttscale.reference import attempts as command
from ttscale.reference.problems import TRAINING_SEED_START, training_seed_range
from ttscale.reference.roles.attempts import Attempts, distinct, read_attempts, to_line, worked_solution
from ttscale.reference.roles.steps import label


class Echo:
    """A sampler that answers with the seed it was given, the place of the question and that of the sample."""

    temperature = 1.0

    def sample(self, questions: Sequence[str], *, num_samples: int, seed: int) -> list[list[str]]:
        """Answer every question."""
        return [[f"{seed}.{i}.{k} é\n" for k in range(num_samples)] for i in range(len(questions))]

    def count_tokens(self, text: str) -> int:
        """Return the number of characters."""
        return len(text)


def write(path: Path, *found: Attempts) -> Path:
    path.write_text("".join(f"{to_line(each)}\n" for each in found), encoding="utf-8")
    return path


# ── the file ──────────────────────────────────────────────────────────────────────────────────────────────


def test_attempts_are_read_back_as_they_were_written(tmp_path: Path) -> None:
    found = [*sampled(40), replace(CHAIN, texts=("línea\u2028\n", "", '{"a"}'))]
    assert read_attempts(write(tmp_path / "a.jsonl", *found)) == found


def test_a_line_has_the_agreed_members() -> None:
    assert json.loads(to_line(replace(CHAIN, texts=("x",)))) == {
        "name": "chain_sum",
        "seed": CHAIN.seed,
        "question": "What is 18 + 43 - 11?",
        "key": "chain_sum 18 + 43 - 11",
        "texts": ["x"],
    }


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("nonsense", "not a line of attempts"),
        ("[1]", 'it needs "name", "seed"'),
        ("[" * 100_000, "not a line of attempts"),
        (to_line(CHAIN).replace('"texts": []', '"texts": [1]'), 'a list of "texts"'),
        (to_line(replace(COUNTDOWN, key="countdown ten [1]")), "ten"),
        (to_line(replace(LEGS, question="How many?")), "'How many\\?' is not that of the key"),
        (to_line(replace(CHAIN, name="spell_backward")), "'spell_backward' cannot be read back"),
    ],
)
def test_a_broken_line_is_named(tmp_path: Path, line: str, message: str) -> None:
    path = write(tmp_path / "a.jsonl", CHAIN)
    path.write_text(f"{path.read_text(encoding='utf-8')}{line}\n", encoding="utf-8")
    with pytest.raises(DataError, match=rf"a\.jsonl:2: .*{message}"):
        read_attempts(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.jsonl' cannot be read"):
        read_attempts(tmp_path / "gone.jsonl")


def test_a_held_out_problem_is_never_read_for_training(tmp_path: Path) -> None:
    held_out = replace(CHAIN, seed=17)
    path = write(tmp_path / "a.jsonl", CHAIN, held_out)
    with pytest.raises(DataError, match=r"a\.jsonl:2: the seed 17 is kept for evaluation"):
        read_attempts(path)
    assert read_attempts(path, held_out=True) == [CHAIN, held_out]


def test_every_animal_is_read_back_in_singular_and_plural() -> None:
    from reasoning_gym.arithmetic.leg_counting import ANIMALS

    for animal in ANIMALS:
        for count, written in ((1, animal), (12, f"{animal}s")):
            question = f"Now, how many legs are there in total if you have {count} {written}? Think of 2 cats."
            problem = attempts("leg_counting", question, "")
            assert problem.entry["metadata"] == {"animals": {animal: count}}


def test_a_worked_solution_is_right_throughout() -> None:
    for problem in sampled(60):
        solution = worked_solution(problem, random.Random(0))
        assert solution is not None
        assert label(problem, solution).is_clean


def test_a_countdown_without_a_solution_has_no_worked_one() -> None:
    assert worked_solution(attempts("countdown", "Make 99.", "countdown 99 [1, 1]"), random.Random(0)) is None


def test_distinct_texts_keep_their_order_and_lose_the_empty_and_the_long_ones() -> None:
    assert distinct(["b\n", " a", "b", "", " \n", "x" * 9, "c"], max_characters=8) == ["b", "a", "c"]


# ── the command ───────────────────────────────────────────────────────────────────────────────────────────


def test_attempts_are_sampled_for_problems_that_are_not_held_out(tmp_path: Path) -> None:
    drawn, path = problems(90), tmp_path / "a.jsonl"
    held_out = {drawn[0].key, drawn[70].key}
    counts = command.write_attempts(
        path, Echo(), drawn, num_questions=80, num_samples=3, held_out=held_out
    )  # fmt: skip
    assert list(counts) == [64, 80]
    kept = [problem for problem in drawn if problem.key not in held_out][:80]
    found = read_attempts(path)
    assert [(each.name, each.seed, each.question, each.key) for each in found] == [
        (problem.name, problem.seed, problem.question, problem.key) for problem in kept
    ]
    assert found[0].texts == tuple(f"0.0.{k} é\n" for k in range(3))
    assert found[64].texts[0].startswith("64.0.")  # a seed of its own for every chunk


def test_a_file_that_was_cut_short_is_continued(tmp_path: Path) -> None:
    drawn, path = problems(80), tmp_path / "a.jsonl"

    def run(count: int) -> list[int]:
        return list(
            command.write_attempts(path, Echo(), drawn, num_questions=count, num_samples=1, held_out=())
        )

    assert run(64) == [64]
    begun = path.read_text(encoding="utf-8")
    assert run(80) == [80]
    assert path.read_text(encoding="utf-8").startswith(begun)
    assert [each.key for each in read_attempts(path)] == [problem.key for problem in drawn]
    assert run(80) == []


def test_a_file_of_other_problems_is_not_continued(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", CHAIN)
    before = path.read_bytes()
    more = command.write_attempts(path, Echo(), problems(2), num_questions=2, num_samples=1, held_out=())
    with pytest.raises(
        ConfigError, match=r"has 'chain_sum 18 \+ 43 - 11' where .* is wanted; give the arguments"
    ):
        list(more)
    assert path.read_bytes() == before


def test_the_command_samples_from_a_training_run_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "load_sampler", lambda engine, path, temperature: Echo())
    monkeypatch.setattr(command, "held_out_keys", lambda: frozenset[str]())  # a minute's work
    command.main(["--out", str(tmp_path / "a.jsonl"), "--questions", "5", "--samples", "2"])
    assert capsys.readouterr().out == "5 of 5 problems\n"
    found = read_attempts(tmp_path / "a.jsonl")
    assert len(found) == 5
    assert {len(each.texts) for each in found} == {2}
    assert all(each.seed in training_seed_range(50) for each in found)
    assert min(each.seed for each in found) >= TRAINING_SEED_START


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--seed", "49"], "the runs below 50 are for solving; give --seed 50 or more"),
        (["--questions", "0"], "must be 1 or more"),
        (["--samples", "0"], "must be 1 or more"),
    ],
)
def test_the_command_refuses_what_makes_no_sense(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    with pytest.raises(SystemExit, match="2"):
        command.main(["--out", str(tmp_path / "a.jsonl"), *arguments])
    assert message in capsys.readouterr().err
    assert not (tmp_path / "a.jsonl").exists()
