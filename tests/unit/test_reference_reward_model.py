"""The process reward model: what it reads, what it learns, and that others load it."""

from __future__ import annotations

import itertools
import json
import math
import random
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.unit.attempts_bench import sampled
from ttscale.backends.hf import HFBackend
from ttscale.reference import ABACUS_PATH
from ttscale.reference.corpus import Example, Tally, encoded, load_shard, shard_path, write_corpus
from ttscale.reference.course import Course, first_network, load_or_make_tokenizer
from ttscale.reference.graded_solution import (
    STEP_TOKEN,
    GradedSolution,
    encode_graded,
    encode_steps,
    graded_solution,
)
from ttscale.reference.heads import HEADS
from ttscale.reference.mixture import Mixture
from ttscale.reference.network import (
    ARCHITECTURES,
    Architecture,
    build_model,
    build_reward_model,
    export,
    load_weights,
)
from ttscale.reference.roles import judge
from ttscale.reference.roles.attempts import read_attempts, to_line
from ttscale.reference.roles.steps import label
from ttscale.reference.tokenizer import NO_TARGET
from ttscale.reference.train import CorpusTrainer, export_checkpoint
from ttscale.reference.trainer import Recipe
from ttscale.types import Message, Prompt
from ttscale.verifiers import PRMVerifier

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from torch import Tensor

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
tokenizers = pytest.importorskip("tokenizers")

TINY = Architecture(hidden_size=64, num_layers=1, intermediate_size=96)
SOLUTION = GradedSolution(
    "Calculate 2 + 3 - 1.\n",
    ("2+3=5", "5-1=3", "\\boxed{3}"),
    (True, False, False),
    (((0, "+"), (4, "+")), ((2, "+"), (4, "-")), ()),
)
PROMPT = Prompt(
    messages=(
        Message("user", SOLUTION.question),
        Message("assistant", "".join(step + STEP_TOKEN for step in SOLUTION.steps)),
    )
)


@pytest.fixture(scope="module")
def attempts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("attempts") / "attempts.jsonl"
    path.write_text("\n".join(map(to_line, sampled(40))), encoding="utf-8")
    return path


@pytest.fixture
def course(attempts: Path, monkeypatch: pytest.MonkeyPatch) -> Course:
    """A course of a tiny reward model."""
    monkeypatch.setitem(ARCHITECTURES, "tiny", TINY)
    return Course(Mixture({"judge": 1.0}, 0, attempts), "tiny", head=HEADS["process"])


@pytest.fixture(scope="module")
def vocabulary() -> Tokenizer:
    """The shipped vocabulary made that of a reward model."""
    made = tokenizers.Tokenizer.from_file(str(ABACUS_PATH / "tokenizer.json"))
    HEADS["process"].prepare(made)
    return made


def test_the_solutions_are_those_that_the_judge_judges_step_by_step() -> None:
    found = sampled(60)
    by_key = {each.key: each for each in found}
    kinds = set()
    for conversation in judge.conversations(random.Random(0), found):
        read = graded_solution(conversation)
        kinds.add(read is None)
        if read is None:
            assert conversation.turns[-2].text.endswith("Answer + or -.")
            continue
        labelled = label(by_key[conversation.key], "\n".join(read.steps))
        grades = labelled.grades if any(read.grades) else ((),) * len(read.steps)  # where it is to be copied
        question = by_key[conversation.key].question
        assert read == GradedSolution(question, labelled.steps, labelled.signs, grades)
    assert kinds == {True, False}


def test_a_solution_of_one_step_is_read_as_such() -> None:
    problem = sampled(1)[0]
    conversation = judge.about_steps(problem, label(problem, "who knows"))
    found = GradedSolution(problem.question, ("who knows",), (False,), (((0, "-"),),))
    assert graded_solution(conversation) == found


def test_the_step_token_is_what_the_verifier_ends_steps_with() -> None:
    assert PRMVerifier().step_token == STEP_TOKEN


def test_classes_are_learnt_at_step_tokens_and_where_a_step_is_graded(vocabulary: Tokenizer) -> None:
    learnt = [
        (vocabulary.id_to_token(token), target)
        for token, target in zip(*encode_graded(vocabulary, SOLUTION), strict=True)
        if target != NO_TARGET
    ]
    assert learnt == [
        ("2", 1), ("5", 1), (STEP_TOKEN, 1), ("1", 1), ("3", 0), (STEP_TOKEN, 0), (STEP_TOKEN, 0)
    ]  # fmt: skip


