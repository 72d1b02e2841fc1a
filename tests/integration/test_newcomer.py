"""The newcomer's path of the README: its commands run as they stand, and say what it says they say."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SECTION = "## From nothing to a verdict"

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def section() -> str:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return text.partition(f"\n{SECTION}\n")[2].partition("\n## ")[0]


@pytest.fixture(scope="module")
def blocks(section: str) -> Mapping[str, str]:
    """The section's blocks by language: what is typed (console), and what is printed (none)."""
    return dict(re.findall(r"```(\w*)\n(.*?)```", section, re.DOTALL))


@pytest.fixture(scope="module")
def commands(blocks: Mapping[str, str]) -> list[str]:
    return [line.removeprefix("$ ") for line in blocks["console"].splitlines()]


@pytest.fixture(scope="module")
def printed(commands: list[str], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """Run the commands in a folder with the repository's configs, as a newcomer would."""
    folder = tmp_path_factory.mktemp("newcomer")
    (folder / "configs").symlink_to(ROOT / "configs")
    outputs = list[str]()
    for command in commands:
        done = subprocess.run(
            shlex.split(command),
            cwd=folder,
            env={
                **os.environ,
                "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
                "OMP_NUM_THREADS": "1",
            },
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )
        assert done.returncode == 0, f"{command}: {done.stderr[-4000:]}"
        outputs.append(done.stdout)
    return folder, outputs


def test_the_path_is_two_commands(commands: list[str]) -> None:
    assert [shlex.split(command)[:2] for command in commands] == [["ttscale", "eval"], ["ttscale", "compare"]]


def test_the_files_that_are_named_are_there(section: str, printed: tuple[Path, list[str]]) -> None:
    folder, _ = printed
    named = re.findall(r"`(runs/[^`]+)`", section)
    assert named == ["runs/smoke/report.html"]
    page = (folder / named[0]).read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert "self_consistency:n=8" in page


def test_every_problem_was_evaluated(printed: tuple[Path, list[str]]) -> None:
    folder, outputs = printed
    document = json.loads((folder / "runs/smoke/results.json").read_text(encoding="utf-8"))
    assert len(document["rows"]) == 6
    assert all(row["errors"] == row["num_missing"] == 0 < row["num_problems"] for row in document["rows"])
    assert "accuracy [95 %]" in outputs[0]


def test_the_comparison_says_who_wins_and_what_it_is_worth(
    blocks: Mapping[str, str], printed: tuple[Path, list[str]]
) -> None:
    shown, block = printed[1][1], blocks[""]
    titles = [line for line in block.splitlines() if line.startswith(("chain_sum: ", "countdown: "))]
    assert len(titles) == 3
    assert all(title in shown for title in titles)
    for head in ("verdict points [95 %] only p", "system tokens points [95 %] nearest measured"):
        assert all(head in {" ".join(line.split()) for line in text.splitlines()} for text in (block, shown))
    # Counts depend on the engine; who wins does not.
    flat = " ".join(shown.split())
    points, p = r"[+]\d+[.]\d \[[+]?\d+[.]\d, [+]\d+[.]\d\]", r"(<0[.]001|0[.]0\d+)"
    winner = rf"best_of_n:n=8,verifier=reasoning_gym is better than self_consistency:n=8 {points} \d+:\d+ {p}"
    for text in (" ".join(block.split()), flat):
        assert re.search(winner, text) is not None
        assert re.search(r"self_consistency:n=8: no difference .*shown; about \d+ problems would tell", text)
