"""CodeMonkeys: tests and edits that are run and revised, votes, and a selection among the best."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.unit.agents import ask, noted
from ttscale.budget import Budget
from ttscale.engine import Engine
from ttscale.errors import ConfigError
from ttscale.testing import FakeBackend, Reply, virtual_clock
from ttscale.tools import FunctionTool, Tool
from ttscale.types import Outcome, Problem, Prompt
from ttscale_strategies.dag._repository import MAX_BYTES, read_repository
from ttscale_strategies.dag.code_monkeys import CodeMonkeys

MARKS = {
    "Their paths": "rank",
    "Write their paths": "rank",
    "Where the edit does all": "revise_edit",
    "Mend it. Write each": "edit",
    "It should fail now": "revise_test",
    "tests for what is asked": "test",
    "Which of them is right": "select",
}
BROKEN = "def add(a, b):\n    return a - b\n"
APPROVED = "<approved/>"


def edit(line: str, before: str = "    return a - b") -> str:
    return f"calc.py\n<<<<<<< SEARCH\n{before}\n=======\n{line}\n>>>>>>> REPLACE\n"


def test_of(code: str) -> str:
    return f"I test it.\n<test>\n```python\n{code}\n```\n</test>"


test_of.__test__ = False  # type: ignore[attr-defined]
RIGHT = edit("    return a + b")
STRICT = test_of("from calc import add\nassert add(1, 2) == 3")
WEAK = test_of("from calc import add\nassert add(0, 0) == 0")
USUAL: dict[str, str] = {
    "rank": "calc.py",
    "test": STRICT,
    "revise_test": APPROVED,
    "edit": RIGHT,
    "revise_edit": APPROVED,
    "select": "<chosen_candidate_fix_id>1</chosen_candidate_fix_id>",
}


class Programmer:
    """A model that replies by what it is asked for, and remembers all of it."""

    def __init__(self, replies: Mapping[str, str | Callable[[int, str], str | Reply]] | None = None) -> None:
        self.replies = {**USUAL, **(replies or {})}
        self.asked = list[tuple[str, str]]()

    def __call__(self, prompt: Prompt, seed: int, ordinal: int) -> Reply:
        kind = next(kind for mark, kind in MARKS.items() if mark in prompt.question)
        number = sum(kind == before for before, _ in self.asked)
        self.asked.append((kind, prompt.question))
        reply = self.replies[kind]
        said = reply if isinstance(reply, str) else reply(number, prompt.question)
        return said if isinstance(said, Reply) else Reply(said, seconds=1.0)

    def of(self, kind: str) -> list[str]:
        return [text for asked, text in self.asked if asked == kind]


class Pretended:
    """A sandbox for the tests' own trusted code: runs it here, on the files that the program has with it."""

    def __init__(self) -> None:
        self.num_runs = 0

    def tool(self) -> Tool:
        return FunctionTool(function=self.run, name="python")

    def run(self, code: str) -> str:
        """Run a program."""
        self.num_runs += 1
        files, test = (
            json.loads(ast.literal_eval(found)) for found in re.findall(r"json\.loads\(('.*?')\)(?:\.|,)", code)
        )
        names: dict[str, object] = {}
        exec(files["calc.py"], names)
        exec(test.replace("from calc import add", ""), names)
        return "printed\n" + str(ast.literal_eval(code.rpartition("print(")[2].rstrip().removesuffix(")")))


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    (tmp_path / "calc.py").write_text(BROKEN)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "notes.txt").write_text("It adds.\n")
    return tmp_path


async def mended(
    repository: Path,
    model: Programmer,
    sandbox: Pretended | None = None,
    budget: Budget | None = None,
    **options: object,
) -> Outcome:
    strategy = CodeMonkeys(repository=str(repository), **options)  # type: ignore[arg-type]
    tools = [(sandbox or Pretended()).tool()]
    outcome, _ = await ask(strategy, model, tools=tools, budget=budget)
    return outcome


@virtual_clock
async def test_the_answer_is_a_diff_and_the_repository_stays_as_it_is(repository: Path) -> None:
    model, sandbox = Programmer(), Pretended()
    outcome = await mended(repository, model, sandbox, n=2)
    assert outcome.answer == (
        "--- a/calc.py\n+++ b/calc.py\n@@ -1,2 +1,2 @@\n def add(a, b):\n-    return a - b\n+    return a + b\n"
    )
    assert (outcome.confidence, outcome.stop_reason) == (1.0, "finished")
    assert (repository / "calc.py").read_text() == BROKEN
    assert read_repository(str(repository)) == {"calc.py": BROKEN, "docs/notes.txt": "It adds.\n"}
    # equal edits are one, so that nothing is selected; equal trials are made once
    assert (model.of("select"), outcome.candidates[0].key) == ([], outcome.candidates[1].key)
    assert "### docs/notes.txt\nIt adds." in model.of("test")[0]


