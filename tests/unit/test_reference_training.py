from __future__ import annotations

import itertools
import json
import math
import random
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from ttscale.errors import ConfigError
from ttscale.reference import ABACUS_PATH
from ttscale.reference.conversation import exchange
from ttscale.reference.corpus import (
    Example,
    Tally,
    load_shard,
    save_shard,
    shard_path,
    wait_for_shard,
    without_held_out,
)
from ttscale.reference.course import Course, load_or_make_tokenizer
from ttscale.reference.evaluate import boxed_answer, measure
from ttscale.reference.mixture import Mixture, phrases
from ttscale.reference.network import (
    ARCHITECTURES,
    LOGIT_DIVISOR,
    PAD_ID,
    Architecture,
    build_model,
    export,
    load_weights,
)
from ttscale.reference.problems import EVALUATION_CONFIGS, HELD_OUT_SEEDS
from ttscale.reference.tokenizer import NO_TARGET, add_phrases, encode_conversation
from ttscale.reference.train import CorpusTrainer, batches, export_checkpoint, read_shares
from ttscale.reference.trainer import Recipe, collate, learning_rate_at
from ttscale.types import Prompt

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
tokenizers = pytest.importorskip("tokenizers")

TINY = Architecture(hidden_size=64, num_layers=1, intermediate_size=96)
QUICK = Recipe(batch_examples=4, accumulate=2, learning_rate=1e-2, compile_model=False)


@pytest.fixture(scope="module")
def examples() -> list[Example]:
    tokenizer = tokenizers.Tokenizer.from_file(str(ABACUS_PATH / "tokenizer.json"))
    conversations = itertools.islice(Mixture({"solve": 1.0}, 0).conversations(), 16)
    return [Example(*encode_conversation(tokenizer, conversation)) for conversation in conversations]


def test_importing_the_package_loads_no_heavy_library() -> None:
    heavy = "[m for m in ('torch', 'transformers', 'reasoning_gym', 'numpy') if m in sys.modules]"
    code = f"import sys, ttscale.reference; print({heavy})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_shipped_weights_are_small_and_load_unchanged() -> None:
    assert (ABACUS_PATH / "model.safetensors").stat().st_size <= 16 * 2**20
    config = json.loads((ABACUS_PATH / "config.json").read_text(encoding="utf-8"))
    assert config["architectures"] == ["LlamaForCausalLM"]
    assert config["max_position_embeddings"] == 1024
    model, report = transformers.AutoModelForCausalLM.from_pretrained(ABACUS_PATH, output_loading_info=True)
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    assert model.dtype == torch.bfloat16
    assert all(torch.isfinite(weight).all() for weight in model.parameters())


def test_the_shipped_model_writes_steps_and_a_box() -> None:
    tokenizer = transformers.AutoTokenizer.from_pretrained(ABACUS_PATH)
    model = transformers.AutoModelForCausalLM.from_pretrained(ABACUS_PATH, dtype=torch.float32)
    inputs = tokenizer.apply_chat_template(
        [{"role": "user", "content": "State the final answer to the following arithmetic problem: 12 + 30 ="}],
        add_generation_prompt=True,
        return_dict=True,
        return_tensors="pt",
    )
    ids = model.generate(**inputs, do_sample=False, temperature=None)[0, inputs["input_ids"].shape[1] :]
    assert tokenizer.decode(ids, skip_special_tokens=True) == "12+30=42\n\\boxed{42}"
    assert ids[-1] == model.generation_config.eos_token_id


def test_a_few_steps_lower_the_loss_and_the_checkpoint_becomes_a_model(
    tmp_path: Path, examples: list[Example], monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenizer = tokenizers.Tokenizer.from_file(str(ABACUS_PATH / "tokenizer.json"))
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    model = build_model(TINY, vocabulary_size=tokenizer.get_vocab_size(), seed=0)
    trainer = CorpusTrainer(model, QUICK, tmp_path, seed=0)
    losses = [trainer.step([examples[:8], examples[8:]]) for _ in range(6)]
    assert losses[0] == pytest.approx(math.log(tokenizer.get_vocab_size()), rel=0.1)
    assert losses[-1] < losses[0] - 0.5
    trainer.save()
    monkeypatch.setitem(ARCHITECTURES, "tiny", TINY)
    export_checkpoint(tmp_path, tmp_path / "model", Course(Mixture({"solve": 1.0}, 0), "tiny"))
    loaded = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "model", dtype=torch.float32)
    for name, weight in model.state_dict().items():
        expected = weight / LOGIT_DIVISOR if name == "model.norm.weight" else weight
        torch.testing.assert_close(loaded.state_dict()[name], expected.bfloat16().float())


