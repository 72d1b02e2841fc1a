"""``ttscale plan``: from numbers, from recorded samples, from a run, from a pilot; and what it refuses."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.unit import bank_samples
from ttscale.backends import Backend
from ttscale.bank import Bank, RecordedProblem
from ttscale.cli import main
from ttscale.testing import FakeBackend, Reply
from ttscale.types import JSON, Prompt
from ttscale_evals.config import EvalConfig
from ttscale_evals.runner import run_eval

NUMBERS = ["--prompt-tokens", "20", "--answer-tokens", "50:120", "--accuracy", "0.6", "--rehearsals", "24"]
MODEL = ["--model", "qwen3-8b"]


def document(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    """Return what a plan says as JSON."""
    assert main(["plan", *words, "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_a_plan_from_numbers_says_what_it_takes_and_on_what_it_rests(
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = [*MODEL, *NUMBERS, "--hardware", "h100", "--usd-per-hour", "2", "--questions", "100"]
    assert main(["plan", "single", "self_consistency:n=4,stop=never", *words]) == 0
    out = capsys.readouterr().out
    for words_there in ("single", "self_consistency:n=4,stop=never", "critical path", "eFLOPs", "fits", "USD"):
        assert words_there in out
    assert "Saturation point: 5 samples" in out
    assert "Lengths of answers are lognormal" in out
    assert "100 questions" in out


def test_a_plan_as_json_is_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    found = document(capsys, "self_consistency:n=4,stop=never", *MODEL, *NUMBERS, "--hardware", "l4")
    (one,) = found["strategies"]
    assert one["basis"] == "rehearsed"
    assert one["calls"] == 4
    assert one["prompt_computed"] == 20 + 3 * 4  # an engine keeps blocks of 16 tokens
    assert one["tokens"] == pytest.approx(32 + 4 * 50, rel=0.25)
    assert one["fits"] is True
    assert one["latency_seconds"] > 0
    assert one["usd"] is None  # nobody said what an hour costs
    assert found["workload"]["accuracy"] == 0.6
    assert found["saturation"]["samples"] == 5
    assert any("--usd-per-hour" in line for line in found["assumptions"])


def test_what_is_not_known_is_null_and_never_0(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--prompt-tokens", "20", "--answer-tokens", "50", "--rehearsals", "24"]
    found = document(capsys, "single", "--model", "openai:somebodys@http://127.0.0.1:9", *words)
    (one,) = found["strategies"]
    for name in ("flops", "kv_bytes", "fits", "latency_seconds", "usd", "kinetics_eflops", "total_tokens"):
        assert one[name] is None, name
    assert one["tokens"] == 70
    assert found["saturation"] is None
    assert found["workload"]["accuracy"] is None


def test_the_geometry_of_a_model_is_read_without_starting_it(capsys: pytest.CaptureFixture[str]) -> None:
    found = document(capsys, "single", "--model", "hf:abacus", *NUMBERS)
    assert found["model"]["num_parameters"] == 2_827_008
    assert found["strategies"][0]["flops"] > 2 * 2_827_008 * 50


def test_a_model_too_great_for_the_machine_does_not_fit(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "single", "--model", "qwen3-32b", "--hardware", "l4", *NUMBERS]) == 0
    assert "no, 0 do" in capsys.readouterr().out
    found = document(capsys, "single", "--model", "qwen3-32b", "--hardware", "l4", "--devices", "4", *NUMBERS)
    assert found["strategies"][0]["fits"] is True


def test_budgets_are_planned_side_by_side(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["self_consistency:n=16,stop=never", "--budget", "tokens=200", "--budget", "samples=2"]
    found = document(capsys, *words, *MODEL, *NUMBERS)
    by_tokens, by_samples = found["strategies"]
    assert by_tokens["tokens"] <= 200
    assert by_samples["calls"] == 2


def test_a_budget_of_seconds_goes_by_the_machines_pace(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["single", *MODEL, *NUMBERS, "--budget", "seconds=0.1"]
    found = document(capsys, *words, "--hardware", "h100")
    assert 0 < found["strategies"][0]["tokens"] < 60
    assert main(["plan", *words]) == 2
    assert "--hardware" in capsys.readouterr().err


def test_a_plan_from_a_bank_takes_lengths_and_agreement_from_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "samples.sqlite"
    with Bank(path) as bank:
        model = bank_samples.model()
        bank.add_model(model)
        bank.add_vocabulary(model.fingerprint, {number: chr(number) for number in range(10, 126)})
        for number in range(3):
            prompt = Prompt(token_ids=(1, 2, number))
            bank.add_problem(RecordedProblem(benchmark="b", id=str(number), prompt=prompt, target="7"))
            series = bank.add_series(model.fingerprint, prompt, bank_samples.WARM)
            bank.add_sample(series.key, bank_samples.sample(0, "aa\nbb\n\\boxed{7}"))
            bank.add_sample(series.key, bank_samples.sample(1, "\\boxed{8}"))
            bank.add_sample(series.key, bank_samples.sample(2, "aaaaaaaa", reason="abort"))
    found = document(capsys, "single", "beam_search:width=2,beam_width=1", *MODEL, "--from", str(path))
    workload = found["workload"]
    assert (workload["num_questions"], workload["prompt_tokens"], workload["accuracy"]) == (3, 3, 0.5)
    assert workload["answer_tokens"] == (15 + 9) / 2  # what was stopped is not counted
    single, search = found["strategies"]
    assert 9 <= single["critical_path_tokens"] <= 15
    assert search["basis"] == "rehearsed"
    assert found["saturation"]["samples"] >= 1


@pytest.fixture
def questions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Write four questions, and return them as a benchmark."""
    monkeypatch.chdir(tmp_path)
    lines = [json.dumps({"id": f"p{n}", "question": f"What is {n}?", "answer": str(n)}) for n in range(4)]
    (tmp_path / "q.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return "jsonl:path=q.jsonl"


def answers() -> FakeBackend:
    """Return a model that says 1, in two lengths."""
    return FakeBackend(lambda prompt, seed, ordinal: Reply("so\n" * (1 + seed % 2) + "\\boxed{1}"))


def test_a_plan_from_a_pilot_draws_samples_and_grades_them(
    questions: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(uri: str, options: Mapping[str, JSON] | None = None) -> Backend:
        return answers()

    monkeypatch.setattr("ttscale_evals.outlook.workloads.load_backend", load)
    words = ["--model", "hf:abacus", "--pilot", "6", "--benchmark", questions, "--limit", "4"]
    found = document(capsys, "self_consistency:n=3,stop=never", *words)
    assert found["workload"]["accuracy"] == 0.25
    assert 12 <= found["workload"]["answer_tokens"] <= 15
    assert found["strategies"][0]["calls"] == 3


def test_a_plan_from_a_run_takes_the_samples_of_its_results(
    questions: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(uri: str, options: Mapping[str, JSON] | None = None) -> Backend:
        return answers()

    monkeypatch.setattr("ttscale_evals.sources.load_backend", load)
    config = EvalConfig.load(
        None,
        {
            "benchmarks": [questions],
            "model": "hf:abacus",
            "strategies": ["self_consistency:n=4,stop=never"],
        },
    )
    asyncio.run(run_eval(config, out=tmp_path / "run"))
    found = document(capsys, "single", *MODEL, "--from", str(tmp_path / "run"))
    assert found["workload"]["num_questions"] == 4
    assert found["workload"]["accuracy"] == 0.25
    assert 12 <= found["strategies"][0]["critical_path_tokens"] <= 15


@pytest.mark.parametrize(
    ("words", "mend"),
    [
        ([], "one of three ways"),
        ([*NUMBERS, "--pilot", "3", "--benchmark", "chain_sum"], "one of three ways"),
        (["--prompt-tokens", "3"], "both needed"),
        (["--prompt-tokens", "3", "--answer-tokens", "many"], "MEAN:P95"),
        (["--prompt-tokens", "3", "--answer-tokens", "10:900"], "95th percentile"),
        (["--pilot", "3"], "--benchmark"),
        (["--pilot", "3", "--benchmark", "chain_sum", *MODEL], "needs a model URI"),
        ([*NUMBERS, "--usd-per-hour", "3"], "--hardware"),
        ([*NUMBERS, "--hardware", "z80"], "h100"),
        ([*NUMBERS, "--model", "qwen9"], "qwen3-8b"),
        ([*NUMBERS, "--model", "nowhere.yaml"], "cannot be read"),
        ([*NUMBERS, "--epsilon", "0"], "--epsilon"),
        ([*NUMBERS, "--budget", "usd=1"], "--prices"),
        (["--from", "nowhere.sqlite"], "nowhere.sqlite"),
        (["--from", "."], "no run's directory"),
    ],
)
def test_wrong_use_is_refused_with_the_mend(
    words: list[str],
    mend: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["plan", "single", *words]) == 2
    assert mend in capsys.readouterr().err


def test_an_unknown_strategy_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "magic", *MODEL, *NUMBERS]) == 2
    assert "No strategy is called 'magic'" in capsys.readouterr().err