@virtual_clock
async def test_a_test_is_shown_what_it_does_and_revised_until_it_is_approved(repository: Path) -> None:
    model = Programmer(
        {
            "test": lambda number, _: "no tags" if number == 0 else WEAK,
            "revise_test": lambda number, _: [STRICT, "neither", APPROVED][number],
        }
    )
    await mended(repository, model, n=1)
    assert len(model.of("test")) == 2
    assert "the test passes" in model.of("revise_test")[0]
    assert "the test fails" in model.of("revise_test")[1]
    assert "AssertionError" in model.of("revise_test")[1]
    assert "add(1, 2) == 3" in model.of("edit")[0]


@virtual_clock
async def test_an_edit_is_shown_what_the_test_says_or_why_it_does_not_fit(repository: Path) -> None:
    model = Programmer(
        {
            "edit": edit("    return a + b", before="    return b - a"),
            "revise_edit": lambda number, _: [edit("    return a * b"), RIGHT, APPROVED][number],
        }
    )
    outcome = await mended(repository, model, n=1)
    first, second, third = model.of("revise_edit")
    assert "it cannot be applied:\n\nthe lines searched for in 'calc.py' are not found" in first
    assert "the test fails" in second
    assert "the test passes" in third
    assert "+    return a + b" in (outcome.answer or "")


@virtual_clock
async def test_tests_of_all_samples_vote_and_the_best_three_are_shown(repository: Path) -> None:
    edits = [RIGHT, edit("    return a * b"), edit("    return b + a  # longer"), edit("    return 0")]

    model = Programmer(
        {
            "test": lambda number, _: STRICT if number % 2 else WEAK,
            "edit": lambda number, _: edits[number],
            "select": "<chosen_candidate_fix_id>2</chosen_candidate_fix_id>",
        }
    )
    outcome = await mended(repository, model, n=4)
    scores = {(one.answer or "").rpartition("+    return ")[2].strip(): one.score for one in outcome.candidates}
    assert scores == {"a + b": 4.0, "a * b": 2.0, "b + a  # longer": 4.0, "0": 2.0}
    (shown,) = model.of("select")
    assert shown.index("+    return a + b") < shown.index("+    return b + a") < shown.index("+    return 0")
    assert "a * b" not in shown
    assert "b + a  # longer" in (outcome.answer or "")
    votes = noted(outcome, "votes")
    assert isinstance(votes, list)
    assert len(votes) == 16


@virtual_clock
async def test_the_selection_may_test_and_must_name_one(repository: Path) -> None:
    telling = "<test>\nfrom calc import add\nassert add(2, 3) == 5, 'five'\n</test>"
    both = f"{telling}<chosen_candidate_fix_id>1</chosen_candidate_fix_id>"
    replies = [both, telling, "<chosen_candidate_fix_id> 2 </chosen_candidate_fix_id>"]
    edits = [edit("    return 3"), edit("    return b + a")]
    model = Programmer({"edit": lambda number, _: edits[number], "select": lambda number, _: replies[number]})
    outcome = await mended(repository, model, n=2)
    assert len(model.of("select")) == 3
    assert "With edit 1 the test fails.\nError: " in model.of("select")[2]
    assert "With edit 2 the test passes." in model.of("select")[2]
    assert "b + a" in (outcome.answer or "")


@pytest.mark.parametrize("said", ["<chosen_candidate_fix_id>9</chosen_candidate_fix_id>", "I cannot choose."])
@virtual_clock
async def test_a_selection_that_names_nobody_leaves_the_first_of_the_ranking(
    repository: Path, said: str
) -> None:
    edits = [edit("    return 0"), RIGHT]
    model = Programmer({"edit": lambda number, _: edits[number], "select": said})
    outcome = await mended(repository, model, n=2, max_selection_turns=3)
    assert "+    return a + b" in (outcome.answer or "")


@virtual_clock
async def test_a_machine_that_never_approves_ends_with_what_it_has(repository: Path) -> None:
    model = Programmer({"revise_test": STRICT, "revise_edit": RIGHT})
    outcome = await mended(repository, model, n=1, max_turns=3)
    assert (len(model.of("test")) + len(model.of("revise_test")), len(model.asked)) == (3, 6)
    assert "a + b" in (outcome.answer or "")