def test_a_step_token_within_a_step_ends_none(vocabulary: Tokenizer) -> None:
    [step_id] = vocabulary.encode(STEP_TOKEN, add_special_tokens=False).ids
    forged = GradedSolution("q", (f"1+1=2{STEP_TOKEN}",), (True,), (((4, "+"),),))
    assert encode_graded(vocabulary, forged)[0].count(step_id) == 1


def test_a_vocabulary_without_step_token_is_refused() -> None:
    plain = tokenizers.Tokenizer.from_file(str(ABACUS_PATH / "tokenizer.json"))
    with pytest.raises(ValueError, match="3 steps have 0 step tokens"):
        encode_graded(plain, SOLUTION)


def test_every_reader_cuts_a_text_alike_and_familiar_phrases_stay_whole(
    tmp_path: Path, vocabulary: Tokenizer, attempts: Path
) -> None:
    export(
        build_reward_model(TINY, vocabulary_size=vocabulary.get_vocab_size(), seed=0),
        vocabulary,
        tmp_path / "m",
    )
    by_type = transformers.AutoTokenizer.from_pretrained(tmp_path / "m")
    by_file = transformers.PreTrainedTokenizerFast.from_pretrained(tmp_path / "m")
    shipped = tokenizers.Tokenizer.from_file(str(ABACUS_PATH / "tokenizer.json"))
    for each in [
        *read_attempts(attempts),
        replace(read_attempts(attempts)[0], question="<|endoftext|> Ünï e\u0301 7"),
    ]:
        text = f"{each.question} {each.texts[0] if each.texts else ''}"
        ids = vocabulary.encode(text, add_special_tokens=False).ids
        assert by_type.encode(text, add_special_tokens=False) == ids
        assert by_file.encode(text, add_special_tokens=False) == ids
        assert max(ids) < vocabulary.get_vocab_size()
        assert len(ids) <= 1.1 * len(shipped.encode(text, add_special_tokens=False).ids) + 4
    size = vocabulary.get_vocab_size()
    HEADS["process"].prepare(vocabulary)
    assert vocabulary.get_vocab_size() == size
    assert vocabulary.encode("\\boxed{", add_special_tokens=False).ids == [shipped.token_to_id("\\boxed{")]


def test_what_teaches_no_steps_is_left_out_and_counted(vocabulary: Tokenizer) -> None:
    found, tally = list(judge.conversations(random.Random(0), sampled(20))), Tally()
    examples = list(encoded(iter(found), vocabulary, encode_steps, tally))
    assert len(examples) == tally.kept
    assert tally.unfit == sum(graded_solution(each) is None for each in found) > 0
    assert tally.kept + tally.unfit == len(found)


def test_the_corpus_holds_one_example_a_stepwise_conversation(
    tmp_path: Path, attempts: Path, vocabulary: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ttscale.reference.corpus.SHARD_EXAMPLES", 12)
    monkeypatch.setattr("ttscale.reference.corpus.held_out_keys", frozenset)
    monkeypatch.setattr("os.nice", lambda _: 0)
    vocabulary.save(str(tmp_path / "tokenizer.json"))
    mixture = Mixture({"judge": 1.0}, 0, attempts)
    write_corpus(tmp_path, tmp_path / "tokenizer.json", mixture, encode_steps, num_examples=12)
    stepwise = (encode_steps(vocabulary, each) for each in mixture.conversations())
    wanted = itertools.islice((Example(*pair) for pair in stepwise if pair is not None), 12)
    assert load_shard(shard_path(tmp_path, 0)) == list(wanted)
    summary = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))
    assert summary["kept"] == 12
    assert summary["dropped_as_unfit"] > 0


async def test_a_few_steps_lower_the_loss_and_the_result_grades_in_transformers(
    tmp_path: Path, course: Course
) -> None:
    vocabulary = load_or_make_tokenizer(tmp_path / "tokenizer.json", course_from_abacus(course), 10)
    network = first_network(course, vocabulary)
    recipe = Recipe(batch_examples=4, accumulate=2, learning_rate=1e-2, compile_model=False)
    trainer = CorpusTrainer(network, recipe, tmp_path, seed=0)
    drawn = itertools.islice(course.mixture.conversations(), 32)
    examples = list(encoded(drawn, vocabulary, course.head.encode, Tally()))
    losses = [trainer.step([examples[:8], examples[8:]]) for _ in range(30)]
    assert losses[0] == pytest.approx(math.log(2), rel=0.3)
    assert losses[-1] < losses[0] - 0.1

    trainer.save()
    export_checkpoint(tmp_path, tmp_path / "model", course)
    assert not (tmp_path / "model" / "generation_config.json").exists()
    ids, targets = encode_graded(vocabulary, SOLUTION)
    places = [place for place, token in enumerate(ids) if token == vocabulary.token_to_id(STEP_TOKEN)]
    assert all(targets[place] != NO_TARGET for place in places)
    load_weights(network.eval(), tmp_path / "model")  # rounded as they are
    with torch.no_grad():
        expected = network(input_ids=torch.tensor([ids])).logits[0, places].softmax(-1)[:, 1].tolist()
    async with HFBackend(str(tmp_path / "model")) as backend:
        assert backend.encode(PROMPT).token_ids == tuple(ids)
        rewards = await backend.reward(PROMPT, step_token=STEP_TOKEN)
    assert rewards.values == pytest.approx(expected, abs=1e-4)