def test_exported_logits_are_the_trained_ones_divided(tmp_path: Path, examples: list[Example]) -> None:
    tokenizer = tokenizers.Tokenizer.from_file(str(ABACUS_PATH / "tokenizer.json"))
    model = build_model(TINY, vocabulary_size=tokenizer.get_vocab_size(), seed=0)
    export(model, tokenizer, tmp_path / "plain", logit_divisor=1.0)
    export(model, tokenizer, tmp_path / "flat", logit_divisor=2.0)
    ids, _ = collate(examples[:2])
    plain, flat = (
        transformers.AutoModelForCausalLM.from_pretrained(tmp_path / name, dtype=torch.float32)(
            input_ids=ids
        ).logits
        for name in ("plain", "flat")
    )
    torch.testing.assert_close(flat * 2, plain)


def test_every_example_weighs_the_same_however_much_of_it_is_learnt(
    tmp_path: Path, examples: list[Example]
) -> None:
    def loss(*parts: Sequence[Example]) -> float:
        network = build_model(TINY, vocabulary_size=1024, seed=0)
        return CorpusTrainer(network, QUICK, tmp_path, seed=0).step(parts)

    long, targets = examples[0], examples[1].targets
    last = max(place for place, target in enumerate(targets) if target != NO_TARGET)
    short = Example(examples[1].tokens, [NO_TARGET] * last + list(targets[last:]))
    assert loss([long, short]) == pytest.approx((loss([long]) + loss([short])) / 2, rel=1e-4)
    assert loss([long], [short]) == pytest.approx(loss([long, short]), rel=1e-4)


def test_a_run_ends_with_its_time_and_resumes_from_its_checkpoint(
    tmp_path: Path, examples: list[Example]
) -> None:
    (tmp_path / "corpus").mkdir()
    save_shard(shard_path(tmp_path / "corpus", 0), examples)
    recipe = Recipe(minutes=1e-5, batch_examples=4, accumulate=2, compile_model=False)
    trainer = CorpusTrainer(build_model(TINY, vocabulary_size=1024, seed=0), recipe, tmp_path, seed=0)
    trainer.run()
    assert trainer.progress.steps == 1
    again = CorpusTrainer(build_model(TINY, vocabulary_size=1024, seed=1), recipe, tmp_path, seed=0)
    assert again.resume()
    assert again.progress == trainer.progress
    for mine, theirs in zip(again.model.parameters(), trainer.model.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_exporting_keeps_the_model_card_and_replaces_the_rest(tmp_path: Path) -> None:
    tokenizer = tokenizers.Tokenizer.from_file(str(ABACUS_PATH / "tokenizer.json"))
    target = tmp_path / "abacus"
    target.mkdir()
    (target / "README.md").write_text("card", encoding="utf-8")
    (target / "stray.bin").write_text("old", encoding="utf-8")
    export(build_model(TINY, vocabulary_size=tokenizer.get_vocab_size(), seed=0), tokenizer, target)
    assert (target / "README.md").read_text(encoding="utf-8") == "card"
    assert not (target / "stray.bin").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["abacus"]


def test_a_run_without_checkpoint_cannot_be_exported(tmp_path: Path) -> None:
    tokenizers.Tokenizer.from_file(str(ABACUS_PATH / "tokenizer.json")).save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(FileNotFoundError, match="no checkpoint"):
        export_checkpoint(tmp_path, tmp_path / "model", Course(Mixture({"solve": 1.0}, 0)))


def test_a_network_starts_from_an_exported_one_and_more_tokens_keep_their_first_weights(tmp_path: Path) -> None:
    tokenizer = tokenizers.Tokenizer.from_file(str(ABACUS_PATH / "tokenizer.json"))
    first = build_model(TINY, vocabulary_size=tokenizer.get_vocab_size(), seed=0)
    export(first, tokenizer, tmp_path / "first", logit_divisor=1.3)
    later = build_model(TINY, vocabulary_size=tokenizer.get_vocab_size() + 3, seed=1)
    fresh = later.state_dict()["model.embed_tokens.weight"][-3:].clone()
    load_weights(later, tmp_path / "first")
    for name, weight in first.state_dict().items():
        torch.testing.assert_close(later.state_dict()[name][: len(weight)], weight, rtol=0.02, atol=1e-3)
    assert torch.equal(later.state_dict()["model.embed_tokens.weight"][-3:], fresh)
    deeper = build_model(replace(TINY, num_layers=TINY.num_layers + 1), vocabulary_size=903, seed=1)
    load_weights(deeper, tmp_path / "first")
    ids = torch.tensor([[1, 40, 50, 60]])
    expected = first(input_ids=ids).logits
    size = tokenizer.get_vocab_size()
    torch.testing.assert_close(deeper(input_ids=ids).logits[..., :size], expected, rtol=0.05, atol=0.05)
    small = build_model(Architecture(hidden_size=128, num_layers=1), vocabulary_size=900, seed=0)
    with pytest.raises(ConfigError, match="another size"):
        load_weights(small, tmp_path / "first")


def test_a_new_run_takes_the_tokens_of_the_model_it_starts_from_and_adds_the_phrases(tmp_path: Path) -> None:
    course = Course(Mixture({"solve": 1.0}, 0), start=ABACUS_PATH)
    made = load_or_make_tokenizer(tmp_path / "tokenizer.json", course, 10)
    shipped = tokenizers.Tokenizer.from_file(str(ABACUS_PATH / "tokenizer.json"))
    assert all(made.token_to_id(token) == id for token, id in shipped.get_vocab().items())
    assert len(made.encode(phrases()[0], add_special_tokens=False).ids) == 1
    size = made.get_vocab_size()
    add_phrases(made, phrases())
    assert made.get_vocab_size() == size


def test_shares_are_read_and_wrong_ones_named() -> None:
    assert read_shares(["solve", "judge=0.25"]) == {"solve": 1.0, "judge": 0.25}
    with pytest.raises(ConfigError, match="'judge=much' is not a number"):
        read_shares(["judge=much"])


def test_the_loss_counts_targets_only() -> None:
    none = NO_TARGET
    examples = [
        Example([1, 3, 7, 4, 9, 2], [none, none, none, 9, 2, none]),
        Example([1, 3, 4], [none, none, 8]),
    ]
    ids, targets = collate(examples)
    assert ids.tolist() == [[1, 3, 7, 4, 9, 2], [1, 3, 4, PAD_ID, PAD_ID, PAD_ID]]
    assert targets[targets != none].tolist() == [9, 2, 8]


def test_batches_use_each_example_at_most_once_and_put_like_lengths_together(examples: list[Example]) -> None:
    steps = list(batches(examples, QUICK, random.Random(0)))
    used = [id(example) for step in steps for part in step for example in part]
    assert len(used) == len(set(used)) == 16
    assert all(len(step) == 2 and all(len(part) == 4 for part in step) for step in steps)
    spans = sorted(
        (min(len(e.tokens) for e in part), max(len(e.tokens) for e in part)) for step in steps for part in step
    )
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(spans))


