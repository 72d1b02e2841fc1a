"""CodeMonkeys: tests and edits written side by side, and the edit chosen that most of the tests let pass."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import ClassVar, Final

from ttscale.errors import BudgetExhausted, ConfigError
from ttscale.run import Run
from ttscale.tools import Limits, Toolbox, Tools
from ttscale.tools.sandbox import PythonSandbox
from ttscale.types import Candidate, Outcome, Problem, Prompt, Sampling, StopReason
from ttscale_strategies.checks import require_positive
from ttscale_strategies.dag._code_machines import Bench, Monkey, asking, select_edit, write_edit, write_test
from ttscale_strategies.dag._repository import files_text, read_repository
from ttscale_strategies.dag.rules.code_edits import merged_ranking, ranked_edits
from ttscale_strategies.refine._workspace import CHARACTERS_PER_TOKEN, workspace_tokens
from ttscale_strategies.revision import asked_again, require_fields, without_thoughts

_CODE = ("question", "files")
_TEMPLATES: Final = {
    "rank_files": _CODE,
    "write_test": _CODE,
    "revise_test": (*_CODE, "test", "outcome", "output"),
    "write_edit": (*_CODE, "test"),
    "revise_edit": (*_CODE, "test", "edit", "outcome", "output"),
    "select_edit": (*_CODE, "edits", "tests"),
}
_MARKS: Final = re.compile(r"^[\s\-*\d.)`]+|[\s`]+$")


@dataclass(frozen=True, kw_only=True)
class CodeMonkeys:
    """CodeMonkeys: K tests and K edits of a small repository, revised as they are run (arXiv:2501.14723).

    ``code_monkeys:n=10,repository=/path/to/project`` asks for what the problem says is wrong. Each of K
    samples is two machines one after the other: one writes a test, sees what it does on the repository as it
    is, and revises it until it approves of it; the other writes an edit likewise, seeing what the test does
    with it. Every test is run with every edit as soon as both are there. Edits rank by the tests that pass
    with them, of equals the shorter one first; the best three go to a selection machine, which may write
    tests to tell them apart before it names one. The answer is a unified diff; the repository itself is never
    written to.

    Model-written code runs in the tool `sandbox` only, by default `ttscale.tools.sandbox.PythonSandbox`: a
    process of its own with a copy of the files in a folder in memory, without network. Edits are search-and-
    replace blocks, applied in memory to paths within the repository. A test counts as passed if it came to
    its end; code that means to deceive the one test that runs in the same process with it still can.

    Cost: at most ``2 * n * max_turns`` replies, `max_selection_turns` more, and `num_rankings` where the
    files do not fit; at most ``2 * n * max_turns + n * n + 3 * max_selection_turns`` runs of tests. Latency:
    at most 2 · max_turns replies and max_selection_turns, one after another.

    Departures: made for small repositories of Python, `ttscale_strategies.dag._repository.MAX_FILES` files,
    in place of SWE-bench's containers. All files are shown if they fit the context; only where they do not
    are they ranked, by three replies, instead of asking a smaller model about each. A reply that cannot be
    read is drawn again in place of a conversation about its format. A selection that names nobody, or never
    ends, leaves the first of the ranking. `confidence` is the share of the tests that pass with the chosen
    edit; a candidate's score their number.
    """

    tools: Tools = ()
    """The sandbox, and others that are not used; none: those that come with the problem, or a
    `PythonSandbox`."""
    sandbox: str = "python"
    """Name of the tool that runs programs: it takes `code`, and gives back what that prints."""
    repository: str | None = None
    """Path of the folder; ``None``: the problem's own, `repository` of its meta."""
    n: int = 10
    """K, samples, >= 1."""
    max_turns: int = 8
    """Most replies of a machine, >= 1."""
    max_selection_turns: int = 8
    """Most replies of the selection machine, >= 1."""
    num_shown: int = 3
    """Edits that it chooses among, >= 1; 1: the first of the ranking is taken."""
    num_rankings: int = 3
    """Rankings of files that are merged, >= 1."""
    max_context_tokens: int | None = None
    """Of the files that prompts show, >= 1; ``None``: half of the model's context."""
    max_workers: int = 4
    """Most programs at once, >= 1."""
    max_output_characters: int = 8_192
    """Of what a program prints, those that are shown, >= 1; a longer output loses its middle."""
    temperature: float | None = 0.5
    """Of tests and edits; ``None``: the model's own."""
    selection_temperature: float | None = 0.0
    max_tokens: int | None = 4_096
    """Most generated tokens of a reply; ``None``: what the context leaves."""

    needs: ClassVar[frozenset[str]] = frozenset()

    def __post_init__(self) -> None:
        for name in (
            "n",
            "max_turns",
            "max_selection_turns",
            "num_shown",
            "num_rankings",
            "max_workers",
            "max_output_characters",
        ):
            require_positive(getattr(self, name), name)
        if self.max_context_tokens is not None:
            require_positive(self.max_context_tokens, "max_context_tokens")
        self.sampling()
        Sampling(temperature=self.selection_temperature)
        for name, fields in _TEMPLATES.items():
            require_fields(name, fields)

    def sampling(self) -> Sampling:
        """Return how tokens of tests and edits are drawn."""
        return Sampling(temperature=self.temperature, max_tokens=self.max_tokens)

    def max_samples(self) -> None:
        """Return ``None``: whether files are ranked depends on the repository; see the cost above."""
        return

    async def solve(self, problem: Problem, run: Run) -> Outcome:
        """Write tests and edits, and choose, or answer by what there is when the budget is spent.

        Raises:
            ConfigError: there is no repository, it is too large, or no tool is called `sandbox`.
        """
        path = self.repository or problem.meta.get("repository")
        if not isinstance(path, str):
            raise ConfigError("code_monkeys has no repository; give repository=PATH, or one with the problem.")
        files = read_repository(path)
        limits = Limits(concurrency=self.max_workers)
        box = await Toolbox.open(run, self.tools or run.tools or (PythonSandbox(),))
        if self.sandbox not in box:
            raise ConfigError(
                f"code_monkeys finds no tool {self.sandbox!r}; it has {', '.join(box.names) or 'none'}."
            )
        bench = Bench(
            run=run,
            box=Toolbox([box[self.sandbox]], limits={self.sandbox: limits}),
            sandbox=self.sandbox,
            files=files,
            shown="",
            max_output_characters=self.max_output_characters,
            word=f"The test came to its end: {run.rng.getrandbits(64):016x}.",
        )
        return await _Workshop(self, run, bench).outcome()


