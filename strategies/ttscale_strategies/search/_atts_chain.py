"""One chain of `atts`: a draft model writes, a target reads it and goes on where it does not like it."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from ttscale.answers import extract_answer
from ttscale.errors import BackendError, BudgetExhausted
from ttscale.run import Run
from ttscale.types import FinishReason, Sample, Sampling
from ttscale_strategies.search._tracks import Lines, Piece, as_sample, read_piece, written
from ttscale_strategies.search.rules.conformal import perplexity

if TYPE_CHECKING:
    from ttscale_strategies.search.atts import ATTS


class Chain:
    """Writes one solution in turns.

    Attributes:
        index: among the chains.
        text: all that it has written.
        perplexities: of the draft's segments, as the target reads them.
        exhausted: what the budget lacked.
    """

    def __init__(self, options: ATTS, index: int) -> None:
        self.index = index
        self.text = ""
        self.perplexities: list[float] = []
        self.exhausted: BudgetExhausted | None = None
        self._options = options
        self._num_tokens = 0
        self._taken_over: list[bool] = []
        self._unread: Piece | None = None
        self._error: str | None = None
        self._has_failed = False
        self._is_done = False

    def sample(self, run: Run) -> Sample:
        """Return it as one sample; its tokens are all that were generated for it, by both models."""
        reason: FinishReason = "error" if self._has_failed else "stop" if self._is_done else "length"
        error = self._error if self._has_failed else None
        return as_sample(
            run, self.text, index=self.index, num_tokens=self._num_tokens, finish_reason=reason, error=error
        )

    async def go(self, run: Run, is_taken_over: Callable[[float], Awaitable[bool]]) -> None:
        """Write turn after turn until there is an answer, nobody goes on, or the turns or the budget are
        spent.

        Args:
            run: the strategy's.
            is_taken_over: told the perplexity of a segment.
        """
        async with run.child(label=f"chain {self.index}") as chain:
            lines = Lines(chain, run.problem.prompt)
            try:
                for _ in range(self._options.turns):
                    lines = await self._turn(chain, lines, is_taken_over)
                    self.text = lines.text
                    if self._is_done or self._has_failed:
                        break
            except BudgetExhausted as error:
                self.exhausted = error
                if self._unread is not None:  # better than nothing
                    self.text = lines.text + self._unread.text
            finally:
                finite = [value if math.isfinite(value) else None for value in self.perplexities]
                chain.note(perplexities=finite, taken_over=list(self._taken_over))

    async def first_perplexity(self, run: Run) -> float:
        """Write the first segment alone, and return how the target finds it.

        Raises:
            BudgetExhausted: the budget does not buy it.
        """
        async with run.child(label=f"chain {self.index}") as chain:
            lines = Lines(chain, run.problem.prompt)
            drafted = await self._write(chain, lines, "draft", self._options.draft)
            self.text = "" if drafted is None else drafted.text
            self._has_failed = drafted is None
            return await self._perplexity(chain, lines, drafted)

    async def _turn(self, chain: Run, lines: Lines, is_taken_over: Callable[[float], Awaitable[bool]]) -> Lines:
        """Return the text after another turn."""
        drafted = self._unread = await self._write(chain, lines, "draft", self._options.draft)
        if drafted is not None and not drafted.text and drafted.is_end:
            self._is_done = True
            return lines
        self.perplexities.append(await self._perplexity(chain, lines, drafted))
        self._taken_over.append(await is_taken_over(self.perplexities[-1]))
        if self._taken_over[-1]:
            longer = lines.copy()
            if drafted is not None and self._options.rejected == "kept":
                _keep_reasoning(longer, drafted)
            continued = await self._write(chain, longer, "takeover", self._options.target)
            if continued is not None and not continued.is_blank:
                return self._after(longer, continued)
        if drafted is None:
            self._has_failed = True
            return lines
        return self._after(lines, drafted)

    def _after(self, lines: Lines, piece: Piece) -> Lines:
        lines.keep(piece)
        self._unread = None
        self._is_done = piece.is_end or extract_answer(lines.text) is not None
        return lines

    async def _write(self, chain: Run, lines: Lines, label: str, model: str | None) -> Piece | None:
        """Have a model write a segment; ``None``: it failed."""
        options = self._options
        sampling = Sampling(temperature=options.temperature, max_tokens=options.max_turn_tokens)
        async with (
            chain.child(label=label, model=model) as writer,
            writer.sample(lines.prompt(writer), sampling=sampling) as samples,
        ):
            sample = await anext(samples)
        self._num_tokens += sample.num_tokens
        self._error = self._error or sample.error
        return read_piece(writer, sample)

    async def _perplexity(self, chain: Run, lines: Lines, drafted: Piece | None) -> float:
        """Return how unlikely the target finds the segment; infinite where it cannot tell."""
        if drafted is None:
            return math.inf
        async with chain.child(label="perplexity", model=self._options.target, kind="score") as reader:
            before = lines.prompt(reader)
            if drafted.by.room is reader.room:
                whole, _ = written(drafted)
            else:
                whole = reader.append(before, drafted.text)
            try:
                read = await reader.score_prompt(whole)
            except BackendError as error:
                self._error = self._error or str(error)
                return math.inf
            segment = read.logprobs[max(1, len(before.token_ids or ())) :]
            found = perplexity([logprob for logprob in segment if logprob is not None])
            reader.note(values=[found if math.isfinite(found) else None])
        return found


def _keep_reasoning(lines: Lines, drafted: Piece) -> None:
    """Put a segment behind the text, but for an answer in it: that is for the target to give."""
    reasoning = before_answer(drafted.text)
    if reasoning == drafted.text:
        lines.keep(drafted)
    else:
        lines.add(reasoning)


def before_answer(text: str) -> str:
    """Return the lines of a text before the one with which it has an answer; all where it has none."""
    if extract_answer(text) is None:
        return text
    kept = ""
    for line in text.splitlines(keepends=True):
        if extract_answer(kept + line) is not None:
            break
        kept += line
    return kept
