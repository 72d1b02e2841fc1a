"""``ttscale pool replay``: recorded problems are answered in virtual time, from what was recorded alone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.unit.bank_samples import fill, model, sample
from tests.unit.pool_bench import SUMS, Bench, adder
from ttscale.answers import answer_key
from ttscale.bank import Bank
from ttscale.testing import FakeBackend, Reply

POOL = Path(__file__).parents[3] / "shared" / "data" / "pools" / "art_of_tts_half.jsonl.gz"


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Bench:
    """A directory with ``p.sqlite``, a bank of four samples of each of three sums."""
    made = Bench(tmp_path, monkeypatch, capfd)
    made.use(adder())
    made.read("record", "p.sqlite", *SUMS, "--n", "4")
    return made


def test_every_problem_is_answered_and_what_that_costs_is_said(bench: Bench) -> None:
    document = bench.read("replay", "p.sqlite", "--strategy", "self_consistency:n=3,stop=never")
    rows = document["rows"]
    assert [(row["problem"], row["target"]) for row in rows] == [
        ("sums-1", "0"),
        ("sums-2", "2"),
        ("sums-3", "4"),
    ]
    assert [(row["samples"], row["generated_tokens"], row["error"]) for row in rows] == [(3, 27, None)] * 3
    assert all(row["seconds"] > 0 for row in rows)
    assert document["strategy"]["params"]["n"] == 3
    assert document["totals"]["tokens"] == sum(row["tokens"] for row in rows)
    assert document["totals"]["stop_reasons"] == {"finished": 3}


def test_problems_are_chosen_by_id_with_or_without_their_benchmark(bench: Bench) -> None:
    ids = ("--id", "sums-3", "--id", "jsonl:path=sums.jsonl/sums-2")
    rows = bench.read("replay", "p.sqlite", "-s", "single", "-b", "jsonl:path=sums.jsonl", *ids)["rows"]
    assert [row["problem"] for row in rows] == ["sums-2", "sums-3"]


def test_the_table_has_a_row_a_problem_and_totals_below(bench: Bench) -> None:
    said = bench.run("replay", "p.sqlite", "-s", "single:max_tokens=100")
    assert (said.status, said.err) == (0, "")
    lines = said.out.splitlines()
    assert lines[0].split() == ["problem", "answer", "target", "samples", "tokens", "seconds", "stopped"]
    assert re.match(r" jsonl:path=sums.jsonl sums-3  +[45] +4 +1 +\d+ +0\.\d+  finished$", lines[-3])
    assert re.fullmatch(r"3 replays · \S+ tokens · 1 samples, \S+ tokens, \S+ s each · 3 finished", lines[-1])


def test_orders_deal_the_samples_anew(bench: Bench) -> None:
    bench.use(FakeBackend([Reply(f"\\boxed{{{n}}}", seconds=0.0) for n in range(8)]))
    bench.read("record", "many.sqlite", "--question", "How much?", "--n", "8")
    words = ("replay", "many.sqlite", "-s", "single", "--orders", "20")
    document = bench.read(*words)
    assert [row["order"] for row in document["rows"]] == list(range(20))
    assert len({row["answer"] for row in document["rows"]}) > 3
    assert (document["totals"]["num_problems"], document["totals"]["num_replays"]) == (1, 20)
    assert bench.read(*words) == document


def test_a_question_is_answered_from_its_recording_and_no_other_one(bench: Bench) -> None:
    bench.use(adder())
    bench.read("record", "q.sqlite", "--question", "What is 7?", "--question", "What is 8?", "--n", "2")
    (row,) = bench.read("replay", "q.sqlite", "-s", "single", "--question", "What is 8?")["rows"]
    assert (row["question"], row["error"]) == ("What is 8?", None)
    (row,) = bench.read("replay", "q.sqlite", "-s", "single", "--question", "What is 9?", status=1)["rows"]
    assert (row["answer"], row["tokens"]) == (None, 0)
    assert "holds 0 samples of this prompt, 'What is 9?'" in row["error"]


def test_a_budget_in_seconds_sees_the_recorded_time(bench: Bench) -> None:
    with Bank(Path("slow.sqlite")) as bank:
        fill(bank, [sample(0, "\\boxed{4}", seconds=3000.0), sample(1, "\\boxed{4}", seconds=9000.0)])
    words = ("replay", "slow.sqlite", "-s", "self_consistency:n=2,stop=never,max_tokens=50")
    (whole,) = bench.read(*words)["rows"]
    (cut,) = bench.read(*words, "--budget", "seconds=4500")["rows"]
    assert (whole["seconds"], whole["cancelled_tokens"], whole["stop_reason"]) == (9000.0, 0, "finished")
    assert (cut["seconds"], cut["cancelled_tokens"], cut["stop_reason"], cut["answer"]) == (
        4500.0,
        4,
        "budget",
        "4",
    )


@pytest.mark.parametrize(
    ("strategy", "reason"),
    [
        ("self_consistency:n=5", "holds 4 whole samples of this prompt, and 5 were asked for"),
        ("single:temperature=0.5", "samples of this prompt at temperature=0.5; it has 4 at temperature=1.0"),
    ],
)
def test_what_was_not_recorded_fails_and_what_there_is_is_said(
    strategy: str, reason: str, bench: Bench
) -> None:
    said = bench.run("replay", "p.sqlite", "-s", strategy)
    failures = [line for line in said.err.splitlines() if line.startswith("failed: ")]
    assert (said.status, len(failures)) == (1, 3)
    assert all(reason in line for line in failures)
    assert said.out.splitlines()[-1].endswith("3 failed")


def test_one_sample_that_was_cut_short_is_enough_to_fail(bench: Bench) -> None:
    bench.use(FakeBackend([Reply("\\boxed{4}")] * 2 + [Reply("on and on and on")], seconds_per_token=0.0))
    bench.read("record", "cut.sqlite", "--question", "2+2?", "--n", "3", "--max-tokens", "10")
    words = ("replay", "cut.sqlite", "-s", "self_consistency:n=3,stop=never")
    (row,) = bench.read(*words, status=1)["rows"]
    assert row["answer"] == "4"
    assert "holds 10 tokens, the most it was allowed (max_tokens)" in row["error"]
    bench.read(*words[:-1], f"{words[-1]},max_tokens=10")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["-s", "single"], "'two.sqlite' holds samples of 2 models: 'one' (of one), 'two' (of two)"),
        (["-s", "single", "--recorded", "three"], "'two.sqlite' holds no model called 'three'"),
        (
            ["-s", "single", "--recorded", "one", "--id", "9"],
            "'two.sqlite' has no problem '9'; it has: 'How much?'.",
        ),
        (["-s", "single", "--recorded", "one", "-b", "b"], "'two.sqlite' has no benchmark 'b'; it has: ''."),
        (["-s", "single", "--orders", "0"], "--orders must be >= 1, got 0."),
        (["-s", "single", "--question", "x", "--id", "9"], "--question names one problem"),
        (["-s", "single", "--tokens-per-second", "0"], "--tokens-per-second must be > 0, got 0.0."),
        (["-s", "singel"], "did you mean 'single'?"),
        (["-s", "single", "--budget", "token=5"], "'token=5' is no budget"),
        (["-s", "single", "--recorded", "one", "--budget", "tokens=1"], "raise tokens in the budget"),
    ],
)
def test_wrong_use_is_one_sentence(words: list[str], sentence: str, bench: Bench) -> None:
    with Bank(Path("two.sqlite")) as bank:
        for name in ("one", "two"):
            fill(bank, [sample()], of=model(name))
    assert sentence in bench.refuse("replay", "two.sqlite", *words, "--json")


def test_an_empty_bank_has_nothing_to_replay(bench: Bench) -> None:
    Bank(Path("empty.sqlite")).close()
    sentence = bench.refuse("replay", "empty.sqlite", "-s", "single")
    assert sentence == "error: 'empty.sqlite' holds no samples; draw some with `ttscale pool record`.\n"


@pytest.mark.slow
@pytest.mark.skipif(not POOL.is_file(), reason="the shared pool is not here; it has no licence to be copied")
def test_the_shared_pool_is_imported_shown_and_replayed(bench: Bench) -> None:
    assert bench.read("import", str(POOL), "--into", "art.sqlite")["num_added"] == 10_256
    held = {one["name"]: one for one in bench.read("show", "art.sqlite")["models"]}
    accuracy = {one["benchmark"]: round(100 * one["accuracy"], 1) for one in held["QwQ"]["benchmarks"]}
    assert accuracy == {"aime2024": 79.6, "aime2025-i": 60.8, "aime2025-ii": 69.2, "gpqa": 63.1}
    words = (
        "replay",
        "art.sqlite",
        "--recorded",
        "QwQ",
        "-b",
        "aime2024",
        "-s",
        "self_consistency:n=8,stop=never",
    )
    replayed = bench.read(*words)["rows"]
    right = [answer_key(row["answer"]) == answer_key(row["target"]) for row in replayed]
    assert (len(right), round(100 * sum(right) / len(right), 1)) == (30, 86.7)
    assert sum(row["generated_tokens"] for row in replayed) == 3_191_276
    note = "note: not every sample's duration was recorded; those take 50 tokens per second.\n"
    assert bench.run(*words, "--id", "3").err == note
