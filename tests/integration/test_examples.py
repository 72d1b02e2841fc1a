"""The examples and the README's code run as they stand, on the real reference model."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.integration


def run_python(*arguments: str) -> str:
    """Run Python in the repository's root and return what it prints; its errors fail the test."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


def test_the_agent_example_answers_within_its_budget() -> None:
    printed = run_python("examples/agent.py")
    tokens = re.search(r"cost: (\d+) tokens", printed)
    assert "answer: " in printed
    assert tokens is not None
    assert 0 < int(tokens[1]) <= 8_000


def test_the_many_questions_example_answers_each_within_the_total() -> None:
    printed = run_python("examples/many_questions.py").splitlines()
    assert len([line for line in printed if " -> " in line]) == 3
    assert int(printed[-1].split()[0]) <= 20_000


def test_the_example_of_an_agent_with_two_tools_calls_them() -> None:
    printed = run_python("examples/agent_tools.py")
    assert re.match(r"answer: -?\d+, by [3-9] calls of tools in ", printed)


def test_the_readmes_first_example_runs() -> None:
    (code,) = re.findall(r"```python\n(import asyncio.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert len(run_python("-c", code).split()) >= 3
