"""``ttscale pool curves``: majority, any, all and best of k recorded samples, of every kind of pool."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import combinations
from math import comb
from pathlib import Path
from typing import Any

import pytest

from tests.unit import test_bank_logs_inspect as inspect_log
from tests.unit import test_bank_logs_lm_eval as lm_eval_log
from tests.unit.pool_bench import SUMS, Bench, adder
from ttscale.cli import main
from ttscale.types import JSON

Document = Mapping[str, Any]
NAMES = ("maj", "pass", "pass_hat")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(name: str, rows: Sequence[JSON]) -> str:
    Path(name).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return name


def samples_of(problem: str, answers: str, right: str, **fields: JSON) -> list[JSON]:
    """Return a row for each letter of the answers; a dot is no answer, an x has failed."""
    return [
        {
            "problem": problem,
            "sample": number,
            "answer": None if letter in ".x" else letter,
            "correct": None if letter == "x" else int(letter == right),
            **fields,
        }
        for number, letter in enumerate(answers)
    ]


def read(capsys: pytest.CaptureFixture[str], *words: str) -> Document:
    assert main(["pool", "curves", *words, "--json"]) == 0
    document: Document = json.loads(capsys.readouterr().out)
    return document


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["pool", "curves", *words]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert captured.err.count("\n") == 1
    return captured.err


def majority_share(answers: str, right: str, k: int) -> Fraction:
    """Return the chance of the right answer to win among k of the samples, ties shared: subset by subset."""
    total = Fraction(0)
    for subset in combinations(answers, k):
        votes = {letter: subset.count(letter) for letter in subset if letter not in ".x"}
        winners = [letter for letter in votes if votes[letter] == max(votes.values())]
        total += Fraction(right in winners, max(1, len(winners)))
    return total / comb(len(answers), k)


def test_every_number_is_that_of_all_subsets(capsys: pytest.CaptureFixture[str]) -> None:
    problems = {"p": "aabbc", "q": "abxbb", "r": "a..aa"}
    pool = write(
        "mine.jsonl", [row for name, given in problems.items() for row in samples_of(name, given, "a")]
    )
    document = read(capsys, pool, "--k", "1,2,3,5")
    (row,) = document["rows"]
    assert (row["model"], row["benchmark"], row["graded_by"]) == ("mine", "mine", "the pool's own grades")
    assert (row["num_problems"], row["num_samples"], row["num_not_graded"]) == (3, 15, 1)
    assert row["accuracy"] == pytest.approx((2 / 5 + 1 / 5 + 3 / 5) / 3)
    assert row["accuracy_errors_excluded"] == pytest.approx((2 / 5 + 1 / 4 + 3 / 5) / 3)
    assert row["supportable_high"] == pytest.approx((2 / 5 + 2 / 5 + 3 / 5) / 3)
    assert [point["k"] for point in row["points"]] == [1, 2, 3, 5]
    for point in row["points"]:
        k = point["k"]
        right = [given.count("a") for given in problems.values()]
        expected = {
            "maj": float(sum(majority_share(given, "a", k) for given in problems.values()) / 3),
            "pass": sum(1 - comb(5 - count, k) / comb(5, k) for count in right) / 3,
            "pass_hat": sum(comb(count, k) / comb(5, k) for count in right) / 3,
        }
        for name, value in expected.items():
            estimate = point[name]
            assert estimate["value"] == pytest.approx(value), (name, k)
            assert estimate["low"] - 1e-12 <= estimate["value"] <= estimate["high"] + 1e-12
        assert point["best"] is None
    # all five: a tie that the first answer wins, the wrong ones, and three that are silent or right
    assert row["all_samples"]["maj"] == pytest.approx(2 / 3)


def test_the_seed_changes_intervals_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    pool = write("p.jsonl", [r for n in range(41) for r in samples_of(f"p{n}", f"{n:06b}", "1")])
    first, again, other = (read(capsys, pool, "--seed", seed)["rows"][0] for seed in ("1", "1", "2"))
    assert first == again
    assert first["points"] != other["points"]
    for ours, theirs in zip(first["points"], other["points"], strict=True):
        assert [ours[name]["value"] for name in NAMES] == [theirs[name]["value"] for name in NAMES]


def test_nested_and_parallel_samples_are_read_as_rows_are(capsys: pytest.CaptureFixture[str]) -> None:
    write("flat.jsonl", [*samples_of("1", "aba", "a", target="a"), *samples_of("2", "bbb", "a", target="a")])
    nested: list[JSON] = [{"_meta": {"model": "whatever"}, "average_score": 0.3}]
    for number, answers in ((1, "aba"), (2, "bbb")):
        samples: list[JSON] = [{"answer": one, "score": one == "a", "text": "…"} for one in answers]
        nested.append({"id": number, "target": "a", "samples": samples})
    write("nested.jsonl", nested)
    lists: list[JSON] = [
        {"i": 1, "samples": [["a", 1.0, 280], ["b", 0.0, 9], ["a", 1.0, 3]]},
        {"i": 2, "samples": [["b", 0, 1], ["b", 0, 1], ["b", 0, 1]]},
    ]
    write("lists.jsonl", lists)
    parallel: list[JSON] = [
        {"idx": 1, "gt": "a", "answer": "a", "pred": list("aba"), "score": [True, False, True], "history": []},
        {"idx": 2, "gt": "a", "answer": "a", "pred": list("bbb"), "score": [False] * 3, "history": []},
    ]
    write("parallel.jsonl", parallel)
    expected = read(capsys, "flat.jsonl")["rows"][0]["points"]
    assert len(expected) == 3
    for name in ("nested", "lists", "parallel"):
        (row,) = read(capsys, f"{name}.jsonl")["rows"]
        assert row["points"] == expected, name


def test_rewards_choose_the_best_of_k(capsys: pytest.CaptureFixture[str]) -> None:
    rows: list[JSON] = [
        {"id": "p", "pred": ["x", "y", "z"], "correct": [0, 1, 0], "rewards": [0.1, 0.9, -3]},
        {"id": "q", "pred": ["x", "y", "z"], "correct": [1, 0, 0], "rewards": [[9, 0.0], [0, 0.5], [0, 0.2]]},
    ]
    (row,) = read(capsys, write("p.jsonl", rows))["rows"]
    assert row["all_samples"] == {"maj": 0.5, "pass": 1.0, "pass_hat": 0.0, "best": 0.5}
    # of two: p chooses y where it is there; q chooses x never, by its last step
    assert row["points"][1]["best"]["value"] == pytest.approx(2 / 3 / 2)


def test_without_grades_the_target_grades_and_equal_formulas_vote_together(
    capsys: pytest.CaptureFixture[str],
) -> None:
    answers = ("0.5", "\\frac12", "2", "3", None)
    rows: list[JSON] = [{"problem": "p", "pred": answer, "gold": "1/2"} for answer in answers]
    rows += [{"problem": "q", "pred": "7", "gold": None}]
    document = read(capsys, write("p.jsonl", rows), "--k", "1,4")
    (row,) = document["rows"]
    assert (row["graded_by"], row["num_problems"], row["accuracy"]) == ("equivalence with the target", 1, 0.4)
    assert row["points"][1]["maj"]["value"] == pytest.approx(float(majority_share("aabc.", "a", 4)))
    assert document["left_out"] == [
        {"what": "1 problems of p on p", "why": "the pool has neither grades nor targets of them"}
    ]


def test_as_written_formulas_that_differ_in_writing_vote_apart(capsys: pytest.CaptureFixture[str]) -> None:
    rows: list[JSON] = [
        {"problem": "p", "answer": answer, "correct": answer != "3"} for answer in ("x+1", "1+x", "3", "3")
    ]
    pool = write("p.jsonl", rows)
    shares = [read(capsys, pool, *words)["rows"][0]["all_samples"]["maj"] for words in ([], ["--as-written"])]
    assert shares == [1.0, 0.0]


def test_without_answers_there_is_no_majority_and_the_rest_stands(capsys: pytest.CaptureFixture[str]) -> None:
    rows: list[JSON] = [{"problem": "p", "is_correct": letter == "a", "answer": None} for letter in "abaa"]
    pool = write("p.jsonl", rows)
    (row,) = read(capsys, pool)["rows"]
    assert [point["maj"] for point in row["points"]] == [None, None, None]
    assert row["points"][1]["pass"]["value"] == 1.0
    assert row["notes"] == ["no answers were recorded, so there is no majority"]
    assert main(["pool", "curves", pool]) == 0
    assert "maj@k [95 %]" not in capsys.readouterr().out


def test_what_is_right_and_has_no_answer_is_said_not_to_vote(capsys: pytest.CaptureFixture[str]) -> None:
    rows: list[JSON] = [*samples_of("p", "aab", "a"), {"problem": "p", "sample": 3, "answer": "", "correct": 1}]
    (row,) = read(capsys, write("p.jsonl", rows))["rows"]
    assert row["notes"] == ["1 samples graded as right have no recorded answer, so they do not vote"]
    assert row["points"][0]["maj"]["value"] == 0.5 < row["points"][0]["pass"]["value"] == 0.75


def test_partial_grades_count_in_means_and_are_no_right_answers(capsys: pytest.CaptureFixture[str]) -> None:
    rows: list[JSON] = [
        {"problem": "p", "answer": answer, "score": score} for answer, score in (("a", 0.5), ("b", 1))
    ]
    (row,) = read(capsys, write("p.jsonl", rows))["rows"]
    assert (row["accuracy"], row["points"][0]["pass"]["value"]) == (0.75, 0.5)
    assert "1 grades lie between 0 and 1" in row["notes"][0]


def test_each_grader_has_its_own_curve_and_a_failed_sample_none(capsys: pytest.CaptureFixture[str]) -> None:
    rows: list[JSON] = [
        {"problem": "p", "answer": "a", "correct": 1, "alt": {"exact": "C", "graded": "I"}},
        {"problem": "p", "answer": "a", "correct": 1, "alt": {"exact": "C", "graded": "C"}},
        {"problem": "p", "answer": None, "correct": None, "error": "too long"},
    ]
    pool = write("p.jsonl", rows)
    found = {row["grader"]: row for row in read(capsys, pool)["rows"]}
    assert {name: row["accuracy_errors_excluded"] for name, row in found.items()} == {"exact": 1, "graded": 0.5}
    assert [row["num_not_graded"] for row in found.values()] == [1, 1]
    assert [row["grader"] for row in read(capsys, pool, "--grader", "graded")["rows"]] == ["graded"]
    assert "--grader 'none' is not there; there are: 'exact', 'graded'." in refused(
        capsys, pool, "--grader", "none"
    )


# ── numbers of samples ────────────────────────────────────────────────────────────────────────────────────


def test_a_k_beyond_all_samples_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    pool = write("p.jsonl", samples_of("p", "aab", "a"))
    assert refused(capsys, pool, "--k", "2,4") == (
        "error: k=4 is more than the samples of 'p' on 'p': a problem has 3 at most ('p', say); choose a k up "
        "to 3, or leave the model out with --recorded.\n"
    )


def test_problems_with_fewer_samples_are_left_out_of_greater_k_and_that_is_said(
    capsys: pytest.CaptureFixture[str],
) -> None:
    pool = write("p.jsonl", [*samples_of("few", "ab", "a"), *samples_of("many", "abbb", "a")])
    (usual,) = read(capsys, pool)["rows"]
    assert [(point["k"], point["num_problems"]) for point in usual["points"]] == [(1, 2), (2, 2)]
    (row,) = read(capsys, pool, "--k", "1,2,4")["rows"]
    assert [(point["k"], point["num_problems"]) for point in row["points"]] == [(1, 2), (2, 2), (4, 1)]
    assert row["points"][2]["pass"] == {"value": 1.0, "low": 1.0, "high": 1.0, "stderr": None}
    assert row["notes"] == [
        "numbers of samples differ: 2 of the problem 'few', up to 4 of others; up to k=2 all 2 problems count",
        "beyond that only the problems that have k samples (k=4: 1): other problems, other curve",
    ]
    assert main(["pool", "curves", pool, "--k", "1,4", "--html", "p.html"]) == 0
    shown = capsys.readouterr().out
    assert "k=4: 1" in " ".join(shown.split())
    data = Path("p.html").read_text(encoding="utf-8").partition('id="data">')[2].partition("</script>")[0]
    points = json.loads(data)["benchmarks"][0]["points"]
    assert {point["numbers"] for point in points} == {"k=1"}  # what is of other problems is not on the curve


# ── pools of other kinds ──────────────────────────────────────────────────────────────────────────────────


def test_several_files_are_one_report_and_share_benchmarks_by_their_questions(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for model, answers in (("step1", "aab"), ("step2", "abb")):
        write(f"net_{model}_sums_k3.jsonl", samples_of("s", answers, "a", question="How much?"))
        write(f"net_{model}_words_k3.jsonl", samples_of("w", answers, "a", question="Which?"))
    files = sorted(str(path) for path in Path().glob("*.jsonl"))
    rows = read(capsys, *files)["rows"]
    assert [(row["benchmark"], row["model"]) for row in rows] == [
        ("net_sums_k3", "net_step1_sums_k3"),
        ("net_words_k3", "net_step1_words_k3"),
        ("net_sums_k3", "net_step2_sums_k3"),
        ("net_words_k3", "net_step2_words_k3"),
    ]
    words = ["--benchmark", "net_sums_k3", "--recorded", "net_step2_sums_k3"]
    assert [row["model"] for row in read(capsys, *files, *words)["rows"]] == ["net_step2_sums_k3"]
    assert main(["pool", "curves", *files, "--md", "c.md", "--csv", "c.csv", "--html", "c.html"]) == 0
    assert capsys.readouterr().out.count("accuracy [95 %]") == 2
    assert Path("c.md").read_text().count("\n## ") == 4
    lines = Path("c.csv").read_text().splitlines()
    assert lines[0] == "benchmark,model,grader,graded_by,measure,k,num_problems,value,low,high,stderr"
    assert len(lines) == 1 + 4 * (1 + 3 * 3)


def test_a_bank_is_graded_as_its_benchmark_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    bench = Bench(tmp_path, monkeypatch, capfd)
    bench.use(adder())
    bench.read("record", "p.sqlite", *SUMS, "--n", "4")
    bench.read("export", "p.sqlite", "p.jsonl.gz")
    first = bench.read("curves", "p.sqlite")["rows"]
    again = bench.read("curves", "p.jsonl.gz")["rows"]
    assert first[0]["points"] == again[0]["points"]
    assert (first[0]["benchmark"], first[0]["graded_by"]) == (SUMS[1], "equivalence with the target")
    assert first[0]["num_problems"] == 3
    assert [point["k"] for point in first[0]["points"]] == [1, 2, 4]


def test_a_log_keeps_the_grades_of_its_scorers_and_its_failed_samples(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def scored(exact: str, graded: str, answer: str) -> JSON:
        return {"exact": {"value": exact, "answer": answer}, "graded": {"value": graded, "answer": answer}}

    inspect_log.write(
        Path("sums.eval"),
        inspect_log.member(epoch=1, scores=scored("C", "C", "8")),
        inspect_log.member(epoch=2, scores=scored("I", "C", "eight")),
        inspect_log.member(epoch=3, scores=None, error={"message": "reset", "traceback": ""}),
    )
    found = {row["grader"]: row for row in read(capsys, "sums.eval", "--k", "1,2,3")["rows"]}
    assert set(found) == {"exact", "graded"}
    assert {(row["model"], row["benchmark"]) for row in found.values()} == {("tiny", "sums")}
    exact = found["exact"]
    assert (exact["num_samples"], exact["num_not_graded"]) == (3, 1)
    assert exact["accuracy"] == pytest.approx(1 / 3)
    assert (exact["accuracy_errors_excluded"], found["graded"]["accuracy_errors_excluded"]) == (0.5, 1.0)
    # of two samples: both answers tie, or one is there alone
    assert exact["points"][1]["maj"]["value"] == pytest.approx((1 / 2 + 1 + 0) / 3)


def test_repeats_in_an_lm_eval_log_are_graded_by_target(capsys: pytest.CaptureFixture[str]) -> None:
    line = lm_eval_log.line(0, "8!", "It is 9", "It is 8", filtered_resps=[["8", "9", "[invalid]"]])
    lm_eval_log.write(Path(lm_eval_log.NAME), line)
    (row,) = read(capsys, lm_eval_log.NAME)["rows"]
    assert (row["benchmark"], row["graded_by"], row["accuracy"]) == (
        "sums",
        "equivalence with the target",
        1 / 3,
    )


def test_hostile_names_and_answers_are_text_everywhere(capsys: pytest.CaptureFixture[str]) -> None:
    hostile = "</script><b>\x1b[31m=cmd()\u202e"
    rows = samples_of(hostile, "aab", "a", model=hostile, benchmark=f"={hostile}")
    words = ["--html", "c.html", "--md", "c.md", "--csv", "c.csv"]
    assert main(["pool", "curves", write("p.jsonl", rows), *words]) == 0
    assert "\x1b" not in capsys.readouterr().out
    page = Path("c.html").read_text(encoding="utf-8")
    assert "<b>" not in page
    assert "⟨U+001B⟩" in page
    assert page.count("</script>") == 2
    assert "\x1b" not in Path("c.md").read_text(encoding="utf-8")
    assert all(not line.startswith("=") for line in Path("c.csv").read_text(encoding="utf-8").splitlines())


# ── wrong use ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["none.jsonl"], "there is no data file 'none.jsonl'"),
        (["."], "'.' is a folder; name the files in it"),
        (["empty.jsonl"], "'empty.jsonl' is empty"),
        (["p.jsonl", "--k", "0"], "--k '0' is no whole number >= 1"),
        (["p.jsonl", "--k", "1,b"], "--k 'b' is no whole number >= 1"),
        (["p.jsonl", "--recorded", "x"], "--recorded 'x' is not there; there are: 'p'."),
        (["p.jsonl", "--benchmark", "x"], "--benchmark 'x' is not there; there are: 'p'."),
        (["p.jsonl", "--column", "shape=x"], "a pool has no column for 'shape'"),
        (["p.jsonl", "--column", "shape"], "is not ROLE=FIELD"),
        (["p.jsonl", "--html", "p.jsonl/c.html"], "cannot be written"),
        (["p.jsonl", "other/p.jsonl"], "two files have the same name"),
        (
            ["bare.jsonl"],
            "nothing can be graded (bare on bare: the pool has neither grades nor targets of them)",
        ),
        (["twice.jsonl"], "line 2 of 'twice.jsonl': sample 0 of problem 'p' is there twice"),
        (["torn.jsonl"], "line 1 of 'torn.jsonl' is not JSON"),
        (["nameless.jsonl"], "does not name its problem; it has 'answer', 'correct'"),
        (["reward.jsonl"], "score=3.5 is not a grade"),
        (["moved.jsonl"], "the question or target of problem 'p' differs from that of an earlier row"),
    ],
)
def test_wrong_use_is_one_sentence(words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("other").mkdir()
    write("p.jsonl", samples_of("p", "aab", "a"))
    write("other/p.jsonl", samples_of("p", "aab", "a"))
    write("empty.jsonl", [])
    write("bare.jsonl", [{"problem": "p", "answer": "a"}])
    write("twice.jsonl", [{"problem": "p", "sample": 0, "answer": "a", "correct": 1}] * 2)
    Path("torn.jsonl").write_text('{"problem": ')
    write("nameless.jsonl", [{"answer": "a", "correct": 1}])
    write("reward.jsonl", [{"problem": "p", "answer": "a", "score": 3.5}])
    moved: list[JSON] = [{"problem": "p", "answer": "a", "target": target} for target in "ab"]
    write("moved.jsonl", moved)
    assert sentence in refused(capsys, *words)
