"""The machines of CodeMonkeys: one writes a test until it is approved, one an edit, one picks among edits."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from ttscale.run import Run
from ttscale.tools import Toolbox
from ttscale.types import Sample, Sampling
from ttscale_strategies.dag._repository import trial_program
from ttscale_strategies.dag.rules.code_edits import EditError, applied, blocks_in, diff_text
from ttscale_strategies.refine._rounds import one_sample
from ttscale_strategies.revision import asked_again, without_thoughts

_TEST: Final = re.compile(r"<test>(.*?)</test>", re.DOTALL)
_CHOSEN: Final = re.compile(r"<chosen_candidate_fix_id>\s*([0-9]{1,4})\s*</chosen_candidate_fix_id>")
_APPROVED: Final = "<approved/>"
_FENCE: Final = re.compile(r"\s*```[\w+-]*\n(.*?)\n?```\s*", re.DOTALL)
_NO_TEST: Final = "there is no test to run"


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of running a test."""

    is_passed: bool
    output: str

    @property
    def told(self) -> str:
        """What happened, in words for a prompt."""
        return "the test passes" if self.is_passed else "the test fails"


@dataclass(slots=True)
class Bench:
    """The repository, and the sandbox in which states of it are tried out. Equal trials are made once."""

    run: Run
    box: Toolbox
    sandbox: str
    """Name of the tool that runs code."""
    files: Mapping[str, str]
    """As they are."""
    shown: str
    """Of them, what prompts show."""
    max_output_characters: int
    word: str
    """What a program says that has come to its end."""
    _known: dict[str, Trial] = field(default_factory=dict[str, Trial])

    async def tried(self, files: Mapping[str, str], test: str) -> Trial:
        """Run a test on a state of the repository.

        Raises:
            BudgetExhausted: no tool call is left in the budget.
        """
        program = trial_program(files, test, self.word)
        if program not in self._known:
            result = await self.box.call(self.run, self.sandbox, {"code": program})
            is_passed, output = result.error is None, result.shown(self.max_output_characters).rstrip()
            if is_passed:
                is_passed = output.endswith(self.word)
                output = output.removesuffix(self.word).rstrip()
                output += "" if is_passed else "\nThe program ended before the test did."
            self._known[program] = Trial(is_passed, output)
        return self._known[program]


@dataclass(slots=True)
class Monkey:
    """One sample: its test, and its edit."""

    number: int
    test: str | None = None
    files: Mapping[str, str] | None = None
    """The repository with its edit."""
    patch: str = ""
    """Its edit as a diff."""
    last: Sample | None = None
    """The last that it wrote; a failed one only if all failed."""


Ask = Callable[[str, Mapping[str, str]], Awaitable[str]]
"""Has the model reply to a template with these values; nothing where the sample failed."""


def asking(run: Run, monkey: Monkey, sampling: Sampling) -> Ask:
    """Return how a machine asks within a run."""

    async def ask(template: str, values: Mapping[str, str]) -> str:
        sample = await one_sample(run, asked_again(template, run, **values), sampling)
        is_whole = sample.finish_reason not in ("error", "abort")
        if is_whole or monkey.last is None:
            monkey.last = sample
        return without_thoughts(sample.text) if is_whole else ""

    return ask


async def write_test(bench: Bench, monkey: Monkey, ask: Ask, max_turns: int) -> None:
    """Have a test written, run on the repository as it is, and revised until it is approved.

    A reply without a test, or with neither a test nor an approval, is asked for again.

    Args:
        bench: runs it.
        monkey: whose it is; holds the last test there is, whenever this ends.
        ask: asks the model.
        max_turns: most replies.

    Raises:
        BudgetExhausted: the budget is spent.
    """
    trial: Trial | None = None
    for _ in range(max_turns):
        if trial is None or monkey.test is None:
            said = await ask("write_test", {"files": bench.shown})
        else:
            values = {"files": bench.shown, "test": monkey.test, "outcome": trial.told, "output": trial.output}
            said = await ask("revise_test", values)
            if _APPROVED in said and code_in(said) is None:
                return
        test = code_in(said)
        if test is not None:
            monkey.test = test
            trial = await bench.tried(bench.files, test)


async def write_edit(
    bench: Bench, monkey: Monkey, ask: Ask, max_turns: int, on_edit: Callable[[], None]
) -> None:
    """Have an edit written, its test run with it, and revised until it is approved.

    An edit that cannot be read or does not fit is shown to its author with the reason.

    Args:
        bench: runs it.
        monkey: whose it is; holds the last edit that fits, whenever this ends.
        ask: asks the model.
        max_turns: most replies.
        on_edit: called for each edit that fits.

    Raises:
        BudgetExhausted: the budget is spent.
    """
    test = monkey.test or f"# {_NO_TEST}"
    shown, outcome, output = "", "", ""
    for _ in range(max_turns):
        values = {"files": bench.shown, "test": test}
        if shown:
            revision = {**values, "edit": shown, "outcome": outcome, "output": output}
            said = await ask("revise_edit", revision)
            if _APPROVED in said and monkey.files is not None and "SEARCH" not in said:
                return
        else:
            said = await ask("write_edit", values)
        if not said.strip():
            continue
        try:
            files = applied(bench.files, blocks_in(said))
        except EditError as error:
            shown, outcome, output = said.strip(), "it cannot be applied", str(error)
            continue
        monkey.files, monkey.patch = files, diff_text(bench.files, files)
        on_edit()
        trial = Trial(is_passed=False, output=_NO_TEST)
        if monkey.test is not None:
            trial = await bench.tried(files, monkey.test)
        shown, output = monkey.patch, trial.output
        outcome = trial.told if monkey.test is not None else _NO_TEST


async def select_edit(bench: Bench, edits: Sequence[Monkey], ask: Ask, max_turns: int) -> int | None:
    """Have one of some edits chosen, after tests that tell them apart.

    Args:
        bench: runs the tests, with each edit.
        edits: best first.
        ask: asks the model.
        max_turns: most replies; one with no tag or more than one is asked for again.

    Returns:
        The place of the one chosen; ``None``: there is none of that number, or nothing was chosen.

    Raises:
        BudgetExhausted: the budget is spent.
    """
    shown = "\n\n".join(f"Edit {number}:\n{edit.patch}" for number, edit in enumerate(edits, start=1))
    told = list[str]()
    for _ in range(max_turns):
        tests = "\n\n".join(told) or "none"
        said = await ask("select_edit", {"files": bench.shown, "edits": shown, "tests": tests})
        chosen, test = _CHOSEN.findall(said), _TEST.findall(said)
        if len(chosen) + len(test) != 1:
            continue
        if chosen:
            place = int(chosen[0]) - 1
            return place if 0 <= place < len(edits) else None
        code = unfenced(test[0])
        lines = [f"Test {len(told) + 1}:\n{code}"]
        for number, edit in enumerate(edits, start=1):
            trial = await bench.tried(edit.files or bench.files, code)
            lines.append(f"With edit {number} {trial.told}.\n{trial.output}".rstrip())
        told.append("\n".join(lines))
    return None


def code_in(text: str) -> str | None:
    """Return the last test of a reply; ``None``: there is none, or it is empty."""
    found = _TEST.findall(text)
    return (unfenced(found[-1]) or None) if found else None


def unfenced(code: str) -> str:
    """Return code without a fence around it, and without empty lines before and after."""
    fenced = _FENCE.fullmatch(code)
    return (fenced[1] if fenced else code).strip("\n").rstrip()
