"""The role `rank`: right solutions become likelier than wrong ones."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ttscale.errors import ConfigError
from ttscale.reference import ABACUS_PATH
from ttscale.reference.course import Course, first_network
from ttscale.reference.mixture import Mixture
from ttscale.reference.network import ARCHITECTURES, Architecture, export
from ttscale.reference.problems import TRAINING_SEED_START, held_out_keys
from ttscale.reference.ranking import Contest, Ranker, contests, ranking_loss
from ttscale.reference.roles.attempts import Attempts
from ttscale.reference.tokenizer import NO_TARGET
from ttscale.reference.train import main
from ttscale.reference.trainer import Recipe

if TYPE_CHECKING:
    from tokenizers import Tokenizer

torch = pytest.importorskip("torch")
tokenizers = pytest.importorskip("tokenizers")

RIGHT = "12+30=42\n\\boxed{42}"
WRONG = ("12+30=41\n\\boxed{41}", "12+30=52\n\\boxed{52}")


def summing(*texts: str, question: str = "What is 12 + 30?", key: str = "chain_sum 12 + 30") -> Attempts:
    return Attempts("chain_sum", TRAINING_SEED_START, question, key, texts)


@pytest.fixture(scope="module")
def vocabulary() -> Tokenizer:
    return tokenizers.Tokenizer.from_file(str(ABACUS_PATH / "tokenizer.json"))


@pytest.fixture(autouse=True)
def _no_held_out_problems(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ttscale.reference.ranking.held_out_keys", frozenset)  # a minute's work


def test_one_against_one_is_the_bradley_terry_loss() -> None:
    loss = ranking_loss(torch.tensor([-3.0, -5.0]), [True, False])
    assert loss.item() == pytest.approx(-math.log(1 / (1 + math.exp(-5.0 + 3.0))))


def test_each_right_one_stands_against_all_wrong_ones() -> None:
    r1, w1, r2, w2 = -1.0, -2.0, -4.0, -3.0
    against = math.exp(w1) + math.exp(w2)
    wanted = -sum(math.log(math.exp(r) / (math.exp(r) + against)) for r in (r1, r2)) / 2
    loss = ranking_loss(torch.tensor([r1, w1, r2, w2]), [True, False, True, False])
    assert loss.item() == pytest.approx(wanted, rel=1e-6)


def test_the_loss_of_far_rewards_stays_finite() -> None:
    loss = ranking_loss(torch.tensor([-4000.0, -10.0]), [True, False])
    assert loss.item() == pytest.approx(3990.0)


def test_only_problems_with_a_right_and_a_wrong_attempt_are_contests(vocabulary: Tokenizer) -> None:
    mixed, right, wrong = summing(WRONG[0], RIGHT, f" {RIGHT}"), summing(RIGHT), summing(*WRONG)
    [contest] = contests([mixed, right, wrong], vocabulary)
    assert contest.is_right == (False, True)  # a text that was sampled twice is there once
    with pytest.raises(ConfigError, match="right and a wrong one"):
        contests([right, wrong], vocabulary)


def test_evaluation_problems_are_left_out(vocabulary: Tokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    held_out = summing(RIGHT, *WRONG)
    monkeypatch.setattr("ttscale.reference.ranking.held_out_keys", lambda: frozenset({held_out.key}))
    with pytest.raises(ConfigError, match="No problem"):
        contests([held_out], vocabulary)
    assert callable(held_out_keys)


def test_the_tokens_of_the_solution_are_what_is_learnt(vocabulary: Tokenizer) -> None:
    [contest] = contests([summing(RIGHT, WRONG[0])], vocabulary)
    example = contest.solutions[0]
    learnt = [target for target in example.targets if target != NO_TARGET]
    assert vocabulary.decode(learnt, skip_special_tokens=False) == RIGHT
    assert list(example.tokens[-len(learnt) :]) == learnt


def tiny(monkeypatch: pytest.MonkeyPatch, directory: Path, vocabulary: Tokenizer) -> Course:
    """Return a course that begins with a tiny model that has learnt nothing."""
    small = Architecture(hidden_size=64, num_layers=1, intermediate_size=96)
    monkeypatch.setitem(ARCHITECTURES, "tiny", small)
    first = first_network(Course(Mixture({"solve": 1.0}, 0), "tiny"), vocabulary)
    export(first, vocabulary, directory / "start")
    (directory / "attempts.jsonl").write_text(
        json.dumps({"name": "chain_sum", "seed": TRAINING_SEED_START, "question": "What is 12 + 30?",
                    "key": "chain_sum 12 + 30", "texts": [RIGHT, *WRONG]}) + "\n",
        encoding="utf-8",
    )  # fmt: skip
    mixture = Mixture({"rank": 1.0}, 0, directory / "attempts.jsonl")
    return Course(mixture, "tiny", directory / "start")


def test_training_makes_the_right_one_likelier(
    tmp_path: Path, vocabulary: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    course = tiny(monkeypatch, tmp_path, vocabulary)
    lessons = contests(course.mixture.read_attempts(), vocabulary)
    network, recipe = first_network(course, vocabulary), Recipe(compile_model=False, learning_rate=1e-3)
    ranker = Ranker(network, recipe, tmp_path, seed=0, contests=lessons)

    def margin(contest: Contest) -> float:
        with torch.no_grad():
            rewards = ranker.rewards(contest)
        return float(rewards[0] - rewards[1:].max())

    before, steps = margin(lessons[0]), ranker.lessons()
    losses = [ranker.step(next(steps)) for _ in range(20)]
    assert losses[-1] < losses[0]
    assert margin(lessons[0]) > max(before, 0.0)


def test_the_command_trains_and_exports_a_language_model(
    tmp_path: Path, vocabulary: Tokenizer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny(monkeypatch, tmp_path, vocabulary)
    main(
        ["--role", "rank", "--from", str(tmp_path / "start"), "--attempts", str(tmp_path / "attempts.jsonl"),
         "--size", "tiny", "--minutes", "1e-5", "--no-compile", "--out", str(tmp_path / "run")]
    )  # fmt: skip
    assert "exported to" in capsys.readouterr().out
    config = json.loads((tmp_path / "run" / "model" / "config.json").read_text(encoding="utf-8"))
    assert config["architectures"] == ["LlamaForCausalLM"]


@pytest.mark.parametrize(
    "arguments", [["--role", "rank"], ["--role", "rank", "--role", "solve", "--from", str(ABACUS_PATH)]]
)
def test_the_role_wants_a_start_and_is_taught_by_itself(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    attempts = tmp_path / "attempts.jsonl"
    attempts.write_text("", encoding="utf-8")
    with pytest.raises(SystemExit) as exit_info:
        main([*arguments, "--attempts", str(attempts), "--out", str(tmp_path / "run")])
    assert exit_info.value.code == 2
    assert "taught by itself" in capsys.readouterr().err
