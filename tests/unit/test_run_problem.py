"""The problem of a run: a child may have it in another form, and what it was before is still known."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from ttscale.engine import Engine
from ttscale.run import Run, question_of, worded
from ttscale.testing import FakeBackend, FunctionStrategy, virtual_clock
from ttscale.types import Outcome, Problem, Prompt, Sample, Score
from ttscale.verifier import Example


async def ask(body: Callable[[Run], Awaitable[str | None]]) -> Outcome:
    """Ask "Q"."""
    async with Engine(FakeBackend("x")) as engine:
        return await engine.solve("Q", strategy=FunctionStrategy(body=body))


@virtual_clock
async def test_a_child_may_have_a_problem_of_its_own_and_verifiers_are_shown_it() -> None:
    seen = list[str]()

    @dataclass(frozen=True, kw_only=True)
    class Watching:
        needs: ClassVar[frozenset[str]] = frozenset()
        needs_target: ClassVar[bool] = False

        async def score(self, problem: Problem, samples: Sequence[Sample], run: Run) -> list[Score]:
            seen.append(problem.prompt.question)
            return [Score(value=1.0)] * len(samples)

        def examples(self) -> Sequence[Example]:
            return ()

    async def body(run: Run) -> str:
        other = replace(run.problem, prompt=Prompt.user("Q, please"))
        async with run.child(label="sub", problem=other) as child:
            await child.score([], Watching())
            async with child.child(label="sub") as grandchild:
                assert (grandchild.problem, grandchild.asked) == (other, (run.problem, other))
        assert run.asked == (run.problem,)
        return "done"

    assert (await ask(body)).answer == "done"
    assert seen == ["Q, please"]


@virtual_clock
async def test_the_words_of_a_problem_in_token_ids_are_those_it_had_before() -> None:
    async def body(run: Run) -> str:
        encoded = run.append(run.encode(run.problem.prompt), "<think></think>")
        assert question_of(encoded, run) == "Q<think></think>"
        async with run.child(label="sub", problem=replace(run.problem, prompt=encoded)) as child:
            assert question_of(encoded, child) == "Q"
            assert worded(child) == run.problem.prompt
        return "done"

    assert (await ask(body)).answer == "done"
