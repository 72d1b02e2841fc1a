"""The bank keeps what it is given, to the last bit, under an address that says what was asked."""

from __future__ import annotations

import math
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.bank_samples import ASKED, WARM, bank_file, fill, model, sample
from ttscale.bank import Bank, RecordedProblem, RecordedSample, Settings, problems_of, summarise
from ttscale.bank.sample import series_key
from ttscale.errors import DataError
from ttscale.types import Message, Problem, Prompt, Sampling


@pytest.mark.parametrize("num_logprobs", [-1, 0, 2])
def test_a_sample_comes_back_as_it_was(tmp_path: Path, num_logprobs: int) -> None:
    one = sample(7, "a\n\ud83d é", num_logprobs=num_logprobs, first=0.125, seconds=1 / 3, reason="length")
    with Bank(tmp_path / "bank") as bank:
        key = fill(bank, [one])
    with Bank(tmp_path / "bank", writable=False) as bank:
        assert list(bank.samples(key)) == [one]


def test_logprobs_survive_to_the_last_bit() -> None:
    values = (-0.1, -math.inf, -1e-300, 0.0, -math.pi)
    one = replace(sample(0, "abcde", num_logprobs=0), logprobs=values)
    with Bank() as bank:
        key = fill(bank, [one])
        assert next(bank.samples(key)).logprobs == values


def test_what_decides_the_tokens_is_the_address_and_nothing_else() -> None:
    def address(**changes: object) -> str:
        given = Sampling(temperature=0.8, top_p=0.9, top_k=20)
        changed = replace(given, **changes)  # type: ignore[arg-type]
        return series_key("model", "prompt", Settings.of(changed))

    same = [address(max_tokens=3), address(logprobs=5), address(temperature=0.8)]
    assert {*same} == {address()}
    assert address(stop=("b", "a", "b")) == address(stop=("a", "b"))
    assert address(top_p=1.0) == address(top_p=None)
    assert address(temperature=0.0, top_p=0.5) == address(temperature=0.0, top_k=3)
    others = [
        address(temperature=0.7),
        address(top_p=0.8),
        address(top_k=19),
        address(stop=("a",)),
        address(stop_token_ids=(1,)),
        series_key("other", "prompt", Settings.of(Sampling(temperature=0.8, top_p=0.9, top_k=20))),
        series_key("model", "other", Settings.of(Sampling(temperature=0.8, top_p=0.9, top_k=20))),
        series_key("model", "prompt", None),
    ]
    assert len({address(), *others}) == len(others) + 1


def test_of_one_seed_the_longer_recording_is_kept_and_stays_the_same_draw() -> None:
    aborted = sample(5, "ab", seed=9, reason="abort")
    whole = sample(8, "abcd", seed=9)
    with Bank() as bank:
        key = fill(bank, [aborted, whole, aborted])
        (kept,) = bank.samples(key)
    assert (kept.text, kept.head.draw) == ("abcd", 5)


def test_a_recording_with_logprobs_stands_beside_a_longer_one_without() -> None:
    with Bank() as bank:
        key = fill(bank, [sample(1, "abcd", seed=9), sample(2, "ab", seed=9, reason="length", num_logprobs=2)])
        assert [(head.draw, head.num_logprobs) for head in bank.heads(key)] == [(1, -1), (1, 2)]


def test_without_seeds_every_sample_is_another_draw() -> None:
    with Bank() as bank:
        key = fill(bank, [sample(1, seed=9), sample(2, seed=9)], of=model(seeds=False))
        assert [head.draw for head in bank.heads(key)] == [1, 2]
        with pytest.raises(DataError, match="two samples with the number 2"):
            bank.add_sample(key, sample(2))


def test_what_fails_halfway_leaves_nothing_behind() -> None:
    def interrupted(bank: Bank) -> None:
        with bank.writing():
            fill(bank, [sample()])
            raise KeyboardInterrupt

    with Bank() as bank:
        with pytest.raises(KeyboardInterrupt):
            interrupted(bank)
        assert bank.models() == []
        assert bank.num_samples() == 0


def test_two_may_record_into_one_file(tmp_path: Path) -> None:
    with Bank(tmp_path / "bank") as one, Bank(tmp_path / "bank") as other:
        key = fill(one, [sample(1)])
        fill(other, [sample(2)])
        assert [head.draw for head in one.heads(key)] == [1, 2]
    assert not (tmp_path / "bank-wal").exists()


def test_encodings_vocabulary_and_problems_are_kept() -> None:
    problem = RecordedProblem(benchmark="sums", id="1", prompt=ASKED, question="How much?", target="4")
    with Bank() as bank:
        fill(bank, [sample()])
        bank.add_problem(problem)
        bank.add_problem(problem)
        assert bank.problems() == [problem]
        assert bank.encoded("of toy", Prompt.user("How much?")) == ASKED
        assert bank.encoded("of toy", Prompt.user("How many?")) is None
        assert bank.vocabulary("of toy")[ord("a")] == "a"
        assert bank.models() == [model()]
        assert [(series.prompt, series.settings) for series in bank.series()] == [(ASKED, WARM)]


def test_what_is_known_of_a_problem_is_not_forgotten() -> None:
    noted = RecordedProblem(benchmark="sums", id="1", prompt=ASKED, question="How much?", target="4")
    other = RecordedProblem(benchmark="sums", id="0", prompt=ASKED)
    with Bank() as bank:
        for problem in (noted, other, replace(noted, question=None, target=None), replace(noted, target="5")):
            bank.add_problem(problem)
        assert bank.problems() == [replace(noted, target="5"), other]


