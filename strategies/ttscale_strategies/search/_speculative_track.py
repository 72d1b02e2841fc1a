"""One track of `speculative_steps`: a draft model writes steps, a target grades and rewrites them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from ttscale.answers import extract_answer
from ttscale.errors import BudgetExhausted, VerifierError
from ttscale.registry import load_template
from ttscale.run import Run
from ttscale.types import Candidate, FinishReason, Prompt, Sampling
from ttscale.verifier import ScoresSteps
from ttscale_strategies.search._tracks import Lines, Piece, as_sample, read_piece
from ttscale_strategies.search.rules.step_grades import BEST_GRADE, is_repeating, step_grade
from ttscale_strategies.search.rules.tracks import FinishedTrack
from ttscale_strategies.search.steps import read_score

if TYPE_CHECKING:
    from collections.abc import Callable

    from ttscale_strategies.search.speculative_steps import SpeculativeSteps

TrackEnd = Literal["finished", "repeated", "budget", "ended", "failed"]
"""It has an answer; it repeats itself; its limits or the budget are reached; nobody had more to say; the
engine failed."""

_FINISH_REASONS: dict[TrackEnd, FinishReason] = {
    "finished": "stop",
    "ended": "stop",
    "repeated": "length",
    "budget": "length",
    "failed": "error",
}
_NUM_TOP = 10
"""Tokens among which digits are looked for."""


class SpeculativeTrack:
    """Writes one solution, step by step, with a prompt of its own.

    Attributes:
        num_rounds: steps so far.
        end: why it has ended; ``None``: it has not.
        answer: what it has come to.
        text: all that it has written.
        error: why a sample failed.
        exhausted: what the budget lacked.
    """

    def __init__(
        self, options: SpeculativeSteps, *, index: int, code: str, hint: str, question: str, prompt: Prompt
    ) -> None:
        self.index = index
        self.num_rounds = 0
        self.num_tokens = 0
        self.end: TrackEnd | None = None
        self.answer: str | None = None
        self.text = ""
        self.error: str | None = None
        self.exhausted: BudgetExhausted | None = None
        self._options = options
        self._code = code
        self._hint = hint
        self._question = question
        self._prompt = prompt
        self._steps: list[str] = []
        self._grades: list[float] = []
        self._num_rewritten = 0
        self._ungraded: Piece | None = None

    @property
    def mean_grade(self) -> float:
        """Of its steps, in [0, 9]."""
        return math.fsum(self._grades) / len(self._grades) if self._grades else 0.0

    @property
    def candidate(self) -> Candidate:
        """What an outcome tells of it, the answer's key left out."""
        reason: FinishReason = "abort" if self.end is None else _FINISH_REASONS[self.end]
        return Candidate(
            index=self.index,
            answer=self.answer,
            key=None,
            score=self.mean_grade,
            num_tokens=self.num_tokens,
            finish_reason=reason,
        )

    def finished(self, key: str) -> FinishedTrack:
        """Return it as the rules see it, with its answer's key."""
        return FinishedTrack(
            index=self.index,
            key=key,
            num_rounds=self.num_rounds,
            mean_grade=self.mean_grade,
            num_tokens=self.num_tokens,
        )

    async def go(self, run: Run, is_wanted: Callable[[], bool], on_answer: Callable[[str, str], None]) -> None:
        """Write steps until the track ends, or nobody wants more.

        Args:
            run: the strategy's.
            is_wanted: asked before each step.
            on_answer: told answer and text of a step that has not been graded yet.
        """
        async with run.child(label=f"track {self.index}") as track:
            lines = Lines(track, self._prompt)
            try:
                while self.end is None and is_wanted():
                    await self._round(track, lines, on_answer)
            except BudgetExhausted as error:
                self.exhausted = error
                if self._ungraded is not None:  # better than nothing
                    self._accept(lines, self._ungraded, 0.0)
                self.end = "budget"
            finally:
                track.note(
                    hint=self._code, grades=list(self._grades), rewritten=self._num_rewritten, end=self.end
                )

    async def _round(self, track: Run, lines: Lines, on_answer: Callable[[str, str], None]) -> None:
        drafted = await self._write(track, lines, "draft", self._options.draft)
        if drafted is not None and drafted.is_blank and not drafted.is_end:
            self._accept(lines, drafted, None)
            return
        has_words = drafted is not None and not drafted.is_blank
        grade = 0.0
        if has_words:
            assert drafted is not None
            self._ungraded = drafted
            text = lines.text + drafted.text
            if (answer := extract_answer(text)) is not None:
                on_answer(answer, text)
            grade = await self._grade(track, lines, drafted)
            if grade >= self._options.threshold:
                self._accept(lines, drafted, grade)
                return
        rewritten = await self._write(track, lines, "rewrite", self._options.target)
        if rewritten is not None and not rewritten.is_blank:
            self._num_rewritten += 1
            self._accept(lines, rewritten, BEST_GRADE)
        elif has_words:
            assert drafted is not None
            self._accept(lines, drafted, grade)
        else:
            self.end = "failed" if drafted is None and rewritten is None else "ended"

    async def _write(self, track: Run, lines: Lines, label: str, model: str | None) -> Piece | None:
        """Have a model write the next step; ``None``: it failed."""
        options = self._options
        left = options.max_tokens - self.num_tokens
        sampling = Sampling(
            temperature=options.temperature,
            top_p=options.top_p,
            max_tokens=min(options.max_step_tokens, left),
            stop=(options.delimiter,),
        )
        async with (
            track.child(label=label, model=model) as writer,
            writer.sample(lines.prompt(writer), sampling=sampling) as samples,
        ):
            sample = await anext(samples)
        self.error = self.error or sample.error
        return read_piece(writer, sample, options.delimiter)

    def _accept(self, lines: Lines, piece: Piece, grade: float | None) -> None:
        """Make a piece the next step; one without words has no grade."""
        lines.keep(piece)
        self._ungraded = None
        self.text = lines.text
        self.num_rounds += 1
        self.num_tokens += piece.sample.num_tokens
        if grade is not None:
            self._steps.append(piece.text)
            self._grades.append(grade)
        self.answer = extract_answer(self.text)
        self.end = self._reason_to_end(piece)

    def _reason_to_end(self, piece: Piece) -> TrackEnd | None:
        options = self._options
        if self.answer is not None:
            return "finished"
        if not piece.is_blank and is_repeating(self._steps):
            return "repeated"
        if piece.is_end:
            return "ended"
        is_spent = self.num_rounds >= options.max_steps or self.num_tokens >= options.max_tokens
        return "budget" if is_spent else None

    # ── grading ───────────────────────────────────────────────────────────────────────────────────────────

    async def _grade(self, track: Run, lines: Lines, piece: Piece) -> float:
        """Return the grade of a step, in [0, 9]; 0 where nobody can tell."""
        grader = self._options.grader
        if grader is None:
            return await self._asked_grade(track, lines, piece)
        newest = grader.for_newest_step() if isinstance(grader, ScoresSteps) else grader
        solution = as_sample(track, lines.text + piece.text, num_tokens=self.num_tokens)
        try:
            (score,) = await track.score([solution], newest)
        except VerifierError:
            return 0.0
        _, relative, _ = read_score(score, 1)
        return BEST_GRADE * relative if relative is not None else 0.0

    async def _asked_grade(self, track: Run, lines: Lines, piece: Piece) -> float:
        options = self._options
        template = load_template(options.grade_template)
        known = {
            "question": self._question,
            "hint": self._hint,
            "solution": (lines.text + piece.text).strip(),
            "step": piece.text.strip(),
        }
        prompt = template.render(**{name: known[name] for name in template.fields})
        async with track.child(label="grade", model=options.target, bucket="verifier", kind="score") as judge:
            num_top = (
                min(_NUM_TOP, judge.capabilities.max_top_logprobs) if options.grading == "average" else None
            )
            sampling = Sampling(max_tokens=1, temperature=0.0, logprobs=num_top)
            async with judge.sample(prompt, sampling=sampling) as samples:
                sample = await anext(samples)
            if sample.is_error:
                return 0.0
            likeliest = (sample.top_logprobs or ({},))[0]
            said = [(judge.decode((token_id,)), math.exp(value)) for token_id, value in likeliest.items()]
            grade = step_grade(sample.text, _summed(said), options.grading)
            judge.note(values=[grade], reasons=[sample.text])
        return grade


def _summed(said: list[tuple[str, float]]) -> dict[str, float]:
    """Add up the probabilities of tokens that have one text."""
    found = dict[str, float]()
    for text, probability in said:
        found[text.strip()] = found.get(text.strip(), 0.0) + probability
    return found
