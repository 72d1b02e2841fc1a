"""Inspect's logs are read: every epoch and failure a sample, every mistake with its place."""

from __future__ import annotations

import gzip
import json
import struct
import sys
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ttscale.bank import Columns, open_pool, summarise
from ttscale.bank.logs import LoggedSample, read_log
from ttscale.bank.logs.fields import Fields
from ttscale.bank.logs.inspect_log import read_zip
from ttscale.bank.logs.usage import tokens_of
from ttscale.errors import ConfigError, DataError, MissingExtra

MODEL = "openai/tiny"


def header(**changes: Any) -> dict[str, Any]:
    spec = {
        "task": "sums",
        "model": MODEL,
        "dataset": {"name": "sums", "samples": 2, "sample_ids": [7, 3]},
        "config": {"epochs": 2},
    }
    return {"version": 2, "status": "success", "eval": spec, "plan": {}, "stats": {}, **changes}


def usage(prompt: int = 20, output: int = 5, **others: int) -> dict[str, int]:
    return {"input_tokens": prompt, "output_tokens": output, "total_tokens": prompt + output, **others}


def member(problem: int = 7, epoch: int = 1, said: str = "It is 4.", **changes: Any) -> dict[str, Any]:
    return {
        "id": problem,
        "epoch": epoch,
        "input": f"What is {problem} + 1?",
        "target": str(problem + 1),
        "messages": [
            {"role": "user", "content": f"Answer: what is {problem} + 1?"},
            {"role": "assistant", "content": said},
        ],
        "output": {
            "choices": [{"message": {"role": "assistant", "content": said}, "stop_reason": "stop"}],
            "usage": usage(),
        },
        "scores": {"match": {"value": "C", "answer": "4"}},
        "model_usage": {MODEL: usage()},
        "total_time": 3.5,
        "working_time": 2.5,
        **changes,
    }


def write(path: Path, *samples: Mapping[str, Any], first: Mapping[str, Any] | None = None) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("_journal/start.json", json.dumps({"version": 2, "eval": header()["eval"], "plan": {}}))
        for one in samples:
            file.writestr(f"samples/{one['id']}_epoch_{one['epoch']}.json", json.dumps(one))
        file.writestr("summaries.json", "[]")
        if first != {}:
            file.writestr("header.json", json.dumps(first or header()))
    return path


def only(path: Path, **names: str) -> LoggedSample:
    (one,) = read_log(path, **names)
    return one


def test_everything_a_log_says_of_a_sample_is_read(tmp_path: Path) -> None:
    one = only(write(tmp_path / "a.eval", member()))
    assert (one.model, one.benchmark, one.problem, one.number) == (MODEL, "sums", "7", 1)
    assert (one.question, one.target, one.text, one.answer) == ("What is 7 + 1?", "8", "It is 4.", "4")
    assert (one.scores, one.score, one.is_right, one.finish_reason) == ({"match": 1.0}, 1.0, True, "stop")
    assert (one.usage.prompt_computed, one.usage.generated, one.are_tokens_estimated) == (20, 5, False)
    assert (one.total_seconds, one.working_seconds, one.seconds) == (3.5, 2.5, 2.5)


def test_the_logs_own_grade_stands_even_where_the_answer_is_not_the_target(tmp_path: Path) -> None:
    one = only(write(tmp_path / "a.eval", member(scores={"judge": {"value": "C", "answer": "nine"}})))
    assert (one.answer, one.target, one.is_right) == ("nine", "8", True)


def test_samples_come_in_the_order_of_the_data_set_and_of_their_epochs(tmp_path: Path) -> None:
    samples = [member(3, 2), member(7, 2), member(3, 1), member(7, 1)]
    path = write(tmp_path / "a.eval", *samples)
    assert [(one.problem, one.number) for one in read_log(path)] == [("7", 1), ("7", 2), ("3", 1), ("3", 2)]
    with open_pool(path) as bank:
        first, second = bank.series()
        assert [one.head.draw for one in bank.samples(first.key)] == [1, 2]
        assert [problem.id for problem in bank.problems()] == ["7", "3"]
        assert second.prompt.question == "What is 3 + 1?"


def test_a_failed_sample_is_kept_with_its_error(tmp_path: Path) -> None:
    failed = member(epoch=2, error={"message": "connection reset", "traceback": ""}, scores=None)
    del failed["model_usage"], failed["output"], failed["messages"]
    path = write(tmp_path / "a.eval", member(), failed)
    notes = list[str]()
    with open_pool(path, listener=notes.append) as bank:
        (series,) = bank.series()
        _, broken = bank.samples(series.key)
        (model,) = summarise(bank)
    assert (broken.head.finish_reason, broken.head.error, broken.text) == ("error", "connection reset", None)
    assert (broken.head.usage.generated, model.groups[0].num_failed, model.groups[0].num_whole) == (0, 1, 1)
    assert model.benchmarks[0].accuracy == 0.0  # "4" is not the target 8: the bank says what answers say
    assert notes == [
        "Inspect log, 2 samples",
        "own grades, kept beside the samples: 1 right, 1 not graded",
        "samples that failed, and are kept as failed: 1",
        "a finished log would have 4 samples; its status is 'success'",
    ]


