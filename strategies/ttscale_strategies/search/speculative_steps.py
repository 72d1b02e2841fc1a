"""SSR and SpecReason: a small model writes the steps, a large one grades them and rewrites the bad ones."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from ttscale.answers import AnswerClasses, answer_key
from ttscale.registry import load_template
from ttscale.run import Run, question_of
from ttscale.types import Outcome, Problem, Sampling, StopReason
from ttscale.verifier import Verifier
from ttscale_strategies.checks import require_positive
from ttscale_strategies.revision import require_fields
from ttscale_strategies.search._speculative_track import SpeculativeTrack
from ttscale_strategies.search._tracks import needed
from ttscale_strategies.search.rules.step_grades import (
    BEST_GRADE,
    MAX_HINTS,
    GradeRule,
    chosen_hints,
    hint_code,
)
from ttscale_strategies.search.rules.tracks import (
    FinishedTrack,
    elected_fast,
    elected_track,
    is_election_decided,
    last_round,
)
from ttscale_strategies.search.speculative_hints import HINTS, NO_HINT

_WRITES = frozenset({"stop_strings"})
_AVERAGES = frozenset({"token_ids", "max_top_logprobs"})


@dataclass(frozen=True, kw_only=True)
class SpeculativeSteps:
    """Tracks side by side whose steps a draft model writes and a target model grades (SSR).

    Chu et al. 2025, arXiv:2505.15340; a single track without hints is SpecReason (Pan et al. 2025,
    arXiv:2504.07891). ``speculative_steps:target=vllm:/models/large`` drafts with the model that samples:

    1. The target chooses a hint for each track from a list of ways to solve; one that is chosen twice has two
       tracks. Each track is prompted with its own.
    2. The draft writes a step. The target says a digit of it, 0 to 9. Below `threshold` the target writes the
       step itself, which then counts as graded 9.
    3. A track ends with its answer, when it repeats itself, or at its limits. The answer that most tracks
       have, and more than one, counts; where there is none, that of the track with the highest mean grade.

    Cost: at most ``1 + 2 * num_tracks * max_steps`` calls (without the choice of hints, one less), and for
    each step one more that generates a single token: of T tokens in a solution, of which the share f is
    rewritten, the draft generates T and the target f · T. Grading reads the solution so far anew with each
    step, which a prefix cache has but for the step. A `grader` costs what it costs.

    No track waits for another, and the answer does not depend on which is quicker, except by
    ``decide_by="arrival"``. Draft and target may have different tokenizers: each goes on from the token ids
    of what it wrote itself, and has the other's words as text. Words without an answer never vote.
    `confidence` is the share of the tracks with an answer that have this one; candidates are the tracks that
    have ended, scored by their mean grade.

    What goes wrong: a target that says no digit, or fails, grades 0. A draft that writes nothing, or fails,
    leaves the step to the target; where the target writes nothing the draft's step stays, with its grade, and
    if there is none the track ends. A step without end is cut at `max_step_tokens` and goes on as the next. A
    model that ends its solution without an answer ends the track. A budget that ends between a step and its
    grade leaves the step as it is; the answer in it counts where no track has finished.

    Departures: in the authors' code all tracks go step by step together, and grades and rewrites are asked
    with the hint of the last track; here each has its own. The answer is the last box, not the first. Hints
    and prompts are in our own words; the empty thought that is put into the target's mouth is left out, as
    not every model has thoughts. ``stop="decided"`` ends tracks that can no longer change the answer.
    """

    num_tracks: int = 3
    """Solutions side by side, >= 1; the paper tries 3 to 16."""
    draft: str | None = None
    """URI of the model that writes the steps; ``None``: the one that samples."""
    target: str | None = None
    """URI of the model that chooses hints, grades and rewrites; ``None``: the one that samples."""
    hints: tuple[str, ...] = HINTS
    """Ways to solve, at most 25; without any, tracks are prompted with the question as it is, and `select`
    means nothing."""
    select: bool = True
    """Whether the target chooses the hints; if not, tracks have them in order: for models that cannot
    choose."""
    threshold: float = 7.0
    """Least grade of a draft's step that is kept, in [0, 9]; 0 keeps all."""
    grading: GradeRule = "greedy"
    """``"greedy"``: the digit said; ``"average"``: the mean of the likeliest digits, for which the target
    must give the likeliest tokens with their ids."""
    grader: Verifier | None = None
    """Grades the steps in place of the target, its scale stretched to 0 to 9: it is shown the solution so
    far. One that is made for steps, as ``prm``, is asked about the newest alone."""
    stop: Literal["decided", "never", "first", "agree"] = "decided"
    """When the tracks still running are aborted: if they can no longer change the answer; never; once one
    track has an answer (the paper's Fast-1); once two have the same (Fast-2). In the last two grades do not
    count: it is the most frequent answer, or that of the longest track."""
    decide_by: Literal["round", "arrival"] = "round"
    """With ``stop="first"`` or ``"agree"``: who is first by the number of steps, or by the clock. By the
    number of steps, a track that is behind may still be first and goes on so far."""
    delimiter: str = "\n\n"
    """What stands between steps."""
    max_steps: int = 64
    """Most steps of a track, >= 1."""
    max_step_tokens: int = 512
    """Most tokens of a step, >= 1."""
    max_tokens: int = 8192
    """Most tokens of a track's solution, >= 1; rejected steps do not count."""
    temperature: float | None = 0.6
    """The paper's; ``None``: the model's own. Grades and the choice of hints are greedy."""
    top_p: float | None = 0.95
    """The paper's; ``None``: the model's own."""
    track_template: str = "hinted_steps"
    """Name of the template of a track's prompt, with the fields question and hint."""
    select_template: str = "choose_hints"
    """Name of the template of the choice, with the fields question, hints and count."""
    grade_template: str = "grade_step"
    """Name of the template that asks for a grade, with the field step, and question, hint and solution if it
    wants them. The solution ends with the step."""

    needs: ClassVar[frozenset[str]] = frozenset()

    def __post_init__(self) -> None:
        for name in ("num_tracks", "max_steps", "max_step_tokens", "max_tokens"):
            require_positive(getattr(self, name), name)
        if not 0.0 <= self.threshold <= BEST_GRADE:
            raise ValueError(f"threshold must lie in [0, 9], got {self.threshold!r}")
        if len(self.hints) > MAX_HINTS:
            raise ValueError(f"hints must be at most {MAX_HINTS}, got {len(self.hints)}")
        if not self.delimiter:
            raise ValueError("delimiter must not be empty")
        if self.grader is not None and "logprobs" in self.grader.needs:
            raise ValueError("grader must read texts; this one reads log-probabilities, which nobody keeps")
        Sampling(temperature=self.temperature, top_p=self.top_p)
        require_fields(self.track_template, ("question", "hint"))
        require_fields(self.select_template, ("question", "hints", "count"))
        require_fields(self.grade_template, ("step",), optional=("question", "hint", "solution"))

    @property
    def models(self) -> Mapping[str | None, frozenset[str]]:
        """Who drafts, and who grades and rewrites."""
        averages = self.grader is None and self.grading == "average"
        return needed((self.draft, _WRITES), (self.target, _WRITES | _AVERAGES if averages else _WRITES))

    def max_samples(self) -> int:
        """Return 2 · num_tracks · max_steps, and one more where the target chooses hints."""
        return 2 * self.num_tracks * self.max_steps + (1 if self.hints and self.select else 0)

    async def solve(self, problem: Problem, run: Run) -> Outcome:
        """Write all tracks until the answer is certain, or the budget is spent."""
        places = await self._places(problem, run)
        run.note(hints=[hint_code(place) for place in places])
        return await _Race(
            self, run, [self._track(*pair, problem, run) for pair in enumerate(places)]
        ).outcome()

    async def _places(self, problem: Problem, run: Run) -> Sequence[int]:
        """Return each track's hint, by its place among the hints; one beyond them is none.

        Raises:
            BudgetExhausted: the budget does not buy the question.
        """
        num_hints = len(self.hints)
        if not num_hints:
            return [0] * self.num_tracks
        if not self.select:
            return [index % num_hints for index in range(self.num_tracks)]
        listed = [f"{hint_code(place)}. {hint}" for place, hint in enumerate((*self.hints, NO_HINT))]
        prompt = load_template(self.select_template).render(
            question=question_of(problem.prompt, run), hints="\n".join(listed), count=str(self.num_tracks)
        )
        sampling = Sampling(temperature=0.0, max_tokens=2 * self.num_tracks - 1)
        async with (
            run.child(label="hints", model=self.target) as target,
            target.sample(prompt, sampling=sampling) as samples,
        ):
            sample = await anext(samples)
        said = "" if sample.is_error else sample.text
        return chosen_hints(said, num_hints=num_hints, num_wanted=self.num_tracks)

    def _track(self, index: int, place: int, problem: Problem, run: Run) -> SpeculativeTrack:
        question, prompt, hint = question_of(problem.prompt, run), problem.prompt, ""
        if self.hints:
            hint = (*self.hints, NO_HINT)[place]
            prompt = load_template(self.track_template).render(question=question, hint=hint)
        return SpeculativeTrack(
            self,
            index=index,
            code=hint_code(place) if self.hints else "",
            hint=hint,
            question=question,
            prompt=prompt,
        )