def course_from_abacus(course: Course) -> Course:
    """Return the course, but with the shipped model's vocabulary."""
    return Course(course.mixture, course.size, ABACUS_PATH, head=course.head)


def test_the_exported_directory_is_laid_out_as_those_of_the_architecture(
    tmp_path: Path, vocabulary: Tokenizer
) -> None:
    network = build_reward_model(TINY, vocabulary_size=vocabulary.get_vocab_size(), seed=0)
    export(network, vocabulary, tmp_path / "model")
    config = json.loads((tmp_path / "model" / "config.json").read_text(encoding="utf-8"))
    assert (config["architectures"], config["model_type"]) == (["Qwen2ForProcessRewardModel"], "qwen2")
    assert config["dtype"] == "bfloat16"
    weights = load_file(tmp_path / "model")
    assert {name for name in weights if not name.startswith("model.")} == {
        "score.0.weight", "score.0.bias", "score.2.weight", "score.2.bias"
    }  # fmt: skip
    body = transformers.Qwen2Model(transformers.AutoConfig.from_pretrained(tmp_path / "model"))
    assert {name for name in weights if name.startswith("model.")} == {
        f"model.{name}" for name in body.state_dict()
    }
    assert weights["score.2.weight"].shape == (2, 64)
    for name, value in network.state_dict().items():
        assert torch.equal(weights[name], value.bfloat16())
    loaded = transformers.AutoTokenizer.from_pretrained(tmp_path / "model")
    assert loaded.convert_tokens_to_ids(STEP_TOKEN) == vocabulary.token_to_id(STEP_TOKEN)
    assert STEP_TOKEN in loaded.all_special_tokens
    assert len(loaded) == config["vocab_size"] == vocabulary.get_vocab_size()


def load_file(directory: Path) -> dict[str, Tensor]:
    from safetensors.torch import load_file as load

    return dict(load(directory / "model.safetensors"))


def test_the_body_starts_as_that_of_the_language_model(tmp_path: Path, vocabulary: Tokenizer) -> None:
    size = vocabulary.get_vocab_size()
    language = build_model(TINY, vocabulary_size=size - 1, seed=0)
    export(language, vocabulary, tmp_path / "language")
    network = build_reward_model(TINY, vocabulary_size=size, seed=1)
    load_weights(network, tmp_path / "language")
    ids = torch.tensor([[1, 3, 40, 50, 60]])
    expected = language.model(input_ids=ids).last_hidden_state
    torch.testing.assert_close(network.model(input_ids=ids).last_hidden_state, expected, rtol=0.05, atol=0.05)
    assert not any(value.any() for name, value in network.state_dict().items() if "proj.bias" in name)


def test_the_step_token_begins_as_the_line_end_it_stands_for_and_keeps_what_it_has_learnt(
    tmp_path: Path, course: Course
) -> None:
    plain = tokenizers.Tokenizer.from_file(str(ABACUS_PATH / "tokenizer.json"))
    language = build_model(TINY, vocabulary_size=plain.get_vocab_size(), seed=0)
    export(language, plain, tmp_path / "language")
    of_language = replace(course, start=tmp_path / "language")
    vocabulary = load_or_make_tokenizer(tmp_path / "tokenizer.json", of_language, 10)
    first = first_network(of_language, vocabulary)
    embedding = first.model.embed_tokens.weight
    [line_end], step_id = vocabulary.encode("\n").ids, vocabulary.token_to_id(STEP_TOKEN)
    assert torch.equal(embedding[step_id], embedding[line_end])
    with torch.no_grad():
        embedding[step_id] = 1.0
    export(first, vocabulary, tmp_path / "reward")
    again = first_network(replace(course, start=tmp_path / "reward"), vocabulary)
    assert (again.model.embed_tokens.weight[step_id] == 1.0).all()