@pytest.mark.parametrize(
    ("value", "score", "is_right"),
    [
        ("C", 1.0, True),
        ("I", 0.0, False),
        ("N", 0.0, False),
        ("P", 0.5, None),
        (True, 1.0, True),
        (0, 0.0, False),
        (0.25, 0.25, None),
        ("yes", 1.0, True),
        (float("nan"), None, None),
        ("a word", None, None),
    ],
)
def test_scores_are_numbers(value: object, score: float | None, is_right: bool | None, tmp_path: Path) -> None:
    one = only(write(tmp_path / "a.eval", member(scores={"s": {"value": value}})))
    assert (one.score, one.is_right, one.answer) == (score, is_right, None)


def test_a_scorer_can_be_chosen_and_the_others_stay(tmp_path: Path) -> None:
    both = {"match": {"value": "I", "answer": "4"}, "judge": {"value": {"a": 1, "b": "I"}, "answer": "8"}}
    path = write(tmp_path / "a.eval", member(scores=both))
    assert only(path).answer == "4"
    one = only(path, scorer="judge")
    assert (one.answer, one.scores) == ("8", {"judge/a": 1.0, "judge/b": 0.0, "match": 0.0})
    with open_pool(path, columns=Columns(prediction="judge")) as bank:
        (series,) = bank.series()
        assert bank.predictions(series.key) == {"8": 1}
    with pytest.raises(ConfigError, match=r"no scorer 'vote'; it has: 'match', 'judge'"):
        list(read_log(path, scorer="vote"))
    with pytest.raises(ConfigError, match="no plain pool"):
        open_pool(path, columns=Columns(length="n"))
    with pytest.raises(ConfigError, match="no plain pool"):
        open_pool(path, model="m")


@pytest.mark.parametrize(
    ("model", "said", "expected"),
    [
        ("openai/o", usage(20, 9, reasoning_tokens=6), (20, 0, 9)),
        ("google/g", {**usage(20, 3, reasoning_tokens=6), "total_tokens": 29}, (20, 0, 9)),
        ("google/g", usage(20, 9, reasoning_tokens=6), (20, 0, 9)),
        ("google/g", {"input_tokens": 20, "output_tokens": 7, "reasoning_tokens": 6}, (20, 0, 13)),
        ("other/x", {"input_tokens": 20, "output_tokens": 3, "reasoning_tokens": 6}, (20, 0, 9)),
        ("other/x", {"input_tokens": 20, "output_tokens": 9, "reasoning_tokens": 6}, (20, 0, 9)),
        ("openai/o", {**usage(20, 5, input_tokens_cache_read=8), "total_tokens": 33}, (20, 8, 5)),
        ("google/g", {**usage(20, 5, input_tokens_cache_read=8)}, (12, 8, 5)),
        (
            "anthropic/c",
            {
                **usage(20, 5, input_tokens_cache_read=8, input_tokens_cache_write=4),
                "total_tokens": 37,
            },
            (24, 8, 5),
        ),
    ],
)
def test_generated_tokens_include_thinking_whatever_the_provider_counts(
    model: str, said: dict[str, int], expected: tuple[int, int, int]
) -> None:
    tokens = tokens_of(Fields(said, "here"), model)
    assert tokens is not None
    found = tokens.usage
    assert (found.prompt_computed, found.prompt_cached, found.generated) == expected
    assert tokens.reasoning == said.get("reasoning_tokens")


def test_only_the_evaluated_models_tokens_count(tmp_path: Path) -> None:
    used = {"other/judge": usage(900, 90), MODEL: usage(20, 5)}
    assert only(write(tmp_path / "a.eval", member(model_usage=used))).usage.generated == 5


def test_tokens_that_nobody_counted_are_estimated_and_said_to_be(tmp_path: Path) -> None:
    bare = member(said="12345678x", model_usage={}, output={})
    path, notes = write(tmp_path / "a.eval", bare), list[str]()
    assert (only(path).usage.generated, only(path).are_tokens_estimated) == (3, True)
    with open_pool(path, listener=notes.append) as bank:
        assert bank.models()[0].version == "some token counts are estimates"
    assert any("nobody counted the tokens: 1;" in note for note in notes)


