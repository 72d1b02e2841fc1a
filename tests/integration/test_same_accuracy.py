"""The same model gives the same accuracy whichever backend serves it."""

from __future__ import annotations

import importlib.util
import itertools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.integration.vllm_server import VLLMServer
from ttscale.reference import EVALUATION_CONFIGS

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(importlib.util.find_spec("vllm") is None, reason="vLLM is not installed"),
]

BENCHMARK = "chain_sum:" + ",".join(f"{key}={value}" for key, value in EVALUATION_CONFIGS["chain_sum"].items())


def leaderboard(model: str, out: Path) -> dict[str, dict[str, Any]]:
    """Evaluate a model as a user would; returns the rows by strategy."""
    command = [sys.executable, "-m", "ttscale", "eval", "--model", model, "--benchmark", BENCHMARK]
    strategies = ["--strategy", "single", "--strategy", "self_consistency:n=4"]
    done = subprocess.run(
        [*command, *strategies, "--limit", "100", "--out", str(out), "--json"],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return {row["strategy"]: row for row in json.loads(done.stdout)["rows"]}


def test_accuracy_agrees_within_the_intervals(abacus: str, served: VLLMServer, tmp_path: Path) -> None:
    models = {"vllm": f"vllm:{abacus}", "hf": f"hf:{abacus}", "openai": f"openai:{served.model}@{served.url}"}
    boards = {name: leaderboard(model, tmp_path / name) for name, model in models.items()}
    print({name: {key: row["accuracy"] for key, row in rows.items()} for name, rows in boards.items()})
    for strategy in ("single", "self_consistency:n=4"):
        rows = {name: board[strategy] for name, board in boards.items()}
        assert {row["num_problems"] - row["errors"] for row in rows.values()} == {100}
        for one, other in itertools.combinations(rows, 2):
            assert rows[one]["accuracy_low"] <= rows[other]["accuracy_high"], (strategy, one, other)
            assert rows[other]["accuracy_low"] <= rows[one]["accuracy_high"], (strategy, one, other)
