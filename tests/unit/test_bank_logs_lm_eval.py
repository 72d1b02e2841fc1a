"""Samples of lm-evaluation-harness are read and written."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.unit.bank_samples import model, sample
from ttscale.bank import (
    Bank,
    Columns,
    RecordedProblem,
    RecordedSample,
    SampleHead,
    Settings,
    open_pool,
)
from ttscale.bank.logs import LoggedSample, export_lm_eval, read_log
from ttscale.errors import ConfigError, DataError
from ttscale.types import Message, Prompt, SampleUsage

KEYS = {
    "doc_id",
    "doc",
    "target",
    "arguments",
    "resps",
    "filtered_resps",
    "filter",
    "metrics",
    "doc_hash",
    "prompt_hash",
    "target_hash",
}
"""Of every line of the harness; metrics have keys of their own beside."""
NAME = "samples_sums_2026-03-04T05-06-07.890123.jsonl"


def line(doc_id: int = 0, *said: str, **changes: Any) -> dict[str, Any]:
    texts = list(said or ("I think\n#### 8",))
    return {
        "doc_id": doc_id,
        "doc": {"question": f"What is {doc_id} + 8?", "answer": "8"},
        "target": "8",
        "arguments": {
            "gen_args_0": {"arg_0": f"Q: 1 + 1? A: 2\n\nQ: {doc_id} + 8? A:", "arg_1": {"until": []}}
        },
        "resps": [texts],
        "filtered_resps": ["8"],
        "filter": "strict-match",
        "metrics": ["exact_match"],
        "doc_hash": "d",
        "prompt_hash": "p",
        "target_hash": "t",
        "exact_match": 1.0,
        **changes,
    }


def write(path: Path, *lines: Mapping[str, Any]) -> Path:
    path.write_text("".join(json.dumps(one) + "\n" for one in lines))
    return path


def only(path: Path, **names: str) -> LoggedSample:
    (one,) = read_log(path, **names)
    return one


# ── reading ───────────────────────────────────────────────────────────────────────────────────────────────


def test_everything_a_line_says_is_read(tmp_path: Path) -> None:
    one = only(write(tmp_path / NAME, line(3)))
    assert (one.benchmark, one.problem, one.number, one.target) == ("sums", "3", 0, "8")
    assert (one.question, one.prompt) == ("What is 3 + 8?", "Q: 1 + 1? A: 2\n\nQ: 3 + 8? A:")
    assert (one.text, one.answer, one.scores, one.is_right) == (
        "I think\n#### 8",
        "8",
        {"exact_match": 1.0},
        True,
    )
    assert (one.usage.generated, one.are_tokens_estimated, one.seconds) == (4, True, None)


def test_repeats_are_samples_of_one_problem_in_their_order(tmp_path: Path) -> None:
    several = line(0, "a 8", "b 9", "c", filtered_resps=[["8", "9", "[invalid]"]])
    kept_one = line(1, "a 8", "b 9", filtered_resps=["8"])
    path = write(tmp_path / NAME, several, kept_one)
    found = list(read_log(path))
    assert [(one.problem, one.number, one.text, one.answer) for one in found] == [
        ("0", 0, "a 8", "8"),
        ("0", 1, "b 9", "9"),
        ("0", 2, "c", None),
        ("1", 0, "a 8", None),
        ("1", 1, "b 9", None),
    ]
    assert all(one.scores == {} for one in found)  # one score for all of them is nobody's
    with open_pool(path) as bank:
        assert [len(bank.heads(series.key)) for series in bank.series()] == [3, 2]


def test_filters_are_views_of_the_same_samples(tmp_path: Path) -> None:
    other = line(0, filter="flexible", filtered_resps=["1"], exact_match=0.0)
    path = write(tmp_path / NAME, line(0), line(1), other, line(1, filter="flexible"))
    first, _ = read_log(path)
    assert (first.answer, first.scores) == ("8", {"exact_match": 1.0, "flexible/exact_match": 0.0})
    chosen, _ = read_log(path, scorer="flexible")
    assert (chosen.answer, chosen.is_right) == ("1", False)
    with open_pool(path, columns=Columns(prediction="flexible")) as bank:
        assert bank.predictions(next(bank.series()).key) == {"1": 1}
    with pytest.raises(ConfigError, match=r"no filter 'none'; it has: 'strict-match', 'flexible'"):
        list(read_log(path, scorer="none"))


def test_a_text_that_no_filter_cut_is_no_answer(tmp_path: Path) -> None:
    assert only(write(tmp_path / NAME, line(0, "the text", filtered_resps=["the text"]))).answer is None


def test_arguments_as_lists_and_conversations_are_read(tmp_path: Path) -> None:
    older = line(0, arguments=[["ask", {"until": []}]], doc={"n": 1})
    talk = json.dumps([{"role": "user", "content": "ask"}])
    newer = line(1, arguments={"gen_args_0": {"arg_0": [talk], "arg_1": {}}})
    first, second = read_log(write(tmp_path / NAME, older, newer))
    assert (first.question, first.prompt, second.prompt) == ("ask", None, talk)


def test_the_model_is_named_or_found_beside_or_is_the_files_name(tmp_path: Path) -> None:
    path = write(tmp_path / NAME, line())
    assert only(path).model == "samples_sums_2026-03-04T05-06-07"
    (tmp_path / "results_2026-03-04T05-06-07.890123.json").write_text(json.dumps({"model_name": "me/tiny"}))
    assert only(path).model == "me/tiny"
    with open_pool(path, model="mine") as bank:
        assert [one.profile.name for one in bank.models()] == ["mine"]


def test_packed_lines_under_any_name_are_read(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl.gz"
    path.write_bytes(gzip.compress(json.dumps(line()).encode()))
    assert (only(path).model, only(path).benchmark) == ("x", "")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"resps": [[["-1.5", "True"]]], "arguments": {"gen_args_0": {"arg_0": "a", "arg_1": "b"}}},
            "1 requests whose",
        ),
        ({"resps": [["a"], ["b"]]}, "2 requests whose texts were not all generated"),
        ({"resps": [[]]}, "is not a list of the texts"),
        ({"resps": [["a", 3]]}, "is not a list of the texts"),
        ({"arguments": {"gen_args_0": {"arg_0": 3, "arg_1": {}}}}, "not a request with a prompt in text"),
        ({"doc_id": None}, "doc_id=None is not a name"),
        ({"filter": 3}, "filter=3 is not text"),
    ],
)
def test_a_line_that_cannot_be_read_is_named(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=rf"line 2 of .*{message}"):
        open_pool(write(tmp_path / NAME, line(0), {**line(1), **changes}))


def test_lines_that_contradict_each_other_are_named(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"line 2 of .* is document '0' with the filter 'strict-match', as line 1"
    ):
        open_pool(write(tmp_path / NAME, line(0), line(0)))
    with pytest.raises(DataError, match=r"line 2 of .* has other texts than line 1"):
        open_pool(write(tmp_path / NAME, line(0), line(0, "other", filter="b")))
    with pytest.raises(DataError, match=r"line 3 of .*: document '1' has no line of 'strict-match'"):
        open_pool(write(tmp_path / NAME, line(0), line(0, filter="b"), line(1, filter="b")))
    with (tmp_path / NAME).open("a") as file:
        file.write("{broken\n")
    with pytest.raises(DataError, match=r"line 4 of .* is not JSON"):
        open_pool(tmp_path / NAME)


# ── writing ───────────────────────────────────────────────────────────────────────────────────────────────


def add(bank: Bank, prompt: Prompt, *samples: RecordedSample, **settings: Any) -> None:
    of = model("me/tiny", seeds=False)
    bank.add_model(of)
    key = bank.add_series(of.fingerprint, prompt, Settings(**settings)).key
    for one in samples:
        bank.add_sample(key, one)


def recorded(*samples: RecordedSample, target: str | None = "8") -> Bank:
    bank, prompt = Bank(), Prompt.user("What is 7 + 1?")
    add(bank, prompt, *samples, temperature=0.5, stop=("Q:",))
    bank.add_problem(
        RecordedProblem(benchmark="sums", id="p7", prompt=prompt, question="7 + 1?", target=target)
    )
    return bank


def made(draw: int, text: str | None, answer: str | None = None, **head: Any) -> RecordedSample:
    usage = SampleUsage(prompt_computed=4, prompt_cached=2, generated=3)
    return RecordedSample(
        head=SampleHead(draw=draw, usage=usage, seconds=1.5, **head), text=text, prediction=answer
    )


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(one) for one in path.read_text().splitlines()]


def export(bank: Bank, path: Path, benchmark: str | None = None) -> int:
    (of,) = bank.models()
    return export_lm_eval(bank, path, recorded=of, benchmark=benchmark)


def test_a_line_has_the_keys_of_the_harness(tmp_path: Path) -> None:
    with recorded(made(0, "so \\boxed{8}"), made(1, "so 9"), made(2, None, "8")) as bank:
        assert export(bank, tmp_path / "samples_sums.jsonl") == 3
    (one,) = lines_of(tmp_path / "samples_sums.jsonl")
    assert one.keys() == KEYS | {"exact_match", "ttscale"}
    assert one["resps"] == [["so \\boxed{8}", "so 9", "\\boxed{8}"]]
    assert (one["filtered_resps"], one["target"]) == ([["8", "[invalid]", "8"]], "8")
    assert (one["metrics"], one["exact_match"]) == (["exact_match"], 2 / 3)
    assert one["doc"] == {"id": "p7", "question": "7 + 1?"}
    assert one["arguments"]["gen_args_0"]["arg_0"] == "What is 7 + 1?"
    assert one["arguments"]["gen_args_0"]["arg_1"] == {"until": ["Q:"], "temperature": 0.5, "do_sample": True}
    assert all(len(one[name]) == 64 for name in ("doc_hash", "prompt_hash", "target_hash"))


def test_a_failed_sample_counts_as_wrong(tmp_path: Path) -> None:
    failed = made(1, "\\boxed{8}", finish_reason="error", error="lost")
    with recorded(made(0, "\\boxed{8}"), failed) as bank:
        export(bank, tmp_path / "s.jsonl")
    assert lines_of(tmp_path / "s.jsonl")[0]["exact_match"] == 0.5


def test_without_a_target_nothing_is_graded(tmp_path: Path) -> None:
    with recorded(made(0, "\\boxed{8}"), target=None) as bank:
        export(bank, tmp_path / "s.jsonl")
    (one,) = lines_of(tmp_path / "s.jsonl")
    assert (one["metrics"], one["filtered_resps"]) == ([], ["8"])
    assert "exact_match" not in one
    assert only(tmp_path / "s.jsonl").target is None


@pytest.mark.parametrize("name", ["samples_s.jsonl", "samples_s.jsonl.gz"])
def test_what_is_written_is_read_back(name: str, tmp_path: Path) -> None:
    samples = (
        made(0, "so \\boxed{8} \ud800\x1b[0m"),
        made(1, "cut", finish_reason="length"),
        made(2, None, "8"),
        made(3, "half", finish_reason="error", error="lost"),
        made(4, "begin", finish_reason="abort"),
    )
    with recorded(*samples) as bank:
        export(bank, tmp_path / name)
    with open_pool(tmp_path / name) as bank:
        (series,) = bank.series()
        (problem,) = bank.problems()
        (of,) = bank.models()
        back = list(bank.samples(series.key))
    assert (of.profile.name, problem.benchmark, problem.id, problem.target) == ("me/tiny", "sums", "p7", "8")
    assert (problem.question, problem.prompt) == ("7 + 1?", Prompt.user("What is 7 + 1?"))
    assert [(one.text, one.head) for one in back] == [(one.text, one.head) for one in samples]
    assert [one.prediction for one in back] == ["8", None, "8", None, None]
    with pytest.raises(ConfigError, match="no plain pool"):
        open_pool(tmp_path / name, model="other")


def test_an_imported_log_goes_out_as_it_came_in(tmp_path: Path) -> None:
    came = write(tmp_path / NAME, line(0, "x 8", "y 9", filtered_resps=[["8", "9"]]), line(1, "z"))
    with open_pool(came, model="m") as bank:
        export(bank, tmp_path / "out.jsonl")
    for before, after in zip(read_log(came, model="m"), read_log(tmp_path / "out.jsonl"), strict=True):
        assert (before.question, before.prompt, before.target) == (after.question, after.prompt, after.target)
        assert (before.text, before.answer, before.usage) == (after.text, after.answer, after.usage)
        assert before.are_tokens_estimated
        assert after.are_tokens_estimated
        assert (before.model, before.benchmark, before.problem) == (after.model, after.benchmark, after.problem)


def test_what_a_file_cannot_hold_is_refused(tmp_path: Path) -> None:
    with recorded(made(0, "8")) as bank:
        with pytest.raises(DataError, match="has another ending"):
            export(bank, tmp_path / "s.parquet")
        with pytest.raises(ConfigError, match=r"no benchmark 'x' of this model; it has: 'sums'"):
            export(bank, tmp_path / "s.jsonl", "x")
        prompt = Prompt.user("other")
        add(bank, prompt, made(0, "8"))
        bank.add_problem(RecordedProblem(benchmark="more", id="q", prompt=prompt))
        with pytest.raises(ConfigError, match=r"holds 2 benchmarks, .* 'sums', 'more'"):
            export(bank, tmp_path / "s.jsonl")
        assert export(bank, tmp_path / "s.jsonl", "more") == 1
        add(bank, prompt, made(0, "8"), temperature=2.0)
        with pytest.raises(ConfigError, match="'more/q' at 2 settings"):
            export(bank, tmp_path / "s.jsonl", "more")
    assert lines_of(tmp_path / "s.jsonl")[0]["doc"]["id"] == "q"  # as it was


def test_prompts_of_several_messages_and_banks_without_problems_are_written(tmp_path: Path) -> None:
    prompt = Prompt(messages=(Message("system", "short"), Message("user", "2 + 2?")))
    with Bank() as bank:
        of = model("m")
        bank.add_model(of)
        bank.add_encoding(of.fingerprint, prompt, Prompt(token_ids=(5, 6)))  # as an engine was given it
        series = bank.add_series(of.fingerprint, Prompt(token_ids=(5, 6)), Settings(temperature=0))
        bank.add_sample(series.key, sample(0, "abc"))
        bank.add_sample(series.key, sample(0, "abc", num_logprobs=1))  # the same one
        assert export(bank, tmp_path / "s.jsonl") == 1
    one = only(tmp_path / "s.jsonl")
    assert json.loads(one.prompt or "") == [
        {"role": "system", "content": "short"},
        {"role": "user", "content": "2 + 2?"},
    ]
    assert (one.problem, one.question, one.benchmark, one.target) == ("2 + 2?", "2 + 2?", "", None)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"finish_reason": "bored"}, "finish_reason='bored' is not one of"),
        ({"finish_reason": "error"}, "has no 'error'|error=None is not"),
        ({"generated": -1}, "generated=-1 is not a number >= 0"),
        ({"generated": 1.5}, "generated=1.5 is not a whole number"),
        ({"error": "x"}, "error='x' is not"),
    ],
)
def test_our_own_numbers_are_checked(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    with recorded(made(0, "8")) as bank:
        export(bank, tmp_path / "s.jsonl")
    (one,) = lines_of(tmp_path / "s.jsonl")
    one["ttscale"]["samples"][0] |= changes
    with pytest.raises(DataError, match=message):
        open_pool(write(tmp_path / "s.jsonl", one))
    one["ttscale"]["samples"] = [{}, {}]
    with pytest.raises(DataError, match="has 1 texts and says of 2"):
        open_pool(write(tmp_path / "s.jsonl", one))