def test_thinking_tool_calls_attachments_and_choices_are_text(tmp_path: Path) -> None:
    messages = [
        {"role": "user", "content": "attachment://a"},
        {
            "role": "assistant",
            "content": [
                {"type": "reasoning", "reasoning": "attachment://b"},
                {"type": "text", "text": "I look."},
                {"type": "image", "image": "data:"},
            ],
            "tool_calls": [{"function": "look", "arguments": {"at": "π"}}],
        },
        {"role": "tool", "content": "nothing"},
        {"role": "assistant", "content": "8", "reasoning": "sure"},
    ]
    sample = member(
        input="attachment://a",
        choices=["7", "8"],
        messages=messages,
        attachments={"a": "long question", "b": "long thought"},
    )
    one = only(write(tmp_path / "a.eval", sample))
    assert one.question == "long question\n\nA) 7\nB) 8"
    assert one.text == (
        "<think>\nlong thought\n</think>\n\nI look.\n\n[image]\n\n"
        'look({"at": "π"})\n\n<think>\nsure\n</think>\n\n8'
    )


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"limit": {"type": "token", "limit": 9}}, "length"),
        ({"limit": {"type": "operator", "limit": 1}}, "abort"),
        ({"output": {"choices": [{"message": {}, "stop_reason": "max_tokens"}], "usage": usage()}}, "length"),
        ({"output": {"choices": [{"message": {}, "stop_reason": "tool_calls"}], "usage": usage()}}, "stop"),
    ],
)
def test_limits_are_seen(changes: dict[str, Any], reason: str, tmp_path: Path) -> None:
    assert only(write(tmp_path / "a.eval", member(**changes))).finish_reason == reason


def test_several_right_answers_are_no_target(tmp_path: Path) -> None:
    assert only(write(tmp_path / "a.eval", member(target=["8", "eight"]))).target is None
    assert only(write(tmp_path / "b.eval", member(target=["8"]))).target == "8"


def test_an_unfinished_log_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    notes = list[str]()
    open_pool(write(tmp_path / "a.eval", member(), first={}), listener=notes.append).close()
    assert notes[-1] == "a finished log would have 4 samples; its status is 'started'"


def test_a_member_that_was_written_again_counts_once(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        path = write(tmp_path / "a.eval", member(said="first"), member(said="second"))
    assert only(path).text == "second"


def test_a_log_in_json_is_the_same(tmp_path: Path) -> None:
    path = tmp_path / "log.json"
    path.write_text(json.dumps({**header(), "samples": [member(), member(epoch=2)]}))
    zipped = write(tmp_path / "a.eval", member(), member(epoch=2))
    assert [(one.number, one.text, one.usage) for one in read_log(path)] == [
        (one.number, one.text, one.usage) for one in read_log(zipped)
    ]


# ── mistakes ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("version", [1, 3, "2", None, True])
def test_another_version_is_refused(version: object, tmp_path: Path) -> None:
    path = write(tmp_path / "a.eval", member(), first=header(version=version))
    with pytest.raises(DataError, match=f"version {version!r}, and version 2 is read"):
        open_pool(path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("samples/7_epoch_1.json", b"{", "the member 'samples/7_epoch_1.json' of .* is not JSON"),
        ("samples/7_epoch_1.json", b"\xff\xfe\xff", "the member 'samples/7_epoch_1.json' of .* is not JSON"),
        ("samples/7_epoch_1.json", b"[" * 200_000, "nested too deeply"),
        ("samples/7_epoch_1.json", b"[]", "must be an object with named fields, not list"),
        ("samples/7_epoch_1.json", b'{"id": 7}', "has no 'epoch', a whole number"),
        ("samples/7_epoch_1.json", b'{"epoch": 1}', "has no 'id', a name"),
        ("samples/7_epoch_1.json", b'{"id": "\\ud800", "epoch": 1}', r"id='\\ud800' is not a name"),
        ("samples/7_epoch_1.json", b'{"id": 7, "epoch": 1, "messages": 3}', "messages=3 is not a list"),
        ("header.json", b'{"version": 2, "eval": {"task": "t"}}', "has no 'model', a name"),
    ],
)
def test_a_corrupt_member_is_named(name: str, content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "a.eval"
    with zipfile.ZipFile(path, "w") as file:
        if name != "header.json":
            file.writestr("header.json", json.dumps(header()))
        file.writestr(name, content)
    with pytest.raises(DataError, match=message):
        open_pool(path)


def test_a_damaged_member_is_named_and_nothing_is_made_of_the_rest(tmp_path: Path) -> None:
    path = write(tmp_path / "a.eval", member(), member(epoch=2))
    with zipfile.ZipFile(path) as file:
        start = file.getinfo("samples/7_epoch_2.json").header_offset
    content = bytearray(path.read_bytes())
    content[start + 80 : start + 90] = bytes(10)
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"the member 'samples/7_epoch_2.json' of .* is damaged"):
        open_pool(path)


