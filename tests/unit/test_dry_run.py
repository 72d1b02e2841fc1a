"""``ttscale eval --dry-run``: what a run would take, with nothing started and nothing written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from ttscale.backends import Backend
from ttscale.cli import main
from ttscale.errors import ConfigError
from ttscale.testing import FakeBackend, Reply, virtual_clock
from ttscale.types import JSON
from ttscale_evals.config import EvalConfig
from ttscale_evals.outlook import CellEstimate, Estimate, estimate, render_estimate
from ttscale_evals.plan import make_plan
from ttscale_evals.runner import run_eval

QUESTION = "How much is it?!"
"""Of 16 characters: 4 tokens, and 8 for its place in a message."""
PROMPT_TOKENS = 12


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    lines = [json.dumps({"id": f"p{n}", "question": QUESTION, "answer": str(n)}) for n in range(4)]
    (tmp_path / "q.jsonl").write_text("\n".join(lines) + "\n")
    return tmp_path


def config_of(**given: object) -> EvalConfig:
    spec = {"name": "jsonl", "params": {"path": "q.jsonl", "instruction": ""}, "label": "q"}
    return EvalConfig.load(None, {"benchmarks": [spec], "model": "openai:m@http://127.0.0.1:9", **given})


def estimated(out: Path | None = None, **given: object) -> Estimate:
    return estimate(make_plan(config_of(**given)), out=out)


def only(found: Estimate) -> CellEstimate:
    (cell,) = found.cells
    return cell


def test_without_a_past_it_is_every_sample_at_its_longest() -> None:
    found = estimated(strategies=["self_consistency:n=3,max_tokens=100"])
    cell = only(found)
    assert (cell.basis, cell.is_bound, cell.num_problems, cell.num_done) == ("upper bound", True, 4, 0)
    assert (cell.samples, cell.prompt_tokens) == (12, 12 * PROMPT_TOKENS)
    assert cell.tokens == 12 * (PROMPT_TOKENS + 100)
    assert (cell.flops, cell.usd, cell.seconds) == (None, None, None)
    assert any("every 4 characters" in note for note in found.notes)
    assert any("upper bounds" in note for note in found.notes)


def test_what_problems_share_bounds_their_row() -> None:
    strategies = ["self_consistency:n=3,max_tokens=100"]
    alone = only(estimated(strategies=strategies, budget="samples=2"))
    shared = only(estimated(strategies=strategies, budget="shared:samples=9,tokens=500"))
    assert (alone.samples, shared.samples, shared.tokens) == (4 * 2, 9, 500)
    assert only(estimated(strategies=strategies, budget="shared:tokens=999999")).tokens == 12 * (
        PROMPT_TOKENS + 100
    )
    assert shared.budget == "shared:samples=9,tokens=500"


def test_what_is_unknown_is_no_number() -> None:
    cell = only(estimated(strategies=["single"]))  # neither max_tokens nor a context
    assert (cell.samples, cell.prompt_tokens, cell.tokens) == (4, 4 * PROMPT_TOKENS, None)
    found = estimated(strategies=["single", "single:max_tokens=8"])
    assert found.total("tokens") == (4 * (PROMPT_TOKENS + 8), 1)
    assert "1 unknown" in render_estimate(found, width=160)


def test_a_budget_is_a_bound_of_each_problem() -> None:
    strategies = ["self_consistency:n=3,max_tokens=100"]
    tokens, samples = estimated(strategies=strategies, budgets=["tokens=50", "samples=2"]).cells
    assert (tokens.samples, tokens.tokens) == (12, 4 * 50)
    assert (samples.samples, samples.tokens) == (8, 8 * (PROMPT_TOKENS + 100))
    assert [tokens.budget, samples.budget] == ["tokens=50", "samples=2"]
    (unlimited,) = estimated(strategies=["single"], budget="tokens=50").cells
    assert unlimited.tokens == 200


def test_dollars_come_from_the_price_file(here: Path) -> None:
    (here / "prices.yaml").write_text("date: 2026-11-01\nmodels: {m: {prompt: 1, generated: 10}}\n")
    strategies = ["self_consistency:n=2,max_tokens=100"]
    cell = only(estimated(strategies=strategies, prices="prices.yaml"))
    assert cell.usd == pytest.approx(8 * (PROMPT_TOKENS * 1 + 100 * 10) / 1e6)
    limited = only(estimated(strategies=strategies, prices="prices.yaml", budget="usd=0.0001"))
    assert limited.usd == pytest.approx(0.0004)


def test_a_model_on_this_machine_is_known_without_being_started() -> None:
    cell = only(found := estimated(model="hf:abacus", strategies=["single:max_tokens=10"]))
    assert cell.prompt_tokens is not None
    assert 4 < cell.prompt_tokens / 4 < 30
    assert cell.flops is not None
    assert cell.tokens == cell.prompt_tokens + 40
    assert cell.tokens is not None
    assert 2e6 < cell.flops / cell.tokens < 2e7  # 2 per parameter, and attention
    assert not any("characters" in note for note in found.notes)
    longest = only(estimated(model="hf:abacus", strategies=["single"])).tokens
    assert longest == only(estimated(model="hf:abacus", strategies=["single:max_tokens=100000"])).tokens


def test_notes_say_what_is_left_out() -> None:
    strategies = [
        "cascade:model_uris=[null, 'my:b']",
        "best_of_n:n=2,verifier={name: prm, params: {model: 'my:r'}}",
    ]
    notes = estimated(strategies=strategies, total_budget="tokens=5").notes
    assert any("my:b" in note and "row's own model's" in note for note in notes)
    assert any("verifier's model" in note for note in notes)
    assert any("tokens=5" in note for note in notes)


# ── with a past ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(uri: str, options: Mapping[str, JSON] | None = None) -> Backend:
        return FakeBackend(Reply("\\boxed{1}", seconds=2.0))

    monkeypatch.setattr("ttscale_evals.sources.load_backend", load)


@pytest.mark.usefixtures("scripted")
def test_a_row_that_was_begun_is_expected_to_go_on_as_it_did(here: Path) -> None:
    run, vote = here / "run", "self_consistency:n=3,stop=never"

    @virtual_clock
    async def begin() -> int:
        row = (await run_eval(config_of(strategies=[vote], limit=2, concurrency=1), out=run)).rows[0]
        return row.tokens

    tokens = begin()
    left, new = estimated(run, strategies=[vote, "self_consistency:n=5,max_tokens=10000"]).cells
    assert (left.basis, left.is_bound, left.num_done, left.num_problems) == ("its own results", False, 2, 4)
    assert (left.samples, left.tokens) == (6, tokens)
    assert left.seconds == pytest.approx(4.0)  # two problems took that
    assert (new.basis, new.is_bound, new.samples) == ("earlier samples", True, 20)
    assert new.tokens == 20 * (PROMPT_TOKENS + len("\\boxed{1}"))
    done = only(estimated(run, strategies=[vote], limit=2))
    assert (done.basis, done.tokens, done.seconds) == ("done", 0, 0)
    assert estimated(here / "other", strategies=[vote]).cells[0].basis == "upper bound"


# ── the command ───────────────────────────────────────────────────────────────────────────────────────────


def test_the_command_prints_the_matrix_and_writes_nothing(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [
        "eval",
        "-b",
        "jsonl:path=q.jsonl",
        "-m",
        "abacus",
        "-m",
        "abacus-s",
        "--budget",
        "none",
        "--dry-run",
    ]
    words += ["--budget", "tokens=40", "-s", "single", "-s", "self_consistency:n=2"]
    assert main(words) == 0
    shown = capsys.readouterr().out
    for text in (
        "jsonl:path=q.jsonl",
        "abacus-s",
        "tokens=40",
        "self_consistency:n=2",
        "total",
        "≤ ",
        "upper bounds",
    ):
        assert text in shown
    assert main([*words, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert len(document["cells"]) == 8
    assert document["totals"]["samples"] == {"value": 4 * (1 + 2) * 4, "num_unknown": 0}
    assert document["num_problems"] == 32
    assert all(cell["is_bound"] for cell in document["cells"])
    assert sorted(path.name for path in here.iterdir()) == ["q.jsonl"]


def test_the_command_refuses_what_a_run_would(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["eval", "-b", "jsonl:path=q.jsonl", "--dry-run"]
    assert main([*words, "-s", "singel"]) == 2
    assert "did you mean 'single'" in capsys.readouterr().err
    assert main([*words, "-m", "nonsense"]) == 2
    assert "is not a model" in capsys.readouterr().err
    (here / "thesis").mkdir()
    (here / "thesis" / "thesis.tex").write_text("precious")
    assert main([*words, "--out", "thesis"]) == 2
    assert "not a run directory" in capsys.readouterr().err


def test_a_price_that_is_needed_and_missing_is_named() -> None:
    with pytest.raises(ConfigError, match="without the price"):
        estimated(budget="usd=1")
