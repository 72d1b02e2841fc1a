"""Agents that were killed go on: what their tools had said by then is not asked for again."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from ttscale.engine import Engine
from ttscale.errors import ConfigError
from ttscale.strategy import Strategy
from ttscale.testing import FakeBackend, Script, virtual_clock
from ttscale.tools import FunctionTool
from ttscale.types import Outcome, Problem, Prompt
from ttscale_strategies.dag import LLMCompiler, ReAct
from ttscale_strategies.dag._journal import FILE_NAME

PLAN = '1. look("a")\n2. look("b")\n3. look("$1 and $2")\n4. look("missing")\n5. look("$3!")\n6. join()'


@dataclass
class Shelf:
    """A tool that takes a second a call, b takes three, and remembers what it was asked for."""

    asked: list[str] = field(default_factory=list)
    is_down: bool = False

    @property
    def tools(self) -> tuple[FunctionTool]:
        async def look(key: str) -> str:
            """Look something up."""
            self.asked.append(key)
            await asyncio.sleep(3 if key == "b" else 1)
            if self.is_down:
                raise ConnectionError("lost")
            if key == "missing":
                raise LookupError("there is none")
            return f"<{key}>"

        return (FunctionTool(function=look),)


def script(prompt: Prompt, seed: int, ordinal: int) -> str:
    return "Action: Finish(\\boxed{7})" if "Observation: " in prompt.question else PLAN


async def asked(
    agent: Strategy, says: Script = script, *, until: float | None = None, id: str = "p", seed: int = 0
) -> Outcome | None:
    """Return the outcome of one question; ``None``: the process was stopped before."""
    async with Engine(FakeBackend(says, seconds_per_token=0.0)) as engine:
        try:
            async with asyncio.timeout(until):
                problem = Problem(id=id, prompt=Prompt.user("How much?"))
                return await engine.solve(problem, strategy=agent, seed=seed)
        except TimeoutError:
            return None


def compiler(shelf: Shelf, folder: Path) -> LLMCompiler:
    return LLMCompiler(tools=shelf.tools, journal=str(folder))


@pytest.mark.parametrize(
    ("until", "left", "seconds"),
    [
        (0.5, ["a", "b", "missing", "<a> and <b>", "<<a> and <b>>!"], 5),
        (1.5, ["b", "<a> and <b>", "<<a> and <b>>!"], 5),
        (3.5, ["<a> and <b>", "<<a> and <b>>!"], 2),
        (4.5, ["<<a> and <b>>!"], 1),
        (9.0, [], 0),
    ],
)
@virtual_clock
async def test_a_killed_agent_goes_on_behind_the_calls_that_had_ended(
    until: float, left: list[str], seconds: float, tmp_path: Path
) -> None:
    assert (await asked(compiler(Shelf(), tmp_path), until=until) is None) == bool(left)
    whole, shelf = await asked(LLMCompiler(tools=Shelf().tools)), Shelf()
    outcome = await asked(compiler(shelf, tmp_path))
    assert outcome is not None
    assert whole is not None
    assert shelf.asked == left
    assert (outcome.answer, outcome.text) == (whole.answer, whole.text)
    assert outcome.usage.tool_calls == whole.usage.tool_calls == 5
    assert outcome.seconds == seconds


@virtual_clock
async def test_other_problems_seeds_and_options_have_calls_of_their_own(tmp_path: Path) -> None:
    shelf = Shelf()
    agent = compiler(shelf, tmp_path)
    await asked(agent)
    await asked(agent)
    assert len(shelf.asked) == 5
    await asked(agent, id="q")
    await asked(agent, seed=1)
    await asked(replace(agent, max_calls=5))
    assert len(shelf.asked) == 20


@virtual_clock
async def test_what_may_pass_is_tried_again(tmp_path: Path) -> None:
    await asked(compiler(Shelf(is_down=True), tmp_path))
    shelf = Shelf()
    await asked(compiler(shelf, tmp_path))
    assert set(shelf.asked) >= {"a", "b", "missing"}


@virtual_clock
async def test_agents_that_act_step_by_step_keep_theirs_too(tmp_path: Path) -> None:
    for count in (2, 0):
        shelf, replies = Shelf(), ['Action: look("a")\n', 'Action: look("b")\n', "Action: Finish(7)"]
        agent = ReAct(tools=shelf.tools, max_steps=3, journal=str(tmp_path))
        outcome = await asked(agent, lambda *_, left=replies: left.pop(0))
        assert outcome is not None
        assert (outcome.answer, outcome.usage.tool_calls) == ("7", 2)
        assert "Observation: <b>" in (outcome.text or "")
        assert len(shelf.asked) == count


@virtual_clock
async def test_a_file_that_is_no_journal_is_told_to_whoever_asks(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text("my notes")
    with pytest.raises(ConfigError, match=FILE_NAME):
        await asked(compiler(Shelf(), tmp_path))
    assert (tmp_path / FILE_NAME).read_text() == "my notes"