def test_a_zip_bomb_is_not_unpacked(tmp_path: Path) -> None:
    path = write(tmp_path / "a.eval", member(said="0" * 300_000))
    assert path.stat().st_size < 10_000
    _, samples = read_zip(path, max_bytes=100_000)
    with pytest.raises(DataError, match="unpacks to more than 100,000 bytes"):
        list(samples)


def test_a_sample_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "log.json"
    path.write_text(json.dumps({**header(), "samples": [member(), member()]}))
    with pytest.raises(DataError, match=r"sample 2 of .*log.json' is sample 1 of problem 'sums/7'"):
        open_pool(path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.eval", b"what", "begins with b'what': it is no zip file"),
        ("a.eval", b"PK\x03\x04rest", "is no zip file or a damaged one"),
        ("a.json", b'{"version": 2}', r"an object with 'version': no list of rows and no log that is known"),
        ("a.json", b"{", "is not JSON"),
        ("a.json.gz", b"\x1f\x8bno", "cannot be read"),
    ],
)
def test_what_is_no_log_is_refused(name: str, content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        open_pool(tmp_path / name)


def test_a_document_that_unpacks_to_more_than_anybody_needs_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ttscale.bank.logs.finding._MAX_DOCUMENT_BYTES", 10_000)
    path = tmp_path / "log.json.gz"
    path.write_bytes(gzip.compress(json.dumps({**header(), "samples": [], "more": "0" * 20_000}).encode()))
    with pytest.raises(DataError, match="has more than 10,000 bytes"):
        open_pool(path)


def test_another_zip_file_and_a_log_without_samples_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr("letter.txt", "hello")
    with pytest.raises(DataError, match=r"a zip file but no Inspect log: it holds 'letter.txt'"):
        open_pool(tmp_path / "a.zip")
    with pytest.raises(DataError, match="has no samples"):
        open_pool(write(tmp_path / "a.eval"))
    with pytest.raises(DataError, match="is no log that is known, or not there"):
        read_log(tmp_path / "none.eval")


# ── zstandard ─────────────────────────────────────────────────────────────────────────────────────────────


def zstandard_zip(path: Path, members: Mapping[str, bytes], *, method: int = 93) -> Path:
    """Write a zip as Inspect does now, which this Python's zipfile cannot."""
    pyarrow = pytest.importorskip("pyarrow")
    body, directory = bytearray(), bytearray()
    for name, content in members.items():
        half = len(content) // 2  # two frames, as large members have
        packed = b"".join(
            pyarrow.compress(part, codec="zstd", asbytes=True) for part in (content[:half], content[half:])
        )
        sizes = struct.pack("<III", zlib.crc32(content), len(packed), len(content))
        common = struct.pack("<HHHHH", 63, 0, method, 0, 33) + sizes + struct.pack("<HH", len(name), 0)
        directory += b"PK\x01\x02" + struct.pack("<H", 63) + common
        directory += struct.pack("<HHHII", 0, 0, 0, 0, len(body)) + name.encode()
        body += b"PK\x03\x04" + common + name.encode() + packed
    end = struct.pack("<HHHHIIH", 0, 0, len(members), len(members), len(directory), len(body), 0)
    path.write_bytes(body + directory + b"PK\x05\x06" + end)
    return path


def test_members_packed_with_zstandard_are_read_and_bounded(tmp_path: Path) -> None:
    members = {
        "header.json": json.dumps(header()).encode(),
        "samples/7_epoch_1.json": json.dumps(member(said="8 " * 100_000)).encode(),
    }
    path = zstandard_zip(tmp_path / "a.eval", members)
    assert only(path).text == "8 " * 100_000
    _, samples = read_zip(path, max_bytes=100_000)
    with pytest.raises(DataError, match="unpacks to more than 100,000 bytes"):
        list(samples)
    path.write_bytes(path.read_bytes().replace(b"\x28\xb5\x2f\xfd", b"\x28\xb5\x2f\xfe"))
    with pytest.raises(DataError, match=r"the member 'header.json' of .* is damaged"):
        open_pool(path)
    other = zstandard_zip(tmp_path / "b.eval", members, method=99)
    with pytest.raises(DataError, match=r"the member 'header.json' of .* is packed in a way that is not read"):
        open_pool(other)


def test_without_a_library_for_zstandard_the_mend_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = zstandard_zip(tmp_path / "a.eval", {"header.json": b"{}"})
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtra, match=r"pyarrow is not installed; .* 'ttscale\[evals\]'"):
        open_pool(path)
