"""``ttscale solve``: an answer with its cost, pure JSON, and wrong use that says what to mend."""

from __future__ import annotations

import json
import logging
import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

from ttscale.backends import Backend, Capabilities
from ttscale.cli import main
from ttscale.cli.solve import render_outcome
from ttscale.registry import Spec, load
from ttscale.run import Run
from ttscale.testing import FakeBackend, Reply
from ttscale.types import JSON, Outcome, Problem, Usage

UseBackend = Callable[[Backend], None]


@pytest.fixture
def use_backend(monkeypatch: pytest.MonkeyPatch) -> UseBackend:
    """Let every model URI mean one backend."""

    def use(backend: Backend) -> None:
        def load_backend(uri: str, options: Mapping[str, JSON] | None = None) -> Backend:
            return backend

        monkeypatch.setattr("ttscale.backends.load_backend", load_backend)

    return use


def answers(*texts: str) -> FakeBackend:
    return FakeBackend([f"\\boxed{{{text}}}" for text in texts], seconds_per_token=0.0)


def test_the_answer_comes_with_its_cost(use_backend: UseBackend, capsys: pytest.CaptureFixture[str]) -> None:
    use_backend(answers("7", "42", "42", "42"))
    assert main(["solve", "How much?", "--set", "n=4", "--set", "stop=never"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["answer", "confidence", "tokens", "seconds", "stopped"]
    assert lines[0] == "answer      42"
    assert lines[1] == "confidence  0.75"
    assert lines[2].endswith("generated; 4 samples)")
    assert lines[4] == "stopped     finished"


def test_json_is_all_there_is_on_standard_output(
    use_backend: UseBackend, capfd: pytest.CaptureFixture[str]
) -> None:
    class Talkative(FakeBackend):
        async def start(self) -> None:
            print("loading, please wait")
            os.write(1, b"so says a library in C\n")
            await super().start()

    use_backend(Talkative("\\boxed{42}"))
    words = ["solve", "How much?", "--strategy", "best_of_n", "--set", "n=2", "--model", "mine:m"]
    assert main([*words, "--seed", "3", "--budget", "tokens=4000", "--json"]) == 0
    captured = capfd.readouterr()
    document = json.loads(captured.out)
    assert document["question"] == "How much?"
    assert document["model"] == "mine:m"
    assert document["seed"] == 3
    assert document["strategy"]["name"] == "best_of_n"
    assert document["strategy"]["params"]["n"] == 2
    assert document["strategy"]["params"]["verifier"] == {"name": "confidence", "params": {}}
    assert document["answer"] == "42"
    assert 0 < document["usage"]["tokens"] <= 4000
    assert Outcome.from_json({k: document[k] for k in Outcome(answer=None).to_json()}).answer == "42"
    assert "loading, please wait" in captured.err
    assert "so says a library in C" in captured.err


def test_a_budget_that_runs_out_gives_the_best_answer_so_far(
    use_backend: UseBackend, capsys: pytest.CaptureFixture[str]
) -> None:
    use_backend(answers("42", "43", "44", "45"))
    assert main(["solve", "How much?", "--set", "max_tokens=12", "--budget", "samples=1", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["stop_reason"] == "budget"
    assert document["answer"] == "42"


@dataclass(frozen=True, kw_only=True)
class Clumsy:
    """Fails."""

    needs: ClassVar[frozenset[str]] = frozenset()

    def max_samples(self) -> int:
        return 1

    async def solve(self, problem: Problem, run: Run) -> Outcome:
        raise ZeroDivisionError("division by zero")


def test_the_traceback_of_a_strategy_is_shown_only_when_asked_for(
    use_backend: UseBackend, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("ttscale.registry.load", lambda kind, name: Clumsy)
    monkeypatch.setattr("ttscale.registry.describe", lambda plugin: Spec("clumsy", {}))
    monkeypatch.setattr(logging.getLogger(), "handlers", [])  # pytest's own, which a program does not have
    use_backend(answers("42"))
    assert main(["solve", "How much?", "--strategy", "clumsy"]) == 1
    assert capsys.readouterr().err == "error: ZeroDivisionError: division by zero\n"
    use_backend(answers("42"))
    assert main(["--debug", "solve", "How much?", "--strategy", "clumsy"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_a_failed_strategy_exits_with_1(use_backend: UseBackend, capsys: pytest.CaptureFixture[str]) -> None:
    use_backend(FakeBackend(Reply("x", error="the engine\x1b[2J broke")))
    assert main(["solve", "How much?", "--strategy", "single"]) == 1
    captured = capsys.readouterr()
    assert captured.err.endswith("error: the engine broke\n")
    assert "answer      none" in captured.out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--strategy", "singel"], "No strategy is called 'singel'; did you mean 'single'?"),
        (
            ["--set", "m=4"],
            "strategy 'self_consistency' has no parameter 'm'; it has: n, temperature, max_tokens, rule, stop",
        ),
        (["--set", "n=many"], "strategy 'self_consistency': n='many' is wrong"),
        (["--set", "n"], "--set 'n' is not KEY=VALUE; write --set n=16"),
        (["--budget", "tokens=1"], "; raise tokens in the budget to at least "),
        (["--budget", "token=100"], "'token=100' is no budget; write QUANTITY=NUMBER"),
        (["--budget", "tokens=-5"], "the budget's tokens must not be negative, got -5"),
        (["--budget", "usd=1"], "without the price of 'abacus'; name a price file with --prices FILE"),
        (["--budget", "usd=1", "--prices", "nowhere.yaml"], "the price file 'nowhere.yaml' cannot be read"),
    ],
)
def test_wrong_use_is_one_sentence_and_exits_with_2(
    words: list[str], sentence: str, use_backend: UseBackend, capsys: pytest.CaptureFixture[str]
) -> None:
    backend = answers("42")
    use_backend(backend)
    assert main(["solve", "How much?", "--json", *words]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert captured.err.count("\n") == 1
    assert sentence in captured.err
    assert not backend.requests


PRICES = "date: '2026-11-01'\nmodels:\n  {name}: {{prompt: 1.0, generated: 100.0, prompt_cached: 0.0}}\n"


@pytest.mark.parametrize("name", ["fake", "mine:model"])
def test_dollars_are_counted_and_limited_by_a_price_file(
    name: str, use_backend: UseBackend, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "prices.yaml"
    path.write_text(PRICES.format(name=name))
    words = ["solve", "How much?", "--model", "mine:model", "--prices", str(path), "--set", "stop=never"]
    use_backend(answers("42"))
    assert main([*words, "--json"]) == 0
    usage = json.loads(capsys.readouterr().out)["usage"]
    assert usage["usd"] == pytest.approx((usage["prompt_computed"] + 100 * usage["generated"]) / 1e6)
    use_backend(answers("42"))
    assert main([*words, "--budget", f"usd={usage['usd'] / 2}", "--set", "max_tokens=16"]) == 0
    dollars = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("dollars"))
    assert 0 < float(dollars.split()[1]) <= usage["usd"] / 2


def test_a_price_file_without_the_model_is_refused(
    use_backend: UseBackend, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "prices.yaml"
    path.write_text(PRICES.format(name="another"))
    backend = answers("42")
    use_backend(backend)
    words = ["solve", "How much?", "--prices", str(path), "--json"]
    for given in (words, [*words, "--budget", "usd=1"]):
        assert main(given) == 2
        said = "(of 2026-11-01) has no price for 'abacus', only for 'another'; add it under `models`."
        assert said in capsys.readouterr().err
    assert not backend.requests


def test_a_model_without_what_the_strategy_needs_is_refused(
    use_backend: UseBackend, capsys: pytest.CaptureFixture[str]
) -> None:
    use_backend(FakeBackend("x", capabilities=Capabilities(token_ids=True, seeds=True)))
    assert main(["solve", "How much?", "--strategy", "best_of_n"]) == 2
    assert "ConfidenceVerifier needs logprobs, which the backend 'fake'" in capsys.readouterr().err


@pytest.mark.parametrize("verifier", ["math", "reasoning_gym"])
def test_a_verifier_that_reads_the_reference_answer_is_refused(
    verifier: str, use_backend: UseBackend, capsys: pytest.CaptureFixture[str]
) -> None:
    backend = answers("42")
    use_backend(backend)
    assert main(["solve", "How much?", "--strategy", f"best_of_n:verifier={verifier}"]) == 2
    assert "grades by the reference answer" in capsys.readouterr().err
    assert not backend.requests


def test_an_empty_question_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["solve", "  "]) == 2
    assert "the question is empty" in capsys.readouterr().err


@pytest.mark.parametrize("model", ["nonsense", "nonsense:model", "openai:model"])
def test_a_model_that_is_none_is_refused(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["solve", "How much?", "--model", model]) == 2
    assert capsys.readouterr().err.startswith("error: ")


def test_a_server_that_is_not_there_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}/v1"
    assert main(["solve", "How much?", "--model", f"openai:some-model@{url}"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"error: no server answers at {url}")
    assert captured.err.count("\n") == 1


def test_text_of_the_model_cannot_steer_the_terminal() -> None:
    shown = render_outcome(Outcome(answer="\x1b[2J[bold]1\x07\n2[/bold]", usage=Usage(generated=3, calls=1)))
    assert shown.splitlines()[:2] == ["answer      [bold]1", "            2[/bold]"]
    assert "confidence  unknown" in shown
    assert "tokens      3  (3 generated; 1 sample)" in shown


def test_the_default_strategy_is_there() -> None:
    assert load("strategies", "self_consistency").__name__ == "SelfConsistency"


def test_what_was_recorded_is_answered_again_in_the_time_it_took_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pool, ask = tmp_path / "new" / "pool.sqlite", ["solve", "How much?", "--set", "n=4", "--json"]
    with monkeypatch.context() as patch:
        backend = FakeBackend(
            [f"\\boxed{{{text}}}" for text in ("7", "42", "42", "42")], seconds_per_token=0.01
        )
        patch.setattr("ttscale.backends.load_backend", lambda uri, options=None: backend)
        assert main([*ask, "--record", str(pool), "--set", "stop=never"]) == 0
        first = json.loads(capsys.readouterr().out)
    assert main([*ask, "--model", f"replay:{pool}", "--set", "stop=never"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert (again["answer"], again["confidence"]) == (first["answer"], first["confidence"]) == ("42", 0.75)
    assert again["seconds"] == pytest.approx(first["seconds"], abs=0.05)
    assert main([*ask, "--model", f"replay:{pool}", "--set", "n=5"]) == 1
    assert "4 whole samples" in capsys.readouterr().err


def test_samples_are_not_recorded_into_an_export(
    tmp_path: Path, use_backend: UseBackend, capsys: pytest.CaptureFixture[str]
) -> None:
    use_backend(answers("7"))
    assert main(["solve", "How much?", "--record", str(tmp_path / "pool.jsonl")]) == 2
    assert "name it pool.sqlite" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
