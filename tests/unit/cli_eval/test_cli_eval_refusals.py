"""``ttscale eval``: every kind of wrong use is one clear sentence and exit status 2."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.unit.eval_bench import EVAL, UseBackend, adding, assert_refused
from ttscale.backends import Capabilities
from ttscale.cli import main
from ttscale.testing import FakeBackend


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--strategy", "singel"], "No strategy is called 'singel'; did you mean 'single'?"),
        (["--strategy", "best_of_n:m=4"], "strategy 'best_of_n' has no parameter 'm'; it has: n, verifier"),
        (["--strategy", "best_of_n:n=many"], "strategy 'best_of_n': n='many' is wrong"),
        (["--strategy", "best_of_n:4"], "'4' in 'best_of_n:4' is not key=value"),
        (["--benchmark", "no_such_set"], "No benchmark is called 'no_such_set'"),
        (["--benchmark", "jsonl:path=nowhere.jsonl"], "nowhere.jsonl"),
        (["--budget", "tokens=1"], "; raise tokens in the budget to at least "),
        (["--budget", "usd=1"], "without the price of 'abacus'; name a price file with --prices FILE"),
        (["--prices", "nowhere.yaml"], "nowhere.yaml' cannot be read"),
        (["--limit", "0"], "limit=0 is wrong"),
        (["--display", "3d"], "--display '3d' is unknown; choose one of auto, bar, plain, none."),
    ],
)
def test_wrong_words(
    words: list[str], sentence: str, use_backend: UseBackend, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    backend = FakeBackend(adding)
    use_backend(backend)
    assert_refused([*EVAL, *words], sentence, capsys)
    assert not backend.requests
    assert not (here / "run").exists()


def test_a_model_without_what_the_strategy_needs(
    use_backend: UseBackend, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    use_backend(FakeBackend(adding, capabilities=Capabilities(token_ids=True, seeds=True)))
    assert_refused([*EVAL, "--strategy", "best_of_n"], "ConfidenceVerifier needs logprobs", capsys)
    assert not (here / "run").exists()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("benchmarks: [unclosed\n", "is not YAML"),
        ("- a list\n", "must hold keys and values"),
        ("benchmarks: [countdown]\nstrategie: [single]\n", "the key 'strategie' is unknown"),
        ("model: abacus\n", "'benchmarks' is missing"),
        ("benchmarks: [countdown]\n\nlimit: many\n", "line 3 of 'config.yaml'"),
    ],
)
def test_a_broken_config_file(text: str, sentence: str, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "config.yaml").write_text(text)
    assert_refused(["eval", "config.yaml", "--out", "run"], sentence, capsys)


def test_a_config_file_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert_refused(
        ["eval", "nowhere.yaml"],
        "'nowhere.yaml' cannot be read: No such file or directory; check the path.",
        capsys,
    )


def test_nothing_to_evaluate(capsys: pytest.CaptureFixture[str]) -> None:
    assert_refused(["eval"], "there is nothing to evaluate; give a config file, or a benchmark", capsys)


def test_resume_without_a_directory(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["eval", "--benchmark", "jsonl:path=sums.jsonl", "--resume"]
    sentence = "--resume does not know which run; name its directory with --out DIR."
    assert_refused(words, sentence, capsys)
    (here / "config.yaml").write_text("benchmarks: ['jsonl:path=sums.jsonl']\n")  # of no run
    assert_refused(["eval", "config.yaml", "--resume"], sentence, capsys)
    assert sorted(path.name for path in here.iterdir()) == ["config.yaml", "sums.jsonl"]


def test_a_directory_that_holds_another_run_is_left_as_it_is(
    use_backend: UseBackend, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    use_backend(FakeBackend(adding))
    assert main([*EVAL, "--strategy", "single"]) == 0
    capsys.readouterr()
    before = {path.name: path.read_bytes() for path in (here / "run").iterdir()}
    assert_refused([*EVAL, "--strategy", "single"], "holds a run already; add --resume", capsys)
    assert_refused(
        [*EVAL, "--strategy", "single", "--seed", "1", "--resume"], "has another config: seed was 0", capsys
    )
    assert {path.name: path.read_bytes() for path in (here / "run").iterdir()} == before


def test_a_server_that_is_not_there(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}/v1"
    assert_refused([*EVAL, "--model", f"openai:some-model@{url}"], url, capsys)
    assert not (here / "run").exists()


def test_a_data_file_with_a_broken_line(
    use_backend: UseBackend, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (here / "sums.jsonl").open("a") as file:
        file.write('{"question": "What is 4 + 4?", "answer"\n')
    use_backend(FakeBackend(adding))
    sentence = (
        "line 5 of '{}' is not JSON (Expecting ':' delimiter at column 40); mend the line or take it out."
    )
    assert_refused(EVAL, sentence.format(here / "sums.jsonl"), capsys)
    assert not (here / "run").exists()


def test_only_a_replay_has_drawn_orders(
    use_backend: UseBackend, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    use_backend(FakeBackend(adding))
    assert_refused([*EVAL, "--orders", "3"], "orders=3 is of recorded samples only", capsys)
    assert not (here / "run").exists()
