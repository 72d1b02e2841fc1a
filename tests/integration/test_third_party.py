"""A real third-party package, installed as users install one, is found, listed, built and run."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.integration

SOURCE = Path(__file__).parent / "third_party"
ORIGIN = "ttscale-example-plugin 1.2.3"

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return a function that runs Python where the package is installed."""
    work = tmp_path_factory.mktemp("third_party")
    shutil.copytree(SOURCE, work / "source", ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-index"),
            *("--no-deps", "--no-build-isolation", "--target", str(work / "site"), str(work / "source")),
        ],
        check=True,
        timeout=240,
    )
    environment = {**os.environ, "PYTHONPATH": str(work / "site"), "PYTHONWARNINGS": "error"}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=work,
            env=environment,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )

    return run


@pytest.fixture(scope="module")
def ttscale(python: Run) -> Callable[..., Any]:
    """Return a function that runs a command with ``--json`` and returns what it prints."""

    def run(*arguments: str, status: int = 0) -> Any:
        call = f"import sys; from ttscale.cli import main; sys.exit(main({list(arguments)!r}))"
        done = python("-c", call)
        assert done.returncode == status, done.stderr
        return json.loads(done.stdout) if "--json" in arguments else done.stdout

    return run


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("strategies", "agreement"),
        ("verifiers", "brevity"),
        ("benchmarks", "small_sums"),
        ("backends", "parrot"),
    ],
)
def test_its_plugins_are_listed_beside_the_built_in_ones(
    ttscale: Callable[..., Any], kind: str, name: str
) -> None:
    listed = {plugin["name"]: plugin for plugin in ttscale("list", kind, "--json")}
    assert listed[name]["source"] == ORIGIN
    assert listed[name]["error"] is None
    assert listed[name]["parameters"]
    assert "builtin" in {plugin["source"] for plugin in listed.values()}


def test_a_plugin_that_leads_nowhere_is_listed_as_broken(ttscale: Callable[..., Any]) -> None:
    listed = {plugin["name"]: plugin for plugin in ttscale("list", "strategies", "--json")}
    assert "ttscale_example_plugin.absent" in listed["absent"]["error"]
    assert listed["single"]["error"] is None


def test_its_command_is_on_the_command_line(ttscale: Callable[..., Any]) -> None:
    assert ttscale("greet", "you") == "Hello, you!\n"
    assert "greet" in ttscale("--help")


def test_its_plugins_are_built_and_described_by_name(python: Run) -> None:
    done = python(
        "-c",
        "from ttscale import registry\n"
        "from ttscale_example_plugin.agreement import Agreement\n"
        "from ttscale_example_plugin.brevity import Brevity\n"
        "verifier = '{name: brevity, params: {max_characters: 9}}'\n"
        "built = registry.create_strategy(f'agreement:pairs=3,verifier={verifier}')\n"
        "assert built == Agreement(pairs=3, verifier=Brevity(max_characters=9)), built\n"
        "assert registry.create_strategy(str(registry.describe(built))) == built\n"
        "best = registry.create_strategy('best_of_n:n=2,verifier=brevity')\n"
        "assert best.verifier == Brevity()\n",
    )
    assert done.returncode == 0, done.stderr


def test_its_plugins_keep_their_contracts(python: Run) -> None:
    done = python(
        "-c",
        "import asyncio\n"
        "from ttscale import registry\n"
        "from ttscale.testing import check_backend, check_strategy, check_verifier\n"
        "async def main():\n"
        "    await check_strategy(registry.create_strategy('agreement'))\n"
        "    await check_verifier(registry.create_verifier('brevity'))\n"
        "    make = lambda: registry.create('backends', 'parrot', {'model': 'polly', 'accuracy': 0.3})\n"
        "    await check_backend(make, prompt='How much is 1234 + 5678?')\n"
        "asyncio.run(main())\n",
    )
    assert done.returncode == 0, done.stderr


def test_a_question_is_solved_with_its_strategy_on_its_backend(ttscale: Callable[..., Any]) -> None:
    outcome = ttscale(
        *("solve", "How much is 17 + 25?", "--model", "parrot:polly"),
        *("--strategy", "agreement", "--set", "pairs=8", "--json"),
    )
    assert (outcome["answer"], outcome["stop_reason"]) == ("42", "decided")
    assert outcome["strategy"]["name"] == "agreement"
    assert 0 < outcome["usage"]["calls"] <= 16


def test_its_benchmark_is_evaluated(ttscale: Callable[..., Any]) -> None:
    report = ttscale(
        *("eval", "--benchmark", "small_sums:size=30", "--strategy", "single"),
        *("--strategy", "agreement", "--model", "parrot:polly", "--out", "run", "--json"),
    )
    rows = {row["strategy"].partition(":")[0]: row for row in report["rows"]}
    assert {row["num_problems"] for row in rows.values()} == {30}
    assert rows["single"]["accuracy"] < rows["agreement"]["accuracy"]
