"""Tools that come with problems, from the benchmark through the engine to the row."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

from ttscale import registry
from ttscale.engine import Engine
from ttscale.run import Run
from ttscale.testing import FakeBackend, FunctionStrategy, virtual_clock
from ttscale.tools import FunctionTool, Toolbox
from ttscale.types import Outcome, Problem
from ttscale_evals.config import EvalConfig
from ttscale_evals.plan import make_plan
from ttscale_evals.report.columns import columns
from ttscale_evals.result import load_rows
from ttscale_evals.runner import run_eval

DATA = Path(__file__).parents[1] / "data" / "agents"


@dataclass(frozen=True, kw_only=True)
class LooksUp:
    """Looks up all places of a question of the atlas at once, and answers with the first one's name."""

    needs: ClassVar[frozenset[str]] = frozenset()

    def max_samples(self) -> int:
        """Return 0: it asks no model."""
        return 0

    async def solve(self, problem: Problem, run: Run) -> Outcome:
        """Search for every place."""
        box = await Toolbox.open(run, run.tools)
        places = problem.meta["places"]
        assert isinstance(places, list)
        async with asyncio.TaskGroup() as group:
            for place in places:
                group.create_task(box.call(run, "search", {"query": str(place)}))
        return Outcome(answer=str(places[0]))


@pytest.fixture
def looks_up(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {"looks_up": f"{LooksUp.__module__}:LooksUp"}
    monkeypatch.setattr(registry, "_entry_points", lambda kind: found if kind == "strategies" else {})


@virtual_clock
async def test_a_run_and_its_children_have_the_tools_of_the_problem() -> None:
    async def double(number: int) -> int:
        """Double a number."""
        return 2 * number

    async def body(run: Run) -> str:
        async with run.child(label="inner") as inner:
            assert inner.tools == run.tools
            result = await inner.call(inner.tools[0], number=4)
        return result.text

    async with Engine(FakeBackend({})) as engine:
        strategy = FunctionStrategy(body=body)
        outcome = await engine.solve("?", strategy=strategy, tools=[FunctionTool(function=double)])
        assert (outcome.answer, outcome.usage.tool_calls) == ("8", 1)
        assert (await engine.solve("?", strategy=FunctionStrategy(body=number_of_tools))).answer == "0"


async def number_of_tools(run: Run) -> str:
    return str(len(run.tools))


@virtual_clock
@pytest.mark.usefixtures("looks_up")
async def test_an_evaluation_hands_tools_on_and_its_row_says_how_they_were_used(tmp_path: Path) -> None:
    benchmark = {
        "name": "atlas",
        "params": {"size": 4, "min_branches": 3, "max_branches": 3, "tool_seconds": 1.0},
    }
    config = EvalConfig.load(None, {"benchmarks": [benchmark], "strategies": ("looks_up",)})
    result = await run_eval(config, out=tmp_path / "run", backend=FakeBackend({}))
    (row,) = result.rows
    assert (row.num_problems, row.errors, row.tool_calls) == (4, 0, 12)
    wanted = {"tool_calls": 3.0, "tool_errors": 0.0, "tool_parallelism": pytest.approx(3.0), "tool_width": 3.0}
    assert row.measures == wanted
    (shown,) = [column for column in columns([row]) if column.key == "measures"]
    assert shown.text(row).startswith("tool_calls 3.00, tool_errors 0.00")
    assert load_rows(tmp_path / "run")[0].measures == wanted


@virtual_clock
async def test_a_benchmarks_own_measures_are_in_the_row(tmp_path: Path) -> None:
    params = {"path": str(DATA / "hotpotqa_comparison.json"), "instruction": ""}
    benchmark = {"name": "hotpotqa_comparison", "params": params}
    config = EvalConfig.load(None, {"benchmarks": [benchmark], "strategies": ("single",)})
    script = {
        "Were Ann Example and Bob Sample born in the same country?": "\\boxed{Yes}",
        "Who wrote more plays, Ann Example or Bob Sample?": "\\boxed{Ann}",
    }
    (row,) = (await run_eval(config, out=tmp_path / "run", backend=FakeBackend(script))).rows
    assert row.accuracy == 0.5
    assert row.measures["f1"] == pytest.approx((1 + 2 / 3) / 2)
    assert row.to_json()["measures"] == row.measures


def test_the_paths_of_all_files_are_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(DATA)
    params = {"path": "parallelqa.json", "corpus_path": "texts.jsonl"}
    config = EvalConfig.load(None, {"benchmarks": [{"name": "parallelqa", "params": params}], "limit": 1})
    (resolved,) = make_plan(config).config.benchmarks
    assert resolved.params["path"] == str(DATA / "parallelqa.json")
    assert resolved.params["corpus_path"] == str(DATA / "texts.jsonl")