@virtual_clock
async def test_samples_without_an_edit_are_no_candidates_with_an_answer(repository: Path) -> None:
    model = Programmer({"edit": "I cannot.", "revise_edit": "I still cannot."})
    outcome = await mended(repository, model, n=2, max_turns=2)
    assert (outcome.answer, outcome.stop_reason) == (None, "finished")
    assert [candidate.key for candidate in outcome.candidates] == [None, None]
    failing = Programmer(
        {"test": lambda *_: Reply("x", error="broken"), "edit": lambda *_: Reply("", error="b")}
    )
    outcome = await mended(repository, failing, n=1, max_turns=1)
    assert (outcome.stop_reason, outcome.error) == ("error", "broken")


@virtual_clock
async def test_a_spent_budget_gives_the_edit_that_ranks_first(repository: Path) -> None:
    outcome = await mended(repository, Programmer(), n=1, budget=Budget(samples=3))
    assert "a + b" in (outcome.answer or "")
    assert outcome.stop_reason == "budget"
    outcome = await mended(repository, Programmer(), n=1, budget=Budget(tool_calls=1))
    assert outcome.stop_reason == "budget"


@virtual_clock
async def test_files_that_do_not_fit_are_ranked(repository: Path) -> None:
    (repository / "docs" / "notes.txt").write_text("It adds. " * 100)
    model = Programmer({"rank": "1. `calc.py`\n2. nothing.py\n- docs/notes.txt"})
    outcome = await mended(repository, model, n=1, max_context_tokens=200)
    assert len(model.of("rank")) == 3
    assert "It adds" not in model.of("test")[0]
    assert "def add" in model.of("test")[0]
    assert noted(outcome, "num_files_shown") == 1


@virtual_clock
async def test_what_cannot_be_mended_is_refused(repository: Path, tmp_path: Path) -> None:
    async with Engine(FakeBackend("x")) as engine:
        with pytest.raises(ConfigError, match="has no repository"):
            await engine.solve("Q", strategy=CodeMonkeys())
        with pytest.raises(ConfigError, match="is no folder"):
            await engine.solve("Q", strategy=CodeMonkeys(repository=str(tmp_path / "none")))
        strategy, other = CodeMonkeys(repository=str(repository)), FunctionTool(function=edit)
        with pytest.raises(ConfigError, match="finds no tool 'python'"):
            await engine.solve("Q", strategy=strategy, tools=[other])


def test_a_repository_is_text_without_what_is_hidden_or_leads_elsewhere(
    repository: Path, tmp_path: Path
) -> None:
    (repository / ".git").mkdir()
    (repository / ".git" / "config").write_text("secret")
    (repository / "image.bin").write_bytes(b"\xff\xfe\x00")
    (repository / "link.py").symlink_to("/etc/passwd")
    (repository / "crlf.py").write_bytes(b"a = 1\r\n")
    assert read_repository(str(repository)) == {
        "calc.py": BROKEN,
        "crlf.py": "a = 1\n",
        "docs/notes.txt": "It adds.\n",
    }
    (repository / "large.txt").write_text("x" * (MAX_BYTES + 1))
    with pytest.raises(ConfigError, match="is too large"):
        read_repository(str(repository))


@virtual_clock
async def test_the_repository_of_the_problem_is_mended_in_the_real_sandbox(repository: Path) -> None:
    leaving = test_of("import sys\nfrom calc import add\nassert add(1, 2) == 3\nsys.exit(0)")
    quitting = edit("    import os\n    os._exit(0)")
    model = Programmer(
        {
            "test": leaving,
            "edit": quitting,
            "revise_edit": lambda number, _: [RIGHT, APPROVED][number],
        }
    )
    problem = Problem(id="calc", prompt=Prompt.user("It must add."), meta={"repository": str(repository)})
    outcome, _ = await ask(CodeMonkeys(n=1), model, problem=problem)
    if "does not permit" in model.of("revise_test")[0]:
        pytest.skip("this machine permits no sandbox")
    assert "the test fails:\n\n" in model.of("revise_test")[0]
    assert "The program ended before the test did." in model.of("revise_edit")[0]
    assert "the test passes" in model.of("revise_edit")[1]
    assert "a + b" in (outcome.answer or "")
    assert outcome.confidence == 1.0