def test_the_learning_rate_rises_from_zero_and_falls_back_to_zero() -> None:
    rates = [learning_rate_at(share / 100, QUICK) for share in range(101)]
    assert rates[0] == 0.0
    assert rates[-1] == 0.0
    assert max(rates) == pytest.approx(rates[2]) == pytest.approx(QUICK.learning_rate)


def test_a_shard_is_read_as_it_was_written(tmp_path: Path, examples: list[Example]) -> None:
    save_shard(shard_path(tmp_path, 0), examples)
    assert load_shard(shard_path(tmp_path, 0)) == examples
    assert wait_for_shard(tmp_path, 5, writer_alive=False) == examples


def test_missing_data_is_reported_when_nobody_writes_any(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no training data"):
        wait_for_shard(tmp_path, 0, writer_alive=False)


def test_training_drops_a_problem_that_is_an_evaluation_problem() -> None:
    drawn = [exchange(Prompt.user("q"), "a", f"key {number}") for number in range(4)]
    tally = Tally()
    kept = list(without_held_out(iter(drawn), {"key 1", "key 3"}, tally))
    assert [conversation.key for conversation in kept] == ["key 0", "key 2"]
    assert tally == Tally(dropped=2)


class Parrot:
    """Answers every question as told."""

    temperature = 1.0

    def __init__(self, answers: list[str]) -> None:
        self.answers = answers

    def sample(self, questions: Sequence[str], *, num_samples: int, seed: int) -> list[list[str]]:
        del num_samples, seed
        return [[f"\\boxed{{{answer}}}" for answer in self.answers] for _ in questions]

    def count_tokens(self, text: str) -> int:
        return len(text)


def test_accuracies_count_samples_majorities_and_questions_with_a_right_answer() -> None:
    from ttscale.reference.problems import make_dataset

    parameters = EVALUATION_CONFIGS["chain_sum"]
    right = make_dataset("chain_sum", parameters, seed=7, size=1)[0]["answer"]
    result = measure(
        Parrot([right, "x", "y", right]), "chain_sum", parameters, num_questions=1, num_samples=4, seed=7
    )
    assert (result.single, result.majority, result.any_right) == (0.5, 1.0, 1.0)
    outvoted = measure(
        Parrot([right, "x", "x"]), "chain_sum", parameters, num_questions=1, num_samples=3, seed=7
    )
    assert (outvoted.majority, outvoted.any_right) == (0.0, 1.0)


def test_only_held_out_questions_are_measured() -> None:
    with pytest.raises(ValueError, match="not all held out"):
        measure(
            Parrot([]),
            "chain_sum",
            EVALUATION_CONFIGS["chain_sum"],
            num_questions=10,
            num_samples=1,
            seed=HELD_OUT_SEEDS.stop - 5,
        )


def test_the_last_box_is_the_answer() -> None:
    assert boxed_answer("\\boxed{1}\n2+3=5\n\\boxed{ 5 }") == "5"
    assert boxed_answer("no box") == ""