class _Workshop:
    """The samples, and which test passes with which edit."""

    def __init__(self, options: CodeMonkeys, run: Run, bench: Bench) -> None:
        self._options = options
        self._run = run
        self._bench = bench
        self._monkeys = [Monkey(number) for number in range(options.n)]
        self._passed = dict[tuple[int, int], bool]()
        """Whether an edit, the first, passes a test, the second."""
        self._done = list[Monkey]()
        self._unpaid = list[BudgetExhausted]()

    async def outcome(self) -> Outcome:
        """Write, try out, and choose.

        Raises:
            BudgetExhausted: the budget does not buy a single reply.
        """
        self._bench.shown = await self._files_shown()
        async with asyncio.TaskGroup() as group:
            for monkey in self._monkeys:
                group.create_task(self._work(monkey))
        ranked = self._ranked(self._options.num_shown)
        if self._unpaid and all(monkey.last is None for monkey in self._monkeys):
            raise self._unpaid[0]
        chosen = ranked[0] if ranked else None
        if len(ranked) > 1 and not self._unpaid:
            chosen = await self._selected(ranked)
        return self._answer(chosen)

    async def _work(self, monkey: Monkey) -> None:
        """Run one sample's two machines, and the matrix of its test and its edit with those of the others."""
        options = self._options
        try:
            async with self._run.child(label=f"sample {monkey.number}", numbered=False) as child:
                ask = asking(child, monkey, options.sampling())
                await write_test(self._bench, monkey, ask, options.max_turns)
                await write_edit(self._bench, monkey, ask, options.max_turns, self._report)
        except BudgetExhausted as error:
            self._unpaid.append(error)
        self._done.append(monkey)
        async with asyncio.TaskGroup() as group:
            for other in self._done:
                group.create_task(self._vote(other, monkey))
                if other is not monkey:
                    group.create_task(self._vote(monkey, other))

    async def _vote(self, edit: Monkey, test: Monkey) -> None:
        """Have one sample's test vote on the edit of another."""
        if edit.files is None or test.test is None:
            return
        try:
            trial = await self._bench.tried(edit.files, test.test)
        except BudgetExhausted as error:
            self._unpaid.append(error)
            return
        self._passed[edit.number, test.number] = trial.is_passed
        self._report()

    async def _selected(self, ranked: Sequence[Monkey]) -> Monkey:
        """Return the edit that the selection machine names; of none the first."""
        options = self._options
        selector = Monkey(options.n)
        sampling = Sampling(temperature=options.selection_temperature, max_tokens=options.max_tokens)
        try:
            async with self._run.child(label="selection") as child:
                ask = asking(child, selector, sampling)
                place = await select_edit(self._bench, ranked, ask, options.max_selection_turns)
                child.note(selected=None if place is None else ranked[place].number)
        except BudgetExhausted as error:
            self._unpaid.append(error)
            place = None
        return ranked[place or 0]

    # ── files ─────────────────────────────────────────────────────────────────────────────────────────────

    async def _files_shown(self) -> str:
        """Return the files for prompts: all of them, or the most important ones that fit."""
        run, files = self._run, self._bench.files
        capacity = workspace_tokens(run, self._options.max_context_tokens)
        if capacity is None or self._num_tokens(files_text(files)) <= capacity:
            return files_text(files)
        shown, left = dict[str, str](), capacity
        for path in merged_ranking(await self._rankings(), list(files)):
            size = self._num_tokens(files_text({path: files[path]}))
            if size <= left:
                shown[path] = files[path]
                left -= size
        run.note(num_files_shown=len(shown))
        return files_text(shown)

    def _num_tokens(self, text: str) -> int:
        ids = self._run.encode(Prompt(text=text)).token_ids
        return len(ids) if ids is not None else len(text) // CHARACTERS_PER_TOKEN

    async def _rankings(self) -> list[list[str]]:
        """Return the model's rankings of the files; those that failed are empty."""
        options, files = self._options, self._bench.files
        listed = "\n".join(f"{path} ({len(text)} characters)" for path, text in files.items())
        rankings = list[list[str]]()
        async with self._run.child(label="ranking") as child:
            prompt = asked_again("rank_files", child, files=listed)
            async with child.sample(prompt, n=options.num_rankings, sampling=options.sampling()) as samples:
                async for sample in samples:
                    said = "" if sample.finish_reason in ("error", "abort") else without_thoughts(sample.text)
                    rankings.append([_MARKS.sub("", line) for line in said.splitlines()])
        return rankings

    # ── the answer ────────────────────────────────────────────────────────────────────────────────────────

    def _ranked(self, most: int) -> list[Monkey]:
        """Return the best edits so far, each of equal ones once."""
        edits = [monkey for monkey in self._monkeys if monkey.files is not None]
        votes = [self._votes(monkey) for monkey in edits]
        return [edits[place] for place in ranked_edits(votes, [edit.patch for edit in edits], most)]

    def _votes(self, edit: Monkey) -> int:
        return sum(is_passed for (number, _), is_passed in self._passed.items() if number == edit.number)

    def _share(self, edit: Monkey) -> float | None:
        verdicts = [is_passed for (number, _), is_passed in self._passed.items() if number == edit.number]
        return sum(verdicts) / len(verdicts) if verdicts else None

    def _report(self) -> None:
        """Say which edit is best so far."""
        for best in self._ranked(1):
            self._run.best(best.patch, key=_key(best.patch), confidence=self._share(best), text=best.patch)

    def _answer(self, chosen: Monkey | None) -> Outcome:
        stop_reason: StopReason = "budget" if self._unpaid else "finished"
        rows = sorted(self._passed.items())
        self._run.note(votes=[[*pair, is_passed] for pair, is_passed in rows])
        if chosen is not None:
            return Outcome(
                answer=chosen.patch,
                key=_key(chosen.patch),
                confidence=self._share(chosen),
                text=chosen.patch,
                candidates=self._candidates(),
                stop_reason=stop_reason,
            )
        last = [monkey.last for monkey in self._monkeys if monkey.last is not None]
        if last and all(sample.is_error for sample in last):
            return Outcome(answer=None, stop_reason="error", error=last[0].error, candidates=self._candidates())
        return Outcome(answer=None, candidates=self._candidates(), stop_reason=stop_reason)

    def _candidates(self) -> tuple[Candidate, ...]:
        return tuple(
            Candidate(
                index=monkey.number,
                answer=monkey.patch or None,
                key=_key(monkey.patch) if monkey.patch else None,
                score=float(self._votes(monkey)) if monkey.patch else None,
                finish_reason="stop" if monkey.last is None else monkey.last.finish_reason,
            )
            for monkey in self._monkeys
        )


def _key(patch: str) -> str:
    """Return what equal patches have in common; a patch itself is too long for a key."""
    return f"patch {sha256(patch.encode()).hexdigest()[:16]}"