class _Race:
    """The tracks side by side, and what ends them."""

    def __init__(self, options: SpeculativeSteps, run: Run, tracks: Sequence[SpeculativeTrack]) -> None:
        self._options = options
        self._run = run
        self._tracks = tracks
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._classes = AnswerClasses(run.workers)
        self._finished: list[FinishedTrack] = []
        self._num_judged = 0
        self._last_round: int | None = None
        self._is_over = False

    async def outcome(self) -> Outcome:
        """Write the tracks, and return what they elect.

        Raises:
            BudgetExhausted: the budget does not buy a single step.
        """
        async with asyncio.TaskGroup() as group:
            for track in self._tracks:
                self._tasks[track.index] = group.create_task(self._go(track))
        exhausted = next((track.exhausted for track in self._tracks if track.exhausted is not None), None)
        if exhausted is not None and not self._run.budget.usage.calls:
            raise exhausted
        return self._result("finished" if exhausted is None else "budget")

    async def _go(self, track: SpeculativeTrack) -> None:
        await track.go(self._run, lambda: self._wants(track), self._on_answer)
        if track.end == "finished":
            await self._judge()
        elif track.end is None:
            self._is_over = True
        else:
            self._stop_useless()

    def _wants(self, track: SpeculativeTrack) -> bool:
        return self._last_round is None or track.num_rounds < self._last_round

    async def _judge(self) -> None:
        """Look who is elected now that another track has an answer, and who need not go on."""
        tracks = [track for track in self._tracks if track.end == "finished"]
        keys = await self._classes.keys([track.answer for track in tracks])
        found = [track.finished(key) for track, key in zip(tracks, keys, strict=True) if key is not None]
        if len(tracks) > self._num_judged:  # else another one has looked later, and was done sooner
            self._finished, self._num_judged = found, len(tracks)
        self._stop_useless()
        best = self._result("finished")
        if best.answer is not None:
            self._run.best(best.answer, key=best.key, confidence=best.confidence, text=best.text)

    def _stop_useless(self) -> None:
        """Abort the tracks that can no longer change anything."""
        options, running = self._options, [track for track in self._tracks if track.end is None]
        num_unjudged = sum(track.end == "finished" for track in self._tracks) - self._num_judged
        if options.stop in ("first", "agree"):
            self._last_round = last_round(self._finished, options.stop)
            if options.decide_by == "round":
                running = [track for track in running if not self._wants(track)]
            elif self._last_round is None:
                running = []
        elif options.stop == "never" or not is_election_decided(self._finished, len(running) + num_unjudged):
            running = []
        for track in running:
            self._is_over = self._tasks[track.index].cancel() or self._is_over

    def _on_answer(self, answer: str, text: str) -> None:
        """Report an answer whose step has no grade yet, while there is no other."""
        if not self._finished:
            self._run.best(answer, key=answer_key(answer), text=text)

    # ── the answer ────────────────────────────────────────────────────────────────────────────────────────

    def _counted(self) -> list[FinishedTrack]:
        """Return the tracks whose answers count: none that the authors' code would not have seen finish."""
        options = self._options
        if options.stop not in ("first", "agree") or options.decide_by == "arrival" or self._last_round is None:
            return self._finished
        return [track for track in self._finished if track.num_rounds <= self._last_round]

    def _result(self, stop_reason: StopReason) -> Outcome:
        counted = self._counted()
        by_rule = elected_track if self._options.stop in ("decided", "never") else elected_fast
        elected = by_rule(counted)
        ended = [track for track in self._tracks if track.end is not None]
        keys = {track.index: track.key for track in self._finished}
        candidates = tuple(
            replace(track.candidate, key=keys.get(track.index, answer_key(track.answer))) for track in ended
        )
        if elected is not None:
            track = self._tracks[elected.index]
            return Outcome(
                answer=track.answer,
                key=elected.key,
                confidence=sum(other.key == elected.key for other in counted) / len(counted),
                text=track.text,
                candidates=candidates,
                stop_reason="decided" if self._is_over and stop_reason == "finished" else stop_reason,
            )
        if ended and all(track.end == "failed" for track in ended):
            return Outcome(answer=None, candidates=candidates, stop_reason="error", error=ended[0].error)
        return self._unfinished(ended).with_(candidates=candidates, stop_reason=stop_reason)

    def _unfinished(self, ended: Sequence[SpeculativeTrack]) -> Outcome:
        """Return an answer in a step that the budget left ungraded, if there is one."""
        for track in ended:
            if (key := answer_key(track.answer)) is not None:
                return Outcome(answer=track.answer, key=key, text=track.text)
        return Outcome(answer=None)
