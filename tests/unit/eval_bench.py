"""What tests of ``ttscale eval`` and its neighbours share: words, a scripted model, how a refusal looks."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from ttscale.backends import Backend
from ttscale.cli import main
from ttscale.testing import Reply
from ttscale.types import Prompt

ROW_KEYS = {
    *("benchmark", "strategy", "model", "num_problems", "accuracy", "accuracy_low", "accuracy_high"),
    *("generated_tokens", "prompt_tokens_computed", "prompt_tokens_cached", "cancelled_tokens"),
    *("verifier_tokens", "flops", "latency_p50_seconds", "latency_p95_seconds", "critical_path_tokens"),
    *("wall_seconds", "errors"),
}

UseBackend = Callable[[Backend], None]
"""Lets every model URI mean one backend."""

EVAL = ["eval", "--benchmark", "jsonl:path=sums.jsonl", "--out", "run", "--display", "none"]


def adding(prompt: Prompt, seed: int, ordinal: int) -> Reply:
    """Add rightly, but take 3 + 3 for 7."""
    found = re.search(r"What is (\d+)", prompt.question)
    assert found is not None
    n = int(found[1])
    return Reply(f"\\boxed{{{7 if n == 3 else 2 * n}}}", seconds=0.001)


def assert_refused(words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words, "--json"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert captured.err.count("\n") == 1
    assert sentence in captured.err