def test_of_some_samples_nobody_has_said_the_answer() -> None:
    def said(draw: int, prediction: str | None, text: str | None = None) -> RecordedSample:
        return replace(sample(draw), prediction=prediction, text=text, token_ids=())

    with Bank() as bank:
        key = fill(bank, [said(0, "4"), said(1, "5"), said(2, "4", "It is 4."), said(3, None)])
        assert bank.predictions(key) == {"4": 2, "5": 1, None: 1}
        bank.add_sample(key, said(4, None, "It is 4."))
        assert bank.predictions(key) is None
        assert bank.predictions("unknown") == {}
        assert bank.has_seconds("of toy")
        bank.add_sample(key, replace(sample(5), head=replace(sample(5).head, seconds=None)))
        assert not bank.has_seconds("of toy")


def test_a_summary_counts_whole_stopped_and_failed_samples() -> None:
    samples = [
        sample(0, num_logprobs=2),
        sample(1, "ab", reason="abort"),
        sample(2, "a", reason="error"),
        sample(0, "abc", num_logprobs=-1, reason="length"),
    ]
    with Bank() as bank:
        fill(bank, samples)
        fill(bank, [sample(3, num_logprobs=0)], prompt=Prompt(text="Else?"))
        (summary,) = summarise(bank)
    (group,) = summary.groups
    assert (group.num_prompts, group.num_whole, group.num_aborted, group.num_failed) == (2, 2, 1, 1)
    assert (group.min_samples, group.max_samples, group.generated_tokens) == (1, 1, 11)
    assert (group.settings, group.max_logprobs, summary.name) == ("temperature=1.0", 0, "toy")


def answered(bank: Bank, problem: str, target: str | None, *answers: str | None) -> None:
    """Add samples of which only the answer is known."""
    samples = [replace(sample(at), text=None, prediction=said) for at, said in enumerate(answers)]
    fill(bank, samples, prompt=Prompt(text=problem))
    bank.add_problem(RecordedProblem(benchmark="b", id=problem, prompt=Prompt(text=problem), target=target))


def test_a_summary_by_benchmark_compares_answers_with_targets() -> None:
    with Bank() as bank:
        answered(bank, "half", "1/2", "0.5", "\\frac12", "2", None)
        answered(bank, "all", "4", "4.0")
        bank.add_problem(RecordedProblem(benchmark="other", id="nobody drew", prompt=Prompt(text="?")))
        (summary,) = summarise(bank)
        (group,) = summary.benchmarks
        assert (group.benchmark, group.num_problems, group.num_samples) == ("b", 2, 5)
        assert (group.generated_tokens, group.accuracy) == (20, 0.75)
        assert summary.groups[0].num_problems == summary.num_problems == 2
        answered(bank, "without a target", None, "4")
        assert summarise(bank)[0].benchmarks[0].accuracy is None


def test_problems_can_be_asked_again_as_they_were_before_they_were_encoded() -> None:
    noted = RecordedProblem(benchmark="sums", id="1", prompt=ASKED, question="How much?", target="4")
    with Bank() as bank:
        fill(bank, [sample()])
        fill(bank, [sample()], of=model("other"), prompt=Prompt(token_ids=(7, 8)))
        fill(bank, [sample()], of=model("other"), prompt=Prompt(token_ids=(7, 8, 9)))  # a continuation
        fill(bank, [sample()], of=model("other"), prompt=Prompt.user("Else?"))
        continued = Prompt(messages=(Message("user", "Else?"), Message("assistant", "It is")))
        fill(bank, [sample()], of=model("other"), prompt=continued)
        bank.add_problem(noted)
        (asked,) = problems_of(bank, "of toy")
        assert asked == ("sums", Problem(id="1", prompt=Prompt.user("How much?"), target="4"))
        assert problems_of(bank, "of other") == [
            ("", Problem.ask("How much?", id="How much?")),
            ("", Problem.ask("Else?", id="Else?")),
        ]


# ── files that are no banks ───────────────────────────────────────────────────────────────────────────────


def test_a_missing_file_is_no_bank(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no sample bank"):
        Bank(tmp_path / "none", writable=False)


@pytest.mark.parametrize("writable", [True, False])
def test_another_file_is_no_bank_and_stays_as_it_is(tmp_path: Path, writable: bool) -> None:
    path = tmp_path / "text"
    path.write_bytes(b"hello " * 100)
    with pytest.raises(DataError, match="is not a sample bank"):
        Bank(path, writable=writable)
    assert path.read_bytes() == b"hello " * 100


def test_a_bank_of_another_version_is_refused(tmp_path: Path) -> None:
    path = bank_file(tmp_path / "bank", [sample()])
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 9")
    connection.close()
    with pytest.raises(DataError, match=r"another version \(9, not 2\)"):
        Bank(path)


def test_damaged_tokens_are_named(tmp_path: Path) -> None:
    path = bank_file(tmp_path / "bank", [sample(4)])
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE samples SET token_ids = x'00ff'")
    connection.close()
    with Bank(path, writable=False) as bank:
        (series,) = bank.series()
        with pytest.raises(DataError, match=r"sample 4 in the sample bank .*bank' cannot be read: .*damaged"):
            list(bank.samples(series.key))
